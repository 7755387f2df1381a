"""A LeRobotDataset's folder becomes a repository: one commit with its card, and the tag by which LeRobot finds it.

`LeRobotDataset("user/name")` asks for the tag named like the format, such as v3.0, and refuses a repository without one.
So this tag moves with main, unlike the tags of a policy. Where a push ended before it moved the tag, the next push does.
"""

import tempfile
from pathlib import Path

from huggingface_hub.errors import RevisionNotFoundError

from lerobot_dp_plus.hub.contents import Kinds
from lerobot_dp_plus.hub.dataset_card import INFO, NOTES, Data, render_dataset_card
from lerobot_dp_plus.hub.patience import Patience
from lerobot_dp_plus.hub.upload import Repository, Uploaded

CARD = "README.md"
#: What is uploaded of a dataset's folder, besides the notes.
PARTS = ("data", "meta", "videos")
DATASET = Kinds(
    suffixes=(".parquet", ".json", ".mp4", ".md"),
    required=(CARD, INFO, "meta/stats.json", "meta/tasks.parquet"),
    ours=(*(f"{part}/*" for part in PARTS), *NOTES),
)


def push_dataset(
    root: Path,
    repo_id: str,
    *,
    license: str | None = None,
    command: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    patience: Patience | None = None,
) -> Uploaded:
    """Make the dataset in `root` the content of the dataset repository `repo_id`, with one commit or, unchanged, none.

    Args:
        license: for the card; None says that none is stated.
        command: for the card: what made the data.
        private: of a repository made here; None leaves it to the account's default.

    Raises:
        FileNotFoundError, ValueError: no complete dataset is in `root`, or a name is illegal; nothing was sent.
        HubFailure: the Hub did not take it; `root` is not touched, and the same call again completes it.
    """
    repository = Repository(repo_id, token, "dataset", patience or Patience())
    root = root.absolute()
    data = Data.read(root)
    card = render_dataset_card(root, repo_id, license=license, command=command)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stage(root, folder)
        (folder / CARD).write_text(card, encoding="utf-8")
        title = f"{data.info['total_episodes']} episodes, {data.info['total_frames']} frames"
        made = repository.upload(folder, private, title, DATASET)
    mark(repository, data.info["codebase_version"], made.commit)
    return made


def stage(root: Path, folder: Path) -> None:
    """Link what belongs to the dataset in `root` into `folder`; its images/ and caches stay behind."""
    found = [path for part in PARTS for path in sorted((root / part).rglob("*")) if path.is_file()]
    for path in [*found, *(root / note for note in NOTES if (root / note).is_file())]:
        link = folder / path.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)


def mark(repository: Repository, tag: str, commit: str) -> bool:
    """Give `tag` to `commit`, away from whatever has it; False if it has it already."""
    api, name, kind = repository.api, repository.repo_id, repository.kind

    def work() -> bool:
        try:
            if api.repo_info(name, repo_type=kind, revision=tag).sha == commit:
                return False
            api.delete_tag(name, tag=tag, repo_type=kind)
        except RevisionNotFoundError:
            pass
        api.create_tag(name, tag=tag, revision=commit, repo_type=kind, exist_ok=True)
        return True

    return repository.patience.keep_trying(work, f"tag {tag!r} of {repository.repo_id}")
