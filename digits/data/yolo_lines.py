"""Read the label files of YOLO: a class and relative coordinates per line."""

from collections.abc import Iterator
from pathlib import Path

from digits import shapes
from digits.errors import DigitsError

Row = tuple[float, float, float, float, float]
"""Class, x_min, y_min, width, height; all but the class in pixels."""
_MAX_BYTES = 1 << 20  # bytes of a text file
_MAX_OVERSTEP = 1e-3  # by which tools overstep 0..1


def read_boxes(path: Path, width: int, height: int) -> Iterator[Row]:
    """The boxes of a photo of that many pixels, line by line.

    Raises:
        DigitsError: a line of another form, or of values that are no shares.
    """
    for number, line in enumerate(_lines(path), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields]
        except ValueError:
            values = []
        shares = values[1:]
        form = len(shares) == 4 or (len(shares) >= 6 and len(shares) % 2 == 0)
        if not form or not values[0].is_integer() or not 0 <= values[0] < 1e9:
            raise DigitsError(
                f"{path}, line {number}: {line.strip()[:60]!r}: expected a class and four shares "
                "of the photo (centre x, y, width, height), or a class and a polygon's corners."
            )
        if not all(-_MAX_OVERSTEP <= share <= 1 + _MAX_OVERSTEP for share in shares):  # NaN too
            raise DigitsError(
                f"{path}, line {number}: {line.strip()[:60]!r}: expected shares of the photo "
                "(0..1)."
            )
        if len(shares) == 4:
            x, y, wide, high = shares
            left, top = x - wide / 2, y - high / 2
        else:
            left, top = min(shares[::2]), min(shares[1::2])
            wide, high = max(shares[::2]) - left, max(shares[1::2]) - top
        yield values[0], left * width, top * height, wide * width, high * height


def _lines(path: Path) -> list[str]:
    try:
        return shapes.read_file(path, _MAX_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DigitsError(f"{path}: not a text file of labels ({error}).") from error
