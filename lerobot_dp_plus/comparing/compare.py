"""`dp-plus compare A B`: is A better than B?"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from lerobot_dp_plus.comparing.options import compare_parser
from lerobot_dp_plus.comparing.outcomes import Key, Outcome, common, is_evaluation, read_outcomes
from lerobot_dp_plus.comparing.sequential import decided_at
from lerobot_dp_plus.comparing.verdict import Verdict, judged
from lerobot_dp_plus.evaluation.evaluate import eval_arguments, evaluate, facts_of, name_of
from lerobot_dp_plus.evaluation.folders import pretrained_folder, weights_digest
from lerobot_dp_plus.hub.files import write_whole

#: Episodes between two looks of a sequential comparison.
TOGETHER = 10


def compare(
    a: Sequence[Mapping[Key, Outcome]],
    b: Sequence[Mapping[Key, Outcome]],
    names: tuple[str, str] = ("A", "B"),
    smallest: float = 0.03,
) -> Verdict:
    """What evaluations of A, one for each training, and of B say on the episodes that all of them have.

    Raises:
        ValueError: there is none.
    """
    keys, success, score = common([*a, *b])
    return judged(names, keys, (success[: len(a)], success[len(a) :]), (score[: len(a)], score[len(a) :]), smallest)


def until_decided(
    folders: tuple[Path, Path],
    output_dir: Path,
    names: tuple[str, str],
    episodes: int,
    seed: int,
    extra: Sequence[str] = (),
) -> Verdict:
    """Play two checkpoints in turn, some episodes of each, until a difference of success is shown or all are played.

    Episodes are kept in `output_dir` as `dp-plus evaluate` keeps them, and are found there again.
    """
    from lerobot_dp_plus.evaluation.playing import prepared

    sides = []
    for folder in folders:
        weights = weights_digest(folder)
        place = output_dir / weights[:8]
        arguments = eval_arguments(folder, place, episodes, seed, [f"--eval.batch_size={TOGETHER}", *extra])
        sides.append(prepared(arguments, place, facts_of(weights, arguments)))
    console = Console()
    played: tuple[dict[Key, Outcome], dict[Key, Outcome]] = ({}, {})
    try:
        for batches in zip(*(batches for _, batches, _ in sides), strict=True):
            for (player, _, parts), batch, found in zip(sides, batches, played, strict=True):
                if not parts.is_finished(batch):
                    parts.write(batch, *player.play(batch))
                found |= {
                    (each["task"], each["seed"]): Outcome(each["success"], each["max_reward"])
                    for each in parts.read(batch)
                }
            apart = np.array([float(played[0][key].success) - float(played[1][key].success) for key in played[0]])
            said = " and ".join(str(sum(each.success for each in found.values())) for found in played)
            console.print(f"{len(apart)} of {episodes} episodes each: {said} successes", highlight=False)
            if decided_at(apart):
                break
    finally:
        for player, _, _ in sides:
            player.close()
    keys = list(played[0])  # in the order they were played, which is the one that was looked at
    rows = [[each[key] for key in keys] for each in played]
    success, score = (np.array([[row[i] for row in rows[side]] for side in (0, 1)], float) for i in (0, 1))
    return judged(names, keys, (success[:1], success[1:]), (score[:1], score[1:]), sequential=True)


def evaluations_of(
    places: Sequence[Path], output_dir: Path, episodes: int, seed: int, workers: int | None, extra: Sequence[str]
) -> list[dict[Key, Outcome]]:
    """The outcomes of folders, each an evaluation or a checkpoint, which is evaluated."""
    found = []
    for place in places:
        folder = place
        if not is_evaluation(place):
            folder = output_dir / f"{name_of(place)}-{weights_digest(pretrained_folder(place))[:8]}"
            evaluate(place, folder, episodes, seed, extra=extra, workers=workers)
        found.append(read_outcomes(folder))
    return found


def main(argv: Sequence[str], run: Any = None) -> int:
    """`dp-plus compare A B [--episodes 200] [--until-decided] [--smallest 3] [--output-dir DIR] [eval options]`."""
    options, extra = compare_parser().parse_known_args(argv)
    a, b = ([Path(each) for each in text.split(",") if each] for text in (options.a, options.b))
    if not a or not b:
        raise ValueError(f"A = {options.a!r}, B = {options.b!r}: each must name a folder")
    if not 0 < options.smallest < 100:
        raise ValueError(f"smallest = {options.smallest:g}: expected points between 0 and 100")
    names = (_name(a, "A"), _name(b, "B"))
    if names[0] == names[1]:
        names = (f"A ({names[0]})", f"B ({names[1]})")
    if options.until_decided:
        if len(a) > 1 or len(b) > 1 or is_evaluation(a[0]) or is_evaluation(b[0]):
            raise ValueError(
                "until_decided: expected one checkpoint for A and one for B, whose episodes are then played"
            )
        folders = pretrained_folder(a[0]), pretrained_folder(b[0])
        verdict = until_decided(folders, options.output_dir, names, options.episodes, options.seed, extra)
    else:
        asked = (options.output_dir, options.episodes, options.seed, options.workers, extra)
        verdict = compare(evaluations_of(a, *asked), evaluations_of(b, *asked), names, options.smallest / 100)
    print_verdict(verdict)
    file = write_whole(options.output_dir / "compare.json", json.dumps(verdict.as_dict(), indent=2) + "\n")
    print(f"written: {file}")
    return 0


def print_verdict(verdict: Verdict, console: Console | None = None) -> None:
    """The rates and the sentences."""
    console = console or Console()
    for name, rate, count in zip(verdict.names, verdict.successes, verdict.trainings, strict=True):
        trainings = f", mean of {count} trainings" if count > 1 else ""
        console.print(f"{name}: {100 * rate:.1f} % success{trainings}", markup=False, highlight=False)
    first, *rest = verdict.said
    console.print(first, style="bold", markup=False, highlight=False)
    for line in rest:
        console.print(line, markup=False, highlight=False)


def _name(places: Sequence[Path], side: str) -> str:
    names = [name_of(each) for each in places]
    return names[0] if len(names) == 1 else f"{side} ({', '.join(names)})"
