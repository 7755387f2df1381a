"""`dp-plus demos pusht_rollouts`: episodes of a trained policy whose candidate chunks are judged in the simulator.

A policy trained on few demonstrations succeeds in half of its episodes, but among a handful of its own candidates there
is nearly always one that brings the T closer. Playing the best of N gives episodes that look like the policy's teacher,
finish sooner, and choose as a function of the state: the easiest kind to learn from.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies import make_pre_post_processors
from lerobot.policies.factory import get_policy_class
from lerobot.utils.import_utils import register_third_party_plugins
from tqdm import tqdm

from lerobot_dp_plus.demos.options import rollouts_parser
from lerobot_dp_plus.demos.production import Demonstrations
from lerobot_dp_plus.demos.publication import exit_status
from lerobot_dp_plus.demos.pusht import SIMULATOR
from lerobot_dp_plus.demos.pusht_features import FPS, ROBOT_TYPE, TASK, PushTEnv, episode_columns, pusht_features
from lerobot_dp_plus.demos.pusht_model import goal_distance, pose_of_block
from lerobot_dp_plus.demos.pusht_simulator import simulate, state_of

REPO_ID = "lerobot_dp_plus/pusht_demos"
TOGETHER = 8  # episodes whose chunks are sampled in one batch
MAX_STEPS = 300
FIRST_REPORTING_SEED = 100_000
#: Candidates whose costs differ by less than this many pixels are equally good: the policy's first is played.
TIE = 0.5


class Player:
    """A checkpoint as a proposer of chunks in arena pixels."""

    def __init__(self, checkpoint: Path, seed: int):
        register_third_party_plugins()
        config = PreTrainedConfig.from_pretrained(str(checkpoint))
        self.policy: Any = get_policy_class(config.type).from_pretrained(str(checkpoint), config=config)
        self.preprocess, self.postprocess = make_pre_post_processors(config, pretrained_path=str(checkpoint))
        self.first = config.n_obs_steps - 1
        #: Frames of an episode that the policy sees, of the last `remembered`.
        self.seen = slice(0, None, config.observation_stride)
        self.remembered: int = 1 + (config.n_obs_steps - 1) * config.observation_stride
        self.n_action_steps: int = config.n_action_steps
        self.action_dim_shape = (config.horizon, 2)
        self.generator = torch.Generator().manual_seed(seed)

    def propose(self, histories: list[list[dict[str, np.ndarray]]], candidates: int) -> np.ndarray:
        """Chunks (E, N, H − T_o + 1, 2) for the last `remembered` observations of each of E episodes, oldest first."""
        seen = [history[self.seen] for history in histories]
        window = {
            key: torch.from_numpy(np.stack([[frame[key] for frame in frames] for frames in seen])).float()
            for key in seen[0][0]
        }
        processed = self.preprocess(window)
        noise = torch.randn((len(histories), candidates, *self.action_dim_shape), generator=self.generator)
        chunks = self.policy.sample({key: processed[key] for key in window}, noise, candidates)
        return self.postprocess(chunks[:, :, self.first :]).numpy().astype(np.float64).clip(0, 512)


class Played(NamedTuple):
    success: bool
    record: dict[str, np.ndarray]


def play(player: Player, seeds: list[int], candidates: int, disturbed: float) -> list[Played]:
    """One episode per environment seed, best of `candidates`, a random one at a share `disturbed` of the decisions."""
    envs = [PushTEnv(obs_type="environment_state_agent_pos") for _ in seeds]
    rng = np.random.default_rng(seeds)
    histories = [[_observe(env.reset(seed=seed)[0])] * player.remembered for env, seed in zip(envs, seeds, strict=True)]
    records: list[dict[str, list[Any]]] = [{"agent": [], "block": [], "action": [], "coverage": []} for _ in seeds]
    success = [False] * len(seeds)
    for _ in range(0, MAX_STEPS, player.n_action_steps):
        live = [i for i in range(len(seeds)) if not success[i]]
        if not live:
            break
        chunks = player.propose([histories[i] for i in live], candidates)
        for i, proposals in zip(live, chunks, strict=True):
            chosen = int(rng.integers(candidates)) if rng.random() < disturbed else best(envs[i], proposals, player)
            for action in proposals[chosen, : player.n_action_steps]:
                state = state_of(envs[i])
                observation, _, _, _, info = envs[i].step(action)
                for name, value in (("agent", state.agent), ("block", state.block), ("action", action)):
                    records[i][name].append(value)
                records[i]["coverage"].append(info["coverage"])
                histories[i] = [*histories[i][1:], _observe(observation)]
                if info["is_success"]:
                    success[i] = True
                    break
    return [Played(s, {k: np.asarray(v) for k, v in r.items()}) for s, r in zip(success, records, strict=True)]


def best(env: PushTEnv, proposals: np.ndarray, player: Player) -> int:
    """Index of the best of the candidates (N, L, 2).

    A candidate that succeeds is best. Of the others it is the one nearest to the goal, half of it measured after the
    steps that will be played and half at its end.
    """
    state, costs = state_of(env), np.empty(len(proposals))
    for n, targets in enumerate(proposals):
        outcome = simulate(state, targets)
        distance = goal_distance(pose_of_block(outcome.block))
        halfway = distance[min(player.n_action_steps, len(distance)) - 1]
        costs[n] = len(outcome) - 1e6 if outcome.success else 0.5 * (halfway + distance[-1])
    return 0 if costs[0] - costs.min() < TIE else int(costs.argmin())


def _observe(observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        "observation.state": observation["agent_pos"],
        "observation.environment_state": observation["environment_state"],
    }


def write_pusht_rollouts(
    root: Path | str, policy: Path, episodes: int, seed: int = 20_000, candidates: int = 16, disturbed: float = 0.1
) -> dict[str, Any]:
    """Write the successful ones of a policy's rollouts as a LeRobotDataset; returns the provenance written beside it.

    Episode i starts from environment seed `seed` + i. Raises ValueError for illegal numbers, FileExistsError if `root`
    exists.
    """
    if episodes < 1 or candidates < 1:
        raise ValueError(f"episodes={episodes}, candidates={candidates}: legal are integers from 1")
    if not 0 <= disturbed <= 1:
        raise ValueError(f"disturbed={disturbed}: legal is a share in [0, 1]")
    if not 0 <= seed < FIRST_REPORTING_SEED - 2 * episodes - TOGETHER:
        raise ValueError(f"seed={seed}: legal from 0, all starts below {FIRST_REPORTING_SEED}, where reporting begins")
    if Path(root).exists():
        raise FileExistsError(f"root={root} already exists; choose another folder or remove it first")
    player = Player(policy, seed)
    kept: list[dict[str, np.ndarray]] = []
    attempted = 0
    with tqdm(total=episodes, desc="playing PushT", unit="episode") as progress:
        while len(kept) < episodes:
            if attempted >= 2 * episodes + TOGETHER:
                raise RuntimeError(
                    f"only {len(kept)} of {attempted} episodes succeeded: this policy is no demonstrator"
                )
            for played in play(
                player, list(range(seed + attempted, seed + attempted + TOGETHER)), candidates, disturbed
            ):
                if len(kept) < episodes:
                    attempted += 1
                    if played.success:
                        kept.append(played.record)
                        progress.update()
    noted = {"policy": policy.name, "candidates": candidates, "disturbed": disturbed, "seed": seed}
    demonstrations = Demonstrations(
        "pusht_rollouts", REPO_ID, FPS, pusht_features(), TASK, ROBOT_TYPE, episode_columns, SIMULATOR
    )
    records = tqdm(kept, desc="writing the dataset", unit="episode")
    return demonstrations.write(root, records, attempted, noted)


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus demos pusht_rollouts`; returns the exit status: 2 bad input, 1 the Hub failed."""
    return exit_status(rollouts_parser(), argv, write_pusht_rollouts)
