"""Parse the words of a command line, `KEY=VALUE`, and quote paths for Hydra."""

import glob
import os
import re
from itertools import islice
from typing import NamedTuple, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
)
from hydra.errors import HydraException

from digits.errors import DigitsError

_MAX_VALUES = 10_000  # of a sweep
_READ = ("ckpt", "ckpt_path", "detections", "labels", "photos", "recognizer")
_WORD = re.compile(r"(\+\+|\+|~)?([^=@]+)(@[^=]*)?(?:=(.*))?", re.DOTALL)


class Word(NamedTuple):
    """A word in parts.

    Attributes:
        prefix: `+`, `++`, `~` or nothing.
        key: such as `optimizer.lr`, or of a group.
        package: of a group, with its `@`.
        value: as typed; None where there is no `=`.
    """

    prefix: str
    key: str
    package: str
    value: str | None

    def __str__(self) -> str:
        value = "" if self.value is None else f"={self.value}"
        return f"{self.prefix}{self.key}{self.package}{value}"


def split(text: str) -> Word:
    """A word in its parts.

    Raises:
        DigitsError: it is no setting.
    """
    match = _WORD.fullmatch(text)
    if not match or (match[4] is None and match[1] != "~"):
        raise DigitsError(f"{text}: expected a setting, as KEY=VALUE; --help lists them.")
    return Word(match[1] or "", match[2], match[3] or "", match[4])


def parse(word: Word) -> Override:
    """A word as Hydra reads it.

    Raises:
        DigitsError: not what Hydra's grammar takes.
    """
    try:
        return OverridesParser.create().parse_override(str(word))
    except HydraException as error:
        raise DigitsError(
            f"{word.key}={word.value}: spaces and ,:=()[]{{}}#'\" in text want quotes of its own "
            f"within the shell's: \"{word.key}='...'\"."
        ) from error


def alternatives(word: Word) -> list[str]:
    """The word with each value of a sweep; the word alone where it is no sweep.

    Raises:
        DigitsError: not what Hydra's grammar takes; a sweep of no value, or of endlessly many.
    """
    if word.value is None or word.prefix == "~":
        return [str(word)]
    override = parse(word)
    if not override.is_sweep_override():
        return [str(word)]
    swept = override.value()
    if isinstance(swept, Glob):
        raise DigitsError(f"{word}: a pattern names options of a group; expected values, as 1,2.")
    if isinstance(swept, RangeSweep) and not swept.step:
        raise DigitsError(f"{word}: expected a step other than 0.")
    if isinstance(swept, ChoiceSweep):
        values = list(islice(override.sweep_string_iterator(), _MAX_VALUES + 1))
    elif override.is_range_sweep():
        values = [str(value) for value in islice(override.sweep_iterator(), _MAX_VALUES + 1)]
    elif override.is_interval_sweep():
        ends = cast(IntervalSweep, override.value())
        values = [str(ends.start), str(ends.end)]
    else:
        values = [word.value]
    if not 1 <= len(values) <= _MAX_VALUES:
        count = "more" if values else "none"
        raise DigitsError(f"{word}: expected 1 to {_MAX_VALUES} values, a job each, got {count}.")
    return [str(word._replace(value=value)) for value in values]


def as_path(word: Word, sweep: bool) -> Word:
    """The word of a path, quoted where Hydra would not take it literally.

    Left as they are: text in quotes, null, interpolations, and in a sweep `a,b`. A path that exists
    is always taken literally.

    Raises:
        DigitsError: a path below `~` to read from that is not there.
    """
    raw = word.value or ""
    if not os.path.lexists(raw):
        if raw == "null" or raw.startswith("{"):
            return word
        if (raw[:1] in ("'", '"') or "${" in raw) and _is_readable(word):
            return word
        if raw.startswith("[") and raw.endswith("]"):
            return word if _is_readable(word) else word._replace(value=_quoted_list(raw))
        if sweep and _is_readable(word) and parse(word).is_sweep_override():
            return word
        raw = _at_home(word.key, raw)
    plain = word._replace(value=raw)
    is_text = "$" not in raw and _is_readable(plain) and parse(plain).value() == raw
    return plain if is_text else word._replace(value=quoted(raw))


def _at_home(key: str, raw: str) -> str:
    """A path with `~` expanded; refused where it is to be read and does not exist."""
    path = os.path.expanduser(raw)
    if path != raw and key in _READ and not glob.has_magic(path) and not os.path.lexists(path):
        raise DigitsError(
            f"{key}={raw}: {path} is not there; a name that itself begins with ~ wants quotes "
            f"within the shell's: \"{key}='{raw}'\"."
        )
    return path


def quoted(text: str) -> str:
    """Text in the quotes of Hydra."""
    return QuotedString(text, Quote.single).with_quotes()


def _quoted_list(raw: str) -> str:
    items = (item.strip() for item in raw[1:-1].split(","))
    plain = (item if item[:1] in ("'", '"') else quoted(os.path.expanduser(item)) for item in items)
    return "[" + ",".join(plain) + "]"


def _is_readable(word: Word) -> bool:
    try:
        parse(word)
    except DigitsError:
        return False
    return True
