"""Every function of LeRobot or draccus that this package replaces: what, why, for which versions, and who answers.

`PATCHES` is the whole list. What a replacement does stands in the file that knows the subject. There are two kinds:

- A patch with an `answer` stays in place. `install` puts it there when our configuration is imported. The answer is
  called as `answer(stock, …)` and acts on policies of this package only; everybody else's go to `stock`.
- A patch without one holds while a context is open (`replaced`), mostly while one of our commands runs LeRobot's script.

A patch is bound by a name that is there and a call that its signature takes, not by versions. Where LeRobot has no such
name yet, nothing is replaced; where it had one and has changed it, `HostChanged` says so.
"""

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lerobot_dp_plus.host_hooks import HostChanged, arguments, demand, full_name, mentions, rebind

_LOADING, _TRAINING = "lerobot_dp_plus.policies.host_loading", "lerobot_dp_plus.policies.host_training"
#: Where the functions of a training may be, in 0.6.1 and after it.
OF_TRAINING = ("lerobot.common.train_utils", "lerobot.distributed", "lerobot.policies.factory")
_UNEXPLAINED = "a checkpoint that cannot be had would not be explained"


@dataclass(frozen=True)
class Patch:
    """One function of LeRobot's or draccus's that is replaced.

    Args:
        name: its name in a module of `modules`; `Class.method` for a method.
        modules: the modules that may have it; nothing is imported to look.
        why: what the stock function does that is mended.
        versions: the LeRobot versions that have the function.
        answer: `module:function` of ours; None for a patch that holds only while a context is open.
        lost: what is lost without it; completes "without this hook …".
        first: so many leading arguments are given to the answer by position, whatever they are called.
        takes: parameters by name that the answer needs.
        uses: a name that the stock function must use, because the answer stands in its place.
        newer: a function that the oldest LeRobot of ours does not have, or has without these parameters.
    """

    name: str
    modules: tuple[str, ...]
    why: str
    versions: str
    answer: str | None = None
    lost: str = ""
    first: int = 0
    takes: tuple[str, ...] = ()
    uses: str = ""
    newer: bool = False


PATCHES = (
    Patch(
        "ArgumentParser.parse_known_args",
        ("draccus.argparsing",),
        "fields of a file's member stay when a flag chooses another member; null is a number; a refused config loses its "
        "reason; a field cannot have a former name",
        ">=0.6.1 (draccus 0.11)",
        "lerobot_dp_plus.policies.parsing:parse_known_args",
        "a flag could not choose another member of an axis than the file has",
        first=1,
        uses="_postprocessing",
    ),
    Patch(
        "TrainPipelineConfig.validate",
        ("lerobot.configs.train",),
        "a policy hears of no rename_map and no selected episodes; --ema.enable of newer ones averages an average; flags "
        "that a resumed training ignores are not named",
        ">=0.6.1",
        f"{_TRAINING}:validated",
        "nothing would refuse --ema.enable for a policy that keeps an average of its own",
        first=1,
    ),
    Patch(
        "PreTrainedConfig.from_pretrained",
        ("lerobot.configs.policies",),
        "all faults of a checkpoint are one message; a dead network costs half a minute; a pinned revision pins no config",
        ">=0.6.1",
        f"{_LOADING}:config_door",
        _UNEXPLAINED,
        first=2,
    ),
    Patch(
        "DataProcessorPipeline.from_pretrained",
        ("lerobot.processor.pipeline",),
        "the same; a saved device that is not here is refused, and pipelines of older versions lack a step",
        ">=0.6.1",
        f"{_LOADING}:pipeline_door",
        _UNEXPLAINED,
        first=3,
    ),
    Patch(
        "TrainPipelineConfig.from_pretrained",
        ("lerobot.configs.train",),
        "the same, of the config of a training that is resumed from a repository",
        ">=0.6.1",
        f"{_LOADING}:train_config_door",
        _UNEXPLAINED,
        first=2,
    ),
    Patch(
        "resolve_resume_checkpoint",
        ("lerobot.common.train_utils",),
        "the same, of its weights",
        ">=0.6.1",
        f"{_LOADING}:resume_door",
        _UNEXPLAINED,
        first=2,
    ),
    Patch(
        "resolve_delta_timestamps",
        ("lerobot.datasets.factory",),
        "the first call that sees policy and dataset: steps follow the data's rate; text columns get windows that cannot be "
        "stacked; pictures are read that nobody uses; no statistics end in another error",
        ">=0.6.1",
        "lerobot_dp_plus.policies.host_data:windows",
        "a policy would be trained on windows of another rate than its data's, and text columns would end a training",
        first=2,
    ),
    Patch(
        "make_dataset",
        ("lerobot.datasets.factory",),
        "a list of datasets, which its parser takes, is refused",
        ">=0.6.1",
        "lerobot_dp_plus.loading.mixture:made_dataset",
        "a policy could not be trained on the data of several robots",
        first=1,
    ),
    Patch(
        "make_pre_post_processors",
        ("lerobot.policies.factory",),
        "a saved pipeline does not hear which of several robots the policy serves",
        ">=0.6.1",
        "lerobot_dp_plus.policies.robots_step:made_processors",
        "a policy of several robots would act by another one's statistics",
        first=1,
    ),
    Patch(
        "set_fsdp_wrap_modules",
        OF_TRAINING,
        "it asks the policy's class which blocks it wraps, and a config chooses the network",
        ">0.6.1",
        f"{_TRAINING}:wrapped_blocks",
        "another network than the preset's could not be sharded",
        takes=("accelerator", "policy"),
        newer=True,
    ),
    Patch(
        "publish_trained_model",
        OF_TRAINING,
        "it publishes in four commits, with a card of LeRobot's",
        ">0.6.1",
        f"{_TRAINING}:published",
        "a training would be pushed without its card, in several commits",
        takes=("cfg", "model", "preprocessor", "postprocessor", "dataset_meta", "peft_model"),
        newer=True,
    ),
    Patch(
        "make_policy",
        OF_TRAINING,
        "a resumed sharded training makes the policy without weights and fills it later, unchecked",
        ">0.6.1",
        f"{_TRAINING}:made_policy",
        "weights of a resumed sharded training would not be checked",
        takes=("cfg", "defer_weight_load"),
        newer=True,
    ),
    # While a context is open.
    Patch(
        "make_train_eval_datasets",
        ("its scripts",),
        "frames come one by one (`fast_loading`); videos; a recording's faults are not told",
        ">=0.6.1",
    ),
    Patch("inside_slurm", ("its scripts",), "every batch of an evaluation draws a bar of its own", ">=0.6.1"),
    Patch("make_policy", ("its scripts",), "an environment that does not fit is not refused", ">=0.6.1"),
    Patch("make_env_pre_post_processors", ("its scripts",), "the same, of a training that evaluates", ">=0.6.1"),
    Patch("pformat", ("its scripts",), "the whole configuration is printed", ">=0.6.1"),
    Patch("get_package_version", ("its scripts",), "`info` ends at a package that cannot be loaded", ">=0.6.1"),
    Patch("get_repo_versions", ("lerobot.datasets.utils",), "it waits long for a Hub that is silent", ">=0.6.1"),
    Patch("SuppressingArgumentParser.error", ("draccus",), "an unknown flag prints all flags there are", ">=0.6.1"),
    Patch(
        "DecodingError", ("lerobot.configs.parser",), "what it prints of a refused config has lost its cause", ">=0.6.1"
    ),
)


def install() -> None:
    """Put every answer in place whose module of LeRobot's is imported; who imports more of them later calls it again.

    Raises:
        HostChanged: LeRobot has one of these by name and calls it otherwise, or has it no more.
    """
    for patch in PATCHES:
        for module in patch.modules if patch.answer else ():
            if module in sys.modules:
                put(patch, sys.modules[module])
    importlib.import_module(_TRAINING).check_scripts()


def prepare_training() -> None:
    """`install`, also where LeRobot's training has not been imported yet: its script then imports what is in place.

    Raises:
        HostChanged: as `install`.
    """
    for name in OF_TRAINING:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    install()


def put(patch: Patch, module: Any) -> None:
    """Put the answer of `patch` into a `module` that may have its function.

    Raises:
        HostChanged: as `install`.
    """
    *above, name = patch.name.split(".")
    try:
        owner = functools.reduce(getattr, above, module)
    except AttributeError as error:
        raise HostChanged(f"{module.__name__}.{'.'.join(above)} is gone", patch.lost) from error
    if patch.newer and (not hasattr(owner, name) or not _is_new(patch, getattr(owner, name))):
        return
    if patch.uses and not mentions(demand(owner, name, patch.lost, *[None] * patch.first), patch.uses):
        raise HostChanged(f"{full_name(owner, name)} does not call {patch.uses} any more", patch.lost)
    assert patch.answer is not None
    place, _, function = patch.answer.partition(":")
    hold(owner, name, getattr(importlib.import_module(place), function), patch.lost, patch.first)


def hold(owner: Any, name: str, answer: Callable[..., Any], lost: str, first: int = 0) -> None:
    """Lead calls of `owner.name` through `answer(stock, first arguments…, **the others)`; once.

    With `first` = 0 the answer gets the call as it was made. A class method's class is its first argument.

    Raises:
        HostChanged: there is no such function, or it takes fewer arguments; `lost` completes "without this hook …".
    """
    # A class method's own signature has no class in it.
    is_class_method = isinstance(owner, type) and isinstance(inspect.getattr_static(owner, name, None), classmethod)
    bound = demand(owner, name, lost, *[None] * (first - is_class_method)) if first else getattr(owner, name)
    stock = getattr(bound, "__func__", bound)
    if hasattr(stock, "stock"):
        return
    leading = [each.name for each in inspect.signature(stock).parameters.values()][:first]
    if len(leading) < first:
        raise HostChanged(f"{full_name(owner, name)} names fewer than {first} arguments", lost)

    @functools.wraps(stock)
    def held(*given: Any, **others: Any) -> Any:
        if not first:
            return answer(stock, *given, **others)
        found = arguments(stock, given, others)
        return answer(stock, *[found.pop(each) for each in leading], **found)

    held.stock = stock  # type: ignore[attr-defined]
    if isinstance(owner, type):
        setattr(owner, name, classmethod(held) if is_class_method else held)
    else:
        rebind(stock, held)
        setattr(owner, name, held)


@contextmanager
def replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """While open, `owner.name` is `replacement`; it must be a patch of the table that has no answer.

    Raises:
        KeyError: it is not in the table. AttributeError: there is no such name.
    """
    listed = {patch.name.rpartition(".")[2] for patch in PATCHES if patch.answer is None}
    if name not in listed:
        raise KeyError(f"{full_name(owner, name)} is no patch of the table; it has {', '.join(sorted(listed))}")
    before = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _is_new(patch: Patch, stock: Any) -> bool:
    """Whether a function that only newer ones have takes what is needed; False for the old one of that name."""
    has = inspect.signature(stock).parameters.keys()
    if hasattr(stock, "stock") or has >= set(patch.takes):
        return True
    if patch.name == "make_policy" and "defer_weight_load" not in has and "lerobot.distributed" not in sys.modules:
        return False  # 0.6.1 has no shards to resume from and always loads
    raise HostChanged(f"{stock.__module__}.{patch.name} does not take {', '.join(patch.takes)} any more", patch.lost)
