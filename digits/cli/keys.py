"""Check the keys of a command line against the existing groups and settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Glob

from digits.cli.hints import nearest
from digits.cli.schema import COMMANDS, flatten, is_path
from digits.cli.words import Word, alternatives, as_path, parse
from digits.errors import DigitsError
from digits.options.checking import declared, settings_of
from digits.options.expected import closest
from digits.resources import CONF


def options_of(group: str, own: Sequence[str]) -> list[str]:
    """The options of a group; an empty list for an unknown group.

    Args:
        group: its name.
        own: settings of Hydra's own, which may name another folder of options.
    """
    if "." in group:
        return []
    loader = GlobalHydra.instance().config_loader()
    options: list[str] = loader.get_group_options(group, overrides=list(own))
    return options


def as_group(word: Word, there: Sequence[str]) -> Word:
    """Check the option that is chosen of a group; returns the word, a pattern as its options.

    Raises:
        DigitsError: there is no such option.
    """
    if word.prefix == "~" and not word.key.startswith("hydra"):
        raise DigitsError(f"{word}: cannot be left out; choose another, {word.key}=OPTION.")
    if word.prefix == "~" or word.value is None or word.value.startswith("{"):
        return word
    if "(" in word.value and isinstance(pattern := parse(word).value(), Glob):
        names = pattern.filter(list(there))
        if not names:
            raise DigitsError(f"{word}: fits none of {', '.join(there)}.")
        word = word._replace(value=",".join(names))
    for text in alternatives(word):
        chosen = text.partition("=")[2].strip("[]").split(",")
        for name in (name.strip().strip("'\"") for name in chosen):
            if name not in there:
                meant = closest(name, there)
                hint = f" Did you mean {word.key}={meant}?" if meant else ""
                raise DigitsError(
                    f"{word.key}={name}: there is no such option; expected one of "
                    f"{', '.join(there)}.{hint}"
                )
    return word


def refuse_strange_groups(groups: Sequence[Word], choices: Mapping[str, Any], command: str) -> None:
    """Refuse groups of the other command.

    Raises:
        DigitsError: names the groups that the command has.
    """
    for word in groups:
        if word.key not in choices and not word.package and word.prefix != "~":
            if (word.value or "").startswith("["):
                raise DigitsError(f"{word}: expected one option, as {word.key}=OPTION.")
            if word.key == "recognition" and command == "train":
                raise DigitsError(
                    f"{word}: only task=recognizer has it; say task=recognizer {word}."
                )
            raise DigitsError(
                f"{word}: {command}.py has no such group; it has "
                f"{', '.join(name for name in choices if not name.startswith('hydra/'))}."
            )


def as_setting(word: Word, config: Mapping[str, Any], command: str, sweep: bool) -> Word:
    """Check a setting; returns its word with a `+` where no file has it, quoted if it is a path.

    Args:
        word: as typed.
        config: as composed without it, interpolations unresolved.
        command: `train` or `predict`.
        sweep: whether `a,b` means one job each.

    Raises:
        DigitsError: there is no such setting; says which was probably meant.
    """
    if word.package:
        return word
    there, declaration = _find(word.key, config, command)
    if word.prefix == "~" and there is not None and not _is_optional(word.key, config):
        raise DigitsError(f"{word}: cannot be left out; say {word.key}=VALUE.")
    if there is None and (word.prefix == "" or "." not in word.key):
        own = {key: value for key, value in config.items() if key not in ("hydra", "suggested")}
        choices = config["hydra"]["runtime"]["choices"]
        known = [*choices, *flatten(own, COMMANDS[command])]
        meant = _elsewhere(word.key, choices) or nearest(word.key, list(dict.fromkeys(known)))
        hint = f"did you mean {meant}?" if meant else f"{command}.py --help lists all."
        shown = f"~{word.key}" if word.prefix == "~" else f"{word.key}={word.value}"
        raise DigitsError(f"{shown}: there is no such setting; {hint}")
    if word.prefix != "~" and there is not None:
        word = word._replace(prefix="" if there else "++")
    return as_path(word, sweep) if declaration is not None and is_path(declaration) else word


def _is_optional(key: str, config: Mapping[str, Any]) -> bool:
    """Whether a setting may be left out: a callback, a logger, an argument of what is built."""
    group, *inner = key.split(".")
    content = config.get(group)
    built = isinstance(content, Mapping) and "_target_" in content and group != "trainer"
    return bool(inner) and (built or group in ("callbacks", "logger"))


def _elsewhere(key: str, groups: Mapping[str, Any]) -> str | None:
    """Where a setting exists that the chosen option of its group lacks: in another option, such
    as `data=coco`, or among the arguments that predict.py replaces in a checkpoint."""
    group, _, rest = key.partition(".")
    others = (path for path in (CONF / group).glob("*.yaml") if path.stem != groups.get(group))
    for path in sorted(others) if rest else ():
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        known = settings_of(content.get(group, content)) or {}
        if rest.partition(".")[0] in known:
            if group in groups:
                return f"{key} with {group}={path.stem}"
            return f"inference.{rest}" if group == "model" else None
    return None


def _find(key: str, config: Mapping[str, Any], command: str) -> tuple[bool | None, Any]:
    """Whether a setting is in the configuration (None: nor declared), and its declared type."""
    node: Any = config
    known: dict[str, Any] | None = declared(COMMANDS[command])
    there, declaration = False, None
    for name in key.split("."):
        if isinstance(node, list):
            return True, None
        if not isinstance(node, Mapping) or (name not in node and name not in (known or {})):
            linked = isinstance(node, str) and node.startswith("${")
            return (True, None) if linked else (None, None)
        declaration = (known or {}).get(name)
        there, node = name in node, node.get(name)
        known = settings_of(node if isinstance(node, Mapping) else {}, declaration)
    return there, declaration
