"""Shared parts of the commands that derive a data set from a split of another."""

import argparse
from collections.abc import Callable
from pathlib import Path

from digits.console import console
from digits.data.coco import open_split
from digits.data.writing import write_splits
from digits.errors import DigitsError
from digits.types import PhotoDataset


def parser(command: str, description: str | None) -> argparse.ArgumentParser:
    """Arguments `data`, `out`, `--split` and `--seed` of `python -m COMMAND`."""
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    parser.add_argument("data", help="data set, as data.root of data=coco")
    parser.add_argument("out", type=Path, help="folder to make; it must not exist, or be empty")
    parser.add_argument("--split", default="valid", help="a labelled one")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def write(options: argparse.Namespace, change: Callable[[PhotoDataset], PhotoDataset]) -> None:
    """Write the changed split, and print the command that reads it.

    Args:
        options: of `parser`.
        change: the split to what is written.

    Raises:
        DigitsError: not the name of a labelled split, or a data set that cannot be read or written.
    """
    out, split = options.out, options.split
    if split != Path(split).name:
        raise DigitsError(f"--split {split}: expected the name of a split.")
    data = open_split(split, options.data)
    if not data.labelled:
        raise DigitsError(
            f"--split {split}: expected a labelled split; {options.data} has no boxes of it."
        )
    write_splits(out, {split: change(data)}, unlabelled="")
    command = f"python predict.py data=coco data.root={out} split={split}"
    console.print(f"{out}: written. Read it: {command}")
