"""Read numbers: python predict.py [ckpt=PATH] [data=coco data.root=DIR split=test | photos=DIR].

Without ckpt it reads with the model that ships (docs/model.md).
Several members are fused: ckpt=[A,B], ckpt=FOLDER, or detections=[A,B] without any model.
"""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from digits.checkpoint import SHIPPED
from digits.console import one_line_errors, quiet
from digits.data.folder import PhotoFolder
from digits.ensemble.members import find
from digits.ensemble.recipe import stored_fit
from digits.ensemble.run import fuse_checkpoints, fuse_files
from digits.errors import DigitsError
from digits.inference.detect import choose_device
from digits.inference.single import submit_one


@hydra.main(version_base="1.3", config_path="conf", config_name="predict")
@one_line_errors
def main(cfg: DictConfig) -> float | None:
    """Checkpoints or detections to a submission; returns its mAP where that is known."""
    quiet()
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    reading, fusion, scales = config["reading"], config["fusion"], config["tta"]["scales"]
    folder = Path(cfg.output_dir)
    common = {
        "refined": reading.pop("refine"),
        "min_confidence": reading.pop("min_confidence"),
        "map_backend": cfg.map_backend,
    }
    ckpt = find(config["ckpt"], "best.ckpt", "ckpt")
    files = find(config["detections"], "detections.json", "detections")
    if ckpt and files:
        raise DigitsError("ckpt and detections are both set: give checkpoints or detections.")
    if not ckpt and not files:
        ckpt = [SHIPPED]
    # What is drawn says nothing of photos from elsewhere.
    alone = bool(cfg.photos) and HydraConfig.get().runtime.choices["data"] == "synthetic"
    fit = stored_fit(config["ckpt"] if alone else None, fusion.pop("fit"))
    fused = {"fusion": fusion, "fit": fit, **common}
    if cfg.labels and not files:
        raise DigitsError("labels is set without detections; say data=coco data.root=DIR.")
    if files:
        return fuse_files(files, cfg.labels, folder, reader=instantiate(reading), **fused)

    device = choose_device(cfg.device)
    run = {"device": device, "batch_size": cfg.batch_size, "num_workers": cfg.num_workers}
    open_split = instantiate(cfg.data)
    data, source = (
        (PhotoFolder(cfg.photos), cfg.photos) if cfg.photos else (open_split(cfg.split), cfg.split)
    )
    detector = {"inference": config["inference"], "run": run}
    if len(ckpt) * len(scales) == 1 and not fit:
        return submit_one(ckpt[0], data, source, folder, reading=reading, **detector, **common)
    opener, reader = None if alone else open_split, instantiate(reading)
    return fuse_checkpoints(
        ckpt, scales, data, source, opener, folder, reader=reader, **detector, **fused
    )


if __name__ == "__main__":
    main()
