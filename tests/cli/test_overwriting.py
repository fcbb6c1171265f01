"""A folder that holds results already: what a second run says, and what a training takes out."""

import json
from pathlib import Path

import pytest

from digits.cli.overwriting import replace_prediction, replace_training
from digits.errors import DigitsError


def run(folder: Path, *names: str, started: object = "2026-11-26T18:22:05+00:00") -> Path:
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"started": started}))
    for name in names:
        (folder / name).write_text("x")
    return folder


def test_a_second_prediction_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run(tmp_path / "p", "detections.json")
    replace_prediction(folder)
    assert capsys.readouterr().out == (
        f"output_dir={folder}: holds the results of an earlier run of 2026-11-26 18:22 UTC, "
        "which this one replaces.\n"
    )


def test_a_second_training_says_so_and_takes_out_the_events_of_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tmp_path / "t", "last.ckpt", "events.out.tfevents.1.2.3", started=["odd"])
    replace_training(folder)
    assert capsys.readouterr().out.endswith("an earlier run, which this one replaces.\n")
    assert {path.name for path in folder.iterdir()} == {"run.json", "last.ckpt"}


def test_nothing_is_said_or_touched_where_there_was_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fusion.json").write_text("{}")
    (tmp_path / "best.ckpt").write_text("")
    (tmp_path / "detections.json").write_text("")
    replace_prediction(tmp_path)
    replace_training(tmp_path)
    assert capsys.readouterr().out == "" and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt", "sweep.csv"])
def test_the_figures_of_a_training_are_not_replaced_by_those_of_a_prediction(
    tmp_path: Path, name: str
) -> None:
    folder = run(tmp_path / "t", name)
    with pytest.raises(DigitsError, match=rf"a training's.*output_dir={folder}/predict\.$"):
        replace_prediction(folder)
