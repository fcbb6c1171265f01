"""PP-OCRv6's weights, from the wheel of rapidocr (the extra `text`, with onnx); torch only."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digits.errors import DigitsError

FILE = "PP-OCRv6_rec_small.onnx"
# Our photos x in 0..1 arrive as (x - mean) / std, RGB; PP-OCR expects 2 x - 1, BGR.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def packaged(
    setting: str = "backbone.weights",
    instead: str = "backbone.weights=none or backbone.weights=FILE",
) -> Path:
    """The file of PP-OCRv6's recognition network in the installed rapidocr.

    Args:
        setting: that asks for it, for the error message.
        instead: settings that need no rapidocr, likewise.

    Raises:
        DigitsError: rapidocr is missing, or has no such file.
    """
    spec = importlib.util.find_spec("rapidocr")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "models" / FILE
        if path.is_file():
            return path
    found = "rapidocr is not installed" if spec is None else f"this rapidocr has no {FILE}"
    raise DigitsError(f"{setting}=ppocr: {found}; pip install -e '.[text]', or say {instead}.")


def load_ppocr(modules: Sequence[nn.Module], path: Path) -> None:
    """Load the convolutions of a recognition network from ONNX, in the order of their use.

    Args:
        modules: the network's first modules; later convolutions of the file are not loaded.
        path: of the file.

    Raises:
        DigitsError: onnx is missing, or the file holds another network.
    """
    layers = [m for module in modules for m in module.modules() if isinstance(m, nn.Conv2d)]
    with other_network_refused(path):
        states = (state for kind, state in layer_states(read_onnx(path).graph) if kind == "Conv")
        for layer in layers:
            layer.load_state_dict(next(states))
    _fold_normalisation(layers[0])


def read_onnx(path: Path) -> Any:
    """The `onnx.ModelProto` in a file.

    Raises:
        DigitsError: onnx is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise DigitsError("PP-OCR's network needs onnx: pip install -e '.[text]'.") from error
    return onnx.load(path)


def layer_states(graph: Any) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The weights of each convolution, normalisation and linear layer, in the order of their use.

    Args:
        graph: of an `onnx.ModelProto`.

    Yields:
        Operator type and state dict of a layer.
    """
    from onnx.numpy_helper import to_array

    arrays = {i.name: torch.tensor(to_array(i)) for i in graph.initializer}
    users = {node.input[0]: node for node in graph.node if node.op_type in ("Add", "Mul")}

    def added(name: str) -> dict[str, Tensor]:
        """The constant that is added to a result, if one is."""
        user = users.get(name)
        found = user is not None and user.op_type == "Add" and user.input[1] in arrays
        return {"bias": arrays[user.input[1]].flatten()} if found and user else {}

    for node in graph.node:
        weights = [arrays[name] for name in node.input if name in arrays]
        kind = node.op_type
        if kind == "Conv":
            yield kind, {"weight": weights[0], **added(node.output[0])}
        elif kind == "BatchNormalization":
            names = ("weight", "bias", "running_mean", "running_var")
            yield kind, dict(zip(names, weights, strict=True))
        elif kind == "MatMul" and weights:
            yield kind, {"weight": weights[0].T, **added(node.output[0])}
        elif kind == "Mul" and weights and weights[0].ndim == 1 and len(weights[0]) > 1:
            yield kind, {"weight": weights[0], **added(node.output[0])}


@contextmanager
def other_network_refused(path: Path) -> Iterator[None]:
    """Turn what loading the file of another network raises into one line.

    Raises:
        DigitsError: names the file and the network expected.
    """
    try:
        yield
    except (KeyError, RuntimeError, StopIteration, ValueError) as error:
        raise DigitsError(
            f"{path}: not the network of {FILE}; pip install 'rapidocr>=3.10,<4'."
        ) from error


@torch.no_grad()
def _fold_normalisation(first: nn.Conv2d) -> None:
    """Fold the conversion between the two normalisations into the first layer."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (_MEAN, _STD))
    kernel = first.weight.flip(1)
    first.weight.copy_(kernel * 2 * std)
    assert first.bias is not None
    first.bias += (kernel * (2 * mean - 1)).sum((1, 2, 3))
