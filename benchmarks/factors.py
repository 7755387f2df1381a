"""The rows of the study of `benchmarks.pusht_quality`: what the recipe is made of, each factor taken away or changed alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.contenders import IMAGE, STATE
from benchmarks.judged import RECIPE_NAME


@dataclass(frozen=True)
class Row:
    """One factor: flags of the training and of the evaluation, and how many late checkpoints are averaged, if any.

    With a `command` that trains from a training seed, instead of the recipe.
    """

    name: str
    train: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    average: int = 0
    command: Callable[[int], list[str]] | None = None


RECIPE_ROW = Row(RECIPE_NAME)
VELOCITY = ("--policy.objective.type=flow_matching", "--policy.objective.prediction=v")

WITHOUT_CORNERS = {
    IMAGE: {"type": "VISUAL", "shape": [3, 96, 96]},
    STATE: {"type": "STATE", "shape": [2]},
}

#: What the recipe is made of, each taken away or changed alone.
FACTORS = (
    Row("one candidate, no choice", evaluate=("--policy.selection.type=first",)),
    Row("4 candidates", evaluate=("--policy.selection.num_candidates=4",)),
    Row("64 candidates", evaluate=("--policy.selection.num_candidates=64",)),
    Row("the first within 0.05 of the lowest energy", evaluate=("--policy.selection.tolerance=0.05",)),
    Row("16 candidates, the most coherent", evaluate=("--policy.selection.type=coherent",)),
    Row("4 of 7 steps executed", evaluate=("--policy.n_action_steps=4",)),
    Row("2 network calls", evaluate=("--policy.sampler.type=ddim", "--policy.sampler.num_steps=2")),
    Row("chunks started from 0.3 of the noise", evaluate=("--policy.noise_scale=0.3",)),
    Row("ends weighted equally", evaluate=("--policy.dynamics.weighting.type=equal",)),
    Row("dynamics as observed, not in the block's frame", train=("--policy.dynamics.frame.type=observed",)),
    Row(
        "demonstrations at their own speed",
        train=(
            "--policy.stride=1",
            "--policy.horizon=16",
            "--policy.network.patch_size=16",
            "--policy.n_action_steps=8",
        ),
    ),
    Row("no mirror images", train=("--policy.augmentation.type=none",)),
    Row(  # what of PushT is given by hand: where its physics is the same, and that its goal is its own mirror image
        "neither block frame nor mirror",
        train=("--policy.dynamics.frame.type=observed", "--policy.augmentation.type=none"),
    ),
    Row("flow matching, velocity, dpmpp_2m", train=VELOCITY),
    Row("flow matching, velocity, euler", train=VELOCITY, evaluate=("--policy.sampler.type=euler",)),
    Row(
        "flow matching, x₁, euler",
        train=("--policy.objective.type=flow_matching", "--policy.sampler.type=euler"),
    ),
    Row("diffusion on noise", train=("--policy.objective.prediction=epsilon",)),
    Row("logit-normal times", train=("--policy.objective.times.type=logit_normal",)),
    Row("four actions a token", train=("--policy.network.patch_size=4",)),
    Row("half the width", train=("--policy.network.dim=128",)),
    Row("U-Net", train=("--policy.network.type=unet1d", "--policy.network.down_dims=[112,224]")),
    Row(
        "U-Net, half the updates",  # about the same time
        train=("--policy.network.type=unet1d", "--policy.network.down_dims=[112,224]", "--steps=1250"),
    ),
    Row("DiT", train=("--policy.network.type=dit",)),
    Row("no average of the weights", train=("--policy.ema.enabled=false",)),
    Row("mean of 5 late checkpoints instead", train=("--policy.ema.enabled=false", "--save_freq=250"), average=5),
    Row("mean of 5 late checkpoints as well", train=("--save_freq=250",), average=5),
)

#: The same of a recipe that sees pictures; without corners there are no states to predict, and so no choice.
FACTORS_OF_PICTURES = (
    Row(
        "without corners in training",
        train=(
            *("--policy.state_estimation.type=none", "--policy.dynamics.type=none", "--policy.selection.type=first"),
            "--policy.image_encoder.crop_ratio=0.875",
            f"--policy.input_features={json.dumps(WITHOUT_CORNERS)}",
        ),
    ),
)
