"""Batches of episodes, played as LeRobot's `eval` plays them: its environments, its processors, its own `rollout`.

A batch is what `lerobot eval --seed=FIRST --eval.n_episodes=SIZE --eval.batch_size=SIZE` plays, number by number: random
numbers start from the seed of its first episode, and the policy is made after that, as there. With `one_stream` they go on
from batch to batch as within one call of LeRobot's `eval`; batches must then be played in order.
"""

import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import gymnasium as gym
import numpy as np
import torch
from lerobot.configs import parser
from lerobot.configs.eval import EvalPipelineConfig
from lerobot.envs import close_envs, make_env, make_env_pre_post_processors
from lerobot.policies import make_policy, make_pre_post_processors
from lerobot.scripts import lerobot_eval
from lerobot.utils.device_utils import get_safe_torch_device
from lerobot.utils.random_utils import set_seed

import lerobot_policy_dp_plus  # noqa: F401  (registers environments and policy types)
from lerobot_dp_plus.evaluation.batches import Batch
from lerobot_dp_plus.evaluation.clock import Clock
from lerobot_dp_plus.evaluation.failures import kind_of
from lerobot_dp_plus.evaluation.motion import collisions, jerk, path_length
from lerobot_dp_plus.evaluation.perturbing import Perturbation
from lerobot_dp_plus.evaluation.perturbing.base import Untouched
from lerobot_dp_plus.evaluation.tracked import Track, Tracked
from lerobot_dp_plus.patches import replaced
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.environment_check import check_environment

#: Significant digits of what is written of an episode.
DIGITS = 10


def eval_config(arguments: Sequence[str]) -> EvalPipelineConfig:
    """LeRobot's reading of the arguments of its `eval`."""

    @parser.wrap()
    def read(cfg: EvalPipelineConfig) -> EvalPipelineConfig:
        return cfg

    with patch.object(sys, "argv", ["lerobot eval", *arguments]):
        return read()


class Player:
    """Plays batches of one evaluation.

    Args:
        arguments: of LeRobot's `eval`, with `--policy.path`.
        one_stream: whether random numbers go on from batch to batch.
        perturbation: what makes the episodes harder.

    Raises:
        ValueError: the policy does not fit the environment.
    """

    def __init__(self, arguments: Sequence[str], one_stream: bool = False, perturbation: Perturbation | None = None):
        self.arguments, self.perturbation = list(arguments), perturbation
        self.cfg = eval_config(arguments)
        if isinstance(self.cfg.policy, DpPlusConfig):
            check_environment(self.cfg.policy, self.cfg.env, self.cfg.rename_map)
        if perturbation is not None:
            perturbation.check(self.cfg.env.type)
        self._device = get_safe_torch_device(self.cfg.policy.device, log=False)  # type: ignore[union-attr]
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
        self._one_stream = one_stream
        self._made: tuple[Any, ...] | None = None
        self._envs: dict[str, dict[int, gym.vector.VectorEnv]] | None = None

    @property
    def envs(self) -> dict[str, dict[int, gym.vector.VectorEnv]]:
        """{group: {task: vector environment}}, made when first asked for; what happens in them is written down."""
        if self._envs is None:
            self._envs = make_env(
                self.cfg.env,
                n_envs=self.cfg.eval.batch_size,
                use_async_envs=False,  # processes play batches, and a batch is one process's
                trust_remote_code=self.cfg.trust_remote_code,
            )
            for vector in (each for group in self._envs.values() for each in group.values()):
                sync: Any = vector
                sync.envs = [Tracked(env, self.cfg.env.type) for env in sync.envs]
        return self._envs

    @property
    def tasks(self) -> list[tuple[str, int]]:
        """(group, task) in LeRobot's order."""
        return [(group, task) for group, tasks in self.envs.items() for task in tasks]

    def close(self) -> None:
        """Let go of the simulators."""
        if self._envs is not None:
            close_envs(self._envs)

    def play(
        self, batch: Batch, random: Mapping[str, np.ndarray] | None = None, watch: Any = None
    ) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """The episodes of a batch, a dict for each that is kept, and arrays: `actions` (B, T, A), `seconds` (T,), random states.

        Args:
            random: arrays of the batch before, whose random states go on here; None starts from the batch's seed.
            watch: called after every step with the tracks of the batch.
        """
        vector, begun = self.envs[batch.group][batch.task], time.monotonic()
        if self._made is None or not self._one_stream:
            set_seed(batch.first_seed)
            self._made = self._make()
        if random is not None:
            set_state(random)
        policy, env_processors, (preprocess, postprocess) = self._made
        harder = self.perturbation.begin(batch.first_seed) if self.perturbation else Untouched()
        clock = Clock(policy, preprocess, postprocess, harder)
        tracks: list[Tracked] = vector.envs  # type: ignore[attr-defined]
        for number, each in enumerate(tracks):
            each.before = partial(self._before, harder, number)
        half = torch.autocast(device_type=self._device.type) if self.cfg.policy.use_amp else nullcontext()  # type: ignore[union-attr]
        with warnings.catch_warnings(), replaced(lerobot_eval, "inside_slurm", lambda: True), torch.no_grad(), half:
            warnings.filterwarnings("ignore", "The environment does not have 'task_description'")
            data = lerobot_eval.rollout(
                vector,
                policy,
                *env_processors,
                clock.preprocess,  # type: ignore[arg-type]
                clock.postprocess,  # type: ignore[arg-type]
                seeds=batch.seeds,
                render_callback=None if watch is None else lambda _: watch([each.track for each in tracks]),
            )
        rewards = _sums(data)
        config = self.cfg.policy
        episodes = [
            self._episode(batch, index, tracks[index].track, *rewards, getattr(config, "energies", None))
            for index in range(batch.count)
        ]
        arrays = {"actions": data["action"].numpy(), "seconds": np.array(clock.seconds)}
        arrays |= {"played_for": np.array(time.monotonic() - begun), **clock.plans, **state()}
        return episodes, arrays

    def _before(self, harder: Untouched, number: int, env: gym.Env, step: int) -> None:
        harder.before(env, self.cfg.env.type, number, step)

    def _make(self) -> tuple[Any, ...]:
        """Policy and processors, made in the order of LeRobot's `eval`."""
        cfg = self.cfg
        policy = make_policy(cfg=cfg.policy, env_cfg=cfg.env, rename_map=cfg.rename_map)
        policy.eval()
        processors = make_pre_post_processors(
            policy_cfg=cfg.policy,
            pretrained_path=cfg.policy.pretrained_path,  # type: ignore[union-attr, arg-type]
            preprocessor_overrides={
                "device_processor": {"device": str(policy.config.device)},
                "rename_observations_processor": {"rename_map": cfg.rename_map},
            },
        )
        return policy, make_env_pre_post_processors(env_cfg=cfg.env, policy_cfg=cfg.policy), processors

    def _episode(
        self, batch: Batch, index: int, track: Track, sums: Any, best: Any, success: Any, energies: Any
    ) -> dict[str, Any]:
        positions, fps = np.array(track.positions), self.cfg.env.fps
        progress = [each.progress for each in track.told[1:] if each.progress is not None]
        told: list[float] = progress or track.rewards
        has_positions = positions.ndim == 2
        found = {
            "task": f"{batch.group}_{batch.task}",
            "episode": batch.start + index,
            "seed": batch.first_seed + index,
            "success": bool(success[index]),
            "kind": kind_of(bool(success[index]), track.told, self.cfg.env.type, fps),
            "steps": len(track.rewards),
            "steps_to_success": len(track.rewards) if success[index] else None,
            "best": max(told),
            "final": told[-1],
            "sum_reward": float(sums[index]),
            "max_reward": float(best[index]),
            "path_length": path_length(positions) if has_positions else None,
            "jerk": jerk(positions, fps) if has_positions else None,
            "collisions": collisions(positions, energies.obstacles) if energies and has_positions else None,
        }
        # PushT joins its shapes in the order of their addresses, so that the last bit of a coverage is a matter of chance.
        return {name: float(f"{x:.{DIGITS}g}") if isinstance(x, float) else x for name, x in found.items()}


def state() -> dict[str, np.ndarray]:
    """The states of torch's random numbers."""
    found = {"random_cpu": torch.get_rng_state().numpy()}
    if torch.cuda.is_available():
        found["random_cuda"] = torch.cuda.get_rng_state().numpy()
    return found


def set_state(arrays: Mapping[str, np.ndarray]) -> None:
    """Go on with the random numbers of `state`."""
    torch.set_rng_state(torch.from_numpy(arrays["random_cpu"]))
    if "random_cuda" in arrays and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.from_numpy(arrays["random_cuda"]))


def _sums(data: Mapping[str, torch.Tensor]) -> tuple[list[float], list[float], list[bool]]:
    """Sum and maximum of the rewards, and success, of each episode, to the step after its first done: LeRobot's own rule."""
    ends = data["done"].int().argmax(1, keepdim=True) + 1
    counted = (torch.arange(data["done"].shape[1])[None] <= ends).int()
    rewards = data["reward"] * counted
    return rewards.sum(1).tolist(), rewards.amax(1).tolist(), (data["success"] * counted).any(1).tolist()
