"""Log to metrics.csv, which a resumed run continues."""

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from digits import outputs
from digits.io import atomic_write

_EVERY = 100  # steps between two writings


class CsvLog(Logger):
    """Writes metrics.csv, a row per logged step; the file is whole at any time.

    Lightning's own deletes the file of the run that it continues.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.path = Path(folder) / outputs.LOG
        self._rows: list[dict[str, Any]] = []

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self.path.parent)

    def go_on(self, step: int) -> None:
        """Keep the rows of an earlier part of this run, up to the step that it goes on from."""
        if self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]
            self._rows = [row for row in rows if int(row["step"]) < step]

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """They are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        step = len(self._rows) if step is None else step
        plain = {k: v.item() if isinstance(v, Tensor) else v for k, v in metrics.items()}
        self._rows.append(plain | {"step": step})
        if (step + 1) % _EVERY == 0:
            self.save()

    @rank_zero_only
    def save(self) -> None:
        if not self._rows:
            return
        columns = sorted({name for row in self._rows for name in row})
        with atomic_write(self.path) as file:
            writer = csv.DictWriter(file, fieldnames=columns)
            writer.writeheader()
            writer.writerows(self._rows)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()
