"""The server: one process that answers this machine alone, until Ctrl-C."""

import json
import socket
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path

from actlab.core.errors import ActlabError, MissingExtra

HOST = "127.0.0.1"


def serve(
    root: str | Path = "runs",
    results: str | Path = "results",
    *,
    port: int = 8765,
    browser: bool = False,
    as_json: bool = False,
) -> None:
    """Answer under http://127.0.0.1:PORT until the process is interrupted; the address is printed first.

    Args:
        root: folder of runs.
        results: folder of the papers' results.
        port: 0 for any that is free.
        browser: open the address in a browser.
        as_json: print `{"address": ...}`.

    Raises:
        MissingExtra: the extra `web` is not installed.
        ActlabError: the port is taken, or the folder of runs cannot be written.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError:
        raise MissingExtra("The web app", "web") from None
    from actlab.web.app import make_app

    app = make_app(root, results)
    with listen(port) as listening:
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        sys.stdout.write((json.dumps({"address": address}) if as_json else address) + "\n")
        sys.stdout.flush()
        if browser:
            webbrowser.open(address)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=1 << 15,
            )
        )
        with suppress(KeyboardInterrupt):  # the server has ended in order, and hands Ctrl-C on
            server.run(sockets=[listening])


def listen(port: int) -> socket.socket:
    """A socket of this machine alone.

    Raises:
        ActlabError: the port is taken.
    """
    # asyncio sends small pieces at once only where it is told that this is TCP; else each answer waits for 40 ms
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise ActlabError(f"Port {port} cannot be used: {error.strerror}; choose another with --port.") from None
    listening.listen(128)
    return listening
