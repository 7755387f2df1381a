"""`dp-plus offline CHECKPOINT DATASET`: the error on held-out actions as table, picture and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.datasets import LeRobotDataset, LeRobotDatasetMetadata
from rich.console import Console

from lerobot_dp_plus.evaluation.folders import pretrained_folder
from lerobot_dp_plus.evaluation.moment import load
from lerobot_dp_plus.hub.files import write_whole
from lerobot_dp_plus.offline.draws import Draws, draw
from lerobot_dp_plus.offline.held_out import Chosen, choose
from lerobot_dp_plus.offline.options import numbers, offline_parser
from lerobot_dp_plus.offline.scores import Scores, score
from lerobot_dp_plus.offline.shown import picture, table
from lerobot_dp_plus.offline.verdict import by_step, verdict
from lerobot_dp_plus.policies.folders import local_name
from lerobot_dp_plus.policies.readable import dimension_names
from lerobot_dp_plus.units import ACTION

#: Fewer candidates have no interval.
FEWEST = 3


def metadata(source: str) -> Any:
    """LeRobot's metadata of a folder, or of USER/NAME on the Hub, whose data are fetched."""
    if Path(source).is_dir():
        return LeRobotDatasetMetadata(local_name(source), root=source)
    return LeRobotDataset(source).meta


def against(
    folder: Path, meta: Any, episodes: Sequence[int], moments: int, candidates: int, seed: int = 0
) -> tuple[Draws, Scores, Any]:
    """Draws and scores of the checkpoint in `folder`, and its config."""
    loaded = load(folder)
    draws = draw(loaded, folder, meta, episodes, moments, candidates, seed)
    return draws, score(draws, seed), loaded.policy.config


def report(scores: Scores, chosen: Chosen, draws: Draws, names: Sequence[str], said: Sequence[str]) -> str:
    """All numbers as JSON; what is not told is null."""
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in asdict(scores).items()}
    ratios = [None if np.isnan(each) else each for each in scores.ratios.tolist()]
    told = {
        "episodes": chosen.episodes,
        "trained_on": chosen.seen,
        "moments": len(draws.truth),
        "candidates": draws.chunks.shape[1],
        "seconds_of_a_step": draws.seconds,
        "dimensions": list(names),
        "said": [chosen.said, *said],
        "relative_by_step": by_step(scores).tolist(),
        **plain,
        "ratios": ratios,
    }
    return json.dumps(told, indent=1) + "\n"


def main(argv: Sequence[str]) -> int:
    """Draw, score, print and write."""
    options = offline_parser().parse_args(argv)
    if options.candidates < FEWEST:
        raise ValueError(f"candidates = {options.candidates}: must be at least {FEWEST}, of which intervals are made")
    if options.moments < 1:
        raise ValueError(f"moments = {options.moments}: must be at least 1")
    folder = pretrained_folder(options.checkpoint)
    asked = None if options.episodes is None else numbers(options.episodes)
    meta = metadata(options.dataset)
    chosen = choose(folder, options.dataset, meta, asked)
    draws, scores, config = against(folder, meta, chosen.episodes, options.moments, options.candidates, options.seed)
    names, said = dimension_names(meta.features[ACTION]), verdict(scores, config.n_action_steps)
    output = options.output or Path("outputs/offline") / options.checkpoint.resolve().name
    console = Console()
    console.print(chosen.said, style="bold yellow" if chosen.seen != 0 else "", markup=False)
    console.print(f"{len(draws.truth)} moments, {options.candidates} candidates at each.\n")
    console.print(table(scores, names))
    for sentence in said:
        console.print(f"• {sentence}", markup=False, highlight=False)
    title = f"{options.checkpoint.resolve().name} on {Path(options.dataset).name}, {len(chosen.episodes)} episodes"
    drawn = picture(scores, names, draws.seconds, config.n_action_steps, title, output / "offline.png")
    written = write_whole(output / "offline.json", report(scores, chosen, draws, names, said))
    console.print(f"\n{drawn}\n{written}", markup=False, highlight=False)
    return 0
