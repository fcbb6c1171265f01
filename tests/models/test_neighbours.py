"""What is found in a photo depends on the photo alone, whoever shares its batch."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.models.detector import build_detector
from digits.models.families import convnext_tiny_fpn, mobilenet_v3_large_fpn, swin_t_fpn, vgg16
from digits.models.ppocr import ppocr_fpn
from digits.models.resnets import resnet50_fpn
from digits.models.small import small_fpn
from digits.types import Detections

BACKBONES: dict[str, Callable[[], Any]] = {
    "small_fpn": lambda: small_fpn((8, 16, 24, 32), (1, 1, 1), 16, 32),
    "ppocr_fpn": lambda: ppocr_fpn("none", 16, 32),
    "ppocr_fpn, three stages": lambda: ppocr_fpn("none", 16, 32, stages=3),
    "mobilenet_v3_large_fpn": lambda: mobilenet_v3_large_fpn("none", returned_layers=(2, 3, 5)),
    "convnext_tiny_fpn": lambda: convnext_tiny_fpn("none"),
    "swin_t_fpn": lambda: swin_t_fpn("none"),
    "resnet50_fpn": lambda: resnet50_fpn("none"),
    "resnet50_fpn, group": lambda: resnet50_fpn("none", norm="group"),
    "vgg16": lambda: vgg16("none"),
}


@pytest.fixture(scope="module", params=BACKBONES)
def detector(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_detector(
        BACKBONES[request.param](), min_size=48, max_size=None, anchor_heights="auto",
        aspect_ratios=(1.6, 2.5), rpn_post_nms_top_n_test=10, box_detections_per_img=10,
        box_score_thresh=0.0, shared_box=True, box_voting=0.6,
        zoom={"min_score": 0.05, "search": (2.0,)},
    ).eval()  # fmt: skip


def photo(seed: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


sizes = st.tuples(st.integers(0, 99), st.integers(8, 120), st.integers(8, 200))


@settings(max_examples=3, deadline=None)
@given(chosen=st.lists(sizes, min_size=2, max_size=4))
@torch.inference_mode()
def test_a_photo_alone_and_among_others(
    detector: torch.nn.Module, chosen: list[tuple[int, int, int]]
) -> None:
    photos = [photo(*one) for one in chosen]
    detector.together = False
    alone = [detector([one])[0] for one in photos]
    for together in (False, True):  # batches of one padded size, and batches of several
        detector.together = together and detector.maskable
        for others in (detector(photos), detector(photos[::-1])[::-1]):
            for own, found in zip(alone, others, strict=True):
                assert len(own["labels"]) == len(found["labels"])
                assert torch.allclose(own["scores"], found["scores"], atol=1e-4)
                assert_same_boxes(own, found)


def assert_same_boxes(own: Detections, found: Detections) -> None:
    """Each box has its like; their order may differ where scores differ by less than rounding."""
    apart = (own["boxes"][:, None] - found["boxes"]).abs().amax(-1)
    alike = (apart < 0.01) & (own["labels"][:, None] == found["labels"])
    alike &= (own["scores"][:, None] - found["scores"]).abs() < 1e-4
    assert alike.any(0).all() and alike.any(1).all()
