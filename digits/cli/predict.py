"""The command predict.py: read numbers in photos, or in stored detections."""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from digits import checkpoint, outputs
from digits.cli.folders import refused_leaves_nothing
from digits.cli.ineffective import refuse_without_effect
from digits.cli.locking import held
from digits.cli.overwriting import replace_prediction
from digits.cli.trust import trusted
from digits.console import on_stderr, quiet
from digits.data.contract import checked
from digits.data.folder import PhotoFolder
from digits.ensemble.members import find_files
from digits.ensemble.options import FusionOptions, stored_fit
from digits.ensemble.run import fuse_checkpoints, fuse_files
from digits.errors import DigitsError
from digits.inference.detect import choose_device
from digits.inference.options import InferenceOptions, SubmissionOptions
from digits.inference.single import submit_one
from digits.recognition.checkpoint import open_recognizers
from digits.sweep.callback import command
from digits.types import PhotoDataset


def main(cfg: DictConfig) -> float | None:
    """Checkpoints or detections to a submission; returns its mAP where that is known."""
    quiet()
    folder = Path(cfg.output_dir)
    with on_stderr() if cfg.json else nullcontext(), held(folder), refused_leaves_nothing(folder):
        return _predict(cfg)


def _predict(cfg: DictConfig) -> float | None:
    config = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    trust = trusted(config)
    wanted = config["submission"]
    if wanted["alternatives"] == "auto":  # they are for scoring, and of no use to people
        wanted = wanted | {"alternatives": cfg.photos is None}
    submission = SubmissionOptions(
        Path(cfg.output_dir),
        **wanted,
        pictures=cfg.pictures,
        json=cfg.json,
        map_backend=cfg.map_backend,
        settings=config,
        command=command(),
    )
    paths, files = _members(config)
    # Photos from elsewhere are unlike the synthetic ones of the default data.
    alone = cfg.photos is not None and HydraConfig.get().runtime.choices["data"] == "synthetic"
    fit = stored_fit(config["ckpt"] if alone else None, config["fusion"].pop("fit"))
    scales = config["tta"]["scales"]
    count = len(files) or len(paths) * len(scales)
    words = HydraConfig.get().overrides.task
    refuse_without_effect(words, count, bool(files), fit, scales, cfg.photos is not None)
    replace_prediction(submission.folder)
    fusion = FusionOptions(**config["fusion"], fit=fit)
    reader = instantiate(config["reading"])
    if files:
        return fuse_files(files, cfg.labels, reader, fusion, submission)

    device = choose_device(cfg.device)
    loaded = [checkpoint.load(path) for path in paths]  # a bad one is refused before hours of work
    stored = fusion.recipe
    states = list(stored.readers.values()) if stored else [one.reader_state for one in loaded]
    inference = InferenceOptions(
        device,
        cfg.batch_size,
        cfg.num_workers,
        config["inference"],
        open_recognizers(config["recognizer"], states, device),
        cfg.precision,
        trust,
    )
    open_split = None if alone else instantiate(cfg.data)
    data, name = _photos(cfg, config, words, submission.folder)
    if count == 1 and not fit:
        return submit_one(loaded[0], data, name, reader, inference, submission)
    return fuse_checkpoints(
        loaded, scales, data, name, open_split, reader, fusion, inference, submission
    )


def _members(config: dict[str, Any]) -> tuple[list[Path], list[Path]]:
    """The checkpoints, or the files of detections, that the settings name."""
    checkpoints = find_files(config["ckpt"], outputs.BEST, "ckpt")
    files = find_files(config["detections"], outputs.DETECTIONS, "detections")
    if checkpoints and files:
        raise DigitsError("ckpt and detections are both set: give checkpoints or detections.")
    if config["labels"] and not files:
        raise DigitsError("labels is set without detections; say data=coco data.root=DIR.")
    if not checkpoints and not files:
        checkpoints = find_files("small", outputs.BEST, "ckpt")
    return checkpoints, files


def _photos(
    cfg: DictConfig, config: dict[str, Any], words: Sequence[str], folder: Path
) -> tuple[PhotoDataset, str]:
    """The photos to read, and what they are called."""
    if cfg.photos is not None:
        return PhotoFolder(config["photos"], folder / outputs.DOWNLOADS), _called(config["photos"])
    if not any(re.match(r"[+~]*data[.=]", word) for word in words):
        raise DigitsError(
            "nothing to read is named: say photos=FOLDER, data=coco data.root=DIR split=test, or "
            "data=synthetic for synthetic photos."
        )
    return checked(instantiate(cfg.data)(cfg.split)), cfg.split


def _called(photos: object) -> str:
    """The name of the photos in messages."""
    if not isinstance(photos, list):
        return str(photos)
    more = f" and {len(photos) - 2} more" if len(photos) > 2 else ""
    return ", ".join(map(str, photos[:2])) + more
