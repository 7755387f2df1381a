"""Evaluations of a checkpoint on a table of things: what they are asked for, and the file that tells what came out."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lerobot.envs import EnvConfig

import lerobot_dp_plus.environments.blocks_config
import lerobot_dp_plus.environments.pucks_config  # noqa: F401  (registers an environment, as does the line above)
from lerobot_dp_plus.evaluation.folders import pretrained_folder, weights_digest
from lerobot_dp_plus.evaluation.obs_type import obs_type, policy_sees_pictures
from lerobot_dp_plus.policies.acting import Loaded


def written(options: Any, file: str, look: Callable[[Path, EnvConfig], Mapping[str, Any]]) -> int:
    """Do what `dp-plus evaluate` was asked for with one checkpoint, and write it into `file`, beside what it is about.

    `look` plays, in the environment that was chosen; it shows what it found and returns it, for JSON.
    """
    (policy,) = options.checkpoints
    folder = pretrained_folder(policy)
    env = environment_of(folder, options.env)
    found = look(folder, env)
    output = options.output_dir or Path("outputs/evaluate") / policy.resolve().name
    output.mkdir(parents=True, exist_ok=True)
    about = {
        "policy": str(folder),
        "weights_sha256": weights_digest(folder),
        "environment": env.type,
        "seeds": [options.seed, options.seed + options.episodes - 1],
    }
    (output / file).write_text(json.dumps({**about, **found}, indent=2) + "\n")
    print(output / file)
    return 0


def hear(loaded: Loaded, envs: Sequence[Any]) -> None:
    """Tell the policy what the sentence of each environment may mean.

    Raises:
        ValueError: an environment does not say what its sentence may mean, or the policy reads none.
    """
    told = [env.get_wrapper_attr("readings") for env in envs]
    if not all(told):
        raise ValueError(
            "--readings: this environment does not say what its sentence may mean; legal are blocks, three_pucks"
        )
    loaded.policy.readings = loaded.read(told)


def environment_of(folder: Path, name: str | None) -> EnvConfig:
    """The environment with this name, or that of the training in `folder`, as the policy is to see it.

    Raises:
        ValueError: there is no such environment, or nobody named one.
    """
    saved = folder / "train_config.json"
    if name is None and saved.is_file():
        name = (json.loads(saved.read_text()).get("env") or {}).get("type")
    known = EnvConfig.get_known_choices()
    if name is None or name not in known:
        raise ValueError(
            f"--env {name}: give the environment, for example --env blocks; known are {', '.join(sorted(known))}"
        )
    inputs = json.loads((folder / "config.json").read_text()).get("input_features")
    shows = obs_type(name, bool(policy_sees_pictures(inputs)))
    return known[name](**({} if shows is None else {"obs_type": shows}))
