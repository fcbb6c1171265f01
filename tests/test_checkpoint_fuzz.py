"""Checkpoints that are not as they should be: each is read as it is, or refused in one line."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzzing import places
from hypothesis import given, settings
from hypothesis import strategies as st

from digits import builders, checkpoint, checkpoint_file, torch_files
from digits.errors import DigitsError
from digits.reading.features import NAMES

CONFIG = {
    "model": {
        "_target_": "digits.models.detector.build_detector",
        "_convert_": "all",
        "backbone": {
            "_target_": "digits.models.small.small_fpn",
            "widths": [8, 8, 8, 8],
            "blocks": [1, 1, 1],
            "out_channels": 8,
            "box_head_width": 8,
            "weights": "none",
        },
        "min_size": 48,
        "max_size": None,
        "anchor_heights": "auto",
        "roi_side": 3,
        "zoom": {"min_score": 0.3, "search": [2, 4]},
    },
    "reading": {"_target_": "digits.reading.calibrated.CalibratedReader", "nms_iou": 0.4},
}
READER = {
    "photos": 60, "features": list(NAMES), "score_scale": 1.0, "mean": [0.0] * 13,
    "spread": [1.0] * 13, "weights": [[0.0] * 13, [0.1] * 13, [-0.1] * 13], "bias": [0.0, 1.0, 0.0],
    "number": [1.0, 0.0], "settings": {"nms_iou": 0.4, "min_photos": 50, "ignore": []},
}  # fmt: skip


@pytest.fixture(scope="module")
def valid() -> dict[str, Any]:
    network = builders.build_model(CONFIG["model"])
    description = checkpoint_file.describe(CONFIG, {"digits": "0.2"})
    description |= {"metrics": {"map": 0.5}, "reader": READER, "refine": True}
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    return {"digits": description, "state_dict": state, "epoch": 1, "global_step": 2}


def use(path: Path) -> None:
    """What predict.py does with a checkpoint, but for detecting."""
    loaded = checkpoint.load(path)
    loaded.rebuild({"box_score_thresh": 0.1})
    loaded.rebuild_reader()
    loaded.header()


def refused(path: Path, content: object) -> str:
    torch_files.save(content, path)
    with pytest.raises(DigitsError) as caught:
        use(path)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 650 + len(str(path))
    return text


def test_the_valid_one_is_used(tmp_path: Path, valid: dict[str, Any]) -> None:
    torch_files.save(valid, tmp_path / "a.ckpt")
    use(tmp_path / "a.ckpt")


WEIGHT = "model.backbone.stem.0.weight"
ONE = torch.zeros(1)
WEIGHTS: list[tuple[Any, str]] = [
    ({}, "expected a state dict"),
    ([], "expected a state dict"),
    (3, "expected a state dict"),
    ({3: ONE}, "expected a state dict"),
    ({"a": "x"}, "expected a state dict.*got 'a': str"),
    ({"a": None}, "got 'a': NoneType"),
    ({"a": ONE}, "do not fit its network.*: lacks backbone"),
    ({"x" * 100_000: ONE.expand(40_000_000_000)}, "repeats few numbers"),
    (lambda s: s | {"extra": ONE}, "has 'extra', as the network has not"),
    (lambda s: s | {"extra": ONE.expand(40_000_000_000)}, "'extra' of shape .* repeats few"),
    (lambda s: {k: v for k, v in s.items() if k != WEIGHT}, "lacks backbone.stem.0.weight"),
    (lambda s: s | {WEIGHT: torch.zeros(3, 3)}, r"expected \(8, 3.*numbers, got \(3, 3\) numbers"),
    (lambda s: s | {WEIGHT: s[WEIGHT].int()}, "got .* whole numbers"),
    (lambda s: s | {WEIGHT: s[WEIGHT] * float("nan")}, "not finite .*stem.0.weight"),
    (lambda s: s | {WEIGHT: s[WEIGHT] / 0}, "not finite"),
    (lambda s: s | {WEIGHT: s[WEIGHT].to(torch.complex64)}, "dense tensor of real numbers"),
    (lambda s: s | {WEIGHT: s[WEIGHT].to_sparse()}, "plain tensors"),
    (lambda s: s | {WEIGHT: s[WEIGHT].to("meta")}, "plain tensors"),
]


@pytest.mark.parametrize(("state", "says"), WEIGHTS, ids=range(len(WEIGHTS)))
def test_other_weights_are_refused(
    tmp_path: Path, valid: dict[str, Any], state: Any, says: str
) -> None:
    changed = state(valid["state_dict"]) if callable(state) else state
    text = refused(tmp_path / "a.ckpt", valid | {"state_dict": changed})
    assert re.search(says, text), text


def test_half_precision_is_read(tmp_path: Path, valid: dict[str, Any]) -> None:
    half = {k: v.half() if v.is_floating_point() else v for k, v in valid["state_dict"].items()}
    torch_files.save(valid | {"state_dict": half}, tmp_path / "a.ckpt")
    use(tmp_path / "a.ckpt")


def endless(depth: int) -> list[Any]:
    """Lists of two references each: small to store, 2^depth values to walk through."""
    value: list[Any] = [0]
    for _ in range(depth):
        value = [value, value]
    return value


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 3}, "of a later version"),
        ({"format": "2"}, "expected a whole number, got '2'"),
        ({"format": 10**300}, "expected a whole number <= 1000000"),
        ({"versions": None}, "versions: expected named values"),
        ({"versions": {"digits": 1}}, "versions"),
        ({"refine": "yes"}, "refine: expected true or false"),
        ({"metrics": []}, "metrics: expected named values"),
        ({"reader": []}, "reader: expected named values or null"),
        ({"reader": READER | {"spread": [0.0] * 13}}, "reader.spread"),
        ({"reader": READER | {"bias": [0.0, 1e308, 0.0]}}, r"reader.bias\[1\]: .*got 1e\+308"),
        ({"class_names": ["x" * 10] * 100_000}, "expected the classes"),
        ({"config": endless(60)}, "more data than any"),
        ({"metrics": {"x": endless(60)}}, "more data than any"),
        ({"metrics": nested(400)}, "nested too deeply"),
        ({"metrics": {"x": ONE}}, "a Tensor in it"),
    ],
)
def test_other_descriptions_are_refused(
    tmp_path: Path, valid: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    content = valid | {"digits": valid["digits"] | change}
    text = refused(tmp_path / "a.ckpt", content)
    assert re.search(says, text), text


NAN = float("nan")
MISFITS: list[tuple[str, Any]] = [
    ("model.min_size", -1), ("model.min_size", "48"), ("model.min_size", []),
    ("model.min_size", [48, 0]), ("model.min_size", True), ("model.max_size", 10**9),
    ("model.anchor_heights", [1e9, 2e9]), ("model.anchor_heights", [-5, 20]),
    ("model.anchor_heights", [20]), ("model.anchors", 10**9), ("model.anchors", 0),
    ("model.aspect_ratios", []), ("model.aspect_ratios", [NAN]), ("model.aspect_ratios", [[1]]),
    ("model.image_std", [0, 1, 1]), ("model.image_mean", [1e30] * 3), ("model.image_mean", [0]),
    ("model.box_score_thresh", NAN), ("model.box_score_thresh", "0.5"),
    ("model.box_nms_thresh", -0.5), ("model.rpn_nms_thresh", float("inf")),
    ("model.rpn_post_nms_top_n_test", 10**12), ("model.rpn_fg_iou_thresh", 0.1),
    ("model.box_detections_per_img", -1), ("model.bbox_reg_weights", [1, 1]),
    ("model.roi_side", 10**6), ("model.roi_side", 2.5), ("model.box_voting", {"a": 1}),
    ("model.zoom.min_score", 5), ("model.zoom.min_score", NAN), ("model.zoom.search", [0.5]),
    ("model.zoom.search", [1e9]), ("model.zoom.gain", -1), ("model.zoom.bogus", 1),
    ("model.bogus", 1), ("model.backbone.widths", [10**9] * 4), ("model.backbone.widths", "8"),
    ("model.backbone.blocks", [-1, 1, 1]), ("model.backbone.out_channels", 10**9),
    ("model.backbone.box_head_width", 0), ("model.backbone.bogus", [1]),
    ("reading.nms_iou", 7), ("reading.nms_iou", "0.4"), ("reading.min_photos", -1),
    ("reading.ignore", ["x", 1]), ("reading.state", {}), ("reading.bogus", None),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), MISFITS, ids=lambda item: str(item)[:24])
def test_arguments_are_held_to_the_ranges_of_the_command_line(
    tmp_path: Path, valid: dict[str, Any], key: str, value: Any
) -> None:
    content = valid | {"digits": deepcopy(valid["digits"])}
    *path, last = key.split(".")
    part = content["digits"]["config"]
    for name in path:
        part = part[name]
    part[last] = value
    text = refused(tmp_path / "a.ckpt", content)
    assert text.startswith(f"ckpt={tmp_path / 'a.ckpt'}: The checkpoint's {key}="), text
    assert re.search("expected|there is no such setting", text), text


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.sampled_from([-1, 0, 10**6, 1e30, 10**5000, "${a}", "auto", (1, 2), [], {}, ["x"], [[1]],
                     {"_target_": "os.system"}, [1.0] * 5000, ONE, b"x", nested(30)]),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(data=st.data(), value=VALUES)
def test_a_changed_description_is_used_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, valid: dict[str, Any], data: st.DataObject, value: Any
) -> None:
    content = valid | {"digits": deepcopy(valid["digits"])}
    holder, key = data.draw(st.sampled_from(places(content["digits"])))
    if data.draw(st.booleans()):
        holder[key] = value
    else:
        del holder[key]
    path = tmp_path_factory.getbasetemp() / "fuzzed.ckpt"
    torch_files.save(content, path)
    try:
        use(path)
        said = ""
    except DigitsError as error:
        said = str(error)
    assert "\n" not in said and len(said) < 700 + len(str(path))
