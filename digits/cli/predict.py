"""Read numbers: photos or detections to a submission."""

from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from digits import checkpoint
from digits.console import one_line_errors, quiet
from digits.data.folder import PhotoFolder
from digits.ensemble.members import find_files
from digits.ensemble.options import FusionOptions, stored_fit
from digits.ensemble.run import fuse_checkpoints, fuse_files
from digits.errors import DigitsError
from digits.inference.detect import choose_device
from digits.inference.options import InferenceOptions, SubmissionOptions
from digits.inference.single import submit_one
from digits.recognition.checkpoint import open_recognizers
from digits.resources import CONF


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="predict")
@one_line_errors
def main(cfg: DictConfig) -> float | None:
    """Checkpoints or detections to a submission; returns its mAP where that is known."""
    quiet()
    config = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    submission = SubmissionOptions(
        Path(cfg.output_dir), **config["submission"], map_backend=cfg.map_backend
    )
    checkpoints = find_files(config["ckpt"], "best.ckpt", "ckpt")
    files = find_files(config["detections"], "detections.json", "detections")
    if checkpoints and files:
        raise DigitsError("ckpt and detections are both set: give checkpoints or detections.")
    if not checkpoints and not files:
        checkpoints = find_files("small", "best.ckpt", "ckpt")
    if cfg.labels and not files:
        raise DigitsError("labels is set without detections; say data=coco data.root=DIR.")
    # Photos from elsewhere are unlike the synthetic ones of the default data.
    alone = bool(cfg.photos) and HydraConfig.get().runtime.choices["data"] == "synthetic"
    fit = stored_fit(config["ckpt"] if alone else None, config["fusion"].pop("fit"))
    fusion = FusionOptions(**config["fusion"], fit=fit)
    reader = instantiate(config["reading"])
    if files:
        return fuse_files(files, cfg.labels, reader, fusion, submission)

    device = choose_device(cfg.device)
    states = (checkpoint.reader_state(checkpoint.load(path)) for path in checkpoints)
    inference = InferenceOptions(
        device,
        cfg.batch_size,
        cfg.num_workers,
        config["inference"],
        open_recognizers(config["recognizer"], states, device),
    )
    open_split = instantiate(cfg.data)
    data = PhotoFolder(cfg.photos) if cfg.photos else open_split(cfg.split)
    name = cfg.photos or cfg.split
    scales = config["tta"]["scales"]
    if len(checkpoints) * len(scales) == 1 and not fit:
        return submit_one(checkpoints[0], data, name, reader, inference, submission)
    return fuse_checkpoints(
        checkpoints,
        scales,
        data,
        name,
        None if alone else open_split,
        reader,
        fusion,
        inference,
        submission,
    )
