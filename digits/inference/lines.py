"""Print a line per photo: for people, or as JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Mapping

from rich.cells import cell_len
from rich.text import Text

from digits.console import console, printable
from digits.errors import DigitsError
from digits.inference.results import PhotoResult
from digits.types import NO_NUMBER

_MAX_SHOWN = 1000  # of more photos only the doubtful ones are shown as they are read
_MAX_DOUBTFUL = 20  # photos to check
_MAX_LABELLED = 40  # photos of a labelled split
_NAME_WIDTH, _NUMBER_WIDTH = 34, 8  # columns
_MAX_NAME_WIDTH = 72  # that longer names widen the first one to


class Lines:
    """Shows photos as they are read, and at the end those to check.

    Photos whose true numbers are known are shown at the end alone: the wrong ones first, the
    surest of them first, since those are the most instructive.

    Args:
        count: of photos.
    """

    def __init__(self, count: int) -> None:
        self._every = count <= _MAX_SHOWN
        self._width = _NAME_WIDTH
        self._known: list[PhotoResult] = []
        self._doubtful: list[PhotoResult] = []
        self._counts = {"photos": 0, "doubtful": 0, "wrong": 0}

    def add(self, result: PhotoResult) -> None:
        """Show a photo; or keep it, where its true number is known."""
        self._counts["photos"] += 1
        self._counts["doubtful"] += not result.accepted
        if result.truth is not None:
            self._counts["wrong"] += not result.right
            self._known = _first([*self._known, result], _MAX_LABELLED)
            return
        if not result.accepted:
            self._doubtful = _first([*self._doubtful, result], _MAX_DOUBTFUL)
        if self._every or not result.accepted:
            self._print(result)

    def close(self) -> None:
        """Show what to check, or how the numbers compare with the true ones."""
        photos, doubtful, wrong = self._counts.values()
        if self._known:
            console.print(
                f"{wrong} of {photos} numbers are wrong, the surest of them first:"
                if wrong
                else f"{photos} of {photos} numbers are right, the least sure first:"
            )
            shown, left = self._known, photos - len(self._known)
        elif doubtful and not (self._every and doubtful == photos):  # all of them were shown
            console.print(f"To check, {doubtful} of {photos}, the least sure first:")
            shown, left = self._doubtful, doubtful - len(self._doubtful)
        else:
            return
        for result in shown:
            self._print(result)
        if left:
            console.print(f"  and {left} more: numbers.csv")

    def _print(self, result: PhotoResult) -> None:
        self._width = max(self._width, min(_name_width(result) + 1, _MAX_NAME_WIDTH))
        console.print(line(result, self._width))

    def unreadable(self, reasons: Mapping[str, str]) -> None:
        """Nothing: the error at the end names them."""


class JsonLines:
    """Writes each photo as a JSON object of one line to stdout, as soon as it is read."""

    def add(self, result: PhotoResult) -> None:
        """Write a photo."""
        _write(result.to_json())

    def close(self) -> None:
        """Nothing is left to say."""

    def unreadable(self, reasons: Mapping[str, str]) -> None:
        """Write the files that cannot be read, and why."""
        for name, reason in reasons.items():
            _write({"file_name": name, "error": reason})


def line(result: PhotoResult, width: int = _NAME_WIDTH) -> Text:
    """A photo for people: name, number, confidence, and what there is to check.

    Args:
        result: of the photo.
        width: of the first column; a longer name moves the others.
    """
    number = "none" if result.number == NO_NUMBER else result.number
    text = Text(f"  {printable(result.file_name)}" + " " * max(1, width - _name_width(result)))
    style = "bold yellow" if not result.accepted else "bold green"
    if result.right is not None:
        style = "bold green" if result.right else "bold red"
    text.append(f"{number:<{_NUMBER_WIDTH}}", style)
    text.append(f" {result.confidence:.2f}")
    if result.right is False:
        text.append(f"  wrong, is {result.truth or 'no number'}", "red")
    if not result.accepted:
        text.append("  check", "yellow")
        others = [result.runner_up] if result.runner_up != result.truth else []
        if result.truth is None and result.number != NO_NUMBER:
            others.append("none")  # confidence is about photos that show a number
        text.append(f": may be {' or '.join(filter(None, others))}" if any(others) else "", "dim")
    return text


def _name_width(result: PhotoResult) -> int:
    return cell_len(printable(result.file_name))


def _first(results: Iterable[PhotoResult], count: int) -> list[PhotoResult]:
    """Wrong ones first, the surest first; then the others, the least sure first."""
    ordered = sorted(
        results,
        key=lambda r: (r.right is not False, -r.confidence if r.right is False else r.confidence),
    )
    return ordered[:count]


def _write(content: object) -> None:
    try:
        sys.stdout.write(json.dumps(content) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has read enough: the end, as of any tool in a pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # else it would be said of a file that is written meanwhile
        raise DigitsError(f"json=true: stdout cannot be written ({error.strerror}).") from error
