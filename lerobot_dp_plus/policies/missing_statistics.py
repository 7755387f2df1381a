"""A dataset without `meta/stats.json`: refused, with the line that makes the file.

LeRobot keeps the statistics of every episode in `meta/episodes`, pictures included, and the file is their merger. Its own
command reads all frames again and leaves pictures out, so it is only what remains where the episodes have none.
"""

from pathlib import Path
from typing import Any

import numpy as np

_COLUMN = "stats/"


def refuse_without_statistics(meta: Any) -> None:
    """Raise a ValueError with what to run if a dataset has no statistics."""
    if meta.stats is not None:
        return
    name, root = getattr(meta, "repo_id", "NAME"), getattr(meta, "root", "FOLDER")
    raise ValueError(
        "the dataset has no statistics (meta/stats.json is missing), and nothing could be normalised. Those of its episodes are "
        f'merged by: python -c "from lerobot_dp_plus.policies.missing_statistics import restore; restore({str(root)!r})". If '
        f"they are missing as well: {recompute_command(name, root)}"
    )


def recompute_command(repo_id: str, root: Any) -> str:
    """LeRobot's command that computes the statistics of a dataset anew, where it lies; of numbers, not of pictures."""
    place = f"--repo_id={repo_id} --new_repo_id={repo_id} --root={root} --new_root={root}"
    return f"lerobot-edit-dataset {place} --operation.type=recompute_stats --operation.overwrite=true"


def restore(root: Path | str) -> None:
    """Write `meta/stats.json` of the dataset in `root`, merged from the statistics of its episodes as LeRobot merges them.

    Raises:
        FileExistsError: there is one.
        ValueError: the episodes have no statistics.
    """
    import pyarrow.parquet as pq
    from lerobot.datasets.compute_stats import aggregate_stats
    from lerobot.datasets.io_utils import write_stats

    root = Path(root)
    if (root / "meta" / "stats.json").exists():
        raise FileExistsError(f"{root} has statistics: meta/stats.json exists")
    episodes: list[dict[str, dict[str, np.ndarray]]] = []
    for file in sorted((root / "meta" / "episodes").rglob("*.parquet")):
        columns = [name for name in pq.read_schema(file).names if name.startswith(_COLUMN)]
        for row in pq.read_table(file, columns=columns).to_pylist() if columns else ():
            episode: dict[str, dict[str, np.ndarray]] = {}
            for column, value in row.items():
                key, _, statistic = column.removeprefix(_COLUMN).rpartition("/")
                episode.setdefault(key, {})[statistic] = np.asarray(value)
            episodes.append(episode)
    if not episodes:
        raise ValueError(f"{root}: meta/episodes has no columns {_COLUMN}*, so no statistics of episodes to merge")
    write_stats(aggregate_stats(episodes), root)
