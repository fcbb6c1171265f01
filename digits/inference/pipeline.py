"""From detections to a submission: read, refine, write, score, show.

One detector and a fusion of many differ only in where their detections come from.
"""

import time
from collections.abc import Mapping

from digits import outputs
from digits.console import printable, result_table, with_progress
from digits.errors import DigitsError
from digits.inference.lines import JsonLines, Lines
from digits.inference.options import SubmissionOptions
from digits.inference.photo_pictures import PhotoPictures
from digits.inference.report import Report
from digits.inference.results import PhotoResult
from digits.inference.source import Readers, Source
from digits.inference.submission import FILES, SubmissionWriter
from digits.io import write_json
from digits.reading.acceptance import accepts
from digits.report.page import write_page
from digits.run_info import write_run_files

_MAX_NAMED = 20  # unreadable files that an error names
# Of fusions, and of labelled photos: what an earlier prediction left would be shown as of this one.
_OPTIONAL = (outputs.FUSION, outputs.CONFIDENCE)


def submit(
    source: Source, readers: Readers, options: SubmissionOptions, title: str, *more_files: str
) -> float | None:
    """Read, refine and write every photo, score them where they are labelled, and say so.

    Args:
        source: of the detections.
        readers: of its numbers.
        options: of the outputs.
        title: of the progress bar.
        more_files: names of files in the folder that the caller wrote, for the list of outputs.

    Returns:
        mAP of pred.json where there are labels.

    Raises:
        DigitsError: some files cannot be read, and all else is written; or none can.
    """
    folder = options.folder
    least = options.min_confidence
    report = Report(readers, source.labelled, options.map_backend)
    lines = JsonLines() if options.json else Lines(source.count)
    pictures = PhotoPictures(folder / outputs.PICTURES, options.pictures, source.count)
    accepted = 0
    start = time.perf_counter()
    with SubmissionWriter(folder, source.header, source.labelled) as submission:
        for item in with_progress(source.items, source.count, title):
            reading, submitted = readers.read(item)
            sure = accepts(readers.numbers, reading, item.record, least)
            target = item.target if source.labelled else None
            result = PhotoResult.of(item.record, reading, sure, target)
            accepted += result.accepted
            submission.add(item.record, result, submitted)
            report.add(item, reading, not result.accepted)
            lines.add(result)
            if pictures.wants(result) and (photo := source.photo(item)) is not None:
                pictures.add(photo, item.record, reading, result)
        if len(source.unreadable) == source.count:
            raise _unreadable(source.unreadable, source.count)
    seconds = source.seconds + time.perf_counter() - start
    scores = report.score(seconds, source.scored, accepted)
    more = {"min_confidence": least, "unreadable": dict(source.unreadable)}
    if (folder / outputs.RUN).is_file():
        for name in set(_OPTIONAL) - set(more_files):
            (folder / name).unlink(missing_ok=True)
    write_json(folder / outputs.METRICS, scores.summary(source.members) | more)
    paths = {name: folder / name for name in (*FILES, *more_files)}
    paths |= scores.save_pictures(folder / outputs.READINGS, folder / outputs.CONFIDENCE)
    scores.save_gallery(folder / outputs.GALLERY, source.open_photo)
    write_run_files(folder, dict(options.settings), options.command)
    paths["report"] = write_page(folder)
    if pictures.drawn:
        paths["pictures"] = pictures.folder
    lines.close()
    fitted = ", numbers cross-fitted" if scores.cross_fitted else ""
    result_table(source.title + fitted, scores.figures, paths)
    if source.unreadable:
        lines.unreadable(source.unreadable)
        raise _unreadable(source.unreadable, source.count)
    return scores.figures.get("map")


def _unreadable(reasons: Mapping[str, str], count: int) -> DigitsError:
    if count == 1:
        return DigitsError(printable(next(iter(reasons.values()))))
    named = [f"  {printable(reason)}" for reason in list(reasons.values())[:_MAX_NAMED]]
    more = (
        [f"  and {len(reasons) - _MAX_NAMED} more: metrics.json"]
        if len(reasons) > _MAX_NAMED
        else []
    )
    rest = "; the outputs hold the others" if len(reasons) < count else ""
    first = f"{len(reasons)} of {count} photos cannot be read{rest}."
    return DigitsError("\n".join([first, *named, *more]))
