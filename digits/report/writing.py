"""Write the curves and the report of a finished run or sweep."""

from pathlib import Path

from digits import outputs
from digits.report.curves import save_curves
from digits.report.page import write_page
from digits.report.runs import find_runs


def write_reports(folder: Path) -> dict[str, Path]:
    """Draw the curves of a run or a sweep, where any were logged, and write its report.

    Returns:
        The paths of both by name.

    Raises:
        DigitsError: as `write_page` and `find_runs`.
    """
    curves = {}
    if (folder / outputs.LOG).is_file() or any(folder.glob(f"*/{outputs.LOG}")):
        curves["curves"] = save_curves(folder / outputs.CURVES, find_runs([folder]))
    return curves | {"report": write_page(folder)}
