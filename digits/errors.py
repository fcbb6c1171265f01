"""The one exception that a user can mend."""


class DigitsError(Exception):
    """Bad input or settings: the message says what, where, what was expected and what to do.

    The entry scripts print it without a traceback and exit with code 1.
    """
