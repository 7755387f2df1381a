"""What is said: disjoint templates, and sentences that fit what they should and nothing else."""

import re

import numpy as np
import pytest

from lerobot_dp_plus.environments.sentences import (
    ANY,
    CHINESE,
    COLOURS,
    GERMAN,
    HELD_OUT,
    KINDS,
    SYNONYMS,
    TRAINING,
    Thing,
    instruct,
)

THINGS = (Thing("red", "disc"), Thing("green", "square"), Thing("blue", "disc"))


def said(kind: str, target: int, count: int = 200):
    return [instruct(kind, target, THINGS, np.random.default_rng(seed)) for seed in range(count)]


def test_no_template_of_the_tests_is_met_in_training():
    assert not set(TRAINING) & set(HELD_OUT) and len(set(TRAINING)) == len(TRAINING) == 10
    in_training = {
        each.sentence for target in range(3) for kind in ("named", "ambiguous") for each in said(kind, target)
    }
    for kind in ("paraphrase", "synonym", "typo", "chinese", "german"):
        assert not in_training & {each.sentence for target in range(3) for each in said(kind, target)}, kind


@pytest.mark.parametrize("target", range(3))
def test_a_named_thing_is_told_by_its_colour_or_by_a_shape_that_no_other_has(target):
    for each in said("named", target) + said("paraphrase", target):
        assert each.fits == (target,) and each.named == target
        colours = [colour for colour in COLOURS if colour in each.sentence.split()]
        assert colours == [COLOURS[target]] or (colours == [] and target == 1 and "square" in each.sentence)
    shapes = {"the square" in each.sentence for each in said("named", 1)}
    assert shapes == {True, False}


def test_what_is_ambiguous_fits_several_and_the_target_among_them():
    for target in range(3):
        fits = {each.fits for each in said("ambiguous", target)}
        assert fits == ({(0, 1, 2)} if target == 1 else {(0, 1, 2), (0, 2)})
        assert all(each.named == -1 for each in said("ambiguous", target))
        assert not [each for each in said("ambiguous", target) if re.search("red|green|blue", each.sentence)]


def test_a_swapped_sentence_names_one_of_the_others():
    for target in range(3):
        others = {each.named for each in said("swapped", target)}
        assert others == set(range(3)) - {target}


def test_other_words_for_a_colour_and_other_languages():
    for target, colour in enumerate(COLOURS):
        assert all(any(name in each.sentence for name in SYNONYMS[colour]) for each in said("synonym", target))
        assert all(colour not in each.sentence.split() for each in said("synonym", target) + said("typo", target))
        for kind, (_, colours, _) in (("chinese", CHINESE), ("german", GERMAN)):
            assert all(colours[colour] in each.sentence for each in said(kind, target))
    assert [each.sentence for each in said("none", 0, 2)] == ["", ""] and said("none", 0)[0].fits == (0, 1, 2)


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match=rf"instruction='shouted': legal are {KINDS[0]}, "):
        instruct("shouted", 0, THINGS, np.random.default_rng(0))


def test_each_reading_says_the_same_of_one_thing_that_fits():
    for target in range(3):
        for each in said("ambiguous", target) + said("none", target, 1):
            assert len(each.readings) == len(each.fits) == len(set(each.readings)) >= 2
            for thing, reading in zip(each.fits, each.readings, strict=True):
                named = THINGS[thing]
                assert f"the {named.colour} {named.shape}" in reading
                assert [colour for colour in COLOURS if colour in reading.split()] == [named.colour]
                plain = reading.replace(f"the {named.colour} {named.shape}", "IT")
                assert not each.sentence or plain in {
                    each.sentence.replace(it, "IT") for it in (*ANY, f"the {named.shape}")
                }
    for kind in set(KINDS) - {"ambiguous", "none"}:
        assert all(each.readings == (each.sentence,) for each in said(kind, 1, 20)), kind
