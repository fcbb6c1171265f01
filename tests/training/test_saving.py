import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from digits.errors import DigitsError
from digits.training.loggers import CsvLog
from digits.training.saving import WholeCheckpoints

Usage = namedtuple("Usage", "total used free")
GOOD = {"epoch": 0, "state_dict": {"weight": torch.ones(1000)}}


def test_a_checkpoint_replaces_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "last.ckpt"
    for epoch in (0, 1):
        WholeCheckpoints().save_checkpoint({**GOOD, "epoch": epoch}, path)
        assert torch.load(path, weights_only=True)["epoch"] == epoch
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("trouble", ["not finite", "full", "fails"])
def test_what_cannot_be_written_leaves_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    path, content = tmp_path / "last.ckpt", GOOD
    WholeCheckpoints().save_checkpoint(GOOD, path)
    before, says = path.read_bytes(), "and 0 MB are free"
    if trouble == "not finite":
        content = {"epoch": 1, "state_dict": {"weight": torch.tensor([1.0, float("nan")])}}
        says = "the weights weight are not finite"
    elif trouble == "full":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 100))
    else:

        def half(content: object, file: Path) -> None:
            file.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(torch, "save", half)
        says = "No space left on device"
    with pytest.raises(DigitsError, match=says):
        WholeCheckpoints().save_checkpoint(content, path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_the_log_goes_on_from_a_step(tmp_path: Path) -> None:
    first = CsvLog(tmp_path)
    for step in range(4):
        first.log_metrics({"loss": 0.5 + step}, step)
    first.finalize("failed")
    second = CsvLog(tmp_path)
    second.go_on(2)
    second.log_metrics({"map": torch.tensor(0.25)}, 2)
    second.save()
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines == ["loss,map,step", "0.5,,0", "1.5,,1", ",0.25,2"]
    CsvLog(tmp_path).save()  # nothing logged: what is there stays
    assert (tmp_path / "metrics.csv").read_text().splitlines() == lines
