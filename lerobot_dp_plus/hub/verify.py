"""What people will get: the revision downloaded as a stranger does, into an empty cache, and compared byte for byte."""

import glob
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import snapshot_download

from lerobot_dp_plus.hub.contents import sha256
from lerobot_dp_plus.hub.patience import HubFailure
from lerobot_dp_plus.hub.upload import Repository


class HubDamaged(HubFailure):
    """What comes back from the Hub is not what was sent."""


def download(repository: Repository, commit: str, files: Mapping[str, Path], cache: Path) -> Path:
    """The folder of `files` at `commit`, downloaded into `cache`, which must be empty, and found equal.

    Raises:
        FileExistsError: `cache` is not empty: what it holds would not be downloaded.
        HubDamaged: a file is missing, cut short or changed, by name.
        HubUnreachable, HubRefused: it could not be downloaded.
    """
    if cache.exists() and any(cache.iterdir()):
        raise FileExistsError(f"{cache} is not empty; a download is only proof with an empty cache")

    def work() -> Path:
        try:
            return Path(
                snapshot_download(
                    repository.repo_id,
                    repo_type=repository.kind,
                    revision=commit,
                    cache_dir=cache,
                    token=repository.token,
                    allow_patterns=[glob.escape(name) for name in files],
                )
            )
        except OSError as error:
            # huggingface_hub compares sizes, and says so in a plain OSError.
            if "Consistency check failed" in str(error):
                raise HubDamaged(f"{_what(repository, commit)}: {' '.join(str(error).split())}") from error
            raise

    folder = repository.patience.keep_trying(work, f"check by downloading {_what(repository, commit)}")
    wrong = [
        name for name, path in files.items() if not (folder / name).is_file() or sha256(folder / name) != sha256(path)
    ]
    if wrong:
        raise HubDamaged(
            f"{_what(repository, commit)}: what comes back differs from what was sent in {', '.join(wrong[:5])}"
        )
    return folder


def _what(repository: Repository, commit: str) -> str:
    return f"{repository.repo_id} at commit {commit[:8]}"
