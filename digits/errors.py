"""The exception for errors that a user can fix."""


class DigitsError(Exception):
    """Bad input or settings: the message says what, where, what was expected and what to do.

    The entry scripts print it without a traceback and exit with code 1.
    """


def one_line(error: object) -> str:
    """The text of an error, or any other, in one line."""
    return " ".join(str(error).split())
