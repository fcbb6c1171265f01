from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT

from digits.data.photos import load_photo
from digits.errors import DigitsError
from digits.recognition.crops import Row, crop_row, padded
from digits.recognition.network import PPOCRRecognizer, SmallRecognizer, keep_digits
from digits.recognition.weights import load_recognizer, ppocr_recognizer, small_recognizer
from digits.training.finish import count_parameters


@pytest.fixture(scope="module", params=[SmallRecognizer, PPOCRRecognizer])
def network(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    made: torch.nn.Module = request.param()
    return made.eval()


@pytest.mark.parametrize("width", [32, 96, 320])
def test_a_frame_per_eight_pixels(network: torch.nn.Module, width: int) -> None:
    crops = torch.zeros(2, 3, 48, width, dtype=torch.uint8)
    assert network(crops).shape == (2, width // 8, 11)


def test_a_crop_is_read_alike_whatever_the_batch(network: torch.nn.Module) -> None:
    crops = torch.randint(0, 256, (3, 3, 48, 64), dtype=torch.uint8)
    assert torch.allclose(network(crops)[1:2], network(crops[1:2]), atol=1e-4)


def test_the_small_network_is_small() -> None:
    assert count_parameters(SmallRecognizer()) < 1_000_000


def test_the_small_network_reads_bright_and_dark_crops_alike() -> None:
    network = SmallRecognizer().eval()
    crops = torch.randint(0, 100, (2, 3, 48, 64)).float()
    assert torch.allclose(network(crops + 120), network(crops), atol=1e-3)


def test_ppocr_gives_what_its_own_runtime_gives() -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    pytest.importorskip("rapidocr")
    from digits.models.ppocr_weights import packaged

    path = packaged()
    network = PPOCRRecognizer(18710)
    digits = load_recognizer(network, path)
    network.eval()
    model = onnx.load(path)
    logits = model.graph.node[-1].input[0]  # before the last softmax
    model.graph.output.append(onnx.helper.make_tensor_value_info(logits, 1, None))
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    photo = load_photo(ROOT / "docs/photos/house-327.png").permute(1, 2, 0).numpy()
    row = Row(photo.shape[1] / 2, photo.shape[0] / 2, photo.shape[1], photo.shape[0])
    crops = padded(crop_row(photo, row))[None].transpose(0, 3, 1, 2)
    blue_first = np.ascontiguousarray(crops[:, ::-1], dtype=np.float32) / 127.5 - 1
    (expected,) = session.run([logits], {"x": blue_first})
    with torch.no_grad():
        whole = network(torch.tensor(crops))
        assert np.abs(whole.numpy() - expected).max() < 1e-3
        keep_digits(network, digits)
        assert torch.allclose(network(torch.tensor(crops)), whole[..., [0, *digits]], atol=1e-4)


def test_a_file_of_another_network_is_refused_in_one_line(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph([], "empty", [], [])
    path = tmp_path / "other.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    with pytest.raises(DigitsError, match="not the network of PP-OCRv6"):
        ppocr_recognizer(str(path))


def test_without_the_extra_what_needs_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DigitsError, match=r"recognizer\.network\.weights=ppocr: .*small"):
        ppocr_recognizer()


@pytest.mark.parametrize("build", [ppocr_recognizer, small_recognizer])
def test_a_training_goes_on_from_a_recogniser_checkpoint(
    build: Callable[..., torch.nn.Module], tmp_path: Path
) -> None:
    taught = build("none")
    state = {f"model.{name}": value for name, value in taught.state_dict().items()}
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": state}, path)
    crops = torch.randint(0, 256, (2, 3, 48, 96), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(build(str(path)).eval()(crops), taught.eval()(crops))

    del state["model.head.weight"]
    torch.save({"state_dict": state}, path)
    with pytest.raises(DigitsError, match="another network .*head.weight"):
        build(str(path))
