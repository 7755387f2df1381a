"""One tiny policy of every kind: each preset, with pictures, with dynamics and estimated states, without an average."""

from typing import Any

import torch
from lerobot.configs import FeatureType, PolicyFeature
from tiny import BASELINES, ENV_STATE, IMAGES, OBSERVATIONS, PRESETS, STATE, policy

from lerobot_dp_plus.auxiliary import NextState
from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.auxiliary.state_estimation import Regression
from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.encoders import PatchesConfig, ResNet18Config, SmallCnnConfig
from lerobot_dp_plus.energies import Bounds, Energies, Obstacles, StayAbove
from lerobot_dp_plus.guidance import ClassifierFree, Gradient, Smoothness
from lerobot_dp_plus.heads import Implicit, Langevin
from lerobot_dp_plus.objectives import DiffusersPath, Diffusion, Shortcut
from lerobot_dp_plus.paths import LinearBetaPath
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.projection import Kaczmarz
from lerobot_dp_plus.samplers import DDIM, Ancestral, Jump
from lerobot_dp_plus.selection import Coherent, LowestEnergy

SEEING = {
    "inputs": {**STATE, **ENV_STATE, **IMAGES},
    "state_estimation": Regression(samples=2),
    "dynamics": Outcome(steps=6, dim=16, depth=1),
    "selection": LowestEnergy(num_candidates=3),
    "image_encoder": SmallCnnConfig(width=16, crop_ratio=1.0, num_keypoints=8),
}
X1 = {"objective": Diffusion(prediction="x1")}
KINDS: dict[str, dict[str, Any]] = {
    **{name: {"preset": name} for name in PRESETS},
    **{f"{name} with pictures": {"preset": name, "inputs": OBSERVATIONS["mix"]} for name in PRESETS},
    **{f"{name} with dynamics": {"preset": name, "dynamics": Outcome(steps=6, dim=16, depth=1)} for name in BASELINES},
    "an energy searched by Langevin": {"objective": Implicit(search=Langevin(samples=8, iterations=4))},
    "resnet": {
        "inputs": {"observation.image": PolicyFeature(FeatureType.VISUAL, (3, 64, 64))},
        "image_encoder": ResNet18Config(crop_ratio=1.0, num_keypoints=4),
        "ema": EmaConfig(enabled=False),  # eleven million weights are enough
    },
    "dynamics and estimated states": {**SEEING, **X1},
    "patches and a further loss": {
        "preset": "dp_plus_transformer",
        "inputs": OBSERVATIONS["mix"],
        "image_encoder": PatchesConfig(width=16, crop_ratio=1.0, feature_dim=16),
        "auxiliary": NextState(dim=8),
    },
    "energies that guide": {
        "energies": Energies(stay_above=StayAbove(weight=1, limit=0.5)),
        "guidance": Gradient(strength=0.1),
    },
    "rules that are kept": {
        "energies": Energies(
            obstacles=Obstacles(weight=1, circles=((0.1, 0.2, 0.3),), boxes=((-0.9, -0.9, -0.5, -0.2),)),
            bounds=Bounds(weight=1, low=(-1.0, -1.0)),
        ),
        "projection": Kaczmarz(steps=4),
        "selection": LowestEnergy(num_candidates=2, energy="total"),
    },
    "a contrast": {"guidance": ClassifierFree(weight=2.0), "condition_dropout": 0.5},
    "no average": {"ema": EmaConfig(enabled=False), **X1},
    "jumps": {"objective": Shortcut(), "sampler": Jump(num_steps=2)},
    "table": {"objective": Diffusion(prediction="x1", path=LinearBetaPath()), "sampler": DDIM(num_steps=2)},
    "table of diffusers": {"objective": Diffusion(prediction="x1", path=DiffusersPath()), "sampler": DDIM(num_steps=2)},
    "stochastic": {
        "sampler": Ancestral(num_steps=3),
        "guidance": Smoothness(),
        "selection": Coherent(num_candidates=2),
    },
}


def acting(**fields: Any) -> DpPlusPolicy:
    """A policy in evaluation mode whose weights have left the start, and that has seen some ends of episodes."""
    made = policy(**fields).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    for model in (made.model, made._averaged_model):
        model.units.known.fill_(True)
        if "dynamics" in model.auxiliary:
            ends = model.auxiliary.dynamics.ends
            ends.gather(torch.randn(5, len(ends.mean)))
    return made


def of(kind: str) -> DpPlusPolicy:
    return acting(**KINDS[kind])
