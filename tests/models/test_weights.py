import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import ResNet50_Weights
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

from digits.errors import DigitsError
from digits.models.detector import build_detector
from digits.models.ppocr import ppocr_fpn
from digits.models.resnets import resnet50_fpn_v2
from digits.models.small import small_fpn
from digits.models.weights import load_detector_state, pretrained, read_state

SIZES: dict[str, Any] = {"widths": (8, 16, 24, 32), "blocks": (1, 1, 1), "box_head_width": 32}


def detector(weights: str = "none", **changes: Any) -> torch.nn.Module:
    return build_detector(small_fpn(**SIZES | changes, weights=weights), min_size=64)


@pytest.fixture
def coco_file(tmp_path: Path) -> Path:
    """A detector of 91 classes, as torchvision's on COCO."""
    torch.manual_seed(3)
    model = detector()
    model.roi_heads.box_predictor = FastRCNNPredictor(32, 91)
    torch.save(model.state_dict(), tmp_path / "coco.pth")
    return tmp_path / "coco.pth"


def test_of_91_classes_all_but_the_predictor_is_taken(
    coco_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved = torch.load(coco_file, weights_only=True)
    with caplog.at_level(logging.INFO, "digits"):
        model = detector(str(coco_file))
    state = model.state_dict()
    fresh = {name for name in state if "box_predictor" in name}
    assert len(fresh) == 4 and state["roi_heads.box_predictor.cls_score.bias"].shape == (11,)
    for name in state.keys() - fresh:
        assert torch.equal(state[name], saved[name]), name
    assert (
        all(name in caplog.text for name in fresh) and "4 tensors keep their random" in caplog.text
    )


def test_a_checkpoint_of_ours_gives_all_its_weights(tmp_path: Path) -> None:
    model = detector()
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "best.ckpt")
    again = detector(str(tmp_path / "best.ckpt"))
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_the_weights_of_another_network_are_refused(coco_file: Path) -> None:
    with pytest.raises(DigitsError, match=r"fit another network: \d+ of \d+ tensors match"):
        detector(str(coco_file), widths=(10, 20, 30, 40), out_channels=48)
    with pytest.raises(DigitsError, match="fit another network: 0 of"):
        load_detector_state(detector(), {"layer.weight": torch.zeros(3)})


@pytest.mark.parametrize("name", ["cocoa", "missing.pth"])
def test_unknown_weights_show_the_choices(name: str) -> None:
    with pytest.raises(DigitsError, match=f"weights={name}: expected one of coco, imagenet, none"):
        resnet50_fpn_v2(weights=name)
    with pytest.raises(DigitsError, match=f"weights={name}: expected one of none, or an existing"):
        small_fpn(weights=name)
    with pytest.raises(DigitsError, match=f"weights={name}: expected one of ppocr, none, or an"):
        ppocr_fpn(weights=name)


@pytest.mark.parametrize(
    "content", [torch.zeros(3), [1], {}, {"state_dict": 3}, {"epoch": 3}, {3: torch.zeros(1)}]
)
def test_a_torch_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(DigitsError, match=r"a\.pth: expected a state dict"):
        read_state(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("coco", FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1),
        ("imagenet", ResNet50_Weights.IMAGENET1K_V2),
    ],
)
@pytest.mark.parametrize("error", ["refused", "digest"])
def test_a_failed_download_says_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, weights: Any, error: str
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def no_internet(url: str, *args: Any, **kwargs: Any) -> None:
        if error == "digest":
            raise RuntimeError("invalid hash value")
        from urllib.request import urlopen

        urlopen("http://127.0.0.1:1/", timeout=5)

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_internet)
    with pytest.raises(DigitsError, match="^Cannot fetch https://download.pytorch.org") as caught:
        resnet50_fpn_v2(weights=name)
    file = tmp_path / "checkpoints" / Path(weights.url).name
    assert f"Put that file at {file}" in str(caught.value)
    assert "backbone.weights=none" in str(caught.value)


def test_without_weights_nothing_is_fetched_or_changed() -> None:
    body = torch.nn.Linear(2, 2)
    before = body.weight.detach().clone()
    coco = FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1
    assert pretrained("none", body, ResNet50_Weights.IMAGENET1K_V2, coco) is None
    assert torch.equal(body.weight, before)
