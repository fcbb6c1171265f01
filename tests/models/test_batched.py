"""The batched detector against torchvision's own code, which goes photo by photo."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import MultiScaleRoIAlign, batched_nms, box_iou
from torchvision.ops.poolers import LevelMapper

from digits.models import heads, proposals, suppression
from digits.models.batch import Boxes, PhotoBatch
from digits.models.detector import build_detector
from digits.models.families import mobilenet_v3_large_fpn
from digits.models.matching import Matches, Sample, sample
from digits.models.small import small_fpn
from digits.models.suppression import suppress
from digits.types import NUM_CLASSES

CPU = torch.device("cpu")
SETTINGS: dict[str, dict[str, Any]] = {
    "of model=digits": {
        "anchor_heights": "auto", "aspect_ratios": (1.6, 2.5), "roi_sampling": 1,
        "shared_box": True, "rpn_batch_size_per_image": 64, "box_batch_size_per_image": 16,
        "box_positive_fraction": 0.5, "rpn_post_nms_top_n_train": 60,
        "rpn_post_nms_top_n_test": 20, "box_score_thresh": 0.0, "box_detections_per_img": 30,
    },
    "of model=torchvision": {
        "rpn_pre_nms_top_n_train": 100, "rpn_pre_nms_top_n_test": 60,
        "rpn_post_nms_top_n_train": 60, "rpn_post_nms_top_n_test": 30,
        "box_batch_size_per_image": 64,
    },
    "without proposals": {"anchor_heights": "auto", "rpn_score_thresh": 0.999},
}  # fmt: skip


@pytest.fixture(scope="module", params=SETTINGS)
def detector(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    backbone = (
        mobilenet_v3_large_fpn("none", returned_layers=(2, 3, 5))
        if "torchvision" in request.param
        else small_fpn((8, 16, 24, 32), (1, 1, 1), 16, 32)
    )
    model = build_detector(backbone, min_size=64, max_size=176, **SETTINGS[request.param])
    for name, parameter in model.named_parameters():
        if "bbox_pred" in name or "cls_" in name:
            nn.init.normal_(parameter, std=0.1)  # untrained, all boxes are anchors
    return model


def photos_and_targets(
    sizes: list[tuple[int, int, int]],
) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Noise, with up to as many digits as are said."""
    torch.manual_seed(sum(map(sum, sizes)))
    photos, targets = [], []
    for height, width, count in sizes:
        photos.append(torch.randint(0, 256, (3, height, width), dtype=torch.uint8))
        ends = torch.rand(count, 2, 2).sort(1).values * torch.tensor([width, height])
        ends[:, 1] += 2
        targets.append({"boxes": ends.flatten(1), "labels": torch.randint(1, 11, (count,))})
    return photos, targets


class Drawn:
    """torchvision's sampler, told what to draw: bool `(B, N)`, of which `real` are there."""

    def __init__(self, chosen: Tensor, real: Tensor | None = None) -> None:
        self.rows = [row if real is None else row[real[i]] for i, row in enumerate(chosen)]

    def __call__(self, labels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        pairs = list(zip(self.rows, labels, strict=True))
        assert all(len(row) == len(own) and (own[row] >= 0).all() for row, own in pairs)
        return [row & (own > 0) for row, own in pairs], [row & (own == 0) for row, own in pairs]


@pytest.fixture(scope="module")
def draws() -> Iterator[list[Tensor]]:
    """What the batched detector draws, bool `(B, N)`: of anchors, then of boxes."""
    kept: list[Tensor] = []

    def recorded(matches: Matches, count: int, share: float) -> Sample:
        chosen = sample(matches, count, share)
        index, drawn, most = chosen
        kept.append(torch.zeros_like(matches.digit).scatter_add(1, index, drawn))
        assert (drawn.sum(1) <= count).all()
        assert (drawn[:, :most].sum(1) <= int(count * share)).all()
        return chosen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proposals, "sample", recorded)
        patch.setattr(heads, "sample", recorded)
        yield kept


def image_list(batch: PhotoBatch) -> ImageList:
    return ImageList(batch.tensors, [tuple(size) for size in batch.sizes.tolist()])


def named(maps: list[Tensor]) -> dict[str, Tensor]:
    return OrderedDict((str(level), features) for level, features in enumerate(maps))


class AllClasses(nn.Module):
    """A predictor of one box as torchvision wants it, with the same box for every class."""

    def __init__(self, predictor: nn.Module) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = self.predictor(features)
        return logits, deltas if deltas.shape[1] > 4 else deltas.repeat(1, NUM_CLASSES)


@contextmanager
def theirs_in(heads: nn.Module) -> Iterator[None]:
    """torchvision's pooling, and the predictor that its heads expect."""
    ours = heads.box_roi_pool, heads.box_predictor, heads.fg_bg_sampler
    pool = MultiScaleRoIAlign(ours[0].featmap_names, ours[0].output_size, ours[0].sampling_ratio)
    # It would guess them from the first photo, without its padding.
    pool.scales = [1 / stride for stride in ours[0].strides]
    first, last = (stride.bit_length() - 1 for stride in (ours[0].strides[0], ours[0].strides[-1]))
    pool.map_levels = LevelMapper(first, last)
    heads.box_roi_pool = pool
    heads.box_predictor = AllClasses(ours[1])
    try:
        yield
    finally:
        heads.box_roi_pool, heads.box_predictor, heads.fg_bg_sampler = ours


sizes = st.tuples(st.integers(20, 120), st.integers(20, 200), st.integers(0, 4))


@settings(max_examples=4, deadline=None, derandomize=True)
@given(chosen=st.lists(sizes, min_size=1, max_size=4))
def test_losses_are_torchvisions_with_the_same_samples(
    detector: nn.Module, draws: list[Tensor], chosen: list[tuple[int, int, int]]
) -> None:
    if sum(count for _, _, count in chosen) < 2:
        chosen = [*chosen, (40, 60, 2)]  # batch normalisation wants two boxes, proposals or not
    photos, targets = photos_and_targets(chosen)
    detector.train()
    batch, truth = detector.transform(photos, targets, CPU)
    with torch.no_grad():
        maps = [features.float() for features in detector.backbone(batch.tensors).values()]
    rows = [
        {"boxes": boxes[real], "labels": labels[real].long()}
        for boxes, labels, real in zip(*truth, strict=True)
    ]
    draws.clear()
    found, rpn_losses = detector.rpn(batch, maps, truth)
    losses = detector.roi_heads.losses(maps, found, truth)
    of_anchors, of_boxes = draws
    real = torch.cat([found.real, truth.real], 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector.rpn, "fg_bg_sampler", Drawn(of_anchors))
        theirs, their_rpn = RegionProposalNetwork.forward(
            detector.rpn, image_list(batch), named(maps), rows
        )
    with theirs_in(detector.roi_heads):
        detector.roi_heads.fg_bg_sampler = Drawn(of_boxes, real)
        _, their_losses = RoIHeads.forward(
            detector.roi_heads, named(maps), theirs, image_list(batch).image_sizes, rows
        )
    same_boxes(found, theirs)
    for ours, other in ((rpn_losses, their_rpn), (losses, their_losses)):
        assert ours.keys() == other.keys()
        for name, value in ours.items():
            torch.testing.assert_close(value, other[name], atol=1e-5, rtol=1e-5, msg=name)


def same_boxes(ours: Boxes, theirs: list[Tensor]) -> None:
    for boxes, real, other in zip(*ours, theirs, strict=True):
        assert int(real.sum()) == len(other)
        torch.testing.assert_close(boxes[real], other, atol=0.01, rtol=0)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(chosen=st.lists(sizes, min_size=1, max_size=4))
@torch.inference_mode()
def test_detections_are_torchvisions(
    detector: nn.Module, chosen: list[tuple[int, int, int]]
) -> None:
    photos, _ = photos_and_targets(chosen)
    detector.eval()
    for _, batch in detector.transform.batches(photos, CPU):
        maps = list(detector.backbone(batch.tensors).values())
        found, _ = detector.rpn(batch, maps)
        rows = detector.roi_heads.detect(batch, maps, found)
        images = image_list(batch)
        theirs, _ = RegionProposalNetwork.forward(detector.rpn, images, named(maps))
        same_boxes(found, theirs)
        with theirs_in(detector.roi_heads):
            others, _ = RoIHeads.forward(
                detector.roi_heads, named(maps), theirs, images.image_sizes
            )
        for row, other in zip(rows, others, strict=True):
            own = row[row[:, 4] >= 0]
            assert own[:, 5].tolist() == other["labels"].tolist()
            torch.testing.assert_close(own[:, :4], other["boxes"], atol=0.01, rtol=0)
            torch.testing.assert_close(own[:, 4], other["scores"], atol=1e-4, rtol=0)


# Of thousandths of a pixel: areas too small for normal numbers are rounded as the processor likes.
pixels = st.floats(0, 30).map(lambda value: round(value, 3))
corner = st.tuples(pixels, pixels, pixels, pixels, st.integers(0, 1000))


@settings(max_examples=100, deadline=None)
@given(
    groups=st.lists(st.lists(corner, min_size=1, max_size=15), min_size=1, max_size=4),
    limit=st.sampled_from([0.3, 0.5, 0.7]),
)
def test_one_suppression_of_all_groups_is_torchvisions_of_each(
    groups: list[list[tuple[float, ...]]], limit: float
) -> None:
    most = max(map(len, groups))
    boxes, real = torch.zeros(len(groups), most, 4), torch.zeros(len(groups), most).bool()
    for row, group in enumerate(groups):
        ranked = sorted(group, key=lambda box: -box[4])
        corners = torch.tensor(ranked)[:, :4].float()
        boxes[row, : len(group)] = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1)
        real[row, : len(group)] = True
    overlap = torch.stack([box_iou(group, group) for group in boxes])
    assume(not ((overlap - limit).abs() < 1e-5).any())  # there rounding decides
    scores = torch.ones(real.shape)
    kept, moved = suppress(boxes, scores, real, limit)
    assert torch.equal(moved, boxes)
    everything = real.nonzero()
    order = torch.arange(len(everything), 0, -1).float()
    theirs = batched_nms(boxes[real], order, everything[:, 0], limit)
    wanted = torch.zeros(len(everything)).bool()
    wanted[theirs] = True
    assert kept[real].tolist() == wanted.tolist() and not kept[~real].any()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppression, "_MAX_DENSE", 0)  # as on a processor where boxes are many
        assert torch.equal(suppress(boxes, scores, real, limit)[0], kept)


def test_what_takes_much_memory_is_suppressed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = torch.rand(7, 12, 4).sort(-1).values[..., [0, 1, 2, 3]]
    scores, real = torch.rand(7, 12), torch.rand(7, 12) > 0.2
    whole = suppress(boxes, scores, real, 0.3, 0.5)
    monkeypatch.setattr(suppression, "_MAX_PAIRS", 2 * 12**2)
    for one, other in zip(whole, suppress(boxes, scores, real, 0.3, 0.5), strict=True):
        assert torch.equal(one, other)
