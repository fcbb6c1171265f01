"""What is written about the runs of a folder when they end: their curves, and the page."""

from pathlib import Path

from digits.report.curves import save_curves
from digits.report.page import write_page
from digits.report.runs import LOG, find_runs


def write_reports(folder: Path) -> dict[str, Path]:
    """Draw the curves of a run or a sweep, where any were logged, and write its report.

    Returns:
        The paths of both by name.

    Raises:
        DigitsError: as `write_page` and `find_runs`.
    """
    curves = {}
    if (folder / LOG).is_file() or any(folder.glob(f"*/{LOG}")):
        curves["curves"] = save_curves(folder / "curves.png", find_runs([folder]))
    return curves | {"report": write_page(folder)}
