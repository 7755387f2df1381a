"""What a Hub remembers: repositories, commits, branches and tags in memory, file contents in a folder."""

import base64
import hashlib
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

GITATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
#: What the Hub keeps outside of git.
LARGE = (".safetensors", ".mp4", ".parquet", ".arrow", ".bin", ".pt")
LARGE_BYTES = 10_000_000


class Refused(Exception):
    """A request the Hub answers with `status`; `code` is its X-Error-Code, which the client turns into a class."""

    def __init__(self, status: int, message: str, code: str = ""):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Entry:
    """A file of a commit: sha256 and size of its content; oid is git's, that of the pointer for a large file."""

    sha256: str
    size: int
    oid: str
    large: bool

    def pointer(self) -> str:
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n"


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    files: Mapping[str, Entry]


@dataclass
class Repo:
    """A model or data set with its history; never rewritten, only appended to."""

    kind: str
    id: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> Commit:
        name = revision.removeprefix("refs/heads/")
        oid = self.branches.get(name) or self.tags.get(name) or name
        found = [
            commit for key, commit in self.commits.items() if key == oid or (len(oid) >= 7 and key.startswith(oid))
        ]
        if not found:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found[0]

    def history(self, revision: str) -> list[Commit]:
        """Newest first."""
        commit: Commit | None = self.at(revision)
        found = []
        while commit is not None:
            found.append(commit)
            commit = self.commits[commit.parent] if commit.parent else None
        return found


class Store:
    """Every repository of a Hub; contents lie in `folder` under their sha256."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.repos: dict[tuple[str, str], Repo] = {}
        self.lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)

    def repo(self, kind: str, repo_id: str) -> Repo | None:
        return self.repos.get((kind, repo_id))

    def create(self, kind: str, repo_id: str, private: bool) -> Repo:
        with self.lock:
            if (kind, repo_id) in self.repos:
                raise Refused(409, "You already created this repo")
            made = self.repos[kind, repo_id] = Repo(kind, repo_id, private)
            self._append(made, "main", "initial commit", {".gitattributes": self.keep(GITATTRIBUTES, large=False)})
            return made

    def keep(self, content: bytes, large: bool) -> Entry:
        sha256 = hashlib.sha256(content).hexdigest()
        self.write(sha256, content)
        return self.entry(sha256, len(content), git_oid(content), large)

    def entry(self, sha256: str, size: int, oid: str, large: bool) -> Entry:
        made = Entry(sha256, size, oid, large)
        return Entry(sha256, size, git_oid(made.pointer().encode()), True) if large else made

    def write(self, sha256: str, content: bytes) -> None:
        """Whole at once: two uploads of equal content may run side by side, and one of them is verified first."""
        temporary = self.folder / uuid.uuid4().hex
        temporary.write_bytes(content)
        temporary.replace(self.path(sha256))

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def content(self, entry: Entry) -> bytes:
        return self.path(entry.sha256).read_bytes()

    def commit(self, repo: Repo, branch: str, lines: Iterable[Mapping]) -> Commit:
        """All operations or none, as one new commit on `branch`.

        Raises:
            Refused: 412 the branch has moved on from parentCommit; 400 a large file that was never uploaded, or of
                another size; 404 a deleted file that is not there.
        """
        with self.lock:
            if branch not in repo.branches:
                raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
            head = repo.at(branch)
            files = dict(head.files)
            title = ""
            for line in lines:
                key, value = line["key"], line["value"]
                if key == "header":
                    title = value["summary"]
                    if value.get("parentCommit") not in (None, head.oid):
                        raise Refused(412, "A commit has happened since. Please refresh and try again.")
                elif key == "file":
                    files[value["path"]] = self.keep(base64.b64decode(value["content"]), large=False)
                elif key == "lfsFile":
                    file = self.path(value["oid"])
                    if not file.is_file() or file.stat().st_size != value["size"]:
                        raise Refused(400, f"Your push was rejected: LFS pointer of {value['path']} points to no file")
                    files[value["path"]] = self.entry(value["oid"], value["size"], "", large=True)
                elif key == "deletedFile":
                    if files.pop(value["path"], None) is None:
                        raise Refused(404, f"A file with this name doesn't exist: {value['path']}", "EntryNotFound")
                elif key == "deletedFolder":
                    prefix = value["path"].rstrip("/") + "/"
                    files = {path: entry for path, entry in files.items() if not path.startswith(prefix)}
                else:
                    raise Refused(400, f"unknown operation {key}")
            return self._append(repo, branch, title, files)

    def _append(self, repo: Repo, branch: str, title: str, files: Mapping[str, Entry]) -> Commit:
        made = Commit(uuid.uuid4().hex + uuid.uuid4().hex[:8], repo.branches.get(branch), title, files)
        repo.commits[made.oid] = made
        repo.branches[branch] = made.oid
        return made
