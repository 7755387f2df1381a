"""Films of episodes that were played: the first ones, as LeRobot has them, and failures of every kind.

Which episode fails is known when it is over, and to draw them all would take longer than to play them. So an episode is
played once more from its seed by the actions that were written down, and drawn then. A simulator gives the same states
again; an episode that comes out otherwise is not shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise, zip_longest
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from lerobot.envs.utils import NEW_ROLLOUT_OPTION
from lerobot.utils.io_utils import write_video
from PIL import Image, ImageDraw, ImageFont

from lerobot_dp_plus.evaluation.batches import Batch, Parts
from lerobot_dp_plus.evaluation.failures import IN_WORDS
from lerobot_dp_plus.evaluation.scenes import ARENA
from lerobot_dp_plus.evaluation.tracked import Tracked

#: Films of first episodes and of failures, where drawing is fast, and where an episode takes a minute.
FAST, SLOW = (10, 12), (3, 3)
FAST_ONES = ("pusht", "aloha_lite")
INK, PLAN, PAST = (28, 34, 48), (122, 31, 31), (160, 160, 160)
#: How far a reward may be from the one that was written down: single precision, nothing more.
SAME = 1e-4


def to_film(episodes: Sequence[Mapping[str, Any]], first: int, failures: int) -> list[Mapping[str, Any]]:
    """The episodes to film: the first ones, then failures, one of each kind in turn; in the order they were played."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for each in episodes[first:]:
        if not each["success"]:
            kinds.setdefault(each["kind"], []).append(each)
    turns = [each for each in chain(*zip_longest(*kinds.values())) if each is not None]
    chosen = [*episodes[:first], *turns[:failures]]
    return sorted(chosen, key=lambda each: (each["task"], each["episode"]))


def film_of(output_dir: Path, episode: Mapping[str, Any]) -> Path:
    """Where an episode's film is, by LeRobot's names."""
    return output_dir / "videos" / episode["task"] / f"eval_episode_{episode['episode']}.mp4"


def film(
    env: gym.Env, environment: str, fps: int, episode: Mapping[str, Any], arrays: Mapping[str, np.ndarray], row: int
) -> list[np.ndarray] | None:
    """The pictures of an episode (H, W, 3), one for each step; None if it came out otherwise this time.

    Args:
        env: as LeRobot makes it; environment: its `env.type`.
        arrays: of its batch; row: its place there.
    """
    tracked = env if isinstance(env, Tracked) else Tracked(env, environment)
    tracked.reset(seed=episode["seed"], options={NEW_ROLLOUT_OPTION: True})
    plans, plan_steps = arrays.get("plans"), arrays.get("plan_steps")
    frames = []
    for step in range(episode["steps"]):
        _, _, terminated, truncated, _ = tracked.step(arrays["actions"][row, step])
        picture = np.asarray(tracked.render())
        plan = None
        if environment == "pusht" and plans is not None and plan_steps is not None:
            newest = int(np.searchsorted(plan_steps, step, side="right")) - 1
            plan = plans[newest, row], step - int(plan_steps[newest])
        progress = tracked.track.told[-1].progress
        frames.append(labelled(picture, f"step {step + 1}", progress, plan))
        if (terminated or truncated) and step + 1 < episode["steps"]:
            return None
    same = abs(max(tracked.track.rewards) - episode["max_reward"]) < SAME
    frames[-1] = labelled(frames[-1], "", None, None, IN_WORDS[episode["kind"]])
    return frames if same and tracked.track.success == episode["success"] else None


def labelled(
    picture: np.ndarray,
    said: str,
    progress: float | None = None,
    plan: tuple[np.ndarray, int] | None = None,
    outcome: str = "",
) -> np.ndarray:
    """A picture with step and progress in a corner, and the plan (L, 2) over the scene, what is done of it in grey."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    high = max(12, image.height // 18)
    font = ImageFont.load_default(high)
    if plan is not None:
        points, done = plan
        scaled = [(x * image.width / ARENA, y * image.height / ARENA) for x, y in points]
        for index, (a, b) in enumerate(pairwise(scaled)):
            draw.line([a, b], fill=PAST if index < done else PLAN, width=max(2, image.width // 160))
    if progress is not None:
        said = f"{said}   {100 * progress:.0f} %"
    for text, y in ((said, high // 3), (outcome, image.height - 3 * high // 2)):
        if text:
            draw.text((high // 2, y), text, font=font, fill=INK, stroke_width=2, stroke_fill=(255, 255, 255))
    return np.asarray(image)


def write_films(
    player: Any,
    parts: Parts,
    batches: Sequence[Batch],
    chosen: Sequence[Mapping[str, Any]],
    output_dir: Path,
) -> Iterator[tuple[Mapping[str, Any], Path | None]]:
    """Each chosen episode and its film, written if it is not there yet; None where it came out otherwise."""
    for batch in batches:
        task = f"{batch.group}_{batch.task}"
        inside = [e for e in chosen if e["task"] == task and 0 <= e["episode"] - batch.start < batch.count]
        arrays = parts.read_arrays(batch) if inside else {}
        for episode in inside:
            vector = player.envs[batch.group][batch.task]
            fps = vector.metadata["render_fps"]
            frames = film(vector.envs[0], player.cfg.env.type, fps, episode, arrays, episode["episode"] - batch.start)
            if frames is None:
                yield episode, None
                continue
            file = film_of(output_dir, episode)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_video(str(file), frames, fps)  # type: ignore[arg-type]
            yield episode, file
