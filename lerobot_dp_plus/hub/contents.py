"""What an upload folder may hold, its hashes, and how it differs from a revision on the Hub."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub.hf_api import RepoSibling

from lerobot_dp_plus.hub.files import sha256


@dataclass(frozen=True)
class Kinds:
    """Which files an upload may consist of.

    Args:
        suffixes: legal endings of names; anything else is refused, pickles first of all.
        required: without these it is not complete.
        ours: patterns of what earlier uploads of this package may have left on the Hub and a new one replaces: what
            matches and is not in the folder any more is deleted with the same commit. Everything else there stays.
    """

    suffixes: tuple[str, ...]
    required: tuple[str, ...]
    ours: tuple[str, ...]


MODEL = Kinds(
    suffixes=(".safetensors", ".json", ".md", ".png", ".mp4"),
    required=("config.json", "model.safetensors"),
    ours=(
        "policy_preprocessor*.json",
        "policy_preprocessor*.safetensors",
        "policy_postprocessor*.json",
        "policy_postprocessor*.safetensors",
        "train_config.json",
        "surprise.json",
        "eval_info.json",
        "report.json",
        "report_*.json",
        "action_distribution.png",
        "videos/*.mp4",
        "publication.json",
    ),
)


def files_in(folder: Path, kinds: Kinds = MODEL) -> dict[str, Path]:
    """Every file below `folder` by its path in the repository, sorted.

    Raises:
        FileNotFoundError: a required file is missing.
        ValueError: a file of a kind that is not uploaded, by name.
    """
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if not path.is_dir()}
    illegal = [name for name in found if not name.endswith(kinds.suffixes)]
    if illegal:
        legal = ", ".join(f"*{suffix}" for suffix in kinds.suffixes)
        raise ValueError(f"{folder} holds {', '.join(illegal[:5])}, which is not uploaded; legal are {legal}")
    missing = [name for name in kinds.required if name not in found]
    if missing:
        raise FileNotFoundError(f"{folder} holds no {', '.join(missing)}; it has {', '.join(found) or 'nothing'}")
    return found


def git_hash(path: Path) -> str:
    """The name git gives a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def digest(files: Mapping[str, Path]) -> str:
    """One hash for names and contents of all `files`: equal for equal uploads, whenever and wherever they are made."""
    lines = [f"{sha256(path)}  {name}\n" for name, path in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Difference:
    """What a commit has to change: files to write and files to delete, by path in the repository."""

    write: tuple[str, ...]
    delete: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.write or self.delete)


def difference(files: Mapping[str, Path], remote: Iterable[RepoSibling], kinds: Kinds = MODEL) -> Difference:
    """How `files` differ from the `remote` ones, which come with their hashes (`files_metadata=True`)."""
    there = {sibling.rfilename: sibling for sibling in remote}
    write = [name for name, path in files.items() if name not in there or not _same(path, there[name])]
    delete = [name for name in there if name not in files and any(fnmatchcase(name, pattern) for pattern in kinds.ours)]
    return Difference(tuple(write), tuple(sorted(delete)))


def _same(path: Path, remote: RepoSibling) -> bool:
    if remote.lfs is not None:
        return remote.lfs.sha256 == sha256(path)
    return remote.blob_id == git_hash(path)
