"""Exported files: what they find and read, without torch, beside their checkpoint."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

import digits
from digits import checkpoint, resources
from digits.data.coco import CocoDigits
from digits.data.distant import Distant
from digits.data.synthetic import SyntheticDigits
from digits.errors import DigitsError
from digits.export import convert, seal
from digits.export.__main__ import export, main
from digits.export.check import PIXELS, SCORES, compare_pass
from digits.export.network import OnePass
from digits.export.reader import ExportedReader
from digits.export.session import open_onnx
from digits.reader import NumberReader
from digits.reading.base import without_texts

onnx = pytest.importorskip("onnx", reason="export needs onnx (extra export)")
pytest.importorskip("onnxruntime", reason="exported files are read by onnxruntime (extra export)")

SMALL = resources.located("small")
COUNT = 4


@pytest.fixture(scope="module")
def photos() -> list[Tensor]:
    """Drawn photos, some with digits so small that they are looked at twice."""
    drawn = SyntheticDigits(COUNT, seed=3)
    distant = Distant(SyntheticDigits(COUNT, seed=4), share=(0.1, 0.2))
    return [data[i][0] for data in (drawn, distant) for i in range(COUNT)]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model as an ONNX file."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export(SMALL, path, [SyntheticDigits(1)[0][0]], "auto")
    return path


@pytest.fixture(scope="module")
def checkpoint_reader() -> NumberReader:
    return NumberReader.load("small", "cpu")


def same(ours: Any, theirs: Any, scale: float = 1.0) -> None:
    assert ours.number == theirs.number and ours.runner_up == theirs.runner_up
    assert ours.accepted == theirs.accepted
    assert ours.confidence == pytest.approx(theirs.confidence, abs=SCORES)
    for mine, other in zip(ours.digits, theirs.digits, strict=True):
        assert mine.text == other.text and mine.score == pytest.approx(other.score, abs=SCORES)
        assert mine.box == pytest.approx(other.box, abs=PIXELS * scale)


def test_numbers_confidences_and_boxes_are_those_of_the_checkpoint(
    exported: Path, checkpoint_reader: NumberReader, photos: list[Tensor]
) -> None:
    ours = digits.load(exported)
    assert isinstance(ours, ExportedReader)
    theirs = checkpoint_reader.read(photos)
    assert sum(result.number != "" for result in theirs) > COUNT
    for mine, other in zip(ours.read(photos), theirs, strict=True):
        same(mine, other)
    same(ours.read(photos[0]), theirs[0])
    assert ours.read([]) == []


def test_boxes_are_in_pixels_of_a_file_that_was_reduced(
    exported: Path, checkpoint_reader: NumberReader, photos: list[Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    small = Image.fromarray(photos[0].permute(1, 2, 0).numpy())
    small.resize((1500, round(1500 * small.height / small.width))).save(path)
    same(digits.load(exported).read(path), checkpoint_reader.read(path), scale=1500 / small.width)


def test_it_reads_without_torch(exported: Path, tmp_path: Path, photos: list[Tensor]) -> None:
    Image.fromarray(photos[0].permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    code = """
import json, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "lightning", "hydra", "omegaconf", "rich",
                                  "torchmetrics", "sklearn", "scipy", "matplotlib", "onnx"}:
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Without())
import digits
result = digits.load(sys.argv[1]).read(sys.argv[2])
print(json.dumps([result.number, result.confidence, [d.box for d in result.digits]]))
"""
    command = [sys.executable, "-c", code, str(exported), str(tmp_path / "photo.png")]
    done = subprocess.run(
        command, cwd=resources.CONF.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    number, confidence, boxes = json.loads(done.stdout)
    expected = digits.load(exported).read(tmp_path / "photo.png")
    assert number == expected.number and confidence == pytest.approx(expected.confidence)
    assert np.allclose(boxes, [digit.box for digit in expected.digits])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "scratch"])
def test_one_pass_over_real_photos_is_that_of_torch(
    real_data: Path, name: str, tmp_path: Path
) -> None:
    data = CocoDigits(real_data / "valid", real_data / "valid.json")
    some = [data[i][0] for i in range(0, len(data), 10)]
    model = NumberReader.load(name, "cpu").models[0]
    content = convert.detector_to_onnx(model).SerializeToString()
    run, _ = open_onnx(content)
    pixels, scores = compare_pass(run, model, some)
    assert pixels < PIXELS and scores < SCORES


def test_openvino_reads_the_same(photos: list[Tensor], tmp_path: Path, exported: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed (extra export)")
    export(SMALL, tmp_path / "model.xml", photos[:1], "auto")
    assert {path.name for path in tmp_path.iterdir()} == {"model.xml", "model.bin"}
    ours, theirs = digits.load(tmp_path / "model.xml"), digits.load(exported)
    for mine, other in zip(ours.read(photos[:4]), theirs.read(photos[:4]), strict=True):
        same(mine, other)
    weights = tmp_path / "model.bin"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DigitsError, match=r"model\.xml: damaged"):
        digits.load(tmp_path / "model.xml")
    weights.unlink()
    with pytest.raises(DigitsError, match=r"model\.bin: no such file"):
        digits.load(tmp_path / "model.xml")


def test_without_a_recogniser_the_reader_is_that_of_the_detector_alone(
    photos: list[Tensor], tmp_path: Path, checkpoint_reader: NumberReader
) -> None:
    export(SMALL, tmp_path / "alone.onnx", photos[:1], "none")
    reader = digits.load(tmp_path / "alone.onnx")
    alone = without_texts(checkpoint_reader.reader)
    expected = NumberReader(checkpoint_reader.models, alone, torch.device("cpu"))
    same(reader.read(photos[1]), expected.read(photos[1]))


def test_a_file_that_finds_something_else_is_not_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Shifted(OnePass):
        def forward(self, photos: Tensor, enlargement: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            boxes, scores, labels = super().forward(photos, enlargement)
            return boxes + 0.1, scores, labels

    monkeypatch.setattr(convert, "OnePass", Shifted)
    with pytest.raises(DigitsError, match=r"boxes differ by 0\.1 pixels"):
        export(SMALL, tmp_path / "model.onnx", [SyntheticDigits(1)[0][0]], "none")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["small", "model.pt"], "expected FILE.onnx or FILE.xml"),
        (["small", "model.onnx", "fromat=onnx"], "fromat=onnx: expected KEY=VALUE, one of format"),
        (["small", "model", "format=tflite"], "format=onnx or openvino"),
        (["none.ckpt", "model.onnx"], "none.ckpt: no such file"),
        (["ensemble", "model.onnx"], "ckpt=ensemble: 3 checkpoints"),
        (["small", "model.onnx", "photos=broken.png"], "none of them can be read"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "broken.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["export", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert said in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["broken.png"]


def test_other_files_are_refused_in_one_line(exported: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.onnx"

    def with_texts(**texts: str) -> Path:
        model = onnx.load(exported)
        known = {entry.key: entry.value for entry in model.metadata_props}
        known |= {seal.KEY: seal.UNSEALED} | texts
        onnx.helper.set_model_props(model, {k: v for k, v in known.items() if v})
        onnx.save(model, changed)
        if known[seal.KEY]:
            seal.seal(changed)
        return changed

    about = json.loads({e.key: e.value for e in onnx.load(exported).metadata_props}["digits"])
    (tmp_path / "text.onnx").write_text("no model")
    for path, said in (
        (tmp_path / "missing.onnx", "no such file"),
        (tmp_path / "text.onnx", "not an ONNX file"),
    ):
        with pytest.raises(DigitsError, match=said):
            digits.load(path)
    for texts, said in (
        ({"digits": ""}, "not written by python -m digits.export"),
        ({"digits": json.dumps(about | {"format": 99})}, "of a later version"),
        ({"digits": json.dumps(about | {"class_names": ["a"]})}, "expected the classes"),
        ({"digits": json.dumps(about | {"zoom": {"gain": 0.5}})}, "zoom"),
        ({"digits": json.dumps(about | {"reading": {"_target_": "os.system"}})}, "asks to run"),
        ({"digits_recognizer": "?"}, "damaged: its recogniser"),
        ({seal.KEY: ""}, "damaged, or of an earlier version: export again"),
    ):
        with pytest.raises(DigitsError, match=said):
            digits.load(with_texts(**texts))


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_changed_byte_is_noticed(exported: Path, place: float, bits: int) -> None:
    content = bytearray(exported.read_bytes())
    content[int(place * len(content))] ^= bits
    changed = exported.with_name("changed.onnx")
    changed.write_bytes(content)
    with pytest.raises(DigitsError, match=r"changed\.onnx: (damaged|not )"):
        digits.load(changed)


def test_the_page_takes_a_file(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="the page needs the extra web")
    from digits.serve.__main__ import main as serve

    running: list[Any] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: running.append(sockets))
    monkeypatch.setattr(sys, "argv", ["serve", "--ckpt", str(exported), "--port", "0"])
    serve()
    assert running


def test_what_does_not_take_a_file_says_so(exported: Path) -> None:
    with pytest.raises(DigitsError, match=r"an exported file, which digits\.load"):
        checkpoint.load(exported)
    with pytest.raises(DigitsError, match=r"device=cuda: .* is read on the CPU"):
        digits.load(exported, device="cuda")


def test_a_missing_library_is_named(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DigitsError, match="need onnxruntime: pip install onnxruntime"):
        digits.load(exported)
