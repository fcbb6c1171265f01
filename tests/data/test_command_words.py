import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from digits.data.command_words import data_words

SYNTHETIC = {"_target_": "digits.data.synthetic.open_split", "test_count": 5}


def coco(root: str) -> dict[str, Any]:
    return {"_target_": "digits.data.coco.open_split", "root": root}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (SYNTHETIC, ["data=synthetic", "split=test"]),
        (coco("my photos"), ["data=coco", "data.root=my photos", "split=test"]),
        (
            {"evaluate_on": "real", "real": coco("/d"), "synthetic": SYNTHETIC},
            ["data=coco", "data.root=/d", "split=test"],
        ),
        ({"_target_": "mine.open_split", "root": "/d"}, ["photos=FOLDER"]),
        ({}, ["photos=FOLDER"]),
    ],
)
def test_a_command_carries_the_data_that_it_is_about(data: Any, words: list[str]) -> None:
    assert shlex.split(data_words(data)) == words


@pytest.mark.parametrize(
    "path", sorted((ROOT / "conf" / "data").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_source_of_the_configuration_can_be_named(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert data_words(content.get("data", content), "valid").startswith("data=")
