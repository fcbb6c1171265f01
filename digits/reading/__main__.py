"""Compare all readers on stored detections, without a model.

python -m digits.reading detections.json --labels valid.json [--picture coverage.png] [--ablate]
"""

import argparse
from pathlib import Path

from rich.table import Table

from digits.console import console
from digits.detections import read_detections
from digits.ending import one_line_errors
from digits.errors import DigitsError
from digits.evaluation.plots import save_coverage
from digits.io import png_path
from digits.reading.compare import Row, ablation, advantages, compare, rescaled
from digits.reading.labels import read_targets_of


@one_line_errors
def main() -> None:
    """Print the table of rules, as the scores are and rescaled as by a fusion."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.reading", description="Compare all readers, without a model."
    )
    parser.add_argument("detections", type=Path, help="detections.json of predict.py")
    parser.add_argument("--labels", type=Path, required=True, help="COCO JSON of the same photos")
    parser.add_argument("--rescale", type=float, default=0.3, help="also with all scores x this")
    parser.add_argument("--picture", type=png_path, help="save the coverage curves here")
    parser.add_argument("--ablate", action="store_true", help="what each evidence is worth")
    options = parser.parse_args()
    if not 0 < options.rescale <= 1:
        raise DigitsError(f"--rescale {options.rescale}: expected a factor in (0, 1].")

    _, records = read_detections(options.detections)
    targets = read_targets_of(records, options.labels)
    rows = compare(records, targets)
    _print(f"{len(records)} photos of {options.labels}", rows)
    if options.rescale < 1:
        scaled = compare(rescaled(records, options.rescale), targets)
        _print(f"all scores x {options.rescale:g}", scaled)
    if options.ablate:
        table = Table(title="calibrated, cross-fitted, without", title_justify="left")
        for name in ("evidence", "accuracy", "nats per photo"):
            table.add_column(name, justify="left" if name == "evidence" else "right")
        for name, (accuracy, loss) in ablation(records, targets).items():
            table.add_row(name, f"{accuracy:.3f}", f"{loss:.4f}")
        console.print(table)
    if options.picture:
        curves = {row.name: (row.confidence, row.right) for row in rows}
        console.print(f"picture: {save_coverage(options.picture, curves)}")


def _print(title: str, rows: list[Row]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("reading")
    for name in ("accuracy (95 %)", "calibration error (by chance)", "coverage at 98 %"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row.cells())
    console.print(table)
    for line in advantages(rows):
        console.print(line)


if __name__ == "__main__":
    main()
