"""An upload folder, read once: everything a card is made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from huggingface_hub.constants import CONFIG_NAME
from huggingface_hub.utils import HFValidationError, validate_repo_id

from lerobot_dp_plus.hub.card_results import (
    EVAL_INFO,
    Episodes,
    Evaluation,
    check_same_weights,
    read_episodes,
    read_evaluations,
)
from lerobot_dp_plus.hub.card_words import GYMS
from lerobot_dp_plus.hub.files import by_number, read_json
from lerobot_dp_plus.hub.publication import Publication

#: Fields of a config that have another name now.
FORMER_FIELDS = {"foresight": "dynamics", "perception": "state_estimation"}
TRAIN_CONFIG, PICTURE, VIDEOS = "train_config.json", "action_distribution.png", "videos"
TYPE_PREFIX = "dp_plus_"
HUB_DATASETS = "https://huggingface.co/datasets/"
ELSEWHERE = "path/to/checkpoint"
PIPELINE = "policy_preprocessor.json"


@dataclass(frozen=True)
class Video:
    """A film of one episode; seed and outcome where eval_info.json tells them."""

    path: str
    episode: int | None
    seed: int | None
    success: bool | None


@dataclass(frozen=True)
class Upload:
    """The files of an upload folder.

    Args:
        config: config.json; training: train_config.json, empty where there is none.
        picture: path of the action distribution in the folder; videos: one success and one failure where there are.
        told: some of the instructions that it was trained with, as its saved pipeline tells them.
    """

    config: dict[str, Any]
    training: dict[str, Any]
    publication: Publication
    episodes: Episodes | None
    evaluations: tuple[Evaluation, ...]
    picture: str | None
    videos: tuple[Video, ...]
    told: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path, repo_id: str | None = None) -> "Upload":
        """What `folder` holds; `repo_id` goes before the one in publication.json.

        Raises:
            FileNotFoundError: no config.json.
            ValueError: a file is not what its name says, files contradict each other, or the policy is none of ours.
        """
        config = read_json(folder / CONFIG_NAME)
        if not config:
            raise FileNotFoundError(f"{folder} holds no {CONFIG_NAME}; expected a checkpoint's folder")
        if not str(config.get("type")).startswith(TYPE_PREFIX):
            raise ValueError(
                f"{folder / CONFIG_NAME}: type = {config.get('type')!r}: cards are for {TYPE_PREFIX}* policies"
            )
        publication = Publication.read(folder)
        if repo_id is not None:
            publication = replace(publication, repo_id=repo_id)
        training = read_json(folder / TRAIN_CONFIG)
        upload = cls(
            config=todays(config),
            training={**training, "policy": todays(training.get("policy") or {})} if training else {},
            publication=publication,
            episodes=read_episodes(folder / EVAL_INFO) if (folder / EVAL_INFO).is_file() else None,
            evaluations=(),
            picture=PICTURE if (folder / PICTURE).is_file() else None,
            videos=(),
            told=_told(read_json(folder / PIPELINE)),
        )
        evaluations = read_evaluations(folder, upload.episodes, upload.environment, publication.eval_first_seed)
        check_same_weights(folder, evaluations, publication)
        upload = replace(upload, evaluations=evaluations)
        return replace(upload, videos=upload._choose(sorted((folder / VIDEOS).rglob("*.mp4"), key=by_number), folder))

    @cached_property
    def environment(self) -> str | None:
        """LeRobot's `env.type`: where it was evaluated, else what it was trained for, if that is known."""
        trained = self.environment_config.get("type")
        groups = sorted({group for group, _ in self.episodes.tasks}) if self.episodes else []
        if len(groups) == 1 and (trained is None or groups[0] in GYMS):
            return groups[0]  # elsewhere a group is a suite of tasks within an environment
        return trained

    @property
    def environment_config(self) -> dict[str, Any]:
        """The environment of the training, empty if there was none."""
        return self.training.get("env") or {}

    @property
    def task(self) -> str | None:
        """The task within an environment that has several."""
        return self.environment_config.get("task") if self.environment != "pusht" else None

    @property
    def title(self) -> str:
        """What to call the checkpoint."""
        repository = (self.publication.repo_id or "").rpartition("/")[2]
        return self.publication.name or repository or self.config["type"]

    @property
    def location(self) -> str:
        """What to give `--policy.path`."""
        return self.publication.repo_id or self.publication.location or ELSEWHERE

    @property
    def features(self) -> list[tuple[str, str, str, tuple[int, ...]]]:
        """(direction, name, kind, shape) of every observation and action; `estimated` is read off the pictures."""
        estimated = (self.config.get("state_estimation") or {}).get("state")
        return [
            ("estimated" if name == estimated else direction, name, str(feature["type"]), tuple(feature["shape"]))
            for direction, key in (("in", "input_features"), ("out", "output_features"))
            for name, feature in (self.config.get(key) or {}).items()
        ]

    @property
    def has_cameras(self) -> bool:
        """Whether any observation is an image."""
        return any(kind == "VISUAL" for direction, _, kind, _ in self.features if direction == "in")

    @property
    def reads_words(self) -> bool:
        """Whether it is told what to do."""
        return (self.config.get("words") or {}).get("type", "none") not in ("none", "automatic")

    @property
    def hub_dataset(self) -> str | None:
        """The repository the training data come from, None if they were a folder on somebody's disk."""
        url = self.publication.dataset_url or ""
        if url.startswith(HUB_DATASETS):
            return url.removeprefix(HUB_DATASETS).rstrip("/")
        dataset = self.training.get("dataset") or {}
        repo_id = dataset.get("repo_id")
        return repo_id if not dataset.get("root") and _is_repository(repo_id) else None

    def _choose(self, files: list[Path], folder: Path) -> tuple[Video, ...]:
        videos = [self._video(file, folder) for file in files]
        chosen = [next((video for video in videos if video.success is wanted), None) for wanted in (True, False)]
        known = [video for video in chosen if video is not None]
        return tuple(known or videos[:1])

    def _video(self, file: Path, folder: Path) -> Video:
        path = file.relative_to(folder).as_posix()
        numbered = re.fullmatch(r"eval_episode_(\d+)", file.stem)
        if numbered is None or self.episodes is None or len(self.episodes.tasks) != 1:
            return Video(path, None, None, None)
        episode, outcomes = int(numbered[1]), self.episodes.outcomes
        seeds = self.evaluations[0].seeds if self.evaluations else None
        if episode >= len(outcomes):
            return Video(path, episode, None, None)
        return Video(path, episode, seeds[0] + episode if seeds else None, outcomes[episode])


def _is_repository(name: Any) -> bool:
    if not isinstance(name, str) or "/" not in name:
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def todays(config: Mapping[str, Any]) -> dict[str, Any]:
    """A policy's config with the names that its fields have now."""
    return {FORMER_FIELDS.get(name, name): value for name, value in config.items()}


def _told(pipeline: dict[str, Any]) -> tuple[str, ...]:
    """The instructions that the saved step for words tells of."""
    told = [(step.get("config") or {}).get("told") or () for step in pipeline.get("steps", ())]
    return tuple(str(sentence) for each in told for sentence in each)
