"""The one way from detections to a submission: read, refine, write, score.

One detector and a fusion of many differ only in where their detections come from.
"""

import time

from digits.console import result_table, with_progress
from digits.inference.options import SubmissionOptions
from digits.inference.report import Report
from digits.inference.source import Readers, Source
from digits.inference.submission import FILES, SubmissionWriter
from digits.io import write_json


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
    """
    folder = options.folder
    report = Report(readers, source.labelled, options.map_backend)
    start = time.perf_counter()
    with SubmissionWriter(folder, source.header, options.min_confidence) as submission:
        for item in with_progress(source.items, source.count, title):
            reading, submitted = readers.read(item)
            submission.add(item.record, reading, submitted)
            report.add(item, reading)
    seconds = source.seconds + time.perf_counter() - start
    figures = report.figures(seconds, source.scored) | {"accepted": submission.accepted}
    write_json(folder / "metrics.json", report.summary(figures, source.members))
    paths = {name: folder / name for name in (*FILES, *more_files)}
    paths |= report.save_pictures(folder / "readings.png", folder / "confidence.png")
    result_table(f"{source.count} photos ({source.name})", figures, paths)
    return figures.get("map")
