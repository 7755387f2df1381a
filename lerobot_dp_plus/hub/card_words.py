"""What the package knows about its members and LeRobot's environments, in words for a reader of a card.

A member that is missing here still gets its name and fields; nothing is said about it.
"""

from collections.abc import Callable
from typing import Any

from lerobot_dp_plus.hub.card_markdown import Markdown


def _paper(number: str) -> str:
    return f"([{number}](https://arxiv.org/abs/{number}))"


#: axis -> member -> what it is; a card names the axes in this order.
_WORDS = {
    "network": {
        "unet1d": f"temporal U-Net, the observation enters by FiLM {_paper('2303.04137')}",
        "transformer": f"transformer over action tokens that cross-attends to the observation {_paper('2303.04137')}",
        "dit": f"diffusion transformer, the observation enters by adaLN-zero {_paper('2212.09748')}",
        "lstm": f"LSTM over the steps of a chunk {_paper('2108.03298')}",
        "mixture": f"a backbone and an action expert that meet in attention {_paper('2410.24164')}",
    },
    "objective": {
        "diffusion": f"denoising diffusion {_paper('2006.11239')}",
        "flow_matching": f"conditional flow matching {_paper('2210.02747')}",
        "shortcut": f"shortcut model {_paper('2410.12557')}",
        "regression": "regression of the chunk, behaviour cloning",
        "mixture_density": f"likelihood of a Gaussian mixture over chunks {_paper('2108.03298')}",
        "implicit": f"energy of chunks, learned by contrast {_paper('2109.00137')}",
        "discretised": f"bins of chunks with offsets {_paper('2206.11251')}",
    },
    "sampler": {
        "jump": "jumps along the learned flow map",
        "ancestral_leading": "DDPM's own sampler on diffusers' leading timesteps",
        "ddim_leading": f"DDIM on diffusers' leading timesteps {_paper('2010.02502')}",
        "ancestral": f"DDPM's own sampler, stochastic {_paper('2006.11239')}",
        "langevin": f"annealed Langevin dynamics, stochastic {_paper('1907.05600')}",
        "predictor_corrector": f"DDIM corrected by Langevin steps, stochastic {_paper('2011.13456')}",
        "ddim": f"DDIM {_paper('2010.02502')}",
        "euler": "Euler's method, first order",
        "heun": f"Heun's method, second order {_paper('2206.00364')}",
        "dpmpp_2m": f"DPM-Solver++ (2M), second order {_paper('2211.01095')}",
    },
    "image_encoder": {
        "resnet18": "ResNet-18 with spatial softmax, one crop per sample",
        "small_cnn": "four convolutions with spatial softmax, for a CPU",
        "patches": "tokens of places in the picture, from a convolutional trunk",
        "keypoint_tokens": f"tokens of keypoints: where each is, and what is seen there {_paper('1509.06113')}",
    },
    "words": {
        "none": "not used",
        "automatic": "not used",
        "ngrams": f"words of the instruction by the hashes of their parts {_paper('1607.04606')}",
        "sentence": f"the instruction as one vector of a frozen encoder of sentences {_paper('1907.04307')}",
        "pretrained": f"the instruction as a frozen text tower sees it {_paper('2103.00020')}",
        "hashed": f"words of the instruction by their hash {_paper('0902.2206')}",
    },
    "state_estimation": {
        "none": "not used",
        "regression": "reads states off the pictures that were known in training and are not in use "
        + _paper("1912.12294"),
    },
    "dynamics": {
        "none": "not used",
        "outcome": "a model of the observations that follow a chunk, learned from the same episodes",
    },
    "auxiliary": {
        "none": "not used",
        "next_state": "a second loss in training: predict the next state",
        "gaze_reconstruction": f"a second loss in training: draw the region of the target {_paper('2508.10333')}",
        "gaze_position": "a second loss in training: tell where the target is",
        "text": f"a second loss in training: tell in words what is done {_paper('2408.11039')}",
    },
    "forward": {
        "identity": "actions are positions, reached on straight ways",
        "joint_limits": "actions are positions, no further than limits",
        "pusht": "the controller of PushT's agent, exactly",
    },
    "guidance": {
        "none": "not used",
        "smoothness": "prefers chunks without jerks",
        "gradient": "follows the gradient of the energies",
        "diffuser": f"shifts the mean of every reverse step by the gradient of the energies {_paper('2205.09991')}",
        "classifier_free": f"stresses what the observation says {_paper('2207.12598')}",
    },
    "refinement": {
        "none": "not used",
        "gradient": f"gradient steps of the energies on a chunk that is drawn {_paper('2502.00622')}",
    },
    "projection": {
        "none": "not used",
        "kaczmarz": "moves chunks onto the constraints, the most broken rule first",
    },
    "selection": {
        "first": "one candidate a chunk",
        "ask": "a person chooses the mode, and a rule the candidate in it",
        "bidirectional": f"near to what was planned before and to the others, far from a weak policy {_paper('2408.17355')}",
        "coherent": f"the candidate nearest to what was planned before {_paper('2408.17355')}",
        "densest": "the candidate nearest to all others",
        "function": "a function of the user's own",
        "hold_mode": "the candidate of the lowest energy, or what was planned before unless another is better by a margin",
        "most_likely": "the candidate that the policy knows best",
        "lowest_energy": "the candidate of the lowest energy; `end` is how far it leads from where demonstrations end",
    },
    "execution": {
        "fixed": "`n_action_steps` of every chunk",
        "ensemble": f"the mean over all chunks that planned a step {_paper('2304.13705')}",
        "agreement": f"the steps of a chunk on which the candidates agree {_paper('2606.03847')}",
    },
    "augmentation": {
        "none": "not used",
        "pusht_mirror": "PushT's mirror symmetry, an exact one",
        "color_jitter": "brightness, contrast, saturation and hue of images, per sample",
        "shift": "pictures, states and actions moved together, per sample",
    },
}
AXES = tuple(_WORDS)
#: A term of `energies` -> what it is.
ENERGIES = {
    "imitation": "how badly the policy itself knows a chunk",
    "end": "how far a chunk leads from where demonstrations end",
    "smoothness": "chunks without jerks are better",
    "stay_above": "actions on one side of a limit are better",
    "bounds": "positions stay within a box",
    "speed": "steps are no longer than a limit",
    "obstacles": "positions keep out of discs, balls and boxes",
    "goal": "the last position is near a target",
    "path": "positions are near a path",
    "function": "a function of the user's own",
}
#: (axis, member) -> what it is.
MEMBERS = {(axis, member): words for axis, members in _WORDS.items() for member, words in members.items()}

#: objective -> axes that it does without, whatever a config says of them.
UNUSED = {
    "regression": ("sampler", "guidance", "selection"),
    **dict.fromkeys(("mixture_density", "implicit", "discretised"), ("sampler", "guidance")),
}

#: sampler -> network calls a chunk, from its num_steps n and corrections m: one a step, but for three of them.
NETWORK_CALLS: dict[str, Callable[[int, int], int]] = {
    **{sampler: lambda n, m: n for sampler in _WORDS["sampler"]},
    "heun": lambda n, m: 2 * n - 1,
    "langevin": lambda n, m: (n - 1) * m + 1,
    "predictor_corrector": lambda n, m: (n - 1) * (1 + m) + 1,
}

KINDS = {
    "diffusion": "diffusion policy",
    "flow_matching": "flow-matching policy",
    "shortcut": "shortcut policy",
    "regression": "behaviour-cloning policy",
    "mixture_density": "mixture-density policy",
    "implicit": "behaviour-cloning policy of a learned energy",
    "discretised": "behaviour transformer",
}

_PIXELS = "pixels of the 512 × 512 arena, y down"
_JOINTS = "six joint angles in radians and a gripper from 0 (closed) to 1 (open), for each arm"
_HAND = "place of the hand in metres, and how far its fingers are apart from 0 to 1"
_VELOCITY = "velocity of the hand and grip from −1 to 1, as MetaWorld has them"
#: (environment, feature) -> its shape there, meaning and units.
UNITS: dict[tuple[str, str], tuple[tuple[int, ...], str]] = {
    ("pusht", "observation.state"): ((2,), f"position of the agent, {_PIXELS}"),
    ("pusht", "observation.environment_state"): ((16,), f"eight keypoints of the T, {_PIXELS}"),
    ("pusht", "action"): ((2,), f"where the agent shall go, {_PIXELS}"),
    ("aloha", "observation.state"): ((14,), _JOINTS),
    ("aloha", "action"): ((14,), f"target of {_JOINTS}"),
    ("blocks", "observation.state"): (
        (3,),
        "place of the gripper, the table's sides being 1, and 1 where it is closed",
    ),
    ("blocks", "observation.environment_state"): ((15,), "place and shape of three things, the table's sides being 1"),
    ("blocks", "action"): ((3,), "where the gripper shall go, the table's sides being 1, and closed above 0.5"),
    ("three_pucks", "observation.state"): ((4,), _HAND),
    ("three_pucks", "observation.environment_state"): ((12,), "places of three pucks and of the goal in metres"),
    ("three_pucks", "action"): ((4,), _VELOCITY),
    ("metaworld_lite", "observation.state"): ((4,), _HAND),
    ("metaworld_lite", "observation.environment_state"): ((17,), "MetaWorld's numbers of two things, and the goal"),
    ("metaworld_lite", "action"): ((4,), _VELOCITY),
}
#: Environments whose observations and actions are those of another.
SAME_UNITS = {"aloha_lite": "aloha"}
#: Environments whose name LeRobot's eval gives to their only group of tasks.
GYMS = {environment for environment, _ in UNITS} | set(SAME_UNITS)
UNKNOWN_UNITS = "as in the dataset"

ENVIRONMENTS = {
    "pusht": "PushT, pushing a T-shaped block onto its goal",
    "blocks": "a table with three things, one of which is brought as a sentence says",
    "three_pucks": "three pucks before a Sawyer arm in simulation, one of which is brought as a sentence says",
    "AlohaTransferCube-v0": "ALOHA transfer cube, handing a cube from one arm to the other in simulation",
    "AlohaInsertion-v0": "ALOHA insertion, putting a peg into a socket with two arms in simulation",
}
TITLES = {"pusht": "PushT", "AlohaTransferCube-v0": "ALOHA transfer cube", "AlohaInsertion-v0": "ALOHA insertion"}

NORMALISATION = {
    "MIN_MAX": "min and max to [−1, 1]",
    "MEAN_STD": "mean 0, standard deviation 1",
    "IDENTITY": "none",
}

#: What a policy stands on: always, and by the type of its objective or network.
_PAPERS = {
    "": """@inproceedings{chi2023diffusionpolicy,
  title     = {Diffusion Policy: Visuomotor Policy Learning via Action Diffusion},
  author    = {Chi, Cheng and Feng, Siyuan and Du, Yilun and Xu, Zhenjia and Cousineau, Eric and Burchfiel, Benjamin and Song, Shuran},
  booktitle = {Robotics: Science and Systems},
  year      = {2023},
  note      = {arXiv:2303.04137}
}""",
    "flow_matching": """@inproceedings{lipman2023flow,
  title     = {Flow Matching for Generative Modeling},
  author    = {Lipman, Yaron and Chen, Ricky T. Q. and Ben-Hamu, Heli and Nickel, Maximilian and Le, Matt},
  booktitle = {International Conference on Learning Representations},
  year      = {2023},
  note      = {arXiv:2210.02747}
}""",
    "shortcut": """@inproceedings{frans2025shortcut,
  title     = {One Step Diffusion via Shortcut Models},
  author    = {Frans, Kevin and Hafner, Danijar and Levine, Sergey and Abbeel, Pieter},
  booktitle = {International Conference on Learning Representations},
  year      = {2025},
  note      = {arXiv:2410.12557}
}""",
    "mixture_density": """@inproceedings{mandlekar2021what,
  title     = {What Matters in Learning from Offline Human Demonstrations for Robot Manipulation},
  author    = {Mandlekar, Ajay and Xu, Danfei and Wong, Josiah and Nasiriany, Soroush and Wang, Chen and Kulkarni, Rohun and Fei-Fei, Li and Savarese, Silvio and Zhu, Yuke and Martín-Martín, Roberto},
  booktitle = {Conference on Robot Learning},
  year      = {2021},
  note      = {arXiv:2108.03298}
}""",
    "implicit": """@inproceedings{florence2021implicit,
  title     = {Implicit Behavioral Cloning},
  author    = {Florence, Pete and Lynch, Corey and Zeng, Andy and Ramirez, Oscar and Wahid, Ayzaan and Downs, Laura and Wong, Adrian and Lee, Johnny and Mordatch, Igor and Tompson, Jonathan},
  booktitle = {Conference on Robot Learning},
  year      = {2021},
  note      = {arXiv:2109.00137}
}""",
    "discretised": """@inproceedings{shafiullah2022behavior,
  title     = {Behavior Transformers: Cloning k Modes with One Stone},
  author    = {Shafiullah, Nur Muhammad Mahi and Cui, Zichen Jeff and Altanzaya, Ariuntuya and Pinto, Lerrel},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2022},
  note      = {arXiv:2206.11251}
}""",
    "dit": """@inproceedings{peebles2023dit,
  title     = {Scalable Diffusion Models with Transformers},
  author    = {Peebles, William and Xie, Saining},
  booktitle = {International Conference on Computer Vision},
  year      = {2023},
  note      = {arXiv:2212.09748}
}""",
}


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
    return rule(steps, sampler.get("corrections", 0)) if rule is not None and isinstance(steps, int) else None


def unused(config: dict[str, Any]) -> tuple[str, ...]:
    """Axes that the objective of `config` does without."""
    return UNUSED.get(config["objective"]["type"], ())


def citations(config: dict[str, Any], version: str | None) -> Markdown:
    """BibTeX of what the axes of `config` stand on, and of this package."""
    used = ("", config["objective"]["type"], config["network"]["type"])
    entries = [entry for part, entry in _PAPERS.items() if part in used]
    numbered = f"  version = {{{version}}},\n" if version else ""
    entries.append(
        "@software{lerobot_dp_plus,\n"
        "  title   = {lerobot_dp_plus: Diffusion Policy and flow-matching policies for LeRobot},\n"
        f"  author  = {{The lerobot_dp_plus authors}},\n{numbered}"
        "  license = {Apache-2.0}\n}"
    )
    return Markdown("\n\n".join(entries))
