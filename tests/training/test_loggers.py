"""What a run leaves in TensorBoard, and the other loggers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from digits.training.tensorboard import settings_of

Script = Callable[..., Any]


@pytest.fixture(scope="module")
def events(trained: Any) -> EventAccumulator:
    return EventAccumulator(str(trained.folder), size_guidance={"scalars": 0}).Reload()


def test_curves_come_first_and_final_figures_are_few(events: EventAccumulator) -> None:
    tags = events.Tags()["scalars"]
    groups = sorted({tag.partition("/")[0] for tag in tags})
    assert groups == ["train", "val", "val_best"]  # TensorBoard sorts them so
    assert {"train/loss", "train/loss_epoch", "train/epoch", "train/lr/head", "val/map"} <= {*tags}
    assert len([tag for tag in tags if tag.startswith("val_best/")]) <= 5


def test_photos_are_shown_as_augmented_and_as_read(events: EventAccumulator, trained: Any) -> None:
    images = events.Tags()["images"]
    assert {"train/augmented", "val/readings", "val_best/picture"} <= {*images}
    assert len(events.Images("val/readings")) == 1  # validations
    Image.open(trained.folder / "augmented.png").verify()


def test_settings_stand_beside_the_final_figures(events: EventAccumulator, trained: Any) -> None:
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    settings = HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["batch_size"].number_value == 4
    assert settings["model.backbone"].string_value == "small_fpn"
    figure = events.Scalars("val_best/map")[-1].value
    assert figure == pytest.approx(trained.value)
    assert "number_accuracy" in str(events.Tensors("val_best/figures/text_summary")[0])


def test_settings_are_flat_and_hold_no_paths_of_classes() -> None:
    config = {
        "model": {"_target_": "a.b.build", "backbone": {"_target_": "a.b.vgg", "weights": None}},
        "optimizer": {"_partial_": True, "lr": 0.1}, "trainer": {"max_epochs": 3, "devices": 1},
        "callbacks": {},
    }  # fmt: skip
    assert settings_of(config) == {
        "model": "build", "model.backbone": "vgg", "model.backbone.weights": "None",
        "optimizer.lr": 0.1, "trainer.max_epochs": 3,
    }  # fmt: skip


def test_without_loggers_a_run_leaves_its_model_and_figures(train: Script) -> None:
    outcome = train("logger=none")
    assert outcome.code == 0, outcome.err
    assert {"best.ckpt", "metrics.json", "report.html"} <= outcome.files()
    assert not {"metrics.csv", "curves.png"} & outcome.files()
    assert not any(name.startswith("events.") for name in outcome.files())


@pytest.mark.slow
def test_mlflow_gets_curves_and_settings(
    train: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    outcome = train("logger=mlflow")
    assert outcome.code == 0, outcome.err
    run = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])[0]
    assert run.info.status == "FINISHED" and "val/map" in run.data.metrics
    assert run.data.params["batch_size"] == "4"
    assert "metrics.csv" in outcome.files()


@pytest.mark.slow
def test_wandb_keeps_a_run_to_be_sent_later(train: Script) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    outcome = train("logger=wandb", "logger.wandb.offline=true")
    assert outcome.code == 0, outcome.err
    assert list(outcome.folder.glob("wandb/offline-run-*/run-*.wandb"))
