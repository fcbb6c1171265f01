"""Serve the page: python -m digits.serve [--ckpt large] [--port 8000]; extra `web`."""

import argparse
import socket
from contextlib import suppress

from digits import load
from digits.console import banner, quiet
from digits.ending import one_line_errors
from digits.errors import DigitsError


@one_line_errors
def main() -> None:
    """Load a model and serve it until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.serve", description="A web page that reads numbers in photos."
    )
    parser.add_argument(
        "--ckpt",
        default="small",
        help="small, large, ensemble, or the path of a checkpoint or model.onnx",
    )
    parser.add_argument("--host", default="127.0.0.1",
                        help="address to listen on; 0.0.0.0 lets other machines in")  # fmt: skip
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    options = parser.parse_args()
    quiet()
    try:
        import uvicorn

        from digits.serve.app import build_app
    except ImportError as error:
        raise DigitsError(
            f"The page needs {error.name}: pip install -e '.[web]' (starlette, uvicorn)."
        ) from error
    listening = listen(options.host, options.port)
    reader = load(options.ckpt, options.device)
    shown = "localhost" if options.host in ("0.0.0.0", "::") else options.host
    port = listening.getsockname()[1]
    banner(
        "digits: serving",
        {"checkpoint": options.ckpt, "page": f"http://{shown}:{port}  (Ctrl-C ends it)"},
    )
    # Waiting photos are refused beyond a few: a page sends one after the other.
    config = uvicorn.Config(
        build_app(reader, options.host),
        log_level="warning", limit_concurrency=32, timeout_keep_alive=5, server_header=False,
    )  # fmt: skip
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for browsers, before a model is loaded for them; port 0: any free one.

    Raises:
        DigitsError: no such address here, or a port that is taken or none.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (")[0].rstrip(".")
        raise DigitsError(
            f"--host {host} --port {port}: cannot listen there ({reason}); say another --port, or "
            "--port 0 for a free one."
        ) from error


if __name__ == "__main__":
    main()
