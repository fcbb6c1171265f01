"""Which rows a recogniser is asked about, and what it says of them; numpy only."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from digits.recognition.crops import CropOptions, Row, crop_row, to_batches
from digits.recognition.ctc import best_texts, log_probabilities
from digits.recognition.growing import grown
from digits.recognition.rows import MAX_DIGITS, Hypothesis, hypotheses
from digits.types import RowTexts, number_of

Network = Callable[[np.ndarray], np.ndarray]
"""Crops, uint8 `(B, 3, 48, W)`, to their frames: log-probabilities `(B, T, 11)`."""

_MIN_LOG_PROBABILITY = -12.0  # (nats) of a string in a row, so that none is ruled out
_STRINGS_PER_CROP = 3  # strings of each crop that are considered
_BEAM_WIDTH = 4  # prefixes that the search for them keeps
# (length, height) added to a row, in digit heights: as it is, and with what lies beside it, so that
# a digit that the detector missed is seen, and one that it invented is not.
_WIDENED = ((0.0, 0.0), (0.8, 0.1))


def read_rows(
    photos: Sequence[np.ndarray],
    detections: Sequence[Mapping[str, Any]],
    options: CropOptions,
    network: Network,
) -> list[list[RowTexts]]:
    """Read the rows of several photos; what is read in one does not depend on the others.

    Args:
        photos: uint8 `(h, w, 3)` each.
        detections: of each, boxes in its pixels.
        options: how rows are cut out.
        network: see `Network`.

    Returns:
        Per photo its rows, the most plausible first; none where there are no boxes.
    """

    def frames(places: Sequence[tuple[int, Row]]) -> Iterator[np.ndarray]:
        """Of rows, each in the photo with the index before it."""
        crops = [crop_row(photos[photo], row, options) for photo, row in places]
        read: dict[int, np.ndarray] = {}
        for chosen, batch in to_batches(crops):
            read.update(zip(chosen, network(batch), strict=True))
        return (read[i] for i in range(len(crops)))

    def best(places: Sequence[tuple[int, Row]]) -> list[tuple[str, float]]:
        return [best_texts(one, width=_BEAM_WIDTH, count=1)[0] for one in frames(places)]

    rows = grown([hypotheses(found) for found in detections], best)
    in_order = frames(
        [(i, row) for i, here in enumerate(rows) for one in here for row in widened(one.row)]
    )
    return [
        _texts(found, here, [[next(in_order) for _ in _WIDENED] for _ in here])
        for found, here in zip(detections, rows, strict=True)
    ]


def widened(row: Row) -> list[Row]:
    """The row as it is, and with what lies beside it."""
    return [
        replace(row, length=row.length + length * row.digit, height=row.height + height * row.digit)
        for length, height in _WIDENED
    ]


def _texts(
    detections: Mapping[str, Any],
    rows: Sequence[Hypothesis],
    frames: Sequence[Sequence[np.ndarray]],
) -> list[RowTexts]:
    """What each row says of every string that the detector or any row proposes.

    Args:
        detections: of a photo.
        rows: of the photo.
        frames: of each row, of each of its widths.
    """
    if not rows:
        return []
    labels = np.asarray(detections["labels"])
    proposed = [number_of(labels[row.indices]) for row in rows]
    for of_row in frames:
        for one in of_row:
            proposed += [
                text for text, _ in best_texts(one, width=_BEAM_WIDTH, count=_STRINGS_PER_CROP)
            ]
    strings = [text for text in dict.fromkeys(proposed) if 0 < len(text) <= MAX_DIGITS]
    total = np.logaddexp.reduce([row.weight for row in rows])
    read: list[RowTexts] = []
    for row, of_row in zip(rows, frames, strict=True):
        values = [
            np.maximum(log_probabilities(one, strings), _MIN_LOG_PROBABILITY) for one in of_row
        ]
        mean = np.mean(values, axis=0).tolist()
        read.append(
            {
                "boxes": row.boxes.tolist(),
                "weight": float(row.weight - total),
                "texts": dict(zip(strings, mean, strict=True)),
            }
        )
    return read
