"""The exception for errors that a user can fix."""

from collections.abc import Iterator
from contextlib import contextmanager


class DigitsError(Exception):
    """Bad input or settings: the message says what, where, what was expected and what to do.

    The entry scripts print it without a traceback and exit with code 1.
    """


def one_line(error: object) -> str:
    """The text of an error, or any other, in one line."""
    return " ".join(str(error).split())


@contextmanager
def told_of(where: str) -> Iterator[None]:
    """What is wrong in the block is said with where it came from, such as `ckpt=PATH`."""
    try:
        yield
    except DigitsError as error:
        raise DigitsError(f"{where}: {error}") from error
