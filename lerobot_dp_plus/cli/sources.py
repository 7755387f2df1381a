"""Folders and repositories that a command line names: refused at once, in one line, where they are not there.

LeRobot finds out after half a minute of imports, and of a dataset after as much again of waiting for the network.
"""

import difflib
import re
from pathlib import Path

from lerobot_dp_plus.cli.arguments import INFO, trained, translate
from lerobot_dp_plus.cli.errors import UsageError
from lerobot_dp_plus.cli.given import Given, NotThere
from lerobot_dp_plus.mixtures import entries

#: Scripts that read the dataset of `dataset.*`; `record` and `rollout` make theirs.
READ_A_DATASET = ("train", "replay")
#: The policy types of this package, known here without importing torch.
OUR_TYPES = (
    *("dp_plus_unet", "dp_plus_transformer", "dp_plus_flow", "dp_plus_dit", "dp_plus_pi0"),
    *("dp_plus_bc", "dp_plus_gmm", "dp_plus_ibc", "dp_plus_bet"),
)
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")


def refuse_missing(name: str, given: Given) -> None:
    """Refuse what script `name` would look for in vain.

    Raises:
        NotThere, FileNotFoundError: naming the flag, its value and what would help.
        UsageError: `policy` is nearly the name of a policy type of ours.
    """
    for key in ("policy", "reward_model"):
        path = given.get(f"{key}.path")
        if path is not None:
            _check_checkpoint(f"{key}.path", str(path), given.get(f"{key}.pretrained_revision"))
    if given.get("config_path") is not None:
        _check_config(str(given.get("config_path")))
    _check_type(given.get("policy.type"))
    if name in READ_A_DATASET:
        _check_dataset(given)


def refuse_missing_dataset(value: str) -> None:
    """Refuse a dataset that is neither a folder nor on the Hub; raises as `refuse_missing`."""
    _check_dataset(Given(translate([f"dataset={value}"]), {}))


def _check_checkpoint(key: str, value: str, revision: str | None) -> None:
    folder = Path(value)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            inside = trained(value)
            found = f"; the checkpoint is {inside}" if inside != value else "; expected a checkpoint's pretrained_model"
            raise NotThere(f"{key}={value!r} holds no config.json{found}")
        return
    if folder.exists():
        raise NotThere(f"{key}={value!r} is a file; expected the folder it lies in")
    near = nearest(folder)
    if not _REPOSITORY.fullmatch(value):
        raise NotThere(f"{key}={value!r}: no such folder{_did_you_mean(near)}, and no USER/NAME on the Hub")
    from lerobot_dp_plus.policies.fetching import Checkpoint
    from lerobot_dp_plus.policies.loading_errors import CheckpointUnavailable

    try:
        Checkpoint(value, revision=revision).fetch("config.json")
    except CheckpointUnavailable as error:
        if near is None:
            raise
        raise NotThere(f"{key}={value!r}: no such folder{_did_you_mean(near)}, and on the Hub: {error}") from error


def _check_config(value: str) -> None:
    """`read_config` has refused what is named like a file; what is left is a folder or a repository."""
    folder = Path(value)
    if folder.exists() or _REPOSITORY.fullmatch(value):
        return
    raise NotThere(f"config_path={value!r}: no such file or folder{_did_you_mean(nearest(folder))}")


def _check_type(value: object) -> None:
    close = difflib.get_close_matches(str(value), OUR_TYPES, n=1, cutoff=0.85)
    if close and str(value).startswith("dp_plus") and value not in OUR_TYPES:
        raise UsageError(
            f"policy.type={value!r} is unknown. Did you mean {close[0]!r}? This package has {', '.join(OUR_TYPES)}"
        )


def _check_dataset(given: Given) -> None:
    repo_id, root = given.get("dataset.repo_id"), given.get("dataset.root")
    several = entries(repo_id) if repo_id is not None else None
    if several is not None:
        for each in several:
            refuse_missing_dataset(each.where)
        return
    if (repo_id is None and root is None) or given.get("dataset.repo_type") == "bucket":
        return
    if root is not None and (Path(str(root)) / INFO).is_file():
        return
    absent = ""
    if root is not None:
        there = f"holds no {INFO}" if Path(str(root)).is_dir() else "is no folder"
        absent = f"dataset.root={str(root)!r} {there}{_did_you_mean(nearest(Path(str(root))))}"
    if repo_id is None or str(repo_id).startswith("local/"):
        raise NotThere(f"{absent or f'dataset.repo_id={repo_id!r} is a name of this disk: give dataset=DIR'}")
    name = str(repo_id)
    if not _REPOSITORY.fullmatch(name):
        raise NotThere(
            f"dataset={name!r}: no such folder{_did_you_mean(nearest(Path(name)))}, and no USER/NAME on the Hub"
        )
    from lerobot_dp_plus.hub.dataset_lookup import DatasetUnavailable, cached, home, require_on_hub

    if root is None and (home() / name / INFO).is_file():
        return
    if root is None and given.get("dataset.revision") is not None and cached(name) is not None:
        return  # of a pinned revision LeRobot opens the copy in its cache without asking
    try:
        require_on_hub(name)
    except DatasetUnavailable as error:
        near = "" if absent else _did_you_mean(nearest(Path(name)))
        raise NotThere(f"{absent + ', and ' if absent else ''}{error}{near}") from error


def nearest(path: Path) -> str | None:
    """The folder whose name is nearest to that of `path`, beside where it would be; None if nothing is near."""
    existing = next((parent for parent in path.parents if parent.is_dir()), None)
    if existing is None:
        return None
    missing = path.relative_to(existing).parts
    names = [each.name for each in existing.iterdir() if each.is_dir()]
    close = difflib.get_close_matches(missing[0], names, n=1, cutoff=0.6)
    if not close:
        return None
    whole = existing.joinpath(close[0], *missing[1:])
    return str(whole if whole.is_dir() else existing / close[0])


def _did_you_mean(near: str | None) -> str:
    return f" (did you mean {near}?)" if near else ""
