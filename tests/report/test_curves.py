"""Learning curves from the metrics.csv of runs."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from digits.errors import DigitsError
from digits.report import curves
from digits.report.runs import LOSS, MAP, NUMBERS, find_runs, read_history

HEADER = "epoch,lr,step,train/loss,val/map,val/number_accuracy\n"
ROWS = (
    ",0.1,4,,,\n"  # a learning rate
    "0,,4,3.0,,\n0,,9,2.0,,\n0,,9,,0.1,0.5\n"
    "1,,19,1.0,,\n1,,19,,0.3,0.4\n"
    "2,,29,0.5,,\n2,,29,,0.3,0.5\n"
)


def run(folder: Path, text: str = HEADER + ROWS) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(text, encoding="utf-8")
    return folder


def test_the_history_of_a_run_is_by_epoch_and_knows_the_first_best_one(tmp_path: Path) -> None:
    history = read_history(run(tmp_path / "run"))
    assert history.name == "run"
    assert history.curves[LOSS] == {1: 2.5, 2: 1.0, 3: 0.5}  # the mean of an epoch
    assert history.best(MAP) == (2, 0.3)  # as best.ckpt: a later equal one does not replace it
    assert history.best(NUMBERS) == (1, 0.5)


def test_losses_logged_per_step_and_per_epoch_are_that_of_the_epoch(tmp_path: Path) -> None:
    text = "epoch,step,train/loss,train/loss_epoch\n0,9,3.0,\n0,9,,2.75\n"
    assert read_history(run(tmp_path / "run", text)).curves[LOSS] == {1: 2.75}


def test_runs_are_found_in_the_folder_of_a_sweep(tmp_path: Path) -> None:
    for name in ("1_b", "0_a"):
        run(tmp_path / "sweep" / name)
    assert [h.name for h in find_runs([tmp_path / "sweep"])] == ["0_a", "1_b"]
    alike = find_runs([run(tmp_path / "x" / "run"), run(tmp_path / "y" / "run")])
    assert [h.name for h in alike] == [str(tmp_path / "x" / "run"), str(tmp_path / "y" / "run")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "epoch,step\nx,1\n",
        "a,b\n1,2\n",
        "epoch,step,train/loss\n0,1,x\n",
        "epoch,step,a\n0,1,1e300\n",
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    folder = run(tmp_path / "run", text)
    if not text:  # killed before it logged anything
        assert read_history(folder).curves == {}
        return
    with pytest.raises(DigitsError, match=r"metrics\.csv: not a metrics\.csv that train\.py wrote"):
        read_history(folder)


def test_the_command_draws_one_run_and_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tmp_path / "a $x^ <b>")
    monkeypatch.setattr(sys, "argv", ["curves", str(folder)])
    curves.main()
    assert str(folder / "curves.png") in capsys.readouterr().out
    one = Image.open(folder / "curves.png")

    others = [run(tmp_path / f"_{k}$") for k in range(12)]  # names that matplotlib would interpret
    out = tmp_path / "many.png"
    monkeypatch.setattr(sys, "argv", ["curves", *map(str, others), "--out", str(out)])
    curves.main()
    assert Image.open(out).width > one.width  # losses stand in a panel of their own


def test_no_other_file_is_overwritten_by_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = run(tmp_path / "a") / "metrics.csv"
    before = log.read_bytes()
    monkeypatch.setattr(sys, "argv", ["curves", str(tmp_path / "a"), "--out", str(log)])
    with pytest.raises(SystemExit) as end:
        curves.main()
    assert end.value.code == 1 and log.read_bytes() == before
    assert "metrics.csv: a picture is written there; expected a name" in capsys.readouterr().err


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DigitsError, match=r"no metrics\.csv in it"):
        find_runs([tmp_path])


def test_the_best_epoch_of_each_score_is_named(tmp_path: Path) -> None:
    figure = curves.draw_run(read_history(run(tmp_path / "run")))
    titles = [axis.get_title() for axis in figure.axes]
    assert "best valid mAP 0.300, epoch 2" in titles
    assert "best valid number accuracy 0.500, epoch 1" in titles


def test_the_runs_beyond_ten_share_a_name_in_the_legend(tmp_path: Path) -> None:
    histories = [read_history(run(tmp_path / f"_{k}")) for k in range(12)]
    texts = [text.get_text() for text in curves.draw_runs(histories).legends[0].get_texts()]
    assert texts == [f"_{k}" for k in range(10)] + ["2 others"]


@pytest.mark.parametrize("epochs", [1, 2])
def test_epochs_are_whole_numbers(tmp_path: Path, epochs: int) -> None:
    text = HEADER + "".join(f"{k},,{k},3.0,0.1,0.5\n" for k in range(epochs))
    history = read_history(run(tmp_path / "run", text))
    for axis in (curves.draw_run(history).axes[0], *curves.draw_runs([history, history]).axes):
        low, high = axis.get_xlim()
        assert all(tick == round(tick) for tick in axis.get_xticks() if low <= tick <= high)


def test_no_axis_goes_below_0_where_all_scores_are_0(tmp_path: Path) -> None:
    zeros = HEADER + "0,,9,2.0,,\n0,,9,,0.0,0.0\n1,,19,1.0,,\n1,,19,,0.0,0.0\n"
    history = read_history(run(tmp_path / "run", zeros))
    for figure in (curves.draw_run(history), curves.draw_runs([history, history])):
        assert all(axis.get_ylim()[0] >= 0 for axis in figure.axes)
