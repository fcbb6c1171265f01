"""Bad input through the scripts: one clear line, exit code 1, no traceback, nothing written."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from PIL import Image

Script = Callable[..., Any]


def assert_one_clear_line(outcome: Any, says: str) -> None:
    assert outcome.code == 1
    first, *rest = outcome.err.strip().splitlines()
    assert first.startswith("Error: ") and says in first, outcome.err
    # Only the expected tree of a data set may follow.
    assert not rest or rest[0].startswith("expected") or rest[0].startswith("  "), outcome.err
    assert "Traceback" not in outcome.out + outcome.err
    assert outcome.files() == set()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["data=coco"], "data.root is not set"),
        (["data=coco", "data.root=/nowhere"], "/nowhere/train: not there"),
        (["callbacks.best.monitor=val/mAP"], "no such metric; expected one of val/map, "),
        (["data=svhn", "data.root=/nowhere"], "No SVHN data for split 'train' in /nowhere"),
        (["backbone.weights=cocoa"], "backbone.weights=cocoa: expected one of none, or"),
        (["backbone=resnet50_fpn_v2", "backbone.weights=/no.pth"], "or an existing file"),
        (["backbone=mobilenet_v3_large_fpn", "backbone.weights=none"], "Say model.min_size=85 or"),
        (["ckpt_path=/no.ckpt"], "ckpt_path=/no.ckpt: no such file"),
    ],
)
def test_training(train: Script, overrides: list[str], says: str) -> None:
    assert_one_clear_line(train(*overrides), says)


def test_a_foreign_checkpoint(train: Script, predict: Script, tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "foreign.ckpt")
    for script, key in ((train, "ckpt_path"), (predict, "ckpt")):
        outcome = script(f"{key}={tmp_path}/foreign.ckpt")
        assert_one_clear_line(outcome, "not a checkpoint of digits' train.py")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["photos=/nowhere"], "photos=/nowhere: no such file or folder"),
        (["data=coco", "data.root=/nowhere"], "/nowhere/test: not there"),
        (["device=banana"], "device=banana"),
        (["device=cuda:99"], "device=cuda:99"),
        (["device=meta"], "device=meta"),
        (["photos=2023"], "photos=2023: no such file or folder (photos= takes its name"),
    ],
)
def test_predicting(trained: Any, predict: Script, overrides: list[str], says: str) -> None:
    assert_one_clear_line(predict(f"ckpt={trained.folder / 'best.ckpt'}", *overrides), says)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_photo_in_the_middle_is_left_out(
    trained: Any, predict: Script, tmp_path: Path, workers: int
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for image_id in range(1, 5):
        Image.effect_noise((40, 30), 90).save(folder / f"{image_id}.jpg")
    (folder / "3.jpg").write_bytes((folder / "3.jpg").read_bytes()[:400])
    outcome = predict(
        f"ckpt={trained.folder / 'best.ckpt'}",
        f"photos={folder}",
        "batch_size=1",
        f"num_workers={workers}",
    )
    assert outcome.code == 1 and "Traceback" not in outcome.err
    assert "1 of 4 photos cannot be read" in outcome.err
    assert f"{folder}/3.jpg: cannot be read as a photo" in outcome.err
    with (outcome.folder / "pred.csv").open() as file:
        assert [line.split(",")[0] for line in file] == ["image_id", "1", "2", "4"]


def test_a_bad_run_keeps_the_results_of_the_one_before(
    trained: Any, predict: Script, tmp_path: Path
) -> None:
    ckpt = f"ckpt={trained.folder / 'best.ckpt'}"
    assert predict(ckpt, "data.test_count=2").code == 0
    folder = tmp_path / "prediction"
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    shutil.rmtree(folder / ".hydra", ignore_errors=True)
    assert predict(ckpt, "photos=/nowhere").code == 1
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before
    again = predict(ckpt, f"photos={ROOT / 'docs' / 'photos' / 'house-4.png'}")
    assert again.code == 0 and "an earlier run" in again.out
    assert set(before) - again.files() == {
        "confidence.png"
    }  # of labelled photos, which these are not


@pytest.mark.slow
def test_the_command_itself_from_any_folder(tmp_path: Path) -> None:
    """Unlike the tests above, in a process of its own: nothing but our line reaches stderr."""
    script = ROOT / "predict.py"
    done = subprocess.run(
        [sys.executable, str(script), "ckpt=none.ckpt", f"output_dir={tmp_path}/out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    line = "Error: ckpt=none.ckpt: no such file; train.py writes best.ckpt and last.ckpt.\n"
    assert done.stderr == line


def test_a_diverging_training_says_what_to_change(train: Script) -> None:
    rate = ("optimizer=sgd", "optimizer.lr=1e30", "scheduler=none")
    outcome = train(*rate, "trainer.limit_train_batches=8")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: The loss is not finite at step")
    assert "image ids" in outcome.err and "Lower optimizer.lr" in outcome.err
    assert "Traceback" not in outcome.out + outcome.err
