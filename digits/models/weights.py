"""Pretrained weights: by name from torchvision, or from a file; never unpickled."""

import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from digits.errors import DigitsError

State = dict[str, Tensor]


def load_backbone_weights(body: nn.Module, weights: WeightsEnum) -> None:
    """Load torchvision's ImageNet weights into a feature extractor."""
    body.load_state_dict(_download(weights))


def load_coco_weights(weights: str, coco: WeightsEnum | None) -> State | None:
    """The state of a whole detector for `coco` or a file; `None` for `imagenet` and `none`.

    Raises:
        DigitsError: no such weights, a failed download, or a file that is not a state dict.
    """
    if weights == "coco" and coco is not None:
        return _download(coco)
    if weights == "none" or (weights == "imagenet" and coco is not None):
        return None
    path = Path(weights)
    if not path.is_file():
        names = "coco, imagenet, none" if coco is not None else "none"
        raise DigitsError(
            f"backbone.weights={weights}: expected one of {names}, or an existing file."
        )
    return read_state(path)


def read_state(path: Path) -> State:
    """Read a state dict from a torch file: torchvision's, ours, or a bare one.

    Raises:
        DigitsError: not a torch file of plain tensors.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DigitsError(f"{path}: not a torch file of plain tensors ({reason}).") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise DigitsError(f"{path}: expected a state dict (names to tensors).")
    return {name.removeprefix("model."): value for name, value in state.items()}


def load_detector_state(model: nn.Module, state: State) -> list[str]:
    """Load a trained detector's weights, all but what has another shape here.

    The class predictor (91 classes in COCO, 11 here) and, where the number of anchors differs,
    the proposal head start afresh.

    Returns:
        The names of the parameters that start afresh.

    Raises:
        DigitsError: the file fits another network (fewer than half of the names match).
    """
    own = model.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if len(fitting) < len(own) / 2:
        raise DigitsError(
            f"The weights fit another network: {len(fitting)} of {len(own)} tensors match by name "
            "and shape; choose the backbone that they were trained with."
        )
    model.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


def _download(weights: WeightsEnum) -> State:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(weights.url).name
    try:
        state: State = weights.get_state_dict(progress=True, check_hash=True)
        return state
    except (URLError, OSError, RuntimeError) as error:
        raise DigitsError(
            f"Cannot fetch {weights.url} ({error}). Put that file at {file}, or say "
            "backbone.weights=none (from scratch) or backbone.weights=FILE."
        ) from error
