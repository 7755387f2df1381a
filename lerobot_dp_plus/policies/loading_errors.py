"""What a checkpoint that cannot be had is refused with: who said no, and what would help.

Every class is a FileNotFoundError, as LeRobot's own loader raises for whatever happened, and tells by its second base
what did happen. `worded` turns what huggingface_hub raises into one of them.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

#: Files in which unpickling would run whatever code their author wrote.
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CheckpointUnavailable(FileNotFoundError):
    """The checkpoint, or a file of it, is not there to be loaded."""


class CheckpointUnreadable(ValueError):
    """The checkpoint is there, and a file of it cannot be made sense of, whatever flags go with it."""


class NoAccess(CheckpointUnavailable, PermissionError):
    """The Hub knows who is asking, or that nobody is, and says no (401, 403)."""


class HubUnreachable(CheckpointUnavailable, ConnectionError):
    """Nothing in the cache, and the Hub does not answer, or must not be asked."""


class DownloadFailed(CheckpointUnavailable):
    """The Hub answered, and the file did not arrive whole; nothing of it is kept."""


@dataclass(frozen=True)
class Asked:
    """What was asked of the Hub: a repository at a revision, with a token."""

    repo_id: str
    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | Path | None = None

    def __str__(self) -> str:
        return self.repo_id + (f" at revision {self.revision!r}" if self.revision else "")

    @property
    def identified(self) -> bool:
        """Whether a token goes along."""
        return isinstance(self.token, str) or (self.token is not False and get_token() is not None)

    def files(self) -> list[str]:
        """Every file of the revision, sorted; empty if the Hub does not say."""
        return _known(lambda api: sorted(api.list_repo_files(self.repo_id, revision=self.revision)), self.token)

    def revisions(self) -> list[str]:
        """Names of branches and tags; empty if the Hub does not say."""

        def names(api: HfApi) -> list[str]:
            refs = api.list_repo_refs(self.repo_id)
            return [*(branch.name for branch in refs.branches), *(tag.name for tag in refs.tags)]

        return _known(names, self.token)


def _known(ask, token: str | bool | None) -> list[str]:  # type: ignore[no-untyped-def]
    try:
        return ask(HfApi(token=token))
    except (HfHubHTTPError, httpx.HTTPError, OfflineModeIsEnabled):
        return []  # it only completes a message


@contextmanager
def worded_faults(asked: Asked, not_in_cache: Exception | None = None) -> Iterator[None]:
    """What huggingface_hub raises inside, reworded; `not_in_cache` is why only the cache is looked at, if it is."""
    try:
        yield
    except LocalEntryNotFoundError as error:
        asking = not_in_cache or (error.__cause__ if isinstance(error.__cause__, httpx.HTTPError) else None) or error
        raise worded(asking, asked) from error
    except (FileNotFoundError, FileExistsError):
        raise
    except (HfHubHTTPError, httpx.HTTPError, HFValidationError, OfflineModeIsEnabled, OSError) as error:
        raise worded(error, asked) from error


def worded(error: Exception, asked: Asked) -> CheckpointUnavailable:
    """The one message for `error`, which huggingface_hub raised when asked for a file of `asked`."""
    if isinstance(error, HFValidationError):
        return CheckpointUnavailable(
            f"{asked.repo_id!r} is no folder here and cannot be a Hub repository, which is named USER/NAME: {error}"
        )
    if isinstance(error, RevisionNotFoundError):
        names = asked.revisions()
        legal = f"; it has {', '.join(names)}, and commit hashes" if names else ""
        return CheckpointUnavailable(f"{asked.repo_id} on the Hub has no revision {asked.revision!r}{legal}")
    if isinstance(error, RemoteEntryNotFoundError):
        return missing(str(error.response.url).rsplit("/", 1)[-1], str(asked), asked.files())
    if isinstance(error, GatedRepoError):
        page = f"{constants.ENDPOINT}/{asked.repo_id}"
        return NoAccess(f"{asked} is gated (403): ask for access at {page}, then log in with `hf auth login`")
    if isinstance(error, DisabledRepoError):
        return NoAccess(f"{asked} was disabled on the Hub (403)")
    if isinstance(error, RepositoryNotFoundError):
        if error.response.status_code == 401 and asked.identified:
            return _refused(error, asked)
        if not asked.identified:
            return NoAccess(
                f"{asked}: no folder here, and no public model on the Hub (401). If it is private, log in with "
                "`hf auth login`, set HF_TOKEN, or pass token="
            )
        return CheckpointUnavailable(
            f"{asked}: no folder here, and no model on the Hub that this token may see (404): check the name, and "
            "whether its owner shares it with you"
        )
    if isinstance(error, HfHubHTTPError):
        return _refused(error, asked)
    if isinstance(error, (LocalEntryNotFoundError, OfflineModeIsEnabled)):
        cache = asked.cache_dir or constants.HF_HUB_CACHE
        why = "HF_HUB_OFFLINE=1" if constants.HF_HUB_OFFLINE else "local_files_only=True"
        return HubUnreachable(
            f"{asked} is neither a folder here nor whole in the cache {cache}, and {why} forbids to fetch it"
        )
    if isinstance(error, httpx.HTTPError) and not isinstance(error, httpx.HTTPStatusError):
        return HubUnreachable(f"{asked} is not in the cache, and the Hub at {constants.ENDPOINT} {silence(error)}")
    return _not_stored(error, asked)


def _refused(error: HfHubHTTPError, asked: Asked) -> CheckpointUnavailable:
    status, said = error.response.status_code, error.server_message or error.response.reason_phrase
    if status == 401:
        return NoAccess(
            f"{asked}: the Hub refuses the token (401, {said}): it is mistyped or has expired; log in again with "
            "`hf auth login`, or correct HF_TOKEN or token="
        )
    if status == 403:
        return NoAccess(f"{asked}: this token may not read it (403, {said}): use one with read access to it")
    return HubUnreachable(f"{asked} is not in the cache, and the Hub at {constants.ENDPOINT} {silence(error)}")


def silence(error: Exception) -> str:
    """How the Hub did not answer."""
    if isinstance(error, HfHubHTTPError):
        busy = " (too many requests)" if error.response.status_code == 429 else ""
        return f"answers with status {error.response.status_code}{busy}: try again later"
    if isinstance(error, httpx.TimeoutException):
        return "does not answer in time: check the connection"
    return f"cannot be reached ({error or type(error).__name__}): check the connection"


def _not_stored(error: Exception, asked: Asked) -> DownloadFailed:
    cache = asked.cache_dir or constants.HF_HUB_CACHE
    if isinstance(error, OSError) and error.errno in FULL:
        reason = f"no room in the cache {cache} ({error.strerror}): free some, or set HF_HOME or cache_dir="
    elif isinstance(error, PermissionError):
        reason = f"the cache {cache} cannot be written ({error.strerror}): set HF_HOME or cache_dir="
    else:
        reason = " ".join(str(error).split()).strip(".")
    return DownloadFailed(f"{asked} could not be downloaded: {reason}. Nothing half-loaded is used")


def missing(name: str, where: str, present: list[str]) -> CheckpointUnavailable:
    """File `name` is not among those `present`; pickled weights are named and refused."""
    pickled = [file for file in present if file.endswith(PICKLES)]
    others = [file for file in present if file.endswith(".safetensors") and file.startswith("model")]
    if name.endswith(".safetensors") and pickled:
        hint = (
            f"; it offers only pickled weights {pickled}, which are never loaded, as that would run whatever code is in "
            "them: ask its author for safetensors"
        )
    elif name.endswith(".safetensors") and others:
        hint = f"; it has {', '.join(others[:5])}"
    else:
        hint = f"; it has {', '.join(present[:8])}{', …' if len(present) > 8 else ''}" if present else ""
    return CheckpointUnavailable(f"no {name} in {where}{hint}")
