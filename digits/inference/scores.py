"""The figures of a split, its pictures and its gallery."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from digits.evaluation.pictures import Picture, draw_sheet, save_image
from digits.inference.source import Readers
from digits.report.gallery import write_gallery
from digits.report.tiles import Tile


@dataclass(frozen=True)
class Scores:
    """What a split scores, and what shows it.

    Attributes:
        figures: by name.
        readers: of the numbers.
        pictures: of the first photos.
        tiles: of the photos that a person should look at.
        sure: the confidence of each number.
        labelled: whether true digits are known, without which the rest is empty.
        right: per photo, whether its number is right.
        confusion: counts of true digits by what they were read as.
        cross_fitted: whether numbers are scored by cross-fitting.
    """

    figures: dict[str, float]
    readers: Readers
    pictures: Sequence[Picture]
    tiles: Sequence[Tile]
    sure: Sequence[float]
    labelled: bool = False
    right: Sequence[bool] = ()
    confusion: list[list[int]] = field(default_factory=list)
    cross_fitted: bool = False

    def summary(self, members: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """The content of metrics.json: the figures, and what no table shows."""
        summary = {
            **self.figures,
            "reading": self.readers.numbers.description,
            "refined": self.readers.refine,
            "alternatives": self.readers.alternatives,
            "members": list(members),
        }
        if self.labelled:
            summary |= {"numbers_cross_fitted": self.cross_fitted, "confusion": self.confusion}
        return summary

    def save_pictures(self, readings: Path, confidence: Path) -> dict[str, Path]:
        """Save the first photos as read and, where there are labels, what confidences are worth.

        Returns:
            The paths of the pictures by name.
        """
        paths = {}
        if self.pictures:
            paths["picture"] = save_image(readings, draw_sheet(self.pictures))
        if self.labelled:
            from digits.evaluation.plots import save_confidence  # matplotlib takes a second

            paths["confidence"] = save_confidence(confidence, self.sure, self.right, self.confusion)
        return paths

    def save_gallery(self, path: Path, photo: Callable[[int], Tensor | None] | None) -> None:
        """Save the photos that a person should look at.

        Args:
            path: of gallery.json.
            photo: as `digits.inference.source.Source.open_photo`.
        """
        write_gallery(path, self.tiles, self.sure, self.right, photo)
