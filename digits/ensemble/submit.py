"""Several members to a submission: what is taken from whom, and the files."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from digits.console import result_table
from digits.ensemble import Fuser
from digits.ensemble.members import Member
from digits.ensemble.recipe import FUSION, Recipe, identity
from digits.ensemble.table import show
from digits.evaluation.evaluator import Evaluation
from digits.evaluation.plots import reading_item, save_readings
from digits.evaluation.scores import number_scores
from digits.inference.report import with_progress
from digits.inference.single import FILES
from digits.inference.submission import SubmissionWriter
from digits.io import write_json
from digits.reading import Reader
from digits.types import Reading
from digits.reading.fit import digest
from digits.reading.refine import refine
from digits.types import CLASS_NAMES, target_number

_PICTURES = 36

Targets = Sequence[dict[str, Any]]


def submit_members(
    members: Sequence[Member],
    recipe: Recipe,
    reader: Reader,
    folder: Path,
    *,
    data: Any = None,
    targets: Targets | None = None,
    min_confidence: float = 0.0,
    map_backend: str = "faster_coco_eval",
) -> float | None:
    """Fuse, read and write.

    Args:
        members: with their detections of the photos.
        recipe: what is taken from whom.
        reader: gets what the recipe's sources were fitted to.
        folder: for the outputs, fusion.json among them.
        data: the photos, for a picture, where they are at hand.
        targets: of the photos, where they are labelled.
        min_confidence: reads at least this sure are accepted.
        map_backend: of `digits.evaluation.Evaluation`.

    Returns:
        mAP of pred.json, where it is known.
    """
    readers = {
        source: reader.with_fit(recipe.readers.get(source))
        for source in (recipe.boxes, recipe.numbers)
    }
    photos = [member.records for member in members]
    split, count = members[0].header.get("split"), len(photos[0])
    readings: list[Reading] = []
    submitted: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    with (
        Fuser(photos) as fuser,
        SubmissionWriter(folder, _header(members, recipe), min_confidence) as submission,
    ):
        fused = fuser(recipe.fusion) if recipe.fusion and recipe.fuses else iter(photos[0])
        for index, record in enumerate(with_progress(fused, count, "fusing")):
            here = {m.name: m.records[index] for m in members} | {FUSION: record}
            found, boxes = here[recipe.numbers], here[recipe.boxes]
            reading = readers[recipe.numbers].read(found)
            if recipe.refine:
                same = recipe.boxes == recipe.numbers
                read = reading if same else readers[recipe.boxes].read(boxes)
                boxes = boxes | {"boxes": refine(boxes, read.indices)}
            submission.add(found, reading, boxes)
            if targets is not None:
                readings.append(reading)
                submitted.append(boxes)
            if data is not None and index < _PICTURES:
                truth = target_number(targets[index]) if targets else None
                photo = data[index][0]
                items.append(reading_item(photo, found, reading.indices, reading.number, truth))
    write_json(folder / "fusion.json", recipe.to_json())
    figures: dict[str, Any] = {"photos": count, "accepted": submission.accepted}
    if targets is not None:
        figures = _figures(recipe, readings, submitted, targets, map_backend) | figures
    facts = {"reading": readers[recipe.numbers].description, "members": recipe.table}
    write_json(folder / "metrics.json", figures | facts)
    paths = {name: folder / name for name in (*FILES, "fusion.json")}
    if items:
        paths["picture"] = save_readings(folder / "readings.png", items)
    show(recipe)
    result_table(f"{count} photos ({split})", figures, paths)
    return figures.get("map")


def _figures(
    recipe: Recipe,
    readings: list[Reading],
    submitted: list[dict[str, Any]],
    targets: Targets,
    backend: str,
) -> dict[str, float]:
    """Of the submission; by cross-fitting where the recipe was fitted to these very photos."""
    if recipe.digest == digest(targets):
        rows = {row["name"]: row for row in recipe.table}
        numbers = ("number_accuracy", "coverage_at_98", "expected_calibration_error")
        boxes = rows[recipe.boxes]["map_refined" if recipe.refine else "map"]
        return {"map": boxes} | {name: rows[recipe.numbers][name] for name in numbers}
    evaluation = Evaluation(None, backend)
    evaluation.update(submitted, list(targets))
    return evaluation.compute() | number_scores(readings, targets)


def _header(members: Sequence[Member], recipe: Recipe) -> dict[str, Any]:
    """Of the detections that the numbers were read from; a fusion can be a member again."""
    for member in members:
        if member.name == recipe.numbers:
            return member.header
    fusion = asdict(recipe.fusion) if recipe.fusion else {}
    return {
        "members": recipe.members,
        "fusion": fusion,
        "weights_sha256": _digest([identity(about) for about in recipe.members]),
        "config_digest": _digest(fusion)[:16],
        "class_names": list(CLASS_NAMES),
        "split": members[0].header.get("split"),
    }


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
