"""Where another process of a training ends, this one says so."""

from pathlib import Path

import pytest

from digits.errors import DigitsError
from digits.training.processes import together

GLOO = (
    "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:63149: "
    "Connection reset by peer."
)


def test_a_process_that_ended_is_said_with_how_to_go_on(tmp_path: Path) -> None:
    for kept in ("Nothing was saved yet.", f"Kept: {tmp_path}/last.ckpt. Go on: python train.py."):
        with (
            pytest.raises(DigitsError, match="Another process .* has ended") as caught,
            together(2, tmp_path, "python train.py"),
        ):
            raise RuntimeError(GLOO)
        assert str(caught.value).endswith(kept)
        (tmp_path / "last.ckpt").touch()


@pytest.mark.parametrize(("processes", "text"), [(1, GLOO), (2, "CUDA out of memory")])
def test_other_errors_stay_as_they_are(tmp_path: Path, processes: int, text: str) -> None:
    with pytest.raises(RuntimeError, match=r"gloo|CUDA"), together(processes, tmp_path, ""):
        raise RuntimeError(text)
