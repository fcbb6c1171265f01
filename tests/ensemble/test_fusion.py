"""Fusing one photo's boxes, and whole splits: what comes out whatever goes in."""

from typing import Any

import made
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from digits.ensemble import Fuser, Fusion
from digits.ensemble.averaging import averaged
from digits.errors import DigitsError
from digits.records import check_detections

WIDTH, HEIGHT = 90, 40


def record(*found: tuple[Any, float, int], image_id: int = 1) -> Any:
    """Detections as (box, score, label)."""
    return made.record(made.one_by_one(list(found)), image_id, (HEIGHT, WIDTH))


@st.composite
def members(draw: Any, most: int = 4) -> list[dict[str, Any]]:
    """Members with boxes anywhere, partly or wholly outside, of any size; no two scores equal."""
    seed, count = draw(st.integers(0, 10**6)), draw(st.integers(1, most))
    rng = np.random.default_rng(seed)
    sizes = [int(rng.integers(0, 9)) for _ in range(count)]
    scores = iter(rng.permutation(np.linspace(0, 1, 40))[: sum(sizes)])
    found = []
    for size in sizes:
        corner = rng.uniform(-30, 90, (size, 2))
        side = rng.choice([0, 3, 15, 200], (size, 2)) * rng.uniform(0.5, 1, (size, 2))
        rows = np.concatenate([corner, corner + side], axis=1)
        labels = rng.integers(1, 4, size)
        found.append(
            record(*((b.tolist(), float(next(scores)), int(k)) for b, k in zip(rows, labels)))  # noqa: B905
        )
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name in ("boxes", "scores", "labels", "votes"):
        assert torch.allclose(one[name].float(), other[name].float(), atol=1e-4), name


@given(found=members(), iou=st.sampled_from([0.3, 0.6, 0.9]), floor=st.sampled_from([0.0, 0.9]))
@settings(max_examples=25, deadline=None)
def test_whatever_goes_in_detections_come_out(
    found: list[dict[str, Any]], iou: float, floor: float
) -> None:
    weights = tuple(1.0 + 0.5 * i for i in range(len(found)))
    fused = Fusion(weights, iou, floor)(found)
    check_detections(fused, "fused")
    boxes, scores = fused["boxes"], fused["scores"]
    assert (boxes >= 0).all() and (boxes <= torch.tensor([WIDTH, HEIGHT] * 2)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (scores[:-1] >= scores[1:]).all()
    assert len(fused["votes"]) == len(boxes) and (fused["votes"] <= len(found)).all()
    clipped = [m["boxes"].clamp(min=0).minimum(torch.tensor([WIDTH, HEIGHT] * 2)) for m in found]
    visible = any(((b[:, 2:] - b[:, :2]) > 1e-3).all(dim=1).any() for b in clipped)
    assert bool(len(boxes)) == visible  # a box, however unsure, is a digit read
    assert {"image_id", "file_name", "height", "width"} <= fused.keys()


@given(found=members(), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_neither_the_order_of_members_nor_of_boxes_matters(
    found: list[dict[str, Any]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(found))
    shuffled = []
    for member in found:
        turn = torch.from_numpy(rng.permutation(len(member["boxes"])))
        shuffled.append(member | {k: member[k][turn] for k in ("boxes", "scores", "labels")})
    # Powers of two, so that no two weighted scores become equal by accident.
    weights = [1.0, 0.5, 0.25, 2.0][: len(found)]
    fused = Fusion(tuple(weights), 0.5, 0.0)(found)
    other = Fusion(tuple(weights[i] for i in order), 0.5, 0.0)([shuffled[i] for i in order])
    if len(set(fused["scores"].tolist())) == len(fused["scores"]):
        same(fused, other)


def test_a_member_of_weight_zero_takes_no_part() -> None:
    one, two = record(([1, 1, 9, 20], 0.9, 3)), record(([2, 1, 9, 20], 0.8, 3))
    same(Fusion((1.0, 0.0))([one, two]), Fusion((1.0,))([one]))


def test_one_member_stays_as_it_is() -> None:
    alone = record(([1, 1, 9, 20], 0.9, 3), ([30, 2, 40, 22], 0.5, 4), ([60, 2, 70, 22], 0.1, 4))
    fused = Fusion((1.5,))([alone])
    for name in ("boxes", "scores", "labels"):
        assert torch.allclose(fused[name].float(), alone[name].float(), atol=1e-4), name


def test_agreement_is_counted_and_keeps_the_score() -> None:
    box, elsewhere = [10.0, 5.0, 20.0, 30.0], [60.0, 5.0, 70.0, 30.0]
    agree = [record((box, 0.9, 3), (elsewhere, 0.6, 2)), record((box, 0.9, 3), (box, 0.2, 5))]
    fused = Fusion((1.0, 1.0))([*agree])
    assert fused["labels"].tolist() == [3, 2, 5]
    assert fused["votes"].tolist() == [2, 1, 0]  # nobody would read the 5
    assert fused["scores"].tolist() == pytest.approx([0.9, 0.3, 0.1])
    assert torch.allclose(fused["boxes"][0], torch.tensor(box), atol=1e-3)


def test_boxes_of_one_digit_become_one() -> None:
    found = [record(([10, 5, 20, 30], 0.9, 3)), record(([10, 5, 20, 29], 0.8, 3))]
    assert len(Fusion((1.0, 1.0))(found)["boxes"]) == 1


@pytest.mark.parametrize(
    ("weights", "settings", "says"),
    [
        ((1.0, 1.0, 1.0), {}, "3 numbers for 2 members"),
        ((0.0, 0.0), {}, "not all 0"),
        ((1.0, -1.0), {}, "at least 0"),
        ((1.0, float("nan")), {}, "at least 0"),
        ((1.0, 1.0), {"iou": 1.5}, "fusion.iou=1.5"),
        ((1.0, 1.0), {"score_floor": -1}, "fusion.score_floor=-1"),
    ],
)
def test_bad_settings(weights: tuple[float, ...], settings: dict[str, Any], says: str) -> None:
    with pytest.raises(DigitsError, match=says.replace("(", "\\(")):
        Fusion(weights, **settings)([record(), record()])


def test_bad_detections() -> None:
    """The library would end the program with exit code 0 on the first."""
    short = record(([1, 1, 9, 20], 0.9, 3)) | {"scores": torch.zeros(0)}
    with pytest.raises(DigitsError, match="1, 0 and 1"):
        Fusion((1.0,))([short])
    with pytest.raises(DigitsError, match="scores in"):
        Fusion((1.0,))([record(([1, 1, 9, 20], 1.2, 3))])


def test_a_split_on_all_cores_is_photo_by_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digits.ensemble.fuser._MIN_PHOTOS", 10)
    rng = np.random.default_rng(0)
    splits = [
        [record(([x, 3, x + 12, 30], 0.9, 3), image_id=i) for i, x in enumerate(rng.random(70))]
        for _ in range(2)
    ]
    fusion = Fusion((1.0, 2.0))
    with Fuser(splits) as fuser:
        fused = list(fuser(fusion))
        some = list(fuser(fusion, [40, 3]))
    assert [r["image_id"] for r in fused] == list(range(70))
    assert [r["image_id"] for r in some] == [40, 3]
    for index in (0, 40, 69):
        same(fused[index], fusion([split[index] for split in splits]))
    same(some[0], fused[40])


def averaged_by(found: list[dict[str, Any]], weights: list[float]) -> np.ndarray:
    return averaged(found, 0, weights)["boxes"].double().numpy()


@given(found=members(), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_averaged_boxes_stay_among_those_that_were_averaged(
    found: list[dict[str, Any]], seed: int
) -> None:
    weights = np.random.default_rng(seed).choice([0.0, 0.5, 2.0], len(found)).tolist()
    base, moved = found[0], averaged(found, 0, weights)
    count = len(base["boxes"])
    assert moved["labels"][:count].tolist() == base["labels"].tolist()
    assert count <= len(moved["boxes"]) <= max(100, count)
    assert ((moved["scores"] >= 0) & (moved["scores"] <= 1)).all()
    every = [record for record, weight in zip(found[1:], weights[1:], strict=True) if weight]
    for place, box in enumerate(moved["boxes"]):
        label = moved["labels"][place]
        ends = torch.cat(
            [other["boxes"][other["labels"] == label] for other in every] or [box[None]]
        )
        if place < count:
            own = base["boxes"][place][None]
            ends = torch.cat([own, ends[box_iou(own, ends)[0] > 0.7 - 1e-6]])
        assert (box >= ends.amin(0) - 1e-3).all() and (box <= ends.amax(0) + 1e-3).all()
    alone = averaged(found, 0, [1.0] + [0.0] * (len(found) - 1))
    for name in ("boxes", "scores", "labels"):
        assert torch.allclose(alone[name], base[name])


@given(
    found=members(),
    scale=st.floats(0.2, 5),
    shift=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
@settings(max_examples=40, deadline=None)
def test_averaging_follows_the_photo(
    found: list[dict[str, Any]], scale: float, shift: tuple[float, float]
) -> None:
    move = torch.tensor(shift * 2)
    elsewhere = [record | {"boxes": record["boxes"] * scale + move} for record in found]
    weights = [1.0, 0.5, 2.0, 1.0][: len(found)]
    expected = averaged_by(found, weights) * scale + move.numpy()
    assert np.allclose(averaged_by(elsewhere, weights), expected, atol=2e-2)


def test_all_opinions_of_a_digit_make_its_box_and_the_base_its_rank() -> None:
    base = record(([10, 10, 20, 30], 0.9, 3), ([50, 10, 60, 30], 0.8, 4))
    other = record(
        ([11, 11, 21, 31], 0.2, 3), ([10, 11, 21, 31], 0.1, 3), ([50, 11, 60, 30], 0.9, 5)
    )
    moved = averaged([base, other, record()], 0, [1.0, 3.0, 5.0])
    # The second box of the same digit says nothing; the 5 is as sure as its member's share.
    expected = [[10.75, 10.75, 20.75, 30.75], [50, 10, 60, 30], [50, 11, 60, 30]]
    assert moved["boxes"].tolist() == expected and moved["labels"].tolist() == [3, 4, 5]
    scores = np.array([0.9 + 0.9 * 0.2, 0.8, 0.9 * 0.9]) / (1 + 0.3 * (3 + 5))
    assert moved["scores"].numpy() == pytest.approx(scores)
    # Only a member that does not count sees it.
    alone = averaged([base, other], 1, [0.0, 0.0])
    assert torch.equal(alone["boxes"], other["boxes"])
