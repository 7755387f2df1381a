"""A folder becomes one commit: all of it or nothing, and nothing when the Hub has it already.

The new revision is built on the commit that was compared with (`parent_commit`): when somebody else commits in between,
the Hub refuses ours, so that main never holds a mixture. Every try begins by looking again, so that a commit whose
answer was lost is found instead of repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import DatasetInfo, ModelInfo
from huggingface_hub.utils import HFValidationError, validate_repo_id

from lerobot_dp_plus.hub.contents import MODEL, Kinds, difference, files_in
from lerobot_dp_plus.hub.patience import HubConflict, HubRefused, Patience


@dataclass(frozen=True)
class Uploaded:
    """What stands on main now.

    Args:
        commit: hash of main's commit; previous: of the one it replaces, None for a new repository.
        changed: whether this upload made a commit; url: its page; files: names of everything in the folder.
    """

    repo_id: str
    commit: str
    previous: str | None
    changed: bool
    url: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Repository:
    """A repository of the Hub, as somebody with `token` sees it.

    Args:
        token: None takes the one this machine is logged in with.
        kind: `model` or `dataset`.
    """

    repo_id: str
    token: str | None = None
    kind: str = "model"
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        try:
            validate_repo_id(self.repo_id)
        except HFValidationError as error:
            raise ValueError(f"repo_id = {self.repo_id!r}: {error}") from error
        if "/" not in self.repo_id:
            raise ValueError(f"repo_id = {self.repo_id!r}: expected USER/NAME")

    @property
    def api(self) -> HfApi:
        return HfApi(token=self.token)

    def upload(
        self, folder: Path, private: bool | None = None, title: str = "Upload", kinds: Kinds = MODEL
    ) -> Uploaded:
        """Makes `folder` the content of main with one commit, unless it is already.

        Files there that `kinds` does not call ours stay. The repository is made if there is none.

        Raises:
            FileNotFoundError, ValueError: the folder is not complete or holds what is not uploaded; nothing was sent.
            HubUnreachable, HubRefused, HubConflict: main is what it was, or (seldom, and said so) what another
                publisher made it.
        """
        files = files_in(folder, kinds)
        state = _State()
        what = f"upload to {self.repo_id}"
        return self.patience.keep_trying(lambda: self._upload(files, private, title, kinds, state), what)

    def _upload(
        self, files: Mapping[str, Path], private: bool | None, title: str, kinds: Kinds, state: "_State"
    ) -> Uploaded:
        main = self._look("main")
        if main is None:
            self.api.create_repo(self.repo_id, private=private, repo_type=self.kind, exist_ok=True)
            main = self._look("main")
            if main is None or main.sha is None:
                raise HubConflict(f"{self.repo_id} was made and is gone again")
            state.made = True
        elif private and main.private is False:
            raise HubRefused(
                f"{self.repo_id} exists and everybody can read it; to publish privately, make it private in its "
                "settings on the Hub or choose another name"
            )
        assert main.sha is not None
        change = difference(files, main.siblings or (), kinds)
        if not change:
            # Equal by an earlier try whose answer was lost, or by somebody else, or since an upload long ago.
            ours = state.parent is not None and not state.late
            return self._uploaded(main.sha, state.previous if ours else main.sha, ours, files)
        if state.parent not in (None, main.sha):
            raise HubConflict(
                f"{self.repo_id}: another publisher committed {main.sha[:8]} at the same time, which is what main is "
                "now; look at it, and run this again if yours should replace it"
            )
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(name, files[name]) for name in change.write),
            *(CommitOperationDelete(name) for name in change.delete),
        ]
        state.parent, state.previous = main.sha, None if state.made else main.sha
        try:
            made = self.api.create_commit(
                self.repo_id, operations, commit_message=title, repo_type=self.kind, parent_commit=main.sha
            )
        except HfHubHTTPError as error:
            if error.response.status_code != 412 or state.late:
                raise
            state.late = True
            return self._upload(files, private, title, kinds, state)
        return self._uploaded(made.oid, state.previous, True, files)

    def tag(self, name: str, commit: str, files: Mapping[str, Path], kinds: Kinds = MODEL) -> bool:
        """Names `commit` for good; False if a commit with the same contents has that name already.

        Raises:
            HubConflict: other contents have it.
            HubUnreachable, HubRefused: it is not tagged; main is not touched either way.
        """

        def work() -> bool:
            if self._taken(name, files, kinds):
                return False
            try:
                self.api.create_tag(self.repo_id, tag=name, revision=commit, repo_type=self.kind)
            except HfHubHTTPError as error:
                if error.response.status_code == 409:
                    return not self._taken(name, files, kinds)
                raise
            return True

        return self.patience.keep_trying(work, f"tag {name!r} of {self.repo_id}")

    def check_tag(self, name: str, files: Mapping[str, Path], kinds: Kinds = MODEL) -> None:
        """Raises HubConflict if other contents than `files` are called `name`; asks nothing more."""
        self.patience.keep_trying(lambda: self._taken(name, files, kinds), f"tag {name!r} of {self.repo_id}")

    def _taken(self, name: str, files: Mapping[str, Path], kinds: Kinds) -> bool:
        there = self._look(name)
        if there is None:
            return False
        change = difference(files, there.siblings or (), kinds)
        if change:
            raise HubConflict(
                f"{self.repo_id} has a revision {name!r} already, commit {str(there.sha)[:8]}, with another "
                f"{', '.join([*change.write, *change.delete][:3])}; choose another tag"
            )
        return True

    def _look(self, revision: str) -> ModelInfo | DatasetInfo | None:
        try:
            return self.api.repo_info(  # type: ignore[return-value]
                self.repo_id, repo_type=self.kind, revision=revision, files_metadata=True
            )
        except (RepositoryNotFoundError, RevisionNotFoundError):
            return None

    def _uploaded(self, commit: str, previous: str | None, changed: bool, files: Mapping[str, Path]) -> Uploaded:
        prefix = "" if self.kind == "model" else f"{self.kind}s/"
        url = f"{self.api.endpoint}/{prefix}{self.repo_id}"
        return Uploaded(self.repo_id, commit, previous, changed, url, tuple(files))


@dataclass
class _State:
    """What earlier tries of the same upload did.

    Args:
        made: they made the repository.
        parent: the commit they built theirs on, None if they sent none; previous: what main was before this upload, None
            in a repository it made.
        late: somebody had committed in between.
    """

    made: bool = False
    parent: str | None = None
    previous: str | None = None
    late: bool = False
