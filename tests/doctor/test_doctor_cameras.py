"""Black, frozen, slow and clipped cameras, in pictures that are made up."""

from dataclasses import replace

import numpy as np
import pytest
from doctor.made_up_recordings import clean

from lerobot_dp_plus.doctor import cameras, exposure
from lerobot_dp_plus.doctor.examine import watched
from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.footage import Look, clipped

KEY = "observation.images.front"
RECORDING = replace(clean(), cameras={KEY: (48, 64, 3)})


def pictures(count: int = 6, seed: int = 0, speed: int = 3) -> np.ndarray:
    """A bright square that moves over a ground of greys, (count, 48, 64, 3)."""
    ground = np.random.default_rng(seed).integers(60, 190, (48, 64, 1)).astype(np.uint8)
    made = np.repeat(ground[None], count, 0).repeat(3, 3)
    for index in range(count):
        made[index, 10:20, speed * index : speed * index + 8] = (230, 40, 40)
    return made


def looks(seen: dict[int, np.ndarray], neighbours: bool = False) -> list[Look]:
    """A look at each episode, ten frames apart or without a gap."""
    apart = 1 if neighbours else 10
    return [
        Look(KEY, episode, apart * np.arange(len(each)), each, neighbours, np.ones(len(each) - 1, bool), clipped(each))
        for episode, each in seen.items()
    ]


def told(seen: list[Look]) -> list[Finding]:
    return [each for each in watched(RECORDING, seen) if each.gravity > Gravity.FINE]


def test_good_pictures_are_fine() -> None:
    seen = looks({k: pictures(seed=k) for k in range(5)}) + looks({k: pictures(12, k) for k in range(3)}, True)
    assert told(seen) == [] and {each.name for each in watched(RECORDING, seen)} == {cameras.NAME, exposure.NAME}


def test_a_black_camera_is_named_with_its_episodes() -> None:
    dark = np.random.default_rng(0).integers(0, 5, (6, 48, 64, 3)).astype(np.uint8)
    (found,) = told(looks({0: pictures(), 1: dark, 2: pictures(), 3: dark}))
    assert found.name == cameras.NAME and found.facts["black"] == [1, 3] and "episodes 1, 3" in found.said


def test_a_frozen_camera_is_found_from_its_frame_on() -> None:
    frozen = pictures()
    frozen[3:] = frozen[2]
    noise = np.random.default_rng(1).integers(-3, 4, frozen.shape)
    frozen = (frozen + noise).clip(0, 255).astype(np.uint8)
    (found,) = told(looks({4: frozen, 5: pictures(seed=5)}))
    assert found.gravity is Gravity.GRAVE and found.facts["frozen"] == {4: 20}


def test_a_robot_that_stands_still_freezes_no_camera() -> None:
    still = np.repeat(pictures(1), 6, 0)
    (seen,) = looks({0: still})
    assert told([replace(seen, moves=np.zeros(5, bool))]) == []
    assert len(told([seen])) == 1


@pytest.mark.parametrize(("every", "share"), [(2, 0.5), (3, 2 / 3)])
def test_a_slow_camera_is_measured(every: int, share: float) -> None:
    fast = pictures(13)
    slow = fast[np.arange(13) // every * every]
    seen = looks({k: pictures(seed=k) for k in range(4)}) + looks(dict.fromkeys(range(4), slow), True)
    (found,) = told(seen)
    assert found.facts["repeated"] == pytest.approx(share, abs=0.05)
    assert f"about {30 * (1 - share):.0f} new ones" in found.said


@pytest.mark.parametrize(("shift", "what"), [(120, "white"), (-130, "black")])
def test_clipped_pictures_are_measured(shift: int, what: str) -> None:
    bad = (pictures().astype(int) + shift).clip(0, 255).astype(np.uint8)
    (found,) = told(looks({0: bad}))
    over, under = clipped(bad)
    assert (
        found.name == exposure.NAME and found.facts[what] == pytest.approx(max(over, under)) and min(over, under) == 0
    )


def test_the_share_of_clipped_pixels_is_exact() -> None:
    half = np.zeros((1, 4, 4, 3), np.uint8)
    half[0, :1] = 255
    half[0, 1:3] = 128
    assert clipped(half) == (0.25, 0.25)
