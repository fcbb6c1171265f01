"""The examples in README, CONTRIBUTING and docs do what they say."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from digits.cli.settings import checked
from digits.resources import CONF

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(code, id=f"{name}-{number}")
    for name in ("README.md", "CONTRIBUTING.md")
    for number, code in enumerate(BLOCK.findall((ROOT / name).read_text(encoding="utf-8")))
]
COMMAND = re.compile(r"^python (train|predict)\.py ([^#|\n]+)", re.MULTILINE)
TEXTS = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/usage.md")]
COMMANDS = sorted(
    {
        match.groups()
        for text in TEXTS
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
        for match in COMMAND.finditer(block)
    }
    | {
        groups
        for text in TEXTS
        for groups in re.findall(r"`python (train|predict)\.py ([^`]+)`", text)
    }
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs(code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    namespace: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "example", "exec"), namespace)


@pytest.mark.slow
def test_commands_are_understood() -> None:
    assert len(COMMANDS) > 15
    for command, line in COMMANDS:
        words = [word for word in shlex.split(line) if "=" in word]
        own = [word for word in words if not word.startswith(("resume=", "backbone=mynet"))]
        checked(command, own, str(CONF), sweep="-m" in shlex.split(line))


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        if "://" in name:
            continue
        there = page.parent / name if name else page
        assert there.exists(), link
        if anchor and there.suffix == ".md":
            assert anchor in _anchors(there), link


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_contributing_says_what_each_part_is() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    parts = {path.name for path in (ROOT / "digits").iterdir() if path.suffix == ".py"}
    parts |= {f"{path.parent.name}/" for path in (ROOT / "digits").glob("*/__init__.py")}
    assert {part for part in parts if part not in table} == {"__init__.py"}
