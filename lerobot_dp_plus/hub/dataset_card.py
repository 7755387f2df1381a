"""Dataset cards: a pure function of a LeRobotDataset's folder, in which every number is a file's number."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from huggingface_hub import DatasetCardData

from lerobot_dp_plus.hub.card_markdown import Markdown, code, codes, one_line, page, table
from lerobot_dp_plus.hub.files import read_json

TEMPLATE = Path(__file__).with_name("dataset.md.jinja")
INFO = "meta/info.json"
#: Notes our commands leave beside the data: of demonstrations, of a conversion.
NOTES = ("provenance.json", "conversion.json")
#: Columns every LeRobotDataset has.
COMMON = ("timestamp", "frame_index", "episode_index", "index", "task_index")
SUCCESS = "next.success"
#: Major version of the format that can be read.
FORMAT = "v3."

MAKERS = {
    "lerobot_dp_plus.demos.pusht": "A planning expert played in the simulator gym-pusht; no human demonstrated it.",
    "lerobot_dp_plus.demos.pusht_rollouts": (
        "A trained policy played in the simulator gym-pusht; at every decision several of its chunks were tried in the "
        "simulator and the best was played, or a random one at the share of decisions noted as disturbed."
    ),
    "lerobot_dp_plus.demos.blocks": "A scripted expert played in the kinematic environment blocks; no human demonstrated it.",
    "lerobot_dp_plus.demos.metaworld": "MetaWorld's scripted experts played in its simulator; no human demonstrated it.",
    "lerobot_dp_plus.demos.aloha": "A scripted expert played in the simulator gym-aloha; no human demonstrated it.",
}


@dataclass(frozen=True)
class Data:
    """What a dataset's folder says about itself.

    Attributes:
        info: meta/info.json. note: provenance.json or conversion.json, empty without.
        tasks: the instructions.
        successes: episodes in which `next.success` is true somewhere; None without that feature.
    """

    folder: Path
    info: dict[str, Any]
    note: dict[str, Any]
    tasks: tuple[str, ...]
    successes: int | None

    @classmethod
    def read(cls, folder: Path) -> "Data":
        """Read what is in `folder`.

        Raises:
            FileNotFoundError: no dataset is there.
            ValueError: it is of another format, damaged, or not complete.
        """
        if not (folder / INFO).is_file():
            raise FileNotFoundError(f"{folder} holds no {INFO}: it is no LeRobotDataset")
        info = read_json(folder / INFO)
        version = str(info.get("codebase_version"))
        if not version.startswith(FORMAT):
            raise ValueError(f"{folder}: codebase_version = {version!r}; legal are versions {FORMAT}x of the format")
        files = sorted((folder / "data").rglob("*.parquet"))
        rows = sum(pq.ParquetFile(file).metadata.num_rows for file in files)
        if rows != info["total_frames"] or not rows:
            raise ValueError(f"{folder}: {INFO} counts {info['total_frames']} frames, the files in data/ hold {rows}")
        tasks = pq.read_table(folder / "meta" / "tasks.parquet").sort_by("task_index")["task"].to_pylist()
        return cls(folder, info, read_note(folder), tuple(tasks), successful(files, info))


def read_note(folder: Path) -> dict[str, Any]:
    """What the maker of the data noted beside them; empty if nothing is noted.

    Raises:
        ValueError: the note is no JSON object.
    """
    return next((read_json(folder / name) for name in NOTES if (folder / name).is_file()), {})


def successful(files: Iterable[Path], info: dict[str, Any]) -> int | None:
    """Episodes in which `next.success` is ever true."""
    if SUCCESS not in info["features"]:
        return None
    episodes: set[int] = set()
    for file in files:
        table = pq.read_table(file, columns=["episode_index", SUCCESS])
        flags = table[SUCCESS].combine_chunks()
        flags = pc.list_flatten(flags) if len(flags) and hasattr(flags.type, "value_type") else flags
        episodes |= set(table.filter(flags)["episode_index"].to_pylist())
    return len(episodes)


def render_dataset_card(folder: Path, repo_id: str, *, license: str | None = None, command: str | None = None) -> str:
    """The README.md of the dataset in `folder`, front matter included; equal folders give equal cards.

    Args:
        license: identifier such as apache-2.0; None says that none is stated.
        command: what made it.

    Raises:
        FileNotFoundError, ValueError: as `Data.read`.
    """
    data = Data.read(folder)
    repo_id = one_line(repo_id, "repo_id")
    loading = f'from lerobot.datasets.lerobot_dataset import LeRobotDataset\ndataset = LeRobotDataset("{repo_id}")'
    values = {
        "title": repo_id.split("/")[-1],
        "summary": summary(data),
        "tasks": data.tasks,
        "attempts": attempts(data),
        "python": Markdown(loading),
        "version": data.info["codebase_version"],
        "train": f"lerobot train --policy.type=dp_plus_flow --dataset.repo_id={repo_id}",
        "features": features(data.info),
        "maker": MAKERS.get(str(data.note.get("generator")), maker(data.note)),
        "command": Markdown(one_line(command, "command")) if command else None,
        "facts": facts(data.note),
        "licence": f"{license}." if license else "None is stated: ask the author before you use or pass on this data.",
    }
    metadata = DatasetCardData(
        license=license,
        task_categories=["robotics"],
        tags=["LeRobot", "robotics", "lerobot_dp_plus"],
        configs=[{"config_name": "default", "data_files": "data/*/*.parquet"}],
    )
    return page(TEMPLATE, metadata, values)


def summary(data: Data) -> str:
    """How much of what."""
    info = data.info
    minutes = info["total_frames"] / info["fps"] / 60
    robot = f", robot type {info['robot_type']}" if info.get("robot_type") else ""
    return (
        f"{info['total_episodes']:,} episodes, {info['total_frames']:,} frames at {info['fps']} fps "
        f"({minutes:,.1f} minutes){robot}."
    )


def attempts(data: Data) -> str:
    """How many attempts it took, and how many of the episodes here succeed by the environment's own measure."""
    note, parts = data.note, []
    attempted, kept = note.get("attempted"), note.get("episodes")
    if attempted is not None and kept is not None:
        if "succeeded" in note:
            parts.append(f"{note['succeeded']:,} of {attempted:,} attempts succeeded.")
        if "completed" in note:
            parts.append(f"{note['completed']:,} of them also held what they had reached.")
        dropped = note.get("dropped", attempted - kept)
        parts.append(
            f"Of {attempted:,} attempts {kept:,} were kept and {dropped:,} dropped as failures: these data do not "
            "show how the task fails."
        )
    if data.successes is not None:
        parts.append(
            f"In {data.successes:,} of the {data.info['total_episodes']:,} episodes here {SUCCESS} becomes true."
        )
    else:
        parts.append("The data do not say which episodes succeed.")
    return " ".join(parts)


def features(info: dict[str, Any]) -> Markdown:
    """The table of features."""
    rows = []
    for name, feature in info["features"].items():
        if name not in COMMON:
            names = feature.get("names") or []
            if isinstance(names, dict):
                names = [entry for group in names.values() for entry in group]
            rows.append((code(name), feature["dtype"], "×".join(map(str, feature["shape"])), codes(names)))
    return table(("feature", "type", "shape", "names"), rows)


def maker(note: dict[str, Any]) -> str:
    """Where data of no known generator come from, as far as the note says."""
    if "converter" in note:
        return f"Converted from {note.get('source')} by {note['converter']}, every frame compared with the source."
    return "How the data were recorded is not noted beside them."


def facts(note: dict[str, Any]) -> Markdown:
    """The table of everything else the note says; what is nested is spelled as JSON."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in note.items()
    }
    return table(("recorded", "value"), [(name.replace("_", " "), text) for name, text in texts.items()])
