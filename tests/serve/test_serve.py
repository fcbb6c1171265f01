"""The web page: photos are read, whatever else is sent is refused in one line."""

import io
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from browser import PROGRAM, Browser
from conftest import ROOT
from PIL import Image

import digits

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from starlette.exceptions import HTTPException  # noqa: E402
from starlette.requests import Request  # noqa: E402

from digits.errors import DigitsError  # noqa: E402
from digits.serve import app as served  # noqa: E402
from digits.serve import photo as sent_photo  # noqa: E402
from digits.serve.__main__ import listen  # noqa: E402
from digits.serve.app import build_app  # noqa: E402

PHOTO = ROOT / "docs" / "photos" / "house-25.png"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a running page."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = build_app(digits.load(device="cpu"))
        running = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        while not running.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        running.should_exit = True
        thread.join()


def post(server: str, content: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{server}/read", content, named)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def encoded(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, kind)
    return file.getvalue()


def test_a_photo_gives_its_number(server: str) -> None:
    status, answer = post(server, PHOTO.read_bytes())
    assert status == 200 and answer["number"] == "25"
    assert 0.5 < answer["confidence"] <= 1 and answer["accepted"] is True
    assert [digit["text"] for digit in answer["digits"]] == ["2", "5"]
    direct = digits.load(device="cpu").read(PHOTO)
    for digit, same in zip(answer["digits"], direct.digits, strict=True):
        assert digit["box"] == pytest.approx(same.box, abs=0.051)


def test_a_photo_turned_by_its_camera_has_boxes_as_it_is_seen(server: str) -> None:
    with Image.open(PHOTO) as image:
        exif = image.getexif()
        exif[0x0112] = 6  # shown turned by 90 degrees to the right
        file = io.BytesIO()
        image.convert("RGB").rotate(90, expand=True).save(file, "PNG", exif=exif)
    status, answer = post(server, file.getvalue())
    assert status == 200 and answer["number"] == "25"
    upright = post(server, PHOTO.read_bytes())[1]
    for digit, same in zip(answer["digits"], upright["digits"], strict=True):
        assert digit["box"] == pytest.approx(same["box"], abs=0.5)


def test_a_photo_of_a_phone_gives_its_number(server: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    with Image.open(PHOTO) as image:
        pillow_heif.from_pillow(image.convert("RGB")).save(file, quality=95)
    status, answer = post(server, file.getvalue())
    assert status == 200 and answer["number"] == "25"


BAD = {
    "empty": (b"", "Nothing was sent"),
    "more pixels than Pillow opens": (encoded("PNG", (14_000, 13_000)), "expected 60 million at"),
    "text": (b"<script>alert(1)</script>", "Not a photo"),
    "cut short": (PHOTO.read_bytes()[:900], "Not a photo"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "Not a photo"),
    "GIF": (encoded("GIF"), "Not a photo"),
    "noise": (np.random.default_rng(0).bytes(5000), "Not a photo"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_photo_is_refused(server: str, name: str) -> None:
    content, says = BAD[name]
    status, answer = post(server, content)
    assert status == 422 and says in answer["error"] and "\n" not in answer["error"]


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
def test_a_form_is_told_how_to_send_a_photo(server: str, kind: str) -> None:
    status, answer = post(server, b"--x\r\n" + PHOTO.read_bytes(), content_type=kind)
    assert status == 415 and "curl --data-binary @photo.jpg" in answer["error"]
    assert post(server, PHOTO.read_bytes(), content_type="text/plain")[0] == 200


def test_a_photo_of_too_many_pixels_is_not_decoded(server: str) -> None:
    bomb = encoded("PNG", (12000, 6000))  # 200 kB
    status, answer = post(server, bomb)
    assert status == 422 and "12000 x 6000 pixels" in answer["error"]


def test_a_photo_of_too_many_bytes_is_refused(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digits.serve.app.MAX_BYTES", 1_000_000)
    status, answer = post(server, b"x" * 1_000_001)
    assert status == 413 and "Larger than" in answer["error"]
    assert sent_photo.MAX_BYTES > 10e6


def test_a_page_that_is_closed_while_it_sends_is_no_fault() -> None:
    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive=gone)
    with pytest.raises(HTTPException) as refused:
        anyio.run(served._body, request)
    assert refused.value.status_code == 400


def test_an_address_that_cannot_be_had_is_one_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        for host, wanted in (("127.0.0.1", port), ("127.0.0.1", 99999), ("203.0.113.1", 0)):
            with pytest.raises(DigitsError, match=f"--host {host} --port {wanted}: cannot listen"):
                listen(host, wanted)


def test_other_sites_cannot_use_it(server: str) -> None:
    assert post(server, PHOTO.read_bytes(), Sec_Fetch_Site="cross-site")[0] == 403
    port = server.rpartition(":")[2]
    with socket.create_connection(("127.0.0.1", int(port))) as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 400")


def test_the_page_loads_nothing_from_elsewhere(server: str) -> None:
    with urllib.request.urlopen(server) as answer:
        page, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    for path in ("docs", "openapi.json", "../pyproject.toml"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{server}/{path}")


@pytest.mark.skipif(PROGRAM is None, reason="no Chromium: apt install chromium")
def test_a_photo_dropped_on_the_page_is_read(server: str, tmp_path: Path) -> None:
    sly = tmp_path / "=1+1,<img src=x onerror=document.title='x'>.png"
    sly.write_bytes(PHOTO.read_bytes())
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    scan = tmp_path / "scan.tiff"  # of which Chromium shows nothing itself
    with Image.open(PHOTO) as image:
        image.resize((1500, 1500)).save(scan)
    with Browser(tmp_path / "profile") as page:
        page.open(server)
        page.drop(200, 150, sly, broken, scan)
        page.wait_for("document.querySelector('#state').textContent.startsWith('2 of 3 photos')")
        numbers = page.run("[...document.querySelectorAll('.number')].map(e => e.textContent)")
        assert numbers[0] == "25" and "Not a photo" in numbers[1]
        assert page.run("document.querySelectorAll('svg rect:not(.under)').length") >= 4
        widths = page.run("[...document.querySelectorAll('.view img')].map(e => e.offsetWidth)")
        assert widths[0] > 0 and widths[1] == 0 and widths[2] > 0
        seen = page.run("document.querySelectorAll('img')[2].decode().then(() => true)")
        assert (
            seen and page.run("document.querySelectorAll('svg')[1].viewBox.baseVal.width") == 1500
        )
        assert page.run("document.querySelector('.name').textContent") == sly.name
        assert page.run("document.title") == "digits"
        doubt = '{number: "0", confidence: 0.9477, accepted: false, runner_up: "9", digits: []}'
        page.run(f"fill(place(new File([], 'faint.png')), {doubt})")
        said = page.run("document.querySelector('.doubt .sure').textContent")
        assert said == "confidence 0.95, check: may be 9 or none"
        rows = page.run("table()").splitlines()
        assert rows[0] == "file_name,number,confidence,accepted,runner_up,boxes,error"
        assert rows[1].startswith(f'"\'{sly.name}",25,') and ",yes," in rows[1]
        for width in (1200, 390):
            page.screenshot(tmp_path / f"{width}.png", width, 800)
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
