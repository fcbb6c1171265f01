"""PP-OCRv6's network as a backbone: the weights are taken as they are, or not at all."""

import importlib.util
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from digits.errors import DigitsError
from digits.models.ppocr import TextFPN, ppocr_fpn
from digits.models.ppocr_weights import FILE, load_ppocr, packaged

onnx = pytest.importorskip("onnx")
pytest.importorskip("rapidocr")


@pytest.fixture(scope="module")
def features() -> TextFPN:
    return ppocr_fpn().features.eval()


@pytest.mark.parametrize("stages", [2, 3])
def test_it_sees_what_the_recognition_network_sees(features: TextFPN, stages: int) -> None:
    """The same maps as in onnxruntime, once the photo is padded with grey."""
    runtime = pytest.importorskip("onnxruntime")
    network = onnx.load(packaged())
    ends = [
        node.input[0]
        for node in network.graph.node
        for a in node.attribute
        if (node.op_type == "Conv" and a.name == "strides" and list(a.ints) == [2, 1])
        or (node.op_type == "AveragePool" and a.name == "kernel_shape")
    ]
    name = ends[2 if stages == 3 else 0]  # the end of all stages, or of the first, at stride 4
    network.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
    session = runtime.InferenceSession(network.SerializeToString())
    bgr = np.random.default_rng(0).random((1, 3, 48, 120), dtype=np.float32)
    (theirs,) = session.run([name], {"x": 2 * bgr - 1})

    edged = torch.nn.functional.pad(torch.from_numpy(bgr), (1, 1, 1, 1), value=0.5).flip(1)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    ours: TextFPN = ppocr_fpn(stages=3).features.eval() if stages == 3 else deepcopy(features)
    ours.stem.first[0].padding = (0, 0)
    with torch.inference_mode():
        maps = ours.stem((edged - mean) / std)
        for stage in ours.stages[: 3 if stages == 3 else 1]:
            maps = stage(maps)
    torch.testing.assert_close(maps.numpy(), theirs, rtol=0, atol=1e-3)


def test_three_stages_have_the_same_two_maps_and_train(features: TextFPN) -> None:
    three = TextFPN(96, stages=3)
    photos = torch.rand(2, 3, 81, 111)
    shapes = {name: map_.shape for name, map_ in features(photos).items()}
    maps = three(photos)
    assert {name: map_.shape for name, map_ in maps.items()} == shapes
    sum(map_.square().sum() for map_ in maps.values()).backward()
    assert [name for name, p in three.named_parameters() if p.grad is None] == []


def test_all_but_the_pyramid_comes_from_there(features: TextFPN) -> None:
    fresh, again = TextFPN(96).state_dict(), ppocr_fpn().features.state_dict()
    loaded = {name for name, value in features.state_dict().items() if again[name].equal(value)}
    assert {name.split(".")[0] for name in fresh.keys() - loaded} == {"fpn"}


@pytest.mark.parametrize(
    ("missing", "advice"), [("rapidocr", "rapidocr is not installed"), ("onnx", "needs onnx")]
)
def test_without_the_extra(missing: str, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find(name)
    )
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(DigitsError, match=rf"{advice}.*pip install -e '\.\[text\]'"):
        ppocr_fpn()


def test_another_network_is_refused(tmp_path: Path) -> None:
    network = onnx.load(packaged())
    del network.graph.node[:40]
    onnx.save(network, tmp_path / "other.onnx")
    with pytest.raises(DigitsError, match=f"other.onnx: not the network of {FILE}"):
        load_ppocr([TextFPN(96).stem], tmp_path / "other.onnx")
