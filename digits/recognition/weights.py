"""Weights that a recogniser starts from: PP-OCRv6's own, of rapidocr's wheel (extra `text`), or of
a training before.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from digits.errors import DigitsError
from digits.models.ppocr_weights import (
    layer_states,
    other_network_refused,
    packaged,
    read_onnx,
)
from digits.models.state import misfits
from digits.models.weights import read_state
from digits.recognition.network import PPOCRRecognizer, SmallRecognizer, keep_digits
from digits.resources import RECOGNIZER

_CHARACTERS = 18710  # blank, 18,708 characters and the space


def ppocr_recognizer(weights: str = "ppocr", dropout: float = 0.0) -> PPOCRRecognizer:
    """PP-OCRv6's recogniser, its head cut to blank and ten digits.

    Args:
        weights: `ppocr` (of the installed rapidocr), `none`, a recogniser's checkpoint, or a
            network in ONNX form (path).
        dropout: (probability) before the head, in training.

    Raises:
        DigitsError: rapidocr or onnx is missing, or the file holds another network.
    """
    if weights == "none":
        return PPOCRRecognizer(dropout=dropout)
    setting = "recognizer.network.weights"
    if weights == "ppocr":
        path = packaged(setting, f"recognition=small or {setting}={RECOGNIZER}")
    else:
        path = _file(weights, "ppocr, none or a file")
    if path.suffix != ".onnx":
        network = PPOCRRecognizer(dropout=dropout)
        _load(network, path)
        return network
    network = PPOCRRecognizer(_CHARACTERS, dropout)
    keep_digits(network, load_recognizer(network, path))
    return network


def small_recognizer(
    weights: str = "none", widths: Sequence[int] = (16, 48, 96, 160), dropout: float = 0.1
) -> SmallRecognizer:
    """A few convolutions, trained from scratch: see `SmallRecognizer`.

    Args:
        weights: `none`, or a recogniser's checkpoint (path).
        widths: channels of its stem and stages.
        dropout: (probability) before the head, in training.

    Raises:
        DigitsError: the file holds another network.
    """
    network = SmallRecognizer(widths, dropout)
    if weights != "none":
        _load(network, _file(weights, "none or a file"))
    return network


def _file(weights: str, expected: str) -> Path:
    path = Path(weights)
    if not path.is_file():
        raise DigitsError(f"recognizer.network.weights={weights}: expected {expected}.")
    return path


def _load(network: nn.Module, path: Path) -> None:
    """Load what a training before has taught a network of the same make."""
    state = read_state(path)
    if reason := misfits(state, network):
        raise DigitsError(f"recognizer.network.weights={path}: another network ({reason}).")
    network.load_state_dict(state)


def load_recognizer(network: PPOCRRecognizer, path: Path) -> list[int]:
    """Load a recogniser in ONNX form, each layer's weights in the order of their use.

    Args:
        network: with the head of all characters.
        path: of the file.

    Returns:
        The head's classes of the digits 0 to 9.

    Raises:
        DigitsError: onnx is missing, or the file holds another network.
    """
    with other_network_refused(path):
        model = read_onnx(path)
        texts = {item.key: item.value for item in model.metadata_props}
        characters = ["", *texts["character"].split("\n")]  # class 0 is the blank
        for layer, (_, state) in zip(_layers(network), layer_states(model.graph), strict=True):
            layer.load_state_dict(state, strict=False)
        with torch.no_grad():  # PP-OCR reads blue first, the project red first
            first = next(network.stem.parameters())
            first.copy_(first.flip(1))
        return [characters.index(digit) for digit in "0123456789"]


def _layers(network: PPOCRRecognizer) -> Iterator[nn.Module]:
    """Layers with weights, in the order in which PP-OCR uses them."""
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.LayerNorm, nn.Linear)
    return (module for module in network.modules() if isinstance(module, kinds))
