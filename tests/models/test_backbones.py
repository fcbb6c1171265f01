"""Every backbone: what it promises, against torchvision's own detectors, and through a training."""

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made
import pytest
import torch
from conftest import ROOT
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn
from torchvision.models import convnext_tiny, mobilenet_v3_large, resnet50, swin_t, vgg16
from torchvision.models.detection import (
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    fasterrcnn_resnet50_fpn_v2,
)

from digits import checkpoint
from digits.detections import read_detections
from digits.errors import DigitsError
from digits.models import families, resnets
from digits.models.backbone_spec import BackboneSpec
from digits.models.detector import build_detector
from digits.models.layers import FrozenBatchNorm, add_stochastic_depth
from digits.records import check_detections

CONF = ROOT / "conf"
SLOW = {
    "convnext_base_fpn", "convnext_tiny_fpn", "resnet101_fpn", "resnet50_fpn",
    "resnet50_fpn_v2", "resnet50_fpn_v2_frozen", "vgg16",
}  # fmt: skip
OPTIONS = [
    pytest.param(path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else [])
    for path in sorted((CONF / "backbone").glob("*.yaml"))
]
META = torch.device("meta")  # names, shapes and flags without the time that weights take
DOWNLOAD = "torchvision.models._api.load_state_dict_from_url"


def configured(*overrides: str) -> tuple[BackboneSpec, nn.Module]:
    """The backbone and the detector of a command line."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        model: Any = OmegaConf.to_container(
            compose("train", overrides=list(overrides)).model, resolve=True
        )
    assert model.pop("_target_") == "digits.models.detector.build_detector"
    model.pop("_convert_")
    backbone = instantiate(model.pop("backbone"), _convert_="all")
    return backbone, build_detector(backbone, **model)


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=g, dtype=torch.uint8)


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@pytest.fixture
def trained_file(tmp_path: Path) -> str:
    """A file that a backbone takes for trained weights; only a detector reads what is in it."""
    torch.save({"some.weight": torch.zeros(1)}, tmp_path / "trained.pth")
    return str(tmp_path / "trained.pth")


@pytest.mark.parametrize("option", OPTIONS)
def test_every_backbone_has_its_strides_trains_and_detects(option: str) -> None:
    if option == "timm":
        pytest.importorskip("timm")
    backbone, detector = configured(f"backbone={option}", "backbone.weights=none", "model=digits")
    photos = [noise(40, 44), noise(64, 60, 1)]
    box = made.target([[8, 6, 18, 36]], [3])
    losses = detector.train()(photos, [box, box])
    assert all(v.dtype == torch.float32 and torch.isfinite(v) for v in losses.values())
    sum(losses.values()).backward()
    parameters = dict(detector.named_parameters())
    assert all(p.requires_grad for p in parameters.values())  # nothing is trained yet
    assert [name for name, p in parameters.items() if p.grad is None] == []
    first = next(p for name, p in parameters.items() if name.startswith("backbone."))
    assert first.grad is not None and first.grad.abs().sum() > 0

    detector.eval()
    with torch.inference_mode():
        maps = list(backbone.features(torch.zeros(1, 3, 64, 128)).values())
        found = detector(photos)
    assert [tuple(m.shape[2:]) for m in maps] == [
        (math.ceil(64 / s), math.ceil(128 / s)) for s in backbone.strides
    ]
    assert {m.shape[1] for m in maps} == {backbone.features.out_channels}
    for detections in found:
        check_detections(detections, option)
        assert len(detections["boxes"])
    # A ListConfig here is silently misread as other anchors.
    levels = len(backbone.strides[detector.rpn.anchor_generator.levels])
    counts = detector.rpn.anchor_generator.num_anchors_per_location()
    assert counts == [math.ceil(6 / levels) * 2] * levels


# --- the same as torchvision's


def random_state(reference: nn.Module) -> dict[str, Tensor]:
    """What torchvision's server would send: weights of a made-up network, with the statistics of
    a trained one, some of them tiny."""
    g = torch.Generator().manual_seed(7)
    state: dict[str, Tensor] = {}
    for name, value in reference.state_dict().items():
        shape = value.shape
        if name.endswith("num_batches_tracked"):
            continue  # frozen statistics have none
        if name.endswith("running_var"):
            state[name] = 10 ** (-5 * torch.rand(shape, generator=g))
            scale = 0.4 + 0.4 * torch.rand(shape, generator=g)
            state[name.replace("running_var", "weight")] = scale * state[name].sqrt()
        elif name.endswith("running_mean") or len(shape) == 1:
            state.setdefault(name, 0.05 * torch.randn(shape, generator=g))
        else:
            state[name] = torch.randn(shape, generator=g) * (1.5 / value[0].numel()) ** 0.5
    return state


@pytest.fixture(
    scope="module",
    params=[
        (resnets.resnet50_fpn, fasterrcnn_resnet50_fpn, {}),
        (resnets.resnet50_fpn_v2, fasterrcnn_resnet50_fpn_v2, {}),
        (
            families.mobilenet_v3_large_fpn,
            fasterrcnn_mobilenet_v3_large_fpn,
            {"rpn_score_thresh": 0.05},  # a default of that function alone
        ),
    ],
    ids=["resnet50_fpn", "resnet50_fpn_v2", "mobilenet_v3_large_fpn"],
)
def twins(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """Our detector and torchvision's, both with weights=coco from the same made-up file."""
    ours, theirs, extra = request.param
    with META:
        reference = theirs(weights=None, weights_backbone=None)
    state = random_state(reference)
    few = {"min_size": 128, "max_size": 256, "rpn_post_nms_top_n_test": 40}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DOWNLOAD, lambda *args, **kwargs: dict(state))
        own = build_detector(ours(weights="coco"), **few, **extra)
        reference = theirs(weights="COCO_V1", **few)
    return own.eval(), reference.eval()


def test_the_names_are_torchvisions_and_so_are_the_shapes_but_for_the_classes(
    twins: tuple[nn.Module, nn.Module],
) -> None:
    own, reference = (
        {k: v for k, v in shapes(m).items() if not k.endswith("num_batches_tracked")} for m in twins
    )
    assert own.keys() == reference.keys()
    assert {name for name in own if own[name] != reference[name]} == {
        f"roi_heads.box_predictor.{layer}.{kind}"
        for layer in ("cls_score", "bbox_pred")
        for kind in ("weight", "bias")
    }


def test_the_settings_are_torchvisions(twins: tuple[nn.Module, nn.Module]) -> None:
    own, reference = twins
    for part in ("rpn", "roi_heads"):
        a, b = getattr(own, part), getattr(reference, part)
        for name in ("nms_thresh", "score_thresh", "detections_per_img", "_pre_nms_top_n"):
            assert getattr(a, name, None) == getattr(b, name, None), name
    for name in ("sizes", "aspect_ratios"):
        assert getattr(own.rpn.anchor_generator, name) == getattr(
            reference.rpn.anchor_generator, name
        )
    roi, reference_roi = own.roi_heads.box_roi_pool, reference.roi_heads.box_roi_pool
    for name in ("sampling_ratio", "output_size"):
        assert getattr(roi, name) == getattr(reference_roi, name)
    with torch.inference_mode():
        maps = reference.backbone(torch.zeros(1, 3, 64, 64))
    assert roi.featmap_names == [name for name in reference_roi.featmap_names if name in maps]


def test_the_same_stages_are_frozen_as_in_torchvision(twins: tuple[nn.Module, nn.Module]) -> None:
    own, reference = (
        {n for n, p in m.named_parameters() if p.requires_grad and ".body." in n} for m in twins
    )
    if "backbone.body.conv1.weight" in own:  # resnet50_fpn_v2 trains as a whole, _frozen does not
        own = {n for n in own if re.search(r"layer[234]", n)}
    assert own == reference


def test_pretrained_it_detects_what_torchvisions_does(twins: tuple[nn.Module, nn.Module]) -> None:
    own, reference = twins
    photo = noise(64, 96)  # enlarged: shrinking is antialiased here and not there
    with torch.inference_mode():
        ((_, batch),) = own.transform.batches([photo], torch.device("cpu"))
        maps, their_maps = own.backbone(batch.tensors), reference.backbone(batch.tensors)
        for level in their_maps:
            close(maps[level], their_maps[level], f"map {level}")
        scores, boxes = own.rpn.head(list(maps.values()))
        their_scores, their_boxes = reference.rpn.head(list(maps.values()))
        for a, b in zip(scores + boxes, their_scores + their_boxes, strict=True):
            close(a, b, "proposals")
        pooled = torch.rand(4, 256, 7, 7)
        close(
            own.roi_heads.box_head(pooled),
            reference.roi_heads.box_head(pooled),
            "features of a box",
        )
        reference.roi_heads.box_predictor, kept = (
            own.roi_heads.box_predictor,
            reference.roi_heads.box_predictor,
        )
        (ours,), (theirs,) = own([photo]), reference([photo.float() / 255])
        reference.roi_heads.box_predictor = kept
    assert len(theirs["boxes"]) > 20
    best = theirs["scores"] > theirs["scores"].median()
    torch.testing.assert_close(ours["scores"][best], theirs["scores"][best], atol=1e-3, rtol=1e-2)
    for box, label in zip(theirs["boxes"][best], theirs["labels"][best], strict=True):
        same = ours["boxes"][ours["labels"] == label]
        assert (same - box).abs().amax(1).min() < 0.1


def close(ours: Tensor, theirs: Tensor, what: str) -> None:
    error = (ours - theirs).norm() / theirs.norm()
    assert error < 1e-4, f"{what}: relative error {error:.1e}"


def test_files_with_the_names_of_before_2022_load_as_a_whole(tmp_path: Path) -> None:
    """torchvision's own COCO files of resnet50_fpn and mobilenet_v3_large_fpn are such; its
    modules rename what they load."""
    trained = build_detector(families.mobilenet_v3_large_fpn("none"))
    state = {k: v for k, v in trained.state_dict().items() if "num_batches" not in k}
    old = {
        re.sub(r"(rpn\.head\.conv)\.0\.0\.", r"\1.",
               re.sub(r"(_blocks\.\d)\.0\.", r"\1.", name)): value
        for name, value in state.items()
    }  # fmt: skip
    assert {"rpn.head.conv.weight", "backbone.fpn.inner_blocks.0.weight"} <= old.keys()
    torch.save(old, tmp_path / "old.pth")
    loaded = build_detector(families.mobilenet_v3_large_fpn(str(tmp_path / "old.pth")))
    found = loaded.state_dict()
    assert [name for name, value in state.items() if not torch.equal(found[name], value)] == []


@pytest.mark.parametrize(
    ("ours", "theirs", "kwargs"),
    [
        (resnets.resnet50_fpn, resnet50, {"norm": "group"}),
        (families.mobilenet_v3_large_fpn, mobilenet_v3_large, {}),
        pytest.param(families.convnext_tiny_fpn, convnext_tiny, {}, marks=pytest.mark.slow),
        (families.swin_t_fpn, swin_t, {}),
        pytest.param(families.vgg16, vgg16, {}, marks=pytest.mark.slow),
    ],
)
def test_imagenet_weights_fill_the_whole_body(
    monkeypatch: pytest.MonkeyPatch, ours: Any, theirs: Any, kwargs: dict[str, Any]
) -> None:
    with META:
        names = shapes(theirs())
    state = {name: torch.full(shape, 0.25) for name, shape in names.items()}
    monkeypatch.setattr(DOWNLOAD, lambda *args, **more: state)
    backbone = ours(weights="imagenet", **kwargs)
    body = backbone.features.body if hasattr(backbone.features, "body") else backbone.features
    left = [n for n, p in body.state_dict().items() if p.is_floating_point() and (p != 0.25).any()]
    # Swin's table of relative positions is counted, not trained.
    assert [n for n in left if "relative_position_index" not in n] == []


# --- what trains, and what its statistics do


@pytest.mark.parametrize(
    ("build", "stages"),
    [
        (resnets.resnet50_fpn, 5),
        (families.mobilenet_v3_large_fpn, 6),
        (families.swin_t_fpn, 4),
        (families.convnext_tiny_fpn, 4),
        (families.vgg16, 5),
    ],
)
def test_each_stage_more_trains_more_down_to_all_and_none(
    trained_file: str, build: Any, stages: int
) -> None:
    def count(layers: int) -> int:
        with META:
            features = build(weights=trained_file, trainable_layers=layers).features
        body = features.body if hasattr(features, "body") else features
        return sum(
            p.numel()
            for m in body.modules()
            if not isinstance(m, FrozenBatchNorm)
            for p in m.parameters(recurse=False)
            if p.requires_grad
        )

    counts = [count(n) for n in (0, 1, stages - 1, stages)]
    assert counts[0] == 0 and sorted(set(counts)) == counts
    for wrong in (-1, stages + 1):
        says = f"trainable_layers={wrong}: expected 0 to {stages},"
        with META, pytest.raises(DigitsError, match=says):
            build(weights="none", trainable_layers=wrong)


@pytest.mark.parametrize("norm", ["frozen", "live", "group"])
@pytest.mark.parametrize("trained", [True, False])
def test_how_a_body_normalises(trained_file: str, norm: str, trained: bool) -> None:
    backbone = families.mobilenet_v3_large_fpn(
        weights=trained_file if trained else "none", norm=norm, trainable_layers=6
    )
    features = backbone.features.train()
    before = {n: v.clone() for n, v in features.named_buffers()}
    photos = torch.rand(2, 3, 64, 96)
    sum(m.sum() for m in features(photos).values()).backward()
    moved = [n for n, v in features.named_buffers() if not torch.equal(v, before[n])]
    fixed = norm == "frozen" and trained
    assert bool(moved) == (norm != "group" and not fixed)
    assert bool(before) == (norm != "group")
    trains = {n for n, p in features.body.named_parameters() if p.grad is not None}
    assert ("0.1.weight" in trains) == (not fixed)  # the stem's normalisation
    assert "0.0.weight" in trains
    # Photos in a batch touch each other by live statistics only.
    with torch.no_grad():
        alone, together = features(photos[:1])["0"], features(photos)["0"][:1]
    alike = torch.allclose(alone, together, rtol=1e-3, atol=1e-4)
    assert alike == (norm == "group" or fixed)


def test_a_checkpoint_does_not_tell_frozen_statistics_from_live_ones(trained_file: str) -> None:
    fixed = families.mobilenet_v3_large_fpn(weights=trained_file, norm="frozen").features.eval()
    live = families.mobilenet_v3_large_fpn(weights="none", norm="frozen").features.eval()
    for module in fixed.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    live.load_state_dict(fixed.state_dict())
    photo = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(fixed(photo), live(photo))


# --- stochastic depth


def test_deeper_branches_are_dropped_more_often_and_the_mean_is_kept() -> None:
    branches = [nn.Sequential(nn.Identity()) for _ in range(5)]
    add_stochastic_depth(branches, "0", 0.4)
    ones = torch.ones(20_000, 2)
    for number, branch in enumerate(branches):
        out = branch.train()(ones)
        assert torch.equal(out[:, 0], out[:, 1])  # whole photos
        assert (out[:, 0] == 0).float().mean() == pytest.approx(number / 10, abs=0.02)
        assert out.mean() == pytest.approx(1, abs=0.03)
        assert torch.equal(branch.eval()(ones), ones)


@pytest.mark.parametrize("norm", ["frozen", "live"])
def test_stochastic_depth_shows_in_training_alone(trained_file: str, norm: str) -> None:
    plain = resnets.resnet50_fpn(trained_file, norm=norm).features
    deep = resnets.resnet50_fpn(trained_file, norm=norm, stochastic_depth=0.5).features
    assert shapes(plain) == shapes(deep)
    deep.load_state_dict(plain.state_dict())
    photo = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        first, second = deep.train()(photo), deep(photo)
        assert not torch.allclose(first["0"], second["0"])
        deep.load_state_dict(plain.state_dict())
        torch.testing.assert_close(plain.eval()(photo), deep.eval()(photo))


# --- through train.py and predict.py


@pytest.mark.slow
@pytest.mark.parametrize("option", ["resnet50_fpn_v2", "mobilenet_v3_large_fpn", "vgg16"])
def test_torchvisions_networks_train_and_are_rebuilt(
    option: str,
    train: Callable[..., Any],
    predict: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import digits.cli.train as script

    modules: list[Any] = []

    def recorded(*args: Any, **kwargs: Any) -> Any:
        modules.append(build(*args, **kwargs))
        return modules[-1]

    build = script.DigitDetector
    monkeypatch.setattr(script, "DigitDetector", recorded)
    outcome = train(
        f"backbone={option}", "backbone.weights=none", "model.min_size=96", "batch_size=2",
        "data.valid_count=2", "optimizer=sgd", "optimizer.lr=1e-4", "callbacks.average=null",
        "callbacks.last=null", "callbacks.best_number=null", "callbacks.pictures=null",
        "callbacks.augmented=null", "model.roi_side=3",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    best = outcome.folder / "best.ckpt"
    photos = [noise(40, 60), noise(50, 30, 1)]
    with torch.inference_mode():
        again = checkpoint.load(best).rebuild()(photos)
        before = modules[0].eval()(photos)
    torch.testing.assert_close(again, before)
    assert all(len(found["boxes"]) for found in again)
    predicted = predict(f"ckpt={best}", "data.test_count=2", "batch_size=2")
    assert predicted.code == 0, predicted.err
    _, records = read_detections(predicted.folder / "detections.json")
    assert len(records) == 2 and sum(len(r["boxes"]) for r in records) > 0
    figures = json.loads((predicted.folder / "metrics.json").read_text())
    assert figures["photos"] == 2
    shutil.rmtree(outcome.folder)  # hundreds of megabytes
