"""MetaWorld's fifty tasks: their names, what is said for each, and the expert that comes along. Imports no MetaWorld."""

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_dp_plus.environments.sentences import Instruction

MT10 = (
    *("reach-v3", "push-v3", "pick-place-v3", "door-open-v3", "drawer-open-v3", "drawer-close-v3"),
    *("button-press-topdown-v3", "peg-insert-side-v3", "window-open-v3", "window-close-v3"),
)
#: Pairs that share a scene and are told apart by the sentence alone, if they start from the same picture.
PAIRS = (
    ("drawer-open-v3", "drawer-close-v3"),
    ("window-open-v3", "window-close-v3"),
    ("door-open-v3", "door-close-v3"),
    ("faucet-open-v3", "faucet-close-v3"),
    ("handle-press-v3", "handle-pull-v3"),
)
#: Around LeRobot's one sentence for each task: in training, and in tests only.
TRAINING = ("{it}", "please {it}", "now {it}", "go and {it}", "your task: {it}")
HELD_OUT = ("could you {it}", "{it}, will you", "I would like you to {it}", "it is time to {it}")
KINDS = ("stock", "named", "swapped", "paraphrase", "none")


@lru_cache
def _table() -> dict[str, Any]:
    """LeRobot's own table of MetaWorld, read without importing LeRobot, for workers that start in a second."""
    found = importlib.util.find_spec("lerobot")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("lerobot is not installed")
    file = Path(found.submodule_search_locations[0]) / "envs" / "metaworld_config.json"
    return json.loads(file.read_text())


def sentence_of(task: str) -> str:
    """LeRobot's sentence of a task."""
    return _table()["TASK_DESCRIPTIONS"][task]


def expert_of(task: str) -> str:
    """Name of the class in `metaworld.policies`."""
    return _table()["TASK_POLICY_MAPPING"][task]


def groups_of(text: str) -> dict[str, list[str]]:
    """Tasks by group: `mt10`, `mt50`, a difficulty, or names with commas between.

    Raises:
        ValueError: a name is none of these; the message lists what is legal.
    """
    by_difficulty: dict[str, list[str]] = _table()["DIFFICULTY_TO_TASKS"]
    everything = list(_table()["TASK_DESCRIPTIONS"])
    named = {"mt10": list(MT10), "mt50": everything, **by_difficulty}
    found: dict[str, list[str]] = {}
    for word in (each.strip().removeprefix("metaworld-") for each in text.split(",")):
        if word in named:
            found[word] = named[word]
        elif word in everything:
            found[word] = [word]
        else:
            raise ValueError(
                f"env.task={word!r}: legal are {', '.join(named)}, or names with commas between of {', '.join(everything)}"
            )
    return found


def partner_of(task: str) -> str | None:
    """The task with which it shares a scene; None if there is none."""
    for pair in PAIRS:
        if task in pair:
            return pair[1 - pair.index(task)]
    return None


def instruct(kind: str, task: str, rng: np.random.Generator) -> Instruction:
    """A sentence for a task: LeRobot's own, in a template, for its partner, or none. It names the thing 0, the task.

    Raises:
        ValueError: there is no such kind, or no partner.
    """
    if kind not in KINDS:
        raise ValueError(f"instruction={kind!r}: legal are {', '.join(KINDS)}")
    if kind == "none":
        return Instruction("", (0, 1))
    if kind == "swapped":
        partner = partner_of(task)
        if partner is None:
            raise ValueError(f"instruction='swapped': {task} shares its scene with no other task")
        return Instruction(instruct("named", partner, rng).sentence, (1,))
    said = sentence_of(task)
    if kind == "stock":
        return Instruction(said, (0,))
    templates = HELD_OUT if kind == "paraphrase" else TRAINING
    return Instruction(templates[int(rng.integers(len(templates)))].format(it=said[0].lower() + said[1:]), (0,))
