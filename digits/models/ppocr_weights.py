"""PP-OCRv6's weights, from the wheel of rapidocr (the extra `text`, with onnx); torch only."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from digits.errors import DigitsError

FILE = "PP-OCRv6_rec_small.onnx"
# Our photos x in 0..1 arrive as (x - mean) / std, RGB; PP-OCR expects 2 x - 1, BGR.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def packaged() -> Path:
    """The file of PP-OCRv6's recognition network in the installed rapidocr.

    Raises:
        DigitsError: rapidocr is missing, or has no such file.
    """
    spec = importlib.util.find_spec("rapidocr")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "models" / FILE
        if path.is_file():
            return path
    found = "rapidocr is not installed" if spec is None else f"this rapidocr has no {FILE}"
    raise DigitsError(
        f"backbone.weights=ppocr: {found}; pip install -e '.[text]', or say "
        "backbone.weights=none or backbone.weights=FILE."
    )


def load_ppocr(modules: Sequence[nn.Module], path: Path) -> None:
    """Load the convolutions of a recognition network from ONNX, in the order of their use.

    Args:
        modules: the network's first modules; later convolutions of the file are not loaded.
        path: of the file.

    Raises:
        DigitsError: onnx is missing, or the file holds another network.
    """
    try:
        import onnx
    except ImportError as error:
        raise DigitsError("backbone.weights=ppocr needs onnx: pip install -e '.[text]'.") from error
    graph = onnx.load(path).graph
    arrays = {i.name: torch.tensor(onnx.numpy_helper.to_array(i)) for i in graph.initializer}
    biases = {
        node.input[0]: arrays[node.input[1]].flatten()
        for node in graph.node
        if node.op_type == "Add" and node.input[1] in arrays
    }
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    layers = [m for module in modules for m in module.modules() if isinstance(m, nn.Conv2d)]
    try:
        for layer, node in zip(layers, nodes[: len(layers)], strict=True):
            state = {"weight": arrays[node.input[1]], "bias": biases[node.output[0]]}
            layer.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        raise DigitsError(
            f"{path}: not the network of {FILE}; pip install 'rapidocr>=3.10,<4'."
        ) from error
    _fold_normalisation(layers[0])


@torch.no_grad()
def _fold_normalisation(first: nn.Conv2d) -> None:
    """Fold the conversion between the two normalisations into the first layer."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (_MEAN, _STD))
    kernel = first.weight.flip(1)
    first.weight.copy_(kernel * 2 * std)
    assert first.bias is not None
    first.bias += (kernel * (2 * mean - 1)).sum((1, 2, 3))
