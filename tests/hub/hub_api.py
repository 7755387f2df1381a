"""The Hub's endpoints over a `Store`: the requests huggingface_hub makes, answered as the Hub answers them."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import yaml
from hub_store import LARGE, LARGE_BYTES, Commit, Entry, Refused, Repo, Store

DATE = "2026-01-01T00:00:00.000Z"


@dataclass
class Answer:
    """Status, body and headers; size is what Content-Length says, for HEAD."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    size: int | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200) -> "Answer":
        return cls(status, json.dumps(value).encode())

    @classmethod
    def error(cls, status: int, message: str, headers: dict[str, str] | None = None) -> "Answer":
        return cls(status, json.dumps({"error": message}).encode(), headers or {})


@dataclass
class Call:
    """One request, its path's named groups in `at`."""

    method: str
    at: Mapping[str, str]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    user: str | None

    def json(self) -> Any:
        return json.loads(self.body)


ROUTES: list[tuple[str, re.Pattern[str], Callable[["Api", Call], Answer]]] = []
REPO = r"/api/(?P<kind>model|dataset)s/(?P<repo>[^/]+/[^/]+)"
FILES = r"/(?P<kind>datasets/)?(?P<repo>[^/]+/[^/]+)"


def route(methods: str, path: str) -> Callable[[Callable[["Api", Call], Answer]], Callable[["Api", Call], Answer]]:
    def add(handler: Callable[["Api", Call], Answer]) -> Callable[["Api", Call], Answer]:
        ROUTES.extend((method, re.compile(path), handler) for method in methods.split())
        return handler

    return add


class Api:
    def __init__(self, store: Store, tokens: Mapping[str, str], url: str):
        self.store, self.tokens, self.url = store, tokens, url

    def handle(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, token: str) -> Answer:
        if token and token not in self.tokens:
            raise Refused(401, "Invalid credentials in Authorization header")
        for wanted, pattern, handler in ROUTES:
            match = pattern.fullmatch(path)
            if wanted == method and match:
                at = {key: value or "" for key, value in match.groupdict().items()}
                return handler(self, Call(method, at, parse_qs(query), headers, body, self.tokens.get(token)))
        raise Refused(404, f"no such endpoint: {method} {path}")

    def repo(self, call: Call, write: bool = False) -> Repo:
        """The repository the call may read, or with `write` change."""
        kind = "dataset" if call.at["kind"].startswith("dataset") else "model"
        repo = self.store.repo(kind, call.at["repo"].removesuffix(".git"))
        mine = repo is not None and call.user == repo.id.split("/")[0]
        if repo is None or (repo.private and not mine):
            raise Refused(404 if call.user else 401, "Repository not found", "RepoNotFound")
        if write and not mine:
            raise Refused(403 if call.user else 401, "You don't have the rights to write here")
        return repo

    def entry(self, commit: Commit, path: str) -> Entry:
        if path not in commit.files:
            raise Refused(404, f"Entry not found: {path}", "EntryNotFound")
        return commit.files[path]


@route("POST", "/api/repos/create")
def create(api: Api, call: Call) -> Answer:
    asked = call.json()
    owner = asked.get("organization") or call.user
    if call.user is None:
        raise Refused(401, "Invalid username or password.")
    if owner != call.user:
        raise Refused(403, f"You don't have the rights to create a model under the namespace {owner!r}")
    kind, repo_id = asked.get("type") or "model", f"{owner}/{asked['name']}"
    url = f"{api.url}/{'datasets/' if kind == 'dataset' else ''}{repo_id}"
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    try:
        api.store.create(kind, repo_id, private)
    except Refused as refusal:
        return Answer.of({"error": refusal.message, "url": url}, refusal.status)
    return Answer.of({"url": url, "name": repo_id, "id": repo_id})


@route("POST", "/api/validate-yaml")
def validate_yaml(api: Api, call: Call) -> Answer:
    match = re.match(r"---\s*\n(.*?)\n---", call.json()["content"], re.DOTALL)
    if match is None:
        return Answer.of({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
    try:
        metadata = yaml.safe_load(match[1])
        errors = [] if isinstance(metadata, dict) else [{"message": "metadata must be a mapping"}]
    except yaml.YAMLError as error:
        errors = [{"message": str(error)}]
    return Answer.of({"errors": errors, "warnings": []}, 400 if errors else 200)


@route("GET", "/api/whoami-v2")
def whoami(api: Api, call: Call) -> Answer:
    if call.user is None:
        raise Refused(401, "Invalid username or password.")
    return Answer.of({"type": "user", "name": call.user, "fullname": call.user, "orgs": [], "auth": {}})


@route("POST", REPO + r"/preupload/(?P<revision>.+)")
def preupload(api: Api, call: Call) -> Answer:
    files = api.repo(call, write=True).at(call.at["revision"]).files
    answers = []
    for asked in call.json()["files"]:
        large = asked["path"].endswith(LARGE) or asked["size"] >= LARGE_BYTES
        present = files.get(asked["path"])
        answer = {"path": asked["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        answers.append(answer | ({"oid": present.sha256 if present.large else present.oid} if present else {}))
    return Answer.of({"files": answers})


@route("POST", FILES + r"\.git/info/lfs/objects/batch")
def lfs_batch(api: Api, call: Call) -> Answer:
    api.repo(call, write=True)
    objects = []
    for asked in call.json()["objects"]:
        actions = {"upload": {"href": f"{api.url}/lfs/{asked['oid']}"}, "verify": {"href": f"{api.url}/lfs-verify"}}
        objects.append(asked if api.store.path(asked["oid"]).is_file() else {**asked, "actions": actions})
    return Answer.of({"transfer": "basic", "objects": objects})


@route("PUT", "/lfs/(?P<oid>[0-9a-f]{64})")
def lfs_put(api: Api, call: Call) -> Answer:
    if hashlib.sha256(call.body).hexdigest() != call.at["oid"]:
        raise Refused(400, "content does not have the hash it was announced with")
    api.store.write(call.at["oid"], call.body)
    return Answer.of({})


@route("POST", "/lfs-verify")
def lfs_verify(api: Api, call: Call) -> Answer:
    asked = call.json()
    file = api.store.path(asked["oid"])
    if not file.is_file() or file.stat().st_size != asked["size"]:
        raise Refused(404, "no such object, or of another size")
    return Answer.of({})


@route("POST", REPO + r"/commit/(?P<revision>.+)")
def commit(api: Api, call: Call) -> Answer:
    repo = api.repo(call, write=True)
    lines = [json.loads(line) for line in call.body.splitlines() if line.strip()]
    made = api.store.commit(repo, call.at["revision"], lines)
    return Answer.of({"success": True, "commitOid": made.oid, "commitUrl": f"{api.url}/{repo.id}/commit/{made.oid}"})


def described(path: str, entry: Entry, oid: str) -> dict[str, Any]:
    pointer = {"oid": entry.sha256, "sha256": entry.sha256, "size": entry.size, "pointerSize": len(entry.pointer())}
    return {"path": path, "size": entry.size, oid: entry.oid} | ({"lfs": pointer} if entry.large else {})


@route("GET", REPO + r"(/revision/(?P<revision>.+))?")
def info(api: Api, call: Call) -> Answer:
    repo = api.repo(call)
    at = repo.at(call.at["revision"] or "main")
    siblings = [
        {"rfilename": path, **(described(path, entry, "blobId") if "blobs" in call.query else {})}
        for path, entry in sorted(at.files.items())
    ]
    about = {"_id": repo.id, "id": repo.id, "modelId": repo.id, "sha": at.oid, "private": repo.private}
    return Answer.of({**about, "tags": [], "siblings": siblings, "lastModified": DATE, "createdAt": DATE})


@route("GET", REPO + r"/tree/(?P<revision>[^/]+)(/(?P<under>.+))?")
def tree(api: Api, call: Call) -> Answer:
    at = api.repo(call).at(call.at["revision"])
    prefix = call.at["under"] + "/" if call.at["under"] else ""
    recursive = call.query.get("recursive", ["false"])[0].lower() in ("true", "1")
    listed: dict[str, dict[str, Any]] = {}
    for path, entry in sorted(at.files.items()):
        if not path.startswith(prefix):
            continue
        *folders, _ = path.removeprefix(prefix).split("/")
        for depth in range(1, len(folders) + 1):
            folder = prefix + "/".join(folders[:depth])
            if recursive or depth == 1:
                listed[folder] = {
                    "type": "directory",
                    "path": folder,
                    "size": 0,
                    "oid": hashlib.sha1(folder.encode()).hexdigest(),
                }
        if recursive or not folders:
            listed[path] = {"type": "file", **described(path, entry, "oid")}
    if prefix and not listed:
        raise Refused(404, f"Entry not found: {prefix}", "EntryNotFound")
    return Answer.of(list(listed.values()))


@route("POST", REPO + r"/paths-info/(?P<revision>.+)")
def paths_info(api: Api, call: Call) -> Answer:
    files = api.repo(call).at(call.at["revision"]).files
    paths = parse_qs(call.body.decode()).get("paths", [])
    return Answer.of([{"type": "file", **described(path, files[path], "oid")} for path in paths if path in files])


@route("GET", REPO + r"/commits/(?P<revision>.+)")
def commits(api: Api, call: Call) -> Answer:
    history = api.repo(call).history(call.at["revision"])
    return Answer.of([{"id": c.oid, "title": c.title, "message": "", "authors": [], "date": DATE} for c in history])


@route("GET", REPO + "/refs")
def refs(api: Api, call: Call) -> Answer:
    repo = api.repo(call)
    named = {"branches": ("heads", repo.branches), "tags": ("tags", repo.tags), "converts": ("convert", {})}
    return Answer.of(
        {
            kind: [{"name": name, "ref": f"refs/{place}/{name}", "targetCommit": oid} for name, oid in found.items()]
            for kind, (place, found) in named.items()
        }
    )


@route("POST DELETE", REPO + r"/branch/(?P<name>.+)")
def branch(api: Api, call: Call) -> Answer:
    repo = api.repo(call, write=True)
    start = repo.at((json.loads(call.body or b"{}") or {}).get("startingPoint") or "main").oid
    return _change(repo.branches, call, call.at["name"], start)


@route("POST DELETE", REPO + r"/tag/(?P<name>.+)")
def tag(api: Api, call: Call) -> Answer:
    repo = api.repo(call, write=True)
    if call.method == "DELETE":
        return _change(repo.tags, call, call.at["name"], "")
    return _change(repo.tags, call, call.json()["tag"], repo.at(call.at["name"]).oid)


def _change(names: dict[str, str], call: Call, name: str, target: str) -> Answer:
    if (name in names) == (call.method == "POST"):
        raise Refused(409 if name in names else 404, f"{name} exists already" if name in names else f"no {name}")
    if call.method == "POST":
        names[name] = target
    else:
        del names[name]
    return Answer.of({})


@route("GET HEAD", FILES + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
def resolve(api: Api, call: Call) -> Answer:
    at = api.repo(call).at(call.at["revision"])
    entry = api.entry(at, call.at["path"])
    content = api.store.content(entry)
    headers = {
        "ETag": f'"{entry.sha256 if entry.large else entry.oid}"',
        "X-Repo-Commit": at.oid,
        "Accept-Ranges": "bytes",
    }
    if entry.large:
        headers |= {"X-Linked-Etag": headers["ETag"]}
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("range") or "")
    if asked is None:
        return Answer(200, content, headers, "application/octet-stream", len(content))
    first, last = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Answer(206, content[first : last + 1], headers, "application/octet-stream")
