"""End a command in order: one line for an error, Ctrl-C or SIGTERM, and its exit code."""

import errno
import functools
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from hydra.errors import InstantiationException
from rich.console import Console
from rich.text import Text

from digits.console import plain_warning, printable
from digits.errors import DigitsError, one_line

_errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Result = TypeVar("Result")


def one_line_errors(main: Callable[..., Result]) -> Callable[..., Result]:
    """Turn a `DigitsError`, however deeply wrapped, into its message and exit code 1, and Ctrl-C
    and SIGTERM into a line and exit code 130 and 143.

    So too Hydra's error about an object that the configuration describes: a setting is wrong.
    """

    @functools.wraps(main)
    def wrapped(*args: Any, **kwargs: Any) -> Result:
        # By name, for launchers send `wrapped` to other processes and a Console cannot be sent.
        return _run(main, *args, **kwargs)

    return wrapped


def _run(main: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    code = 1
    warnings.formatwarning = plain_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # no letter that the terminal lacks ends a run
            stream.reconfigure(errors="replace")
    try:
        with _ended_by_sigterm():
            return main(*args, **kwargs)
    except KeyboardInterrupt:
        _errors.print("Stopped by Ctrl-C.")
        code = 130  # the shell's for this signal
    except Exception as error:
        line = error_line(error)
        if line is None:
            raise
        shown = "\n".join(map(printable, line.split("\n")))
        _errors.print(Text.assemble(("Error:", "bold red"), f" {shown}"))
    sys.exit(code)  # not within the handler, whose frames would live on to the interpreter's end


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block in order: what is half written is removed, exit code 143."""

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a loading process, which has nothing to put in order
            os._exit(128 + number)
        _errors.print("Stopped by SIGTERM.")
        sys.exit(128 + number)

    process, before = os.getpid(), signal.getsignal(signal.SIGTERM)
    ours = before is signal.SIG_DFL and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def error_line(error: Exception) -> str | None:
    """What `one_line_errors` says of an error; None: it is a fault of the program."""
    cause = _cause(error)
    if cause is None and isinstance(error, OSError) and error.errno in _FULL:
        name = error.filename or "what is printed"
        return f"{name}: cannot be written ({error.strerror}); free some space, or write elsewhere."
    if cause is None and _is_lack_of_memory(error):
        text = one_line(error)[:200] or "none is left"
        return f"Not enough memory ({text}); lower batch_size, the input size or num_workers."
    if cause is None and not isinstance(error, InstantiationException):
        return one_line(error) if _is_refusal(error) else None
    text = str(cause or error)
    if cause is None:  # what was called, what it said, which key: three lines
        key = text.rpartition("full_key: ")[2] if "full_key: " in text else ""
        said = error.__cause__ if key else None
        text = one_line(f"{key}: {said}" if said else text)
    if "Original Traceback" in text:  # raised in a loading process, which wraps the text
        text = text.rsplit(f"{DigitsError.__name__}: ", 1)[-1].strip()
    return text


def _is_lack_of_memory(error: Exception) -> bool:
    """Of Python, or of torch, which has no class of its own for it on the CPU."""
    of_torch = isinstance(error, RuntimeError) and re.search(
        "out of memory|not enough memory|can't allocate memory", str(error), re.IGNORECASE
    )
    return isinstance(error, MemoryError) or bool(of_torch)


def _is_refusal(error: Exception) -> bool:
    """Whether Lightning's Trainer refuses its settings, such as an accelerator that is not here, or
    Hydra its options, such as two that exclude each other."""
    if type(error).__name__ == "MisconfigurationException":
        return True
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return isinstance(error, ValueError) and where.startswith(
        ("lightning.pytorch.", "hydra._internal.")
    )


def _cause(error: BaseException | None) -> DigitsError | None:
    while error is not None and not isinstance(error, DigitsError):
        error = error.__cause__ or error.__context__
    return error
