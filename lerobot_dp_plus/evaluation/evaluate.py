"""Checkpoints, everything measured: `dp-plus evaluate CHECKPOINT [CHECKPOINT …]`.

Episodes are played batch by batch as LeRobot's `eval` plays them (`player.py`), and each batch is kept when it is finished
(`batches.py`). What is written into the output folder:

    episodes.jsonl             a line for each episode; the same bytes whatever was stopped in between, and how often
    latency.jsonl              a line for each episode: milliseconds of its decisions
    summary.json               rates and means with their intervals, how episodes failed
    eval_info.json, videos/    as LeRobot's `eval` writes them; films of failures too
    robustness.json            with `--perturb`, and nothing else: success under each level (`robustness.py`)
    action_distribution.png    PushT: what the policy may do next
    report.json                last: a report means that everything before it is there
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from lerobot_dp_plus.evaluation.environment_of import environment_arguments, environment_of, with_robot
from lerobot_dp_plus.evaluation.folders import ROBUSTNESS, pretrained_folder, training_step, weights_digest
from lerobot_dp_plus.evaluation.options import FIRST_SEED, evaluate_parser
from lerobot_dp_plus.evaluation.report import Report, print_report, read_report, write_report
from lerobot_dp_plus.evaluation.together import ELSEWHERE, TOGETHER, batch_size

PICTURE_STEPS = (0, 25)


def evaluate(
    policy: Path,
    output_dir: Path,
    episodes: int = 50,
    first_seed: int = FIRST_SEED,
    samples: int = 64,
    extra: Sequence[str] = (),
    alarms: Path | None = None,
    workers: int | None = None,
    one_stream: bool = False,
    films: tuple[int, int] | None = None,
) -> Report:
    """Evaluates the policy in `policy`, episode i of each task from seed `first_seed` + i.

    Args:
        policy: a pretrained_model folder, a checkpoint, or a training's output_dir.
        output_dir: receives what the module's docstring lists.
        samples: chunks drawn per scene of PushT's picture.
        extra: further arguments of LeRobot's eval.
        alarms: folder of a calibration, whose alarms are counted in runs from the same seeds; None for none.
        workers: processes that play; None for one on each core, at most one for each batch.
        one_stream: random numbers go on from batch to batch, as within one call of LeRobot's eval.
        films: of how many first episodes and of how many failures; None for what is quickly drawn in this environment.

    Raises:
        FileNotFoundError: no policy, or no calibration there.
        ValueError: a number is too small, the policy does not fit its environment, or the calibration is of other weights,
            of other settings or of another environment.
    """
    for name, value, least in (("episodes", episodes, 1), ("samples", samples, 1), ("seed", first_seed, 0)):
        if value < least:
            raise ValueError(f"{name}={value}: expected at least {least}.")
    folder = pretrained_folder(policy)
    weights = weights_digest(folder)
    arguments = eval_arguments(folder, output_dir, episodes, first_seed, extra)
    environment = environment_of(arguments)
    calibration, digest = None, None
    if alarms is not None:
        if environment != "pusht":
            raise ValueError(f"alarms = {alarms}: legal where env.type = pusht, and this is {environment}")
        from lerobot_dp_plus.evaluation.alarms import calibration_of

        calibration, digest = calibration_of(alarms, weights)
    finished = reusable_report(output_dir, weights, episodes, first_seed, extra, digest)
    if finished is not None and (output_dir / "episodes.jsonl").is_file():
        print(f"this evaluation exists already: {output_dir / 'report.json'}")
        return finished
    from lerobot_dp_plus.evaluation.playing import play

    facts = facts_of(weights, arguments)
    observation = play(arguments, output_dir, facts, workers, one_stream, films)
    told = None
    if calibration is not None:
        from lerobot_dp_plus.evaluation.alarms import alarms_in_runs
        from lerobot_dp_plus.policies.acting import load_switched

        loaded = load_switched(folder, policy_switches(extra))
        told = alarms_in_runs(loaded, calibration, range(first_seed, first_seed + episodes))
        told |= {"calibration": str(alarms), "calibration_sha256": digest}
    return _measure(folder, output_dir, first_seed, samples, weights, extra, told, environment, observation)


def eval_arguments(
    folder: Path, output_dir: Path, episodes: int, first_seed: int, extra: Sequence[str] = ()
) -> list[str]:
    """LeRobot's eval in the environment and with the observations that the policy in `folder` wants."""
    env = environment_arguments(folder, extra)
    together = TOGETHER.get(environment_of([*env, *extra]), ELSEWHERE)
    return [
        f"--policy.path={folder}",
        f"--output_dir={output_dir}",
        *env,
        f"--eval.n_episodes={episodes}",
        f"--eval.batch_size={batch_size(episodes, together)}",
        "--eval.use_async_envs=false",
        f"--seed={first_seed}",
        "--job_name=evaluate",  # LeRobot warns where there is none
        *extra,
    ]


def facts_of(weights: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What the episodes of an evaluation depend on: the digest of the weights, and the arguments that count."""
    return {"weights": weights, "arguments": sorted(arguments_that_count(arguments))}


def arguments_that_count(arguments: Sequence[str]) -> list[str]:
    """Those that change an episode: neither where the policy lies nor where to write, nor how many there are.

    Episodes of a batch share random numbers, so the size of one counts as well; `play` adds it as LeRobot reads it.
    """
    apart = (
        "--policy.path=",
        "--output_dir=",
        "--eval.n_episodes=",
        "--eval.batch_size=",
        "--eval.use_async_envs=",
        "--job_name=",
    )
    return [each for each in arguments if not each.startswith(apart)]


def _measure(
    folder: Path,
    output_dir: Path,
    first_seed: int,
    samples: int,
    weights: str,
    extra: Sequence[str],
    alarms: dict[str, Any] | None,
    environment: str,
    observation: Any,
) -> Report:
    from lerobot_dp_plus.evaluation.checkpoint import Checkpoint
    from lerobot_dp_plus.evaluation.latency import measure_latency

    # What was switched for the episodes is switched here too: latency and picture are of the same policy.
    checkpoint = Checkpoint.load(folder, policy_switches(extra))
    latency = measure_latency(checkpoint, observation)
    picture = None
    if environment == "pusht":
        picture = output_dir / "action_distribution.png"
        draw_distribution(checkpoint, first_seed, samples, picture)
    summary = json.loads((output_dir / "summary.json").read_text())
    report = read_report(
        output_dir / "eval_info.json",
        first_seed=first_seed,
        latency_ms=latency.median_ms,
        latency_p90_ms=latency.p90_ms,
        latency_p95_ms=latency.p95_ms,
        latency_p99_ms=latency.p99_ms,
        device=checkpoint.device,
        checkpoint=str(folder),
        step=training_step(folder),
        weights_sha256=weights,
        picture=None if picture is None else str(picture),
        extra_arguments=tuple(extra),
        alarms=alarms,
        environment=environment,
        kinds={kind: each["count"] for kind, each in summary["kinds"].items()},
    )
    write_report(report, output_dir / "report.json")
    return report


def draw_distribution(checkpoint: Any, first_seed: int, samples: int, picture: Path) -> None:
    """PushT: sampled chunks over six scenes, two of them symmetric."""
    from lerobot_dp_plus.evaluation.plots import plot_action_distribution
    from lerobot_dp_plus.evaluation.scenes import episode_scenes, obs_type_of, symmetric_scenes

    scenes = symmetric_scenes(obs_type_of(checkpoint))
    for seed in (first_seed + 1, first_seed + 2):
        scenes += episode_scenes(checkpoint, seed, PICTURE_STEPS)
    chunks = [checkpoint.sample_chunks(scene.history, samples) for scene in scenes]
    plot_action_distribution(scenes, chunks, picture, title=f"What the policy may do next: {samples} samples a state")


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


def name_of(policy: Path) -> str:
    """What to call a checkpoint: its folder, or for one of a training the training and the step."""
    place = policy.resolve()
    if place.name != "pretrained_model":
        return place.name
    above = place.parent
    return f"{above.parents[1].name}-{above.name}" if above.parent.name == "checkpoints" else above.name


def main(argv: Sequence[str], run: Any = None) -> int:
    """`dp-plus evaluate CHECKPOINT [CHECKPOINT …] [--episodes 50] [--seed 100000] [--output-dir DIR] [eval options]`."""
    options, extra = evaluate_parser().parse_known_args(argv)
    policies = options.checkpoints
    told = options.swap_task or options.ambiguity is not None
    if options.readings and not told:
        raise ValueError(
            "--readings: legal with --ambiguity or --swap-task, on a table whose sentences may fit several things"
        )
    if options.env and not told:
        extra = [f"--env.type={options.env}", *extra]
    given, names = extra, [name_of(each) for each in policies]
    if len(set(names)) < len(names):
        names = [f"{index + 1}-{name}" for index, name in enumerate(names)]
    root = options.output_dir or Path("outputs/evaluate")
    alone = len(policies) == 1 and options.output_dir is not None
    films = None if options.films is None else tuple(options.films)
    for policy, name in zip(policies, names, strict=True):
        output_dir = root if alone else root / name
        extra = with_robot(pretrained_folder(policy), given, options.env)
        if told:
            from lerobot_dp_plus.evaluation import ambiguity, instruction

            options.checkpoints, options.output_dir = [policy], output_dir
            (instruction if options.swap_task else ambiguity).main(options, policy_switches(extra))
            continue
        if options.perturb:
            _perturbed(policy, output_dir, options, extra)
            continue
        report = evaluate(
            policy,
            output_dir,
            options.episodes,
            options.seed,
            options.samples,
            extra,
            options.alarms,
            options.workers,
            options.one_stream,
            films,  # type: ignore[arg-type]
        )
        print_report(report)
        print(f"open it as a page: dp-plus report {output_dir}")
    return 0


def _perturbed(policy: Path, output_dir: Path, options: Any, extra: Sequence[str]) -> None:
    """Success under every level that was asked for, in the terminal and in a file."""
    from lerobot_dp_plus.evaluation.perturbing import parsed
    from lerobot_dp_plus.evaluation.robustness import robustness

    asked = [each for text in options.perturb for each in parsed(text)]
    for row in robustness(policy, output_dir, asked, options.episodes, options.seed, extra, options.workers):
        low, high = row["interval_percent"]
        print(f"{row['name']} = {row['level']:g}: success {row['percent']:.1f} % ({low:.1f} to {high:.1f} %)")
    print(f"written: {output_dir / ROBUSTNESS}; draw it with dp-plus report {output_dir}")
