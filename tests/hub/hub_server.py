"""A small Hub on loopback: what huggingface_hub and LeRobot ask of it, and every way it can fail.

    with LoopbackHub(tmp_path) as hub:          # or the fixture `hub` of hub_fixtures.py
        HfApi(endpoint=hub.url, token="hf_alice").create_repo("alice/pusht")
        hub.fail("PUT", "/lfs/", calls=(1,), cut_upload=1000)      # see hub_faults.Fault
        hub.log, hub.count("POST", "/commit/")  # every request that arrived: (method, path, status)
        hub.files("alice/pusht")                # {path: bytes} of main, or of revision=…; commits, tags: hub.repo(…)
        hub.stop(), hub.start()                 # nobody listens; there again, same port, same contents

Tokens `hf_alice` and `hf_bob` belong to alice and bob: writing needs the owner's token, reading a private repository
too. Everybody else gets what the Hub gives: 401 without a token, 404 with one. Other test folders: put
`from hub_fixtures import hub, online` into their conftest.py (tests/publishing/conftest.py shows the two lines).
"""

import re
import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hub_api import Answer, Api
from hub_faults import Fault
from hub_store import Refused, Repo, Store


@dataclass(frozen=True)
class Logged:
    """A request that arrived; status 0: the connection was dropped without an answer."""

    method: str
    path: str
    status: int


class _Gone(Exception):
    """The connection is to be dropped without a further word."""


class LoopbackHub:
    """Storage, API and a real HTTP server on 127.0.0.1; see the module docstring."""

    def __init__(self, folder: Path):
        self.store = Store(folder / "blobs")
        self.tokens = {"hf_alice": "alice", "hf_bob": "bob"}
        self.faults: list[Fault] = []
        self.log: list[Logged] = []
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._connections: set[socket.socket] = set()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        api = Api(self.store, self.tokens, self.url)
        hub = self

        class Server(ThreadingHTTPServer):
            daemon_threads, block_on_close, allow_reuse_address = True, False, True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Dropped connections are this server's business; the tests look at the client."""

        class Handler(_Handler):
            pass

        Handler.hub, Handler.api = hub, api
        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        api.url = self.url
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            for connection in list(self._connections):
                _drop(connection)

    def __enter__(self) -> "LoopbackHub":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail(self, method: str, path: str, **how: Any) -> Fault:
        """From now on, spoils matching requests; newest rules are asked first."""
        fault = Fault(method, path, **how)
        self.faults.insert(0, fault)
        return fault

    def count(self, method: str, path: str, status: int = 200) -> int:
        """How many requests matching the regular expression `path` were answered with `status`."""
        return sum(r.method == method and bool(re.search(path, r.path)) and r.status == status for r in self.log)

    def repo(self, repo_id: str, kind: str = "model") -> Repo:
        found = self.store.repo(kind, repo_id)
        assert found is not None, f"no {kind} {repo_id}; there are {sorted(self.store.repos)}"
        return found

    def files(self, repo_id: str, revision: str = "main", kind: str = "model") -> dict[str, bytes]:
        """Contents of a revision, without the .gitattributes every repository begins with."""
        entries = self.repo(repo_id, kind).at(revision).files
        return {path: self.store.content(entry) for path, entry in entries.items() if path != ".gitattributes"}

    def titles(self, repo_id: str, kind: str = "model") -> list[str]:
        """Titles of main's commits after the initial one, oldest first."""
        return [commit.title for commit in reversed(self.repo(repo_id, kind).history("main"))][1:]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LoopbackHub
    api: Api

    def setup(self) -> None:
        super().setup()
        self.hub._connections.add(self.connection)

    def finish(self) -> None:
        self.hub._connections.discard(self.connection)
        try:
            super().finish()
        except (OSError, ValueError):  # dropped on purpose
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Requests are in hub.log."""

    def _serve(self) -> None:
        path = self.path
        struck = [fault for fault in self.hub.faults if fault.strikes(self.command, path)]
        status = 0
        try:
            answer = self._answer(struck)
            status = answer.status
            # Logged before the client can know the answer, so that a test that has it finds it in the log.
            self.hub.log.append(Logged(self.command, path, status))
            self._send(answer, struck)
        except _Gone:
            if not status:
                self.hub.log.append(Logged(self.command, path, 0))
            self.close_connection = True
            _drop(self.connection)

    def _answer(self, struck: list[Fault]) -> Answer:
        if not self.hub.running:
            raise _Gone
        for fault in struck:
            if fault.shutdown:
                self.hub.stop()
                raise _Gone
            if fault.before is not None:
                fault.before()
            time.sleep(fault.stall)
            if fault.cut_upload is not None:
                self.rfile.read(fault.cut_upload)
                raise _Gone
        body = self._body()
        for fault in struck:
            if fault.status is not None:
                wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                return Answer.error(fault.status, "out of order", headers=wait)
        split = urlsplit(self.path)
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        try:
            return self.api.handle(self.command, unquote(split.path), split.query, self.headers, body, token)
        except Refused as refusal:
            headers = {"X-Error-Code": refusal.code} if refusal.code else {}
            return Answer.error(
                refusal.status, refusal.message, headers={**headers, "X-Error-Message": refusal.message}
            )

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, answer: Answer, struck: list[Fault]) -> None:
        body, size = answer.body, len(answer.body) if answer.size is None else answer.size
        for fault in struck:
            body = body[:-1] + bytes([body[-1] ^ 1]) if fault.flip and body else body
            size += fault.extra_size
        cuts = [fault.cut_download for fault in struck if fault.cut_download is not None]
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.content_type, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: cuts[0]] if cuts else body)
            self.wfile.flush()
        if cuts:
            raise _Gone

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve


def _drop(connection: socket.socket) -> None:
    """Close so that the other side notices at once."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # gone already
