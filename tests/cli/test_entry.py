"""What the commands do before they import anything slow: help, flags, folders, encodings."""

import errno
import io
import multiprocessing
import os
import re
import runpy
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import digits
from digits.cli import entry
from digits.cli.about import EXAMPLES
from digits.cli.folders import refuse_unwritable
from digits.cli.help import show_help, show_info
from digits.cli.locking import held
from digits.cli.settings import checked
from digits.console import console
from digits.ending import one_line_errors
from digits.errors import DigitsError
from digits.io import atomic_write
from digits.resources import CONF


def run(command: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", [f"{command}.py", *words])
    with pytest.raises(SystemExit) as end:
        getattr(entry, command)()
    return int(end.value.code or 0)


@pytest.mark.parametrize("command", ["train", "predict"])
def test_help_names_every_group_and_setting(command: str) -> None:
    text = show_help(command, CONF)
    config = checked(command, [], str(CONF))[1]
    for group, option in config.hydra.runtime.choices.items():
        if not group.startswith("hydra/"):
            assert f"\n  {group} " in text and (option is None or f"{option}*" in text), group
    groups = {"hydra", "suggested", "trainer", *config.hydra.runtime.choices}
    for key in set(map(str, config)) - groups:
        assert f"\n  {key}" in text, key
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("command", ["train", "predict"])
def test_the_examples_of_the_help_are_settings_that_there_are(command: str) -> None:
    for words, _ in EXAMPLES[command]:
        sweep = words.startswith("-m ")
        checked(command, words.removeprefix("-m ").split(), str(CONF), sweep=sweep)


def test_python_m_digits_lists_all_that_can_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("digits", run_name="__main__")
    listed = set(re.findall(r"python -m ([\w.]+)", capsys.readouterr().out))
    package = Path(digits.__file__).parent
    code = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    run = [path for path, text in code.items() if 'if __name__ == "__main__"' in text]
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in run]
    assert listed == {name.removesuffix(".__main__") for name in names} - {
        "digits",
        "digits.data.synthetic.fit_layouts",  # made a file of the package, once
    }


def test_info_shows_an_option_with_its_comments() -> None:
    assert "nesterov: true  # (bool)" in show_info("optimizer=sgd", CONF)
    assert "vgg16 " in show_info("backbone", CONF)
    assert "a SLURM job" in show_info("hydra/launcher=submitit_slurm", CONF)
    with pytest.raises(
        DigitsError, match=r"no such option; did you mean sgd\? There is adamw, sgd"
    ):
        show_info("optimizer=sdg", CONF)
    with pytest.raises(DigitsError, match="no such group; did you mean backbone"):
        show_info("bakbone", CONF)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--help"], "Examples:"),
        (["--help", "optimizer=sgd"], "nesterov"),
        (["--info", "tta"], "scales"),
    ],
)
def test_help_ends_well(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", *words, monkeypatch=monkeypatch) == 0
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--epochs", "3"], "--epochs: no such option; settings are written KEY=VALUE, as epoch"),
        (
            ["--batch-size=3"],
            "--batch-size=3: no such option; settings are written KEY=VALUE, as b",
        ),
        (["docs/photos"], "docs/photos: expected a setting; did you mean photos=docs/photos?"),
        (["checkpoints/small/best.ckpt"], "did you mean ckpt=checkpoints/small/best.ckpt?"),
        (["photo.jpg"], "photo.jpg: expected a setting, as KEY=VALUE"),
        (["--cfg", "everything"], "invalid choice: 'everything'"),
        (["--resolve", "photos=docs/photos"], "--resolve flag can only be used in conjunction"),
        (["ckpt="], "ckpt=''"),
        (["output_dir=/dev/null"], "output_dir=/dev/null: no directory that can be written (Not a"),
        (["output_dir=/dev/null/x"], "output_dir=/dev/null/x: no directory that can be written"),
        ([f"output_dir={'x' * 300}"], "no directory that can be written (File name too long)"),
    ],
)
def test_what_cannot_be_run_is_one_line(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", *words, monkeypatch=monkeypatch) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("Error: ") and says in line


def test_a_warning_is_a_line_without_code(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = shown  # pytest's own collects them
            warnings.warn("labels.json:\n2 boxes left out", stacklevel=1)

    def shown(*warning: Any) -> None:
        sys.stderr.write(warnings.formatwarning(*warning[:4]))

    one_line_errors(main)()
    assert capsys.readouterr().err == "Warning: labels.json: 2 boxes left out\n"


@pytest.mark.parametrize("place", ["_prepare", "_predict"])
def test_ctrl_c_is_one_line_at_any_moment(
    place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, place, interrupted)
    words = (f"output_dir={tmp_path}", "photos=docs/photos")
    assert run("predict", *words, monkeypatch=monkeypatch) == 130
    assert capsys.readouterr().err == "Stopped by Ctrl-C.\n"


def test_ctrl_c_while_torch_is_imported_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Slow(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "digits.cli.predict", Slow("digits.cli.predict"))
    words = (f"output_dir={tmp_path / 'out'}", "photos=docs/photos")
    assert run("predict", *words, monkeypatch=monkeypatch) == 130
    assert not list(tmp_path.iterdir())


def test_what_the_machine_lacks_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def failing(error: Exception) -> None:
        raise error

    for error, line in (
        (OSError(errno.ENOSPC, "No space left"), "what is printed: cannot be written (No space le"),
        (MemoryError(), "Not enough memory (none is left); lower batch_size, "),
        (RuntimeError("CUDA out of memory. Tried"), "Not enough memory (CUDA out of memory. Tri"),
    ):
        with pytest.raises(SystemExit):
            one_line_errors(failing)(error)
        assert capsys.readouterr().err.startswith(f"Error: {line}")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run("predict", "photos=/", monkeypatch=monkeypatch) == 1
    assert capsys.readouterr().err == "Error: The current folder is gone: cd to one that exists.\n"


def test_sigterm_is_one_line_and_leaves_nothing_half_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def killed(*args: object) -> None:
        with atomic_write(tmp_path / "numbers.csv") as file:
            file.write("file_name")
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(entry, "_predict", killed)
    words = (f"output_dir={tmp_path}", "hydra/job_logging=none", "hydra.output_subdir=null")
    assert run("predict", *words, monkeypatch=monkeypatch) == 143
    assert capsys.readouterr().err == "Stopped by SIGTERM.\n"
    assert not list(tmp_path.iterdir()) and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_full_disk_is_told_of_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    words = (f"output_dir={tmp_path}/out", "photos=docs/photos")
    assert run("predict", *words, monkeypatch=monkeypatch) == 1
    assert "no directory that can be written (No space left on device)" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_another_run_writes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (f"output_dir={tmp_path}", "photos=docs/photos")
    with held(tmp_path):
        assert run("predict", *words, monkeypatch=monkeypatch) == 1
        # Nor does a loading process that outlives the run hold the folder.
        context = multiprocessing.get_context("fork")
        running = context.Event()
        child = context.Process(target=lambda: (running.set(), time.sleep(60)))
        child.start()
        assert running.wait(60)
    assert f"output_dir={tmp_path}: another run is writing there" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    with held(tmp_path):
        child.kill()


def test_a_prediction_leaves_the_folder_of_a_training_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("best.ckpt", "run.json", ".hydra/overrides.yaml")  # the last is what a sweep shows
    (tmp_path / ".hydra").mkdir()
    for name in files:
        (tmp_path / name).write_text("{}")
    words = (f"output_dir={tmp_path}", "photos=docs/photos")
    assert run("predict", *words, monkeypatch=monkeypatch) == 1
    assert f"output_dir={tmp_path}: a training's, whose" in capsys.readouterr().err
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert there == {*files, ".hydra"}
    assert {(tmp_path / name).read_text() for name in files} == {"{}"}


def test_runs_that_start_together_do_not_take_each_others_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [Path("outputs", "predict", str(number)) for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(refuse_unwritable, folders))) == 400
    assert not list(tmp_path.iterdir())


def test_flags_may_stand_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = entry._prepare("train", ["seed=0,1", "-m", "trainer.max_epochs=1"])
    assert words == ["-m", "seed=0,1", "trainer.max_epochs=1"]
    assert not list(tmp_path.iterdir())


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console.print("photos/:100:/[red]1.png")
    assert capsys.readouterr().out == "photos/:100:/[red]1.png\n"


def test_letters_that_a_terminal_lacks_end_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="gbk")
    monkeypatch.setattr(sys, "stdout", stream)
    one_line_errors(lambda: print("━ ✓ 五 ä \udcff", flush=True))()  # as of any command
    assert "五" in stream.buffer.getvalue().decode("gbk")


def test_a_file_name_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> None:
        raise DigitsError("a\x1b[31m\udcff.png: no such file.\n  another line")

    with pytest.raises(SystemExit):
        one_line_errors(failing)()
    assert capsys.readouterr().err == (
        "Error: a\\x1b[31m\\udcff.png: no such file.\n  another line\n"
    )
