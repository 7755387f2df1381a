"""The instructions: how many, how they differ, and which are probably meant to be the same."""

import difflib
import re
from itertools import combinations

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.policies.dataset_remarks import spans

NAME = "tasks"
#: Instructions that are told.
TOLD = 6


def examine(recording: Recording) -> list[Finding]:
    """Several tasks with their episodes and the words that tell them apart; spellings of one; rare ones."""
    tasks = dict(recording.tasks)
    if not tasks:
        return []
    if len(tasks) == 1:
        (task,) = tasks
        return [Finding(NAME, Gravity.FINE, f"One task: {task!r}.")]
    twins = [pair for pair in combinations(tasks, 2) if same_words(*pair)]
    findings = []
    if twins:
        told = "; ".join(f"{one!r} and {other!r}" for one, other in twins[:TOLD])
        findings.append(
            Finding(
                NAME,
                Gravity.NOTE,
                f"These are probably one task in two spellings: {told}.",
                f"Give them one name: {recording.edit('modify_tasks')} "
                f'--operation.task_replacements=\'{{"{twins[0][1]}": "{twins[0][0]}"}}\'',
                {"twins": twins},
            )
        )
    if len(tasks) - len(twins) < 2:
        return findings
    told = "; ".join(f"{task!r} ({spans(where)})" for task, where in list(tasks.items())[:TOLD])
    more = f" and {len(tasks) - TOLD} more" if len(tasks) > TOLD else ""
    rare = [task for task, where in tasks.items() if where and len(where) < 0.1 * len(recording.episodes)]
    few = f" Fewer than a tenth of the episodes show {', '.join(map(repr, rare[:TOLD]))}." if rare else ""
    findings.append(
        Finding(
            NAME,
            Gravity.NOTE,
            f"{len(tasks)} tasks: {told}{more}. They differ in {differ(list(tasks))}.{few}",
            "Let the policy read the instruction, --policy.words.type=ngrams with network.type=transformer, or train one policy "
            "for each: --dataset.episodes=[…].",
            {"tasks": len(tasks), "rare": rare},
        )
    )
    return findings


def words(task: str) -> list[str]:
    """The words of an instruction, without case, signs and articles."""
    return [word for word in re.findall(r"\w+", task.lower()) if word not in ("a", "an", "the")]


def same_words(one: str, other: str) -> bool:
    """Whether two instructions are the same but for case, signs and articles, or for one letter of a long word."""
    left, right = words(one), words(other)
    if left == right:
        return True
    if len(left) != len(right):
        return False
    apart = [pair for pair in zip(left, right, strict=True) if pair[0] != pair[1]]
    close = [difflib.SequenceMatcher(None, *pair).ratio() for pair in apart]
    return len(apart) == 1 and min(map(len, apart[0])) >= 5 and close[0] >= 0.85 and apart[0][0][0] == apart[0][1][0]


def differ(tasks: list[str]) -> str:
    """The words that some of the instructions have and others do not."""
    sets = [set(words(task)) for task in tasks]
    apart = sorted(sets[0].union(*sets) - sets[0].intersection(*sets))
    if not apart:
        return "the order of their words"
    return "the words " + ", ".join(apart[:10]) + (" and others" if len(apart) > 10 else "")
