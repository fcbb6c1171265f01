"""Check that a source of photos fulfils `digits.types.PhotoDataset`."""

import torch
from torch import Tensor

from digits.errors import DigitsError, one_line
from digits.types import NUM_CLASSES, PhotoDataset

_MEMBERS = ("labelled", "image_ids", "paths", "size", "file_name", "__len__", "__getitem__")
_MAX_CHECKED = 16  # photos, at most


def checked(data: PhotoDataset) -> PhotoDataset:
    """Check that a source has all members of the protocol, and some of its photos.

    Those of the project are not looked at, since tests do that.

    Raises:
        DigitsError: says what is missing or wrong.
    """
    name = type(data).__qualname__
    if type(data).__module__.startswith("digits."):
        return data
    for member in _MEMBERS:
        if not hasattr(data, member):
            raise DigitsError(f"data: {name} has no `{member}` (digits.types.PhotoDataset).")
    if not len(data):
        raise DigitsError(f"data: {name} is empty; expected at least one photo.")
    ids = _checked_ids(data, name)
    for index in range(0, len(data), -(-len(data) // _MAX_CHECKED)):
        where = f"data: {name}, photo {index}"
        try:
            photo, target = data[index]
            _check(photo, target["boxes"], target["labels"], where)
            if target["image_id"] != ids[index]:
                raise DigitsError(
                    f"{where}: its target has image_id {target['image_id']}, but "
                    f"image_ids[{index}] is {ids[index]}."
                )
        except DigitsError:
            raise
        except Exception as error:  # whatever code of others raises
            text = one_line(error)[:200]
            raise DigitsError(
                f"data: {name} fails on photo {index} ({type(error).__name__}: {text})."
            ) from error
    return data


def _checked_ids(data: PhotoDataset, name: str) -> list[int]:
    """The ids, checked to be unique: metrics would count photos of one id as one."""
    try:
        ids = [int(image_id) for image_id in data.image_ids]
    except (TypeError, ValueError) as error:
        raise DigitsError(f"data: {name}.image_ids: expected whole numbers ({error}).") from error
    if len(ids) != len(data) or len(set(ids)) < len(ids):
        raise DigitsError(
            f"data: {name}.image_ids: expected an id for each of {len(data)} photos, all "
            f"different, got {len(ids)} of which {len(set(ids))} are different."
        )
    return ids


def _check(photo: Tensor, boxes: Tensor, labels: Tensor, where: str) -> None:
    if photo.dtype != torch.uint8 or photo.ndim != 3 or len(photo) != 3:
        raise DigitsError(f"{where}: expected uint8 (3, H, W), RGB, got {_shape(photo)}.")
    whole = isinstance(boxes, Tensor) and isinstance(labels, Tensor)
    if not whole or boxes.shape != (len(labels), 4) or labels.dtype != torch.int64:
        raise DigitsError(
            f"{where}: expected boxes (N, 4) and int64 labels (N,), got {_shape(boxes)} and "
            f"{_shape(labels)}."
        )
    if len(labels) and not (labels.min() >= 1 and labels.max() < NUM_CLASSES):
        raise DigitsError(f"{where}: expected labels of the digit + 1, got {labels.tolist()}.")
    if not (boxes[:, 2:] > boxes[:, :2]).all():
        raise DigitsError(f"{where}: expected boxes of x1 < x2, y1 < y2, got {boxes.tolist()}.")


def _shape(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return type(value).__name__
