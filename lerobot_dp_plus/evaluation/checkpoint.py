"""A saved policy with its processors, as a function from gym observations to chunks of actions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.envs import preprocess_observation

from lerobot_dp_plus.policies.acting import load_switched

Observation = dict[str, np.ndarray]  # one environment's, as gym returns it


@dataclass(frozen=True)
class Checkpoint:
    """Any LeRobot policy and its processors, as `load_switched` gives them."""

    policy: Any
    preprocessor: Any
    postprocessor: Any

    @classmethod
    def load(cls, directory: Path, switches: Sequence[str] = ()) -> "Checkpoint":
        """Loads the `pretrained_model` folder `directory`, on the device its config names.

        switches are flags of the policy's config, such as `--sampler.num_steps=5`.

        Raises:
            FileNotFoundError: `directory` holds no config.json.
        """
        if not (directory / "config.json").is_file():
            raise FileNotFoundError(
                f"{directory} holds no config.json; expected a checkpoint's pretrained_model folder."
            )
        return cls(*load_switched(directory, switches))

    @property
    def device(self) -> str:
        """Where the policy runs, e.g. `cpu`."""
        return str(self.policy.config.device)

    def batch(self, observation: Observation, count: int = 1) -> dict[str, Any]:
        """`observation` repeated `count` times and normalised: tensors of shape (count, …)."""
        repeated = {key: np.repeat(np.asarray(value)[None], count, axis=0) for key, value in observation.items()}
        return self.preprocessor({**preprocess_observation(repeated), "task": [""] * count})

    @torch.inference_mode()
    def act(self, observation: Observation) -> np.ndarray:
        """The action (A,) for the next step; right after `policy.reset()` this computes exactly one chunk."""
        action = self.policy.select_action(self.batch(observation))
        return self.postprocessor(action).cpu().numpy()[0]

    @torch.inference_mode()
    def sample_chunks(self, history: Sequence[Observation], count: int, seed: int = 0) -> np.ndarray:
        """`count` chunks (count, H, A) in environment units, sampled for the last frame of `history`.

        Earlier frames are shown to the policy first, so that it sees the agent move as it really did. The global
        random state is left as it was.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.policy.reset()
            chunks = self._chunks(history, count)
        self.policy.reset()
        flat = self.postprocessor(chunks.reshape(-1, chunks.shape[-1]))
        return flat.reshape(chunks.shape).cpu().numpy()

    def _chunks(self, history: Sequence[Observation], count: int) -> torch.Tensor:
        last = self.batch(history[-1], count)
        if not self.policy.config.type.startswith("dp_plus_"):
            # LeRobot's own policies want stacked frames in predict_action_chunk; shown is what they would execute.
            return torch.stack(
                [self.policy.select_action(dict(last)) for _ in range(self.policy.config.n_action_steps)], 1
            )
        for observation in history[:-1]:
            self.policy.select_action(self.batch(observation, count))
        return self.policy.predict_action_chunk(last)
