"""Feature extractors of timm under a pyramid: what is refused, and maps that come out right."""

import math
import sys
from typing import Any

import pytest
import requests
import torch

from digits.errors import DigitsError
from digits.models.backbone_spec import BackboneSpec
from digits.models.detector import build_detector
from digits.models.timm_fpn import timm_fpn
from digits.records import check_detections

SIZES = ((33, 91), (70, 20), (7, 150), (1, 1))  # (px) height, width


def test_a_name_that_timm_lacks_shows_near_ones() -> None:
    pytest.importorskip("timm")
    with pytest.raises(DigitsError, match=r"name=convnextv2_ato: timm .* no such.*convnextv2_atto"):
        timm_fpn("convnextv2_ato", weights="none")
    with pytest.raises(DigitsError, match=r"name=qqq: timm .* no such model"):
        timm_fpn("qqq", weights="none")


def test_a_network_without_a_pyramid_is_refused() -> None:
    pytest.importorskip("timm")
    with pytest.raises(DigitsError, match=r"name=vit_tiny_patch16_224: expected feature maps at"):
        timm_fpn("vit_tiny_patch16_224", weights="none")


def test_a_download_that_fails_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    constants = pytest.importorskip("huggingface_hub.constants")

    def no_internet(*args: Any, pretrained: bool, **kwargs: Any) -> None:
        assert pretrained and constants.HF_HUB_OFFLINE  # else it would try for most of a minute
        raise OSError("cannot reach\nthe hub")

    def unanswered(address: str, timeout: float) -> None:
        assert timeout <= 10
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "head", unanswered)
    monkeypatch.setattr(timm, "create_model", no_internet)
    with pytest.raises(DigitsError) as caught:
        timm_fpn("convnextv2_atto", weights="imagenet")
    assert "cannot reach the hub" in str(caught.value)
    assert "backbone.weights=none" in str(caught.value) and "\n" not in str(caught.value)
    assert not constants.HF_HUB_OFFLINE


def test_without_timm_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(DigitsError, match=r"needs timm: pip install -e '\.\[timm\]'"):
        timm_fpn("convnextv2_atto", weights="none")


@pytest.fixture(scope="module")
def timm_swin() -> BackboneSpec:
    pytest.importorskip("timm")
    return timm_fpn("swin_tiny_patch4_window7_224", weights="none")


@pytest.mark.parametrize("size", [(64, 96), (96, 32), (384, 32)])
def test_maps_with_channels_last_come_out_right(
    timm_swin: BackboneSpec, size: tuple[int, int]
) -> None:
    height, width = size  # 384 pixels: 96 cells of 96 channels
    with torch.inference_mode():
        maps = list(timm_swin.features.eval()(torch.rand(1, 3, height, width)).values())
    for features, stride in zip(maps, timm_swin.strides, strict=True):
        cells = (math.ceil(height / stride), math.ceil(width / stride))
        assert tuple(features.shape) == (1, 256, *cells)


def test_photos_of_any_size_go_through_timm(timm_swin: BackboneSpec) -> None:
    few = {"anchor_heights": "auto", "rpn_post_nms_top_n_test": 20}
    detector = build_detector(timm_swin, min_size=64, max_size=None, **few).eval()
    with torch.inference_mode():
        for detections in detector([torch.rand(3, *size) for size in SIZES]):
            check_detections(detections, "here")
