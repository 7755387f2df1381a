"""The field's baselines and ours, alike but for the head: `python -m benchmarks.baselines --root DATASET`.

Every policy has the same transformer, observations, mirror images, updates, batches and loader; only `objective` differs, and
what it needs. On PushT's keypoints each last checkpoint is evaluated on the reporting seeds, 100000 and up: success, score, how
jerky the executed actions are, and milliseconds a chunk at batch 1. At forks (`benchmarks/forks.py`) it draws 64 chunks: both
ways are kept if each has a fifth of them, and a chunk stays in the middle if it never leaves the line by the agent's radius.
The diffusion policy is trained with a dynamics model, which costs it time. It is evaluated without and with the choice among
16 candidates by that model. The energy is evaluated with both of its searches.

Trainings and evaluations are kept in `--folder` and not run again. The picture shows the chunks of one fork.
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.choosing import TOGETHER, episodes, measured
from benchmarks.common import RESULTS, ROOT, picture_of, positive, print_table, provenance, write_figure, write_json
from benchmarks.figures import BARS
from benchmarks.fork_modes import proposals, window_of
from benchmarks.forks import around, side
from benchmarks.judged import REPORTING_SEED, Trained, digest, slug, train_once
from benchmarks.obstacle_scenes import AGENT_RADIUS, tee
from benchmarks.paired import data_flags, dp_plus
from benchmarks.steering import share
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.demos.pusht_simulator import state_of
from lerobot_dp_plus.evaluation.latency import measure_latency

#: What all policies share: the shape of `hub_cards/pusht_state`.
SHARED = {
    **{"horizon": 8, "n_action_steps": 6, "stride": 2, "observation_stride": 1, "scheduler_warmup_steps": 300},
    **{"network.type": "transformer", "network.dim": 128, "network.depth": 3, "augmentation.type": "pusht_mirror"},
}
DYNAMICS = {"dynamics.type": "outcome", "dynamics.steps": 12, "dynamics.dim": 192, "dynamics.depth": 2}


@dataclass(frozen=True)
class Contender:
    """A training and how it is used: the policy type, fields of the training, and fields that are switched afterwards."""

    type: str
    trained: dict[str, Any] = field(default_factory=dict)
    used: dict[str, Any] = field(default_factory=dict)

    def command(self, options: argparse.Namespace) -> list[str]:
        """The command that trains it."""
        fields = SHARED | self.trained | {"push_to_hub": "false", "device": "cpu"}
        return dp_plus(
            "train",
            *(f"--policy.type={self.type}", *(f"--policy.{name}={value}" for name, value in fields.items())),
            *data_flags(options.root, options.seed),
            *(f"--steps={options.updates}", f"--batch_size={options.batch_size}", f"--save_freq={options.updates}"),
            *("--num_workers=0", "--env_eval_freq=0", "--log_freq=100"),
        )


CHOICE = DYNAMICS | {"dynamics.frame.type": "pusht_block"}
#: An energy costs as many network calls as there are chunks to compare; so many are what a processor can bear.
FEW = {"objective.counter_examples": 8}
SEARCHES: dict[str, dict[str, Any]] = {
    "smooth search": {"type": "smooth"},
    "Langevin": {"type": "langevin", "samples": 8, "iterations": 25},
}
CONTENDERS = {
    "regression": Contender("dp_plus_bc"),
    "mixture density": Contender("dp_plus_gmm"),
    **{f"implicit, {how}": Contender("dp_plus_ibc", FEW, {"objective": {"search": s}}) for how, s in SEARCHES.items()},
    "discretised": Contender("dp_plus_bet"),
    "diffusion": Contender("dp_plus_transformer", CHOICE),
    "diffusion, chosen of 16": Contender(
        "dp_plus_transformer", CHOICE, {"selection": {"type": "lowest_energy", "num_candidates": 16}}
    ),
}
#: Panels of the picture.
SHOWN = ("regression", "mixture density", "implicit, smooth search", "discretised", "diffusion")


def at_forks(made: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Shares of forks at which both ways are proposed, and of chunks that stay in the middle."""
    kept, middle = [], []
    for seed in range(REPORTING_SEED, REPORTING_SEED + options.forks):
        chunks = fork_chunks(made, seed, options.candidates)
        one, other = (int((way * side(chunks) > 0).sum()) for way in (1, -1))
        kept.append(5 * min(one, other) >= len(chunks))
        middle.append(float((np.abs(chunks.sum(-1) - 512).max(-1) / np.sqrt(2) < AGENT_RADIUS).mean()))
    return {"both_ways": share(kept), "middle_percent": 100 * float(np.mean(middle))}


def fork_chunks(made: Any, seed: int, count: int) -> np.ndarray:
    """Chunks (N, L, 2) in pixels at an exact fork."""
    noise = torch.randn((1, count, made.policy.config.horizon, 2), generator=torch.Generator().manual_seed(seed))
    return proposals(made, window_of(made, around(seed)), noise, "as it is")[0].numpy()


def measure(name: str, trained: Trained, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of a contender, kept under what defines them."""
    switched = CONTENDERS[name].used
    key = digest(trained.key, switched, options.episodes, options.forks, options.candidates)
    kept = options.folder / f"{slug(name)}_{options.seed}_{key}.json"
    if not kept.exists():
        made = load_policy(trained.folder, forward={"type": "pusht"}, **switched)
        seeds = range(REPORTING_SEED, REPORTING_SEED + options.episodes)
        runs, _ = episodes(made, seeds, TOGETHER)
        observation = PushTEnv(obs_type="environment_state_agent_pos").reset(seed=REPORTING_SEED)[0]
        latency = measure_latency(made, observation)  # type: ignore[arg-type]
        found = measured(runs, 1)
        keep = ("success", "score", "jerk_px", "steps")
        about = {"name": name, "type": CONTENDERS[name].type, "trained": CONTENDERS[name].trained, "used": switched}
        weights = sum(weight.numel() for weight in made.policy.model.network.parameters())
        row = about | {figure: found[figure] for figure in keep} | at_forks(made, options)
        row |= {"latency_ms": latency.median_ms, "latency_p90_ms": latency.p90_ms, "parameters": weights}
        write_json(kept, row | {"minutes": trained.seconds and trained.seconds / 60, "training_commit": trained.commit})
    return json.loads(kept.read_text())


def draw(folders: dict[str, Path], seed: int, count: int = 64) -> Figure:
    """Chunks of every head at one fork, on either side of the line in its own colour."""
    figure = Figure(figsize=(2.5 * len(folders), 3.0))
    panels = figure.subplots(1, len(folders), sharey=True)
    for axes, (name, folder) in zip(np.atleast_1d(panels), folders.items(), strict=True):
        made = load_policy(folder, **CONTENDERS[name].used)
        panel(axes, fork_chunks(made, seed, count), seed)
        axes.set_title(name.split(",")[0], fontsize=10)
    said = "Two ways round the T are exactly as good: regression takes neither, a distribution knows both"
    figure.suptitle(
        f"{said}\n{count} chunks each; black: never off the middle by the agent's radius", y=1.06, fontsize=10
    )
    figure.tight_layout()
    return figure


def panel(axes: Axes, chunks: np.ndarray, seed: int) -> None:
    """The T, its goal, the agent and chunks (N, L, 2) in pixels, y down."""
    env = PushTEnv(obs_type="state")
    env.reset(seed=0, options={"reset_to_state": around(seed)})
    state = state_of(env)
    env.close()
    axes.plot([0, 512], [512, 0], color="#bbbbbb", lw=0.8, ls="--", zorder=0)
    for pose, colour in (((256, 256, np.pi / 4), "#d9ead3"), (state.block, "#8899a6")):
        for part in getattr(tee(*pose), "geoms", [tee(*pose)]):
            axes.fill(*part.exterior.xy, color=colour, zorder=1)
    for chunk, way in zip(chunks, side(chunks), strict=True):
        off = np.abs(chunk.sum(-1) - 512).max() / np.sqrt(2)
        colour = "#333333" if off < AGENT_RADIUS else BARS[0] if way > 0 else BARS[3]
        axes.plot(chunk[:, 0], chunk[:, 1], color=colour, lw=0.8, alpha=0.5, zorder=2)
    axes.plot(*state.agent, "o", ms=9, color="#4169e1", mec="white", zorder=3)
    axes.set(xlim=(0, 512), ylim=(512, 0), aspect="equal", xticks=[], yticks=[])


def line(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""

    def percent(of: dict[str, Any]) -> str:
        low, high = of["interval_percent"]
        return f"{of['percent']:.0f} ({low:.0f}–{high:.0f})"

    minutes = "–" if row["minutes"] is None else f"{row['minutes']:.0f}"
    return (
        *(row["name"], percent(row["success"]), f"{row['score']:.3f}", percent(row["both_ways"])),
        *(f"{row['middle_percent']:.0f}", f"{row['jerk_px']:.1f}", f"{row['latency_ms']:.1f}", minutes),
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baselines", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a PushT dataset with keypoints")
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--updates", type=positive, default=2500)
    parser.add_argument("--batch-size", type=positive, default=64)
    parser.add_argument("--seed", type=int, default=1, help="training seed")
    parser.add_argument("--episodes", type=positive, default=100)
    parser.add_argument("--forks", type=positive, default=100)
    parser.add_argument("--candidates", type=positive, default=64, help="chunks at a fork")
    parser.add_argument("--fork", type=int, default=REPORTING_SEED + 7, help="the fork of the picture")
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs" / "baselines")
    parser.add_argument("--json", type=Path, default=RESULTS / "baselines.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    options.folder = options.folder.resolve()
    about = {name: getattr(options, name) for name in ("updates", "batch_size", "seed", "episodes", "forks")}
    begun = provenance(options.json, first_seed=REPORTING_SEED, shared=SHARED, **about)
    rows, folders = [], {}
    for name in options.contenders:
        contender = CONTENDERS[name]
        trained = train_once(contender.type, contender.command(options), options.seed, options.folder)
        folders[name] = trained.folder
        rows.append(measure(name, trained, options))
        print(", ".join(line(rows[-1])), flush=True)
        write_json(options.json, begun | {"rows": rows})
    if shown := {name: folders[name] for name in SHOWN if name in folders}:
        write_figure(draw(shown, options.fork), picture_of(options.json))
    columns = ("success % (95 % Wilson)", "score", "both ways %", "middle %", "jerk px", "ms a chunk", "minutes")
    print_table(
        f"PushT keypoints, {options.updates:,} updates of {options.batch_size}", columns, [line(r) for r in rows]
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
