"""A served session, and a client that speaks to it as a browser would."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lerobot_dp_plus.steering.server import Server
from lerobot_dp_plus.steering.session import Session


@contextmanager
def served(session: Session) -> Iterator[Server]:
    """A server on a free port, in a thread of its own."""
    server = Server(session, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server: Server, path: str, order: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, headers and what is said; an order is posted. Names of headers have _ for -."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None
    if order is not None:
        data = order if isinstance(order, bytes) else json.dumps(order).encode()
        given = {"Content-Type": "application/json", **given}
    request = urllib.request.Request(server.url.rstrip("/") + path, data, given)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            status, found, body = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        status, found, body = error.code, error.headers, error.read()
    told = json.loads(body) if found.get_content_type() == "application/json" else body.decode()
    return status, found, told
