"""PushT's mirror against PushT itself: pushes, keypoints, coverage and pictures."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from lerobot_dp_plus.augmentation import NoAugmentation, PushTMirror
from lerobot_dp_plus.augmentation.pusht_mirror import ACTION, ENVIRONMENT_STATE, STATE, mirror
from lerobot_dp_plus.demos.pusht_features import PushTEnv

IMAGE = "observation.image"


class Push(NamedTuple):
    """Agent (2,), block (3,) and targets (T, 2), in pixels and radians."""

    agent: np.ndarray
    block: np.ndarray
    targets: np.ndarray

    @property
    def mirrored(self) -> "Push":
        block = [*reflect(self.block[:2]), np.pi / 2 - self.block[2]]
        return Push(reflect(self.agent), np.array(block), reflect(self.targets))


def reflect(points: np.ndarray) -> np.ndarray:
    """The rule as it is stated: (x, y) → (512 − y, 512 − x)."""
    return np.stack([512 - points[..., 1], 512 - points[..., 0]], axis=-1)


def push(agent: tuple[float, float], block: tuple[float, float, float], through: tuple[float, float]) -> Push:
    """Six steps from the agent towards a point, then two there."""
    start, end = np.array(agent, dtype=float), np.array(through, dtype=float)
    share = np.minimum(np.arange(1, 9) / 6, 1)[:, None]
    return Push(start, np.array(block), start + share * (end - start))


PUSHES = {
    "down": push((250, 100), (250, 230, 0.3), (260, 300)),
    "left": push((400, 300), (250, 230, 2.0), (150, 200)),
    "across": push((100, 400), (200, 300, -1.0), (300, 250)),
    "off the goal": push((256, 450), (256, 256, np.pi / 4), (250, 150)),
}
every_push = pytest.mark.parametrize("start", PUSHES.values(), ids=PUSHES)


def simulate(start: Push) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """Features in the dataset's units and layout, points also before the first step, and the coverage after each."""
    env = PushTEnv(obs_type="environment_state_agent_pos", render_mode="rgb_array", observation_width=96)
    env.reset(seed=0)
    env.agent.position, env.agent.velocity = tuple(start.agent), (0, 0)
    env.block.velocity, env.block.angular_velocity = (0, 0), 0
    # Angle first: turning moves the block about its centre of gravity.
    env.block.angle = float(start.block[2])
    env.block.position = tuple(start.block[:2])
    observations, pictures, coverage = [env.get_obs()], [], []
    for target in start.targets:
        observation, _, _, _, info = env.step(target)
        observations.append(observation)
        pictures.append(env._render())
        coverage.append(info["coverage"])
    env.close()
    features = {
        STATE: np.stack([o["agent_pos"] for o in observations]),
        ENVIRONMENT_STATE: np.stack([o["environment_state"] for o in observations]),
        ACTION: start.targets,
        IMAGE: np.stack(pictures).transpose(0, 3, 1, 2).copy(),
    }
    return {key: torch.from_numpy(value) for key, value in features.items()}, np.array(coverage)


@every_push
def test_the_mirror_image_of_a_push_is_a_push(start: Push) -> None:
    (features, coverage), (expected, mirrored_coverage) = simulate(start), simulate(start.mirrored)
    block = features[ENVIRONMENT_STATE]
    assert (block[-1] - block[0]).abs().max() > 20, "the block does not move"
    for key in (STATE, ENVIRONMENT_STATE, ACTION):
        torch.testing.assert_close(mirror(key, features[key]), expected[key], rtol=0, atol=1e-6)
        assert (features[key] - expected[key]).abs().max() > 20, "the mirror does nothing"
    np.testing.assert_allclose(coverage, mirrored_coverage, rtol=0, atol=1e-9)


@every_push
def test_the_mirror_image_of_a_picture_is_the_picture_of_the_mirror_image(start: Push) -> None:
    """Up to how pygame rounds edges: under 1 % of the pixels differ visibly, none further than one pixel from an edge."""
    (features, _), (expected, _) = simulate(start), simulate(start.mirrored)
    difference = (mirror(IMAGE, features[IMAGE]).int() - expected[IMAGE].int()).abs().amax(dim=1)  # (T, 96, 96)
    assert (difference > 30).float().mean() < 0.01
    unmirrored = (features[IMAGE].int() - expected[IMAGE].int()).abs().amax(dim=1)
    assert (unmirrored > 30).float().mean() > 0.02
    # Edges: where a picture varies within its 3×3 neighbourhood.
    picture = expected[IMAGE].float()
    most = torch.nn.functional.max_pool2d(picture, 3, 1, 1)
    least = -torch.nn.functional.max_pool2d(-picture, 3, 1, 1)
    edges = (most - least).amax(dim=1) > 30
    assert not ((difference > 30) & ~edges).any()


def test_the_goal_is_its_own_mirror_image() -> None:
    features, _ = simulate(Push(np.array([100.0, 100.0]), np.array([256, 256, np.pi / 4]), np.full((1, 2), 100.0)))
    goal = features[ENVIRONMENT_STATE][0]
    torch.testing.assert_close(mirror(ENVIRONMENT_STATE, goal), goal, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("key", "shape"),
    [(STATE, (3, 2, 2)), (ENVIRONMENT_STATE, (3, 2, 16)), (ACTION, (3, 8, 2)), (IMAGE, (3, 2, 3, 6, 6))],
)
def test_twice_is_not_at_all(key: str, shape: tuple[int, ...]) -> None:
    value = torch.randint(0, 512, shape)
    once = mirror(key, value)
    assert once.shape == value.shape and not torch.equal(once, value)
    assert torch.equal(mirror(key, once), value)


def batch(size: int) -> dict[str, torch.Tensor]:
    return {
        STATE: torch.rand(size, 2, 2) * 512,
        ENVIRONMENT_STATE: torch.rand(size, 2, 16) * 512,
        ACTION: torch.rand(size, 8, 2) * 512,
        IMAGE: torch.randint(0, 256, (size, 2, 3, 6, 6), dtype=torch.uint8),
        "action_is_pad": torch.rand(size, 8) < 0.5,
    }


def test_half_of_the_samples_are_mirrored_each_as_a_whole() -> None:
    sample = batch(400)
    before = {key: value.clone() for key, value in sample.items()}
    augmented = PushTMirror().apply(sample)
    chosen = (augmented[ACTION] != sample[ACTION]).flatten(1).any(1)
    assert 150 < chosen.sum() < 250
    for key in (STATE, ENVIRONMENT_STATE, ACTION, IMAGE):
        assert torch.equal(augmented[key][chosen], mirror(key, sample[key])[chosen])
        assert torch.equal(augmented[key][~chosen], sample[key][~chosen])
        assert augmented[key].dtype == sample[key].dtype
    assert torch.equal(augmented["action_is_pad"], sample["action_is_pad"])
    assert all(torch.equal(sample[key], before[key]) for key in sample), "the caller's batch changed"


def test_widened_statistics_bound_every_augmented_sample_tightly() -> None:
    sample = batch(200)
    sample[STATE][..., 0] *= 0.3  # lopsided, so that the mirror image leaves the original range
    keys = (STATE, ENVIRONMENT_STATE, ACTION)
    flat = {key: sample[key].flatten(0, -2) for key in keys}
    statistics = {key: {"min": flat[key].amin(0).numpy(), "max": flat[key].amax(0).numpy(), "mean": 1} for key in keys}
    widened = PushTMirror().widen(statistics)
    for key in keys:
        both = torch.cat([flat[key], mirror(key, flat[key])])
        np.testing.assert_allclose(widened[key]["min"], both.amin(0).numpy(), atol=1e-3)
        np.testing.assert_allclose(widened[key]["max"], both.amax(0).numpy(), atol=1e-3)
        assert widened[key]["mean"] == 1 and statistics[key]["min"] is not widened[key]["min"]
    assert widened[STATE]["max"][0] > 400 > statistics[STATE]["max"][0]


def test_statistics_without_bounds_pass() -> None:
    assert PushTMirror().widen({STATE: {"mean": 3}, IMAGE: {"min": 0, "max": 1}}) == {
        STATE: {"mean": 3},
        IMAGE: {"min": 0, "max": 1},
    }


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({STATE: (3,)}, r"observation\.state has shape \(3,\), PushT's is \(2,\)"),
        ({ENVIRONMENT_STATE: (7,)}, r"observation\.environment_state has shape \(7,\), PushT's is \(16,\)"),
        ({ACTION: (7,)}, r"action has shape \(7,\), PushT's is \(2,\)"),
        ({IMAGE: (3, 96, 128)}, r"observation\.image of shape \(3, 96, 128\) is no square image"),
    ],
)
def test_other_robots_are_refused(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PushTMirror().check(shapes)
    PushTMirror().check({STATE: (2,), ENVIRONMENT_STATE: (16,), ACTION: (2,), IMAGE: (3, 96, 96)})


def test_none_leaves_samples_and_statistics_alone() -> None:
    sample, statistics = batch(4), {STATE: {"min": 0, "max": 1}}
    none = NoAugmentation()
    assert all(none.apply(sample)[key] is sample[key] for key in sample)
    assert none.widen(statistics) == statistics and none.widen(statistics)[STATE] is not statistics[STATE]
    none.check({"anything": (9, 9)})
