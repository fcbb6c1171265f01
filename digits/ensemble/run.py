"""Fuse checkpoints or stored detections: fit on valid, then submit."""

from collections.abc import Callable, Sequence
from pathlib import Path

from digits.checkpoint import Checkpoint
from digits.console import banner, console
from digits.data.paths import path_text
from digits.ensemble.detect import detect_members, planned
from digits.ensemble.fit import fit_recipe
from digits.ensemble.fuser import Fuser
from digits.ensemble.members import Member, read_members
from digits.ensemble.options import FusionOptions
from digits.ensemble.recipe import Recipe
from digits.ensemble.submission import submit_fused
from digits.errors import DigitsError
from digits.inference.options import InferenceOptions, SubmissionOptions
from digits.inference.source import is_synthetic, titled
from digits.reading import Reader
from digits.reading.labels import read_targets_of
from digits.types import PhotoDataset, Target


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
    recipe = fusion.recipe_for([member.info for member in members])
    recipe = recipe or _fitted(members, targets, reader, fusion, submission)
    return submit_fused(members, recipe, reader, submission, targets)


def fuse_checkpoints(
    checkpoints: Sequence[Checkpoint],
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
        checkpoints: one or more.
        scales: factors of their input sizes; each is a member.
        data: the photos.
        name: what they are called.
        open_split: opens valid, to fit to; `None` where these photos are unlike any valid.
        reader, fusion, submission: as in `fuse_files`.
        inference: how the detectors run.

    Returns:
        mAP of pred.json, where it is known.
    """
    fusion.fusion(len(checkpoints) * len(scales))
    here = data.labelled and name == "valid"
    valid = None if fusion.fit else data if here else _open_valid(open_split)
    basis = f"{len(valid)} photos of valid" if valid is not None else fusion.fit or "nothing"
    photos = titled(len(data), name, is_synthetic(data))
    details = {"photos": photos, "fitted to": basis, "device": inference.device}
    outputs = {"outputs": submission.folder}
    banner("digits: fusing", {"checkpoints": len(checkpoints)} | details | outputs)

    plan = planned(checkpoints, scales, inference)
    # One of other members is refused before hours of work.
    recipe = fusion.recipe_for([one.header | {"name": one.name} for one in plan])
    targets = _targets(data)
    members, seconds = detect_members(plan, data, name, inference, submission.folder)
    fitted_on, known = members, targets if valid is data else None
    if valid is not None and valid is not data:
        fitted_on, _ = detect_members(plan, valid, "valid", inference, submission.folder)
        known = _targets(valid)
    recipe = recipe or _fitted(fitted_on, known, reader, fusion, submission)
    return submit_fused(members, recipe, reader, submission, targets, data, seconds)


def _fitted(
    members: Sequence[Member],
    targets: Sequence[Target] | None,
    reader: Reader,
    options: FusionOptions,
    submission: SubmissionOptions,
) -> Recipe:
    """A recipe fitted to labelled photos, or equal weights where there are none."""
    infos = [member.info for member in members]
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
        return Recipe(infos, fusion)
    console.print(f"Fitting the fusion and its reading to {len(targets)} labelled photos.")
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
