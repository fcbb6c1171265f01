"""Checkpoints, or detections without any model, to a fused submission."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from digits.console import banner, console
from digits.ensemble import Fuser, Fusion
from digits.ensemble.detect import detect_members
from digits.ensemble.fit import fit_recipe, starting
from digits.ensemble.members import Member, read_members
from digits.ensemble.recipe import Recipe
from digits.ensemble.submit import submit_members
from digits.ensemble.tune import Tuner
from digits.errors import DigitsError
from digits.evaluation.evaluator import Evaluation
from digits.inference.submission import check_min_confidence
from digits.reading import Reader
from digits.reading.labels import read_targets_of
from digits.reading.refine import check_refine

Targets = list[dict[str, Any]]


def fuse_files(
    files: Sequence[Path],
    labels: str | None,
    folder: Path,
    *,
    fusion: dict[str, Any],
    fit: str | None,
    reader: Reader,
    refined: bool | str,
    **written: Any,
) -> float | None:
    """Fuse detections that were made before; needs neither models nor photos.

    Args:
        files: detections.json of each member, of the same photos.
        labels: COCO JSON of these photos, to fit to; `None` where there is none.
        folder: for the outputs.
        fusion: arguments of `starting`.
        fit: a fusion.json of an earlier run, so that nothing is fitted.
        reader: detections to numbers.
        refined: whether boxes are refined; `auto`: where that helps on labelled photos.
        written: arguments of `submit_members`.

    Returns:
        mAP of pred.json, where it is known.
    """
    _check(refined, fit, written)
    start, auto = starting(len(files), **fusion)
    members = read_members(files)
    banner("digits: fusing", {"members": ", ".join(m.name for m in members), "outputs": folder})
    targets = read_targets_of(members[0].records, Path(labels)) if labels else None
    recipe = _recipe(members, targets, start, auto, fit, reader, refined, written["map_backend"])
    return submit_members(members, recipe, reader, folder, targets=targets, **written)


def fuse_checkpoints(
    paths: Sequence[Path],
    scales: Sequence[float],
    data: Any,
    source: str,
    open_split: Callable[[str], Any] | None,
    folder: Path,
    *,
    inference: dict[str, Any],
    run: dict[str, Any],
    fusion: dict[str, Any],
    fit: str | None,
    reader: Reader,
    refined: bool | str,
    **written: Any,
) -> float | None:
    """Run checkpoints one after the other on valid and on photos, and fuse what they find.

    Args:
        paths: of the checkpoints.
        scales: factors of their input sizes; each is a member.
        data: the photos.
        source: what they are called.
        open_split: opens valid, to fit to; `None` where there is none that these photos are like.
        folder: for the outputs.
        inference: arguments of the detectors to replace.
        run: arguments of `detect_members`.
        fusion, fit, reader, refined, written: as in `fuse_files`.

    Returns:
        mAP of pred.json, where it is known.
    """
    _check(refined, fit, written)
    start, auto = starting(len(paths) * len(scales), **fusion)
    here = data.labelled and source == "valid"
    valid = None if fit else data if here else _open_valid(open_split)
    of = f"{len(valid)} photos of valid" if valid is not None else fit or "nothing"
    facts = {"photos": f"{len(data)} ({source})", "fitted to": of, "device": run["device"]}
    banner("digits: fusing", {"checkpoints": len(paths)} | facts | {"outputs": folder})

    def detect(photos: Any, split: str) -> list[Member]:
        return detect_members(paths, scales, inference, photos, split, folder, **run)

    targets = _targets(data)
    recipe_members, known = [], None
    if valid is not None:
        recipe_members, known = detect(valid, "valid"), _targets(valid)
    members = recipe_members if valid is data else detect(data, source)
    recipe = _recipe(
        recipe_members or members, known, start, auto, fit, reader, refined, written["map_backend"]
    )
    return submit_members(members, recipe, reader, folder, data=data, targets=targets, **written)


def _check(refined: bool | str, fit: str | None, written: dict[str, Any]) -> None:
    """Refuse before anything is detected what would be refused after it."""
    check_refine(refined)
    check_min_confidence(written.get("min_confidence", 0.0))
    Evaluation(None, written["map_backend"])
    if fit and not Path(fit).is_file():
        raise DigitsError(f"fusion.fit={fit}: not a fusion.json (there is no such file).")


def _open_valid(open_split: Callable[[str], Any] | None) -> Any:
    if open_split is None:
        return None
    try:
        valid = open_split("valid")
    except DigitsError as error:
        console.print(f"valid: {str(error).splitlines()[0]}", markup=False)
        return None
    return valid if valid.labelled else None


def _targets(data: Any) -> Targets | None:
    return [data[index][1] for index in range(len(data))] if data.labelled else None


def _recipe(
    members: Sequence[Member],
    targets: Targets | None,
    start: Fusion | None,
    auto: bool,
    fit: str | None,
    reader: Reader,
    refined: bool | str,
    map_backend: str,
) -> Recipe:
    about = [member.about for member in members]
    if fit:
        recipe = Recipe.load(Path(fit), about)
        return recipe if refined == "auto" else replace(recipe, refine=bool(refined))
    if targets is None:
        if start is None:
            raise DigitsError(
                "fusion=none takes the best member on valid, but there is no labelled valid: say "
                "data=coco data.root=DIR, or labels=valid.json with detections=[...]."
            )
        console.print(
            f"No labels to fit to: weights {list(start.weights)}, not tuned; numbers read by "
            f"{reader.description}.",
            markup=False,
        )
        return Recipe(about, start, refine=refined is True)
    records = [member.records for member in members]
    with Fuser(records) as fuser:
        tuner = Tuner(fuser, records, targets, map_backend)
        return fit_recipe(about, tuner, start, auto, reader, refined)
