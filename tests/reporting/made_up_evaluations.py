"""A folder of a training and of its evaluation, made up: forty episodes of all kinds, some of them filmed."""

import json
from pathlib import Path

import numpy as np
from lerobot.utils.io_utils import write_video

from lerobot_dp_plus.evaluation.failures import IN_WORDS
from lerobot_dp_plus.evaluation.summary import eval_info, summary
from lerobot_dp_plus.hub.files import write_whole

FIRST = 100_000
FILMED = (0, 1, 5, 9)


def episodes(count: int = 40) -> list[dict]:
    """Every fifth fails, in the kinds' turn."""
    kinds = [kind for kind in IN_WORDS if kind not in ("success", "failed", "wrong_object")]
    random, made = np.random.default_rng(0), []
    for index in range(count):
        success = index % 5 != 0
        best = 0.96 if success else float(random.uniform(0.2, 0.9))
        steps = int(random.integers(80, 280)) if success else 300
        made.append(
            {
                **{"task": "pusht_0", "episode": index, "seed": FIRST + index, "success": success},
                "kind": "success" if success else kinds[index // 5 % len(kinds)],
                **{"steps": steps, "steps_to_success": steps if success else None, "best": best, "final": best - 0.01},
                **{
                    "sum_reward": 99.0,
                    "max_reward": min(best / 0.95, 1.0),
                    "path_length": float(random.uniform(900, 2000)),
                },
                **{"jerk": float(random.uniform(3e3, 9e3)), "collisions": None},
            }
        )
    return made


def evaluation(folder: Path, checkpoint: Path | None = None) -> Path:
    """The folder of an evaluation as `dp-plus evaluate` leaves it."""
    made = episodes()
    late = np.full(300, 0.002) + (np.arange(300) % 8 == 0) * 0.05
    lines = [
        {"task": e["task"], "episode": e["episode"], "seed": e["seed"], "p50": 2, "p95": 51, "p99": 53} for e in made
    ]
    write_whole(folder / "episodes.jsonl", "".join(json.dumps(each) + "\n" for each in made))
    write_whole(folder / "latency.jsonl", "".join(json.dumps(each) + "\n" for each in lines))
    write_whole(folder / "summary.json", json.dumps(summary(made, [late])))
    write_whole(folder / "eval_info.json", json.dumps(eval_info(made, {}, 9.0)))
    report = {"seeds": [FIRST, FIRST + len(made) - 1], "episodes": len(made), "environment": "pusht"}
    report |= {
        "latency_ms": 51.0,
        "latency_p99_ms": 53.0,
        "device": "cpu",
        "extra_arguments": ["--policy.n_action_steps=4"],
    }
    write_whole(folder / "report.json", json.dumps(report | {"checkpoint": str(checkpoint) if checkpoint else None}))
    for index in FILMED:
        frames = np.full((12, 96, 96, 3), 230, np.uint8)
        for step in range(12):
            frames[step, 40:56, 4 + 7 * step : 12 + 7 * step] = (200, 60, 30)
        film = folder / "videos" / "pusht_0" / f"eval_episode_{index}.mp4"
        film.parent.mkdir(parents=True, exist_ok=True)
        write_video(str(film), list(frames), 10)
    return folder


def training(folder: Path) -> Path:
    """The folder of a training: what it logged, and the configs of its last checkpoint."""
    rows: list[dict] = []
    for step in range(200, 4001, 200):
        loss = 0.6 * 2 ** (-step / 900) + 0.02
        parts = {"loss": loss, "loss_executed": 0.7 * loss, "loss_dynamics": 0.2 * loss}
        rows.append(
            {"step": step, **parts, "lr": 1e-4 * (1 - step / 4400), "grad_norm": 2 * loss, "updates_per_s": 21.0}
        )
        if step % 1000 == 0:
            rows.append({"step": step, "eval_success_percent": step / 50, "eval_episodes": 50})
    write_whole(folder / "metrics.jsonl", "".join(json.dumps(each) + "\n" for each in rows))
    checkpoint = folder / "checkpoints" / "last" / "pretrained_model"
    write_whole(checkpoint / "config.json", json.dumps({"type": "dp_plus_transformer", "horizon": 16}))
    write_whole(
        checkpoint / "train_config.json", json.dumps({"steps": 4000, "policy": {"type": "dp_plus_transformer"}})
    )
    write_whole(checkpoint.parent / "training_state" / "training_step.json", json.dumps({"step": 4000}))
    return folder
