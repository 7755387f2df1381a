"""`dp-plus publish CHECKPOINT --repo-id USER/NAME`: from a folder of a training to a revision others can trust.

1. The checkpoint is loaded strictly and gives finite actions.
2. A folder is made of it: averaged weights, config, pipelines, the evaluation's figures and films, the card.
   `--dry-run` ends here, and opens no connection.
3. The folder becomes one commit, or none if main is equal to it already.
4. The commit is downloaded into an empty cache: every file is the same, and the actions for the same noise are those of
   the checkpoint, bit for bit.
5. The commit gets a tag, `step500-1a2b3c4d`: the training step and the first digits of a hash over all files, so that the
   same contents always have the same name and different ones never do. `revision=TAG` pins it.

Stopped anywhere, main is the old revision or the complete new one; the same command again does what is missing.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from lerobot_dp_plus.evaluation.folders import pretrained_folder, training_step, weights_digest
from lerobot_dp_plus.hub.card import CARD, write_card
from lerobot_dp_plus.hub.contents import digest, files_in
from lerobot_dp_plus.hub.patience import HubFailure, Patience
from lerobot_dp_plus.hub.publication import Publication
from lerobot_dp_plus.hub.upload import Repository, Uploaded
from lerobot_dp_plus.hub.verify import HubDamaged, download
from lerobot_dp_plus.policies.publication import dataset_size, stage_checkpoint
from lerobot_dp_plus.publishing.checks import actions_of
from lerobot_dp_plus.publishing.evaluation_beside import find_evaluation
from lerobot_dp_plus.publishing.evaluation_dir import collect_evaluation
from lerobot_dp_plus.publishing.options import FACTS, publish_parser

#: Fields that a checkpoint published before keeps, besides those.
KEPT = ("eval_first_seed", "dataset_episodes", "dataset_frames", "train_seconds", "location")


@dataclass(frozen=True)
class Published:
    """What `publish` did: `folder` for a dry run, else what stands on main and under which tag."""

    folder: Path | None = None
    uploaded: Uploaded | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Publisher:
    """How to publish.

    Args:
        token: None takes the one this machine is logged in with.
        private: of a repository that is made now; True refuses one that everybody can read.
        tag: instead of the name made of step and contents.
        eval_dir: output of an evaluation; None looks for one of the same weights beside them, unless `no_eval`.
        eval_seed: its first environment seed, where it has no report.json.
        facts: fields of `Publication` that no file says.
    """

    repo_id: str
    token: str | None = None
    private: bool | None = None
    tag: str | None = None
    eval_dir: Path | None = None
    no_eval: bool = False
    eval_seed: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    console: Console = field(default_factory=Console)

    def write(self, checkpoint: Path, folder: Path) -> torch.Tensor:
        """Checks `checkpoint` and makes the complete upload folder of it; returns its actions. Opens no connection.

        Raises:
            FileNotFoundError, FileExistsError, ValueError, FloatingPointError: by name, before `folder` is there.
        """
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} exists and is not empty; remove it or choose another --output")
        pretrained = pretrained_folder(checkpoint)
        with self.console.status(f"loading {pretrained}"):
            actions = actions_of(pretrained)
        step = training_step(pretrained) or Publication.read(pretrained).step
        self._say(f"checked {pretrained}{'' if step is None else f', step {step}'}: loads strictly, actions are finite")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
            staged = Path(temporary) / "upload"
            staged.mkdir()
            stage_checkpoint(pretrained, staged)
            facts = self._facts(pretrained, step)
            evaluated, published = weights_digest(pretrained), weights_digest(staged)
            eval_dir = self.eval_dir or (None if self.no_eval else self._evaluation(pretrained, evaluated))
            if eval_dir is not None:
                for sentence in collect_evaluation(eval_dir, staged, evaluated, published, self.eval_seed):
                    self._say(f"[yellow]note[/yellow]: {sentence}")
            Publication.collect(staged, **facts).write(staged)
            write_card(staged)
            files = files_in(staged)
            if folder.exists():
                folder.rmdir()  # empty, as was seen above
            shutil.move(staged, folder)
        megabytes = sum((folder / name).stat().st_size for name in files) / 1e6
        self._say(f"made {len(files)} files, {megabytes:.1f} MB: {', '.join(files)}")
        return actions

    def _evaluation(self, pretrained: Path, digest: str) -> Path | None:
        """The evaluation beside the weights, said in a line; also what was found and cannot be used."""
        found = find_evaluation(pretrained, digest)
        if found.folder is not None:
            self._say(f"evaluation of these weights: {found.folder} (--no-eval leaves it out)")
        elif found.others:
            folder, reason = found.others[0]
            more = f", nor are {len(found.others) - 1} others" if len(found.others) > 1 else ""
            self._say(
                f"[yellow]note[/yellow]: the evaluation in {folder} is not used{more}: {reason}. --eval-dir DIR takes one"
            )
        return found.folder

    def _facts(self, pretrained: Path, step: int | None) -> dict[str, Any]:
        """What the command line says, and where it is silent, an earlier publication of the same checkpoint."""
        earlier = asdict(Publication.read(pretrained))
        kept = {name: earlier[name] for name in (*FACTS, *KEPT)}
        given = {**self.facts, "eval_first_seed": self.eval_seed, "step": step, "repo_id": self.repo_id}
        found = {**dataset_size(pretrained), **{name: value for name, value in kept.items() if value is not None}}
        return found | {name: value for name, value in given.items() if value is not None}

    def publish(self, checkpoint: Path, folder: Path) -> Published:
        """All of it (module docstring), through the upload folder `folder`.

        Raises:
            HubFailure: the Hub did not do its part; the message says what main is now.
            FileNotFoundError, FileExistsError, ValueError, FloatingPointError: before anything was sent.
        """
        repository = Repository(self.repo_id, self.token, patience=self.patience)
        actions = self.write(checkpoint, folder)
        files = files_in(folder)
        step = Publication.read(folder).step
        tag = self.tag or f"{'weights' if step is None else f'step{step}'}-{digest(files)[:8]}"
        repository.check_tag(tag, files)
        title = f"Publish {'a checkpoint' if step is None else f'step {step}'} ({tag})"
        made = repository.upload(folder, private=self.private, title=title)
        done = "committed as" if made.changed else "nothing to change: main is equal to it at"
        self._say(f"{self.repo_id}: {done} {made.commit[:8]}")
        try:
            with tempfile.TemporaryDirectory() as empty:
                got = actions_of(download(repository, made.commit, files, Path(empty)))
            if not torch.equal(got, actions):
                worst = (got - actions).abs().max().item()
                raise HubDamaged(f"the downloaded policy's actions differ from the checkpoint's by up to {worst:g}")
            self._say("downloaded into an empty cache: same files, same actions bit for bit")
            tagged = repository.tag(tag, made.commit, files)
        except HubFailure as error:
            before = f" (before: {made.previous[:8]})" if made.changed and made.previous else ""
            raise type(error)(
                f"{error}\nmain of {self.repo_id} is commit {made.commit[:8]}{before}, complete but without the tag {tag}; "
                "the same command again checks and tags it"
            ) from error
        self._say(f"{'tagged' if tagged else 'tag is there already:'} {tag}")
        self._say(f"[bold]{made.url}[/bold]")
        return Published(uploaded=made, tag=tag)

    def _say(self, sentence: str) -> None:
        self.console.print(sentence, highlight=False, soft_wrap=True)


def main(argv: Sequence[str]) -> int:
    """Command line of `dp-plus publish`.

    Raises:
        ValueError: --eval-dir and --no-eval contradict each other.
    """
    options = publish_parser().parse_args(argv)
    if options.no_eval and options.eval_dir is not None:
        raise ValueError(f"--eval-dir={options.eval_dir} and --no-eval contradict each other: give one of them")
    given = vars(options).copy()
    checkpoint, output, dry_run = (given.pop(name) for name in ("checkpoint", "output", "dry_run"))
    publisher = Publisher(facts={name: given.pop(name) for name in FACTS}, **given)
    Repository(publisher.repo_id)  # a name that is illegal is refused before any work
    if dry_run:
        folder = output or Path("publish") / publisher.repo_id.rpartition("/")[2]
        publisher.write(checkpoint, folder)
        print(f"\n{(folder / CARD).read_text(encoding='utf-8')}")
        publisher._say(f"dry run: nothing was sent; what would be is in {folder}")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        publisher.publish(checkpoint, output or Path(temporary) / "upload")
    return 0
