"""Settings without effect beside others: which are refused, which are not."""

from contextlib import nullcontext
from typing import Any

import pytest

from digits.cli.ineffective import refuse_without_effect, tell_of_switches, tell_without_effect
from digits.cli.trainer import refuse_missing_devices
from digits.errors import DigitsError


@pytest.mark.parametrize(
    ("word", "members", "files", "fit"),
    [
        ("fusion=wbf", 1, False, None),  # the default, said
        ("fusion=none", 1, False, None),
        ("fusion.fit=null", 1, False, None),
        ("fusion.iou=0.5", 2, False, None),
        ("fusion.iou=0.5", 1, True, None),  # boxes of one file are fused with each other
        ("fusion.fit=fusion.json", 3, True, "fusion.json"),
        ("device=cpu", 1, True, None),
        ("reading=cascade", 1, True, None),
        ("~data", 1, False, None),
    ],
)
def test_what_has_an_effect_is_let_in(
    word: str, members: int, files: bool, fit: str | None
) -> None:
    refuse_without_effect([word], members, files, fit, [1])


@pytest.mark.parametrize(
    ("word", "members", "files", "fit", "says"),
    [
        ("fusion.iou=0.5", 1, False, None, "one checkpoint has nothing to fuse"),
        ("+fusion.weights=[1]", 1, False, None, r"^fusion.weights=\[1\]: without effect"),
        ("fusion=none", 3, False, "fusion.json", "since fusion.json says how"),
        ("split=valid", 2, True, None, "detections= were made before"),
        ("++data.root=x", 1, True, None, r"^data.root=x: without effect"),
        ("inference.min_size=72", 2, True, "fusion.json", "detections= were made before"),
    ],
)
def test_what_has_none_is_refused(
    word: str, members: int, files: bool, fit: str | None, says: str
) -> None:
    with pytest.raises(DigitsError, match=says):
        refuse_without_effect([word], members, files, fit, [1])


@pytest.mark.parametrize(
    ("word", "members", "fit"),
    [("split=valid", 2, None), ("data.root=x", 1, None), ("data=coco", 3, "fusion.json")],
)
def test_a_data_set_beside_photos_has_none_but_to_fit(
    word: str, members: int, fit: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse_without_effect([word], members, False, fit, [1])
    refuse_without_effect(["data=coco"], 2, False, None, [1], photos=True)
    assert not capsys.readouterr().out
    refuse_without_effect([word], members, False, fit, [1], photos=True)
    told = f"{word}: without effect, since photos= says what is read."
    assert " ".join(capsys.readouterr().out.split()) == told


def test_the_settings_of_the_other_task_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["seed=1", "recognizer.crops.height=24", "model=torchvision", "+recognition=x"]
    tell_without_effect(words, "detector")
    assert capsys.readouterr().out.splitlines() == [
        "recognizer.crops.height=24: without effect on task=detector.",
        "recognition=x: without effect on task=detector.",
    ]


@pytest.mark.parametrize(
    ("word", "beside", "says"),
    [
        ("trainer.max_steps=3", {"fast_dev_run": True}, "trainer.fast_dev_run decides"),
        ("trainer.limit_val_batches=3", {"overfit_batches": 2}, "trainer.overfit_batches decides"),
        ("trainer.profiler=simple", {"barebones": True}, "trainer.barebones decides"),
        ("trainer.gradient_clip_algorithm=norm", {"gradient_clip_val": None}, "is not set"),
        ("trainer.sync_batchnorm=true", {"devices": 1, "num_nodes": 1}, "one process trains"),
        ("trainer.max_steps=3", {"fast_dev_run": False, "overfit_batches": 0.0}, ""),
        ("trainer.sync_batchnorm=true", {"devices": 2, "num_nodes": 1}, ""),
    ],
)
def test_settings_of_the_trainer_that_others_replace_are_told_of(
    word: str, beside: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_of_switches([word, "seed=1"], beside)
    told = capsys.readouterr().out
    assert told.startswith(f"{word}: without effect") and says in told if says else not told


@pytest.mark.parametrize(
    ("accelerator", "devices", "nodes", "gpus", "says"),
    [
        ("cpu", 999_999, 1, 0, "trainer.devices=999999: expected auto, or a number of processes"),
        ("auto", -1, 1, 0, "trainer.devices=-1: expected auto"),
        ("cpu", [0, 1], 1, 4, r"trainer.devices=\[0,1\]: expected auto"),
        ("gpu", 1, 1, 0, "trainer.accelerator=gpu: there is none here"),
        ("cpu", 1, 2, 0, "trainer.num_nodes=2: the other machines would be waited for"),
        ("cpu", "auto", 1, 0, None),
        ("auto", [0, 3], 1, 4, None),
    ],
)
def test_devices_that_are_not_here_are_refused(
    accelerator: str, devices: Any, nodes: int, gpus: int, says: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("GROUP_RANK", "NODE_RANK", "SLURM_NODEID", "SLURM_PROCID", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    settings = {"accelerator": accelerator, "devices": devices, "num_nodes": nodes}
    with pytest.raises(DigitsError, match=says) if says else nullcontext():
        refuse_missing_devices(settings | {"precision": "32-true"}, gpus)


def test_a_precision_of_gpus_is_refused_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    settings = {"accelerator": "auto", "devices": 1, "num_nodes": 1, "precision": "16-mixed"}
    with pytest.raises(DigitsError, match=r"trainer\.precision=16-mixed: GPUs alone have it; for"):
        refuse_missing_devices(settings, gpus=0)
    refuse_missing_devices(settings, gpus=1)
