"""Which policies are a function of observation and noise, so that a file can hold them."""

from lerobot_dp_plus.encoders import Words
from lerobot_dp_plus.energies import IMITATION
from lerobot_dp_plus.execution import Execution, Fixed
from lerobot_dp_plus.guidance import Guidance
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.refinement import NoRefinement, Refinement
from lerobot_dp_plus.samplers import Sampler
from lerobot_dp_plus.selection import First, LowestEnergy, Selection

#: They choose by the candidates alone. Others ask for the plan before, a person, a function or another policy, or for
#: operators that ONNX has not (the distances of `densest`).
CHOOSE_ALONE = (First, LowestEnergy)


def check(config: DpPlusConfig) -> None:
    """Raise a ValueError that names every part that no file can hold, why, and what is legal instead."""
    found, choice = [], Selection.get_choice_name(type(config.selection))
    if not Recipe.of(config).deterministic:
        legal = [name for name, each in Sampler.get_known_choices().items() if each.order is not None]
        found.append(
            f"sampler.type={Sampler.get_choice_name(type(config.sampler))} draws noise on the way, and noise is an input of "
            f"the file: legal are {', '.join(legal)} (--policy.sampler.type=dpmpp_2m)"
        )
    if type(config.selection) not in CHOOSE_ALONE:  # one of them has a child that holds its plan
        legal = [Selection.get_choice_name(each) for each in CHOOSE_ALONE]
        found.append(
            f"selection.type={choice} chooses by more than the candidates and numbers that ONNX knows: legal are {', '.join(legal)} "
            "(--policy.selection.type=first)"
        )
    if IMITATION in config.selection.energies:
        found.append(
            "selection.energy=imitation draws noise of its own: --policy.selection.energy=end, or selection.type=first"
        )
    if config.guidance.differentiates:
        found.append(
            f"guidance.type={Guidance.get_choice_name(type(config.guidance))} takes gradients while it draws: "
            "--policy.guidance.type=none"
        )
    if not isinstance(config.refinement, NoRefinement):
        found.append(
            f"refinement.type={Refinement.get_choice_name(type(config.refinement))} takes gradients: "
            "--policy.refinement.type=none"
        )
    for name in config.energies.weights:
        found.append(
            f"energies.{name}.weight is set, and an energy may depend on obstacles and on what was executed: "
            f"--policy.energies.{name}.weight=0"
        )
    if not isinstance(config.execution, Fixed):
        found.append(
            f"execution.type={Execution.get_choice_name(type(config.execution))} remembers former chunks: "
            "--policy.execution.type=fixed"
        )
    if config.spoken_features:
        kind = Words.get_choice_name(type(config.words))
        found.append(f"words.type={kind} reads a sentence, and files read numbers: a policy without words is legal")
    if config.dynamics.reads_start and "end" in config.selection.energies:
        found.append(
            "dynamics.ends.type=conditional remembers how the episode began: --policy.selection.type=first, or a policy trained "
            "with --policy.dynamics.ends.type=gaussian or mixture"
        )
    if found:
        raise ValueError("this policy cannot be one file:\n  " + "\n  ".join(found))
