"""Compose and check the settings before anything slow is imported."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

import digits.cli.folders  # noqa: F401 - the resolvers that conf/ names
from digits.cli.keys import as_group, as_setting, options_of, refuse_strange_groups
from digits.cli.schema import check
from digits.cli.words import Word, alternatives, split
from digits.errors import DigitsError
from digits.options.expected import shown

_MAX_TRIED = 20  # values of a sweep that are checked beforehand
_OF_FILES = {".ckpt": "ckpt", ".json": "detections"}  # settings that files without one are meant by


def checked(
    command: str, typed: Sequence[str], conf: str, more: str | None = None, sweep: bool = False
) -> tuple[list[str], DictConfig]:
    """Check a command line; returns its words as Hydra is to read them, and the configuration.

    Paths are quoted, settings that no file names are added, typing errors are refused with what was
    probably meant, and every value is checked against its declaration.

    Args:
        command: `train` or `predict`.
        typed: the words, each KEY=VALUE.
        conf: the folder of the configuration.
        more: another such folder (--config-dir).
        sweep: whether `a,b` means one job each; a configuration may say so too.

    Raises:
        DigitsError: says which word is wrong and what to type instead.
    """
    with initialize_config_dir(conf, version_base="1.3"):
        words = [_split(text, command) for text in typed]
        own = [str(word) for word in words if word.key.startswith("hydra.")]
        own += [] if more is None else [f"hydra.searchpath=[file://{more}]"]
        try:
            known = [(word, options_of(word.key, own)) for word in words]
        except HydraException as error:  # of hydra.searchpath
            raise DigitsError(_one_line(error)) from error
        groups = [as_group(word, there) for word, there in known if there]
        rest = [word for word, there in known if not there and str(word) not in own]
        try:
            base = _compose(command, own + [first for first, *_ in map(alternatives, groups)])
        except DigitsError:
            choices = _compose(command, own).hydra.runtime.choices
            refuse_strange_groups(groups, choices, command)
            raise
        sweep = sweep or str(base.hydra.mode).endswith("MULTIRUN")
        config = cast(dict[str, Any], OmegaConf.to_container(base, resolve=False))
        refuse_strange_groups(groups, config["hydra"]["runtime"]["choices"], command)
        settings = [as_setting(word, config, command, sweep) for word in rest]
        fixed = groups + settings
        each = [alternatives(word) for word in fixed]
        if not sweep:
            _refuse_several(fixed, each)
        chosen = [first for first, *_ in each]
        composed = _compose(command, own + chosen)
        with read_write(composed), open_dict(composed):
            composed.hydra.runtime.output_dir = "."  # not known before it runs
        HydraConfig.instance().set_config(composed)
        check_composed(composed, command)
        others = [(i, text) for i, texts in enumerate(each) for text in texts[1:]]
        for index, text in others[:_MAX_TRIED]:
            job = [*chosen[:index], text, *chosen[index + 1 :]]
            check_composed(_compose(command, own + job), command)
        return [str(word) for word in words if str(word) in own] + list(map(str, fixed)), composed


def _split(text: str, command: str) -> Word:
    if command == "predict" and "=" not in text and os.path.lexists(text):
        meant = _OF_FILES.get(Path(text).suffix.lower(), "photos")
        raise DigitsError(f"{text}: expected a setting; did you mean {meant}={text}?")
    return split(text)


def check_composed(config: DictConfig, command: str) -> None:
    """Check a composed configuration against what is declared.

    Raises:
        DigitsError: as `digits.cli.schema.check`; an interpolation that leads nowhere.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        plain = cast(dict[str, Any], OmegaConf.to_container(own, resolve=True))
    except OmegaConfBaseException as error:
        raise DigitsError(_one_line(error)) from error
    model = plain.get("model")
    if isinstance(model, dict) and model.get("backbone") == plain.get("backbone"):
        model.pop("backbone", None)  # the same, by interpolation
    check(plain, command)


def _compose(command: str, words: Sequence[str]) -> DictConfig:
    try:
        return compose(command, list(words), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise DigitsError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    """Hydra's message, with the setting it is about, without its advice to add what is missing."""
    lines = [line.strip() for line in f"{error}\n{error.__cause__ or ''}".splitlines()]
    advice = ("To append to your", "See https", "Set the environment", "full_key", "object_type")
    said = " ".join(dict.fromkeys(line for line in lines if line and not line.startswith(advice)))
    key = str(getattr(error, "full_key", None) or "")
    return said if not key or key in said else f"{key}: {said}"


def _refuse_several(words: Sequence[Word], each: Sequence[Sequence[str]]) -> None:
    for word, texts in zip(words, each, strict=True):
        if len(texts) > 1:
            raise DigitsError(
                f"{word.key}={word.value}: several values are a sweep, a job each: add -m. A list "
                f"is [{shown(word.value)}]; text with a comma wants quotes: "
                f"\"{word.key}='{word.value}'\"."
            )
