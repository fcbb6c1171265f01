"""Fixtures of the tests of data sets."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def exit_code() -> Callable[..., int]:
    """`exit_code(main, "OUT", ...)`: run a command's main in this process; 0 where it returns."""

    def run(main: Callable[[list[str]], Any], *arguments: str) -> int:
        try:
            main(list(arguments))
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        return 0

    return run
