"""Convert a checkpoint to ONNX, and that to OpenVINO."""

import shutil
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from digits.checkpoint import Checkpoint
from digits.errors import DigitsError
from digits.export.about import About
from digits.export.network import OnePass
from digits.export.seal import seal
from digits.export.session import needed
from digits.io import partial_path
from digits.models.rcnn import DigitRCNN
from digits.reading import Reader
from digits.recognition.recognizer import Recognizer

_OPSET = 17

Axes = Mapping[str, Mapping[int, str]]
"""Of inputs and outputs, the axes of any size and what each is called."""


class _Frames(nn.Module):
    """Crops to log-probabilities, as `digits.recognition.asking.Network`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        logits: Tensor = self.network(crops)
        return logits.log_softmax(-1)


def detector_to_onnx(model: DigitRCNN) -> Any:
    """One pass of a detector (`digits.export.network.OnePass`), an `onnx.ModelProto`."""
    photos = torch.randint(0, 256, (2, 3, 54, 120), dtype=torch.uint8)
    outputs = ("boxes", "scores", "labels")
    axes = {"photos": {0: "N", 2: "H", 3: "W"}} | {name: {0: "N"} for name in outputs}
    inputs = {"photos": photos, "enlargement": torch.tensor(1.0)}
    return to_onnx(OnePass(model).eval(), inputs, axes, outputs)


def recognizer_to_onnx(recognizer: Recognizer) -> Any:
    """A recogniser's network, an `onnx.ModelProto`."""
    crops = torch.randint(0, 256, (2, 3, 48, 96), dtype=torch.uint8)
    axes = {"crops": {0: "N", 3: "W"}, "frames": {0: "N", 1: "T"}}
    return to_onnx(_Frames(recognizer.network).eval(), {"crops": crops}, axes, ("frames",))


def describe(
    loaded: Checkpoint, model: DigitRCNN, reader: Reader, recognizer: Recognizer | None
) -> About:
    """The description of an exported checkpoint.

    Args:
        loaded: the checkpoint.
        model: the detector.
        reader: of its numbers.
        recognizer: that goes into the file.
    """
    return About(
        versions=loaded.description["versions"],
        min_size=model.transform.min_size[-1],
        zoom=model.zoom,
        reading=loaded.config["reading"],
        reader=reader.state,
        crops=recognizer.options if recognizer else None,
    )


def to_onnx(
    network: nn.Module, inputs: Mapping[str, Tensor], axes: Axes, outputs: Sequence[str]
) -> Any:
    """A network as an `onnx.ModelProto`.

    By torch's exporter that traces: sizes are computed inside the graph, from which `torch.export`,
    the newer one, cannot tell shapes.

    Args:
        network: in evaluation mode; it is left as it is.
        inputs: examples by name.
        axes: see `Axes`.
        outputs: names.

    Raises:
        DigitsError: onnx is not installed, or the network has parts that cannot be exported.
    """
    onnx, network = needed("onnx"), _with_free_sizes(network)
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        file = f"{folder}/model.onnx"
        warnings.simplefilter("ignore")  # of tracing: what is constant here is meant to be
        try:
            torch.onnx.export(
                network, tuple(inputs.values()), file, dynamo=False, opset_version=_OPSET,
                input_names=list(inputs), output_names=list(outputs),
                dynamic_axes={name: dict(own) for name, own in axes.items()},
            )  # fmt: skip
        except OSError as error:
            raise DigitsError(
                f"{file}: cannot be written ({error.strerror}); free some space, or say another "
                "place by TMPDIR."
            ) from error
        except Exception as error:  # of the exporter, and of what it calls
            reason = str(error).partition("\n")[0][:300]
            raise DigitsError(f"This network cannot be written as ONNX: {reason}") from error
        model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    return model


def _with_free_sizes(network: nn.Module) -> nn.Module:
    """A copy whose means of whole maps are torch's own: those of ours fix the size when traced."""
    network = deepcopy(network)
    for part in list(network.modules()):
        for name, layer in part.named_children():
            if isinstance(layer, nn.AdaptiveAvgPool2d):
                setattr(part, name, nn.AdaptiveAvgPool2d(layer.output_size))
    return network


def write_onnx(model: Any, path: Path, texts: Mapping[str, str]) -> None:
    """Write an `onnx.ModelProto` with texts about it; it is there only when it is whole."""
    onnx = needed("onnx")
    onnx.helper.set_model_props(model, dict(texts))
    with partial_path(path) as partial:
        onnx.save(model, str(partial))
        seal(partial)


def write_openvino(model: Any, path: Path, texts: Mapping[str, str]) -> None:
    """The same as OpenVINO's two files, `path` and a `.bin` beside it.

    Raises:
        DigitsError: openvino is not installed.
    """
    openvino = needed("openvino")
    network = openvino.Core().read_model(model.SerializeToString())
    for key, value in texts.items():
        network.set_rt_info(value, key)
    with TemporaryDirectory() as folder:
        openvino.serialize(network, f"{folder}/model.xml", f"{folder}/model.bin")
        seal(Path(folder, "model.xml"), Path(folder, "model.bin"))
        for suffix in (".bin", ".xml"):
            with partial_path(path.with_suffix(suffix)) as partial:
                shutil.copyfile(f"{folder}/model{suffix}", partial)
