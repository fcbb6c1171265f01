"""Checkpoints to members, one model at a time; what was found once is kept."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digits import checkpoint
from digits.ensemble.members import Member, short_names
from digits.errors import DigitsError
from digits.inference.detect import predict
from digits.inference.report import with_progress
from digits.io import read_detections, write_detections
from digits.models.anchors import short_side

_SAMPLE = 32  # photos whose pixels tell data sets apart


def detect_members(
    paths: Sequence[Path],
    scales: Sequence[float],
    inference: dict[str, Any],
    data: Any,
    split: str,
    spare: Path,
    **run: Any,
) -> list[Member]:
    """Run every checkpoint at every scale on photos, one model at a time.

    What was found is kept beside the checkpoint, in `detections/`, and not looked for again.

    Args:
        paths: of checkpoints.
        scales: factors of the checkpoint's input size.
        inference: arguments of the detector to replace.
        data: the photos.
        split: what they are called.
        spare: where detections are kept if the checkpoint's folder cannot be written, or is the
            package's own.
        run: `device`, `batch_size` and `num_workers` of `digits.prediction.predict`.
    """
    for path in paths:
        checkpoint.load(path)  # a bad one is refused before an hour is spent on the others
    photos = fingerprint(data)
    members = []
    for path, name in zip(paths, short_names(paths), strict=True):
        loaded = checkpoint.load(path)
        for scale in scales:
            settings = inference | scaled(
                loaded[checkpoint.KEY]["config"]["model"] | inference, scale
            )
            header = checkpoint.header(loaded, path, settings) | {"split": split, "photos": photos}
            origin = [header[k] for k in ("weights_sha256", "config_digest", "photos")]
            kind = split if split in ("train", "valid", "test") else "photos"
            own = path.resolve() != checkpoint.SHIPPED.resolve() and os.access(path.parent, os.W_OK)
            folder = path.parent if own else spare
            kept = folder / "detections" / f"{kind}-{fingerprints.of_data(origin)}.json"
            label = name if scale == 1 else f"{name}@{scale:g}"
            if not kept.is_file():
                model = checkpoint.rebuild(loaded, settings)
                found = predict(model, data, **run)
                title = f"{label}, {kind}"
                records = (r for r, _, _ in with_progress(found, len(data), title))
                write_detections(kept, header, records)
                del model, found, records  # before the next: memory stays that of one model
            members.append(Member(label, *read_detections(kept)))
    return members


def scaled(model: dict[str, Any], scale: float) -> dict[str, Any]:
    """The arguments of a detector that change with its input size; none at a scale of 1.

    Raises:
        DigitsError: not a positive factor.
    """
    if not 0 < scale < 100:
        raise DigitsError(f"tta.scales: expected factors above 0, such as 1.25, got {scale}.")
    if scale == 1:
        return {}
    long = model["max_size"]  # None follows the short side
    return {
        "min_size": round(short_side(model["min_size"]) * scale),
        "max_size": long and round(long * scale),
    }


def fingerprint(data: Any) -> str:
    """A digest of photos: of all ids and file names, their files' sizes and times where they are
    files, and the pixels of some."""
    names = [(int(i), data.file_name(n)) for n, i in enumerate(data.image_ids)]
    stats = [os.stat(path) for path in getattr(data, "paths", ())]
    files = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
    pixels = []
    for index in np.linspace(0, len(data) - 1, min(len(data), _SAMPLE)).astype(int):
        photo, _ = data[int(index)]
        pixels.append([tuple(photo.shape), hashlib.sha256(photo.numpy().tobytes()).hexdigest()])
    return fingerprints.of_data([names, files, pixels])
