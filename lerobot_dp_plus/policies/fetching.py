"""A checkpoint's folder: one here, or files of the Hub in its cache, all of one commit and as the Hub declared them.

huggingface_hub downloads, resumes and caches. On top of that: one quick question first, so that without a network the
cache is used at once instead of after half a minute of retries; one commit for all files, so that a push in between
cannot marry an old config to new weights; and a look at the hash of what is in the cache, which is its name there.
"""

import logging
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.constants import CONFIG_NAME
from huggingface_hub.errors import (
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from lerobot_dp_plus.hub.contents import git_hash, sha256
from lerobot_dp_plus.policies.loading_errors import (
    Asked,
    CheckpointUnavailable,
    DownloadFailed,
    missing,
    silence,
    worded,
    worded_faults,
)

logger = logging.getLogger(__name__)

#: Seconds to wait before asking a Hub again that is busy or out of order, and after a broken download.
PAUSES = (0.5, 1.0, 2.0)
BUSY = (429, 500, 502, 503, 504)
CONNECT_SECONDS = 5.0


class Checkpoint:
    """Checkpoint `name`, a folder here or a repository USER/NAME on the Hub, whose files are fetched one by one.

    Nothing is asked of the Hub before the first `fetch`, which settles the commit. `resume_download` and `proxies`,
    which LeRobot passes on, mean nothing to today's Hub client.
    """

    def __init__(
        self,
        name: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **meaningless: Any,
    ):
        """Raises ValueError for options that contradict each other, CheckpointUnavailable for an impossible name."""
        #: Where the files are; of a repository once its first has been fetched.
        self.folder: Path | None = None
        self.asked = Asked(str(name), revision, token, cache_dir)
        self._options: dict[str, Any] = {"token": token, "cache_dir": cache_dir, "force_download": force_download}
        self._options["local_files_only"] = local_files_only
        if Path(name).is_dir():
            self.folder = Path(name)
        elif force_download and local_files_only:
            raise ValueError("force_download=True and local_files_only=True contradict each other")
        else:
            with worded_faults(self.asked):
                validate_repo_id(self.asked.repo_id)
        self.is_local = self.folder is not None
        #: Why the Hub does not answer, once it has been asked in vain.
        self._silent: Exception | None = None

    def fetch(self, file: str) -> Path:
        """Path of a file of the checkpoint.

        Raises:
            CheckpointUnavailable: with what is missing, who refused, and what would be legal (see `loading_errors`).
            ValueError: what arrived differs from what the Hub declared, twice.
        """
        if self.is_local:
            assert self.folder is not None
            return _local_file(self.folder, file)
        if self.folder is not None:
            # From the second file on: of the same commit.
            with worded_faults(self.asked, self._silent):
                return _verified(replace(self.asked, revision=self.folder.name), file, self._options)
        at = self.asked
        if not self._options["local_files_only"] and not self._has(file):
            commit, self._silent = commit_of(self.asked, file)
            at = replace(at, revision=commit or at.revision)
        if self._silent is not None:
            if self._options["force_download"]:
                raise worded(self._silent, self.asked) from self._silent
            self._options["local_files_only"] = True
        with worded_faults(self.asked, self._silent):
            path = _verified(at, file, self._options)
        self.folder = path.parents[file.count("/")]
        if self._silent is not None:
            place = f"the Hub at {constants.ENDPOINT} {silence(self._silent)}"
            logger.warning("%s: %s. Using commit %s from the cache", self.asked, place, self.folder.name[:8])
        elif at is not self.asked:
            _remember(self.folder, self.asked.revision or constants.DEFAULT_REVISION)
        return path

    def _has(self, file: str) -> bool:
        """Whether a full commit hash was asked for whose file is in the cache: that can never change."""
        at = self.asked.revision or ""
        if not re.fullmatch("[0-9a-f]{40}", at) or self._options["force_download"]:
            return False
        found = try_to_load_from_cache(self.asked.repo_id, file, cache_dir=self.asked.cache_dir, revision=at)
        return isinstance(found, str)


def commit_of(asked: Asked, file: str = CONFIG_NAME) -> tuple[str | None, Exception | None]:
    """The commit of `asked` on the Hub, None if it does not say, and why the Hub does not answer, None if it does.

    Quick, and patient only with a Hub that is busy.

    Raises:
        CheckpointUnavailable: the Hub answers that there is no such revision.
    """
    url = hf_hub_url(asked.repo_id, file, revision=asked.revision)
    timeout = httpx.Timeout(constants.HF_HUB_ETAG_TIMEOUT, connect=min(CONNECT_SECONDS, constants.HF_HUB_ETAG_TIMEOUT))
    for pause in (*PAUSES, None):
        try:
            return get_hf_file_metadata(url, token=asked.token, timeout=timeout).commit_hash, None  # type: ignore[arg-type]
        except RevisionNotFoundError as error:
            raise worded(error, asked) from error
        except RemoteEntryNotFoundError:
            return None, None
        except HfHubHTTPError as error:
            if error.response.status_code not in BUSY or pause is None:
                return None, error
            time.sleep(pause)
        except (httpx.HTTPError, OfflineModeIsEnabled) as error:
            return None, error
    raise AssertionError("the last attempt returns")


def _remember(folder: Path, revision: str) -> None:
    """Let the cache know which commit `revision` is, as huggingface_hub does when it is asked by that name."""
    ref = folder.parent.parent / "refs" / revision
    if revision == folder.name or (ref.is_file() and ref.read_text() == folder.name):
        return
    ref.parent.mkdir(parents=True, exist_ok=True)
    temporary = ref.with_name(f"{ref.name}.{os.getpid()}.tmp")
    temporary.write_text(folder.name)
    os.replace(temporary, ref)


def _verified(asked: Asked, file: str, options: dict[str, Any]) -> Path:
    """A file of the cache, fetched if need be, whose hash is the declared one."""
    for again in (False, True):
        path = _fetch(asked, file, options | ({"force_download": True} if again else {}))
        found, declared = hashes(path)
        if found == declared:
            return path
        if options["local_files_only"]:
            break
        logger.warning("%s of %s is not what the Hub declared: fetching it again", file, asked)
    raise ValueError(
        f"{file} of {asked} has hash {found}, and the Hub declared {declared}: it was damaged on the way or on the disk "
        f"({path}) and is not loaded. Load it with force_download=True from another connection, or tell its author"
    )


def _fetch(asked: Asked, file: str, options: dict[str, Any]) -> Path:
    """hf_hub_download, patient where it is not: a connection reset, a server out of order for a moment."""
    for pause in (*PAUSES, None):
        try:
            return Path(hf_hub_download(asked.repo_id, file, revision=asked.revision, **options))
        except (httpx.ReadError, httpx.RemoteProtocolError, HfHubHTTPError) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code not in BUSY:
                raise
            # Of a connection closed too early huggingface_hub itself has tried to get the rest.
            if pause is None or isinstance(error, httpx.RemoteProtocolError):
                reason = str(error).strip(". \n")
                raise DownloadFailed(
                    f"{file} of {asked} could not be downloaded in several attempts: {reason}. Nothing half-loaded is used; "
                    "try again"
                ) from error
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def hashes(path: Path) -> tuple[str, str]:
    """(found, declared) hash of a file in the Hub's cache, where a file is a link to one named like its hash.

    Large files go by their SHA-256, others by git's. Where the cache cannot have links nothing is declared: equal.
    """
    declared = Path(os.readlink(path)).name if path.is_symlink() else ""
    if re.fullmatch("[0-9a-f]{64}", declared):
        return sha256(path), declared
    if re.fullmatch("[0-9a-f]{40}", declared):
        return git_hash(path), declared
    return declared, declared


def _local_file(folder: Path, file: str) -> Path:
    if (folder / file).is_file():
        return folder / file
    for below in ("pretrained_model", "last/pretrained_model", "checkpoints/last/pretrained_model"):
        if (folder / below / CONFIG_NAME).is_file():
            raise CheckpointUnavailable(f"no {file} in {folder}; the checkpoint is {folder / below}")
    raise missing(file, str(folder), sorted(path.name for path in folder.iterdir()))


def named(folder: Path) -> str:
    """How a person calls the checkpoint in `folder`: USER/NAME at commit … for one in the Hub's cache."""
    store = folder.parent.parent
    if folder.parent.name == "snapshots" and store.name.startswith("models--"):
        return f"{store.name.removeprefix('models--').replace('--', '/')} at commit {folder.name[:8]}"
    return str(folder)
