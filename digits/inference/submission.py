"""The files of a submission: streamed, complete, and there only when they are whole."""

import csv
import json
import os
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from digits.errors import DigitsError
from digits.io import atomic_write, detections_to_json, to_coco_boxes
from digits.reading import Reading
from digits.types import NO_NUMBER, check_detections

_COLUMNS = ("file_name", "number", "confidence", "accepted", "runner_up", "boxes")


class SubmissionWriter:
    """Writes detections.json, pred.json, pred.csv, numbers.csv and submission.zip photo by photo.

    Use it as a context manager: the files get their names when the block ends without an error,
    and nothing is left behind when it does not.

    - `detections.json`: `{"header": ..., "photos": [...]}` (`digits.structures`), what later
      stages exchange.
    - `pred.json`: a flat list of `{image_id, bbox [x_min, y_min, w, h], score, category_id}`.
    - `pred.csv`: `image_id,pred_label`, a row for every photo; text, so leading zeros stay.
    - `numbers.csv`: `file_name,number,confidence,accepted,runner_up,boxes`, for people: how sure
      the number is, whether that is sure enough, the second-best number, and the boxes of its
      digits in reading order, `x_min y_min x_max y_max` in pixels, separated by semicolons.
    - `submission.zip`: exactly pred.json and pred.csv, at its root.

    Args:
        folder: where the files go.
        header: of detections.json.
        min_confidence: reads at least this sure are accepted.

    Raises:
        DigitsError: min_confidence is not in [0, 1].
    """

    def __init__(self, folder: Path, header: dict[str, Any], min_confidence: float = 0.0) -> None:
        check_min_confidence(min_confidence)
        self.folder = folder
        self.header = header
        self.min_confidence = min_confidence
        self.accepted = 0
        self._first_photo = self._first_box = True

    def __enter__(self) -> "SubmissionWriter":
        self._files = ExitStack()
        self._detections = self._open("detections.json")
        self._boxes = self._open("pred.json")
        self._labels = csv.writer(self._open("pred.csv"), lineterminator="\n")
        self._numbers = csv.writer(self._open("numbers.csv"), lineterminator="\n")
        self._detections.write(f'{{"header": {json.dumps(self.header)},\n"photos": [')
        self._boxes.write("[")
        self._labels.writerow(["image_id", "pred_label"])
        self._numbers.writerow(_COLUMNS)
        return self

    def add(
        self,
        record: dict[str, Any],
        reading: Reading,
        submitted: dict[str, Any] | None = None,
    ) -> None:
        """Add a photo.

        Args:
            record: its detections.
            reading: the number read in them.
            submitted: detections for pred.json, where they are not the record's: refined boxes,
                or those of another source.

        Raises:
            DigitsError: detections that break the contract.
        """
        check_detections(record, f"detections of {record['file_name']}")
        photo = detections_to_json(record)
        self._detections.write(("" if self._first_photo else ",") + "\n" + json.dumps(photo))
        self._first_photo = False
        found = photo if submitted is None else detections_to_json(submitted)
        written = to_coco_boxes((submitted or record)["boxes"])
        for box, value, label in zip(written, found["scores"], found["labels"], strict=True):
            row = {"image_id": photo["image_id"], "bbox": box, "score": value, "category_id": label}
            self._boxes.write(("" if self._first_box else ",") + "\n" + json.dumps(row))
            self._first_box = False
        self._labels.writerow([photo["image_id"], reading.number])
        accepted = reading.number != NO_NUMBER and reading.confidence >= self.min_confidence
        self.accepted += accepted
        corners = record["boxes"][reading.indices].tolist()
        self._numbers.writerow(
            [
                photo["file_name"],
                reading.number,
                f"{reading.confidence:.4f}",
                "yes" if accepted else "no",
                reading.runner_up,
                ";".join(" ".join(f"{value:.1f}" for value in box) for box in corners),
            ]
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._detections.write("\n]}\n")
            self._boxes.write("\n]\n")
        self._files.__exit__(kind, error, trace)
        if kind is None:
            _zip(self.folder)

    def _open(self, name: str) -> TextIO:
        return self._files.enter_context(atomic_write(self.folder / name))


def check_min_confidence(value: float) -> None:
    """Refuse what is no share.

    Raises:
        DigitsError: not in [0, 1].
    """
    if not 0 <= value <= 1:
        raise DigitsError(
            f"reading.min_confidence={value}: expected a share in [0, 1], such as 0.98; 0 accepts "
            "every number."
        )


def _zip(folder: Path) -> None:
    partial = folder / "submission.zip.part"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("pred.json", "pred.csv"):
            archive.write(folder / name, arcname=name)
    os.replace(partial, folder / "submission.zip")
