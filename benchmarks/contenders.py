"""Who is compared: our policy, LeRobot's `diffusion` as it ships, and the same shrunk to our number of parameters."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.policies import get_policy_class, make_policy_config, make_pre_post_processors

import lerobot_policy_dp_plus  # noqa: F401  registers our types
from benchmarks.common import ROOT
from lerobot_dp_plus.auxiliary.dynamics.ends import GaussianEnds
from lerobot_dp_plus.evaluation.checkpoint import Checkpoint, Observation
from lerobot_dp_plus.policies.statistics import normalisation
from lerobot_dp_plus.units import Units

LEAN = ROOT / "configs" / "pusht_lean.json"
#: The least `down_dims` of LeRobot's U-Net.
SMALLEST = (8, 16, 32)
#: Names of those that `side_by_side` makes.
OURS, COMPILED, SHIPPED = "ours", "ours, compiled", "LeRobot's diffusion"
SMALL, SMALL_COMPILED = "its DDIM-10, small", "its DDIM-10, small, compiled"
STATE, ENV_STATE, IMAGE, ACTION = "observation.state", "observation.environment_state", "observation.image", "action"


def features(pixels: int | None = None, keypoints: bool | None = None) -> dict[str, dict[str, PolicyFeature]]:
    """PushT's inputs and outputs: the agent, and a square image, or 8 keypoints where there is none or they are asked for."""
    inputs = {STATE: PolicyFeature(FeatureType.STATE, (2,))}
    if keypoints or pixels is None:
        inputs[ENV_STATE] = PolicyFeature(FeatureType.ENV, (16,))
    if pixels is not None:
        inputs[IMAGE] = PolicyFeature(FeatureType.VISUAL, (3, pixels, pixels))
    return {"input_features": inputs, "output_features": {ACTION: PolicyFeature(FeatureType.ACTION, (2,))}}


def observation(config: Any) -> Observation:
    """One of PushT's, as gym returns it to a policy of this config: pictures or keypoints, never both."""
    rng = np.random.default_rng(0)
    seen = {"agent_pos": rng.uniform(0, 512, 2)}
    if IMAGE not in config.input_features:
        return seen | {"environment_state": rng.uniform(0, 512, 16)}
    _, height, width = config.input_features[IMAGE].shape
    return seen | {"pixels": rng.integers(0, 256, (height, width, 3), dtype=np.uint8)}


def our_config(file: Path = LEAN, /, *flags: str, **fields: Any) -> Any:
    """The policy's config in a training config `file`, for PushT as it sees it, on the CPU unless `fields` say otherwise.

    Flags `--policy.…` change it as they do a training.
    """
    training = json.loads(file.read_text())
    saved = training["policy"] | {"device": "cpu", "push_to_hub": False}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(saved))
        overrides = [flag.replace("--policy.", "--", 1) for flag in flags]
        config = PreTrainedConfig.from_pretrained(folder, cli_overrides=overrides)
    pixels = 96 if "pixels" in training["env"]["obs_type"] else None
    seen = features(pixels, keypoints=config.state_estimation.reads_pictures)
    return replace(config, **({**seen, "pretrained_path": None} | fields))


def host_config(**fields: Any) -> Any:
    """LeRobot's `diffusion` with its defaults, but for `fields`; image weights are not fetched."""
    defaults = {**features(), "device": "cpu", "push_to_hub": False, "pretrained_backbone_weights": None}
    return make_policy_config("diffusion", **(defaults | fields))


def fresh(config: Any) -> Checkpoint:
    """A policy with random weights and its processors; layers that start at zero are moved, ends of episodes made up."""
    policy = get_policy_class(config.type)(config).eval().to(config.device)
    generator = torch.Generator().manual_seed(0)
    for module in policy.modules():
        if isinstance(module, GaussianEnds):
            module.gather(torch.randn(8, len(module.mean), generator=generator).to(module.mean.device))
    with torch.no_grad():
        for weight in policy.parameters():
            if not weight.any():
                weight.copy_(0.02 * torch.randn(weight.shape, generator=generator))
    shapes = {key: f.shape for key, f in {**config.input_features, **config.output_features}.items()}
    stats = {key: _statistics(shape if len(shape) == 1 else (3, 1, 1)) for key, shape in shapes.items()}
    for module in policy.modules():
        if isinstance(module, Units):  # as training for a dataset does
            module.learn(normalisation(config, stats))
    return Checkpoint(policy, *make_pre_post_processors(config, dataset_stats=stats))


def _statistics(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    values = {"min": 0.0, "max": 512.0, "mean": 0.5, "std": 0.25}
    return {name: np.full(shape, value, dtype=np.float32) for name, value in values.items()}


def parameters(policy: torch.nn.Module) -> int:
    """Trained weights; ours keeps an average of the same size beside them."""
    return sum(weight.numel() for name, weight in policy.named_parameters() if not name.startswith("ema."))


def equal_dims(target: int, **fields: Any) -> tuple[int, int, int]:
    """`down_dims` with which LeRobot's `diffusion` has nearly `target` parameters: (w, 2w, top), multiples of 8.

    Raises:
        ValueError: with `SMALLEST`, its smallest U-Net, it is larger.
    """

    def count(dims: tuple[int, int, int]) -> int:
        config = host_config(down_dims=dims, **fields)
        with torch.device("meta"):  # shapes only
            return parameters(get_policy_class("diffusion")(config))

    width = SMALLEST[0]
    if (least := count(SMALLEST)) > target:
        raise ValueError(f"target = {target} parameters: LeRobot's smallest U-Net has {least}")
    while count((width + 8, 2 * width + 16, 4 * width + 32)) <= target:
        width += 8
    top = 4 * width
    while count((width, 2 * width, top + 8)) <= target:
        top += 8
    nearest = min((top, top + 8), key=lambda size: abs(count((width, 2 * width, size)) - target))
    return width, 2 * width, nearest


def side_by_side(ours: Checkpoint, compiled: bool, **shipped: Any) -> dict[str, Checkpoint]:
    """Our policy, LeRobot's with DDIM-10 as small as ours, and LeRobot's as it ships but for the fields `shipped`.

    Asked for, also the first two compiled, each by its own option and with the same weights, so that nothing else differs.
    """
    config = ours.policy.config
    pixels = config.input_features[IMAGE].shape[-1] if IMAGE in config.input_features else None
    seen = features(pixels)
    try:
        dims = equal_dims(parameters(ours.policy), horizon=16, n_action_steps=8, **seen)
    except ValueError:
        dims = SMALLEST
    fields = {"down_dims": dims, "horizon": 16, "n_action_steps": 8, "device": config.device, **seen}
    small = fresh(host_config(**fields, noise_scheduler_type="DDIM", num_inference_steps=10))
    found = {OURS: ours, SMALL: small}
    if compiled:
        found |= {COMPILED: twin(ours, compile_sampler=True), SMALL_COMPILED: twin(small, compile_model=True)}
    found[SHIPPED] = fresh(host_config(device=config.device, **seen, **shipped))
    return {name: found[name] for name in (OURS, COMPILED, SMALL, SMALL_COMPILED, SHIPPED) if name in found}


def twin(checkpoint: Checkpoint, **fields: Any) -> Checkpoint:
    """The same weights in a policy whose config differs by `fields`."""
    policy = type(checkpoint.policy)(replace(checkpoint.policy.config, **fields)).eval()
    policy.to(checkpoint.policy.config.device)
    compiled = "_orig_mod."  # what torch.compile puts into the names of a module's weights
    names = {name.replace(compiled, ""): name for name in policy.state_dict()}
    policy.load_state_dict({names[name]: weight for name, weight in checkpoint.policy.state_dict().items()})
    return replace(checkpoint, policy=policy)
