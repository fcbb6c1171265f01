"""The web application: the page, and the endpoint that reads a photo."""

# mypy: disable-error-code="misc"

import base64
import hashlib
import re
from importlib import resources
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from digits import __version__
from digits.errors import DigitsError
from digits.reading.result import PhotoReader, Result
from digits.serve.photo import MAX_BYTES, open_photo, preview

_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_MAX_SECONDS = 60.0  # seconds that sending a photo may take
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def build_app(reader: PhotoReader, host: str = "127.0.0.1") -> Starlette:
    """The application: `GET /` is the page, `POST /read` takes the bytes of a photo.

    `POST /read?preview=1` also gives the photo as it was decoded, for browsers that cannot show it.
    Nothing is written to disk, and no photo is kept.

    Args:
        reader: reads the photos, one after the other.
        host: the address it listens on. On the machine itself only requests to that machine by
            name are answered, so that no web site can reach it by a name of its own.
    """
    text = (resources.files(__package__) / "page.html").read_text(encoding="utf-8")
    page = HTMLResponse(text, headers=_HEADERS | {"Content-Security-Policy": _policy(text)})
    one_by_one = anyio.CapacityLimiter(1)

    async def show(request: Request) -> Response:
        return page

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__}, headers=_HEADERS)

    async def read(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "Sent by the page of another site.")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.startswith("multipart/") or kind == "application/json":
            raise HTTPException(
                415, f"{kind}: send the bytes of the photo alone (curl --data-binary @photo.jpg)."
            )
        content = await _body(request)
        seen = request.query_params.get("preview") == "1"
        answer = await anyio.to_thread.run_sync(_read, reader, content, seen, limiter=one_by_one)
        return JSONResponse(answer, headers=_HEADERS)

    routes = [Route("/", show), Route("/health", health), Route("/read", read, methods=["POST"])]
    names = list(_LOCAL) if host in (*_LOCAL, "::1") else ["*"]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=names)],
        exception_handlers={HTTPException: _refuse, DigitsError: _refuse},
    )


async def _body(request: Request) -> bytes:
    """The bytes of a request, as far as they are allowed to be many."""
    content = bytearray()
    try:
        with anyio.move_on_after(_MAX_SECONDS) as scope:
            async for part in request.stream():
                content += part
                if len(content) > MAX_BYTES:
                    raise HTTPException(413, f"Larger than {MAX_BYTES // 10**6} MB: reduce it.")
    except ClientDisconnect as error:  # a page that was closed
        raise HTTPException(400, "The connection ended before the photo did.") from error
    if scope.cancelled_caught:
        raise HTTPException(408, f"Not sent within {_MAX_SECONDS:.0f} seconds.")
    return bytes(content)


def _read(reader: PhotoReader, content: bytes, seen: bool) -> dict[str, Any]:
    photo = open_photo(content)
    return to_json(reader.read(photo)) | (preview(photo) if seen else {})


def to_json(result: Result) -> dict[str, Any]:
    """The answer of `POST /read`; boxes are x_min, y_min, x_max, y_max in pixels, upright."""
    return {
        "number": result.number,
        "confidence": round(result.confidence, 4),
        "accepted": result.accepted,
        "runner_up": result.runner_up,
        "digits": [
            {"text": d.text, "score": round(d.score, 4), "box": [round(v, 1) for v in d.box]}
            for d in result.digits
        ],
    }


async def _refuse(request: Request, error: Exception) -> Response:
    """Every refusal is one line of JSON."""
    status, text = (
        (error.status_code, error.detail) if isinstance(error, HTTPException) else (422, str(error))
    )
    return JSONResponse({"error": text}, status, headers=_HEADERS)


def _policy(page: str) -> str:
    """A policy under which a browser runs the page's own script and style, and nothing else."""

    def digest(tag: str) -> str:
        inner = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert inner is not None
        code = base64.b64encode(hashlib.sha256(inner[1].encode()).digest()).decode()
        return f"'sha256-{code}'"

    return (
        f"default-src 'none'; script-src {digest('script')}; style-src {digest('style')}; "
        "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
