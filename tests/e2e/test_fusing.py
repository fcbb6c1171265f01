"""Several members through predict.py, as a user runs it."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import run_script
from PIL import Image

from digits import resources
from digits.detections import read_detections

Script = Callable[..., Any]
COUNTS = ("data.valid_count=6", "data.test_count=5")
FUSED = {
    "detections.json",
    "pred.json",
    "pred.csv",
    "numbers.csv",
    "submission.zip",
    "metrics.json",
    "fusion.json",
    "gallery.json",
    "report.html",
    "config.yaml",
    "run.json",
}
LABELLED = FUSED | {"confidence.png"}  # fmt: skip


@pytest.fixture(scope="module")
def sweep(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs; what the members find is kept in it."""
    folder = tmp_path_factory.mktemp("sweep")
    for name in ("0", "1"):
        (folder / name).mkdir()
        shutil.copy(trained.folder / "best.ckpt", folder / name)
    return folder


@pytest.fixture(scope="module")
def fused(sweep: Path) -> Any:
    tiny = ("device=cpu", "num_workers=0", *COUNTS)
    outcome = run_script("predict", sweep.parent / f"{sweep.name}-out", *tiny, f"ckpt={sweep}",
                         "inference.box_score_thresh=0.05")  # fmt: skip
    assert outcome.code == 0, outcome.err
    return outcome


def numbers(folder: Path) -> list[str]:
    with (folder / "pred.csv").open(newline="", encoding="utf-8") as file:
        return [row["image_id"] for row in csv.DictReader(file)]


def detections(sweep: Path, split: str) -> list[str]:
    return [str(p) for name in "01" for p in sweep.glob(f"{name}/detections/{split}-*.json")]


def test_a_sweep_becomes_one_submission(fused: Any, sweep: Path) -> None:
    assert fused.files() == LABELLED | {"readings.png", "pictures"}
    assert numbers(fused.folder) == ["1", "2", "3", "4", "5"]
    recipe = json.loads((fused.folder / "fusion.json").read_text())
    assert [row["name"] for row in recipe["table"]] == ["0", "1", "fusion"]
    figures = json.loads((fused.folder / "metrics.json").read_text())
    assert figures["photos"] == 5 and figures["members"] == recipe["table"]
    assert fused.value == figures["map"]
    for text in ("on valid, cross-fitted", "pred.json: from", "pred.csv: from", "fusion.json"):
        assert text in fused.out
    # The promise, on valid: each task takes what is best.
    rows = {row["name"]: row for row in recipe["table"]}
    boxes = {name: max(row["map_raw"], row["map_refined"]) for name, row in rows.items()}
    if recipe["average"]:
        assert rows[recipe["boxes"]]["map_averaged"] > max(boxes.values())
    else:
        assert boxes[recipe["boxes"]] == max(boxes.values())
    right = {name: row["number_accuracy"] for name, row in rows.items()}
    assert right[recipe["numbers"]] == max(right.values())


def test_nothing_is_detected_twice(fused: Any, sweep: Path, predict: Script) -> None:
    kept = {path: Path(path).stat().st_mtime_ns for s in ("valid", "test")
            for path in detections(sweep, s)}  # fmt: skip
    assert len(kept) == 4
    again = predict(f"ckpt={sweep}", "inference.box_score_thresh=0.05", *COUNTS)
    assert {path: Path(path).stat().st_mtime_ns for path in kept} == kept
    assert "0, valid" in fused.out and "0, valid" not in again.out
    for name in ("pred.csv", "pred.json", "fusion.json"):
        assert (again.folder / name).read_bytes() == (fused.folder / name).read_bytes()
    # Photos of the same names in other data are other photos.
    predict(f"ckpt={sweep}", "inference.box_score_thresh=0.05", "split=valid", *COUNTS,
            "data.seed=7")  # fmt: skip
    assert len(detections(sweep, "valid")) == 4


def test_files_alone_fitted_before(fused: Any, sweep: Path, predict: Script) -> None:
    files = f"detections=[{','.join(detections(sweep, 'test'))}]"
    outcome = predict(files, f"fusion.fit={fused.folder / 'fusion.json'}")
    assert outcome.code == 0, outcome.err
    assert outcome.files() == FUSED
    for name in ("pred.csv", "pred.json"):
        assert (outcome.folder / name).read_bytes() == (fused.folder / name).read_bytes()
    assert "5 synthetic photos (test)" in outcome.out
    untuned = predict(files, "fusion.iou=0.5", "reading=threshold")
    assert "No labels to fit to: weights [1.0, 1.0], not tuned" in untuned.out
    header, records = read_detections(untuned.folder / "detections.json")
    assert header["fusion"]["iou"] == 0.5 and "votes" in records[0]


def test_a_fusion_of_other_members_is_refused_before_these_run(
    sweep: Path, predict: Script
) -> None:
    before = detections(sweep, "test")
    fit = f"fusion.fit={resources.CHECKPOINTS / 'fusion.json'}"
    outcome = predict(f"ckpt={sweep}", "inference.box_score_thresh=0.07", fit, *COUNTS)
    assert outcome.code == 1 and "fitted to the members ['large', 'scratch'" in outcome.err
    assert detections(sweep, "test") == before and outcome.files() == set()


def test_whether_boxes_are_refined_can_be_said_of_a_fitted_fusion(
    fused: Any, sweep: Path, predict: Script
) -> None:
    files = f"detections=[{','.join(detections(sweep, 'test'))}]"
    fit = f"fusion.fit={fused.folder / 'fusion.json'}"
    for refine in (True, False):
        outcome = predict(files, fit, f"submission.refine={refine}".lower())
        assert json.loads((outcome.folder / "fusion.json").read_text())["refine"] is refine


def test_photos_from_elsewhere_are_not_fitted_to_what_is_drawn(
    sweep: Path, predict: Script, tmp_path: Path
) -> None:
    folder = tmp_path / "valid"  # the name must not make it the labelled split
    folder.mkdir()
    Image.effect_noise((50, 40), 80).convert("RGB").save(folder / "door.png")
    outcome = predict(f"ckpt={sweep}", f"photos={folder}", *COUNTS)
    assert outcome.code == 0, outcome.err
    assert "fitted to nothing" in " ".join(outcome.out.split())
    assert "No labels to fit to: weights [1.0, 1.0]" in outcome.out


def test_scales_are_members_and_one_member_is_fine(
    sweep: Path, fused: Any, predict: Script
) -> None:
    one = f"ckpt={sweep}/0/best.ckpt"
    outcome = predict(one, "tta=scales", "tta.scales=[1,1.5]", "split=valid", "fusion=wbf", *COUNTS)
    assert outcome.code == 0, outcome.err
    rows = json.loads((outcome.folder / "fusion.json").read_text())["table"]
    assert [row["name"] for row in rows] == ["0", "0@1.5", "fusion"]
    best = predict(one, "tta=scales", "tta.scales=[1,1.5]", "split=valid", "fusion=none", *COUNTS)
    assert "fusion" not in {r["name"] for r in json.loads(
        (best.folder / "fusion.json").read_text())["table"]}  # fmt: skip
    assert predict(f"detections={detections(sweep, 'test')[0]}").code == 0


def edit(path: str, out: Path, change: Callable[[dict[str, Any]], Any]) -> str:
    content = json.loads(Path(path).read_text())
    change(content)
    out.mkdir()
    (out / "detections.json").write_text(json.dumps(content))
    return str(out / "detections.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["header"].update(class_names=["a"]), "b/detections.json: expected the class"),
        (lambda c: c["header"].update(split="valid"), "b/detections.json: detections of split 'va"),
        (lambda c: c["photos"].pop(), "b/detections.json: 4 photos, but"),
        (lambda c: c["photos"][2].update(image_id=77), "2 are in one alone (image_id 3)"),
        (
            lambda c: c["photos"][2].update(width=c["photos"][2]["width"] + 1),
            "b/detections.json: image_id 3 is another photo",
        ),
        (lambda c: c["photos"][1]["scores"].pop(), "photos[1]: expected as many scores as boxes"),
    ],
)
def test_members_of_other_photos_or_classes_are_refused_by_name(
    fused: Any, sweep: Path, predict: Script, tmp_path: Path, change: Any, says: str
) -> None:
    first = detections(sweep, "test")[0]
    outcome = predict(f"detections=[{first},{edit(first, tmp_path / 'b', change)}]")
    assert outcome.code == 1 and says in outcome.err and "Traceback" not in outcome.err
    assert outcome.files() == set()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["fusion.weights=[1,1,1]"], "3 numbers for 2 members"),
        (["labels=valid.json"], "labels is set without detections"),
        (["fusion.fit=/no.json"], "fusion.fit=/no.json: not a fusion.json"),
        (["detections=[a.json]"], "ckpt and detections are both set"),
    ],
)
def test_bad_settings(sweep: Path, predict: Script, overrides: list[str], says: str) -> None:
    outcome = predict(f"ckpt={sweep}", *COUNTS, "inference.box_score_thresh=0.05", *overrides)
    assert outcome.code == 1 and says in outcome.err and "Traceback" not in outcome.err
    assert outcome.files() == set()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["fusion.iou=0.5"], "fusion.iou=0.5: without effect, since one checkpoint has nothing"),
        (["tta.scales=[1.2]"], "tta.scales=[1.2]: one scale has nothing to fuse"),
        (["ckpt=ensemble", "fusion.weights=[2,1,1]"], "fusion.json says how members are fused"),
        (["detections=x"], "photos=docs/photos: without effect, since detections="),
    ],
)
def test_settings_without_effect_are_refused(
    fused: Any, predict: Script, overrides: list[str], says: str
) -> None:
    overrides = [word.replace("=x", f"={fused.folder}") for word in overrides]
    outcome = predict("photos=docs/photos", *overrides)
    assert outcome.code == 1 and says in outcome.err and "Traceback" not in outcome.err
    assert not outcome.folder.exists()


def test_the_best_member_needs_labels(fused: Any, sweep: Path, predict: Script) -> None:
    files = f"detections=[{','.join(detections(sweep, 'test'))}]"
    assert "no labelled valid" in predict(files, "fusion=none").err
