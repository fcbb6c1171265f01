"""The two commands, as a user runs them, on the synthetic default and on real photos."""

import csv
import json
import shutil
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import ROOT, TINY, run_script, save_photo
from PIL import Image

from digits import checkpoint, resources
from digits.data import folder as photos
from digits.detections import read_detections
from digits.types import CLASS_NAMES

Script = Callable[..., Any]
PREDICTED = {
    "detections.json", "pred.json", "pred.csv", "numbers.csv", "submission.zip", "metrics.json",
    "readings.png", "confidence.png", "pictures", "gallery.json", "report.html",
    "config.yaml", "run.json",
}  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_directory_describes_itself(trained: Any) -> None:
    folder, files = trained.folder, trained.files()
    assert {
        "config.yaml", "run.json", "metrics.csv", "metrics.json", "best.ckpt", "best_number.ckpt",
        "last.ckpt",
        "valid.png", "confidence.png", "curves.png", "gallery.json", "report.html",
    } <= files  # fmt: skip
    assert any(name.startswith("events.out.tfevents") for name in files)
    assert not any(name.endswith((".part", ".tmp")) for name in files)

    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["run_dir"] == str(folder)  # resolved
    assert config["trainer"]["limit_train_batches"] == 2 and config["batch_size"] == 4

    facts = json.loads((folder / "run.json").read_text())
    assert "train.py" in facts["command"] and "batch_size=4" in facts["command"]
    assert {"git_commit", "started", "machine"} <= facts.keys()
    assert {"python", "torch", "lightning"} <= facts["versions"].keys()

    Image.open(folder / "valid.png").verify()


def test_the_csv_log_holds_losses_and_scores(trained: Any) -> None:
    log = rows(trained.folder / "metrics.csv")
    scores = [row for row in log if row.get("val/map")]
    assert len(scores) == 1
    assert {"val/map", "val/map_50", "val/map_75", "val/number_accuracy"} <= scores[0].keys()


def test_training_returns_and_stores_the_map_of_the_best_checkpoint(trained: Any) -> None:
    figures = json.loads((trained.folder / "metrics.json").read_text())
    assert trained.value == figures["map"]
    assert 0 <= figures["map"] <= figures["map_50"] <= 1
    assert figures["photos"] == 6 and figures["photos_per_second"] > 0
    logged = [row for row in rows(trained.folder / "metrics.csv") if row.get("val/map")]
    assert float(logged[0]["val/map"]) == pytest.approx(figures["map_raw"], abs=1e-6)


def test_training_prints_what_it_does_and_what_to_do_next(trained: Any) -> None:
    for text in ("6 valid", "epoch 1 of 1: loss", "number_accuracy", f"{trained.folder}/best.ckpt"):
        assert text in trained.out
    then = f"Next: python predict.py ckpt={trained.folder}/best.ckpt data=synthetic split=test"
    assert then in trained.out


def test_predicting_writes_everything(trained: Any, predict: Script) -> None:
    outcome = predict(f"ckpt={trained.folder}/best.ckpt", "data.test_count=5", "batch_size=2")
    assert outcome.code == 0, outcome.err
    assert outcome.files() == PREDICTED
    folder = outcome.folder
    labels, numbers = rows(folder / "pred.csv"), rows(folder / "numbers.csv")
    assert [row["image_id"] for row in labels] == ["1", "2", "3", "4", "5"]
    assert [row["number"] for row in numbers] == [row["pred_label"] for row in labels]
    header, records = read_detections(folder / "detections.json")
    assert header["split"] == "test" and header["class_names"] == list(CLASS_NAMES)
    boxes = json.loads((folder / "pred.json").read_text())
    found = [(r["image_id"], round(float(s), 3)) for r in records for s in r["scores"]]
    submitted = {(box["image_id"], round(box["score"], 3)) for box in boxes}
    assert found and submitted >= set(found)  # no score threshold; alternatives beside them
    for row, record in zip(labels, records, strict=True):
        assert int(row["image_id"]) == record["image_id"]
        assert (row["pred_label"] == "-1") == (not len(record["boxes"]))
    with zipfile.ZipFile(folder / "submission.zip") as archive:
        assert sorted(archive.namelist()) == ["pred.csv", "pred.json"]

    figures = json.loads((folder / "metrics.json").read_text())
    assert outcome.value == figures["map"] and figures["photos"] == 5
    for text in ("map", "number_accuracy", "photos_per_second", "submission.zip"):
        assert text in outcome.out
    assert outcome.out.count("5 synthetic photos (test)") == 2  # banner and table
    assert {row["right"] for row in numbers} <= {"yes", "no"}
    assert len(list((folder / "pictures").glob("*.jpg"))) == 5


def test_predicting_valid_gives_the_figures_of_the_training(trained: Any, predict: Script) -> None:
    valid = ("split=valid", "data.valid_count=6", "batch_size=4")
    outcome = predict(f"ckpt={trained.folder}/best.ckpt", *valid)
    ours = json.loads((trained.folder / "metrics.json").read_text())
    theirs = json.loads((outcome.folder / "metrics.json").read_text())
    for name in ("map", "map_raw", "map_50", "number_accuracy", "digit_error_rate"):
        assert theirs[name] == pytest.approx(ours[name], abs=1e-6), name


def test_settings_of_the_reading_and_of_the_inference_change_the_result(
    trained: Any, predict: Script
) -> None:
    overrides = (
        "reading=threshold", "reading.score_threshold=0", "reading.nms_iou=1", "data.test_count=3"
    )  # fmt: skip
    ckpt = f"ckpt={trained.folder}/best.ckpt"
    long = rows(predict(ckpt, *overrides).folder / "pred.csv")
    assert max(len(row["pred_label"]) for row in long) > 5  # every box is read
    outcome = predict(ckpt, *overrides, "+inference.box_detections_per_img=1")
    assert {len(row["pred_label"]) for row in rows(outcome.folder / "pred.csv")} == {1}
    strict = predict(ckpt, "inference.box_score_thresh=0.99", "data.test_count=3")
    assert {row["pred_label"] for row in rows(strict.folder / "pred.csv")} == {"-1"}
    assert json.loads((strict.folder / "pred.json").read_text()) == []


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny training whose few valid photos are enough to fit the reader."""
    data = ("data.valid_count=20", "data.test_count=5")
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    outcome = run_script("train", folder, *TINY, *data, "reading.min_photos=10")
    assert outcome.code == 0, outcome.err
    return outcome


def test_the_reader_is_fitted_to_valid_and_stored(calibrated: Any, predict: Script) -> None:
    assert "reading: calibrated on 20 photos" in calibrated.out
    stored = checkpoint.load(calibrated.folder / "best.ckpt").description
    json.dumps(stored["reader"])  # plain numbers
    ours = json.loads((calibrated.folder / "metrics.json").read_text())
    assert ours["numbers_cross_fitted"] is True and len(ours["confusion"]) == 11
    assert stored["refine"] is ("map_refined" in ours)

    ckpt = f"ckpt={calibrated.folder}/best.ckpt"
    outcome = predict(ckpt, "split=valid", "data.valid_count=20")
    assert "calibrated on 20 photos" in outcome.out
    theirs = json.loads((outcome.folder / "metrics.json").read_text())
    # The photos that the reader was fitted to: honest figures, the very same.
    for name in ("number_accuracy", "expected_calibration_error", "coverage_at_98"):
        assert theirs[name] == pytest.approx(ours[name], abs=0.01), name
    others = predict(ckpt, "split=test", "data.test_count=5")
    assert json.loads((others.folder / "metrics.json").read_text())["numbers_cross_fitted"] is False


def test_unsure_numbers_are_not_accepted(calibrated: Any, predict: Script) -> None:
    ckpt = f"ckpt={calibrated.folder}/best.ckpt"
    outcome = predict(ckpt, "data.test_count=5", "submission.min_confidence=1")
    numbers = rows(outcome.folder / "numbers.csv")
    assert [row["accepted"] for row in numbers] == ["no"] * 5
    assert json.loads((outcome.folder / "metrics.json").read_text())["accepted"] == 0
    assert all(0 <= float(row["confidence"]) <= 1 for row in numbers)


@pytest.mark.parametrize("reading", ["threshold", "cascade"])
def test_other_rules_read_what_any_checkpoint_finds(
    calibrated: Any, predict: Script, reading: str
) -> None:
    ckpt = f"ckpt={calibrated.folder}/best.ckpt"
    outcome = predict(ckpt, f"reading={reading}", "data.test_count=2", "submission.refine=true")
    assert outcome.code == 0, outcome.err
    assert reading in outcome.out
    boxes = json.loads((outcome.folder / "pred.json").read_text())
    assert any(value == int(value) for box in boxes for value in box["bbox"])


def test_any_folder_of_photos(trained: Any, predict: Script, tmp_path: Path) -> None:
    folder = tmp_path / "my photos"
    (folder / "in here").mkdir(parents=True)
    names = ["door, 12.jpg", "in here/[7] é.png", "zz.PNG"]
    for name, mode in zip(names, ("RGB", "LA", "P"), strict=True):
        Image.effect_noise((50, 40), 80).convert(mode).save(folder / name)
    outcome = predict(f"ckpt={trained.folder}/best.ckpt", f"photos={folder}")
    assert outcome.code == 0, outcome.err
    assert outcome.files() == PREDICTED - {"confidence.png"}
    assert [r["file_name"] for r in rows(outcome.folder / "numbers.csv")] == names
    assert [r["image_id"] for r in rows(outcome.folder / "pred.csv")] == ["1", "2", "3"]
    figures = json.loads((outcome.folder / "metrics.json").read_text())
    assert figures["alternatives"] is False  # of no use to people
    # no labels, no scores
    assert figures.keys() == {
        "photos", "photos_per_second", "accepted", "reading", "refined", "alternatives", "members",
        "min_confidence", "unreadable",
    }  # fmt: skip
    assert outcome.value is None


def test_files_that_cannot_be_read_are_named_and_the_others_read(
    predict: Script, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(BUNDLED / "house-4.png", folder / "a.png")
    for name in ("b.png", "c.png"):
        (folder / name).write_text("no photo")
    for more in ((), ("tta.scales=[1,1.2]", "fusion.fit=null")):
        outcome = predict(f"photos={folder}", *more)
        assert outcome.code == 1
        assert outcome.err.startswith("Error: 2 of 3 photos cannot be read")
        assert f"{folder}/b.png: cannot be" in outcome.err and f"{folder}/c.png" in outcome.err
        assert [row["number"] for row in rows(outcome.folder / "numbers.csv")] == ["4"]
        figures = json.loads((outcome.folder / "metrics.json").read_text())
        assert figures["photos"] == 1 and list(figures["unreadable"]) == ["b.png", "c.png"]
        assert [path.name for path in (outcome.folder / "pictures").iterdir()] == ["a.jpg"]
    alone = predict(f"photos={folder}/b.png")
    assert alone.code == 1 and alone.err.startswith(f"Error: {folder}/b.png: cannot be read")


def test_programs_get_json_lines_and_nothing_else_on_stdout(predict: Script) -> None:
    photos = [str(BUNDLED / f"house-{number}.png") for number in (4, 10)]
    outcome = predict(f"photos={photos}", "json=true", "pictures=none")
    assert outcome.code == 0, outcome.err
    found = [json.loads(line) for line in outcome.out.splitlines()]
    assert [photo["number"] for photo in found] == ["4", "10"]
    assert "digits: reading" in outcome.err and "pictures" not in outcome.files()
    again = predict(f"photos={photos}", "pictures=none")
    assert "house-4.png" in again.out and not again.err


@pytest.mark.parametrize(
    "photos", [(), ("photos=",), ("photos=''",), ("photos=0",), ("photos=[]",)]
)
def test_no_photos_named_never_reads_drawn_ones(predict: Script, photos: tuple[str, ...]) -> None:
    outcome = predict(*photos)
    assert outcome.code == 1 and outcome.err.startswith("Error: ")
    assert "submission.zip" not in outcome.files()


SHIPPED = resources.located("small")
BUNDLED = ROOT / "docs" / "photos"


def reads_the_bundled_photos(outcome: Any) -> dict[str, str]:
    """Three of four of them: each file is named after its number."""
    assert outcome.code == 0, outcome.err
    read = {row["file_name"]: row["number"] for row in rows(outcome.folder / "numbers.csv")}
    assert set(read) == {path.name for path in BUNDLED.glob("*.png")}
    right = [name for name, number in read.items() if name == f"house-{number}.png"]
    assert len(right) >= 0.75 * len(read), read
    return read


def test_without_a_checkpoint_the_model_that_ships_reads(predict: Script) -> None:
    both = predict(f"photos={BUNDLED}")
    read = reads_the_bundled_photos(both)
    assert read["house-327.png"] == "327"  # tilted
    assert SHIPPED.stat().st_size <= 15e6
    header, records = read_detections(both.folder / "detections.json")
    assert len(header["recognizers"]) == 1 and all("rows" in record for record in records)
    assert "with what a recogniser reads" in both.out


def test_the_fusion_that_comes_with_the_project_reads(predict: Script, tmp_path: Path) -> None:
    """As it was fitted; a changed checkpoint in it would be refused."""
    folder = tmp_path / "ensemble"
    kept = shutil.ignore_patterns("detections")
    shutil.copytree(resources.CHECKPOINTS, folder, ignore=kept)
    outcome = predict(f"ckpt={folder}", f"photos={BUNDLED}")
    reads_the_bundled_photos(outcome)
    assert "calibrated on 300 photos" in (outcome.folder / "metrics.json").read_text()


def test_the_package_stays_as_it_was_installed(
    predict: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detections are kept beside a checkpoint, but not beside the one that ships."""
    Image.effect_noise((50, 40), 80).convert("RGB").save(tmp_path / "door.png")
    monkeypatch.chdir(ROOT)
    outcome = predict(
        f"ckpt={SHIPPED.relative_to(Path.cwd())}", f"photos={tmp_path}", "tta.scales=[1,1.2]"
    )
    assert outcome.code == 0, outcome.err
    assert not (SHIPPED.parent / "detections").exists()
    assert len(list((outcome.folder / "detections").glob("photos-*.json"))) == 2


@pytest.mark.parametrize(
    "overrides",
    [
        ("trainer.fast_dev_run=true", "backbone=medium_fpn"),
        ("callbacks.average=null", "scheduler=step", "optimizer=sgd", "augmentation=none"),
        ("scheduler=onecycle", "trainer.max_time=00:00:00:20", "augmentation=color_jitter"),
        ("trainer.precision=bf16-mixed", "scheduler=none"),
    ],
    ids=lambda overrides: overrides[0],
)
def test_other_settings_train_as_well(train: Script, overrides: tuple[str, ...]) -> None:
    outcome = train(*overrides)
    assert outcome.code == 0, outcome.err
    if "fast_dev_run" in overrides[0]:
        assert outcome.value is None and "best.ckpt" not in outcome.files()
        assert "medium_fpn, 2.9 M parameters" in outcome.out
    else:
        assert "best.ckpt" in outcome.files() and outcome.value is not None


def test_the_same_seed_trains_the_same_weights(trained: Any, train: Script) -> None:
    def losses(outcome: Any) -> list[str]:
        log = rows(outcome.folder / "metrics.csv")
        return [row["train/loss"] for row in log if row["train/loss"]]

    first, unscored = losses(trained), "trainer.limit_val_batches=0"
    assert len(first) == 2 and losses(train("seed=0", unscored)) == first
    assert losses(train("seed=1", unscored)) != first


def test_a_data_set_in_the_courses_layout(train: Script, predict: Script, coco_root: Path) -> None:
    data = ("data=coco", f"data.root={coco_root}")
    outcome = train(*data, "batch_size=2")
    assert outcome.code == 0, outcome.err
    outcome = predict(f"ckpt={outcome.folder}/best.ckpt", *data)
    assert [row["image_id"] for row in rows(outcome.folder / "pred.csv")] == ["1", "2", "10"]
    assert outcome.value is None and "map" not in outcome.out


@pytest.mark.slow
def test_real_photos(train: Script, predict: Script, real_data: Path) -> None:
    data = ("data=coco", f"data.root={real_data}")
    few = ("trainer.limit_val_batches=2", "trainer.max_epochs=1", "batch_size=16")
    outcome = train(*data, *few, "reading=threshold")
    assert outcome.code == 0, outcome.err
    figures = json.loads((outcome.folder / "metrics.json").read_text())
    assert figures["photos"] == 300
    outcome = predict(f"ckpt={outcome.folder}/best.ckpt", *data, "split=test")
    assert outcome.code == 0, outcome.err
    ids = [int(row["image_id"]) for row in rows(outcome.folder / "pred.csv")]
    assert ids == list(range(901, 1001))
    sizes = {r["image_id"]: (r["width"], r["height"]) for r in read_detections(
        outcome.folder / "detections.json")[1]}  # fmt: skip
    for image_id in (901, 1000):
        assert sizes[image_id] == Image.open(real_data / "test" / f"{image_id}.png").size


@pytest.mark.parametrize("task", [("recognition=small",), ("recognition=ppocr",)], ids=str)
def test_a_recogniser_is_trained_and_reads_beside_a_detector(
    trained: Any, train: Script, predict: Script, task: tuple[str, ...]
) -> None:
    if "recognition=ppocr" in task:
        pytest.importorskip("rapidocr")
    own = ("task=recognizer", *task, "data.train_count=16", "batch_size=4")
    outcome = train(*own)
    assert outcome.code == 0, outcome.err
    assert {"best.ckpt", "last.ckpt", "metrics.json", "metrics.csv"} <= outcome.files()
    assert "model.min_size=48: without effect on task=recognizer." in outcome.out
    figures = json.loads((outcome.folder / "metrics.json").read_text())
    assert outcome.value == figures["number_accuracy"] and figures["nll"] > 0
    assert "on the labelled rows of valid" in outcome.out and "epoch 1 of 1: loss" in outcome.out

    best = outcome.folder / "best.ckpt"
    ckpt = f"ckpt={trained.folder}/best.ckpt"
    read = predict(ckpt, f"recognizer={best}", "data.test_count=3")
    assert read.code == 0, read.err
    header, records = read_detections(read.folder / "detections.json")
    assert len(header["recognizers"]) == 1 and all(record["rows"] for record in records)
    refused = predict(f"ckpt={best}", "data.test_count=3")
    assert refused.code == 1 and "not a checkpoint" in refused.err
    refused = predict(ckpt, f"recognizer={trained.folder}/best.ckpt", "data.test_count=3")
    assert refused.code == 1 and refused.err.startswith("Error: recognizer=")


def test_the_second_reader_can_be_left_out(predict: Script) -> None:
    alone = predict(f"photos={BUNDLED}", "recognizer=null")
    assert alone.code == 0, alone.err
    assert "calibrated on 300 photos" in alone.out and "recogniser" not in alone.out
    header, records = read_detections(alone.folder / "detections.json")
    assert header["recognizers"] == [] and not any("rows" in record for record in records)


def test_photos_are_not_kept(
    predict: Script, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(150):
        save_photo(tmp_path / "photos" / f"{number}.png", seed=number)
    read: list[weakref.ref] = []
    alive: list[int] = []
    load = photos.load_reduced

    def loading(path: Path, longest: int) -> tuple[torch.Tensor, tuple[int, int]]:
        photo, size = load(path, longest)
        pixels = photo.numpy().copy()  # lives as long as any tensor that shares its memory
        alive.append(sum(seen() is not None for seen in read))
        read.append(weakref.ref(pixels))
        return torch.from_numpy(pixels), size

    monkeypatch.setattr(photos, "load_reduced", loading)
    ckpt = trained.folder / "best.ckpt"
    done = predict(f"ckpt={ckpt}", f"photos={tmp_path / 'photos'}", "batch_size=2", "pictures=all")
    assert done.code == 0 and len(alive) >= 150
    assert 0 < max(alive) < 80  # those of the sheet, and four batches
