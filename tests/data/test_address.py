"""Pictures from addresses, from a server of this test on 127.0.0.1."""

import io
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image

from digits.data.address import fetch_picture
from digits.data.folder import PhotoFolder
from digits.errors import DigitsError


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind = self.path.split("?")[0].rsplit("/", 1)[-1]
        self.send_response(404 if kind == "missing.jpg" else 200)
        self.send_header("Content-Type", "text/html" if kind == "page" else "image/png")
        self.end_headers()
        with suppress(OSError):  # the client has heard enough
            if kind == "endless.jpg":
                for _ in range(100):
                    self.wfile.write(bytes(100_000))
            elif kind == "drips.jpg":
                for _ in range(50):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            elif kind != "missing.jpg":
                content = io.BytesIO()
                folder = self.path.split("/")[1]  # tells pictures of one name apart
                width = {"a": 1, "b": 2}.get(folder, 5)
                Image.new("RGB", (width, 4)).save(content, "PNG")
                self.wfile.write(content.getvalue())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.daemon_threads = True
        running.block_on_close = False
        Thread(target=partial(running.serve_forever, 0.02), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/house%2012.png?size=1&x=y", "house 12.png"),
        ("/..%2F..%2Fetc%2F.hidden.png", "hidden.png"),
        ("/a;b*c.png", "a_b_c.png"),
        ("/", "photo"),
    ],
)
def test_a_picture_is_kept_under_its_name(
    server: str, tmp_path: Path, path: str, name: str
) -> None:
    data = PhotoFolder([server + path], tmp_path / "downloads")
    assert Path(data.paths[0]) == tmp_path / "downloads" / name
    assert data[0][0].shape == (3, 4, 5)


def test_pictures_of_one_name_are_all_read(server: str, tmp_path: Path) -> None:
    places = [f"{server}/{door}/photo.jpg" for door in "aba"]
    data = PhotoFolder(places, tmp_path)
    assert len(data) == 2  # each address once
    assert [data[index][0].shape for index in range(2)] == [(3, 4, 1), (3, 4, 2)]
    assert len(PhotoFolder(places, tmp_path)) == 2  # and the same again


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/missing.jpg", "cannot be fetched .*404"),
        ("/page", "a page .*not a picture"),
        ("/endless.jpg", "more than 1 MB"),
        ("/drips.jpg", "not there after 0.3 seconds"),
    ],
)
def test_what_is_no_picture_is_refused(server: str, tmp_path: Path, path: str, says: str) -> None:
    with pytest.raises(DigitsError, match=says):
        fetch_picture(server + path, tmp_path / "a", most=1_000_000, seconds=0.3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://127.0.0.1:1/a.jpg", "Connection refused"),
        ("http://", "cannot be fetched"),
        ("http://[::1/a.jpg", "cannot be fetched"),
    ],
)
def test_no_server_is_one_clear_line(tmp_path: Path, address: str, says: str) -> None:
    with pytest.raises(DigitsError, match="cannot be fetched") as error:
        fetch_picture(address, tmp_path / "a")
    assert says in str(error.value) and len(str(error.value)) < 150
