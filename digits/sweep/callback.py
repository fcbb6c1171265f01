"""Run the jobs of a sweep: a callback of Hydra and a decorator."""

import functools
import gc
import importlib
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

from digits import outputs
from digits.console import console
from digits.ending import error_line, one_line_errors
from digits.errors import DigitsError, one_line
from digits.io import atomic_write, write_json
from digits.run_info import run_info
from digits.sweep.jobs import device_of_job, job_name
from digits.sweep.table import show_sweep, write_table

# conf/hydra/launcher has files named as the plugins' own, and Hydra warns that it checks them so.
warnings.filterwarnings("ignore", r"\s*'hydra/launcher/\w+' is validated against")

Main = Callable[[Any], float | None]


# Here, since the processes of a launcher import this module for `SweepTable`.
OmegaConf.register_new_resolver("job_name", job_name, replace=True)


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
    for stale in (outputs.METRICS, outputs.ERROR):
        (folder / stale).unlink(missing_ok=True)
    try:
        alone = job.runtime.choices["hydra/launcher"] == "basic"
        cfg.trainer.devices = _device(cfg, None if alone else job.job.num)
        result = main(cfg)
    except Exception as error:
        line = error_line(error) or f"{type(error).__name__}: {one_line(error)}"
        with atomic_write(folder / outputs.ERROR) as file:
            file.write(f"{line}\n\n{traceback.format_exc()}")
        console.print(f"Error in job {folder.name}: {line}", style="red")
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
    """Hydra's callback: refuses a sweep that cannot work, shows its table and report at its end."""

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
        words = shlex.join([Path(sys.executable).name, *sys.argv])
        write_json(Path(config.hydra.sweep.dir) / outputs.RUN, run_info(words))
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
        jobs = show_sweep(folder)
        failed = sum(job["status"] == "failed" for job in jobs)
        if failed:
            raise DigitsError(
                f"{failed} of {len(jobs)} jobs failed; {folder}/JOB/{outputs.ERROR} says where."
            )


def _refuse_missing_plugin(group: str, target: str) -> None:
    try:
        importlib.import_module(target.rpartition(".")[0])
    except ModuleNotFoundError as error:
        raise DigitsError(
            f"hydra/{group}: {error.name} is not installed; it comes with the extra `sweep`: "
            "pip install -e '.[sweep]'."
        ) from error
