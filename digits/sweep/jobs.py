"""Folder names and devices of the jobs of a sweep."""

import re
from typing import Any

import torch

from digits.errors import DigitsError

_MAX_LENGTH = 80  # characters of a job's directory


def job_name(number: int, choices: str) -> str:
    """The directory of a job, safe on every file system and in `ckpt=...` on Hydra's command line.

    Args:
        number: of the job.
        choices: what tells it from the others, as `key=value;key=value`.

    Returns:
        Such as `3_vgg16_lr-0.001`: the options of groups stand alone, values behind their key.
    """
    words = [str(number)]
    for choice in filter(None, choices.split(";")):
        key, _, value = choice.partition("=")
        if re.fullmatch(r"-?\d*\.\d+(e[-+]?\d+)?", value):
            value = f"{float(value):.3g}".replace("+", "")
        if "." in key or not re.fullmatch(r"[A-Za-z][\w.-]*", value):
            value = f"{re.split(r'[./]', key)[-1]}-{value}"
        words.append(re.sub(r"[^\w.]+", "-", value, flags=re.ASCII).strip("-."))
    return "_".join(filter(None, words))[:_MAX_LENGTH].rstrip("-._")


def device_of_job(devices: Any, num_nodes: int, accelerator: str, number: int | None) -> Any:
    """`trainer.devices` of a job.

    Args:
        devices: as set: a count, `auto`, or a list of indices.
        num_nodes: machines.
        accelerator: of the Trainer.
        number: of a job beside which others run; None: it has the machine to itself.

    Returns:
        With a number, the GPU whose turn it is; else what was set.

    Raises:
        DigitsError: several devices. Lightning would start the whole sweep once per device.
    """
    gpus = torch.cuda.device_count() if accelerator in ("auto", "gpu", "cuda") else 0
    if isinstance(devices, str) and "," in devices:
        devices = [index for index in devices.split(",") if index.strip()]
    chosen = isinstance(devices, list)
    if chosen:
        count = len(devices)
    else:
        count = max(gpus, 1) if str(devices) in ("auto", "-1") else int(devices)
    if count * num_nodes > 1:
        raise DigitsError(
            f"trainer.devices={devices}, trainer.num_nodes={num_nodes}: a sweep trains each job on "
            "one device. Say trainer.devices=1, with hydra/launcher=joblib to use several GPUs at "
            "once; or train on several devices without a sweep."
        )
    return [number % gpus] if gpus and number is not None and not chosen else devices
