"""A saved pipeline of ours, as this version would have made it.

| what is saved | what is loaded |
|---|---|
| a pipeline of a version without the step of `numbers.py` | the same with it; for float32 it changes nothing |
| statistics that an integer made whole | refused: nobody can tell what they were |
| any pipeline | one that threads may share (`taking_turns.py`) |
| a step of ours in the place of LeRobot's for relative actions | told what LeRobot's fine-tuning tells its own |
| statistics of a dataset put in by LeRobot's fine-tuning, raw and under the dataset's names | renamed and made usable |

A pipeline is ours if the checkpoint that it lies in is.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub.constants import CONFIG_NAME
from lerobot.configs import PreTrainedConfig
from lerobot.processor import NormalizerProcessorStep, RenameObservationsProcessorStep, UnnormalizerProcessorStep
from lerobot.processor.rename_processor import rename_stats
from safetensors import safe_open

from lerobot_dp_plus.policies.fetching import named
from lerobot_dp_plus.policies.loading import OUR_TYPES
from lerobot_dp_plus.policies.taking_turns import taking_turns

#: LeRobot's fine-tuning sets its step of this name, and ours is in its place.
LEROBOTS_RELATIVE, OUR_RELATIVE = "relative_actions_processor", "dp_plus_relative_actions_processor"
NORMALISERS = ("normalizer_processor", "unnormalizer_processor")


class UsableStatistics(dict):
    """Statistics that are this policy's already: under its names, and usable."""


def load(stock: Any, cls: type, name: str | Path, config_filename: str, options: dict[str, Any]) -> Any:
    """LeRobot's `from_pretrained` for a folder or file on this disk, with what the module says for ours.

    Raises:
        ValueError: statistics are whole numbers, or those given lack what the policy normalises; by name.
    """
    folder = Path(name)
    if not is_ours(folder):
        return stock(cls, name, config_filename, **options)
    overrides = dict(options.get("overrides") or {})
    names = overrides.get("rename_observations_processor", {}).get("rename_map") or {}
    for step in NORMALISERS:
        stats = overrides.get(step, {}).get("stats")
        if stats and not isinstance(stats, UsableStatistics):
            usable = _usable(folder, rename_stats(stats, names), actions_only=step == NORMALISERS[1])
            overrides[step] = {**overrides[step], "stats": usable}
        if not stats:
            _refuse_whole_numbers(folder, config_filename, step)
    if LEROBOTS_RELATIVE in overrides:
        overrides[OUR_RELATIVE] = overrides.pop(LEROBOTS_RELATIVE)
    pipeline = stock(cls, name, config_filename, **{**options, "overrides": overrides or None})
    _add_numbers_step(pipeline)
    return taking_turns(pipeline)


def is_ours(folder: Path) -> bool:
    """Whether a folder is the checkpoint of a policy of this package."""
    file = folder / CONFIG_NAME
    if not file.is_file():
        return False
    try:
        kind = json.loads(file.read_text(encoding="utf-8")).get("type")
    except (ValueError, AttributeError):
        return False  # whoever reads the config says what is wrong with it
    return isinstance(kind, str) and kind.startswith(OUR_TYPES)


def _usable(folder: Path, stats: Mapping[str, Any], actions_only: bool) -> UsableStatistics:
    from lerobot_dp_plus.policies.statistics import all_features, usable_statistics

    config: Any = PreTrainedConfig.from_pretrained(folder)
    features = config.output_features if actions_only else all_features(config)
    return UsableStatistics(config.augmentation.widen(usable_statistics(config, stats, features)))


def _refuse_whole_numbers(folder: Path, config_filename: str, name: str) -> None:
    file = folder / config_filename
    if not file.is_file():
        return
    for step in json.loads(file.read_text(encoding="utf-8")).get("steps", []):
        state = folder / str(step.get("state_file"))
        if step.get("registry_name") != name or not state.is_file():
            continue
        with safe_open(state, "pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118
                kind = tensors.get_slice(key).get_dtype()
                if kind == "BOOL" or kind.startswith(("I", "U")):
                    raise ValueError(
                        f"{named(folder)}: {state.name} has {key} as whole numbers ({kind}). LeRobot's normaliser made them so "
                        "when it was last given integers or booleans, and what they were is lost. Train again with this "
                        "version, or make the pipelines anew with the statistics of the training's dataset: "
                        "make_pre_post_processors(policy.config, dataset_stats=dataset.meta.stats), and save_pretrained both"
                    )


def _add_numbers_step(pipeline: Any) -> None:
    """Put the step that makes numbers floats in front, unless the pipeline has it."""
    from lerobot_dp_plus.policies.processor_dp_plus import NumbersProcessorStep

    steps = list(pipeline.steps)
    if any(isinstance(step, NumbersProcessorStep) for step in steps):
        return
    normalisers = [step for step in steps if isinstance(step, NormalizerProcessorStep | UnnormalizerProcessorStep)]
    if not normalisers:
        return
    renames = [index for index, step in enumerate(steps) if isinstance(step, RenameObservationsProcessorStep)]
    steps.insert(renames[-1] + 1 if renames else 0, NumbersProcessorStep(dict(normalisers[0].features)))
    pipeline.steps = steps
