"""How long to wait for a Hub that is slow, busy or gone, and what to say then.

huggingface_hub waits without limit in most of its calls, repeats some of them for up to half a minute and others not at
all. Here there is one rule for all: within `patient`, silence and the answers 429 and 5xx leave the client at once, as
a `Passing` trouble it does not repeat by itself, and `Patience.keep_trying` repeats the whole, idempotent piece of work.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
from huggingface_hub import constants, set_client_factory
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import _http

BUSY = (408, 429, 500, 502, 503, 504)


class HubFailure(OSError, ValueError):
    """The Hub did not do what it was asked; the message says what it was and what would help."""


class HubUnreachable(HubFailure, ConnectionError):
    """Nobody answers, not in time, or nobody may be asked (HF_HUB_OFFLINE)."""


class HubRefused(HubFailure, PermissionError):
    """The Hub answers, and says no: no token, no rights, no such repository, illegal metadata."""


class HubConflict(HubFailure):
    """Somebody else has been faster, or a name is taken by something else."""


class Passing(Exception):
    """Trouble that may be over the next time; retry_after: seconds the Hub asks to wait."""

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Patience:
    """How long to wait.

    Args:
        connect: seconds for a connection to be made; silence: for a request to go on once it is made.
        tries: of the whole work; pause: seconds before the second, doubled for each further one.
        give_up: no new try begins later than so many seconds after the first trouble.
        longest_pause: a Hub that asks for more (Retry-After) is asked another day.
    """

    connect: float = 5.0
    silence: float = 60.0
    tries: int = 4
    pause: float = 0.5
    give_up: float = 10.0
    longest_pause: float = 30.0

    def keep_trying[T](self, work: Callable[[], T], what: str) -> T:
        """The result of `work`, repeated while only passing troubles end it; `what` it does, for the message.

        Raises:
            HubFailure: it did not work, worded for people. Other exceptions pass.
        """
        began: float | None = None
        for attempt in range(self.tries):
            try:
                with patient(self):
                    return work()
            except Exception as error:
                trouble = passing_in(error)
                if trouble is None:
                    refuse(error, what)
                now = time.monotonic()
                began = now if began is None else began
                pause = self.pause * 2**attempt
                if trouble.retry_after is not None:
                    # Waiting as told is no sign of a dead Hub.
                    pause, began = trouble.retry_after, began + trouble.retry_after
                last = attempt == self.tries - 1 or now + pause - began > self.give_up
                if last or pause > self.longest_pause:
                    asked = f"; it asks to come back in {pause:.0f} s" if trouble.retry_after is not None else ""
                    tried = f" ({attempt + 1} tries)" if attempt else ""
                    raise HubUnreachable(f"{what}: the Hub at {constants.ENDPOINT} {trouble}{tried}{asked}") from error
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")


@contextmanager
def patient(patience: Patience) -> Iterator[None]:
    """Within: huggingface_hub's requests have time limits, and raise `Passing` instead of waiting and repeating.

    The client, whoever configured it, is that of the whole process; other threads' requests get the same limits.
    """
    configured = _http._GLOBAL_CLIENT_FACTORY

    def factory() -> httpx.Client:
        client = configured()
        client.timeout = httpx.Timeout(patience.silence, connect=patience.connect)
        send = client.send

        def send_once(request: httpx.Request, **options: Any) -> httpx.Response:
            # Calls that set limits of their own (None: none) get ours where ours are shorter.
            limits = request.extensions.get("timeout", {})
            for part, ours in client.timeout.as_dict().items():
                limits[part] = ours if limits.get(part) is None else min(limits[part], ours or limits[part])
            request.extensions["timeout"] = limits
            try:
                response = send(request, **options)
            except httpx.TimeoutException as error:
                raise Passing(f"did not answer {request.method} {request.url.path} in time") from error
            except httpx.TransportError as error:
                raise Passing(f"cannot be reached ({error or type(error).__name__})") from error
            if response.status_code in BUSY:
                after = response.headers.get("retry-after", "")
                response.close()
                said = (
                    f"answered {response.status_code} {response.reason_phrase} to {request.method} {request.url.path}"
                )
                raise Passing(said, float(after) if after.isdigit() else None)
            return response

        client.send = send_once  # type: ignore[method-assign]
        return client

    set_client_factory(factory)
    try:
        yield
    finally:
        set_client_factory(configured)


def passing_in(error: BaseException | None) -> Passing | None:
    """The passing trouble behind `error`: itself, or what huggingface_hub wrapped it in; None if it is none."""
    while error is not None:
        if isinstance(error, Passing):
            return error
        if isinstance(error, httpx.TransportError):  # while reading an answer
            return Passing(f"broke the connection ({error or type(error).__name__})")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def refuse(error: Exception, what: str) -> NoReturn:
    """Raises `error` worded for people if it is the Hub's, else as it is."""
    if isinstance(error, OfflineModeIsEnabled):
        raise HubUnreachable(f"{what}: HF_HUB_OFFLINE is set, so nothing was sent") from error
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        said = " ".join((error.server_message or error.response.reason_phrase or "").split())
        hint = ""
        if status == 401 or (status == 404 and isinstance(error, RepositoryNotFoundError)):
            hint = ": log in with `hf auth login`, set HF_TOKEN or pass --token, with a token that may write there"
        elif status == 403 or isinstance(error, GatedRepoError):
            hint = ": this token has no right to it: check the name USER/NAME and that the token may write"
        kind = HubConflict if status in (409, 412) else HubRefused
        raise kind(f"{what}: the Hub says {status} ({said}){hint}") from error
    raise error
