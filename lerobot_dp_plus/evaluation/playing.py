"""All batches of an evaluation, played or found, with progress; then the files that tell of all episodes."""

import importlib.metadata
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lerobot.envs.utils import NEW_ROLLOUT_OPTION
from rich.console import Console

import lerobot_dp_plus
from lerobot_dp_plus.evaluation.batches import PARTS, Batch, Parts, batches_of, key_of
from lerobot_dp_plus.evaluation.films import FAST, FAST_ONES, SLOW, film_of, to_film, write_films
from lerobot_dp_plus.evaluation.perturbing import Perturbation
from lerobot_dp_plus.evaluation.player import Player
from lerobot_dp_plus.evaluation.summary import eval_info, percentiles, summary
from lerobot_dp_plus.evaluation.workers import cores, played, workers_for
from lerobot_dp_plus.hub.files import write_whole
from lerobot_dp_plus.hub.intervals import wilson_percent

#: What an episode depends on besides weights and arguments.
VERSIONS = ("lerobot", "torch", "gymnasium")


def prepared(
    arguments: Sequence[str],
    output_dir: Path,
    facts: Mapping[str, Any],
    one_stream: bool = False,
    perturbation: Perturbation | None = None,
) -> tuple[Player, list[Batch], Parts]:
    """Who plays, what is played, and where finished batches of the same facts are kept.

    Args:
        arguments: of LeRobot's `eval`.
        facts: what the episodes depend on, besides versions and how many are played together.
        perturbation: what makes them harder; it must be among the facts or the arguments.
    """
    player = Player(arguments, one_stream, perturbation)
    cfg = player.cfg
    batches = batches_of(player.tasks, cfg.eval.n_episodes, cfg.eval.batch_size, int(cfg.seed or 0))
    versions = {name: importlib.metadata.version(name) for name in VERSIONS}
    versions |= {"lerobot_dp_plus": lerobot_dp_plus.__version__}
    key = key_of({**facts, **versions, "one_stream": one_stream, "together": cfg.eval.batch_size})
    return player, batches, Parts(output_dir / PARTS / key)


def play(
    arguments: Sequence[str],
    output_dir: Path,
    facts: Mapping[str, Any],
    workers: int | None = None,
    one_stream: bool = False,
    films: tuple[int, int] | None = None,
) -> Any:
    """Play what is missing, film, and write everything but the report; returns an observation of the environment.

    Args:
        arguments, facts: as `prepared` takes them.
        workers, one_stream, films: as `evaluate` takes them.
    """
    console = Console()
    player, batches, parts = prepared(arguments, output_dir, facts, one_stream)
    try:
        for _ in finished(batches, parts, player, workers, one_stream, console):
            pass
        episodes = [episode for batch in batches for episode in parts.read(batch)]
        first, failures = films or (FAST if player.cfg.env.type in FAST_ONES else SLOW)
        chosen = to_film(episodes, first, failures)
        shown = _films(player, parts, batches, chosen, output_dir, console)
        _write(output_dir, batches, parts, episodes, shown)
        group, task = player.tasks[0]
        vector: Any = player.envs[group][task]
        return vector.envs[0].reset(seed=int(player.cfg.seed or 0), options={NEW_ROLLOUT_OPTION: True})[0]
    finally:
        player.close()


def finished(
    batches: Sequence[Batch],
    parts: Parts,
    player: Player,
    workers: int | None,
    one_stream: bool,
    console: Console,
) -> Iterator[Batch]:
    """Every batch when it is there, those that were finished before first; after each a line with success so far."""
    done = [batch for batch in batches if parts.is_finished(batch)]
    waiting = [batch for batch in batches if batch not in done]
    total = sum(batch.count for batch in batches)
    if done:
        console.print(f"{sum(batch.count for batch in done)} of {total} episodes were played before", highlight=False)
    yield from done
    if not waiting:
        return
    several = workers_for(len(waiting), workers, one_stream)
    begun, before = time.monotonic(), len(done)
    if several == 1:
        coming = _in_turn(batches, waiting, parts, player, one_stream, console)
    else:
        threads = max(1, cores() // several)
        console.print(f"{len(waiting)} batches of {waiting[0].size} episodes in {several} processes", highlight=False)
        coming = played(waiting, parts, player.arguments, several, threads, player.perturbation)
    for batch in coming:
        done.append(batch)
        successes = [episode["success"] for each in done for episode in parts.read(each)]
        left = (time.monotonic() - begun) / (len(done) - before) * (len(batches) - len(done))
        console.print(f"{so_far(successes, total)}{f', about {left:.0f} s left' if left else ''}", highlight=False)
        yield batch


def so_far(successes: Sequence[bool], total: int) -> str:
    """`100 of 200 episodes: success 97.0 % (91.5 to 99.0 %)`."""
    low, high = wilson_percent(sum(successes), len(successes))
    rate = 100 * sum(successes) / len(successes)
    return f"{len(successes)} of {total} episodes: success {rate:.1f} % ({low:.1f} to {high:.1f} %)"


def _in_turn(
    batches: Sequence[Batch],
    waiting: Sequence[Batch],
    parts: Parts,
    player: Player,
    one_stream: bool,
    console: Console,
) -> Iterator[Batch]:
    """Batches played here, one after the other."""
    for batch in waiting:
        before = batches[batches.index(batch) - 1] if one_stream and batch is not batches[0] else None
        with console.status(f"batch {batches.index(batch) + 1} of {len(batches)}") as status:

            def watch(tracks: Sequence[Any], status: Any = status, batch: Batch = batch) -> None:
                steps = max(len(each.rewards) for each in tracks)
                over, good = sum(each.over for each in tracks), sum(each.success for each in tracks)
                status.update(f"{batch.name}: step {steps}, {over} of {len(tracks)} are over, {good} of them succeeded")

            random = parts.read_arrays(before) if before is not None else None
            parts.write(batch, *player.play(batch, random, watch))
        yield batch


def _films(
    player: Player,
    parts: Parts,
    batches: Sequence[Batch],
    chosen: Sequence[Mapping[str, Any]],
    output_dir: Path,
    console: Console,
) -> dict[str, list[str]]:
    """The films of each task; those of an evaluation before are removed."""
    for old in (output_dir / "videos").glob("*/eval_episode_*.mp4"):
        old.unlink()
    shown: dict[str, list[str]] = {}
    with console.status("filming"), torch.no_grad():
        for episode, file in write_films(player, parts, batches, chosen, output_dir):
            if file is None:
                console.print(
                    f"no film of seed {episode['seed']}: played again by the same actions, it came out otherwise"
                )
            else:
                shown.setdefault(episode["task"], []).append(str(film_of(output_dir, episode)))
    return shown


def _write(
    output_dir: Path,
    batches: Sequence[Batch],
    parts: Parts,
    episodes: Sequence[Mapping[str, Any]],
    shown: Mapping[str, Sequence[str]],
) -> None:
    """All but the report."""
    write_whole(output_dir / "episodes.jsonl", "".join(json.dumps(each) + "\n" for each in episodes))
    seconds = {batch: parts.read_arrays(batch)["seconds"] for batch in batches}
    late = [
        {key: episode[key] for key in ("task", "episode", "seed")} | percentiles(seconds[batch][: episode["steps"]])
        for batch in batches
        for episode in parts.read(batch)
    ]
    write_whole(output_dir / "latency.jsonl", "".join(json.dumps(each) + "\n" for each in late))
    told = summary(episodes, list(seconds.values()))
    write_whole(output_dir / "summary.json", json.dumps(told, indent=2) + "\n")
    played_for = float(sum(float(parts.read_arrays(batch)["played_for"]) for batch in batches))
    info = eval_info(episodes, shown, played_for)
    write_whole(output_dir / "eval_info.json", json.dumps(info, indent=2) + "\n")
