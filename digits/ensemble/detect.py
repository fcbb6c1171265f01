"""Run each member on the photos, one model at a time; detections are cached."""

import inspect
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from digits import fingerprints, resources
from digits.checkpoint import Checkpoint
from digits.console import with_progress
from digits.detections import read_detections, write_detections
from digits.ensemble.members import Member, short_names
from digits.inference.detect import detect
from digits.inference.options import InferenceOptions
from digits.inference.source import is_synthetic
from digits.models.anchor_heights import short_side
from digits.models.detector import build_detector
from digits.types import PhotoDataset

_ORIGIN = ("weights_sha256", "config_digest", "photos", "recognizers")


@dataclass(frozen=True)
class Planned:
    """A member before any photo is looked at.

    Attributes:
        name: short, for people.
        checkpoint: its detector.
        overrides: arguments of the detector that are replaced.
        header: of its detections.
    """

    name: str
    checkpoint: Checkpoint
    overrides: dict[str, Any]
    header: dict[str, Any]


def planned(
    checkpoints: Sequence[Checkpoint], scales: Sequence[float], inference: InferenceOptions
) -> list[Planned]:
    """The members: every checkpoint at every scale.

    Args:
        checkpoints: one or more.
        scales: factors of the checkpoint's input size.
        inference: how the detectors run.
    """
    plan = []
    names = short_names([one.path for one in checkpoints])
    for loaded, name in zip(checkpoints, names, strict=True):
        for scale in scales:
            own = dict(inference.overrides)
            own |= scaled_size(loaded.config["model"] | own, scale)
            header = loaded.header(own, inference.recognizer_digests)
            label = name if scale == 1 else f"{name}@{scale:g}"
            plan.append(Planned(label, loaded, own, header))
    return plan


def detect_members(
    plan: Sequence[Planned],
    data: PhotoDataset,
    split: str,
    inference: InferenceOptions,
    fallback: Path,
) -> tuple[list[Member], float]:
    """Run every member on photos, one model at a time.

    Detections are kept beside the checkpoint, in `detections/`, and read from there the next time.

    Args:
        plan: the members.
        data: the photos.
        split: what they are called.
        inference: how the detectors run.
        fallback: where detections are kept if the checkpoint's folder cannot be written, or is one
            of those that ship.

    Returns:
        The members, and the seconds that detecting took.
    """
    photos = fingerprints.of_photos(data)
    kind = split if split in ("train", "valid", "test") else "photos"
    members, start = [], time.perf_counter()
    for one in plan:
        header = one.header | {"split": split, "photos": photos}
        header |= {"synthetic": True} if is_synthetic(data) else {}
        origin = [header[key] for key in _ORIGIN] + ["bf16"] * inference.bf16
        path = one.checkpoint.path
        ours = not resources.is_shipped(path) and os.access(path.parent, os.W_OK)
        folder = (path.parent if ours else fallback) / "detections"
        kept = folder / f"{kind}-{fingerprints.of_data(origin)}.json"
        if not kept.is_file():
            model = one.checkpoint.rebuild(one.overrides, inference.trust)
            options = replace(inference, overrides=one.overrides)
            # Files that cannot be read are missing in the records.
            detected = detect(model, data, options, unreadable={})
            records = (
                photo.record for photo in with_progress(detected, len(data), f"{one.name}, {kind}")
            )
            write_detections(kept, header, records)
            del model, detected, records  # before the next: memory stays that of one model
        members.append(Member(one.name, *read_detections(kept)))
    return members, time.perf_counter() - start


def scaled_size(model: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """The arguments of a detector that change with its input size; none at a scale of 1."""
    if scale == 1:
        return {}
    own = inspect.signature(build_detector).parameters
    short, long = (model.get(name, own[name].default) for name in ("min_size", "max_size"))
    return {
        "min_size": round(short_side(short) * scale),
        "max_size": long and round(long * scale),  # None follows the short side
    }
