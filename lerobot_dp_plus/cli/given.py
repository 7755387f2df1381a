"""What a user has decided: the command line, and behind it the config file it names. Reads files, imports nothing heavy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lerobot_dp_plus.cli import arguments as args
from lerobot_dp_plus.cli.arguments import INFO


class NotThere(FileNotFoundError):
    """A folder, file or repository that was named is not there; the message says which and what would help."""


@dataclass(frozen=True)
class Given:
    """Flags (as `translate` makes them) and the config file's content."""

    arguments: Sequence[str]
    config: Mapping[str, Any]

    @classmethod
    def read(cls, arguments: Sequence[str]) -> "Given":
        """With the file that `--config_path` names; raises as `read_config` does."""
        return cls(arguments, read_config(args.value_of(arguments, "config_path")))

    def get(self, key: str) -> Any:
        """The value of `policy.type`, say: a string from the command line, whatever the file holds, or None."""
        value = args.value_of(self.arguments, key)
        return lookup(self.config, tuple(key.split("."))) if value is None else value

    def dataset_info(self) -> dict[str, Any] | None:
        """`meta/info.json` of the dataset, if its folder is given."""
        root = self.get("dataset.root")
        file = Path(str(root)) / INFO
        return json.loads(file.read_text()) if root is not None and file.is_file() else None


def lookup(config: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """`config[keys[0]][keys[1]]…`, None where that ends."""
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def read_config(path: str | None) -> dict[str, Any]:
    """A local config file (JSON or YAML) or checkpoint folder as a dict; empty for a Hub repository or none.

    Raises:
        NotThere: a file is named that does not exist.
        ValueError: the file is no JSON or YAML mapping.
    """
    file = Path(path) if path else None
    if file is not None and file.is_dir():
        file = file / "train_config.json"
    if file is not None and file.suffix in (".json", ".yaml", ".yml") and not file.is_file():
        raise NotThere(f"config_path={str(file)!r} does not exist.")
    if file is None or not file.is_file():
        return {}
    try:
        if file.suffix.lower() in (".yaml", ".yml"):
            import yaml

            config = yaml.safe_load(file.read_text())
        else:
            config = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"config_path={str(file)!r} is not valid {file.suffix[1:] or 'JSON'}: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"config_path={str(file)!r} holds a {type(config).__name__}; expected a mapping of fields.")
    return config
