"""Decode an uploaded photo, without trusting it."""

import base64
import io
from typing import Any

from PIL import Image

from digits.data.formats import learn_heif, readable_suffixes
from digits.data.photos import LONGEST, reduced
from digits.errors import DigitsError

MAX_BYTES = 30_000_000  # bytes of a photo
_MAX_PIXELS = 60_000_000  # more than any phone's usual photo; decoded, it takes 180 MB
# Never all of Pillow's: some run other programs (EPS) or are seldom looked at.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "AVIF", "HEIF")


def open_photo(content: bytes) -> Image.Image:
    """A picture, decoded; its pixels are as stored, its EXIF is kept.

    Raises:
        DigitsError: nothing, not a photo, a damaged one, or one of too many pixels.
    """
    if not content:
        raise DigitsError("Nothing was sent; expected the bytes of a photo as the body.")
    Image.init()
    learn_heif(content)
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        image = Image.open(io.BytesIO(content), formats=formats)
        if image.width * image.height > _MAX_PIXELS:
            raise _too_large(f"{image.width} x {image.height} pixels")
        image.load()
    except DigitsError:
        raise
    except Image.DecompressionBombError as error:  # Pillow looks at the size first
        raise _too_large(f"More than {Image.MAX_IMAGE_PIXELS} pixels") from error
    except Exception as error:  # whatever a damaged file makes a decoder raise
        heic = ["HEIC"] if ".heic" in readable_suffixes() else []
        known = ", ".join([*(name for name in formats if name != "HEIF"), *heic])
        raise DigitsError(f"Not a photo that can be read here; expected {known}.") from error
    return image


def _too_large(size: str) -> DigitsError:
    return DigitsError(
        f"{size}; expected {_MAX_PIXELS // 10**6} million at most: reduce the photo first."
    )


def preview(photo: Image.Image) -> dict[str, Any]:
    """A photo as it is read, small enough for a page, for browsers that cannot decode it.

    Returns:
        `preview`, a JPEG as a data URL, and `size`, the `[width, height]` that boxes refer to.
    """
    shown, (height, width) = reduced(photo, LONGEST)
    file = io.BytesIO()
    shown.save(file, "JPEG", quality=80)
    code = base64.b64encode(file.getvalue()).decode()
    return {"preview": f"data:image/jpeg;base64,{code}", "size": [width, height]}
