"""Going on with a run: by its folder, by its checkpoint, and after it was stopped."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, TINY, TINY_DATA, run_script

from digits import checkpoint_file
from digits.cli import resuming as command_line
from digits.errors import DigitsError
from digits.training.differences import differences, refuse_other_settings
from digits.training.module import DigitDetector
from digits.training.stored import read_stored

Script = Callable[..., Any]
CONFIG = {
    "run_dir": "/runs/a",
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.1},
    "model": {"min_size": 64, "box_voting": 0.6, "backbone": {"widths": [1, 2]}},
    "backbone": {"widths": [1, 2], "weights": "none"},
    "callbacks": {"average": {"_target_": "EMA", "decay": 0.9}, "last": {"dirpath": "/runs/a"}},
    "data": {"_target_": "coco", "root": "/photos"},
    "trainer": {"max_epochs": 3},
    "batch_size": 8,
}


def changed(**values: Any) -> dict[str, Any]:
    config = json.loads(json.dumps(CONFIG))
    for key, value in values.items():
        *parts, last = key.split("__")
        place = config
        for part in parts:
            place = place[part]
        place[last] = value
    return config


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, []),
        ({"trainer__max_epochs": 5, "batch_size": 2}, ["batch_size 8 -> 2", "max_epochs 3 -> 5"]),
        ({"run_dir": "/runs/b", "callbacks__last__dirpath": "/runs/b"}, []),
        ({"backbone__weights": "coco"}, ["backbone.weights none -> coco"]),
        ({"callbacks__average__decay": 0.5}, ["callbacks.average.decay 0.9 -> 0.5"]),
        ({"data__root": "/moved"}, ["data.root /photos -> /moved"]),
        ({"model__box_voting": None}, ["model.box_voting 0.6 -> None"]),
    ],
    ids=str,
)
def test_settings_that_may_differ_are_listed(change: dict[str, Any], says: list[str]) -> None:
    listed = refuse_other_settings(Path("x"), CONFIG, changed(**change))
    assert len(listed) == len(says)
    assert all(text in line for text, line in zip(says, listed, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer__lr": 0.2},
        {"optimizer___target_": "torch.optim.SGD"},
        {"model__min_size": 96},
        {"backbone__widths": [2, 2]},
        {"callbacks__average": None},
        {"data___target_": "synthetic"},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_in_one_line(change: dict[str, Any]) -> None:
    (key,) = differences(CONFIG, changed(**change)).keys() - {"callbacks.average.decay"}
    with pytest.raises(DigitsError) as refused:
        refuse_other_settings(Path("RUN/last.ckpt"), CONFIG, changed(**change))
    text = str(refused.value)
    assert key in text and "\n" not in text and "backbone.weights=RUN/last.ckpt" in text


def stored_words(monkeypatch: pytest.MonkeyPatch, folder: Path, words: Any) -> list[str]:
    """The command line of `resume=` where a checkpoint holds these words."""
    run = read_stored(folder)
    description = {**run.description, "overrides": words}
    own = type(run)(run.path, run.epochs, run.steps, run.seconds, description)
    monkeypatch.setattr(command_line, "read_stored", lambda path, key: own)
    return command_line.expanded([f"resume={folder}", "batch_size=2"])


@pytest.mark.parametrize(
    "word",
    [
        "optimizer._target_=os.system",
        "+callbacks.x={_target_: os.system}",
        "+callbacks.x={a: [{'_target_': os.system}]}",
        "data.root='${oc.env:HOME}'",
        "+x=${oc.create:{_target_:os.system}}",
        "data=../../tmp/evil",
        "+data@optimizer=../evil",
        "hydra.run.dir=/tmp/x",
        "hydra/launcher=joblib",
        "seed=1,2",
        "seed=range(3)",
        "trainer.max_epochs=[",
        7,
    ],
)
def test_a_files_command_sets_plain_values_only(
    trained: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, word: Any
) -> None:
    with pytest.raises(SystemExit):
        stored_words(monkeypatch, trained.folder, [word])
    assert "its stored command" in capsys.readouterr().err


def test_what_is_given_beside_resume_takes_the_place_of_what_is_stored(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ["backbone=medium_fpn", "data.root='my photos'", "~callbacks.average", "+x=1"]
    words = stored_words(monkeypatch, trained.folder, [*kept, "batch_size=4"])
    assert words[:5] == [*kept, "batch_size=2"]
    assert set(words[5:]) == {
        f"ckpt_path='{trained.folder}/last.ckpt'", f"output_dir='{trained.folder}'",
        "hydra.mode=RUN",
    }  # fmt: skip


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_goes_on_in_its_folder_with_its_settings(trained: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    settings = (*TINY, *TINY_DATA, "trainer.log_every_n_steps=1")
    first = run_script("train", folder, *(word for word in settings if "epochs" not in word),
                       "trainer.max_epochs=1")  # fmt: skip
    assert first.code == 0, first.err
    before = rows(folder)
    finished = run_script("train", folder, f"resume={folder}")
    assert finished.code == 1 and "nothing is left to train: 1 epochs" in finished.err
    assert f"python train.py 'resume={folder}' trainer.max_epochs=2" in finished.err
    assert rows(folder) == before

    second = run_script("train", folder, f"resume={folder}", "trainer.max_epochs=2", "seed=4")
    assert second.code == 0, second.err
    assert "after 1 epochs, 2 steps" in second.out
    assert "seed 0 -> 4; trainer.max_epochs 1 -> 2" in second.out
    assert rows(folder)[: len(before)] == before and len(rows(folder)) == 2 * len(before)
    figures = json.loads((folder / "metrics.json").read_text())
    assert figures["epochs"] == 2 and read_stored(folder).epochs == 2
    stored = checkpoint_file.read(folder / "last.ckpt", "ckpt", dict)
    ours = json.loads(json.dumps(stored["digits"]))
    assert ours["config"]["model"]["min_size"] == 48 and ours["config"]["seed"] == 4


def test_other_photos_are_refused(trained: Any, train: Script) -> None:
    words = (f"ckpt_path={trained.folder}/last.ckpt", "trainer.max_epochs=2")
    outcome = train(*words, "data.train_count=50")
    assert outcome.code == 1 and "data.train_count" in outcome.err
    assert not outcome.folder.exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
def test_a_stopped_run_says_what_is_kept_and_how_to_go_on(
    train: Script, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    step = DigitDetector.training_step

    def struck(self: DigitDetector, batch: Any, batch_idx: int) -> Any:
        if self.global_step == 1:
            os.kill(os.getpid(), number)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(DigitDetector, "training_step", struck)
    outcome = train("trainer.limit_train_batches=4")
    assert outcome.code == code, outcome.err
    last = outcome.out.strip().splitlines()[-1]
    assert last.startswith(f"Stopped by {'SIGTERM' if code == 143 else 'Ctrl-C'}. Kept: ")
    assert f"{outcome.folder}/last.ckpt, of epoch 1, step 2" in last
    assert last.endswith(f"Go on: python train.py resume={outcome.folder}")
    assert "Traceback" not in outcome.out + outcome.err
    state = torch.load(outcome.folder / "last.ckpt", weights_only=True)
    assert state["global_step"] == 2
    assert signal.getsignal(number) is not None


@pytest.mark.slow
def test_killed_runs_that_are_resumed_end_as_undisturbed_ones() -> None:
    command = [sys.executable, str(ROOT / "tests" / "e2e" / "kills.py"), "--count", "3",
               "--workers", "0", "1"]  # fmt: skip
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert outcome.returncode == 0 and "0 of 3 differ" in outcome.stdout, outcome.stdout


def test_a_variable_that_is_not_set_resumes_nothing_and_trains_nothing() -> None:
    with pytest.raises(SystemExit):  # in one line
        command_line.expanded(["resume="])
    assert command_line.expanded(["resume=null", "seed=1"]) == ["seed=1"]
