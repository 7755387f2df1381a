"""What the package knows about its members and LeRobot's environments, in words for a reader of a card.

A member that is missing here still gets its name and fields; nothing is said about it.
"""

from collections.abc import Callable
from typing import Any

from lerobot_dp_plus.hub.card_markdown import Markdown

AXES = (
    "network",
    "objective",
    "sampler",
    "image_encoder",
    "words",
    "state_estimation",
    "dynamics",
    "auxiliary",
    "energy",
    "guidance",
    "selection",
    "augmentation",
)

#: (axis, member) -> what it is.
MEMBERS: dict[tuple[str, str], str] = {
    (
        "network",
        "unet1d",
    ): "temporal U-Net, the observation enters by FiLM ([2303.04137](https://arxiv.org/abs/2303.04137))",
    ("network", "transformer"): "transformer over action tokens that cross-attends to the observation "
    "([2303.04137](https://arxiv.org/abs/2303.04137))",
    ("network", "dit"): "diffusion transformer, the observation enters by adaLN-zero "
    "([2212.09748](https://arxiv.org/abs/2212.09748))",
    ("objective", "diffusion"): "denoising diffusion ([2006.11239](https://arxiv.org/abs/2006.11239))",
    ("objective", "flow_matching"): "conditional flow matching ([2210.02747](https://arxiv.org/abs/2210.02747))",
    ("objective", "shortcut"): "shortcut model ([2410.12557](https://arxiv.org/abs/2410.12557))",
    ("objective", "regression"): "regression of the chunk, behaviour cloning",
    ("sampler", "jump"): "jumps along the learned flow map",
    ("sampler", "ancestral_leading"): "DDPM's own sampler on diffusers' leading timesteps",
    (
        "sampler",
        "ddim_leading",
    ): "DDIM on diffusers' leading timesteps ([2010.02502](https://arxiv.org/abs/2010.02502))",
    ("sampler", "ancestral"): "DDPM's own sampler, stochastic ([2006.11239](https://arxiv.org/abs/2006.11239))",
    ("sampler", "ddim"): "DDIM ([2010.02502](https://arxiv.org/abs/2010.02502))",
    ("sampler", "euler"): "Euler's method, first order",
    ("sampler", "heun"): "Heun's method, second order ([2206.00364](https://arxiv.org/abs/2206.00364))",
    ("sampler", "dpmpp_2m"): "DPM-Solver++ (2M), second order ([2211.01095](https://arxiv.org/abs/2211.01095))",
    ("image_encoder", "resnet18"): "ResNet-18 with spatial softmax, one crop per sample",
    ("image_encoder", "small_cnn"): "four convolutions with spatial softmax, for a CPU",
    ("state_estimation", "none"): "not used",
    ("state_estimation", "regression"): "reads states off the pictures that were known in training and are not in use "
    "([1912.12294](https://arxiv.org/abs/1912.12294))",
    ("image_encoder", "patches"): "tokens of places in the picture, from a convolutional trunk",
    ("words", "none"): "not used",
    ("words", "hashed"): "words of the instruction by their hash ([0902.2206](https://arxiv.org/abs/0902.2206))",
    ("auxiliary", "none"): "not used",
    ("auxiliary", "next_state"): "a second loss in training: predict the next state",
    ("energy", "none"): "not used",
    ("energy", "smoothness"): "chunks without jerks are better",
    ("energy", "stay_above"): "actions on one side of a limit are better",
    ("guidance", "none"): "not used",
    ("guidance", "gradient"): "follows the gradient of the energy",
    ("guidance", "smoothness"): "prefers chunks without jerks",
    ("selection", "first"): "one candidate a chunk",
    (
        "selection",
        "coherent",
    ): "the candidate nearest to what was planned before ([2408.17355](https://arxiv.org/abs/2408.17355))",
    ("selection", "densest"): "the candidate nearest to all others",
    (
        "selection",
        "lowest_energy",
    ): "the candidate of the lowest energy; `end` is how far it leads from where demonstrations end",
    ("dynamics", "none"): "not used",
    ("dynamics", "outcome"): "a model of the observations that follow a chunk, learned from the same episodes",
    ("augmentation", "none"): "not used",
    ("augmentation", "pusht_mirror"): "PushT's mirror symmetry, an exact one",
    ("augmentation", "color_jitter"): "brightness, contrast, saturation and hue of images, per sample",
}

#: sampler -> network calls a chunk, from its num_steps.
NETWORK_CALLS: dict[str, Callable[[int], int]] = {
    "ancestral": lambda steps: steps,
    "ddim": lambda steps: steps,
    "euler": lambda steps: steps,
    "heun": lambda steps: 2 * steps - 1,
    "dpmpp_2m": lambda steps: steps,
    "ancestral_leading": lambda steps: steps,
    "ddim_leading": lambda steps: steps,
    "jump": lambda steps: steps,
}

KINDS = {
    "diffusion": "diffusion policy",
    "flow_matching": "flow-matching policy",
    "shortcut": "shortcut policy",
    "regression": "behaviour-cloning policy",
}

_PIXELS = "pixels of the 512 × 512 arena, y down"
_JOINTS = "six joint angles in radians and a gripper from 0 (closed) to 1 (open), for each arm"
#: (environment, feature) -> its shape there, meaning and units.
UNITS: dict[tuple[str, str], tuple[tuple[int, ...], str]] = {
    ("pusht", "observation.state"): ((2,), f"position of the agent, {_PIXELS}"),
    ("pusht", "observation.environment_state"): ((16,), f"eight keypoints of the T, {_PIXELS}"),
    ("pusht", "action"): ((2,), f"where the agent shall go, {_PIXELS}"),
    ("aloha", "observation.state"): ((14,), _JOINTS),
    ("aloha", "action"): ((14,), f"target of {_JOINTS}"),
}
#: Environments whose observations and actions are those of another.
SAME_UNITS = {"aloha_lite": "aloha"}
#: Environments whose name LeRobot's eval gives to their only group of tasks.
GYMS = {environment for environment, _ in UNITS} | set(SAME_UNITS)
UNKNOWN_UNITS = "as in the dataset"

ENVIRONMENTS = {
    "pusht": "PushT, pushing a T-shaped block onto its goal",
    "AlohaTransferCube-v0": "ALOHA transfer cube, handing a cube from one arm to the other in simulation",
    "AlohaInsertion-v0": "ALOHA insertion, putting a peg into a socket with two arms in simulation",
}
TITLES = {"pusht": "PushT", "AlohaTransferCube-v0": "ALOHA transfer cube", "AlohaInsertion-v0": "ALOHA insertion"}

NORMALISATION = {
    "MIN_MAX": "min and max to [−1, 1]",
    "MEAN_STD": "mean 0, standard deviation 1",
    "IDENTITY": "none",
}

_DIFFUSION_POLICY = """@inproceedings{chi2023diffusionpolicy,
  title     = {Diffusion Policy: Visuomotor Policy Learning via Action Diffusion},
  author    = {Chi, Cheng and Feng, Siyuan and Du, Yilun and Xu, Zhenjia and Cousineau, Eric and Burchfiel, Benjamin and Song, Shuran},
  booktitle = {Robotics: Science and Systems},
  year      = {2023},
  note      = {arXiv:2303.04137}
}"""
_FLOW_MATCHING = """@inproceedings{lipman2023flow,
  title     = {Flow Matching for Generative Modeling},
  author    = {Lipman, Yaron and Chen, Ricky T. Q. and Ben-Hamu, Heli and Nickel, Maximilian and Le, Matt},
  booktitle = {International Conference on Learning Representations},
  year      = {2023},
  note      = {arXiv:2210.02747}
}"""
_SHORTCUT = """@inproceedings{frans2025shortcut,
  title     = {One Step Diffusion via Shortcut Models},
  author    = {Frans, Kevin and Hafner, Danijar and Levine, Sergey and Abbeel, Pieter},
  booktitle = {International Conference on Learning Representations},
  year      = {2025},
  note      = {arXiv:2410.12557}
}"""
_DIT = """@inproceedings{peebles2023dit,
  title     = {Scalable Diffusion Models with Transformers},
  author    = {Peebles, William and Xie, Saining},
  booktitle = {International Conference on Computer Vision},
  year      = {2023},
  note      = {arXiv:2212.09748}
}"""


def units(environment: str | None, feature: str, shape: tuple[int, ...], kind: str) -> str:
    """What a feature holds and in which units."""
    if kind == "VISUAL":
        return "RGB in [0, 1]"
    known = UNITS.get((SAME_UNITS.get(environment or "", environment or ""), feature))
    return known[1] if known is not None and known[0] == shape else UNKNOWN_UNITS


def normalisation(kind: str, mapping: dict[str, Any], imagenet: bool) -> str:
    """How a feature of `kind` is normalised; `imagenet`: images with that dataset's statistics."""
    mode = str(mapping.get(kind, "IDENTITY"))
    words = NORMALISATION.get(mode, mode.lower().replace("_", " "))
    return f"{words}, ImageNet's statistics" if kind == "VISUAL" and mode == "MEAN_STD" and imagenet else words


def network_calls(sampler: dict[str, Any]) -> int | None:
    """Network calls a chunk, None for a sampler not known here."""
    rule, steps = NETWORK_CALLS.get(str(sampler.get("type"))), sampler.get("num_steps")
    return rule(steps) if rule is not None and isinstance(steps, int) else None


def citations(config: dict[str, Any], version: str | None) -> Markdown:
    """BibTeX of what the axes of `config` stand on, and of this package."""
    entries = [_DIFFUSION_POLICY]
    if config["objective"]["type"] == "flow_matching":
        entries.append(_FLOW_MATCHING)
    if config["objective"]["type"] == "shortcut":
        entries.append(_SHORTCUT)
    if config["network"]["type"] == "dit":
        entries.append(_DIT)
    numbered = f"  version = {{{version}}},\n" if version else ""
    entries.append(
        "@software{lerobot_dp_plus,\n"
        "  title   = {lerobot_dp_plus: Diffusion Policy and flow-matching policies for LeRobot},\n"
        f"  author  = {{The lerobot_dp_plus authors}},\n{numbered}"
        "  license = {Apache-2.0}\n}"
    )
    return Markdown("\n\n".join(entries))
