"""Read numbers: python predict.py ckpt=PATH [data=coco data.root=DIR split=test | photos=DIR]."""

import digits.threads  # noqa: F401  # before torch

# isort: split

from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from digits import checkpoint
from digits.console import banner, one_line_errors, result_table
from digits.data.folder import PhotoFolder
from digits.errors import DigitsError
from digits.prediction import choose_device, predict
from digits.reading.refine import refine
from digits.report import Report, with_progress
from digits.run import write_json
from digits.submission import SubmissionWriter
from digits.training import quiet


@hydra.main(version_base="1.3", config_path="conf", config_name="predict")
@one_line_errors
def main(cfg: DictConfig) -> float | None:
    """Checkpoint to detections, to numbers, to a submission; returns mAP where there are labels."""
    quiet()
    if cfg.ckpt is None:
        raise DigitsError("ckpt is not set: say ckpt=PATH, a best.ckpt that train.py wrote.")
    inference, reading = (
        OmegaConf.to_container(cfg[k], resolve=True) for k in ("inference", "reading")
    )
    min_confidence, refined = reading.pop("min_confidence"), reading.pop("refine")
    loaded = checkpoint.load(Path(cfg.ckpt))
    model = checkpoint.rebuild(loaded, inference)
    reader = checkpoint.rebuild_reader(loaded, reading)
    refined = checkpoint.refines(loaded, refined)
    data = PhotoFolder(cfg.photos) if cfg.photos else instantiate(cfg.data)(cfg.split)
    device, folder = choose_device(cfg.device), Path(cfg.output_dir)
    source = cfg.photos or cfg.split
    banner(
        "digits: reading",
        {
            "checkpoint": cfg.ckpt,
            "photos": f"{len(data)} ({source})",
            "device": device,
            "reading": reader.description,
            "outputs": folder,
        },
    )

    report = Report(reader, data.labelled, cfg.map_backend)
    header = checkpoint.header(loaded, Path(cfg.ckpt), inference) | {"split": source}
    found = predict(model, data, device, cfg.batch_size, cfg.num_workers)
    with SubmissionWriter(folder, header, min_confidence) as submission:
        for record, target, photo in with_progress(found, len(data), "reading"):
            reading = report.add(record, target, photo)
            boxes = refine(record, reading.indices) if refined else None
            submission.add(record, reading, boxes)
    figures = report.figures() | {"accepted": submission.accepted}
    write_json(folder / "metrics.json", report.summary(figures))
    names = (
        "submission.zip",
        "pred.json",
        "pred.csv",
        "numbers.csv",
        "detections.json",
        "metrics.json",
    )
    paths = {name: folder / name for name in names}
    paths |= report.save_pictures(folder / "readings.png", folder / "confidence.png")
    result_table(f"{len(data)} photos ({source})", figures, paths)
    return figures.get("map")


if __name__ == "__main__":
    main()
