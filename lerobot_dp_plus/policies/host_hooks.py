"""Where this package takes hold of LeRobot, and what it says when LeRobot has moved.

| hook | held by | what it is for |
|---|---|---|
| `PreTrainedConfig.from_pretrained`, `DataProcessorPipeline.from_pretrained`, `TrainPipelineConfig.from_pretrained`, `resolve_resume_checkpoint` | `host_loading.py` | one message when a checkpoint cannot be had |
| draccus's `ArgumentParser._postprocessing` | `parsing.py` | an axis' member changes by a flag; reasons are kept |
| `TrainPipelineConfig.validate` | `host_training.py` | no average of an average; a policy is told of renamed features |
| `resolve_delta_timestamps` | `host_data.py` | steps follow the data's rate; no windows of text |
| `set_fsdp_wrap_modules`, `make_policy(defer_weight_load)`, `publish_trained_model` (newer than 0.6.1) | `host_training.py` | blocks of the network chosen; strict resume from shards; one commit with our card |
| `make_policy`, `make_env_pre_post_processors` of its scripts | `environment_check.py` | an environment that does not fit |
| `make_train_eval_datasets`, `resolve_delta_timestamps` | `loading/install.py` | training from memory |

A hook is bound by what it needs: a name that is there, and a call that its signature takes. Versions are not looked at.
Where LeRobot has no such name yet, nothing is held; where it had one and has changed it, `HostChanged` says so.
"""

import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

#: Types of policies that hooks act on; everybody else's pass untouched.
OUR_TYPES = "dp_plus_"
#: The modules whose names may hold a function of LeRobot's: `python -m` runs one of its scripts as `__main__`.
HOLDERS = ("lerobot", "__main__")


class HostChanged(ValueError):
    """LeRobot no longer has what a hook holds on to; the message names both, what is lost and the way out."""

    def __init__(self, what: str, lost: str) -> None:
        versions = " and ".join(f"{name} {_version(name)}" for name in ("lerobot", "draccus"))
        super().__init__(
            f"{what}. This package does not fit the installed {versions}, and without this hook {lost}. Install the "
            "lerobot that lerobot_policy_dp_plus asks for, or a newer lerobot_policy_dp_plus"
        )


def demand(owner: Any, name: str, lost: str, *given: Any, **named: Any) -> Callable[..., Any]:
    """`owner.name`, if it can be called with arguments like `given` and `named`; their values do not matter.

    Raises:
        HostChanged: there is none, or it takes other arguments; `lost` completes "without this hook …".
    """
    found = getattr(owner, name, None)
    where = f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"
    if not callable(found):
        raise HostChanged(f"{where} is gone", lost)
    try:
        inspect.signature(found).bind(*given, **named)
    except TypeError as error:
        raise HostChanged(f"{where} is called otherwise now ({error})", lost) from error
    return found


def takes(function: Callable[..., Any], *names: str) -> bool:
    """Whether `function` has parameters of all these names."""
    return set(names) <= inspect.signature(function).parameters.keys()


def arguments(function: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """What a call of `function` gives each of its parameters, by name; what it leaves out is absent.

    Raises:
        TypeError: `function` takes no such call.
    """
    signature = inspect.signature(function)
    found = dict(signature.bind(*given, **named).arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found |= found.pop(parameter.name, {})
    return found


def rebind(original: Any, replacement: Any) -> None:
    """Put `replacement` wherever one of LeRobot's modules has a name for `original`: they import from each other by name."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in HOLDERS:
            for each, value in list(getattr(module, "__dict__", {}).items()):
                if value is original:
                    setattr(module, each, replacement)


def is_mentioned(module: Any, name: str) -> bool:
    """Whether any function of `module` uses the global `name`: a hook in its place is then asked."""
    own = (inspect.unwrap(value) for value in vars(module).values() if inspect.isfunction(value))
    return any(
        name in code.co_names
        for function in own
        if function.__module__ == module.__name__
        for code in _codes(function.__code__)
    )


def is_ours(config: Any) -> bool:
    """Whether a policy's config is one of this package's types."""
    return str(getattr(config, "type", "")).startswith(OUR_TYPES)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(unknown version)"
