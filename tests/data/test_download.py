"""Downloads from a server on 127.0.0.1 that can break, ignore ranges, lie and vanish."""

import hashlib
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from digits.data.download import fetch
from digits.errors import DigitsError

CONTENT = bytes(range(256)) * 4000  # about 1 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NO_WAIT = (0.0, 0.0, 0.0)


class Server(ThreadingHTTPServer):
    """Serves CONTENT at /file; the attributes say how it misbehaves."""

    break_after: int | None = None  # bytes per response
    breaks = 0  # how many responses break; -1 is all of them
    ranges = True
    statuses: list[int]  # answered first
    encoding = ""
    content = CONTENT

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []
        self.statuses = []

    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up is what these tests are about

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        if self.path != "/file" or self.server.statuses:
            self.send_error(self.server.statuses.pop(0) if self.server.statuses else 404)
            return
        content, start = self.server.content, 0
        if asked and self.server.ranges:
            match = re.fullmatch(r"bytes=(\d+)-", asked)
            assert match
            start = int(match[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        if self.server.encoding:
            self.send_header("Content-Encoding", self.server.encoding)
        self.end_headers()
        body = content[start:]
        if self.server.breaks and self.server.break_after is not None:
            self.server.breaks -= 1
            body = body[: self.server.break_after]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "train.tar.gz"


def part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def test_whole_file(server: Server, path: Path) -> None:
    assert fetch(server.url, path, size=len(CONTENT), sha256=DIGEST.upper()) == path
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_checksum_the_digest_is_recorded(server: Server, path: Path) -> None:
    fetch(server.url, path)
    recorded = path.with_name("train.tar.gz.sha256").read_text()
    assert recorded == f"{DIGEST}  train.tar.gz\n"


def test_existing_file_is_not_fetched_again(server: Server, path: Path) -> None:
    fetch(server.url, path, size=len(CONTENT))
    fetch(server.url, path, size=len(CONTENT), sha256="0" * 64)
    assert len(server.requests) == 1


def test_existing_file_of_wrong_size_is_kept(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"short")
    with pytest.raises(
        DigitsError, match=r"has 5 bytes, expected 9: .* rename it to train.tar.gz.part"
    ):
        fetch(server.url, path, size=9)
    assert path.read_bytes() == b"short"
    assert not server.requests


def test_broken_connection_is_resumed_within_one_call(server: Server, path: Path) -> None:
    # Six breaks are more than the three waits: progress starts the retries afresh.
    server.break_after, server.breaks = 150_000, 6
    fetch(server.url, path, sha256=DIGEST, waits=NO_WAIT)
    assert path.read_bytes() == CONTENT
    assert server.requests[:2] == [None, "bytes=150000-"]
    assert len(server.requests) == 7


def test_broken_connection_is_resumed_by_the_next_call(server: Server, path: Path) -> None:
    server.break_after, server.breaks = 1000, 1
    with pytest.raises(DigitsError) as error:
        fetch(server.url, path, sha256=DIGEST, waits=())
    message = str(error.value)
    assert f"{server.url}: the connection broke. Kept 1000 bytes" in message
    assert f"Run again to resume, or put the file at {path} by hand" in message
    assert not path.exists()
    fetch(server.url, path, sha256=DIGEST)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1000-"]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_server_without_ranges_starts_anew(server: Server, path: Path, size: int | None) -> None:
    server.ranges = False
    server.break_after, server.breaks = 1000, 1
    fetch(server.url, path, size=size, sha256=DIGEST, waits=NO_WAIT)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1000-"]


def test_server_without_ranges_that_always_breaks_is_given_up(server: Server, path: Path) -> None:
    server.ranges = False
    server.break_after, server.breaks = 1000, -1
    with pytest.raises(DigitsError, match="Kept 1000 bytes"):
        fetch(server.url, path, waits=NO_WAIT)
    assert len(server.requests) == 4


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_complete_part(server: Server, path: Path, size: int | None) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT)
    fetch(server.url, path, size=size, sha256=DIGEST)
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == (1 if size is None else 0)  # 416 says that it is complete


def test_stale_part_longer_than_the_file(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT + b"more")
    fetch(server.url, path, sha256=DIGEST, waits=NO_WAIT)
    assert path.read_bytes() == CONTENT


def test_wrong_checksum_deletes_the_part(server: Server, path: Path) -> None:
    with pytest.raises(DigitsError, match=f"wrong sha256: expected {'0' * 64}, got {DIGEST}"):
        fetch(server.url, path, sha256="0" * 64)
    assert not list(path.parent.iterdir())


def test_stale_part_of_another_file_fails_the_checksum(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(b"something else")
    with pytest.raises(DigitsError, match="wrong sha256"):
        fetch(server.url, path, sha256=DIGEST)
    assert not part_of(path).exists()


@pytest.mark.parametrize("kept", [None, CONTENT[:10], CONTENT * 2])
def test_wrong_size_deletes_the_part(server: Server, path: Path, kept: bytes | None) -> None:
    path.parent.mkdir()
    if kept:
        part_of(path).write_bytes(kept)
    with pytest.raises(DigitsError, match="wrong size: expected 77777 bytes, got "):
        fetch(server.url, path, size=77_777)
    assert not part_of(path).exists()


def test_packed_file_labelled_as_gzip_stays_packed(server: Server, path: Path) -> None:
    server.encoding = "x-gzip"
    fetch(server.url, path, sha256=DIGEST)
    assert path.read_bytes() == CONTENT


def test_missing_page_fails_at_once(server: Server, path: Path) -> None:
    with pytest.raises(DigitsError, match="HTTP 404 Not Found. Kept 0 bytes"):
        fetch(server.url + "s", path, waits=NO_WAIT)
    assert len(server.requests) == 1


def test_busy_server_is_asked_again(server: Server, path: Path) -> None:
    server.statuses = [503, 429]
    fetch(server.url, path, sha256=DIGEST, waits=NO_WAIT)
    assert path.read_bytes() == CONTENT


def test_server_gone_keeps_the_part(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT[:10])
    server.server_close()
    with pytest.raises(DigitsError, match="no connection to the server. Kept 10 bytes"):
        fetch(server.url, path, waits=NO_WAIT)
    assert part_of(path).read_bytes() == CONTENT[:10]


def test_silent_server_times_out(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digits.data.download.TIMEOUT_S", (0.2, 0.2))
    release = threading.Event()
    monkeypatch.setattr(Handler, "do_GET", lambda self: release.wait(5))
    with pytest.raises(DigitsError, match="the server does not answer"):
        fetch(server.url, path, waits=())
    release.set()


def test_bad_address_and_unwritable_folder(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DigitsError, match="Cannot download nonsense: .*Kept 0 bytes"):
        fetch("nonsense", tmp_path / "file", waits=NO_WAIT)
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(DigitsError, match="Cannot write .*Free some space or choose a folder"):
        fetch(server.url, tmp_path / "taken" / "file")
