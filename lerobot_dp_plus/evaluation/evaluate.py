"""One checkpoint, everything measured: `dp-plus evaluate --policy DIR`.

LeRobot's own `eval` plays the episodes and films the first ten; then latency, the picture of the action
distribution, and `report.json`. An evaluation of the same weights on the same seeds is reused.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from lerobot_dp_plus.evaluation.folders import pretrained_folder, training_step, weights_digest
from lerobot_dp_plus.evaluation.obs_type import obs_type, policy_sees_pictures
from lerobot_dp_plus.evaluation.options import FIRST_SEED, evaluate_parser
from lerobot_dp_plus.evaluation.report import Report, print_report, read_report, write_report

Run = Callable[[str, list[str]], None]  # a script of LeRobot's, by name, with its arguments

PICTURE_STEPS = (0, 25)


def evaluate(
    policy: Path,
    output_dir: Path,
    run: Run,
    episodes: int = 50,
    first_seed: int = FIRST_SEED,
    samples: int = 64,
    extra: Sequence[str] = (),
    alarms: Path | None = None,
) -> Report:
    """Evaluates the policy in `policy` on PushT, episode i from seed `first_seed` + i.

    Args:
        policy: a pretrained_model folder, a checkpoint, or a training's output_dir.
        output_dir: receives eval_info.json, videos/, action_distribution.png and report.json.
        run: runs one of LeRobot's scripts.
        samples: chunks drawn per scene.
        extra: further arguments of LeRobot's eval.
        alarms: folder of a calibration, whose alarms are counted in runs from the same seeds; None for none.

    Raises:
        FileNotFoundError: no policy, or no calibration there.
        ValueError: `episodes` or `samples` is below 1, `first_seed` is negative, or the calibration is of other weights or
            other settings.
    """
    for name, value, least in (("episodes", episodes, 1), ("samples", samples, 1), ("seed", first_seed, 0)):
        if value < least:
            raise ValueError(f"{name}={value}: expected at least {least}.")
    folder = pretrained_folder(policy)
    weights = weights_digest(folder)
    calibration, digest = None, None
    if alarms is not None:
        from lerobot_dp_plus.evaluation.alarms import calibration_of

        calibration, digest = calibration_of(alarms, weights)
    finished = reusable_report(output_dir, weights, episodes, first_seed, extra, digest)
    if finished is not None:
        print(f"this evaluation exists already: {output_dir / 'report.json'}")
        return finished
    run("eval", eval_arguments(folder, output_dir, episodes, first_seed, extra))
    told = None
    if calibration is not None:
        from lerobot_dp_plus.evaluation.alarms import alarms_in_runs
        from lerobot_dp_plus.policies.acting import load_switched

        loaded = load_switched(folder, policy_switches(extra))
        told = alarms_in_runs(loaded, calibration, range(first_seed, first_seed + episodes))
        told |= {"calibration": str(alarms), "calibration_sha256": digest}
    return _measure(folder, output_dir, first_seed, samples, weights, extra, told)


def eval_arguments(
    folder: Path, output_dir: Path, episodes: int, first_seed: int, extra: Sequence[str] = ()
) -> list[str]:
    """LeRobot's eval on PushT with the observations the policy in `folder` wants."""
    inputs = json.loads((folder / "config.json").read_text()).get("input_features")
    return [
        f"--policy.path={folder}",
        f"--output_dir={output_dir}",
        "--env.type=pusht",
        f"--env.obs_type={obs_type('pusht', bool(policy_sees_pictures(inputs)))}",
        f"--eval.n_episodes={episodes}",
        f"--eval.batch_size={min(episodes, 50)}",
        "--eval.use_async_envs=false",
        f"--seed={first_seed}",
        *extra,
    ]


def _measure(
    folder: Path,
    output_dir: Path,
    first_seed: int,
    samples: int,
    weights: str,
    extra: Sequence[str],
    alarms: dict[str, Any] | None,
) -> Report:
    from lerobot_dp_plus.evaluation.checkpoint import Checkpoint
    from lerobot_dp_plus.evaluation.latency import measure_latency
    from lerobot_dp_plus.evaluation.plots import plot_action_distribution
    from lerobot_dp_plus.evaluation.scenes import episode_scenes, obs_type_of, symmetric_scenes

    # What was switched for the episodes is switched here too: latency and picture are of the same policy.
    checkpoint = Checkpoint.load(folder, policy_switches(extra))
    scenes = symmetric_scenes(obs_type_of(checkpoint))
    for seed in (first_seed + 1, first_seed + 2):
        scenes += episode_scenes(checkpoint, seed, PICTURE_STEPS)
    latency = measure_latency(checkpoint, scenes[0].history[-1])
    chunks = [checkpoint.sample_chunks(scene.history, samples) for scene in scenes]
    picture = output_dir / "action_distribution.png"
    plot_action_distribution(scenes, chunks, picture, title=f"What the policy may do next: {samples} samples a state")
    report = read_report(
        output_dir / "eval_info.json",
        first_seed=first_seed,
        latency_ms=latency.median_ms,
        latency_p90_ms=latency.p90_ms,
        device=checkpoint.device,
        checkpoint=str(folder),
        step=training_step(folder),
        weights_sha256=weights,
        picture=str(picture),
        extra_arguments=tuple(extra),
        alarms=alarms,
    )
    write_report(report, output_dir / "report.json")  # last: a report means that everything before it is there
    return report


def policy_switches(arguments: Sequence[str]) -> list[str]:
    """Those of LeRobot's arguments that change the policy's config, as the config itself reads them.

    `--policy.sampler.num_steps=5` and `--policy.sampler.num_steps 5` -> `--sampler.num_steps=5`.
    """
    switches: list[str] = []
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if argument.startswith("--policy."):
            flag = "--" + argument.removeprefix("--policy.")
            switches.append(flag if "=" in flag else f"{flag}={following}")
    return switches


def reusable_report(
    output_dir: Path,
    weights: str,
    episodes: int,
    first_seed: int,
    extra: Sequence[str] = (),
    calibration_sha256: str | None = None,
) -> Report | None:
    """The report in `output_dir`, if it is about the same weights, episodes, seeds, further arguments and calibration.

    One that tells of alarms though nobody asked is as good.
    """
    file = output_dir / "report.json"
    if not file.is_file():
        return None
    stored = json.loads(file.read_text())
    if set(stored) != {field.name for field in fields(Report)}:
        return None
    stored |= {
        key: tuple(stored[key])
        for key in ("interval_percent", "seeds", "videos", "extra_arguments")
        if stored[key] is not None
    }
    report = Report(**stored)
    same_seeds = report.seeds == (first_seed, first_seed + episodes - 1)
    same = same_seeds and report.extra_arguments == tuple(extra)
    if calibration_sha256 is not None:
        same = same and report.alarms is not None and report.alarms.get("calibration_sha256") == calibration_sha256
    return report if same and report.weights_sha256 == weights else None


def main(argv: Sequence[str], run: Run) -> int:
    """`dp-plus evaluate --policy DIR [--episodes 50] [--seed 100000] [--output-dir DIR] [--alarms DIR] [eval options]`."""
    options, extra = evaluate_parser().parse_known_args(argv)
    if options.swap_task:
        from lerobot_dp_plus.evaluation import instruction

        return instruction.main(options, policy_switches(extra))
    output_dir = options.output_dir or Path("outputs/evaluate") / options.policy.resolve().name
    report = evaluate(
        options.policy, output_dir, run, options.episodes, options.seed, options.samples, extra, options.alarms
    )
    print_report(report)
    return 0
