"""What valid decides about a fusion: settings, honest figures, and the better source per task."""

import json
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import torch
from simulated import simulate

from digits.detections import write_detections
from digits.ensemble import Fuser, Fusion
from digits.ensemble.fit import fit_recipe
from digits.ensemble.members import find_files
from digits.ensemble.options import FusionOptions
from digits.ensemble.recipe import Recipe
from digits.ensemble.run import fuse_files
from digits.ensemble.tune import Tuner
from digits.errors import DigitsError
from digits.inference.options import SubmissionOptions
from digits.reading import Reader, ThresholdReader
from digits.types import CLASS_NAMES

Records = list[dict[str, Any]]


def blurred(records: Records, targets: Records, seed: int, noise: float) -> Records:
    """What a detector of some noise finds: the digits, moved, some missed, some invented."""
    rng = np.random.default_rng(seed)
    members = []
    for record, target in zip(records, targets, strict=True):
        boxes, labels = target["boxes"].numpy(), target["labels"].numpy()
        boxes = np.repeat(boxes, 2, axis=0) + rng.normal(0, noise, (2 * len(boxes), 4))
        labels = np.repeat(labels, 2)
        labels[1::2] = rng.integers(1, 11, len(labels) // 2)  # rivals and inventions
        odds = rng.normal(2.5 - noise, 1.5, len(labels))
        odds[1::2] -= 3
        scores = 1 / (1 + np.exp(-odds))
        order = np.argsort(-scores)
        members.append(record | made.detections(boxes[order], scores[order], labels[order]))
    return members


def about(*names: str) -> list[dict[str, Any]]:
    return [{"name": n, "weights_sha256": n * 2, "config_digest": n * 3} for n in names]


def fit(members: list[Records], targets: Records, start: Fusion | None, **more: Any) -> Recipe:
    reader: Reader = more.pop("reader", ThresholdReader(0.3))
    with Fuser(members) as fuser:
        names = about(*"abcde"[: len(members)])
        return fit_recipe(names, fuser, targets, start, reader, **more)


@pytest.fixture(scope="module")
def photos() -> tuple[Records, Records]:
    return simulate(60)


def test_members_of_equal_worth_are_better_together(photos: tuple[Records, Records]) -> None:
    records, targets = photos
    members = [blurred(records, targets, seed, 1.5) for seed in range(3)]
    recipe = fit(members, targets, Fusion((1.0,) * 3))
    rows = {row["name"]: row for row in recipe.table}
    assert list(rows) == ["a", "b", "c", "fusion"]
    assert rows["fusion"]["map_raw"] > max(rows[n]["map_raw"] for n in "abc") + 0.03
    assert recipe.boxes == "fusion" and "pred.json: from fusion" in recipe.choices()


def test_each_task_keeps_its_best_member_where_fusing_does_not_help(
    photos: tuple[Records, Records],
) -> None:
    records, targets = photos
    good = [
        record | {k: t[k] for k in ("boxes", "labels")} | {"scores": t["labels"] * 0 + 0.9}
        for record, t in zip(records, targets, strict=True)
    ]
    members = [blurred(records, targets, 1, 4.0), good, blurred(records, targets, 2, 4.0)]
    recipe = fit(members, targets, Fusion((1.0,) * 3))
    assert (recipe.boxes, recipe.numbers) == ("b", "b")
    assert any("fusing does not help" in line for line in recipe.choices())
    alone = fit(members, targets, None)  # fusion=none
    assert (alone.boxes, alone.numbers, alone.fusion) == ("b", "b", None)
    assert not any("fusing" in line for line in alone.choices())


@pytest.mark.parametrize("weights", [None, "auto"])
def test_the_best_ranking_and_all_opinions_of_a_place_make_the_boxes(
    photos: tuple[Records, Records], tmp_path: Path, weights: str | None
) -> None:
    records, targets = photos
    members = [blurred(records, targets, 0, 1.5)]
    for seed in (1, 2):  # they see where digits are, and are surer of others between them
        precise = blurred(records, targets, seed, 0.5)
        members.append([with_inventions(record) for record in precise])
    files = [tmp_path / name / "detections.json" for name in "abc"]
    for path, found in zip(files, members, strict=True):
        path.parent.mkdir()
        write_detections(path, {"class_names": list(CLASS_NAMES), "split": "valid"}, found)
    labels = tmp_path / "valid.json"
    labels.write_text(json.dumps(coco(records, targets)))
    submission = SubmissionOptions(tmp_path / "out", alternatives=False, pictures="none")
    submission.folder.mkdir()
    options = FusionOptions(weights=weights)
    value = fuse_files(files, str(labels), ThresholdReader(0.3), options, submission)

    stored = json.loads((submission.folder / "fusion.json").read_text())
    rows = {row["name"]: row for row in stored["table"]}
    assert (stored["boxes"], stored["average"]) == ("a", True)
    assert max(max(r["map_raw"], r["map_refined"]) for r in rows.values()) < value
    # What was promised on valid is what the submission scores.
    assert value == pytest.approx(rows["a"]["map_averaged"], abs=1e-6)
    lines = Recipe.load(submission.folder / "fusion.json").choices()
    assert "pred.json: from a, each box moved to the mean of all members' boxes there" in lines


def with_inventions(record: dict[str, Any]) -> dict[str, Any]:
    boxes, labels = record["boxes"], record["labels"]
    half = (boxes[:, 2:3] - boxes[:, :1]) / 2 * torch.tensor([1.0, 0, 1, 0])
    scores = torch.full((len(boxes),), 0.9)
    return record | {
        "boxes": torch.cat([boxes + half, boxes]),
        "labels": torch.cat([labels % 10 + 1, labels]),
        "scores": torch.cat([scores, record["scores"] * 0.3]),
    }


def coco(records: Records, targets: Records) -> dict[str, Any]:
    """Labels as in valid.json."""
    boxes = [
        {
            "image_id": t["image_id"],
            "category_id": int(k),
            "bbox": [*b[:2], b[2] - b[0], b[3] - b[1]],
        }
        for t in targets
        for b, k in zip(t["boxes"].tolist(), t["labels"], strict=True)
    ]
    return {
        "images": [{"id": r["image_id"]} | {k: r[k] for k in ("file_name", "height", "width")}
                   for r in records],
        "annotations": [box | {"id": i} for i, box in enumerate(boxes)],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CLASS_NAMES)],
    }  # fmt: skip


def test_refining_is_decided_or_said(photos: tuple[Records, Records]) -> None:
    records, targets = photos
    members = [blurred(records, targets, seed, 1.5) for seed in range(2)]
    said = [fit(members, targets, Fusion((1.0, 1.0)), refine=r).refine for r in (True, False)]
    assert said == [True, False]
    auto = fit(members, targets, Fusion((1.0, 1.0)))
    row = next(row for row in auto.table if row["name"] == auto.boxes)
    assert auto.refine == (row["map_refined"] > row["map_raw"])


def test_a_bad_member_loses_its_weight(photos: tuple[Records, Records]) -> None:
    records, targets = photos
    members = [blurred(records, targets, 0, 1.5), blurred(records, targets, 1, 8.0)]
    with Fuser(members) as fuser:
        tuner = Tuner(fuser, targets)
        tuned = tuner.tune(Fusion((1.0, 1.0)), range(60))
        assert tuned.weights[0] == 1 > tuned.weights[1]
        # Too few photos to learn from.
        assert tuner.tune(Fusion((1.0, 1.0)), range(20)) == Fusion((1.0, 1.0))


def test_a_recipe_is_stored_and_found_again_for_its_members_alone(
    photos: tuple[Records, Records], tmp_path: Path
) -> None:
    records, targets = photos
    members = [blurred(records, targets, seed, 1.5) for seed in range(2)]
    recipe = fit(members, targets, Fusion((1.0, 0.5)))
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps(recipe.to_json()))
    assert Recipe.load(path).for_members(about("a", "b"), path) == recipe
    moved = [known | {"name": f"elsewhere/{known['name']}"} for known in about("a", "b")]
    assert Recipe.load(path).for_members(moved, path).table[0]["name"] == "elsewhere/a"
    for others in (about("b", "a"), about("a", "c"), about("a")):
        with pytest.raises(DigitsError, match=r"was fitted to the members \['a', 'b'\]"):
            Recipe.load(path).for_members(others, path)
    for content in ("{", "[]", '{"fusion": {}}'):
        path.write_text(content)
        with pytest.raises(DigitsError, match=r"not a fusion.json"):
            Recipe.load(path)


def test_what_weights_mean() -> None:
    none, auto = FusionOptions("none"), FusionOptions("wbf", "auto", iou=0.5)
    assert none.fusion(2) is None and not none.tunes
    assert auto.fusion(2) == Fusion((1.0, 1.0), 0.5) and auto.tunes
    assert FusionOptions().fusion(2) == Fusion((1.0, 1.0)) and not FusionOptions().tunes
    assert FusionOptions("wbf", [1.5, 1]).fusion(2) == Fusion((1.5, 1.0))
    with pytest.raises(DigitsError, match="1 numbers for 2 members"):
        FusionOptions("wbf", [1.0]).fusion(2)


def test_the_files_that_an_argument_means(tmp_path: Path) -> None:
    paths = [tmp_path / "sweep" / name / "best.ckpt" for name in ("0", "1", "deep/er")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.touch()
    found = [str(p) for p in paths]
    folder = str(tmp_path / "sweep")
    assert find_files(folder, "best.ckpt", "ckpt") == paths
    assert find_files(f"{folder}/*/best.ckpt", "best.ckpt", "ckpt") == paths[:2]
    assert find_files(found[::-1], "best.ckpt", "ckpt") == paths[::-1]  # in the order given
    assert find_files(None, "best.ckpt", "ckpt") == []
    (tmp_path / "empty").mkdir()
    for value in (str(tmp_path / "empty"), f"{folder}/x*"):
        with pytest.raises(DigitsError, match=rf"ckpt={value.replace('*', '.')}: nothing there"):
            find_files(value, "best.ckpt", "ckpt")
    with pytest.raises(DigitsError, match="is given twice"):
        find_files([folder, found[0]], "best.ckpt", "ckpt")
