import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from digits import checkpoint
from digits.checkpoint import Checkpoint
from digits.errors import DigitsError
from digits.inference.options import SubmissionOptions
from digits.reading import ThresholdReader
from digits.types import CLASS_NAMES

Script = Callable[..., Any]


@pytest.fixture
def loaded(trained: Any) -> Checkpoint:
    return checkpoint.load(trained.folder / "best.ckpt")


def photos() -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, 40, w), generator=g, dtype=torch.uint8) for w in (60, 90)]


@torch.inference_mode()
def detect(model: nn.Module) -> list[dict[str, torch.Tensor]]:
    found: list[dict[str, torch.Tensor]] = model.eval()(photos())
    assert sum(len(f["boxes"]) for f in found) > 0
    return found


@pytest.mark.slow
def test_a_rebuilt_detector_detects_as_the_trained_one(
    train: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = importlib.import_module("digits.cli.train")
    modules = []

    class Recording(script.DigitDetector):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            modules.append(self)

    monkeypatch.setattr(script, "DigitDetector", Recording)
    outcome = train("callbacks.average=null", "+model.box_bg_iou_thresh=0.4")
    assert outcome.code == 0, outcome.err
    expected = detect(modules[0].model)
    for name in ("last.ckpt", "best.ckpt"):  # after one epoch both hold the same weights
        found = detect(checkpoint.load(outcome.folder / name).rebuild())
        for a, b in zip(found, expected, strict=True):
            assert all(torch.equal(a[key], b[key]) for key in ("boxes", "scores", "labels"))


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_a_checkpoint_is_plain_data_that_describes_itself(trained: Any, name: str) -> None:
    content = torch.load(trained.folder / name, map_location="cpu", weights_only=True)
    description = content["digits"]
    json.dumps(description)  # nothing but plain data
    assert description["class_names"] == list(CLASS_NAMES)
    assert description["config"]["model"]["min_size"] == 48
    assert description["config"]["reading"]["nms_iou"] == 0.4
    assert {"python", "torch", "torchvision", "lightning"} <= description["versions"].keys()
    assert "hyper_parameters" not in content


def test_the_final_figures_are_stored_in_the_best_checkpoint(
    trained: Any, loaded: Checkpoint
) -> None:
    figures = json.loads((trained.folder / "metrics.json").read_text())
    assert loaded.description["metrics"] == figures
    assert {"map", "map_50", "number_accuracy", "digit_error_rate"} <= figures.keys()


def test_the_model_needs_nothing_but_the_checkpoint(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)  # no download either
    copy = Path(shutil.copy(trained.folder / "best.ckpt", tmp_path / "renamed.ckpt"))
    content = checkpoint.load(copy)
    content.config["model"]["backbone"]["weights"] = "/gone/pretrained.pth"
    model = content.rebuild()
    assert not model.training
    detect(model)
    # and the checkpoint itself is left as it was
    assert content.config["model"]["backbone"]["weights"] == "/gone/pretrained.pth"


def test_settings_of_inference_can_be_replaced(loaded: Checkpoint) -> None:
    model = loaded.rebuild({"box_score_thresh": 0.99, "min_size": 80})
    assert model.roi_heads.score_thresh == 0.99
    assert list(model.transform.min_size) == [80]
    assert loaded.rebuild().roi_heads.score_thresh == 0.0


def test_another_reader_can_be_asked_for(loaded: Checkpoint) -> None:
    assert "threshold 0.5 (not calibrated" in loaded.rebuild_reader().description
    other = ThresholdReader(score_threshold=0.7)
    assert loaded.rebuild_reader(other).description == "threshold 0.7"


@pytest.mark.parametrize(
    ("stored", "asked", "refined"),
    [(True, "auto", True), (False, "auto", False), (False, True, True), (True, False, False)],
)
def test_boxes_are_refined_as_valid_decided_or_as_asked(
    stored: bool, asked: bool | str, refined: bool
) -> None:
    decided = Checkpoint(Path("a.ckpt"), {"digits": {"refine": stored}}).refine
    assert SubmissionOptions(Path("out"), refine=asked).refines(decided) is refined


def test_settings_that_change_the_network_are_refused(loaded: Checkpoint) -> None:
    with pytest.raises(DigitsError, match="weights do not fit .*roi_side.*expected .256, 1600."):
        loaded.rebuild({"roi_side": 5})


def test_the_header_names_the_checkpoint_by_its_content(trained: Any, tmp_path: Path) -> None:
    path = trained.folder / "best.ckpt"
    copy = Path(shutil.copy(path, tmp_path / "copy.ckpt"))
    one, two = (checkpoint.load(p).header() for p in (path, copy))
    assert one["weights_sha256"] == two["weights_sha256"]
    assert one["config_digest"] == two["config_digest"]
    other = checkpoint.load(path).header({"min_size": 99})
    assert other["config_digest"] != one["config_digest"]
    json.dumps(one)


def test_finish_drops_what_only_training_needs(trained: Any, tmp_path: Path) -> None:
    path = Path(shutil.copy(trained.folder / "last.ckpt", tmp_path / "a.ckpt"))
    before, size = checkpoint.load(path), path.stat().st_size
    checkpoint.finalize(before, {"map": 0.25}, FITTED, refine=True)
    after = checkpoint.load(path)
    assert path.stat().st_size < 0.5 * size
    final = {"metrics": {"map": 0.25}, "reader": FITTED, "refine": True}
    assert after.description == before.description | final
    assert after.state_dict.keys() == before.state_dict.keys()
    assert all(torch.equal(v, before.state_dict[k]) for k, v in after.state_dict.items())
    assert "optimizer_states" in before.content and "optimizer_states" not in after.content
    assert after.content["global_step"] == before.content["global_step"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


@pytest.mark.slow
def test_last_resumes_where_the_run_ended(trained: Any, train: Script) -> None:
    last = trained.folder / "last.ckpt"
    outcome = train(f"ckpt_path={last}", "trainer.max_epochs=2")
    assert outcome.code == 0, outcome.err
    before, after = (checkpoint.load(p).content for p in (last, outcome.folder / "last.ckpt"))
    assert (before["global_step"], after["global_step"]) == (2, 4)
    assert (before["epoch"], after["epoch"]) == (0, 1)
    assert "epoch 2 of 2:" in outcome.out and "epoch 1 of 2:" not in outcome.out


def test_best_is_refused_for_resuming(trained: Any, train: Script) -> None:
    outcome = train(f"ckpt_path={trained.folder / 'best.ckpt'}")
    assert outcome.code == 1 and "resume from last.ckpt" in outcome.err
    assert outcome.files() == set()


FITTED = {
    "photos": 60,
    "features": ["score"],
    "score_scale": 1.0,
    "mean": [0.0],
    "spread": [1.0],
    "weights": [[0.0], [1.0], [0.5]],
    "bias": [0.0, 0.0, 0.0],
    "settings": {"nms_iou": 0.4, "min_photos": 50, "ignore": []},
}
DESCRIPTION = {
    "class_names": list(CLASS_NAMES),
    "config": {"model": {"backbone": {}}, "reading": {}},
    "versions": {},
}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file; train.py writes best.ckpt"),
        (b"", "not a checkpoint of digits"),
        (b"I am not a checkpoint", "not a checkpoint of digits"),
        (torch.zeros(3), "not a checkpoint of digits"),
        ([1], "not a checkpoint of digits"),
        ({"state_dict": {}}, "not a checkpoint of digits.*'digits'"),  # another Lightning project
        ({"digits": DESCRIPTION}, "not a checkpoint of digits.*'state_dict'"),
        ({"digits": {}, "state_dict": {}}, "not a checkpoint of digits"),
        (
            {"digits": DESCRIPTION | {"class_names": ["cat"]}, "state_dict": {}},
            r"expected the classes .* got \['cat'\]",
        ),
    ],
)
def test_files_that_are_no_checkpoints_of_ours_are_refused(
    tmp_path: Path, content: Any, says: str
) -> None:
    path = tmp_path / "a.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(DigitsError, match=says) as caught:
        checkpoint.load(path)
    assert str(caught.value).startswith(f"ckpt={path}: ") and "\n" not in str(caught.value)


def test_at_another_input_size_the_anchors_stay_those_that_were_taught(loaded: Checkpoint) -> None:
    taught = loaded.config["model"]
    assert taught["anchor_heights"] == "auto"
    one, other = loaded.rebuild(), loaded.rebuild({"min_size": 96})
    assert other.transform.min_size == [96] != one.transform.min_size
    assert one.rpn.anchor_generator.sizes == other.rpn.anchor_generator.sizes
