import re
from itertools import pairwise
from typing import Any

import made
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import interpolate

from digits.data.synthetic import SyntheticDigits
from digits.errors import DigitsError
from digits.models.anchor_heights import auto_heights, digit_anchors
from digits.models.detector import PhotoTransform, build_detector
from digits.models.small import small_fpn
from digits.records import check_detections

CPU = torch.device("cpu")


def small(**kwargs: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    arguments = {
        "min_size": 64,
        "max_size": 192,
        "anchor_heights": (16, 80),
        "aspect_ratios": (1.2, 2.0, 3.0),
        "rpn_post_nms_top_n_test": 20,
        "rpn_post_nms_top_n_train": 50,
        "box_score_thresh": 0.0,
        "box_detections_per_img": 15,
    } | kwargs
    backbone = small_fpn(widths=(8, 16, 24, 32), blocks=(1, 1, 1), box_head_width=32)
    return build_detector(backbone, **arguments)


@pytest.fixture(scope="module")
def detector() -> torch.nn.Module:
    return small().eval()


def photo(height: int = 40, width: int = 60, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=g, dtype=torch.uint8)


def target(*boxes: list[float]) -> Any:
    return made.target(boxes, range(1, len(boxes) + 1))


def test_detections_keep_the_contract_in_pixels_of_each_photo(detector: torch.nn.Module) -> None:
    photos = [photo(40, 60), photo(300, 900, 1), photo(20, 12, 2)]
    with torch.inference_mode():
        found = detector(photos)
    assert len(found) == 3
    for image, detections in zip(photos, found, strict=True):
        check_detections(detections, "here")
        height, width = image.shape[1:]
        boxes, scores = detections["boxes"], detections["scores"]
        assert 0 < len(boxes) <= 15
        assert (boxes >= 0).all() and (boxes <= torch.tensor([width, height] * 2) + 1e-3).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (scores.diff() <= 0).all()
    # Coordinates of the photo, not of what it was resized to (at most 64 x 192).
    assert found[1]["boxes"].max() > 300


def test_boxes_stay_exact_under_bfloat16() -> None:
    model = small(min_size=300, max_size=900).eval()
    with torch.inference_mode():
        (exact,) = model([photo(300, 900)])
        with torch.autocast("cpu", torch.bfloat16):
            (mixed,) = model([photo(300, 900)])
    check_detections(mixed, "here")
    assert mixed["boxes"].dtype == mixed["scores"].dtype == torch.float32
    # bfloat16 coordinates would be multiples of 2 and 4 beyond 256 and 512
    assert (mixed["boxes"][:, 2] % 1 > 0).any()
    # The best box is found within a fraction of a pixel, however the rest is ranked.
    best = (exact["boxes"] - mixed["boxes"][0]).abs().amax(1).min()
    assert best < 0.5


def test_features_that_are_not_numbers_are_refused() -> None:
    model = small()
    statistics = [values for name, values in model.named_buffers() if "running_var" in name]
    for values in statistics:
        values.fill_(-1.0)  # finite, as what is loaded has to be
    with torch.inference_mode(), pytest.raises(DigitsError, match="features are not finite"):
        model.eval()([photo()])
    torch.nn.init.constant_(next(model.backbone.parameters()), torch.nan)
    targets = [target([5.0, 5, 20, 35]), target([3.0, 3, 12, 30])]
    losses = model.train()([photo(), photo(30, 80, 1)], targets)  # RoIAlign sees no such boxes
    assert not torch.isfinite(sum(losses.values()))


def test_photos_are_not_changed(detector: torch.nn.Module) -> None:
    images, kept = [photo(), photo().float() / 255], [photo(), photo().float() / 255]
    with torch.inference_mode():
        detector(images)
    assert all(torch.equal(a, b) for a, b in zip(images, kept, strict=True))


@pytest.mark.parametrize("targets", [[target()], [target(), target([5.0, 5, 20, 35])]])
def test_photos_without_digits_train_too(targets: list[dict[str, Tensor]]) -> None:
    losses = small().train()([photo(seed=i) for i in range(len(targets))], targets)
    total = sum(losses.values())
    assert torch.isfinite(total)
    total.backward()


@pytest.mark.parametrize(("height", "width"), [(1, 90), (90, 1), (1, 1), (2, 900)])
def test_one_pixel_is_enough(detector: torch.nn.Module, height: int, width: int) -> None:
    with torch.inference_mode():
        (found,) = detector([photo(height, width)])
    check_detections(found, "here")


def resized(transform: PhotoTransform, *photos: Tensor, factor: float = 1.0) -> list[Tensor]:
    """Photos as the network sees them in evaluation, without their padding."""
    found = {}
    for chosen, batch in transform.batches(photos, CPU, factor):
        for index, pixels, (height, width) in zip(chosen, batch.tensors, batch.sizes, strict=True):
            assert pixels[:, height:].abs().sum() == pixels[..., width:].abs().sum() == 0
            found[index] = pixels[:, :height, :width]
    return [found[index] for index in range(len(photos))]


@pytest.mark.parametrize(
    ("shape", "size"),
    [((40, 60), (64, 96)), ((400, 600), (64, 96)), ((40, 400), (19, 192)), ((1, 400), (1, 192))],
)
def test_photos_are_resized_by_their_short_side_within_a_bound(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    transform = PhotoTransform([64], 192, [0.5] * 3, [0.5] * 3, 16)
    assert resized(transform, torch.rand(3, *shape))[0].shape[1:] == size
    boxes = target([0, 0, shape[1], shape[0]])
    _, truth = transform([torch.rand(3, *shape)], [boxes], CPU)
    assert truth.boxes[0].tolist() == [[0, 0, size[1], size[0]]]


@settings(max_examples=30, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(2, 300), st.integers(2, 300)), min_size=1, max_size=6),
    short=st.integers(8, 100),
)
def test_resizing_many_photos_is_interpolation_of_each(
    shapes: list[tuple[int, int]], short: int
) -> None:
    transform = PhotoTransform([short], 3 * short, [0.0] * 3, [1.0] * 3, 16)
    photos = [photo(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    for one, found in zip(photos, resized(transform, *photos), strict=True):
        if min(found.shape[1:]) == 1:
            continue  # torch's own is off where it shrinks to a single column
        sides = one.shape[1:]
        shrinks = min(short / min(sides), 3 * short / max(sides)) < 1
        wanted = interpolate(one[None] / 255, found.shape[1:], mode="bilinear", antialias=shrinks)
        torch.testing.assert_close(found, wanted[0], atol=1e-4, rtol=0)


def test_shrinking_averages_instead_of_skipping_pixels() -> None:
    transform = PhotoTransform([10], 100, [0.0] * 3, [1.0] * 3, 16)
    stripes = torch.zeros(3, 100, 100)
    stripes[..., ::10] = 1  # thin strokes
    (image,) = resized(transform, stripes)
    assert image.mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_photos_are_normalised_whatever_their_kind(kind: torch.dtype) -> None:
    transform = PhotoTransform([10], 100, [0.5, 0.25, 0.0], [0.5, 0.25, 1.0], 16)
    white = torch.full((3, 20, 30), 255 if kind == torch.uint8 else 1, dtype=kind)
    for image in resized(transform, white, torch.ones(3, 300, 200)):
        assert image[:, 5, 5].tolist() == pytest.approx([1, 3, 1])


def test_of_several_short_sides_training_draws_and_evaluation_takes_the_last() -> None:
    transform = PhotoTransform([20, 30, 40], 500, [0.5] * 3, [0.5] * 3, 16)
    photos, targets = [torch.rand(3, 10, 20)] * 40, [target()] * 40
    batch, _ = transform(photos, targets, CPU)
    assert set(batch.sizes[:, 0].tolist()) == {20, 30, 40}
    assert {image.shape[1] for image in resized(transform, *photos)} == {40}


def test_an_enlargement_holds_for_one_call() -> None:
    transform = PhotoTransform([20, 30], 100, [0.5] * 3, [0.5] * 3, 16)
    sizes = [
        tuple(resized(transform, torch.rand(3, 60, 90), factor=factor)[0].shape[1:])
        for factor in (1, 2, 4, 1)
    ]
    assert sizes == [(30, 45), (60, 90), (120, 180), (30, 45)]


def test_targets_are_not_changed() -> None:
    transform = PhotoTransform([20], 100, [0.5] * 3, [0.5] * 3, 16)
    given = target([5.0, 5, 20, 35])
    _, truth = transform([photo(), photo()], [given, target()], CPU)
    assert given["boxes"].tolist() == [[5, 5, 20, 35]]
    assert truth.boxes[truth.real].tolist() == [[2.5, 2.5, 10, 17.5]]
    assert truth.labels.tolist() == [[1], [0]]


@pytest.mark.parametrize("targets", [None, [target([5.0, 5, 5, 35])]])
def test_training_wants_targets_with_areas(targets: list[dict[str, Tensor]] | None) -> None:
    with pytest.raises(ValueError, match="Expected target"):
        small().train()([photo()], targets)


@pytest.mark.parametrize(
    ("heights", "count", "levels"),
    [
        ((16, 100), 6, slice(1, 2)),
        ((16, 160), 6, slice(1, 3)),
        ((6, 160), 7, slice(0, 3)),
        ((10, 30), 4, slice(0, 1)),
        ((30, 31), 1, slice(2, 3)),
    ],
)
def test_anchors_have_the_heights_asked_for_on_maps_that_suit_them(
    heights: tuple[float, float], count: int, levels: slice
) -> None:
    model = small(anchor_heights=heights, anchors=count, aspect_ratios=(2.0,))
    assert model.rpn.anchor_generator.levels == model.rpn.head.levels == levels
    cells = model.rpn.anchor_generator.cell_anchors
    used = levels.stop - levels.start
    assert len(cells) == used and len({len(c) for c in cells}) == 1
    got = torch.cat([c[:, 3] - c[:, 1] for c in cells]).tolist()
    assert count <= len(got) < count + used
    logs = torch.tensor(heights).log2().tolist()
    assert got == pytest.approx(
        torch.logspace(*logs, len(got), base=2.0).tolist(),
        abs=1.01,  # torchvision rounds to whole pixels
    )


def test_anchors_follow_the_short_side_unless_in_pixels() -> None:
    for side in (64, 128):
        found = [
            size * 2**0.5
            for level in small(min_size=side, anchor_heights="auto").rpn.anchor_generator.sizes
            for size in level
        ]
        assert (found[0], found[-1]) == pytest.approx(auto_heights(side))
        assert 0.1 * side < found[0] < found[-1] < 1.2 * side
    several = small(min_size=[64, 96, 128], anchor_heights="auto")
    assert (
        several.rpn.anchor_generator.sizes
        == small(min_size=128, anchor_heights="auto").rpn.anchor_generator.sizes
    )


STRIDES = st.builds(
    lambda first, steps: tuple(2 ** (first + sum(steps[:i])) for i in range(len(steps) + 1)),
    st.integers(1, 5),
    st.lists(st.integers(0, 2), max_size=4),  # MobileNet has two maps of one stride
)


@settings(max_examples=200, deadline=None)
@given(
    strides=STRIDES,
    smallest=st.floats(0.5, 300),
    ratio=st.floats(1.01, 50),
    count=st.integers(1, 20),
    ratios=st.lists(st.floats(0.3, 5), min_size=1, max_size=3),
    min_size=st.integers(16, 1000),
)
def test_any_anchors(
    strides: tuple[int, ...],
    smallest: float,
    ratio: float,
    count: int,
    ratios: list[float],
    min_size: int,
) -> None:
    heights = (smallest, smallest * ratio)
    if strides[0] > 2 * smallest:
        with pytest.raises(DigitsError, match="fall between its cells") as caught:
            digit_anchors(heights, count, ratios, strides, min_size)
        said = re.search(r"Say model.min_size=(\d+) or more", str(caught.value))
        assert said is not None and int(said[1]) > min_size
        larger = int(said[1]) / min_size * (1 + 1e-9)  # heights are shares of the short side
        digit_anchors((heights[0] * larger, heights[1] * larger), count, ratios, strides, min_size)
        return
    anchors = digit_anchors(heights, count, ratios, strides, min_size)
    used = strides[anchors.levels]
    assert 1 <= len(used) == len(anchors.sizes) == len(anchors.aspect_ratios)
    assert set(anchors.aspect_ratios) == {tuple(ratios)}
    per_level = {len(level) for level in anchors.sizes}
    assert len(per_level) == 1
    found = [size * 2**0.5 for level in anchors.sizes for size in level]
    assert count <= len(found) < count + len(used)
    assert found[0] == pytest.approx(heights[0], rel=1e-6)
    steps = [b / a for a, b in pairwise(found)]
    assert all(step > 1 for step in steps)  # rising with the level
    assert steps == pytest.approx([steps[0]] * len(steps) if steps else [], rel=1e-6)
    if len(found) > 1:
        assert found[-1] == pytest.approx(heights[1], rel=1e-6)
    # The cells suit the heights wherever the backbone has any such map.
    assert used[0] <= heights[0] / 1.5 or anchors.levels.start == 0
    assert used[-1] <= max(heights[1] / 8, used[0])


def test_aspect_ratios_are_height_by_width() -> None:
    model = small(anchor_heights=(40, 80), aspect_ratios=(1.0, 4.0))
    square, slim = model.rpn.anchor_generator.cell_anchors[0][[0, -1]]
    assert (square[3] - square[1]) / (square[2] - square[0]) == pytest.approx(1, rel=0.1)
    assert (slim[3] - slim[1]) / (slim[2] - slim[0]) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"anchor_heights": (80, 16)}, r"model.anchor_heights=\[80, 16\]"),
        ({"anchor_heights": (0, 16)}, "0 < smallest < largest"),
        ({"anchor_heights": (16,)}, r"model.anchor_heights=\(16,\): expected auto, null, or \["),
        ({"anchor_heights": "large"}, "model.anchor_heights=large: expected auto"),
        ({"anchor_heights": (1, 16)}, "digits 1 pixels high fall between its cells"),
        ({"anchors": 0}, "model.anchors=0"),
    ],
)
def test_settings_that_cannot_work_are_refused(kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(DigitsError, match=says):
        small(**kwargs)


def test_a_few_steps_fit_one_photo() -> None:
    model = small(min_size=96).train()
    image, truth = SyntheticDigits(3, seed=1)[0]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(80):
        loss = sum(model([image], [truth]).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_levels_without_anchors_are_still_pooled_from() -> None:
    model = small(anchor_heights=(16, 64))
    assert model.rpn.head.levels == slice(1, 2)
    assert model.roi_heads.box_roi_pool.featmap_names == ["0", "1", "2"]
    losses = model.train()([torch.rand(3, 48, 80)], [target([5.0, 5, 20, 35])])
    losses["loss_classifier"].backward()
    assert model.backbone.fpn.inner_blocks[0][0].weight.grad.abs().sum() > 0


def test_the_long_side_is_bounded_at_some_multiple_of_the_short_one() -> None:
    bounded = small(max_size=None, min_size=[32, 64]).transform
    assert resized(bounded, torch.rand(3, 10, 100))[0].shape[1:] == (18, 176)


def test_a_shared_box_is_the_same_for_every_class() -> None:
    model = small(shared_box=True).eval()
    head = model.roi_heads.box_predictor
    scores, deltas = head(torch.rand(5, head.bbox_pred.in_features))
    assert scores.shape == (5, 11) and deltas.shape == (5, 4)
    sum(model.train()([torch.rand(3, 48, 80)], [target()]).values()).backward()
