"""Convert a data set of another layout to the course's.

`python -m digits.data.convert IN OUT` reads what `data=coco data.root=IN` reads (Roboflow's COCO
export, a YOLO folder, the course's layout) and writes OUT/train/, OUT/train.json and so on. Photos
are named by their ids and linked where IN and OUT are on one disk, otherwise copied.
"""

import argparse
import os
import shutil
from pathlib import Path

from digits.console import console
from digits.data.annotated import AnnotatedPhotos
from digits.data.coco import has_split, open_split
from digits.data.writing import CocoWriter, new_folder
from digits.ending import one_line_errors

SPLITS = ("train", "valid", "test")


def convert(root: str, out: Path) -> dict[str, AnnotatedPhotos]:
    """Write every split of a data set in the course's layout.

    Args:
        root: the data set, as `data.root` of `data=coco`.
        out: folder to make.

    Returns:
        The splits that were there, by name.

    Raises:
        DigitsError: as `open_split` and `new_folder`; no split at all.
    """
    splits = {split: open_split(split, root) for split in SPLITS if has_split(split, root)}
    if not splits:
        open_split("train", root)  # says what was expected
    with new_folder(out) as folder:
        for split, data in splits.items():
            _write(data, folder, split)
    return splits


def _write(data: AnnotatedPhotos, root: Path, split: str) -> None:
    (root / split).mkdir()
    writer = CocoWriter()
    for index, path in enumerate(data.paths):
        target = data.target(index)
        name = f"{target['image_id']}{os.path.splitext(path)[1].lower()}"
        _link(path, root / split / name)
        writer.add(target, name, *data.size(index))
    if data.labelled:
        writer.write(root / f"{split}.json")


def _link(source: str, path: Path) -> None:
    source = os.path.realpath(source)
    try:
        os.link(source, path)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, path)


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    """Convert, and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m digits.data.convert", description=__doc__)
    parser.add_argument("data", metavar="IN", help="data set: Roboflow COCO, YOLO or the course's")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to make")
    options = parser.parse_args(arguments)
    for split, data in convert(options.data, options.out).items():
        labels = f"{data.box_count:,} digits" if data.labelled else "no labels"
        console.print(f"{split:6} {len(data):,} photos, {labels}")
    command = f"python train.py data=coco data.root={options.out}"
    console.print(f"{options.out}: written. Train on it: {command}")


if __name__ == "__main__":
    main()
