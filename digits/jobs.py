"""What surrounds the jobs of a sweep: the one module below the scripts that talks to Hydra."""

import functools
import gc
import importlib
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict, read_write

from digits.console import console, error_line, one_line_errors
from digits.errors import DigitsError
from digits.structures import atomic_write
from digits.sweep import ERROR_FILE, print_table, write_table

# conf/hydra/launcher has files named as the plugins' own, and Hydra warns that it checks them so.
warnings.filterwarnings("ignore", r"\s*'hydra/launcher/\w+' is validated against")

_LONGEST = 80  # characters of a job's directory

Main = Callable[[Any], float | None]


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
    return "_".join(filter(None, words))[:_LONGEST].rstrip("-._")


# Here, since the processes of a launcher import this module for `SweepTable`.
OmegaConf.register_new_resolver("job_name", job_name, replace=True)


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


def job_of_sweep(main: Main) -> Main:
    """Let `main` run in a sweep as it runs alone; outside sweeps this changes nothing.

    A job that fails leaves `error.txt` and returns None, so that the others run. Its exception must
    not reach Hydra, which would keep it, and with it the model and its memory, to the end.
    """

    @functools.wraps(main)
    def wrapped(cfg: Any) -> float | None:
        # By name, so that launchers can send `wrapped` to other processes.
        return _run_job(main, cfg)

    return wrapped


def _run_job(main: Main, cfg: Any) -> float | None:
    job = HydraConfig.get()
    if job.mode is not RunMode.MULTIRUN:
        return main(cfg)
    folder, result = Path(cfg.run_dir), None
    for stale in ("metrics.json", ERROR_FILE):
        (folder / stale).unlink(missing_ok=True)
    try:
        alone = job.runtime.choices["hydra/launcher"] == "basic"
        cfg.trainer.devices = _device(cfg, None if alone else job.job.num)
        result = main(cfg)
    except Exception as error:
        line = error_line(error) or f"{type(error).__name__}: {' '.join(str(error).split())}"
        with atomic_write(folder / ERROR_FILE) as file:
            file.write(f"{line}\n\n{traceback.format_exc()}")
        console.print(f"Error in job {folder.name}: {line}", style="red", markup=False)
    gc.collect()  # Trainer and module hold each other
    torch.cuda.empty_cache()
    write_table(folder.parent)
    return result


def _device(cfg: Any, number: int | None) -> Any:
    devices = cfg.trainer.devices
    if OmegaConf.is_list(devices):
        devices = list(devices)
    return device_of_job(devices, cfg.trainer.num_nodes, cfg.trainer.accelerator, number)


def command() -> str:
    """What to type to run this again: for a job of a sweep, the job alone."""
    job, words = HydraConfig.get(), sys.argv
    if job.mode is RunMode.MULTIRUN:
        kept = [word for word in job.overrides.task if not word.startswith("output_dir=")]
        words = ["train.py", *kept, "hydra.mode=RUN"]
    return shlex.join([Path(sys.executable).name, *words])


class SweepTable(Callback):
    """Hydra's callback: refuses a sweep that cannot work, prints its table at its end."""

    @one_line_errors
    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        for group in ("launcher", "sweeper"):
            _refuse_missing_plugin(group, config.hydra[group]._target_)
        if str(config.hydra.sweeper.get("direction")).endswith("minimize"):
            raise DigitsError(
                "hydra.sweeper.direction=minimize: train.py returns mAP, of which more is better. "
                "Say experiment=search, or hydra.sweeper.direction=maximize."
            )
        _device(config, None)
        # The names of the jobs leave out what all have in common.
        swept = dict(config.hydra.sweeper.params or {})
        lines = [f"{key}={value}" for key, value in swept.items()] + config.hydra.overrides.task
        parsed = {o.get_key_element(): o for o in OverridesParser.create().parse_overrides(lines)}
        common = [o.key_or_group for o in parsed.values() if not o.is_sweep_override()]
        quoted = ",".join(f"'{key}'" for key in common)
        with read_write(config), open_dict(config):
            config.hydra.overrides.hydra.append(
                f"hydra.job.config.override_dirname.exclude_keys=[{quoted}]"
            )

    @one_line_errors
    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        jobs = write_table(folder)
        print_table(folder, jobs)
        failed = sum(job["status"] == "failed" for job in jobs)
        if failed:
            raise DigitsError(
                f"{failed} of {len(jobs)} jobs failed; {folder}/JOB/{ERROR_FILE} says where."
            )


def _refuse_missing_plugin(group: str, target: str) -> None:
    try:
        importlib.import_module(target.rpartition(".")[0])
    except ModuleNotFoundError as error:
        raise DigitsError(
            f"hydra/{group}: {error.name} is not installed; it comes with the extra `sweep`: "
            "pip install -e '.[sweep]'."
        ) from error
