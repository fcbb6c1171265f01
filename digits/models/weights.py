"""Load pretrained weights, by name from torchvision or from a file, without unpickling code."""

from pathlib import Path
from urllib.error import URLError

import torch
from torch import nn
from torchvision.models import WeightsEnum

from digits.errors import DigitsError
from digits.models.state import State, check_finite, to_state
from digits.torch_files import load_plain


def pretrained(
    weights: str,
    body: nn.Module,
    imagenet: WeightsEnum | None = None,
    coco: WeightsEnum | None = None,
    other_names: tuple[str, ...] = (),
) -> State | None:
    """Load ImageNet weights into a feature extractor, or fetch a whole detector's.

    Args:
        weights: `coco`, `imagenet`, `none`, or a file with a detector's state.
        body: the feature extractor.
        imagenet: torchvision's weights of the body, where there are any.
        coco: torchvision's weights of the detector, where there are any.
        other_names: further names that the backbone's builder takes, for the error message.

    Returns:
        The state of a whole detector for `coco` or a file, else None.

    Raises:
        DigitsError: no such weights, a failed download, or a file that is not a state dict.
    """
    if weights == "none":
        return None
    if weights == "imagenet" and imagenet is not None:
        body.load_state_dict(_download(imagenet), strict=False)  # group norm has no statistics
        return None
    if weights == "coco" and coco is not None:
        return _download(coco)
    path = Path(weights)
    if not path.is_file():
        known = {"coco": coco, "imagenet": imagenet, "none": True}
        names = ", ".join((*other_names, *(name for name, there in known.items() if there)))
        raise DigitsError(
            f"backbone.weights={weights}: expected one of {names}, or an existing file."
        )
    return read_state(path)


def read_state(path: Path) -> State:
    """Read a state dict from a torch file: torchvision's, ours, or a bare one.

    Raises:
        DigitsError: not a torch file of plain tensors, or some that are not finite.
    """
    content = load_plain(path)
    wrapped = isinstance(content, dict) and "state_dict" in content
    state = to_state(content["state_dict"] if wrapped else content, str(path))
    check_finite(state, str(path))
    return state


def load_detector_state(model: nn.Module, state: State) -> list[str]:
    """Load those weights of a trained detector that have the same shape here.

    The class predictor (91 classes in COCO, 11 here) and, where the number of anchors differs,
    the proposal head keep their random initialisation.

    Returns:
        The names of the tensors that keep it.

    Raises:
        DigitsError: the file fits another network (fewer than half of the names match).
    """
    own = model.state_dict()
    # Unknown names go along: torchvision's modules rename old ones while loading.
    fitting = {k: v for k, v in state.items() if k not in own or own[k].shape == v.shape}
    missing = model.load_state_dict(fitting, strict=False).missing_keys
    counts = [name for name in own if name.endswith("num_batches_tracked")]
    random = sorted(set(missing) - set(counts))
    total = len(own) - len(counts)
    if len(random) > total / 2:
        raise DigitsError(
            f"The weights fit another network: {total - len(random)} of {total} tensors match by "
            "name and shape; choose the backbone that they were trained with."
        )
    return random


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
