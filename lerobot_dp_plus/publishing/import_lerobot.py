"""`dp-plus import-lerobot`: a checkpoint of LeRobot's diffusion policy as one of `dp_plus_unet`, with the same actions.

| file | what it answers |
|---|---|
| `import_lerobot_source.py` | what the checkpoint holds |
| `import_lerobot_config.py` | its options as ours, or why not |
| `import_lerobot_weights.py` | its weights under our names and in our order |
| `import_lerobot_check.py` | whether both act alike |

The result keeps LeRobot's sampler, step for step, so that it can be compared; a better one is an option away.
"""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lerobot
from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE
from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors

import lerobot_dp_plus
from lerobot_dp_plus.hub.files import appearing, refuse_existing
from lerobot_dp_plus.policies import former_weights
from lerobot_dp_plus.policies.checkpoint import learn_units, load_strictly
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusUnetConfig
from lerobot_dp_plus.policies.loading import filled_from
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusUnetPolicy
from lerobot_dp_plus.policies.statistics import affine
from lerobot_dp_plus.publishing.import_lerobot_check import Difference, largest_difference, require_diffusers
from lerobot_dp_plus.publishing.import_lerobot_config import Translation, translate
from lerobot_dp_plus.publishing.import_lerobot_source import Source, read_source
from lerobot_dp_plus.publishing.import_lerobot_weights import translate_weights
from lerobot_dp_plus.publishing.options import TOLERANCE, import_parser

#: What was done, beside the weights.
REPORT = "import_report.json"


def import_lerobot(
    checkpoint: str, output: Path, *, revision: str | None = None, overwrite: bool = False, tolerance: float = TOLERANCE
) -> Difference:
    """Write `checkpoint`, a folder or USER/NAME on the Hub, to the folder `output` as a `dp_plus_unet` checkpoint.

    It is written beside `output`, loaded from there, compared with LeRobot's policy, and only then given its name.

    Returns:
        the difference of actions that was measured.

    Raises:
        FileExistsError: `output` exists.
        FileNotFoundError: the checkpoint, or a file of it, cannot be had.
        ValueError: it is no diffusion checkpoint, has an option without a counterpart, or acts too differently.
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance = {tolerance}: must be positive")
    refuse_existing(output, overwrite)
    if Path(checkpoint).resolve().is_relative_to(output.resolve()):
        raise ValueError(f"output = {output} holds the checkpoint itself; choose another folder")
    require_diffusers()
    source = read_source(checkpoint, revision)
    translation = translate(source.config)
    with appearing(output) as partial:
        write_checkpoint(source, translation.config, partial)
        difference = largest_difference(source, partial)
        if not difference.normalised <= tolerance:
            raise ValueError(
                f"{source.name}: actions differ by {difference.normalised:.1e} (normalised), more than the "
                f"{tolerance:.0e} tolerated; nothing was written. --tolerance allows more"
            )
        (partial / REPORT).write_text(json.dumps(report(source, translation, difference), indent=2) + "\n")
    say(source, translation, difference, output)
    return difference


def write_checkpoint(source: Source, config: DpPlusUnetConfig, folder: Path) -> None:
    """Weights, config and processors, the latter as LeRobot saved them if it did."""
    weights = source.folder / SAFETENSORS_SINGLE_FILE
    with filled_from(config, source.folder):
        policy = DpPlusUnetPolicy(config)
    translated = translate_weights(source.weights, source.config, config)
    load_strictly(policy, former_weights.todays(translated, policy, source.folder), weights)
    if source.statistics:  # from its weights, where it has no pipeline
        learn_units(policy.model.units, affine(config, source.statistics))
    if source.device is not None:
        config.device = source.device  # of those who will use it; LeRobot falls back where there is none
    policy.save_pretrained(folder)
    if source.files:
        for name in source.files:
            shutil.copyfile(source.folder / name, folder / name)
    else:
        ours = replace(source.config, input_features=config.input_features, output_features=config.output_features)
        for pipeline in make_diffusion_pre_post_processors(ours, source.statistics):
            pipeline.save_pretrained(folder)


def report(source: Source, translation: Translation, difference: Difference) -> dict[str, Any]:
    """Where the checkpoint comes from, and what was measured."""
    config = source.config
    return {
        "source": source.name,
        "scheduler": config.noise_scheduler_type,
        "normalisation": "processors" if source.files else "buffers in the weights",
        "difference": difference._asdict(),
        "notes": list(translation.notes),
        "sampler": {"type": translation.config.sampler.get_choice_name(type(translation.config.sampler))}
        | asdict(translation.config.sampler),
        "lerobot": lerobot.__version__,
        "lerobot_policy_dp_plus": lerobot_dp_plus.__version__,
    }


def say(source: Source, translation: Translation, difference: Difference, output: Path) -> None:
    """What was done, what was measured, and what to do next."""
    config, sampler = source.config, translation.config.sampler
    kept = "its processors" if source.files else "statistics from its weights, in new processors"
    print(f"{output}: {source.name} as dp_plus_unet, {kept}")
    print(
        f"  {config.noise_scheduler_type}, {sampler.num_steps} of {config.num_train_timesteps} steps, predicting "
        f"{config.prediction_type}: sampler {sampler.get_choice_name(type(sampler))}"
    )
    for note in translation.notes:
        print(f"  {note}")
    print(
        f"  same noise, {difference.chunks} chunks, {difference.steps} actions: they differ from LeRobot's by at most "
        f"{difference.normalised:.1e} normalised, {difference.physical:.1e} in the units of the data"
    )
    fast = "--policy.sampler.type=dpmpp_2m --policy.sampler.num_steps=10"
    print(f"10 network calls a chunk instead of {sampler.num_steps}, and then no longer the same actions:")
    print(f"  lerobot eval --policy.path={output} {fast} --env.type=ENV")


def main(argv: list[str]) -> int:
    """Command line of `dp-plus import-lerobot`."""
    import_lerobot(**vars(import_parser().parse_args(argv)))
    return 0
