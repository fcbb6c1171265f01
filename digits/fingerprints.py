"""Digests of weights, settings, photos and labels, to detect changes."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from digits.types import PhotoDataset, Target, target_number

if TYPE_CHECKING:
    from torch import Tensor

_SAMPLED_PHOTOS = 32  # photos whose pixels tell data sets apart
_LISTED_PHOTOS = 500  # photos whose names and sizes do


def of_data(content: object) -> str:
    """16 hexadecimal digits of plain data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def of_weights(state: "Mapping[str, Tensor]") -> str:
    """sha256 of a state dict, whatever else lies in its file."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def of_photos(data: PhotoDataset) -> str:
    """Of all ids and names, of the files' sizes and times, and of the pixels of some photos."""
    names = [(int(image_id), data.file_name(n)) for n, image_id in enumerate(data.image_ids)]
    stats = [os.stat(path) if os.path.exists(path) else None for path in data.paths]  # links
    files = [stat and (stat.st_size, stat.st_mtime_ns) for stat in stats]
    pixels = []
    for index in np.linspace(0, len(data) - 1, min(len(data), _SAMPLED_PHOTOS)).astype(int):
        photo, _ = data[int(index)]
        pixels.append([tuple(photo.shape), hashlib.sha256(photo.numpy().tobytes()).hexdigest()])
    return of_data([names, files, pixels])


def of_listing(data: PhotoDataset) -> str:
    """Of how many photos there are, and of some names and sizes; their pixels are not read."""
    places = np.linspace(0, len(data) - 1, min(len(data), _LISTED_PHOTOS)).astype(int).tolist()
    return of_data([len(data), [(data.file_name(n), data.size(n)) for n in places]])


def of_targets(targets: Sequence[Target]) -> str:
    """Of labelled photos: ids, true digits and their boxes.

    Without the boxes the same photos from further away (`digits.data.distant`) would be the same.
    """
    rows = sorted(
        (int(t["image_id"]), target_number(t), t["boxes"].round().int().flatten().tolist())
        for t in targets
    )
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
