"""Read photo files of any common format as tensors or pictures."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from digits.data.formats import learn_heif
from digits.data.pixels import to_8_bits, to_rgb
from digits.errors import DigitsError
from digits.shapes import check_file

if TYPE_CHECKING:
    from torch import Tensor

# Longest side in pixels. Digits that the detector's first pass can find (`digits.passes.zoom`
# crops for a second) are then some 50 pixels high; a phone's full resolution only costs seconds.
LONGEST = 1000
_LARGEST = 1 << 30  # bytes of a file
_HEAD = 12  # bytes that tell HEIC
# What Pillow raises of files that are damaged, truncated, too large, or of another kind.
UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, RuntimeError, MemoryError,
    Image.DecompressionBombError,
)  # fmt: skip
_SIDEWAYS = {5, 6, 7, 8}  # EXIF orientations that swap width and height


def load_photo(path: Path, size: tuple[int, int] | None = None) -> "Tensor":
    """Decode a photo.

    More than 8 bits are scaled, transparent pixels filled (`to_rgb`), and a photo that its
    camera marked as rotated (EXIF) is turned upright, unless `size` fits only the stored pixels.

    Args:
        path: the file.
        size: `(height, width)` as annotated, where it is known.

    Returns:
        uint8 `(3, H, W)`, RGB.

    Raises:
        DigitsError: missing, unreadable or truncated file, or a size other than annotated.
    """
    with _opened(path) as image:
        if size is None:
            _verify(image, path)
        upright = _upright(image, path, size)
        return to_tensor(to_rgb(_turned(image) if upright else image))


def load_reduced(path: Path, longest: int) -> tuple["Tensor", tuple[int, int]]:
    """`open_reduced` as a tensor, uint8 `(3, h, w)`."""
    image, size = open_reduced(path, longest)
    return to_tensor(image), size


def open_reduced(path: Path, longest: int) -> tuple[Image.Image, tuple[int, int]]:
    """Decode a photo at a size that suits the detector; a camera's JPEG at a fraction of the cost.

    Args:
        path: the file, of any of the formats of `load_photo`.
        longest: its longer side is `longest` pixels at most.

    Returns:
        The picture, RGB, upright; and the `(height, width)` that the file has.

    Raises:
        DigitsError: missing, unreadable or truncated file.
    """
    with _opened(path) as image:
        _verify(image, path)
        size = _upright_size(image)
        share = longest / max(size)
        if share < 1:  # a JPEG's blocks can be decoded at a half, a quarter or an eighth
            image.draft(None, (max(1, int(image.width * share)), max(1, int(image.height * share))))
        return reduced(image, longest)[0], size


def reduced(image: Image.Image, longest: int) -> tuple[Image.Image, tuple[int, int]]:
    """`open_reduced` of a Pillow picture, which is left as it is."""
    size = _upright_size(image)
    photo = to_rgb(_turned(image))
    photo.thumbnail((longest, longest))
    return photo, size


def photo_size(path: Path) -> tuple[int, int]:
    """`(height, width)` of `load_photo(path)`, from the header alone; only a TIFF is decoded.

    Raises:
        DigitsError: missing or unreadable file.
    """
    with _opened(path) as image:
        return _upright_size(image)


def check_photo(path: Path, size: tuple[int, int]) -> None:
    """Check a photo's header and checksums against its annotated `(height, width)`.

    Much cheaper than decoding; a truncated PNG is found, a damaged JPEG only when decoded.

    Raises:
        DigitsError: as `load_photo`.
    """
    check_file(path, _LARGEST)
    try:
        with Image.open(path) as image:
            _refuse_postscript(image)
            if size not in {(image.height, image.width), (image.width, image.height)}:
                raise _size_error(path, size, (image.height, image.width))
            image.verify()
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    check_file(path, _LARGEST)
    try:
        with path.open("rb") as file:
            learn_heif(file.read(_HEAD))
        with Image.open(path) as image:
            _refuse_postscript(image)
            yield to_8_bits(image, path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _refuse_postscript(image: Image.Image) -> None:
    """Raises ValueError of the one format that another program would be run for."""
    if image.format == "EPS":
        raise ValueError("its content is PostScript")


def _verify(image: Image.Image, path: Path) -> None:
    """Raises SyntaxError where a PNG's checksums are wrong, which decoding does not look at."""
    if image.format == "PNG":
        with Image.open(path) as again:
            again.verify()


def to_tensor(image: Image.Image) -> "Tensor":
    """A picture, RGB, as uint8 `(3, H, W)`."""
    import torch  # here, since exported models read photos without it

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """`(height, width)` once the photo is turned as its camera says."""
    if image.format == "TIFF":
        image.load()  # Pillow turns it meanwhile
    stored = (image.height, image.width)
    return stored[::-1] if _orientation(image) in _SIDEWAYS else stored


def _turned(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image) if _orientation(image) else image


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # whatever a damaged tag raises, the pixels may be whole
        return None


def _upright(image: Image.Image, path: Path, size: tuple[int, int] | None) -> bool:
    stored, upright = (image.height, image.width), _upright_size(image)
    if size is None or size == upright:
        return True
    if size == stored:  # annotated by a tool that ignores EXIF
        return False
    raise _size_error(path, size, upright)


def _size_error(path: Path, size: tuple[int, int], got: tuple[int, int]) -> DigitsError:
    return DigitsError(
        f"{path}: expected {size[1]} x {size[0]} pixels as annotated, got {got[1]} x {got[0]}; "
        "photos and annotations are not of the same data set."
    )


def _unreadable(path: Path, error: Exception) -> DigitsError:
    if isinstance(error, Image.DecompressionBombError):
        return DigitsError(f"{path}: too large to be read ({error}); reduce it first.")
    if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of the content
        return DigitsError(f"{path}: cannot be read ({error.strerror}).")
    reason = str(error)
    if isinstance(error, UnidentifiedImageError):  # whose text is the path once more
        reason = "its content is no picture"
        with suppress(OSError):  # gone meanwhile
            reason = reason if path.stat().st_size else "the file is empty"
    return DigitsError(
        f"{path}: cannot be read as a photo ({reason}); it may be truncated: replace the file."
    )
