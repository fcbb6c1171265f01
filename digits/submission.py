"""The files of a submission: streamed, complete, and there only when they are whole."""

import csv
import json
import os
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from digits.structures import atomic_write, check_detections, detections_to_json, to_coco_boxes


class SubmissionWriter:
    """Writes detections.json, pred.json, pred.csv, numbers.csv and submission.zip photo by photo.

    Use it as a context manager: the files get their names when the block ends without an error,
    and nothing is left behind when it does not.

    - `detections.json`: `{"header": ..., "photos": [...]}` (`digits.structures`), what later
      stages exchange.
    - `pred.json`: a flat list of `{image_id, bbox [x_min, y_min, w, h], score, category_id}`.
    - `pred.csv`: `image_id,pred_label`, a row for every photo; text, so leading zeros stay.
    - `numbers.csv`: `file_name,number,score`, for people; the score is that of the weakest digit.
    - `submission.zip`: exactly pred.json and pred.csv, at its root.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self.folder = folder
        self.header = header
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
        self._numbers.writerow(["file_name", "number", "score"])
        return self

    def add(self, record: dict[str, Any], number: str, score: float) -> None:
        """Add a photo: its detections and the number read.

        Raises:
            DigitsError: detections that break the contract.
        """
        check_detections(record, f"detections of {record['file_name']}")
        photo = detections_to_json(record)
        self._detections.write(("" if self._first_photo else ",") + "\n" + json.dumps(photo))
        self._first_photo = False
        boxes = to_coco_boxes(record["boxes"])
        for box, value, label in zip(boxes, photo["scores"], photo["labels"], strict=True):
            row = {"image_id": photo["image_id"], "bbox": box, "score": value, "category_id": label}
            self._boxes.write(("" if self._first_box else ",") + "\n" + json.dumps(row))
            self._first_box = False
        self._labels.writerow([photo["image_id"], number])
        self._numbers.writerow([photo["file_name"], number, f"{score:.4f}"])

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


def _zip(folder: Path) -> None:
    partial = folder / "submission.zip.part"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("pred.json", "pred.csv"):
            archive.write(folder / name, arcname=name)
    os.replace(partial, folder / "submission.zip")
