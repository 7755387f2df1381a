"""Can the policy learn one episode? If not, no amount of data will help."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.doctor.training import untold
from lerobot_dp_plus.evaluation.demo import only_worth_saying
from lerobot_dp_plus.evaluation.folders import pretrained_folder
from lerobot_dp_plus.offline.draws import draw
from lerobot_dp_plus.offline.scores import Scores, score
from lerobot_dp_plus.offline.verdict import learned
from lerobot_dp_plus.policies.acting import load_switched

#: Runs a script of LeRobot's: its name, its arguments.
Run = Callable[[str, list[str]], None]
#: Moments that are looked at, candidates at each, and the fewest updates that say anything.
MOMENTS, CANDIDATES, FEWEST = 150, 5, 50


@dataclass(frozen=True)
class Overfit:
    """What became of it.

    Args:
        episode, updates: what was trained on, and how long.
        learned: whether it can.
        said: a sentence with the numbers.
        scores: all of them.
        folder: the training.
    """

    episode: int
    updates: int
    learned: bool
    said: str
    scores: Scores
    folder: Path


def middle_episode(recording: Recording) -> int:
    """The number of the episode of the median length."""
    order = np.argsort(recording.lengths, kind="stable")
    return int(recording.episodes[order[len(order) // 2]])


def overfit(
    recording: Recording, file: Path, flags: Sequence[str], episode: int, updates: int, output: Path, run: Run
) -> Overfit:
    """Train the training in `file` on one episode and measure its actions there.

    Raises:
        ValueError: the training cannot be, or the episode's actions never move.
    """
    folder = output / "overfit"
    if folder.exists():
        shutil.rmtree(folder)  # an earlier answer to the same question
    bounded = [
        f"--config_path={file}", f"--output_dir={folder}", f"--dataset.episodes=[{episode}]", f"--steps={updates}",
        f"--save_freq={updates}", f"--log_freq={max(1, updates // 5)}", "--eval_steps=0",
        f"--policy.scheduler_warmup_steps={max(1, updates // 20)}", *flags,
    ]  # fmt: skip
    with only_worth_saying(), untold():
        run("train", bounded)
    pretrained = pretrained_folder(folder)
    loaded = load_switched(pretrained, ["--compile_sampler=false"])
    scores = score(draw(loaded, pretrained, recording.meta, [episode], MOMENTS, CANDIDATES))
    good, said = learned(scores)
    return Overfit(episode, updates, good, said, scores, folder)
