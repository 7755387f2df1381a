"""One policy of two robots against a specialist for each: `python -m benchmarks.robots`.

PushT by its keypoints (the packaged demonstrations) and `blocks` by its places and sentences. All three policies have one
size and one recipe. The shared one takes as many updates as both specialists together, and half of its samples are of each
robot: equal updates on each robot's data. The training seed is one, so what is compared is three trainings, not three ways.
The episodes are those of reporting seeds, from 100000. On PushT the score is the best coverage of the goal, of 95 %.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import RESULTS, positive, print_table, provenance, write_json
from benchmarks.judged import REPORTING_SEED
from benchmarks.steering import said, share
from lerobot_dp_plus.cli import host
from lerobot_dp_plus.demos.blocks import main as make_blocks

PUSHT = Path(__file__).parent.parent / "lerobot_dp_plus" / "assets" / "pusht_demos"
#: What all three have in common: the recipe of `configs/blocks_words.json`, and two observation steps for PushT.
RECIPE = (
    *(
        "policy=dp_plus_flow",
        "policy.device=cpu",
        "policy.n_obs_steps=2",
        "policy.horizon=8",
        "policy.n_action_steps=7",
    ),
    *(
        "policy.observation_stride=1",
        "policy.network.dim=64",
        "policy.network.depth=2",
        "policy.network.memory_depth=2",
    ),
    *("policy.network.patch_size=8", "policy.ema.decay=0.995", "policy.optimizer_lr=0.002"),
    *("policy.scheduler_warmup_steps=100", "batch_size=64", "seed=1", "log_freq=500", "policy.push_to_hub=false"),
)
WORDS = ("policy.words.type=ngrams", "policy.words.max_words=16", "policy.things=3")


def trained(folder: Path, updates: int, *arguments: str) -> dict[str, Any]:
    """A training by LeRobot's script in this process: where its policy lies, and how long it took."""
    begun = time.process_time()
    every = f"save_freq={updates}"
    host.run("train", [*RECIPE, *arguments, f"steps={updates}", every, f"output_dir={folder}"])
    seconds = time.process_time() - begun
    return {"folder": str(folder / "checkpoints" / "last" / "pretrained_model"), "cpu_s": seconds}


def played(folder: str, env: str, episodes: int, output: Path) -> dict[str, Any]:
    """Success, and on PushT the mean score, of a policy in an environment; by LeRobot's script."""
    together = f"eval.batch_size={min(50, episodes)}"
    arguments = [f"policy={folder}", f"env={env}", f"eval.n_episodes={episodes}", together, f"seed={REPORTING_SEED}"]
    obs = "env.obs_type=environment_state_agent_pos"
    host.run("eval", [*arguments, obs, "eval.use_async_envs=false", f"output_dir={output}"])
    found = json.loads((output / "eval_info.json").read_text())["per_task"][0]["metrics"]
    best = [min(reward / 0.95, 1.0) for reward in found["max_rewards"]] if env == "pusht" else None
    return {
        "success": share([bool(each) for each in found["successes"]]),
        "score": None if best is None else sum(best) / len(best),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robots", description=__doc__)
    parser.add_argument("--updates", type=positive, default=2000, help="on each robot's data")
    parser.add_argument("--episodes", type=positive, default=200)
    parser.add_argument("--demonstrations", type=positive, default=1000, help="of blocks")
    parser.add_argument("--work", type=Path, help="where trainings are kept; without it nowhere")
    parser.add_argument("--json", type=Path, default=RESULTS / "robots.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = provenance(options.json, updates=options.updates, first_seed=REPORTING_SEED)
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        blocks = work / "blocks_data"
        if not blocks.is_dir():
            make_blocks(["--episodes", str(options.demonstrations), "--root", str(blocks)])
        both = f"dataset=[pusht={PUSHT},blocks={blocks}]"
        trainings = {
            "both": trained(work / "both", 2 * options.updates, both, *WORDS),
            "pusht": trained(work / "pusht", options.updates, f"dataset={PUSHT}"),
            "blocks": trained(work / "blocks", options.updates, f"dataset={blocks}", *WORDS),
        }
        rows = [
            {
                "robot": robot,
                "policy": name,
                **played(trainings[name]["folder"], robot, options.episodes, work / f"{name}_{robot}"),
            }
            for robot in ("pusht", "blocks")
            for name in (robot, "both")
        ]
    result = {"rows": rows, "cpu_s": {name: each["cpu_s"] for name, each in trainings.items()}}
    table = [
        (
            row["robot"],
            "its own" if row["policy"] == row["robot"] else "shared",
            said(row["success"]),
            "–" if row["score"] is None else f"{row['score']:.3f}",
        )
        for row in rows
    ]
    print_table(f"{options.episodes} episodes, 95 % Wilson intervals", ("robot", "policy", "success %", "score"), table)
    write_json(options.json, begun | {"result": result})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
