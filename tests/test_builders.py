"""What a checkpoint may ask for: our own builders, plain arguments, nothing else."""

import contextlib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from digits import checkpoint, checkpoint_file, resources
from digits.builders import build_model, build_reader, migrate
from digits.errors import DigitsError

MODEL = {
    "_target_": "digits.models.detector.build_detector",
    "_convert_": "all",
    "min_size": 48,
    "max_size": None,
    "anchor_heights": "auto",
    "backbone": {
        "_target_": "digits.models.small.small_fpn",
        "widths": [8, 16, 24, 32],
        "blocks": [1, 1, 1],
        "box_head_width": 16,
        "weights": "/gone.pth",
    },
    "zoom": {"min_score": 0.3},
}


def changed(place: str, value: Any) -> dict[str, Any]:
    """MODEL with one argument of the detector, or of the backbone, replaced."""
    config = deepcopy(MODEL)
    part = config["backbone"] if place.startswith("backbone.") else config
    assert isinstance(part, dict)
    part[place.removeprefix("backbone.")] = value
    return config


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that any code which runs would leave."""
    return tmp_path / "it-ran"


def tricks(canary: Path) -> dict[str, Any]:
    """What OmegaConf and Hydra can be made to run."""
    touch = {"_target_": "pathlib.Path.touch", "_args_": [{"_target_": "pathlib.Path",
             "_args_": [str(canary)]}]}  # fmt: skip
    text = f"{{_target_: os.system, _args_: ['touch {canary}']}}"
    return {
        "a target": touch,
        "interpolation": f"${{oc.create:{text}}}",
        "decoded text": f"${{oc.decode:'{text}'}}",
        "custom resolver": "${job_name:1,2}",
        "environment": "${oc.env:HOME}",
        "tuple": (touch,),
        "list": [1.0, [touch]],
        "partial": {"_partial_": True, "_target_": "os.system"},
        "not recursive": {"_recursive_": False, "min_score": touch},
        "converted": {"_convert_": "object", "min_score": 0.3},
        "arguments": {"_args_": [touch]},
        "our own, elsewhere": {"_target_": "digits.models.small.small_fpn", "out_channels": 9},
        "omegaconf": OmegaConf.create({"min_score": f"${{oc.create:{text}}}"}),
        "set": {1},
        "bytes": b"1",
        "long text": "a" * 10_000,
    }


NAMES = list(tricks(Path("x")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["zoom", "aspect_ratios", "backbone.widths"])
def test_no_argument_can_run_anything(canary: Path, name: str, place: str) -> None:
    with pytest.raises(DigitsError) as caught:
        build_model(changed(place, tricks(canary)[name]))
    assert not canary.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_nor_can_a_reader(canary: Path, name: str) -> None:
    config = {"_target_": "digits.reading.rules.ThresholdReader", "nms_iou": tricks(canary)[name]}
    with pytest.raises(DigitsError):
        build_reader(config)
    assert not canary.exists()


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize("value", [nested(50), [0.5] * 100_000], ids=["deep", "large"])
def test_arguments_are_bounded(value: Any) -> None:
    with pytest.raises(DigitsError, match="nested too deeply or too large"):
        build_model(changed("aspect_ratios", value))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner,
                                                                max_size=3),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize("name", [None, 3, [], {}, ["digits.models.small.small_fpn"]])
def test_a_backbone_is_named_by_text(name: Any) -> None:
    with pytest.raises(DigitsError, match="asks to run .* as model.backbone"):
        build_model(changed("backbone._target_", name))


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "pathlib.Path.touch",
        "digits.run_info.write_json",
        "digits.models",
        "digits.models.weights.torch.load",  # reachable through ours, but not ours
        "digits.models.detector.logging.os.system",
        "digits.models.gone.build",
        "digits.reading.nms",
    ],
)
def test_nothing_but_our_builders_is_run(target: str) -> None:
    for build, config in (
        (build_model, changed("_target_", target)),
        (build_model, changed("backbone._target_", target)),
        (build_reader, {"_target_": target}),
    ):
        with pytest.raises(DigitsError, match=f"asks to run '{target}'"):
            build(config)


@settings(max_examples=60, deadline=None)
@given(value=PLAIN, place=st.sampled_from(["zoom", "anchor_heights", "backbone.blocks"]))
def test_whatever_plain_data_is_given_a_detector_or_a_message_comes(value: Any, place: str) -> None:
    with contextlib.suppress(DigitsError):  # and nothing else
        assert isinstance(build_model(changed(place, value)), torch.nn.Module)


def test_a_backbone_of_an_older_version_has_the_names_of_today() -> None:
    old = {
        "model": {"backbone": {"_target_": "digits.models.ppocr.ppocr_fpn", "whole": True}},
        "reading": {},
    }
    new = migrate(old)["model"]["backbone"]
    assert new == {"_target_": "digits.models.ppocr.ppocr_fpn", "stages": 3}
    assert "whole" in old["model"]["backbone"]  # what was given stays as it was


def test_a_checkpoint_of_format_1_loads_and_one_of_the_future_does_not(
    trained: Any, tmp_path: Path
) -> None:
    content = torch.load(trained.folder / "best.ckpt", map_location="cpu", weights_only=True)
    assert content["digits"].pop("format") == checkpoint_file.FORMAT
    path = tmp_path / "a.ckpt"
    torch.save(content, path)
    assert checkpoint.load(path).description["format"] == checkpoint_file.FORMAT
    content["digits"]["format"] = 99
    torch.save(content, path)
    with pytest.raises(DigitsError, match="format 99, of a later version"):
        checkpoint.load(path)


@pytest.mark.parametrize("name", resources.SHIPPED)
def test_what_ships_is_of_the_format_of_today(name: str) -> None:
    path = resources.located(name)
    content = torch.load(path, map_location="cpu", weights_only=True)
    assert content["digits"]["format"] == checkpoint_file.FORMAT
    assert not path.is_symlink() and path.stat().st_size < 20e6
