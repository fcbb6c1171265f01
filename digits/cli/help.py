"""Print --help and --info: examples, groups and settings with the comments of `conf/`."""

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

from digits.cli.about import ABOUT, EXAMPLES
from digits.errors import DigitsError
from digits.options.expected import closest

_SETTING = re.compile(r"^(\s*)([\w./]+): *(.*?)(?:\s+#\s*(.*))?$")
_GROUP = re.compile(r"^\s*-\s+(?:override )?/?([\w/]+): *(\S+)(?:\s+#\s*(.*))?$")


def show_help(command: str, conf: Path) -> str:
    """The text of --help: description, examples, groups and settings of a command."""
    script = Path(sys.argv[0]).name
    called = script if script == f"digits-{command}" else f"python {command}.py"
    lines = [ABOUT[command].rstrip(), "", "Examples:"]
    for words, what in EXAMPLES[command]:
        call = f"{called} {words}".rstrip()
        lines += (
            [f"  {call:<52} # {what}"] if len(call) <= 52 else [f"  {call}", f"{'# ':>57}{what}"]
        )
    groups, settings = _parts(conf / f"{command}.yaml")
    lines += ["", "Groups (--info GROUP=OPTION shows one with its settings and their comments):"]
    for group, (default, comment) in groups.items():
        options = sorted(path.stem for path in (conf / group).glob("*.yaml"))
        named = ", ".join(f"{name}*" if name == default else name for name in options)
        lines += _wrapped(group, f"{comment}: {named}" if comment else named)
    lines += ["  (* by default)", "", "Settings beside those of the groups:"]
    for key, (value, comment) in settings.items():
        lines += _wrapped(key if "${" in value else f"{key}={value}", comment)
    lines += [
        "",
        "More: docs/usage.md. --cfg job prints all settings, --hydra-help what Hydra adds to them.",
        f'TAB completes after: eval "$({called} -sc install=bash)"',
    ]
    return "\n".join(lines)


def show_info(choice: str, conf: Path) -> str:
    """The file of an option with its comments, or the options of a group with theirs.

    Args:
        choice: `GROUP=OPTION`, or `GROUP`.
        conf: the folder of the configuration.

    Raises:
        DigitsError: there is no such group or option.
    """
    group, _, option = choice.partition("=")
    groups = sorted({str(p.parent.relative_to(conf)) for p in conf.glob("*/**/*.yaml")})
    if group not in groups:
        raise DigitsError(f"--info {choice}: no such group{_meant(group, groups)}.")
    files = {path.stem: path for path in sorted((conf / group).glob("*.yaml"))}
    if not option:
        lines = [f"{group}: --info {group}=OPTION shows one"]
        return "\n".join([*lines, *(x for n, p in files.items() for x in _wrapped(n, _first(p)))])
    if option not in files:
        raise DigitsError(f"--info {choice}: no such option{_meant(option, list(files))}.")
    text = files[option].read_text(encoding="utf-8").rstrip()
    return f"# {files[option]}\n{text}"


def _meant(word: str, there: list[str]) -> str:
    near = closest(word, there)
    hint = f"; did you mean {near}? There is" if near else ". There is"
    return f"{hint} {', '.join(there)}"


def _parts(path: Path) -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """Groups and settings of a command's file: name to default and comment."""
    text = path.read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    groups, settings = {}, {}
    parent = ""
    for line in text.splitlines():
        if match := _GROUP.match(line):
            groups[match[1]] = (match[2], match[3] or "")
        elif match := _SETTING.match(line):
            indent, key, value, comment = match.groups()
            if not indent:
                parent = key
            if comment and (not indent or (f"{parent}" in content and parent != "hydra")):
                settings[f"{parent}.{key}" if indent else key] = (value, comment)
    return groups, settings


def _first(path: Path) -> str:
    """The first comment of a file, without the directives of Hydra."""
    lines = path.read_text(encoding="utf-8").splitlines()
    said = (x.removeprefix("# ") for x in lines if x.startswith("# ") and "@package" not in x)
    return next(said, "")


def _wrapped(name: str, text: str) -> list[str]:
    start = f"  {name:<18} "
    return textwrap.wrap(start + text, 100, subsequent_indent=" " * 21, break_long_words=False)
