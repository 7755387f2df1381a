"""Does the environment fit the policy? Asked before the first episode."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from lerobot.envs import EnvConfig, env_to_policy_features
from lerobot.utils.constants import ACTION

from lerobot_dp_plus.host_hooks import HostChanged, arguments, demand, is_mentioned
from lerobot_dp_plus.patches import replaced
from lerobot_dp_plus.policies import embodiments
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig


def check_environment(config: DpPlusConfig, env_cfg: EnvConfig, rename_map: Mapping[str, str] | None = None) -> None:
    """Compare observations, action and frame rate of a trained policy with an environment's config.

    Sizes of images are left to the first frame: LeRobot's PushT states others than it renders.

    Raises:
        ValueError: naming the feature or fps and both values.
    """
    names = rename_map or {}
    offered = {names.get(key, key): tuple(ft.shape) for key, ft in env_to_policy_features(env_cfg).items()}
    if config.robots and config.embodiment is None:
        embodiments.choose(config, embodiments.fitting_robots(config, offered), f"env.type = {env_cfg.type}")
    wanted = {key: shape for key, shape in config.observed_features.items() if key not in config.camera_features}
    if config.action_feature is not None:
        wanted[ACTION] = tuple(config.action_feature.shape)  # type: ignore[assignment]
    missing = [key for key in (*wanted, *config.camera_features) if key not in offered]
    if missing:
        raise ValueError(
            f"the policy needs {', '.join(missing)}, which env.type = {env_cfg.type} as configured does not give; it "
            f"gives {sorted(offered)}. Another env.obs_type or a --rename_map may"
        )
    for key, shape in wanted.items():
        if offered[key] != shape:
            raise ValueError(f"{key} is {shape} for the policy and {offered[key]} in env.type = {env_cfg.type}")
    if config.fps is not None and config.fps != env_cfg.fps:
        raise ValueError(
            f"env.fps = {env_cfg.fps}, but the policy was trained at fps = {config.fps}: its actions would be played at "
            f"another speed. Pass --env.fps={config.fps} if the environment can run at it"
        )


@contextmanager
def checked_environments(script: ModuleType) -> Iterator[None]:
    """While open, LeRobot's script (`lerobot_eval` or `lerobot_train`) checks its environment before using it.

    An evaluation is checked before the policy is made, a training that evaluates before its first update.

    Raises:
        HostChanged: the script makes its policy or its environment's processors in another way.
    """
    lost = "a policy would act in an environment that does not fit it"
    make_policy = demand(script, "make_policy", lost, None, env_cfg=None, rename_map=None)
    make_processors = demand(script, "make_env_pre_post_processors", lost, env_cfg=None, policy_cfg=None)
    for name in ("make_policy", "make_env_pre_post_processors"):
        if not is_mentioned(script, name):
            raise HostChanged(f"{script.__name__} does not call {name} any more", lost)
    renamed: dict[str, str] = {}

    def checked_policy(*given: Any, **named: Any) -> Any:
        call = arguments(make_policy, given, named)
        cfg, env_cfg = call["cfg"], call.get("env_cfg")
        renamed.update(call.get("rename_map") or {})
        if env_cfg is not None and isinstance(cfg, DpPlusConfig) and cfg.pretrained_path is not None:
            check_environment(cfg, env_cfg, renamed)
        return make_policy(*given, **named)

    def checked_processors(*given: Any, **named: Any) -> Any:
        call = arguments(make_processors, given, named)
        if isinstance(call["policy_cfg"], DpPlusConfig):
            check_environment(call["policy_cfg"], call["env_cfg"], renamed)
        return make_processors(*given, **named)

    with (
        replaced(script, "make_policy", checked_policy),
        replaced(script, "make_env_pre_post_processors", checked_processors),
    ):
        yield
