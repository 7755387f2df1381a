"""What LeRobot's training does with a policy of this package in 0.6.1 and after it.

- `--ema.enable` of newer ones averages all parameters: of a policy that averages, also the average. Refused by name.
- Sharded training asks the policy's class which blocks it wraps; they are the blocks of the network that a config chose.
- A distributed resume makes the policy without weights and fills it from shards later; that is as strict as loading a file.
- The end of a training publishes the policy, both pipelines and a card of LeRobot's in four commits; ours is one.

Each is held only if LeRobot has it (see `host_hooks`), and passes on what is no policy of this package.
"""

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lerobot_dp_plus.policies.host_data import note_training
from lerobot_dp_plus.policies.host_hooks import HostChanged, arguments, demand, is_mentioned, is_ours, rebind, takes
from lerobot_dp_plus.policies.resuming import say_what_is_left

#: What holds the functions of a training; made known by `prepare`, so that its script imports them as they are held here.
MODULES = ("lerobot.common.train_utils", "lerobot.distributed", "lerobot.policies.factory")
PUBLISHED = ("cfg", "model", "preprocessor", "postprocessor", "dataset_meta", "peft_model")


def prepare() -> None:
    """Install everything, also where LeRobot's training has not been imported yet.

    Raises:
        HostChanged: as `install`.
    """
    for name in MODULES:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    install()


def install() -> None:
    """Hold what is imported of LeRobot's training; doing it again changes nothing.

    Raises:
        HostChanged: LeRobot has one of these by name and calls it otherwise.
    """
    training = sys.modules.get("lerobot.configs.train")
    if training is not None:
        lost = "nothing would refuse --ema.enable for a policy that keeps an average of its own"
        stock = demand(training.TrainPipelineConfig, "validate", lost, None)
        if not hasattr(stock, "stock"):
            training.TrainPipelineConfig.validate = _around(stock, _validated)
    for module in MODULES:
        for name, door in DOORS.items():
            function = getattr(sys.modules.get(module), name, None)
            if function is not None and not hasattr(function, "stock") and _is_held(function, name):
                rebind(function, _around(function, door))
    for running in ("lerobot.scripts.lerobot_train", "__main__"):
        script: Any = sys.modules.get(running)
        if hasattr(script, "train") and hasattr(script, "update_policy"):
            check_end(script)


def check_end(script: Any) -> None:
    """See that LeRobot's training script ends with one of the two calls that a push is answered at.

    Raises:
        HostChanged: it has another way to the Hub.
    """
    if not any(is_mentioned(script, name) for name in ("publish_trained_model", "push_model_to_hub")):
        raise HostChanged(
            f"{script.__name__} calls neither publish_trained_model nor push_model_to_hub at its end",
            NEEDED["publish_trained_model"][1],
        )


def _is_held(stock: Any, name: str) -> bool:
    needed, lost = NEEDED[name]
    if takes(stock, *needed):
        return True
    if name == "make_policy" and not takes(stock, "defer_weight_load") and "lerobot.distributed" not in sys.modules:
        return False  # 0.6.1 has no shards to resume from and always loads
    raise HostChanged(f"{stock.__module__}.{name} does not take {', '.join(needed)} any more", lost)


def _around(stock: Callable[..., Any], door: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def held(*given: Any, **named: Any) -> Any:
        return door(stock, *given, **named)

    held.stock = stock  # type: ignore[attr-defined]
    return held


def _validated(stock: Any, cfg: Any, *given: Any, **named: Any) -> Any:
    result = stock(cfg, *given, **named)  # also finds the policy of --policy.path and of a resumed training
    if is_ours(cfg.policy):
        note_training(cfg)
        if cfg.resume:
            cfg.policy._resumes = True  # its statistics are the checkpoint's, whatever the dataset is
        say_what_is_left(cfg)
    refuse_two_averages(cfg)
    return result


def refuse_two_averages(cfg: Any) -> None:
    """Refuse a training in which LeRobot averages the weights and the policy does too.

    Raises:
        ValueError: naming both switches and what is legal.
        HostChanged: LeRobot's average is switched on by another field.
    """
    host: Any = getattr(cfg, "ema", None)
    policy: Any = getattr(cfg, "policy", None)
    if host is None or not is_ours(policy) or not policy.ema.enabled:
        return
    if not hasattr(host, "enable"):
        raise HostChanged(
            "TrainPipelineConfig.ema has no field 'enable' any more", "an average might be averaged again"
        )
    if host.enable:
        raise ValueError(
            "ema.enable = True: LeRobot would average the policy's weights, which are averaged already (policy.ema.enabled = "
            "True), and would then average the average. Legal is one of the two. Leave --ema.enable out: the policy's own "
            "average is saved with it and is what evaluation and publishing use. Or pass --policy.ema.enabled=false with "
            "--ema.enable=true: LeRobot's average then lies in pretrained_model_ema/, beside pretrained_model/ with the "
            "weights as trained, and is evaluated and published by naming that folder"
        )


def _wrapped_blocks(stock: Any, *given: Any, **named: Any) -> Any:
    call = arguments(stock, given, named)
    plugin: Any = getattr(call["accelerator"].state, "fsdp_plugin", None)
    ours = is_ours(getattr(call["policy"], "config", None)) and plugin is not None
    # What the user names goes first; a size instead of names needs none.
    if ours and not plugin.min_num_params and not plugin.transformer_cls_names_to_wrap:
        plugin.transformer_cls_names_to_wrap = list(call["policy"]._no_split_modules)
    return stock(*given, **named)


def _made_policy(stock: Any, *given: Any, **named: Any) -> Any:
    policy, call = stock(*given, **named), arguments(stock, given, named)
    cfg = call["cfg"]
    if is_ours(cfg) and call.get("defer_weight_load") and cfg.pretrained_path and not cfg.use_peft:
        from lerobot_dp_plus.policies.deferred import await_weights

        await_weights(policy, Path(cfg.pretrained_path))
    return policy


def _published(stock: Any, *given: Any, **named: Any) -> Any:
    call = arguments(stock, given, named)
    if not is_ours(call["model"].config) or call.get("peft_model") is not None:
        return stock(*given, **named)  # an adapter is no checkpoint of ours
    from lerobot_dp_plus.policies.publication import publish_training

    pipelines = (call["preprocessor"], call["postprocessor"])
    return publish_training(call["model"], call["cfg"], call["dataset_meta"], pipelines)


DOORS = {"set_fsdp_wrap_modules": _wrapped_blocks, "make_policy": _made_policy, "publish_trained_model": _published}
NEEDED = {
    "set_fsdp_wrap_modules": (("accelerator", "policy"), "another network than the preset's could not be sharded"),
    "make_policy": (("cfg", "defer_weight_load"), "weights of a resumed sharded training would not be checked"),
    "publish_trained_model": (PUBLISHED, "a training would be pushed without its card, in several commits"),
}
