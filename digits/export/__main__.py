"""Export a model to one file that reads numbers without torch.

python -m digits.export small model.onnx
python -m digits.export outputs/train/.../best.ckpt model.xml photos=FOLDER

The file holds one pass of the detector, from photos of any size to boxes, scores and labels, the
recogniser, and what the reader was fitted to: `digits.load("model.onnx")`. It is written once it
has found and read what the checkpoint does, on drawn photos or those of photos=FOLDER.
"""

import argparse
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from digits import checkpoint, outputs, own_code
from digits.console import console, quiet
from digits.data.folder import PhotoFolder
from digits.data.synthetic import SyntheticDigits
from digits.ending import one_line_errors
from digits.ensemble.members import find_files
from digits.errors import DigitsError
from digits.export import convert
from digits.export.about import to_texts
from digits.export.check import compare
from digits.export.reader import ExportedReader
from digits.export.session import SUFFIXES, open_onnx, open_openvino
from digits.models.rcnn import DigitRCNN
from digits.reader import NumberReader
from digits.reading.base import without_texts
from digits.recognition.checkpoint import open_recognizers

_DRAWN_PHOTOS, _MAX_PHOTOS = 12, 500  # photos that the file is compared on: drawn, and of a folder
_OPTIONS = {
    "format": "onnx, or openvino for a .xml and a .bin; by default as the file is named",
    "photos": "folder of photos to compare on, by default drawn ones",
    "recognizer": "a recogniser's checkpoint, or none; by default as digits.load takes it",
    "trust": "module of a backbone of your own",
}


@one_line_errors
def main() -> None:
    """Convert, compare with torch, write."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.export", description="Write a model as one file that reads numbers."
    )
    parser.add_argument("checkpoint", help="best.ckpt of train.py or the folder of its run; small, "
                        "large or scratch")  # fmt: skip
    parser.add_argument("file", type=Path, help="model.onnx, or model.xml for OpenVINO")
    told = "; ".join(f"{key}: {text}" for key, text in _OPTIONS.items())
    parser.add_argument("options", nargs="*", default=[], metavar="KEY=VALUE", help=told)
    arguments = parser.parse_args()
    quiet()
    options = dict(map(_pair, arguments.options))
    path = _named(arguments.file, options.get("format"))
    found = find_files(arguments.checkpoint, outputs.BEST, "ckpt")
    if len(found) > 1:
        raise DigitsError(
            f"ckpt={arguments.checkpoint}: {len(found)} checkpoints; a file holds one, and fusion "
            "is not exported. Name one of them."
        )
    photos = _photos(options.get("photos"))
    export(
        found[0],
        path,
        photos,
        options.get("recognizer", "auto"),
        own_code.import_trusted(options.get("trust")),
    )


def export(
    ckpt: Path, path: Path, photos: list[Tensor], recognizer: str, trust: tuple[str, ...] = ()
) -> None:
    """Export a checkpoint, if the file reads the same as the checkpoint.

    Args:
        ckpt: the checkpoint.
        path: of the file; OpenVINO's where it ends in `.xml`.
        photos: to compare on, uint8 `(3, H, W)` each.
        recognizer: as in `digits.recognition.checkpoint.open_recognizers`; `none`.
        trust: modules whose functions the checkpoint may name as its backbone.

    Raises:
        DigitsError: a library is missing, or the file would read something else.
    """
    loaded, device = checkpoint.load(ckpt), torch.device("cpu")
    model = cast(DigitRCNN, loaded.rebuild(trust=trust))
    reader = loaded.rebuild_reader()
    named = None if recognizer == "none" else recognizer
    found = open_recognizers(named, [reader.state], device)
    reader = reader if found else without_texts(reader)
    theirs = NumberReader([model], reader, device, found)

    second = found[0] if found else None
    about = convert.describe(loaded, model, reader, second)
    network = convert.detector_to_onnx(model)
    rows = convert.recognizer_to_onnx(second).SerializeToString() if second else None
    is_xml = path.suffix == SUFFIXES["openvino"]
    detector, _ = (open_openvino if is_xml else open_onnx)(network.SerializeToString())
    ours = ExportedReader(detector, about, rows and open_onnx(rows)[0])
    pixels, scores, confidences = compare(ours, theirs, photos)
    write = convert.write_openvino if is_xml else convert.write_onnx
    write(network, path, to_texts(about, rows))
    console.print(
        f"{path}: {path.stat().st_size / 1e6:.1f} MB, detector, "
        f"{'recogniser' if second else 'no recogniser'} and reader.\n"
        f"On {len(photos)} photos as {ckpt}: the same numbers, boxes within {pixels:.1g} pixels, "
        f"scores within {scores:.1g}, confidences within {confidences:.1g}.\n"
        f'Next: digits.load("{path}").read("photo.jpg")'
    )


def _pair(item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals or key not in _OPTIONS:
        raise DigitsError(f"{item}: expected KEY=VALUE, one of {', '.join(_OPTIONS)}.")
    return key, value


def _named(file: Path, kind: str | None) -> Path:
    """The file to write, with the ending of its format."""
    if kind is None:
        kind = next((k for k, suffix in SUFFIXES.items() if file.suffix == suffix), None)
    if kind not in SUFFIXES:
        raise DigitsError(
            f"{file}: expected FILE.onnx or FILE.xml (OpenVINO), or format=onnx or openvino."
        )
    if file.suffix in SUFFIXES.values():
        return file.with_suffix(SUFFIXES[kind])
    return file.with_name(file.name + SUFFIXES[kind])  # model.v2 is not model


def _photos(folder: str | None) -> list[Tensor]:
    if folder is None:
        data: SyntheticDigits | PhotoFolder = SyntheticDigits(_DRAWN_PHOTOS)
    else:
        data = PhotoFolder(folder)
    photos = [data[i][0] for i in range(min(len(data), _MAX_PHOTOS))]
    if not (readable := [photo for photo in photos if photo.numel()]):
        raise DigitsError(f"photos={folder}: none of them can be read, so nothing to compare on.")
    return readable


if __name__ == "__main__":
    main()
