"""Write the submission of a fusion."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import repeat
from typing import Any

from digits import fingerprints, outputs
from digits.ensemble.averaging import averaged
from digits.ensemble.folds import fusions_of, held_out_records
from digits.ensemble.fuser import Fuser
from digits.ensemble.fusion import Fusion
from digits.ensemble.members import Member
from digits.ensemble.recipe import Recipe, identity
from digits.ensemble.stored import FUSION
from digits.ensemble.table import show
from digits.inference.options import SubmissionOptions
from digits.inference.pipeline import submit
from digits.inference.source import Item, Readers, Source, opener
from digits.io import write_json
from digits.reading import Reader
from digits.reading.base import without_texts
from digits.types import CLASS_NAMES, PhotoDataset, Record, Target

_PICTURES = 36  # photos that are opened for a picture


def submit_fused(
    members: Sequence[Member],
    recipe: Recipe,
    reader: Reader,
    submission: SubmissionOptions,
    targets: Sequence[Target] | None,
    data: PhotoDataset | None = None,
    seconds: float = 0.0,
) -> float | None:
    """Fuse detections, and submit what the recipe takes of each source.

    Args:
        members: detections of the same photos.
        recipe: says how they are fused.
        reader: gets the states that the recipe holds.
        submission: of the outputs.
        targets: the true digits of the photos; None where they are not known.
        data: the photos; None where only their detections are at hand.
        seconds: that detecting took.

    Returns:
        mAP of pred.json, where it is known.
    """
    recipe = replace(recipe, refine=submission.refines(recipe.refine))
    open_photo = None if data is None else opener(data)
    unreadable = {} if data is None else _unreadable(data, members[0].records)
    header = members[0].header

    def items(
        fused: Iterable[Record], fusions: Iterable[Fusion | None], photos: int
    ) -> Iterator[Item]:
        for index, (record, used) in enumerate(zip(fused, fusions, strict=False)):
            here = {member.name: member.records[index] for member in members} | {FUSION: record}
            boxes = base = here[recipe.boxes]
            if recipe.average and used:
                index_of_base = list(here).index(recipe.boxes)
                boxes = averaged(list(here.values())[:-1], index_of_base, used.weights)
            target = targets[index] if targets is not None else None
            photo = open_photo(record["image_id"]) if open_photo and index < photos else None
            yield Item(here[recipe.numbers], boxes, target, photo, base)

    with Fuser([member.records for member in members]) as fuser:
        uses = recipe.fusion if recipe.fuses else None
        fused = fuser(uses) if uses else iter(members[0].records)
        scored = None
        if uses and recipe.folds and targets and recipe.digest == fingerprints.of_targets(targets):
            held_out = held_out_records(fuser, uses, recipe.folds)
            fusions = fusions_of(uses, recipe.folds, len(fuser))
            scored = list(items(held_out, fusions, photos=0))
        source = Source(
            items(fused, repeat(uses), _PICTURES),
            count=len(fuser) + len(unreadable),
            name=str(header.get("split")),
            labelled=targets is not None,
            header=_header(members, recipe),
            scored=scored,
            members=recipe.table,
            seconds=seconds,
            synthetic=bool(header.get("synthetic")),
            unreadable=unreadable,
            open_photo=open_photo,
        )
        numbers, boxes = (
            reader.load_state(recipe.readers.get(name)) for name in (recipe.numbers, recipe.boxes)
        )
        if not any(record.get("rows") for member in members for record in member.records):
            numbers, boxes = without_texts(numbers), without_texts(boxes)
        write_json(submission.folder / outputs.FUSION, recipe.to_json())
        show(recipe)
        readers = Readers(numbers, boxes, recipe.refine, submission.alternatives)
        return submit(source, readers, submission, "fusing", outputs.FUSION)


def _unreadable(data: PhotoDataset, records: Sequence[Record]) -> dict[str, str]:
    """The files without detections, and why they could not be read."""
    there = {record["image_id"] for record in records}
    lacking = [n for n, image_id in enumerate(data.image_ids) if int(image_id) not in there]
    return {data.file_name(n): data[n][1].get("unreadable", "") for n in lacking}


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
