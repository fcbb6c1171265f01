"""Settings that stand in no group, of each command."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from digits.options import models, reading
from digits.options.types import PATH, Count, File, Files, Group, NotNegative, Processes, Seed

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
    batch_size: Count
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
    batch_size: Count
    num_workers: Processes | None
    device: str
    precision: Literal["32-true", "bf16-mixed"]
    inference: models.Inference
    submission: reading.Submission
    map_backend: _Backend
    trust: str | list[str] | None
    output_dir: File


COMMANDS: dict[str, type] = {"train": Train, "predict": Predict}
