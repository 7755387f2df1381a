"""`publication.json`: what a model card needs and no other file of an upload folder says.

Everything may be unknown and then stays None; the card leaves the line out or says so. Nothing is guessed.
"""

import importlib.metadata
import json
import math
import platform
import typing
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from huggingface_hub.constants import CONFIG_NAME, SAFETENSORS_SINGLE_FILE
from huggingface_hub.utils import HFValidationError, validate_repo_id
from safetensors import SafetensorError, safe_open

from lerobot_dp_plus.hub.files import read_json, sha256, training_step, write_whole

FILE = "publication.json"
DISTRIBUTION = "lerobot_policy_dp_plus"
TRAINED_WEIGHTS = "model."  # prefix in a dp_plus policy's state dict; the rest is its average and a random state
#: What is saved under that prefix and is no weight: statistics of the data, by today's names and by former ones.
GATHERED = tuple(
    f"{TRAINED_WEIGHTS}{name}" for name in ("units.", "auxiliary.dynamics.ends.", "foresight.units.", "foresight.ends.")
)


@dataclass(frozen=True)
class Publication:
    """Facts about a published checkpoint that its other files do not hold.

    Args:
        name: the card's title; repo_id: its Hub repository; location: where the checkpoint is for readers without one.
        note: a paragraph of Markdown in the author's own words, shown as it is.
        license: of the weights, an identifier of the Hub such as `apache-2.0`; base_model: repository it was fine-tuned from.
        install: what to give `pip install` to get this package.
        dataset_license, dataset_url, dataset_episodes, dataset_frames: of the training data.
        selection_rule: how this checkpoint was chosen among those of its training, one sentence.
        step: training step; train_seconds: wall clock of the training; training_hardware: where.
        latency_hardware: where the latency in report.json was measured.
        eval_first_seed: `--seed` of the run behind eval_info.json, which LeRobot does not write there.
        weights_sha256: of model.safetensors; parameters: trained weights in it, their average not counted.
        lerobot, lerobot_policy_dp_plus, torch, python: versions where this was collected.
    """

    name: str | None = None
    repo_id: str | None = None
    location: str | None = None
    note: str | None = None
    license: str | None = None
    base_model: str | None = None
    install: str | None = None
    dataset_license: str | None = None
    dataset_url: str | None = None
    dataset_episodes: int | None = None
    dataset_frames: int | None = None
    selection_rule: str | None = None
    step: int | None = None
    train_seconds: int | float | None = None
    training_hardware: str | None = None
    latency_hardware: str | None = None
    eval_first_seed: int | None = None
    weights_sha256: str | None = None
    parameters: int | None = None
    lerobot: str | None = None
    lerobot_policy_dp_plus: str | None = None
    torch: str | None = None
    python: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError naming the field, its value and what is legal."""
        for field, legal in typing.get_type_hints(type(self)).items():
            value = getattr(self, field)
            if (
                not isinstance(value, legal)
                or isinstance(value, bool)
                or (isinstance(value, int | float) and value < 0)
            ):
                raise ValueError(f"publication: {field} = {value!r}: expected {legal} and no negative number")
        for field in ("repo_id", "base_model"):
            value = getattr(self, field)
            try:
                if value is not None:
                    validate_repo_id(value)
            except HFValidationError as error:
                raise ValueError(f"publication: {field} = {value!r}: {error}") from error
        if self.dataset_url is not None and urlsplit(self.dataset_url).scheme not in ("http", "https"):
            raise ValueError(f"publication: dataset_url = {self.dataset_url!r}: expected http:// or https://")

    @classmethod
    def collect(cls, folder: Path, **options: Any) -> Self:
        """What can be found out about the checkpoint in `folder`; `options`, by field name, decide unless None.

        Reads config.json, train_config.json and the weights; the step from LeRobot's training state beside `folder`;
        the size of the data from a dataset on this disk; versions from this environment.

        Raises:
            ValueError: an option that is no field, or of the wrong kind; weights that are no safetensors file.
        """
        unknown = sorted(set(options) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no such field; legal are {[field.name for field in fields(cls)]}")
        found: dict[str, Any] = {
            "lerobot": version("lerobot"),
            "lerobot_policy_dp_plus": version(DISTRIBUTION),
            "torch": version("torch"),
            "python": platform.python_version(),
            "license": read_json(folder / CONFIG_NAME).get("license"),
            "install": source_of_the_package(),
            "step": training_step(folder),
            **size_of_dataset(read_json(folder / "train_config.json").get("dataset") or {}),
            **weights_facts(folder / SAFETENSORS_SINGLE_FILE),
        }
        return cls(**found | {key: value for key, value in options.items() if value is not None})

    def write(self, folder: Path) -> Path:
        """Writes publication.json, complete or not at all; returns its path."""
        return write_whole(folder / FILE, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What `folder`'s publication.json says; nothing is known where there is none.

        Raises:
            ValueError: not JSON, an unknown field or a value of the wrong kind, by name.
        """
        stored = read_json(folder / FILE)
        unknown = sorted(set(stored) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(
                f"{folder / FILE}: unknown field {', '.join(unknown)}; this version of {DISTRIBUTION} knows "
                f"{[field.name for field in fields(cls)]}"
            )
        return cls(**stored)


def version(distribution: str) -> str | None:
    """The installed version of `distribution`, None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def source_of_the_package() -> str | None:
    """`git+URL` of the repository the installed package names in its metadata, None if it names none."""
    try:
        urls = importlib.metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    named = {label.strip().lower(): url.strip() for label, _, url in (entry.partition(",") for entry in urls)}
    repository = named.get("repository") or named.get("source")
    return f"git+{repository}" if repository else None


def size_of_dataset(dataset: dict[str, Any]) -> dict[str, int]:
    """Episodes and frames of a training's `dataset` when its root is on this disk and all of it was used."""
    if not dataset.get("root") or dataset.get("episodes") is not None:
        return {}
    info = read_json(Path(dataset["root"]) / "meta" / "info.json")
    sizes = {"dataset_episodes": info.get("total_episodes"), "dataset_frames": info.get("total_frames")}
    return {field: value for field, value in sizes.items() if isinstance(value, int)}


def trained_weights(names: Iterable[str]) -> list[str]:
    """Those of a dp_plus policy's saved `names` that are trained; a safetensors file does not say which are buffers."""
    saved = [name for name in names if name.startswith(TRAINED_WEIGHTS) and not name.startswith(GATHERED)]
    # Of a pretrained backbone: its BatchNorm is frozen, scale and shift included. Others have none.
    frozen = {name.removesuffix("running_mean") for name in saved if name.endswith(".running_mean")}
    return [name for name in saved if name[: name.rfind(".") + 1] not in frozen]


def weights_facts(file: Path) -> dict[str, Any]:
    """SHA-256 and number of trained parameters of a safetensors file, of which only the header is parsed.

    Raises:
        ValueError: it is truncated or not a safetensors file.
    """
    if not file.is_file():
        return {}
    try:
        with safe_open(file, framework="numpy") as tensors:
            trained = trained_weights(tensors.keys())
            count = sum(math.prod(tensors.get_slice(key).get_shape()) for key in trained)
    except SafetensorError as error:
        raise ValueError(f"{file} is truncated or not a safetensors file: {error}") from error
    return {"weights_sha256": sha256(file), "parameters": count or None}
