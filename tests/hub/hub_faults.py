"""What can go wrong with a request, as data: `hub.fail("PUT", "/lfs/", cut_upload=1000)`."""

import re
import threading
from collections.abc import Callable, Container
from dataclasses import dataclass, field


class Always:
    """Every call."""

    def __contains__(self, call: object) -> bool:
        return True


@dataclass
class Fault:
    """Spoils the requests of `method` ("*" any) whose path matches the regular expression `path`.

    Args:
        calls: which of the matching calls, counted from 1: `(1,)` the first only, `range(1, 3)` the first two.
        status, retry_after: answer with this status, and this Retry-After header in seconds.
        cut_upload: read so many bytes of the body, then drop the connection.
        cut_download: send so many bytes of the answer, then drop the connection.
        extra_size: announce the file as so many bytes larger than it is.
        flip: change the last byte of the content, keeping its size.
        stall: seconds of silence before the answer.
        before: called before the request is handled: another publisher's commit, a KeyboardInterrupt sent, …
        shutdown: the server is gone from this request on, until `hub.start()`.
    """

    method: str
    path: str
    calls: Container[int] = field(default_factory=Always)
    status: int | None = None
    retry_after: int | None = None
    cut_upload: int | None = None
    cut_download: int | None = None
    extra_size: int = 0
    flip: bool = False
    stall: float = 0.0
    before: Callable[[], None] | None = None
    shutdown: bool = False
    seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is one to spoil; counts it."""
        if self.method not in ("*", method) or not re.search(self.path, path):
            return False
        with self._lock:
            self.seen += 1
            return self.seen in self.calls
