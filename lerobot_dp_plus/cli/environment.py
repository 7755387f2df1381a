"""What the environment of an evaluation should be like, where nobody has said: what it shows, how many run at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lerobot_dp_plus.cli.given import Given
from lerobot_dp_plus.evaluation.embodiment_of import as_served, robot_in
from lerobot_dp_plus.evaluation.obs_type import dataset_has_pictures, obs_type, policy_sees_pictures
from lerobot_dp_plus.evaluation.together import TOGETHER, batch_size
from lerobot_dp_plus.hub.files import read_json


def environment_defaults(given: Given) -> list[str]:
    """`--env.obs_type` for any policy in an environment we know, `--eval.batch_size` for one of ours there.

    Raises:
        FileNotFoundError: the policy is on the Hub, and its config cannot be had.
    """
    env = given.get("env.type")
    if env not in TOGETHER:
        return []
    config = _policy_config(given)
    added = []
    if given.get("env.obs_type") is None:
        pictures = policy_sees_pictures(config.get("input_features"))
        if pictures is None and (info := given.dataset_info()) is not None:
            pictures = dataset_has_pictures(info)
        if pictures is not None:
            added.append(f"--env.obs_type={obs_type(env, pictures)}")
    if given.get("eval.batch_size") is None and str(config.get("type", "")).startswith("dp_plus_"):
        size = batch_size(given.get("eval.n_episodes"), TOGETHER[env])
        added += [f"--eval.batch_size={size}"] if size else []
    return added


def _policy_config(given: Given) -> Mapping[str, Any]:
    """`type` and `input_features` of the policy, as far as they are known before it is made."""
    path = given.get("policy.path")
    if path is not None:
        from_file = _config_of(str(path), given)
    else:
        from_file = {"type": given.get("policy.type"), "input_features": given.get("policy.input_features")}
    features = from_file.get("input_features")
    if isinstance(features, str):  # on the command line
        import yaml

        features = yaml.safe_load(features)
    from_file = as_served(from_file, robot_in(from_file, given.get("env.type"), given.get("policy.embodiment")))
    features = from_file.get("input_features") if from_file.get("robots") else features
    return {**from_file, "input_features": features if isinstance(features, Mapping) else None}


def _config_of(path: str, given: Given) -> dict[str, Any]:
    file = Path(path) / "config.json"
    if not Path(path).is_dir():
        from lerobot_dp_plus.policies.fetching import Checkpoint

        file = Checkpoint(path, revision=given.get("policy.pretrained_revision")).fetch("config.json")
    try:
        return read_json(file)
    except ValueError:
        return {}  # refused where it is loaded, with what is wrong
