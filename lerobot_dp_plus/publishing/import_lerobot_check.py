"""Do both policies act alike? LeRobot's checkpoint and ours, pipelines included, on the same observations and noise."""

import copy
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies import make_pre_post_processors
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors
from torch import Tensor

from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusUnetPolicy
from lerobot_dp_plus.policies.processor_dp_plus import Pipelines
from lerobot_dp_plus.publishing.import_lerobot_source import Source

SCENES = 2  # episodes side by side
SEED = 0


class Difference(NamedTuple):
    """The largest |ours − theirs| of any action.

    Attributes:
        normalised: in the units of the network, where an action's range is about 2.
        physical: in the units of the data, after both postprocessors.
        steps: actions compared in each of SCENES episodes; chunks: how often each policy sampled.
    """

    normalised: float
    physical: float
    steps: int
    chunks: int


def largest_difference(source: Source, folder: Path, chunks: int = 2) -> Difference:
    """Play both policies through their own `select_action`, from made-up observations within the statistics.

    Before every step both get the same seed, so that they draw the same noise, at the start of a chunk and at every
    step of a stochastic sampler. `folder` holds our checkpoint, as it will be loaded by others.
    """
    theirs, (their_input, their_output) = reference(source)
    ours = DpPlusUnetPolicy.from_pretrained(folder, cli_overrides=["--device=cpu"])
    our_input, our_output = on_cpu(folder, ours.config)
    steps = (chunks - 1) * theirs.config.n_action_steps + 1
    normalised = physical = 0.0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for step in range(steps):
            torch.manual_seed(SEED + step)
            frame = made_up_frame(source, their_input)
            actions = []
            for policy, preprocess in ((theirs, their_input), (ours, our_input)):
                torch.manual_seed(SEED + step)
                actions.append(policy.select_action(preprocess(dict(frame))))
            normalised = max(normalised, _distance(*actions))
            physical = max(physical, _distance(their_output(actions[0]), our_output(actions[1])))
    return Difference(normalised, physical, steps, chunks)


def reference(source: Source) -> tuple[DiffusionPolicy, Pipelines]:
    """LeRobot's policy with the source's weights, strictly loaded, and its pipelines.

    Raises:
        ValueError: diffusers is missing, or the weights do not fit the config.
    """
    require_diffusers()
    config = copy.deepcopy(source.config)
    config.pretrained_backbone_weights = None  # the checkpoint fills them; nothing is to be downloaded
    config.compile_model = False
    policy = DiffusionPolicy(config)
    try:
        policy.load_state_dict(source.weights, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{source.name}: its weights do not fit its config: {error}") from error
    return policy.eval(), pipelines(source)


def pipelines(source: Source) -> Pipelines:
    """LeRobot's processors: the saved ones, or for an old checkpoint new ones with the statistics of its buffers."""
    if source.files:
        return on_cpu(source.folder, source.config)
    return make_diffusion_pre_post_processors(source.config, source.statistics)


def on_cpu(folder: Path, config: Any) -> Pipelines:
    """The pipelines saved in `folder`, on the CPU."""
    device = {"device_processor": {"device": "cpu"}}
    return make_pre_post_processors(config, str(folder), preprocessor_overrides=device, postprocessor_overrides=device)


def require_diffusers() -> None:
    """Raise a ValueError unless LeRobot's policy can be made here."""
    if importlib.util.find_spec("diffusers") is None:
        raise ValueError(
            "LeRobot's own policy needs the package 'diffusers', and without it nobody can tell whether the actions "
            "are the same: pip install 'lerobot[diffusion]'"
        )


def made_up_frame(source: Source, preprocess: Any) -> dict[str, Tensor]:
    """Raw observations (SCENES, …) of every feature the policy knows, where its normalisation expects them."""
    statistics: dict[str, Any] = next((step.stats for step in preprocess.steps if getattr(step, "stats", None)), {})
    renamed: dict[str, str] = next((step.rename_map for step in preprocess.steps if hasattr(step, "rename_map")), {})
    names = {new: old for old, new in renamed.items()}
    return {
        names.get(key, key): _values(feature, statistics.get(key, {}))
        for key, feature in (source.config.input_features or {}).items()
    }


def _values(feature: PolicyFeature, statistics: dict[str, Any]) -> Tensor:
    shape = (SCENES, *feature.shape)
    if feature.type is FeatureType.VISUAL:
        return torch.rand(shape)
    known = {name: torch.as_tensor(value).float() for name, value in statistics.items()}
    for low, high in (("min", "max"), ("q01", "q99"), ("q10", "q90")):
        if low in known:
            return known[low] + torch.rand(shape) * (known[high] - known[low])
    return known.get("mean", torch.zeros(1)) + torch.randn(shape) * known.get("std", torch.ones(1))


def _distance(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()
