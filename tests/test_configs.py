import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import made
import pytest
import torch
from conftest import ROOT
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.launcher import Launcher
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from digits.data.synthetic import SyntheticDigits
from digits.ensemble.detect import scaled_size
from digits.ensemble.options import FusionOptions
from digits.errors import DigitsError
from digits.options.checking import declared
from digits.options.expected import in_words
from digits.options.training import Trainer
from digits.recognition.crops import CropOptions
from digits.recognition.data import RowJitter
from digits.records import check_detections

CONF = ROOT / "conf"
# From the folder, so that a new file is tested without a change here.
OPTIONS = {g.name: sorted(f.stem for f in g.glob("*.yaml")) for g in CONF.iterdir() if g.is_dir()}
LAUNCHERS = sorted(f.stem for f in (CONF / "hydra" / "launcher").glob("*.yaml"))


def options(group: str) -> list[str]:
    assert OPTIONS[group], f"conf/{group} is empty"
    return OPTIONS[group]


@pytest.fixture(autouse=True)
def _hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@pytest.fixture
def config(tmp_path: Path) -> Any:
    def build(*overrides: str, name: str = "train") -> DictConfig:
        own = (f"run_dir={tmp_path}",) if name == "train" else ()
        return compose(name, overrides=[f"output_dir={tmp_path}", *own, *overrides])

    return build


def test_every_group_is_tested_here() -> None:
    assert set(OPTIONS) == {
        "augmentation", "backbone", "callbacks", "data", "experiment", "fusion", "hydra", "logger",
        "model", "optimizer", "reading", "recognition", "scheduler", "task", "trainer", "tta",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["train", "predict"])
def test_nothing_is_left_to_fill_in(config: Any, name: str) -> None:
    OmegaConf.to_container(config(name=name), resolve=True, throw_on_missing=True)


@pytest.mark.parametrize("option", options("optimizer"))
def test_optimizers(config: Any, option: str) -> None:
    factory = instantiate(config(f"optimizer={option}").optimizer)
    optimizer = factory([{"params": [torch.zeros(2, requires_grad=True)]}, {"params": []}])
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert 0 < optimizer.param_groups[0]["lr"] < 1


@pytest.mark.parametrize("option", options("scheduler"))
def test_schedules(config: Any, option: str) -> None:
    schedule = instantiate(config(f"scheduler={option}").scheduler)
    assert all(0 <= schedule(i / 10, i) <= 1 for i in range(11))


@pytest.mark.parametrize("option", options("augmentation"))
def test_augmentations(config: Any, option: str) -> None:
    augment = instantiate(config(f"augmentation={option}").augmentation)
    photo, target = augment(*SyntheticDigits(2)[0])
    assert photo.dtype == torch.uint8 and photo.shape[0] == 3
    assert target["boxes"].shape == (len(target["labels"]), 4) and target["image_id"] == 1


@pytest.mark.parametrize(
    "option", ["small_fpn", "mobilenet_v3_large_fpn", pytest.param("vgg16", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("model", options("model"))
def test_backbones_and_models(config: Any, option: str, model: str) -> None:
    """The other backbones are in models/test_backbones.py, each with model=digits."""
    small = () if model == "digits" else ("model.min_size=64", "model.max_size=96")
    cfg = config(f"backbone={option}", f"model={model}", "backbone.weights=none", *small)
    detector = instantiate(cfg.model)
    photo = torch.zeros(3, 40, 60, dtype=torch.uint8)
    with torch.inference_mode():
        (found,) = detector.eval()([photo])
    check_detections(found, option)
    # A ListConfig here is silently misread as other anchors (LIBRARIES.md).
    anchors = detector.rpn.anchor_generator
    ratios = cfg.model.get("aspect_ratios", [0.5, 1, 2])
    assert set(anchors.aspect_ratios) == {tuple(ratios)}
    assert anchors.num_anchors_per_location() == [
        len(ratios) * len(heights) for heights in anchors.sizes
    ]


@pytest.mark.parametrize("option", options("data"))
@pytest.mark.parametrize("name", ["train", "predict"])
def test_data(config: Any, coco_root: Path, name: str, option: str) -> None:
    roots = {"synthetic": [], "mixed": [f"data.real.root={coco_root}"]}
    root = roots.get(option, [f"data.root={coco_root}"])
    open_split = instantiate(config(f"data={option}", *root, name=name).data)
    if option == "svhn":  # the course's layout is not SVHN's own
        with pytest.raises(DigitsError, match="digitStruct.mat"):
            open_split("valid")
        return
    for split in ("train", "valid", "test"):
        data = open_split(split)
        photo, target = data[0]
        assert photo.dtype == torch.uint8 and data.file_name(0).endswith(".png")
        assert set(target) == {"boxes", "labels", "image_id"}


@pytest.mark.parametrize("option", options("reading"))
def test_readers(config: Any, option: str) -> None:
    reader = instantiate(config(f"reading={option}").reading)
    assert reader(made.detections()) == "-1"


@pytest.mark.parametrize("option", options("fusion"))
def test_fusions(config: Any, option: str) -> None:
    settings = OmegaConf.to_container(config(f"fusion={option}", name="predict").fusion)
    assert isinstance(settings, dict)
    assert settings.pop("fit") == (None if option == "none" else "auto")
    options = FusionOptions(**settings)
    fusion = options.fusion(3)
    assert (fusion is None) == (option == "none") and not options.tunes
    assert options.method == option
    given = config(
        f"fusion={option}", "++fusion.weights=[1.5,1.5,1]", name="predict"
    ).fusion.weights
    weighed = FusionOptions(option, list(given)).fusion(3)
    assert option == "none" or (weighed and weighed.weights == (1.5, 1.5, 1))


@pytest.mark.parametrize("option", options("recognition"))
def test_recognisers(config: Any, option: str) -> None:
    none = "recognizer.network.weights=none"
    cfg = config("task=recognizer", f"recognition={option}", none)
    logits = instantiate(cfg.recognizer.network)(torch.zeros(2, 3, 48, 64))
    assert logits.shape == (2, 8, 11)
    CropOptions(**cfg.recognizer.crops)
    jitter = RowJitter(**cfg.recognizer.jitter)
    assert replace(jitter, part_p=RowJitter.part_p) == RowJitter()  # one default, said twice


@pytest.mark.parametrize("file", ["task/recognizer", "recognition/small"])
def test_a_recipe_has_the_settings_it_names(config: Any, file: str) -> None:
    cfg = config("task=recognizer", file.replace("/", "="))
    own = OmegaConf.load(CONF / f"{file}.yaml")
    assert own.optimizer.lr == cfg.optimizer.lr
    assert own.get("batch_size", 64) == cfg.batch_size
    assert own.trainer.items() <= cfg.trainer.items()
    assert own.callbacks.average.items() <= cfg.callbacks.average.items()


@pytest.mark.parametrize("option", options("task"))
def test_tasks(config: Any, option: str) -> None:
    cfg = config(f"task={option}")
    assert cfg.task == option
    monitored = cfg.callbacks.best.monitor
    assert monitored == ("val/map" if option == "detector" else "val/number_accuracy")


def test_an_argument_that_a_checkpoint_lacks_has_its_default_at_other_scales() -> None:
    assert scaled_size({"max_size": 900}, 0.5) == {"min_size": 400, "max_size": 450}
    assert scaled_size({"min_size": 64, "max_size": None}, 2) == {"min_size": 128, "max_size": None}
    assert scaled_size({"min_size": 64}, 2)["max_size"] == 2666


@pytest.mark.parametrize("option", options("tta"))
def test_scales(config: Any, option: str) -> None:
    cfg = config(f"tta={option}", name="predict")
    assert (list(cfg.tta.scales) == [1.0]) == (option == "none") and 1.0 in cfg.tta.scales
    model = {"min_size": 64, "max_size": 176}
    sizes = [scaled_size(model, scale).get("min_size", 64) for scale in cfg.tta.scales]
    assert sizes == [round(64 * scale) for scale in cfg.tta.scales]


@pytest.mark.parametrize("option", options("callbacks"))
def test_callbacks(config: Any, option: str) -> None:
    callbacks = [c for c in instantiate(config(f"callbacks={option}").callbacks).values() if c]
    assert callbacks and all(isinstance(c, Callback) for c in callbacks)


@pytest.mark.parametrize("option", options("logger"))
def test_loggers(config: Any, option: str) -> None:
    if option in ("mlflow", "wandb"):
        pytest.importorskip(option, reason=f"the extra {option} is not installed")
    loggers = [v for v in instantiate(config(f"logger={option}").logger).values() if v]
    assert all(isinstance(logger, Logger) for logger in loggers)


@pytest.mark.parametrize("option", options("trainer"))
def test_trainers(config: Any, option: str) -> None:
    cfg = config(f"trainer={option}", "trainer.accelerator=cpu", "trainer.devices=1")
    assert isinstance(instantiate(cfg.trainer, logger=False), L.Trainer)


def test_every_argument_of_the_trainer_can_be_set_or_has_no_effect(config: Any) -> None:
    arguments = set(inspect.signature(L.Trainer.__init__).parameters)
    rest = arguments - {"self", "callbacks", "logger"} - set(config().trainer)
    assert all(in_words(declared(Trainer)[name]).startswith(("null: ", "true: ")) for name in rest)


@pytest.mark.parametrize("option", options("experiment"))
def test_experiments_are_short_and_compose(config: Any, option: str) -> None:
    cfg = config(f"experiment={option}")
    OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    lines = (CONF / "experiment" / f"{option}.yaml").read_text().splitlines()
    assert sum(bool(line.strip()) and not line.startswith("#") for line in lines) <= 15
    for group in ("optimizer", "scheduler", "augmentation", "reading", "callbacks", "logger"):
        instantiate(cfg[group])


@pytest.mark.parametrize("option", LAUNCHERS)
def test_launchers(tmp_path: Path, option: str) -> None:
    overrides = [f"output_dir={tmp_path}", f"hydra/launcher={option}"]
    settings = compose("train", overrides, return_hydra_config=True).hydra.launcher
    assert isinstance(instantiate(settings), Launcher)


def test_the_reports_recipe_to_the_letter(config: Any) -> None:
    cfg = OmegaConf.to_container(config("experiment=report"), resolve=True)
    assert isinstance(cfg, dict)
    assert cfg["model"]["backbone"]["_target_"] == "digits.models.resnets.resnet50_fpn_v2"
    assert cfg["model"]["backbone"]["weights"] == "coco"
    assert (cfg["model"]["min_size"], cfg["model"]["max_size"]) == (800, 1333)
    assert cfg["optimizer"]["_target_"] == "torch.optim.AdamW"
    assert (cfg["optimizer"]["lr"], cfg["optimizer"]["weight_decay"]) == (1e-4, 1e-3)
    assert cfg["backbone_lr_factor"] == 1
    assert cfg["scheduler"]["_target_"] == "digits.training.schedules.step"
    assert (cfg["scheduler"]["every"], cfg["scheduler"]["gamma"]) == (2, 0.5)
    assert (cfg["trainer"]["max_epochs"], cfg["trainer"]["max_time"]) == (8, None)
    assert cfg["trainer"]["accumulate_grad_batches"] == 1
    assert cfg["batch_size"] == 16
    jitter = cfg["augmentation"]
    assert jitter["_target_"].endswith("ColorJitter")
    assert {jitter[k] for k in ("brightness", "contrast", "saturation", "hue")} == {0.2}
    assert cfg["reading"]["nms_iou"] == 0.4
    best = cfg["callbacks"]["best"]
    assert (best["monitor"], best["mode"]) == ("val/map", "max")


def test_a_backbone_that_reads_text_already_learns_slower(config: Any) -> None:
    """Its group says so, and the command line may say otherwise."""
    assert config().backbone_lr_factor == 1
    assert config("backbone=ppocr_fpn").backbone_lr_factor == 0.15
    assert config("backbone=ppocr_fpn", "backbone_lr_factor=0.1").backbone_lr_factor == 0.1
