"""Other tools on the same photos; their accuracy itself is measured, not tested."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import peers, tools
from benchmarks.peers import Row, best
from benchmarks.tools import TOOLS, Tool, digits_alone
from digits.data.coco import CocoDigits
from digits.data.synthetic import write
from digits.errors import DigitsError
from digits.types import target_number


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("peers") / "data"
    write(root, 60)
    return root


@pytest.fixture
def plate() -> np.ndarray:
    """An easy photo, uint8 `(H, W, 3)`: 42 in dark letters on a bright wall."""
    photo = np.full((60, 110, 3), 235, np.uint8)
    cv2.putText(photo, "42", (22, 46), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 4)
    return photo


def test_only_digits_of_a_text_count() -> None:
    assert digits_alone(" No. 07a\n1 ") == "071"
    assert digits_alone("²٣") == ""  # digits of other kinds are none of ours


def test_each_tool_is_shown_at_its_best_setting() -> None:
    def row(tool: str, setting: str, accuracy: float, milliseconds: float) -> Row:
        return Row(tool, setting, accuracy, 0, 1, 0, milliseconds)

    rows = [
        row("a", "x", 0.2, 1),
        row("a", "y", 0.3, 9),
        row("b", "x", 0.5, 2),
        row("b", "y", 0.5, 1),
    ]
    assert [(r.tool, r.setting) for r in best(rows)] == [("b", "y"), ("a", "y")]


def test_a_tool_that_knows_all_scores_one_and_one_that_reads_nothing_zero(root: Path) -> None:
    data = CocoDigits(root / "valid", root / "valid.json")
    truths = iter([target_number(data[i][1]) for i in (0, *range(len(data)))])  # the first warms up
    right = peers.read_by(Tool("a", "", lambda photo: f"No. {next(truths)}"), data)
    assert (right.number_accuracy, right.low, right.digit_error_rate) == (1, 1, 0)
    wrong = peers.read_by(Tool("a", "", lambda photo: ""), data)
    assert (wrong.number_accuracy, wrong.high, wrong.digit_error_rate) == (0, 0, 1)


@pytest.mark.parametrize("name", TOOLS)
def test_tools_read_an_easy_number(name: str, plate: np.ndarray) -> None:
    pytest.importorskip("rapidocr" if "rapid" in name else "tesserocr")
    try:
        read = {tool.setting: digits_alone(tool.read(plate)) for tool in TOOLS[name]()}
    except DigitsError as error:
        pytest.skip(str(error))
    assert "42" in read.values(), read


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_that_is_missing_says_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    monkeypatch.setitem(sys.modules, "tesserocr", None)
    with pytest.raises(DigitsError, match=r"pip install -e '\.\[peers\]'"):
        next(TOOLS[name]())


def test_tesseract_without_its_model_says_where_it_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("tesserocr")
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    with pytest.raises(DigitsError, match=rf"no eng\.traineddata in {tmp_path}.*tesseract-ocr"):
        next(tools.tesseract())


@pytest.mark.slow
def test_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "peers.json"
    peers.main(["--data", str(root), "--only", "digits", "--out", str(out)])
    found = json.loads(out.read_text())
    (row,) = found["rows"]
    assert found["photos"] == 6 and found["cores"] >= 1
    assert row["number_accuracy"] >= 0.5 and row["milliseconds"] > 0  # the model that ships
    assert "saved:" in capsys.readouterr().out
