"""Paths that settings hold."""

from digits.errors import DigitsError


def path_text(key: str, value: object) -> str:
    """The path that setting `key` holds.

    Raises:
        DigitsError: it is not text; Hydra parses names such as 2023 and 2023_11 as numbers.
    """
    if not isinstance(value, str):
        raise DigitsError(f"{key}={value}: taken for a number; say {key}=./NAME.")
    return value
