"""Write the files of a submission: streamed, and renamed when complete."""

import csv
import json
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from digits import outputs
from digits.detections import DetectionsWriter
from digits.detections.writing import scores_and_labels, to_coco_boxes
from digits.inference.results import PhotoResult
from digits.io import atomic_write, csv_cell, partial_path
from digits.records import check_detections
from digits.types import Record

FILES = (
    outputs.SUBMISSION,
    outputs.BOXES,
    outputs.LABELS,
    outputs.NUMBERS,
    outputs.DETECTIONS,
    outputs.METRICS,
)
_COLUMNS = ("file_name", "number", "confidence", "accepted", "runner_up", "boxes")
_TRUTH = ("truth", "right")


class SubmissionWriter:
    """Writes detections.json, pred.json, pred.csv, numbers.csv and submission.zip photo by photo.

    Use it as a context manager: the files get their names when the block ends without an error,
    and nothing is left behind when it does not.

    - `detections.json`: `{"header": ..., "photos": [...]}` (`digits.detections`), what later stages
      exchange.
    - `pred.json`: a flat list of `{image_id, bbox [x_min, y_min, w, h], score, category_id}`.
    - `pred.csv`: `image_id,pred_label`, a row for every photo; text, so leading zeros stay.
    - `numbers.csv`: `file_name,number,confidence,accepted,runner_up,boxes`, for people: how sure
      the number is, whether that is sure enough, the second-best number, and the boxes of its
      digits in reading order, `x_min y_min x_max y_max` in pixels, separated by semicolons. Of
      labelled photos also `truth`, the true number, and `right`. Names that begin like a formula
      (`=`, `+`, `-`, `@`) get a `'` before them.
    - `submission.zip`: exactly pred.json and pred.csv, at its root.

    Args:
        folder: where the files go.
        header: of detections.json.
        labelled: whether the results know the true numbers.
    """

    def __init__(self, folder: Path, header: dict[str, Any], labelled: bool = False) -> None:
        self.folder = folder
        self.header = header
        self.labelled = labelled
        self._first_box = True

    def __enter__(self) -> "SubmissionWriter":
        self._files = ExitStack()
        self._detections = DetectionsWriter(self._open(outputs.DETECTIONS), self.header)
        self._boxes = self._open(outputs.BOXES)
        self._labels = csv.writer(self._open(outputs.LABELS), lineterminator="\n")
        self._numbers = csv.writer(self._open(outputs.NUMBERS), lineterminator="\n")
        self._boxes.write("[")
        self._labels.writerow(["image_id", "pred_label"])
        self._numbers.writerow((*_COLUMNS, *(_TRUTH if self.labelled else ())))
        return self

    def add(self, record: Record, result: PhotoResult, submitted: Record | None = None) -> None:
        """Add a photo.

        Args:
            record: its detections.
            result: the number read in them.
            submitted: detections for pred.json, where they are not the record's: refined boxes,
                or those of another source.

        Raises:
            DigitsError: detections that break the contract.
        """
        check_detections(record, f"detections of {record['file_name']}")
        written = self._detections.add(record)
        self._add_boxes(record if submitted is None else submitted)
        self._labels.writerow([written["image_id"], result.number])
        row = [
            csv_cell(written["file_name"]),
            result.number,
            f"{result.confidence:.4f}",
            "yes" if result.accepted else "no",
            result.runner_up,
            ";".join(" ".join(f"{value:.1f}" for value in box) for box in result.boxes),
        ]
        if self.labelled:
            row += [result.truth or "", "yes" if result.right else "no"]
        self._numbers.writerow(row)

    def _add_boxes(self, submitted: Record) -> None:
        image_id = int(submitted["image_id"])
        columns = to_coco_boxes(submitted["boxes"]), *scores_and_labels(submitted)
        rows = [
            {"image_id": image_id, "bbox": box, "score": score, "category_id": label}
            for box, score, label in zip(*columns, strict=True)
        ]
        if rows:  # encoded at once, which is faster; a line each
            lines = json.dumps(rows)[1:-1].replace("}, {", "},\n{")
            self._boxes.write(("\n" if self._first_box else ",\n") + lines)
            self._first_box = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._detections.close()
            self._boxes.write("\n]\n")
        self._files.__exit__(kind, error, trace)
        if kind is None:
            _zip(self.folder)

    def _open(self, name: str) -> TextIO:
        return self._files.enter_context(atomic_write(self.folder / name))


def _zip(folder: Path) -> None:
    with (
        partial_path(folder / outputs.SUBMISSION) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in (outputs.BOXES, outputs.LABELS):
            archive.write(folder / name, arcname=name)
