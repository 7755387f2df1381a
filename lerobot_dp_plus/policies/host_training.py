"""What LeRobot's training does with a policy of this package in 0.6.1 and after it.

- `--ema.enable` of newer ones averages all parameters: of a policy that averages, also the average. Refused by name.
- Sharded training asks the policy's class which blocks it wraps; they are the blocks of the network that a config chose.
- A distributed resume makes the policy without weights and fills it from shards later; that is as strict as loading a file.
- What a training logs is written into its folder, too (`metrics_file.py`).
- The end of a training publishes the policy, both pipelines and a card of LeRobot's in four commits; ours is one.

These are answers: `lerobot_dp_plus/patches.py` says to which functions, and puts them in place. What is no policy of this
package goes to the stock function.
"""

import sys
from pathlib import Path
from typing import Any

from lerobot_dp_plus.host_hooks import HostChanged, arguments, is_mentioned, is_ours
from lerobot_dp_plus.policies.host_data import note_training
from lerobot_dp_plus.policies.metrics_file import record_metrics
from lerobot_dp_plus.policies.resuming import say_what_is_left


def check_scripts() -> None:
    """See that LeRobot's training script, where it is imported or running, ends as `check_end` wants.

    Raises:
        HostChanged: as `check_end`.
    """
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
            "a training would be pushed without its card, in several commits",
        )


def validated(stock: Any, cfg: Any, **others: Any) -> Any:
    """`TrainPipelineConfig.validate`: its policy is told of the training, and what will not be done is said or refused.

    Raises:
        ValueError: as `refuse_two_averages`.
    """
    result = stock(cfg, **others)  # also finds the policy of --policy.path and of a resumed training
    if is_ours(cfg.policy):
        note_training(cfg)
        if cfg.resume:
            cfg.policy._resumes = True  # its statistics are the checkpoint's, whatever the dataset is
        say_what_is_left(cfg)
    refuse_two_averages(cfg)
    record_metrics(cfg, is_ours(cfg.policy))
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


def wrapped_blocks(stock: Any, *given: Any, **named: Any) -> Any:
    """`set_fsdp_wrap_modules`: the blocks of the network that a config of ours chose."""
    call = arguments(stock, given, named)
    plugin: Any = getattr(call["accelerator"].state, "fsdp_plugin", None)
    ours = is_ours(getattr(call["policy"], "config", None)) and plugin is not None
    # What the user names goes first; a size instead of names needs none.
    if ours and not plugin.min_num_params and not plugin.transformer_cls_names_to_wrap:
        plugin.transformer_cls_names_to_wrap = list(call["policy"]._no_split_modules)
    return stock(*given, **named)


def made_policy(stock: Any, *given: Any, **named: Any) -> Any:
    """`make_policy`: one that is filled later is watched until it is."""
    policy, call = stock(*given, **named), arguments(stock, given, named)
    cfg = call["cfg"]
    if is_ours(cfg) and call.get("defer_weight_load") and cfg.pretrained_path and not cfg.use_peft:
        from lerobot_dp_plus.policies.deferred import await_weights

        await_weights(policy, Path(cfg.pretrained_path))
    return policy


def published(stock: Any, *given: Any, **named: Any) -> Any:
    """`publish_trained_model`: one commit with our card."""
    call = arguments(stock, given, named)
    if not is_ours(call["model"].config) or call.get("peft_model") is not None:
        return stock(*given, **named)  # an adapter is no checkpoint of ours
    from lerobot_dp_plus.policies.publication import publish_training

    pipelines = (call["preprocessor"], call["postprocessor"])
    return publish_training(call["model"], call["cfg"], call["dataset_meta"], pipelines)
