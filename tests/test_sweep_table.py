import os
from pathlib import Path

import pytest

from digits.errors import DigitsError
from digits.sweep.table import read_jobs, write_table


def job(folder: Path, overrides: str, metrics: str) -> None:
    (folder / "0" / ".hydra").mkdir(parents=True)
    (folder / "0" / ".hydra" / "overrides.yaml").write_text(overrides)
    (folder / "0" / "metrics.json").write_text(metrics)
    (folder / "0" / "best.ckpt").write_text("")


@pytest.mark.parametrize(
    ("overrides", "metrics", "says"),
    [
        ("{", "{}", "overrides.yaml: not the settings of a job"),
        ("- !!python/object/apply:os.system [x]", "{}", "not the settings of a job"),
        ("", "{}", "overrides.yaml: expected a list, got None"),
        ("- 3", "{}", "expected text, got 3"),
        ("- a=1", "{", "metrics.json: not JSON"),
        ("- a=1", "[]", "metrics.json: expected named values"),
        ("- a=1", '{"map": "x"}', "metrics.json: map: expected a number, got 'x'"),
    ],
)
def test_files_of_a_job_that_are_none_are_one_line(
    tmp_path: Path, overrides: str, metrics: str, says: str
) -> None:
    job(tmp_path, overrides, metrics)
    with pytest.raises(DigitsError, match=says) as caught:
        read_jobs(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_prediction_beside_the_jobs_is_none_of_them(tmp_path: Path) -> None:
    job(tmp_path, "- seed=1", '{"map": 0.5}')
    other = tmp_path / "fused" / ".hydra"
    other.mkdir(parents=True)
    (other / "overrides.yaml").write_text("- photos=docs/photos")
    (tmp_path / "fused" / "predict.log").write_text("")
    assert [one["job"] for one in read_jobs(tmp_path)] == ["0"]


def test_a_finished_job_without_figures_has_its_checkpoint(tmp_path: Path) -> None:
    job(tmp_path, "- a=1", "{}")
    (only,) = read_jobs(tmp_path)
    assert only["status"] == "finished" and only["checkpoint"] == str(tmp_path / "0" / "best.ckpt")
    assert only["map"] is None


def test_names_and_errors_that_are_no_text_are_shown_escaped(tmp_path: Path) -> None:
    job(tmp_path, "- a=1", "{}")
    (tmp_path / "0" / "error.txt").write_bytes(b"no \xff\nmore")
    (tmp_path / "0").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe"))
    (only,) = write_table(tmp_path)
    assert only["status"] == "failed" and only["error"] == "no \ufffd"
    assert "\\udcfe" in (tmp_path / "sweep.csv").read_text()
