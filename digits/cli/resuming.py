"""`resume=RUN`: replace it by the command of that run, continued from its last.ckpt."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from digits.cli.words import quoted
from digits.ending import one_line_errors
from digits.errors import DigitsError, one_line
from digits.resources import CONF
from digits.shapes import convert
from digits.training.stored import read_stored

_PER_START = ("output_dir", "run_dir", "ckpt_path", "resume", "trust")  # of every start its own


def go_on(folder: Path) -> str:
    """The command that resumes a run."""
    return f"python train.py {shlex.quote(f'resume={folder}')}"


def own_overrides() -> list[str]:
    """The settings on the command line, which checkpoints store for `resume=`."""
    words = HydraConfig.get().overrides.task
    return [word for word in words if word.lstrip("+~").partition("=")[0] not in _PER_START]


@one_line_errors
def expanded(words: list[str]) -> list[str]:
    """The command line with the settings of the run in the place of `resume=RUN`."""
    named = [word for word in words if word.lstrip("+").startswith("resume=")]
    given = [word for word in words if word not in named]
    runs = [word.partition("=")[2] for word in named]
    if not runs or runs[-1] == "null":
        return given
    if not runs[-1]:
        raise DigitsError("resume=: nothing is named (a variable that is not set?).")
    if {"-m", "--multirun"} & set(given):
        raise DigitsError("resume= goes on with one run; it can't be part of a sweep (-m).")
    path = re.sub(r"^(['\"])(.*)\1$", r"\2", os.path.expanduser(runs[-1]))
    run = read_stored(Path(path), "resume")
    stored = run.description.get("overrides")
    if stored is None:
        raise DigitsError(
            f"{run.path}: of a version that did not store its command; say "
            f"ckpt_path={run.path} output_dir={run.path.parent} and the settings of the run."
        )
    where = f"{run.path}: its stored command"
    kept = _checked(convert(stored, list[str], where), where)
    # Else a word is a flag or its value; Hydra takes overrides in one piece only.
    beside = [w for w in given if w.startswith("~") or ("=" in w and not w.startswith("-"))]
    flags = [word for word in given if word not in beside]
    new = _parse(beside, "resume=")
    ends = [f"ckpt_path={quoted(str(run.path))}", "hydra.mode=RUN"]
    if not any(one.key_or_group == "output_dir" for one in new):
        ends.append(f"output_dir={quoted(str(run.path.parent))}")
    # No file may say what code is trusted, whoever wrote it there.
    changed = {one.key_or_group for one in new if not one.is_add()}
    kept = [one for one in kept if one.key_or_group != "trust"]
    replayed = [one for one in kept if one.is_add() or one.key_or_group not in changed]
    return [*flags, *(str(one.input_line) for one in replayed), *beside, *ends]


def _parse(words: Sequence[str], where: str) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(list(words))
    except HydraException as error:
        raise DigitsError(f"{where}: {one_line(error)}") from error


def _checked(words: list[str], where: str) -> list[Override]:
    """The overrides of a file, which may set plain values of plain keys and nothing else."""
    overrides = _parse(words, where)
    for one in overrides:
        key, value = one.key_or_group, one.value()
        names = one.get_key_element().lstrip("+~").replace("@", ".").split(".")
        plain = all(re.fullmatch(r"[A-Za-z0-9][\w/]*", name) for name in names)
        if (CONF / key).is_dir():  # a group: its options are files, which may lie nowhere else
            plain = plain and (value is None or bool(re.fullmatch(r"\w+", str(value))))
        if not plain or key.startswith("hydra") or one.is_sweep_override() or not _is_plain(value):
            raise DigitsError(
                f"{where} has {str(one.input_line)[:80]!r}; expected a plain key=value. Say "
                "ckpt_path= and output_dir= instead, with the settings of the run."
            )
    return overrides


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        named = all(re.fullmatch(r"[A-Za-z0-9]\w*", str(key)) for key in value)
        return named and all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float) or "$" not in str(value)
