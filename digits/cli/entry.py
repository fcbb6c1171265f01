"""Entry points of train.py and predict.py: check the command line before torch is imported."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from digits.cli.folders import refuse_unwritable, refused_leaves_nothing
from digits.cli.help import show_help, show_info
from digits.cli.settings import checked
from digits.cli.words import alternatives, split
from digits.console import console
from digits.ending import one_line_errors
from digits.errors import DigitsError
from digits.resources import CONF


def train() -> None:
    """The command train.py."""
    _run("train", _train)


def predict() -> None:
    """The command predict.py."""
    _run("predict", _predict)


@one_line_errors
def _train(cfg: DictConfig) -> float | None:
    with refused_leaves_nothing(Path(cfg.output_dir)):  # seconds, in which Ctrl-C may come
        from digits.cli.train import main

    return main(cfg)


@one_line_errors
def _predict(cfg: DictConfig) -> float | None:
    with refused_leaves_nothing(Path(cfg.output_dir)):
        from digits.cli.predict import main

    return main(cfg)


@one_line_errors
def _run(command: str, task: Callable[[Any], Any]) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # of Optuna; it lists its plugins
    sys.argv[1:] = _prepare(command, sys.argv[1:])
    hydra.main(version_base="1.3", config_path=str(CONF), config_name=command)(task)()


@one_line_errors
def _prepare(command: str, argv: list[str]) -> list[str]:
    """Check a command line; returns it as Hydra is to read it."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise DigitsError("The current folder is gone: cd to one that exists.") from error
    argv = [word for word in argv if word != "--"]
    if command == "train" and any(word.lstrip("+").startswith("resume=") for word in argv):
        from digits.cli.resuming import expanded  # opens a checkpoint, with torch

        argv = expanded(argv)
    conf = Path(CONF)
    if "--info" in argv and (words := [x for x in argv if not x.startswith("-")]):
        _print_and_end("\n\n".join(show_info(word, conf) for word in words))
    if {"--help", "-h"} & set(argv):
        words = [x for x in argv if not x.startswith("-")]
        _print_and_end("\n\n".join(show_info(x, conf) for x in words) or show_help(command, conf))
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    options, unknown = parser.parse_known_intermixed_args(argv)
    flags = _without(argv, options.overrides)
    if unknown:
        name = unknown[0].lstrip("-").partition("=")[0].replace("-", "_")
        raise DigitsError(
            f"{unknown[0]}: no such option; settings are written KEY=VALUE, as {name}=VALUE."
        )
    if options.shell_completion or options.hydra_help or options.info:
        return argv
    chosen = str(Path(options.config_path or CONF).absolute())
    more = options.config_dir and str(Path(options.config_dir).absolute())
    if more and not Path(more).is_dir():
        raise DigitsError(f"--config-dir {options.config_dir}: no such folder.")
    name, places = options.config_name, [place for place in (chosen, more) if place]
    if name and not any((Path(place) / f"{name}.yaml").is_file() for place in places):
        raise DigitsError(f"--config-name {name}: no {name}.yaml in {' or '.join(places)}.")
    words, config = checked(
        options.config_name or command, options.overrides, chosen, more, options.multirun
    )
    if options.cfg and (options.multirun or any(len(alternatives(split(x))) > 1 for x in words)):
        raise DigitsError(
            f"--cfg {options.cfg}: shows the settings of one job; leave out -m, and give one value "
            "each."
        )
    folder = Path(config.hydra.run.dir)
    refuse_unwritable(folder)
    if command == "predict":
        from digits.cli.overwriting import refuse_training  # loads numpy

        refuse_training(folder)  # before Hydra replaces what is in its .hydra
    return [*flags, *words]


def _print_and_end(text: str) -> NoReturn:
    console.print(text)
    sys.exit(0)


def _without(argv: list[str], words: list[str]) -> list[str]:
    """The command line without its settings: options and their values."""
    left = list(words)
    flags = []
    for text in argv:
        if text in left and ("=" in text or text.startswith("~")):
            left.remove(text)
        else:
            flags.append(text)
    return flags


def _refuse(message: str) -> NoReturn:
    raise DigitsError(f"{message.rstrip('.')}; --help shows what there is.")
