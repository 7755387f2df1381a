"""The session on a loopback address, for one page.

Only programs of this machine reach the port. A page from elsewhere, open in the same browser, could still send requests to
it. Therefore a request must name this very address as its host, and if it has an origin, as its origin.
"""

import errno
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from lerobot_dp_plus.steering.orders import Refused
from lerobot_dp_plus.steering.session import Session
from lerobot_dp_plus.steering.shown import state

LOOPBACK = "127.0.0.1"
#: What is served as it is, with its type.
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
#: Bytes that an order may have.
LONGEST = 4096


class Server(ThreadingHTTPServer):
    """Serves a session. Orders are carried out one after the other, however many arrive at once.

    Args:
        session: what is served.
        port: 0 takes a free one.

    Raises:
        ValueError: the port is in use or not legal.
    """

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, session: Session, port: int):
        if not 0 <= port < 65536:
            raise ValueError(f"port = {port}: must be from 0, which takes a free one, to 65535")
        try:
            super().__init__((LOOPBACK, port), Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "in use" if error.errno == errno.EADDRINUSE else "not for everybody to take"
            raise ValueError(f"port = {port}: it is {why}; give another, or --port 0 for a free one") from error
        self.session, self._turn = session, threading.Lock()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """How the page's own requests name this server."""
        return frozenset(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))

    def ask(self, order: Any = None) -> tuple[HTTPStatus, dict[str, Any]]:
        """The state, after an order if there is one. A refused order changes nothing and says why."""
        with self._turn:
            try:
                if order is not None:
                    self.session.perform(order)
            except Refused as error:
                return HTTPStatus.CONFLICT, {"error": str(error), **state(self.session)}
            except (ValueError, FloatingPointError, OSError) as error:
                # The policy could not draw, or the disk is full. The page says so, and the person takes back what caused it.
                return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"it could not go on: {error}"}
            return HTTPStatus.OK, state(self.session)


class Handler(BaseHTTPRequestHandler):
    """GET / and its files, GET /state, POST /do with an order."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """The page, its files, and the state."""
        if not self._is_ours():
            return
        if self.path == "/state":
            self._say(*self.server.ask())
        elif self.path in FILES:
            name, kind = FILES[self.path]
            self._send(HTTPStatus.OK, kind, resources.files(__package__).joinpath("page", name).read_bytes())
        else:
            self._say(HTTPStatus.NOT_FOUND, {"error": f"there is nothing at {self.path[:80]}"})

    def do_POST(self) -> None:
        """An order."""
        if not self._is_ours():
            return
        if self.path != "/do":
            self._refuse(HTTPStatus.NOT_FOUND, f"there is nothing at {self.path[:80]}")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "an order is application/json")
        elif not (length := self.headers.get("Content-Length", "")).isdecimal() or int(length) > LONGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an order has a length, of at most {LONGEST} bytes")
        else:
            try:
                order = json.loads(self.rfile.read(int(length)))
            except ValueError:
                self._refuse(HTTPStatus.BAD_REQUEST, "an order is JSON")
            else:
                self._say(*self.server.ask({} if order is None else order))

    def _is_ours(self) -> bool:
        """Whether the page itself asks; if not, that is said."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, f"requests must be for {self.server.url}, not for {host[:80]!r}")
            return False
        if origin is not None and origin not in {f"http://{each}" for each in self.server.hosts}:
            self._refuse(HTTPStatus.FORBIDDEN, "requests of other pages are refused")
            return False
        return True

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        """Without reading what may follow, so the connection ends."""
        self.close_connection = True
        self._say(status, {"error": why})

    def _say(self, status: HTTPStatus, told: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(told).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
        ):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The terminal stays quiet."""
