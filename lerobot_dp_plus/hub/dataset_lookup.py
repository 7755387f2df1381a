"""Is a dataset on the Hub? Asked quickly, before LeRobot asks for it and waits."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from lerobot_dp_plus.hub.patience import Patience, passing_in, patient

#: Somebody waits at the keyboard.
QUICK = Patience(connect=5.0, silence=10.0)
WAY_OUT = "a dataset on this disk is given by its folder: dataset=DIR"


class DatasetUnavailable(FileNotFoundError):
    """The dataset is neither on this disk nor to be had from the Hub; the message says why."""


def home() -> Path:
    """Where LeRobot looks for datasets by their names."""
    default = Path(constants.HF_HOME) / "lerobot"
    return Path(os.environ.get("HF_LEROBOT_HOME", default)).expanduser()


def cached(repo_id: str) -> Path | None:
    """A whole copy in LeRobot's cache, None if there is none. LeRobot itself asks the Hub before it opens one."""
    snapshots = home() / "hub" / f"datasets--{repo_id.replace('/', '--')}" / "snapshots"
    whole = [each for each in snapshots.glob("*") if (each / "meta/info.json").is_file() and (each / "data").is_dir()]
    return max(whole, key=lambda each: each.stat().st_mtime, default=None)


def require_on_hub(repo_id: str, token: str | bool | None = None) -> None:
    """One question to the Hub, the one that LeRobot asks first.

    Raises:
        DatasetUnavailable: it does not have the dataset, does not show it, does not answer, or must not be asked.
    """
    asking(lambda name: HfApi(token=token).list_repo_refs(name, repo_type="dataset"))(repo_id)


def asking[**P, T](ask: Callable[P, T]) -> Callable[P, T]:
    """`ask(repo_id, …)`, a question to the Hub about a dataset, that gives up soon and says in one line what is wrong."""

    def asked(*args: P.args, **options: P.kwargs) -> T:
        try:
            with patient(QUICK):
                return ask(*args, **options)
        except Exception as error:
            reason = _reason(error)
            if reason is None:
                raise
            repo_id = str(args[0] if args else options.get("repo_id"))
            copy = cached(repo_id)
            way_out = WAY_OUT if copy is None else f"a copy is in the cache: --dataset.root={copy}"
            raise DatasetUnavailable(
                f"dataset {repo_id!r} is not whole on this disk, and {reason}; {way_out}"
            ) from error

    return asked


def _reason(error: Any) -> str | None:
    trouble = passing_in(error)
    if trouble is not None:
        return f"the Hub at {constants.ENDPOINT} {trouble}"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE=1 forbids to fetch it"
    if isinstance(error, HFValidationError):
        return "that cannot be a Hub repository, which is named USER/NAME"
    if isinstance(error, GatedRepoError):
        return f"on the Hub it is gated (403): ask for access at {constants.ENDPOINT}/datasets, then `hf auth login`"
    if isinstance(error, RepositoryNotFoundError):
        status = error.response.status_code
        return f"the Hub shows no such dataset ({status}): if it is private, log in with `hf auth login`"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return f"the Hub answers with status {status}: {' '.join((error.server_message or '').split()) or 'no reason'}"
    return None
