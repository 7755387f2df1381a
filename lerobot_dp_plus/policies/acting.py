"""A trained policy and its processors, ready to act: raw observation in, action in the data's units out."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from draccus.utils import DraccusException
from lerobot.configs import FeatureType, PreTrainedConfig
from lerobot.envs import preprocess_observation
from lerobot.policies import get_policy_class, make_pre_post_processors
from torch import Tensor

import lerobot_dp_plus.policies.modeling_dp_plus  # noqa: F401  (registers the policy types)
from lerobot_dp_plus.policies.folders import at_hand, pretrained_folder
from lerobot_dp_plus.policies.loading import HUB_OPTIONS
from lerobot_dp_plus.policies.readings import Readings, read_by
from lerobot_dp_plus.policies.words_step import WordsProcessorStep

#: One robot's or environment's values by name, or those of several, (B, ...).
Observation = Mapping[str, Any]
#: How LeRobot's environments name what the data calls observation.*.
OF_ENVIRONMENTS = ("pixels", "environment_state", "agent_pos", "robot_state")


class Loaded(NamedTuple):
    """What acts: `action = postprocess(policy.select_action(preprocess(batch)))`, or `act`.

    Args:
        policy: has `select_action`, `predict_action_chunk`, `reset` and `config`.
        preprocess, postprocess: LeRobot's pipelines, normalisation included.
    """

    policy: Any
    preprocess: Any
    postprocess: Any

    @torch.no_grad()
    def act(self, observation: Observation, task: str | Sequence[str] | None = None) -> np.ndarray:
        """The action for this control step in the data's units, (A,), or (B, A) of a batch of observations (B, ...).

        Observations are named as in the data, {"observation.state": (D,), "observation.image": (H, W, 3) or (3, H, W)},
        or as LeRobot's environments give them, {"agent_pos": (D,), "pixels": (H, W, 3)}: arrays or tensors, not
        normalised, pictures of bytes or of numbers up to 1. A policy that reads instructions is given one as `task`, or as
        the observation's "task": a sentence, or for a batch one for each. `policy.reset()` starts an episode.

        Raises:
            ValueError: as `select_action` of the policy; or it reads instructions, and there is none.
        """
        told = observation if task is None else {**observation, "task": task}
        batch, alone = batched(told, self.policy.config)
        action = self.postprocess(self.policy.select_action(self.preprocess(batch))).cpu().numpy()
        return action[0] if alone else action

    def describe(self, observation: Observation, task: str | Sequence[str] | None = None) -> str | list[str]:
        """What the policy is about to do, in words; arguments as of `act`. A list of sentences for a batch.

        Raises:
            ValueError: the policy has not learned to tell (auxiliary.type=text), or as `act`.
        """
        told = observation if task is None else {**observation, "task": task}
        batch, alone = batched(told, self.policy.config)
        said = self.policy.describe(self.preprocess(batch))
        return said[0] if alone else said

    def read(self, sentences: Sequence[str] | Sequence[Sequence[str]]) -> Readings:
        """Sentences as `policy.readings` takes them: what an instruction may mean, or what each of a batch may.

            loaded.policy.readings = loaded.read(["put the red one on the tray", "put the green one on the tray"])

        Raises:
            ValueError: the policy reads no instructions, or as `Readings.of`.
        """
        steps = (step for step in self.preprocess.steps if isinstance(step, WordsProcessorStep))
        step = next(steps, None)
        return read_by(self.policy, sentences) if step is None else Readings.of(sentences, step.read)


def load_policy(path: str | Path, **switches: Any) -> Loaded:
    """A trained policy, in evaluation mode on the device its config names, and its pre- and postprocessor.

        policy, preprocess, postprocess = load_policy("outputs/train/run", n_action_steps=4, sampler={"num_steps": 5})

    Args:
        path: a folder with config.json, a training's output folder (its last checkpoint), a policy that comes along, such as
            `hub_cards/pusht_state`, or USER/NAME on the Hub.
        switches: fields of the policy's config, those of a part as a mapping, and options of the Hub: revision, token,
            cache_dir, force_download, local_files_only.

    Raises:
        FileNotFoundError: there is no policy, for a reason it names.
        ValueError: a file or a switch cannot be used, by name.
    """
    hub = {name: switches.pop(name) for name in HUB_OPTIONS if name in switches}
    return load_switched(path, list(flags(switches)), **hub)


def load_switched(path: str | Path, switches: Sequence[str] = (), **hub: Any) -> Loaded:
    """The same with switches as the command line spells them, such as `--sampler.num_steps=5`; of any policy type."""
    place = pretrained_folder(Path(path)) if at_hand(Path(path)).is_dir() else path
    with _worded(switches):
        config = PreTrainedConfig.from_pretrained(place, cli_overrides=list(switches), **hub)
    policy = get_policy_class(config.type).from_pretrained(place, config=config, **hub).eval()
    processors = make_pre_post_processors(
        config,
        pretrained_path=str(place),
        pretrained_revision=hub.get("revision"),
        preprocessor_overrides={"device_processor": {"device": str(config.device)}},
    )
    return Loaded(policy, *processors)


@contextmanager
def _worded(switches: Sequence[str]) -> Iterator[None]:
    """A ValueError where a command line would print its usage and end the process."""
    said = StringIO()
    try:
        with redirect_stderr(said):
            yield
    except DraccusException as error:
        raise ValueError(str(error)) from error
    except SystemExit as error:
        lines = said.getvalue().strip().splitlines()
        reason = lines[-1].partition("error: ")[2] if lines else ""
        raise ValueError(f"{' '.join(switches)}: {reason or 'no such field of the config'}") from error
    sys.stderr.write(said.getvalue())


def flags(switches: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """{"sampler": {"num_steps": 5}, "fps": None} -> --sampler.num_steps=5 --fps=null."""
    for name, value in switches.items():
        if isinstance(value, Mapping):
            yield from flags(value, f"{prefix}{name}.")
        else:
            yield f"--{prefix}{name}={value if isinstance(value, str | Path) else json.dumps(value)}"


def batched(observation: Observation, config: PreTrainedConfig) -> tuple[dict[str, Any], bool]:
    """An observation as the preprocessor takes it, {"observation.…": float32 (B, ...)}, and whether it was one alone."""
    gym = {key: value for key, value in observation.items() if key in OF_ENVIRONMENTS}
    named = {key: torch.as_tensor(value) for key, value in observation.items() if key.startswith("observation.")}
    features = config.input_features or {}
    if gym and not named:
        alone = all(np.ndim(value) in (1, 3) for value in gym.values() if not isinstance(value, Mapping))
        batch = preprocess_observation(gym)
    else:
        alone = all(value.dim() <= len(features[key].shape) for key, value in named.items() if key in features)
        batch = {
            key: _picture(value, features[key].shape[0])
            if key in features and features[key].type is FeatureType.VISUAL
            else value.float()
            for key, value in ((key, value[None] if alone else value) for key, value in named.items())
        }
    size = max((len(value) for value in batch.values()), default=1)
    task = observation.get("task")
    if task is None:
        if getattr(config, "spoken_features", ()):
            return batch, alone  # the processor says what is missing
        task = ""
    return {**batch, "task": [task] * size if isinstance(task, str) else list(task)}, alone


def _picture(value: Tensor, channels: int) -> Tensor:
    """(B, H, W, C) or (B, C, H, W), bytes or numbers up to 1 -> (B, C, H, W) up to 1."""
    if value.shape[1] != channels and value.shape[-1] == channels:
        value = value.movedim(-1, 1)
    return value.float() / 255 if value.dtype is torch.uint8 else value.float()
