"""Rebuild the table and the report of a sweep, and print the table.

python -m digits.sweep DIR

`DIR` is any folder of run directories: a sweep's, or `outputs/train`.
"""

import argparse
from pathlib import Path

from digits.ending import one_line_errors
from digits.errors import DigitsError
from digits.sweep.table import show_sweep


@one_line_errors
def main() -> None:
    """Rebuild the table and the report of a sweep."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.sweep", description="Rebuild the table and the report of a sweep."
    )
    parser.add_argument("folder", type=Path, help="of the sweep: it holds a folder per job")
    folder = parser.parse_args().folder
    if not any(folder.glob("*/.hydra/overrides.yaml")):
        raise DigitsError(
            f"{folder}: no jobs in it; expected the folder of a sweep, such as "
            "outputs/train/..., with a run directory of train.py per job."
        )
    show_sweep(folder)


if __name__ == "__main__":
    main()
