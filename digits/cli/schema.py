"""The settings of each command: declared, listed, and checked against their declarations."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict, get_args, is_typeddict

from msgspec import Meta

from digits.options import models, reading
from digits.options.checking import HYDRA, check_value, declared, settings_of
from digits.options.types import PATH, Batch, File, Files, Group, NotNegative, Processes, Seed

_Backend = Literal["faster_coco_eval", "pycocotools"]


class Train(TypedDict, total=False):
    """What train.py takes."""

    task: Literal["detector", "recognizer"]
    trainer: Group
    data: Group
    augmentation: Group
    model: Group
    backbone: Group
    optimizer: Group
    scheduler: Group
    reading: Group
    callbacks: dict[str, Group | None]
    logger: dict[str, Group | None]
    recognizer: models.Recognizer
    batch_size: Batch
    num_workers: Processes | None
    seed: Seed
    backbone_lr_factor: NotNegative
    map_backend: _Backend
    resume: File | None
    ckpt_path: File | None
    trust: str | list[str] | None
    output_dir: File
    run_dir: File


class Predict(TypedDict, total=False):
    """What predict.py takes."""

    data: Group
    reading: Group
    fusion: reading.Fusion
    tta: reading.Scales
    ckpt: Files | None
    detections: Files | None
    labels: Annotated[str, Meta(title=PATH)] | None  # empty, as of a variable not set: none
    recognizer: Files | None
    split: Literal["test", "valid", "train", "extra"]
    photos: Files | None
    pictures: Literal["all", "doubtful", "none"]
    json: bool
    batch_size: Batch
    num_workers: Processes | None
    device: str
    precision: Literal["32-true", "bf16-mixed"]
    inference: models.Inference
    submission: reading.Submission
    map_backend: _Backend
    trust: str | list[str] | None
    output_dir: File


COMMANDS: dict[str, type] = {"train": Train, "predict": Predict}


def check(config: Mapping[str, Any], command: str) -> None:
    """Check the settings of a command against their declarations.

    Objects of other packages, which have no declaration here, are left to those who build them.

    Args:
        config: resolved, as plain data.
        command: `train` or `predict`.

    Raises:
        DigitsError: names a setting, its value, and what was expected.
    """
    top = declared(COMMANDS[command])
    for key, value in config.items():
        if key in top:
            check_value(key, value, top[key])


def is_path(declaration: Any) -> bool:
    """Whether a setting holds a file or folder, or several."""
    metas = getattr(declaration, "__metadata__", ())
    return any(isinstance(meta, Meta) and meta.title == PATH for meta in metas) or any(
        is_path(part) for part in get_args(declaration) if part is not declaration
    )


def flatten(config: Mapping[str, Any], declaration: Any) -> Iterator[str]:
    """The dotted keys of all settings, those included that are declared but not set."""
    known = declared(declaration) if is_typeddict(declaration) else settings_of(config, declaration)
    for key in dict.fromkeys((*config, *(known or ()))):
        if key in HYDRA:
            continue
        yield key
        value = config.get(key)
        if isinstance(value, Mapping):
            part = (known or {}).get(key)
            yield from (f"{key}.{inner}" for inner in flatten(value, part))
