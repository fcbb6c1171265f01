"""Checkpoints, or detections without any model, to a fused submission."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from digits import fingerprints
from digits.console import banner, console
from digits.data.paths import path_text
from digits.ensemble.detect import detect_members
from digits.ensemble.fit import fit_recipe, held_out_records
from digits.ensemble.fuser import Fuser
from digits.ensemble.members import Member, read_members
from digits.ensemble.options import FusionOptions
from digits.ensemble.recipe import Recipe, identity
from digits.ensemble.stored import FUSION
from digits.ensemble.table import show
from digits.errors import DigitsError
from digits.inference.options import InferenceOptions, SubmissionOptions
from digits.inference.pipeline import submit
from digits.inference.source import Item, Readers, Source, is_synthetic, opener, titled
from digits.io import write_json
from digits.reading import Reader
from digits.reading.base import without_texts
from digits.reading.labels import read_targets_of
from digits.types import CLASS_NAMES, PhotoDataset, Record, Target

_PICTURES = 36  # photos that are opened for a picture
_RECIPE = "fusion.json"


def fuse_files(
    files: Sequence[Path],
    labels: str | None,
    reader: Reader,
    fusion: FusionOptions,
    submission: SubmissionOptions,
) -> float | None:
    """Fuse detections that were made before; needs neither models nor photos.

    Args:
        files: detections.json of each member, of the same photos.
        labels: COCO JSON of these photos, to fit to; `None` where there is none.
        reader: detections to numbers.
        fusion: of the members.
        submission: of the outputs.

    Returns:
        mAP of pred.json, where it is known.
    """
    fusion.fusion(len(files))
    members = read_members(files)
    names = ", ".join(member.name for member in members)
    banner("digits: fusing", {"members": names, "outputs": submission.folder})
    targets = None
    if labels:
        targets = read_targets_of(members[0].records, Path(path_text("labels", labels)))
    recipe = _recipe(members, targets, reader, fusion, submission)
    return _submit(members, recipe, reader, submission, targets)


def fuse_checkpoints(
    paths: Sequence[Path],
    scales: Sequence[float],
    data: PhotoDataset,
    name: str,
    open_split: Callable[[str], PhotoDataset] | None,
    reader: Reader,
    fusion: FusionOptions,
    inference: InferenceOptions,
    submission: SubmissionOptions,
) -> float | None:
    """Run checkpoints one after the other on valid and on photos, and fuse their detections.

    Args:
        paths: of the checkpoints.
        scales: factors of their input sizes; each is a member.
        data: the photos.
        name: what they are called.
        open_split: opens valid, to fit to; `None` where these photos are unlike any valid.
        reader, fusion, submission: as in `fuse_files`.
        inference: how the detectors run.

    Returns:
        mAP of pred.json, where it is known.
    """
    fusion.fusion(len(paths) * len(scales))
    here = data.labelled and name == "valid"
    valid = None if fusion.fit else data if here else _open_valid(open_split)
    basis = f"{len(valid)} photos of valid" if valid is not None else fusion.fit or "nothing"
    photos = titled(len(data), name, is_synthetic(data))
    details = {"photos": photos, "fitted to": basis, "device": inference.device}
    outputs = {"outputs": submission.folder}
    banner("digits: fusing", {"checkpoints": len(paths)} | details | outputs)

    targets = _targets(data)
    members, seconds = detect_members(paths, scales, data, name, inference, submission.folder)
    fitted_on, known = members, targets if valid is data else None
    if valid is not None and valid is not data:
        fitted_on, _ = detect_members(paths, scales, valid, "valid", inference, submission.folder)
        known = _targets(valid)
    recipe = _recipe(fitted_on, known, reader, fusion, submission)
    return _submit(members, recipe, reader, submission, targets, data, seconds)


def _recipe(
    members: Sequence[Member],
    targets: Sequence[Target] | None,
    reader: Reader,
    options: FusionOptions,
    submission: SubmissionOptions,
) -> Recipe:
    """A stored recipe, or one fitted to labelled photos, or equal weights where there are none."""
    infos = [member.info for member in members]
    if options.fit:
        recipe = Recipe.load(Path(options.fit), infos)
        return replace(recipe, refine=submission.refines(recipe.refine))
    fusion = options.fusion(len(members))
    if targets is None:
        if fusion is None:
            raise DigitsError(
                "fusion=none takes the best member on valid, but there is no labelled valid: say "
                "data=coco data.root=DIR, or labels=valid.json with detections=[...]."
            )
        console.print(
            f"No labels to fit to: weights {list(fusion.weights)}, not tuned; numbers read by "
            f"{reader.description}."
        )
        return Recipe(infos, fusion, refine=submission.refines(False))
    with Fuser([member.records for member in members]) as fuser:
        return fit_recipe(
            infos,
            fuser,
            targets,
            fusion,
            reader,
            tune=options.tunes,
            refine=submission.refine,
            backend=submission.map_backend,
        )


def _submit(
    members: Sequence[Member],
    recipe: Recipe,
    reader: Reader,
    submission: SubmissionOptions,
    targets: Sequence[Target] | None,
    data: PhotoDataset | None = None,
    seconds: float = 0.0,
) -> float | None:
    """Fuse, and submit what the recipe takes of each source."""
    by_name = {member.name: member.records for member in members}

    ids = [] if data is None else [int(image_id) for image_id in data.image_ids]
    index_of = {image_id: index for index, image_id in enumerate(ids)}
    open_photo = None if data is None else opener(data)

    def items(fused: Iterable[Record], photos: int) -> Iterator[Item]:
        for index, record in enumerate(fused):
            here = {name: records[index] for name, records in by_name.items()} | {FUSION: record}
            target = targets[index] if targets is not None else None
            photo = open_photo(record["image_id"]) if open_photo and index < photos else None
            yield Item(here[recipe.numbers], here[recipe.boxes], target, photo)

    first = members[0]
    there = {record["image_id"] for record in first.records}
    lacking = [index for image_id, index in index_of.items() if image_id not in there]
    unreadable = {
        data.file_name(index): data[index][1].get("unreadable", "")
        for index in lacking
        if data is not None
    }
    with Fuser(list(by_name.values())) as fuser:
        uses = recipe.fusion if recipe.fuses else None
        fused = fuser(uses) if uses else iter(members[0].records)
        scored = None
        if uses and recipe.folds and targets and recipe.digest == fingerprints.of_targets(targets):
            scored = list(items(held_out_records(fuser, uses, recipe.folds), photos=0))
        source = Source(
            items(fused, _PICTURES),
            len(fuser) + len(lacking),
            str(first.header.get("split")),
            targets is not None,
            _header(members, recipe),
            scored,
            recipe.table,
            seconds,
            bool(first.header.get("synthetic")),
            unreadable,
            open_photo,
        )
        numbers, boxes = (
            reader.load_state(recipe.readers.get(name)) for name in (recipe.numbers, recipe.boxes)
        )
        if not any(record.get("rows") for member in members for record in member.records):
            numbers, boxes = without_texts(numbers), without_texts(boxes)
        write_json(submission.folder / _RECIPE, recipe.to_json())
        show(recipe)
        readers = Readers(numbers, boxes, recipe.refine)
        return submit(source, readers, submission, "fusing", _RECIPE)


def _open_valid(open_split: Callable[[str], PhotoDataset] | None) -> PhotoDataset | None:
    if open_split is None:
        return None
    try:
        valid = open_split("valid")
    except DigitsError as error:
        console.print(f"valid: {str(error).splitlines()[0]}")
        return None
    return valid if valid.labelled else None


def _targets(data: PhotoDataset) -> list[Target] | None:
    return [data[index][1] for index in range(len(data))] if data.labelled else None


def _header(members: Sequence[Member], recipe: Recipe) -> dict[str, Any]:
    """Of the detections that the numbers were read from; a fusion can be a member again."""
    for member in members:
        if member.name == recipe.numbers:
            return member.header
    fusion = asdict(recipe.fusion) if recipe.fusion else {}
    return {
        "members": recipe.members,
        "fusion": fusion,
        "weights_sha256": fingerprints.of_data([identity(member) for member in recipe.members]),
        "config_digest": fingerprints.of_data(fusion),
        "class_names": list(CLASS_NAMES),
        **{k: v for k, v in members[0].header.items() if k in ("split", "synthetic")},
    }
