"""Do the fields of a config fit each other? Rules of use are always checked, rules of training when it begins."""

import dataclasses
from typing import TYPE_CHECKING

import draccus

from lerobot_dp_plus import heads
from lerobot_dp_plus.augmentation import Augmentation, Symmetry
from lerobot_dp_plus.auxiliary import Data
from lerobot_dp_plus.encoders import ImageEncoderConfig, NoWords
from lerobot_dp_plus.energies import IMITATION
from lerobot_dp_plus.execution import Execution
from lerobot_dp_plus.guidance import Guidance
from lerobot_dp_plus.modes import Modes
from lerobot_dp_plus.networks import NetworkConfig
from lerobot_dp_plus.notation import PATCHES, STEPS
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.policies import embodiments, relative
from lerobot_dp_plus.policies.readable import refuse_unreadable
from lerobot_dp_plus.projection import NoProjection, Projection
from lerobot_dp_plus.real_time import RealTime
from lerobot_dp_plus.refinement import Refinement
from lerobot_dp_plus.selection import Selection

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

#: Candidates that can be drawn for an observation in one call. More would only exhaust the memory.
MOST = 2**16
DTYPES = ("float32", "bfloat16", "float16")


def check(config: "DpPlusConfig") -> None:
    """Raise a ValueError, naming the field, its value and what is legal, for values that no policy can have together.

    Whether steps fit into a chunk is another question (`check_lengths`), as chunks may follow the rate of data to come.
    """
    _check_horizons(config)
    if config.noise_scale < 0:
        raise ValueError(f"noise_scale = {config.noise_scale}: must be at least 0")
    if not 0 <= config.condition_dropout < 1:
        raise ValueError(f"condition_dropout = {config.condition_dropout}: must be at least 0 and less than 1")
    config.network.check(horizon=config.horizon)
    _check_head(config)
    _check_choice(config)
    _check_real_time(config)
    relative.check(config)
    embodiments.check(config)


def _check_head(config: "DpPlusConfig") -> None:
    """Refuse given fields that the objective's head does not use, and parts that do not fit each other."""
    objective, head = Objective.get_choice_name(type(config.objective)), heads.head_of(config.objective)
    usual = {field.name: field for field in dataclasses.fields(config)}
    for name in sorted(heads.USED - head.uses):
        default, make, given = usual[name].default, usual[name].default_factory, getattr(config, name)
        if make is not dataclasses.MISSING:
            default = make()
        if given != default:
            said = f"{name} = {given}"
            if isinstance(given, draccus.ChoiceRegistry):
                said = f"{name}.type = {given.get_choice_name(type(given))}"
            raise ValueError(f"{said}: objective.type = {objective} draws its chunks without it; leave it out")
    if not head.varies and config.selection.candidates > 1:
        chosen = Selection.get_choice_name(type(config.selection))
        raise ValueError(
            f"selection.type = {chosen}: objective.type = {objective} always gives the same chunk, so there is nothing to "
            "choose from; legal is selection.type = first"
        )
    head.check(config.objective, config.sampler, config.guidance, config.noise_scale)
    count = config.selection.candidates
    check_count(config, "the selection's number of candidates" if count == 1 else "selection.num_candidates", count)
    if config.symmetrise:
        _check_mirror(config)


def _check_mirror(config: "DpPlusConfig") -> None:
    """Refuse candidates from the mirrored observation if there is no mirror, or no half of them."""
    if not isinstance(config.augmentation, Symmetry):
        known = Augmentation.get_known_choices().items()
        raise ValueError(
            f"symmetrise = true: augmentation.type = {Augmentation.get_choice_name(type(config.augmentation))} has no mirror; "
            f"legal are {[name for name, member in known if issubclass(member, Symmetry)]}, or symmetrise = false"
        )
    if config.action_feature is not None:
        config.augmentation.check({**config.training_features, "action": tuple(config.action_feature.shape)})


def check_count(config: "DpPlusConfig", name: str, count: int) -> None:
    """Raise a ValueError that says what is legal unless `count` candidates, given as `name`, can be drawn."""
    if not 1 <= count <= MOST:
        raise ValueError(f"{name} = {count}: must be at least 1 and at most {MOST}; draw more in several calls")
    if config.symmetrise and count % 2:
        chosen = Selection.get_choice_name(type(config.selection))
        raise ValueError(
            f"{name} = {count}: with symmetrise = true half of the candidates are mirrored; draw {count + 1}, as with "
            f"--policy.selection.type={chosen if count > 1 else 'lowest_energy'} --policy.selection.num_candidates={count + 1}, "
            "or set symmetrise = false"
        )


def _check_real_time(config: "DpPlusConfig") -> None:
    """Refuse to train for delays what cannot learn it, and to use for delays what has not."""
    how, objective = config.real_time, Objective.get_choice_name(type(config.objective))
    name = RealTime.get_choice_name(type(how))
    if how.shows and not config.max_delay:
        raise ValueError(
            f"real_time.type = {name}: this policy has max_delay = 0, so it was not trained to be shown what is decided; train "
            "one with --policy.max_delay=4, or use real_time.type = guided"
        )
    if how.bends and "sampler" not in heads.head_of(config.objective).uses:
        raise ValueError(
            f"real_time.type = {name} bends chunks while they are drawn, and objective.type = {objective} draws them "
            "without a sampler; legal are real_time.type = none and inpainting, and trained with max_delay"
        )
    if config.max_delay and not config.network.times_of_steps:
        legal = [other for other, kind in NetworkConfig.get_known_choices().items() if kind.times_of_steps]
        raise ValueError(
            f"max_delay = {config.max_delay}: network.type = {NetworkConfig.get_choice_name(type(config.network))} has one time "
            f"for all steps of a chunk, so it cannot be shown some of them without noise; legal are {legal}, or max_delay = 0 "
            "with real_time.type = guided"
        )
    if config.max_delay and "flow_map" in getattr(config.objective, "gives", ()):
        raise ValueError(
            f"max_delay = {config.max_delay}: objective.type = {objective} jumps with all steps of a chunk at once; legal are "
            "all other objectives, or max_delay = 0 with real_time.type = guided"
        )


def _check_choice(config: "DpPlusConfig") -> None:
    """Refuse a selection or a guidance by an energy that is not there."""
    lacking = [name for name in config.selection.energies if name not in (*config.energy_names, IMITATION)]
    if lacking:
        chosen = Selection.get_choice_name(type(config.selection))
        raise ValueError(
            f"selection.type = {chosen} needs the energy {', '.join(lacking)}, and there is "
            f"{', '.join(config.energy_names) or 'none'}. dynamics.type=outcome offers the energy end; "
            "energies.NAME.weight=1 adds one, which selection.energy then names; total is their sum"
        )
    if "energy" in config.guidance.needs and not config.energies.weights:
        raise ValueError(
            f"guidance.type = {Guidance.get_choice_name(type(config.guidance))} follows the energies, and none has a weight; "
            "give one a weight, as --policy.energies.smoothness.weight=1, or choose another guidance"
        )
    if config.refinement.place is not None and not config.energies.weights:
        raise ValueError(
            f"refinement.type = {Refinement.get_choice_name(type(config.refinement))} follows the energies, and none has a "
            "weight; give one a weight, as --policy.energies.end.weight=1 with dynamics.type=outcome, or leave it out"
        )
    if config.guidance.contrasts and config.guidance.drops_words:
        if isinstance(config.words, NoWords):
            raise ValueError(
                "guidance.of = words: words.type = none reads no sentence to stress; legal is of = observation"
            )
        if config.words.reads and not config.words.dropped:
            raise ValueError(
                f"guidance.weight = {config.guidance.weight}: must be 1 with this policy, whose words.dropped = 0: it was not "  # type: ignore[attr-defined]
                "trained to act without a sentence; train one with --policy.words.dropped=0.1"
            )
    elif config.guidance.contrasts and not config.condition_dropout:
        raise ValueError(
            f"guidance.weight = {config.guidance.weight}: must be 1 with this policy, whose condition_dropout = 0: it was not "  # type: ignore[attr-defined]
            "trained to act without an observation; train one with --policy.condition_dropout=0.1"
        )
    if config.energies.end.weight and "end" not in config.energy_names:
        raise ValueError(
            f"energies.end.weight = {config.energies.end.weight}: dynamics.type=outcome offers this energy, and it is "
            "none here; leave it out"
        )
    if not isinstance(config.projection, NoProjection) and not config.energies.constraints:
        raise ValueError(
            f"projection.type = {Projection.get_choice_name(type(config.projection))}: there is no constraint to keep; give "
            "energies.obstacles, energies.bounds or energies.speed a weight, or leave it out"
        )
    if config.action_feature is not None:
        width, states = config.action_feature.shape[0], config.low_dimensional_features
        config.forward.check(width, states, config.n_obs_steps, config.observation_stride)
        config.energies.check(width, len(config.forward.coordinates(width)))
        config.modes.check(width, states)
    if config.selection.needs_modes:
        _check_modes(config)
    if config.execution.keeps != 1:
        _check_means(config)


def _check_means(config: "DpPlusConfig") -> None:
    """Refuse a mean of chunks where it is not what the chunks were chosen for."""
    blends = Execution.get_choice_name(type(config.execution))
    if config.energies.obstacles.weight:
        raise ValueError(
            f"execution.type = {blends}: the mean of two chunks that pass an obstacle on either side leads into it; leave "
            "energies.obstacles out, or use execution.type=fixed"
        )
    if config.selection.holds:
        raise ValueError(
            f"execution.type = {blends}: its mean is not the plan that selection.type="
            f"{Selection.get_choice_name(type(config.selection))} holds; use execution.type=fixed"
        )


def _check_modes(config: "DpPlusConfig") -> None:
    """Refuse a selection by modes where none can be told apart."""
    chosen, told = Selection.get_choice_name(type(config.selection)), Modes.get_choice_name(type(config.modes))
    fewest, count = config.modes.fewest, config.selection.candidates
    if fewest is None:
        raise ValueError(
            f"selection.type = {chosen} needs modes, and modes.type = {told} as it is set never tells two apart; legal is "
            "modes.type = gaussian_mixture with modes.max_modes of at least 2"
        )
    if count < fewest:
        raise ValueError(
            f"selection.type = {chosen} needs modes, and {count} candidates are too few for two of them: modes.type = {told} "
            f"takes at least {fewest}; raise selection.num_candidates"
        )


def check_features(config: "DpPlusConfig") -> None:
    """Raise a ValueError naming the feature if there is no action, no observation, or one that cannot be read."""
    if config.action_feature is None:
        raise ValueError(
            f"output_features = {sorted(config.output_features or {})}: a policy needs an 'action' feature"
        )
    if len(config.action_feature.shape) != 1 or config.action_feature.shape[0] < 1:
        raise ValueError(
            f"output_features: action has shape {config.action_feature.shape}; must be (A,) with A >= 1: store it flat"
        )
    refuse_unreadable(config.input_features or {})
    if not config.low_dimensional_features and not config.camera_features:
        raise ValueError(
            f"input_features = {sorted(config.input_features or {})}: a policy needs at least one of observation.state, "
            "observation.environment_state, observation.image or observation.images.*"
        )


def check_observation(config: "DpPlusConfig") -> None:
    """Raise a ValueError, naming the field and what is legal, unless these features can be observed and learned from."""
    kinds, config = embodiments.spans_of(config), embodiments.whole(config)
    states, cameras = config.low_dimensional_features, config.camera_features
    gives, action_dim = config.image_encoder.gives, config.action_feature.shape[0]  # type: ignore[union-attr]
    keeps = PATCHES in kinds and PATCHES in config.network.remembers
    seen = states, cameras, action_dim, bool(config.estimated_features), config.image_encoder.crops
    kept = keeps and bool(config.network_cameras), keeps and config.network.writes
    data = Data(*seen, config.privileged_features, *kept, config.words.reads)
    for member in config.auxiliaries.values():
        if member.reads_pictures and gives != STEPS:
            encoder = ImageEncoderConfig.get_choice_name(type(config.image_encoder))
            raise ValueError(
                f"image_encoder.type = {encoder} gives {gives}, and states are read off features of whole pictures: legal "
                "are resnet18 and small_cnn"
            )
        member.check(data)
    config.network.check_observation(kinds)


def check_training(config: "DpPlusConfig") -> None:
    """Raise a ValueError, likewise, unless a policy of this config can be trained. To use a trained one these need not hold."""
    if config.noise_draws < 1:
        raise ValueError(f"noise_draws = {config.noise_draws}: must be at least 1")
    if config.optimizer_lr_backbone is not None and config.optimizer_lr_backbone < 0:
        raise ValueError(
            f"optimizer_lr_backbone = {config.optimizer_lr_backbone}: must be at least 0, which leaves the backbones as "
            "they are, or null for optimizer_lr"
        )
    if config.dtype not in DTYPES:
        raise ValueError(f"dtype = {config.dtype!r}: legal are {', '.join(DTYPES)}")
    for member in (members := config.auxiliaries.values()):
        member.check_training(config.drop_n_last_frames)
    if getattr(config.network, "insulated", False) and not any(member.teaches_backbone for member in members):
        raise ValueError(
            "network.insulated = true: the loss of the chunks does not reach the backbone, and no other loss does, so it would "
            "stay as it started; legal with auxiliary.type = gaze_reconstruction, gaze_position or text, or network.insulated = false"
        )
    if config.action_feature is not None:
        config.augmentation.check({**config.training_features, "action": tuple(config.action_feature.shape)})


def _check_horizons(config: "DpPlusConfig") -> None:
    for name in ("n_obs_steps", "horizon", "n_action_steps", "observation_stride", "stride"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} = {getattr(config, name)}: must be at least 1")


def check_lengths(config: "DpPlusConfig") -> None:
    """Raise a ValueError, likewise, for steps that do not fit into a chunk."""
    if config.n_obs_steps > config.horizon:
        raise ValueError(f"n_obs_steps = {config.n_obs_steps}: must be at most horizon = {config.horizon}")
    if not 0 <= 2 * config.max_delay <= config.chunk_length:
        raise ValueError(
            f"max_delay = {config.max_delay}: must be at least 0 and at most half of the {config.chunk_length} steps that are "
            "planned, as a chunk goes on while the next one is computed; raise horizon"
        )
    if config.n_action_steps > config.chunk_length:
        raise ValueError(
            f"n_action_steps = {config.n_action_steps}: must be at most horizon − n_obs_steps + 1 = {config.chunk_length} "
            f"(horizon = {config.horizon}, n_obs_steps = {config.n_obs_steps})"
        )
    config.selection.check(config.chunk_length, config.n_action_steps)
    config.execution.check(config.selection.candidates, config.n_action_steps)
