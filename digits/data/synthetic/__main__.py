"""Write synthetic photos as a data set in the course's layout.

python -m digits.data.synthetic OUT --count 10000
"""

import argparse
import sys
from pathlib import Path

from digits.data.synthetic.dataset import write
from digits.errors import DigitsError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m digits.data.synthetic", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to make; it must not exist, or be empty")
    parser.add_argument("--count", type=int, required=True, help="photos in train")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another data set")
    options = parser.parse_args(arguments)
    try:
        write(options.out, options.count, options.seed)
    except DigitsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out}: written. Train on it: python train.py data=coco data.root={options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
