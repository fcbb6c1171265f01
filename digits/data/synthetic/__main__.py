"""Write synthetic photos as a data set in the course's layout.

python -m digits.data.synthetic OUT --count 10000
python -m digits.data.synthetic OUT --count 400 --bare
"""

import argparse
from pathlib import Path

from digits.console import console
from digits.data.synthetic.bare import BareHouses
from digits.data.synthetic.dataset import write
from digits.data.writing import write_splits
from digits.ending import one_line_errors


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    """Write train, and a tenth as many photos for valid and test."""
    parser = argparse.ArgumentParser(prog="python -m digits.data.synthetic", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to make; it must not exist, or be empty")
    parser.add_argument("--count", type=int, required=True, help="photos in train")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another data set")
    parser.add_argument("--bare", action="store_true", help="walls without a number, as test alone")
    options = parser.parse_args(arguments)
    if options.bare:
        write_splits(options.out, {"test": BareHouses(options.count, options.seed)})
        command = f"python predict.py photos={options.out}/test"
        console.print(f"{options.out}: written. Read it: {command}")
        return
    write(options.out, options.count, options.seed)
    command = f"python train.py data=coco data.root={options.out}"
    console.print(f"{options.out}: written. Train on it: {command}")


if __name__ == "__main__":
    main()
