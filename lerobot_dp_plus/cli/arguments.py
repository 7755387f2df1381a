"""`key=value` arguments as LeRobot's own flags: functions of lists of strings, and of which folders are there.

    policy=dp_plus_flow steps=1000    →   --policy.type=dp_plus_flow --steps=1000
    policy=outputs/run/pretrained     →   --policy.path=outputs/run/pretrained
    policy=outputs/run                →   --policy.path=outputs/run/checkpoints/last/pretrained_model
    dataset=lerobot/pusht env=pusht   →   --dataset.repo_id=lerobot/pusht --env.type=pusht
    dataset=data/mine                 →   --dataset.root=data/mine --dataset.repo_id=local/mine

Whatever already starts with a dash passes untouched, and so does the value that follows a bare `--flag`.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lerobot_dp_plus.evaluation.folders import pretrained_folder
from lerobot_dp_plus.policies.folders import at_hand, local_name

# What a bare `name=value` means for the config fields that are objects rather than numbers.
SHORTHANDS = {
    "policy": "policy.type",
    "reward_model": "reward_model.type",
    "env": "env.type",
    "robot": "robot.type",
    "teleop": "teleop.type",
    "optimizer": "optimizer.type",
    "scheduler": "scheduler.type",
    "dataset": "dataset.repo_id",
}
# Fields whose value may also be a checkpoint: a directory or a Hub repository.
LOADABLE = ("policy", "reward_model")

# What makes a folder a LeRobotDataset.
INFO = "meta/info.json"

_KEY_VALUE = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_.\-]*)=(?P<value>.*)", re.DOTALL)
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class DatasetFolderError(FileNotFoundError):
    """`dataset=DIR` names a folder that holds no dataset."""


def translate(arguments: Sequence[str]) -> list[str]:
    """LeRobot's form of `arguments`, in the same order.

    Raises:
        DatasetFolderError: `dataset=DIR` names a folder without a dataset.
    """
    translated: list[str] = []
    previous = ""
    for argument in arguments:
        match = _KEY_VALUE.fullmatch(argument)
        is_value_of_previous = previous.startswith("--") and "=" not in previous
        if match is None or argument.startswith("-") or is_value_of_previous:
            translated.append(argument)
        else:
            key, value = match["key"], match["value"]
            full = _full_key(key, value)
            if key == "dataset" and _is_folder_of_data(value) and not _gives_dataset(arguments):
                translated += [f"--dataset.root={value}", f"--dataset.repo_id={local_name(value)}"]
            else:
                translated.append(f"--{full}={trained(value) if full == f'{key}.path' else value}")
        previous = argument
    return translated


def _full_key(key: str, value: str) -> str:
    if key in LOADABLE and ("/" in value or Path(value).is_dir()):
        return f"{key}.path"
    return SHORTHANDS.get(key, key)


def _is_folder_of_data(value: str) -> bool:
    """Whether `dataset=value` means the folder `value`.

    Raises:
        DatasetFolderError: the folder is there, but holds no dataset.
    """
    folder = Path(value)
    if not folder.is_dir():
        return False
    if not (folder / INFO).is_file():
        inside = sorted(str(found.parents[1]) for found in folder.glob(f"*/{INFO}"))
        found = f"; did you mean {' or '.join(inside[:3])}?" if inside else ""
        raise DatasetFolderError(
            f"dataset={value!r} is a folder without {INFO}, so no LeRobotDataset{found or '; expected its folder'}"
        )
    return True


def _gives_dataset(arguments: Sequence[str]) -> bool:
    """Whether folder or name of the dataset are also given by themselves, in whatever form."""
    return any(re.match(r"(--)?dataset\.(root|repo_id)([= ]|$)", argument) for argument in arguments)


def trained(value: str) -> str:
    """The last checkpoint where `value` is the folder of a training, otherwise the value as it is."""
    try:
        return str(pretrained_folder(Path(value)))
    except FileNotFoundError:
        return value


def own_config(arguments: Sequence[str]) -> list[str]:
    """With the file of `configs/` that comes along, where `config_path` names one that is not there."""
    named = value_of(arguments, "config_path")
    if named is None or (found := at_hand(Path(named))) == Path(named):
        return list(arguments)
    return [*without(arguments, "config_path"), f"--config_path={found}"]


def _with_following(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every argument with the one after it; a dash after the last."""
    return itertools.pairwise([*arguments, "--"])


def value_of(arguments: Sequence[str], key: str) -> str | None:
    """The value of `--key=value` or `--key value`, the last one given, or None."""
    found = None
    for argument, following in _with_following(arguments):
        if argument.startswith(f"--{key}="):
            found = argument.split("=", 1)[1]
        elif argument == f"--{key}" and not following.startswith("--"):
            found = following
    return found


def mentions(arguments: Sequence[str], prefix: str) -> bool:
    """Whether any argument sets `prefix` or a field below it."""
    return any(re.match(rf"--{re.escape(prefix)}([.=]|$)", argument) for argument in arguments)


def without(arguments: Sequence[str], key: str) -> list[str]:
    """`arguments` less every `--key=value` and `--key value`."""
    kept: list[str] = []
    skip = False
    for argument, following in _with_following(arguments):
        if skip:
            skip = False
        elif argument == f"--{key}":
            skip = not following.startswith("--")
        elif not argument.startswith(f"--{key}="):
            kept.append(argument)
    return kept


def pop_bool(arguments: Sequence[str], key: str, default: bool) -> tuple[bool, list[str]]:
    """Takes the switch `key` out of `arguments`; a bare `--key` means true.

    Raises:
        ValueError: the value is not a truth value.
    """
    text = value_of(arguments, key)
    if text is None:
        return (True if f"--{key}" in arguments else default), without(arguments, key)
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(f"{key}={text!r}: expected one of {', '.join(_TRUE + _FALSE)}.")
    return text.lower() in _TRUE, without(arguments, key)


def pop_positive(arguments: Sequence[str], key: str, default: float) -> tuple[float, list[str]]:
    """Takes the number `key` out of `arguments`.

    Raises:
        ValueError: the value is not a number greater than zero.
    """
    text = value_of(arguments, key)
    if text is None:
        return default, without(arguments, key)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{key}={text!r}: expected a number greater than 0.")
    return value, without(arguments, key)
