"""Serve the page: python -m digits.serve [--ckpt large] [--port 8000]; extra `web`."""

import argparse

from digits.console import banner, one_line_errors
from digits.errors import DigitsError


@one_line_errors
def main() -> None:
    """Load a model and serve it until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.serve", description="A web page that reads numbers in photos."
    )
    parser.add_argument("--ckpt", default="small", help="small, large, ensemble or a path")
    parser.add_argument("--host", default="127.0.0.1",
                        help="address to listen on; 0.0.0.0 lets other machines in")  # fmt: skip
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    options = parser.parse_args()
    try:
        import uvicorn

        from digits.serve.app import build_app
    except ImportError as error:
        raise DigitsError(
            f"The page needs {error.name}: pip install -e '.[web]' (starlette, uvicorn)."
        ) from error
    from digits.reader import NumberReader

    reader = NumberReader.load(options.ckpt, options.device)
    shown = "localhost" if options.host in ("0.0.0.0", "::") else options.host
    banner(
        "digits: serving",
        {"checkpoint": options.ckpt, "page": f"http://{shown}:{options.port}  (Ctrl-C ends it)"},
    )
    # Waiting photos are refused beyond a few: a page sends one after the other.
    uvicorn.run(
        build_app(reader, options.host), host=options.host, port=options.port,
        log_level="warning", limit_concurrency=32, timeout_keep_alive=5, server_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
