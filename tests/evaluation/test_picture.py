"""Scenes, sampled chunks and the picture of both; and the latency, which uses the same way in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from lerobot_dp_plus.evaluation.latency import measure_latency
from lerobot_dp_plus.evaluation.plots import plot_action_distribution
from lerobot_dp_plus.evaluation.scenes import (
    ARENA,
    Scene,
    episode_scenes,
    obs_type_of,
    pusht_obs_type,
    symmetric_scenes,
)

KEYPOINTS = "environment_state_agent_pos"


def test_symmetric_scenes_are_their_own_mirror_images() -> None:
    """(x, y) → (512 − y, 512 − x) maps agent, T and goal to themselves, so both ways round are equally good."""
    for scene in symmetric_scenes(KEYPOINTS):
        observation = scene.history[-1]
        agent, corners = observation["agent_pos"], observation["environment_state"].reshape(8, 2)
        assert agent == pytest.approx(ARENA - agent[::-1])
        images = ARENA - corners[:, ::-1]
        distances = np.linalg.norm(images[:, None] - corners[None], axis=-1)
        assert distances.min(axis=1) == pytest.approx(np.zeros(8), abs=1e-6), "a corner's image is no corner"
        pixels = scene.image[8:-8, 8:-8].astype(float)  # the walls are half a pixel off the middle
        assert np.abs(pixels - np.rot90(pixels, 2).transpose(1, 0, 2)).mean() < 3


def test_episode_scenes_carry_the_frames_before_them(waverer: Any) -> None:
    scenes = episode_scenes(waverer, seed=100_001, steps=(0, 6))
    assert [len(scene.history) for scene in scenes] == [1, 2]
    assert scenes[1].history[-1]["agent_pos"] == pytest.approx(scenes[1].agent)
    assert not np.allclose(scenes[1].history[0]["agent_pos"], scenes[1].agent)
    assert scenes[0].image.shape == (680, 680, 3) and scenes[0].image.std() > 5


def test_obs_type_follows_the_inputs(waverer: Any) -> None:
    assert obs_type_of(waverer) == KEYPOINTS
    assert pusht_obs_type(["observation.image"]) == "pixels_agent_pos"


def test_sampled_chunks(waverer: Any) -> None:
    history = [{"agent_pos": np.array([100.0, 200.0]), "environment_state": np.zeros(16)}] * 2
    chunks = waverer.sample_chunks(history, count=40, seed=1)
    assert chunks.shape == (40, 8, 2)
    sides = np.sign(chunks[:, -1, 0] - 100)
    assert {-1.0, 1.0} == set(sides), "both ways are sampled"
    assert np.array_equal(chunks, waverer.sample_chunks(history, count=40, seed=1))
    assert not np.array_equal(chunks, waverer.sample_chunks(history, count=40, seed=2))


def test_the_picture_shows_the_chunks(waverer: Any, tmp_path: Path) -> None:
    scenes = symmetric_scenes(KEYPOINTS)
    chunks = [waverer.sample_chunks(scene.history, 32) for scene in scenes]
    resting = [np.broadcast_to(scene.agent, chunk.shape) for scene, chunk in zip(scenes, chunks, strict=True)]
    still, moving = tmp_path / "still.png", tmp_path / "deep" / "moving.png"
    plot_action_distribution(scenes, resting, still)  # hidden under the agent
    plot_action_distribution(scenes, chunks, moving)
    difference = np.abs(imread(moving)[..., :3] - imread(still)[..., :3]).max(axis=-1)
    assert min(difference.shape) > 600
    assert 0.001 < (difference > 0.1).mean() < 0.1, "trajectories are a visible, small part of the picture"
    assert [file.name for file in moving.parent.iterdir()] == ["moving.png"]


@pytest.mark.parametrize(("count", "shape"), [(1, (4, 8, 3)), (1, (8, 2)), (2, (4, 8, 2))])
def test_the_picture_refuses_what_it_cannot_draw(tmp_path: Path, count: int, shape: tuple[int, ...]) -> None:
    scene = Scene("here", np.zeros((8, 8, 3), np.uint8), (), np.zeros(2))
    with pytest.raises(ValueError, match="chunks"):
        plot_action_distribution([scene], [np.zeros(shape)] * count, tmp_path / "x.png")


def test_latency_computes_one_chunk_per_repeat(waverer: Any) -> None:
    observation = {"agent_pos": np.zeros(2), "environment_state": np.zeros(16)}
    latency = measure_latency(waverer, observation, repeats=7, warm_up=2)
    assert waverer.policy.resets == 9 and waverer.policy.seen == 1
    assert 0 < latency.median_ms <= latency.p90_ms and latency.repeats == 7
    with pytest.raises(ValueError, match="repeats=0"):
        measure_latency(waverer, observation, repeats=0)
