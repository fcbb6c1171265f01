"""Draw a picture of each photo as read, or of the doubtful ones."""

from pathlib import Path

from torch import Tensor

from digits.evaluation.pictures import Picture, draw_picture, save_image
from digits.inference.results import PhotoResult
from digits.types import Reading, Record

MAX_PICTURES = 200  # pictures; of more photos than that only the doubtful ones are drawn


class PhotoPictures:
    """Draws pictures into a folder, named after their photos.

    Args:
        folder: of the pictures; made when the first is drawn.
        choice: `all`, `doubtful` (numbers that are not accepted, or wrong), or `none`.
        count: of photos.
    """

    def __init__(self, folder: Path, choice: str, count: int) -> None:
        self.folder = folder
        self._every = choice == "all" and count <= MAX_PICTURES
        self._left = 0 if choice == "none" else MAX_PICTURES
        self._names: set[str] = set()

    def wants(self, result: PhotoResult) -> bool:
        """Whether there will be a picture of this photo."""
        return self._left > 0 and (self._every or not result.accepted or result.right is False)

    def add(self, photo: Tensor, record: Record, reading: Reading, result: PhotoResult) -> None:
        """Draw a photo."""
        picture = Picture.of(photo, record, reading, result.truth, not result.accepted)
        save_image(self.folder / self._name(result.file_name), draw_picture(picture))
        self._left -= 1

    @property
    def drawn(self) -> bool:
        """Whether there is any picture."""
        return bool(self._names)

    def _name(self, file_name: str) -> str:
        """A name for one folder: that of the photo with the folders above it, never twice."""
        parts = [part for part in Path(file_name).parts if part.strip("./\\")]
        stem = "_".join(parts)[-120:].rpartition(".")[0] or "photo"
        name, number = f"{stem}.jpg", 1
        while name.lower() in self._names:  # a.png beside a.jpg; disks that ignore case
            number += 1
            name = f"{stem} ({number}).jpg"
        self._names.add(name.lower())
        return name
