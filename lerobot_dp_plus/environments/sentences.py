"""Instructions for a table with coloured things: what is said in training, and what only in tests.

kind        what it says                                                          seen in training
----------  --------------------------------------------------------------------  ----------------
named       one thing by its colour, or by its shape where no other has it        yes
ambiguous   something that fits two or three things                               yes
none        nothing, the empty sentence                                           where sentences are dropped
paraphrase  as `named`, in a template of `HELD_OUT`                               no
swapped     as `named`, but another thing than the scene's                        yes
synonym     a colour's other name                                                 no
typo        as `named`, with two letters of the colour exchanged                  no
chinese     as `paraphrase`, in Chinese                                           no
german      as `paraphrase`, in German                                            no

No template of `HELD_OUT` is one of `TRAINING`. A test sees to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

COLOURS = ("red", "green", "blue")
KINDS = ("named", "swapped", "paraphrase", "none", "ambiguous", "synonym", "typo", "chinese", "german")

TRAINING = (
    "put {it} on the {place}",
    "move {it} to the {place}",
    "pick up {it} and place it on the {place}",
    "bring {it} to the {place}",
    "grab {it} and carry it over to the {place}",
    "take {it} to the {place} please",
    "please put {it} onto the {place}",
    "I want {it} on the {place}",
    "the {place} needs {it}",
    "{it} goes on the {place}",
)
HELD_OUT = (
    "could you place {it} on the {place}",
    "lift {it} and set it down on the {place}",
    "carry {it} across to the {place}",
    "drop {it} on the {place}, will you",
    "get {it} and leave it on the {place}",
    "transport {it} over there, to the {place}",
)
ANY = ("one of them", "any of them", "something", "one of the things")
SYNONYMS = {
    "red": ("crimson", "scarlet", "reddish"),
    "green": ("emerald", "lime", "greenish"),
    "blue": ("navy", "azure", "bluish"),
}
#: (templates, colours, places) of other languages.
CHINESE = (
    ("把{it}的放到{place}上", "拿{it}的物体", "请移动{it}的到{place}"),
    {"red": "红色", "green": "绿色", "blue": "蓝色"},
    {"tray": "托盘", "mark": "目标"},
)
GERMAN = (
    ("lege das {it} Ding auf das {place}", "bring bitte das {it} zum {place}", "nimm das {it} Objekt"),
    {"red": "rote", "green": "grüne", "blue": "blaue"},
    {"tray": "Tablett", "mark": "Ziel"},
)


class Thing(NamedTuple):
    """What a thing may be called by."""

    colour: str
    shape: str


@dataclass(frozen=True)
class Instruction:
    """A sentence, the numbers of the things that it fits, and for each of these the sentence that names it alone."""

    sentence: str
    fits: tuple[int, ...]
    readings: tuple[str, ...] = ()

    @property
    def named(self) -> int:
        """The thing it names; −1 if it fits several."""
        return self.fits[0] if len(self.fits) == 1 else -1


def instruct(
    kind: str, target: int, things: Sequence[Thing], rng: np.random.Generator, place: str = "tray"
) -> Instruction:
    """A sentence of this kind that fits the thing with the number `target`; `swapped` names another one.

    `place` is where things are brought, `tray` or `mark`.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"instruction={kind!r}: legal are {', '.join(KINDS)}")
    if kind == "swapped":
        others = [number for number in range(len(things)) if number != target]
        target = others[rng.integers(len(others))]
    everything = tuple(range(len(things)))
    if kind == "none":
        return _ambiguous("", TRAINING[0], everything, things, place)
    thing = things[target]
    if kind == "ambiguous":
        alike = tuple(number for number in everything if things[number].shape == thing.shape)
        it, fits = f"the {thing.shape}", alike
        if not (len(alike) > 1 and rng.random() < 0.5):
            it, fits = _one(ANY, rng), everything
        template = _one(TRAINING, rng)
        return _ambiguous(template.format(it=it, place=place), template, fits, things, place)
    if kind in ("chinese", "german"):
        foreign, colours, places = CHINESE if kind == "chinese" else GERMAN
        return _plain(_say(foreign, colours[thing.colour], places[place], rng), target)
    colour = thing.colour
    if kind == "synonym":
        colour = _one(SYNONYMS[colour], rng)
    elif kind == "typo":
        apart = [number for number in range(1, len(colour) - 1) if colour[number] != colour[number + 1]]
        at = apart[int(rng.integers(len(apart)))]
        colour = colour[:at] + colour[at + 1] + colour[at] + colour[at + 2 :]
    names = [f"the {colour} one", f"the {colour} {thing.shape}", f"the {colour} thing"]
    alone = sum(other.shape == thing.shape for other in things) == 1
    if alone and kind in ("named", "swapped", "paraphrase"):
        names.append(f"the {thing.shape}")
    templates = HELD_OUT if kind == "paraphrase" else TRAINING
    return _plain(_say(templates, _one(names, rng), place, rng), target)


def _plain(sentence: str, target: int) -> Instruction:
    return Instruction(sentence, (target,), (sentence,))


def _ambiguous(sentence: str, template: str, fits: tuple[int, ...], things: Sequence[Thing], place: str) -> Instruction:
    """A sentence that fits several things; each reading says the same of one of them, by colour and shape."""
    named = (f"the {things[number].colour} {things[number].shape}" for number in fits)
    return Instruction(sentence, fits, tuple(template.format(it=it, place=place) for it in named))


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _say(templates: Sequence[str], it: str, place: str, rng: np.random.Generator) -> str:
    return _one(templates, rng).format(it=it, place=place)
