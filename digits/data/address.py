"""Download a picture from an http(s) address, with limits on size and time."""

import re
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from digits.errors import DigitsError, one_line
from digits.io import partial_path

_MAX_BYTES = 50_000_000  # bytes
_MAX_SECONDS = 60.0  # for all of it
_MAX_SILENCE = 10.0  # seconds for the server to say anything
_CHUNK = 1 << 16


def is_address(text: str) -> bool:
    """Whether a text is an http(s) address."""
    return re.match(r"https?://", text, re.IGNORECASE) is not None


def file_name(address: str) -> str:
    """The last part of an address as a name that is safe on every disk, short, never hidden."""
    last = unquote(urlsplit(address).path).rsplit("/", 1)[-1]
    return re.sub(r"[^\w.() -]", "_", last).lstrip(". ")[-100:] or "photo"


def fetch_picture(
    address: str, path: Path, most: int = _MAX_BYTES, seconds: float = _MAX_SECONDS
) -> None:
    """Write the picture at an address to a file.

    Args:
        address: http or https.
        path: of the file; its folder is made where it is not there.
        most: bytes that it may have.
        seconds: that fetching it may take.

    Raises:
        DigitsError: no answer, an error of the server, a page instead of a picture, too large or
            too slow.
    """
    done: Future[bytes] = Future()

    def download() -> None:
        try:
            done.set_result(_content(address, most))
        except Exception as error:
            done.set_exception(error)

    # In a thread that is left alone when its time is up: a server that sends a byte now and then
    # never runs into a timeout of its connection.
    Thread(target=download, daemon=True).start()
    try:
        content = done.result(seconds)
    except DigitsError:
        raise
    except TimeoutError as error:
        raise DigitsError(
            f"photos={address}: not there after {seconds:g} seconds; fetch it yourself."
        ) from error
    except Exception as error:  # of requests, urllib3, the address's spelling
        cause: BaseException = error
        while cause.__context__ is not None:  # each library wraps that of the one below
            cause = cause.__context__
        reason = one_line(getattr(cause, "strerror", None) or cause)[:200]
        raise DigitsError(f"photos={address}: cannot be fetched ({reason}).") from error
    with partial_path(path) as partial:
        partial.write_bytes(content)


def _content(address: str, most: int) -> bytes:
    import requests  # here, since files need none of it

    content = bytearray()
    with requests.get(address, stream=True, timeout=_MAX_SILENCE) as answer:
        answer.raise_for_status()
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        if kind.startswith("text/"):
            raise DigitsError(
                f"photos={address}: a page ({kind}), not a picture; give the picture's own address."
            )
        for piece in answer.iter_content(_CHUNK):
            content += piece
            if len(content) > most:
                raise DigitsError(
                    f"photos={address}: more than {most / 1e6:g} MB; fetch and reduce it yourself."
                )
    return bytes(content)
