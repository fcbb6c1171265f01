"""Write report.html into folders of outputs.

python -m digits.report FOLDER [...]

A folder is that of a run, a prediction, a fusion or a sweep.
"""

import argparse
from pathlib import Path

from digits.console import console
from digits.ending import one_line_errors
from digits.report.page import write_page


@one_line_errors
def main() -> None:
    """Write the report of each folder."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.report", description="Write report.html into folders of outputs."
    )
    parser.add_argument(
        "folders", type=Path, nargs="+", help="of runs, predictions, fusions or sweeps"
    )
    for folder in parser.parse_args().folders:
        console.print(f"report: {write_page(folder)}")


if __name__ == "__main__":
    main()
