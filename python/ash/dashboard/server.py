"""Serves a live page, read-only and to this machine only, at two addresses.

    GET /TOKEN/                     the page
    GET /TOKEN/updates?since=3      the changes since version 3, as JSON

The server listens on 127.0.0.1. A request without the random token is refused, whatever host it names. So neither other
users of the machine nor pages of other sites can read the report, not even by making their own host name point to
127.0.0.1 (DNS rebinding). A tunnel or proxy may have another host and port. The token is not sent to other sites, since
the Referrer-Policy forbids it. Threads: one daemon thread per connection, at most MOST_CONNECTIONS; none of them
belongs to the run.
"""

import json
import secrets
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from socketserver import TCPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ash._utils.threads import start_thread
from ash.dashboard.live_page import LivePage

HOST = "127.0.0.1"
SECONDS = 10
"""The timeout of each read from and write to a connection."""
MOST_CONNECTIONS = 64
"""If more connections are open, the oldest is closed. Those of a browser last for milliseconds."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LiveServer:
    """A live page at an address of this machine.

    Parameters
    ----------
    page : LivePage
        The page to serve.
    port : int
        The port; 0 chooses any free port.

    Raises
    ------
    OSError
        The port is not available.
    """

    def __init__(self, page: LivePage, port: int) -> None:
        self.seen = False  # whether a browser has fetched the state after the end of the run
        self.asked = -float("inf")  # time of the last request for the page or its changes, on the monotonic clock
        self._page, self._token = page, secrets.token_urlsafe(16)
        self._server = _Server((HOST, port), _handler(self))
        self.port: int = self._server.server_address[1]
        self._thread = start_thread(self._server.serve_forever, "ash-dashboard")

    @property
    def address(self) -> str:
        """Return the address of the page."""
        return f"http://{HOST}:{self.port}/{self._token}/"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, target: str) -> tuple[HTTPStatus, str, str]:
        """Return the status, content type and content of the answer to a request."""
        parts = urlsplit(target)
        _, token, *path = parts.path.split("/", 2)
        if not path or not secrets.compare_digest(token.encode(), self._token.encode()):
            return HTTPStatus.FORBIDDEN, "text/plain", "Open the whole address that the run shows, with its token.\n"
        if path == [""]:
            self.asked = time.monotonic()
            self.seen = self.seen or not self._page.running
            return HTTPStatus.OK, "text/html", self._page.page()
        if path != ["updates"]:
            return HTTPStatus.NOT_FOUND, "text/plain", "Page not found.\n"
        since = parse_qs(parts.query).get("since", ["0"])[0]
        update = self._page.updates(int(since) if since.isascii() and since.isdigit() else 0)
        self.asked = time.monotonic()
        self.seen = not update["running"]
        return HTTPStatus.OK, "application/json", json.dumps(update, allow_nan=False)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: list[socket] = []
        self._lock = Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, and close the oldest connection if there are too many."""
        with self._lock:
            self._open.append(request)
            oldest = self._open.pop(0) if len(self._open) > MOST_CONNECTIONS else None
        if oldest is not None:
            with suppress(OSError):  # it has just been closed
                oldest.shutdown(SHUT_RDWR)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock, suppress(ValueError):  # the oldest is not in the list any more
            self._open.remove(request)
        super().close_request(request)

    def server_bind(self) -> None:
        """Bind without looking up the name of this machine by DNS, which HTTPServer would do."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing, since a browser that disconnects early is not an error of the run."""


def _handler(live: LiveServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS
        server_version = "ash"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer the request; an error is reported to the browser, not to the run."""
            try:
                status, kind, text = live.answer(self.path)
            except Exception as error:
                status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain"
                text = f"The page cannot be drawn: {type(error).__name__}: {error}\n"
            content = text.encode("utf-8", "replace")
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def end_headers(self) -> None:
            """Add HEADERS to any answer, also to those of the base class."""
            for name, value in HEADERS.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Write no log, since stderr belongs to the run."""

    return Handler
