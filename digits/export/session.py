"""Run exported files by ONNX Runtime or OpenVINO, without torch."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from digits.errors import DigitsError
from digits.export.about import KEYS
from digits.export.seal import check_seal
from digits.shapes import check_file

Run = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]
"""Inputs by name to the outputs, in their order."""

_MAX_BYTES = 4 << 30  # bytes of a file
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}


def needed(library: str) -> Any:
    """Import a library that exported files need.

    Raises:
        DigitsError: it is not installed.
    """
    try:
        return import_module(library)
    except ImportError as error:
        raise DigitsError(
            f"Exported files need {library}: pip install {library}, or -e '.[export]' for all."
        ) from error


def open_session(path: Path, threads: int = 0) -> tuple[Run, dict[str, str]]:
    """A file by the library of its format; see `open_onnx`.

    Raises:
        DigitsError: as `open_onnx`; no such file; one that is not what was written.
    """
    check_file(path, _MAX_BYTES)
    if path.suffix.lower() != SUFFIXES["openvino"]:
        check_seal(path)
        return open_onnx(path, threads)
    weights = path.with_suffix(".bin")
    check_file(weights, _MAX_BYTES)
    check_seal(path, weights)
    return open_openvino(path, threads)


def open_onnx(model: Path | bytes, threads: int = 0) -> tuple[Run, dict[str, str]]:
    """An ONNX file, or its content, and what it says of itself.

    Args:
        model: the file, or its bytes.
        threads: that it runs on; 0: as many as there are cores.

    Raises:
        DigitsError: onnxruntime is not installed, or cannot read the file.
    """
    onnxruntime = needed("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # onnxruntime's have no common type
        raise DigitsError(
            f"{_name(model)}: not an ONNX file that can be read ({error})."
        ) from error
    return lambda feeds: session.run(None, dict(feeds)), session.get_modelmeta().custom_metadata_map


def open_openvino(model: Path | bytes, threads: int = 0) -> tuple[Run, dict[str, str]]:
    """The same by OpenVINO: of its own files, or of ONNX.

    Raises:
        DigitsError: OpenVINO is not installed, or cannot read the file.
    """
    openvino = needed("openvino")
    core = openvino.Core()
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        network = core.read_model(model)
        compiled = core.compile_model(network, "CPU", settings)
    except Exception as error:  # OpenVINO's are RuntimeErrors, and those of pybind
        raise DigitsError(
            f"{_name(model)}: not a file that OpenVINO can read ({error})."
        ) from error
    info = network.get_rt_info()
    known = {key: str(info[key].value) for key in KEYS if key in info}

    def run(feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        found = compiled(dict(feeds))
        return [found[output] for output in compiled.outputs]

    return run, known


def _name(model: Path | bytes) -> str:
    return "a part of the file" if isinstance(model, bytes) else str(model)
