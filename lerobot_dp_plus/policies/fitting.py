"""Do the fields of a config fit each other? Those of use always, those of training when it begins."""

from typing import TYPE_CHECKING

from lerobot_dp_plus.foresight import Foresight
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.samplers import Sampler
from lerobot_dp_plus.selection import Selection

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

DTYPES = ("float32", "bfloat16", "float16")


def check(config: "DpPlusConfig") -> None:
    """Raise a ValueError, naming the field, its value and what is legal, for values that no policy can have together."""
    _check_horizons(config)
    if config.noise_scale < 0:
        raise ValueError(f"noise_scale = {config.noise_scale}: must be at least 0")
    if config.noise_scale != 1 and config.sampler.order is None:
        legal = [n for n, s in Sampler.get_known_choices().items() if s.order is not None]
        raise ValueError(
            f"noise_scale = {config.noise_scale}: must be 1 with the stochastic sampler.type = "
            f"{Sampler.get_choice_name(type(config.sampler))}; or use one of {legal}"
        )
    config.network.check(horizon=config.horizon)
    missing = config.sampler.needs - config.objective.gives
    if missing:
        legal = [n for n, s in Sampler.get_known_choices().items() if s.needs <= config.objective.gives]
        raise ValueError(
            f"sampler.type = {Sampler.get_choice_name(type(config.sampler))} needs a {', '.join(sorted(missing))}, which "
            f"objective.type = {Objective.get_choice_name(type(config.objective))} does not give; legal are {legal}"
        )
    config.sampler.check(config.objective.sampling_path)
    lacking = config.selection.needs - config.foresight.gives
    if lacking:
        legal = [n for n, s in Selection.get_known_choices().items() if s.needs <= config.foresight.gives]
        raise ValueError(
            f"selection.type = {Selection.get_choice_name(type(config.selection))} needs {', '.join(sorted(lacking))}, "
            f"which foresight.type = {Foresight.get_choice_name(type(config.foresight))} does not give; legal are {legal}"
        )
    config.selection.check(config.chunk_length, config.n_action_steps)
    unbounded = config.objective.parametrisation == "epsilon" and config.objective.data_bound is None
    if unbounded and "diffusion_steps" not in config.sampler.needs:
        raise ValueError(
            "objective.clip_range = null: with objective.prediction=epsilon it must be a number, as an error of the noise "
            f"becomes one of the data times σ/α, thousands where sampler.type = "
            f"{Sampler.get_choice_name(type(config.sampler))} starts; x1 and v need none"
        )


def check_training(config: "DpPlusConfig") -> None:
    """Raise a ValueError, naming the field and what is legal, unless a policy of this config can be trained.

    These are the rules that only training needs; one that was trained can be used though a switch breaks them.
    """
    if config.noise_draws < 1:
        raise ValueError(f"noise_draws = {config.noise_draws}: must be at least 1")
    if config.optimizer_lr_backbone is not None and config.optimizer_lr_backbone < 0:
        raise ValueError(
            f"optimizer_lr_backbone = {config.optimizer_lr_backbone}: must be at least 0, which leaves the backbones as "
            "they are, or null for optimizer_lr"
        )
    if config.dtype not in DTYPES:
        raise ValueError(f"dtype = {config.dtype!r}: legal are {', '.join(DTYPES)}")
    if 0 < config.foresight.reach <= config.drop_n_last_frames:
        raise ValueError(
            f"foresight.steps = {config.foresight.reach}: must be more than {config.drop_n_last_frames}, the frames that are "
            "left out at the end of an episode, or no end is ever seen; or raise n_action_steps"
        )
    if config.action_feature is not None:
        config.augmentation.check({**config.training_features, "action": tuple(config.action_feature.shape)})


def _check_horizons(config: "DpPlusConfig") -> None:
    for name in ("n_obs_steps", "horizon", "n_action_steps", "observation_stride", "stride"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} = {getattr(config, name)}: must be at least 1")
    if config.n_obs_steps > config.horizon:
        raise ValueError(f"n_obs_steps = {config.n_obs_steps}: must be at most horizon = {config.horizon}")
    if config.n_action_steps > config.chunk_length:
        raise ValueError(
            f"n_action_steps = {config.n_action_steps}: must be at most horizon − n_obs_steps + 1 = {config.chunk_length} "
            f"(horizon = {config.horizon}, n_obs_steps = {config.n_obs_steps})"
        )
