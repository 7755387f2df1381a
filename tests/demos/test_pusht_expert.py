"""The expert solves PushT, what it records replays, and what it calls the start is the start."""

import numpy as np
import pytest
from gym_pusht.envs.pusht import PushTEnv

from lerobot_dp_plus.demos.pusht_episodes import FIRST_SEED, LAST_SEED, Recipe, generate, render, reset, start_of
from lerobot_dp_plus.demos.pusht_expert import Style, play
from lerobot_dp_plus.demos.pusht_features import keypoints
from lerobot_dp_plus.demos.pusht_model import goal_distance
from lerobot_dp_plus.demos.pusht_simulator import state_of


def replay(env: PushTEnv, targets: np.ndarray) -> bool:
    success = False
    for target in targets:
        assert not success, "the episode goes on after its success"
        *_, info = env.step(target.astype(np.float64))
        success = bool(info["is_success"])
    return success


@pytest.mark.parametrize(("seed", "disturbed"), [(20_003, False), (20_008, False), (20_018, True)])
def test_expert_solves_fixed_starts_and_replays(seed, disturbed):
    rng = np.random.default_rng(seed)
    env = PushTEnv()
    env.reset(seed=seed)
    episode = play(env, Style.draw(rng, disturbed), rng)
    assert episode is not None and episode.success
    assert len(episode) < 300
    assert episode.coverage[-1] > 0.95 >= episode.coverage[:-1].max()
    assert (np.array_equal(episode.action, episode.executed)) == (not disturbed)
    assert episode.action.min() >= 0 and episode.action.max() <= 512
    again = PushTEnv()
    again.reset(seed=seed)
    assert replay(again, episode.executed)
    # Steady: hardly a step stands still.
    assert np.mean(np.linalg.norm(np.diff(episode.agent, axis=0), axis=1) < 1) < 0.05


def test_recorded_frames_are_what_the_environment_shows():
    episode, start = generate(Recipe(seed=1, near=1.0, disturbed=0.0), 0)
    assert episode is not None and episode.success
    env = PushTEnv(obs_type="environment_state_agent_pos")
    reset(env, int(start["seed"]), start["state"].tolist() or None)
    images = render(start, episode.executed)
    picture = PushTEnv(obs_type="pixels")
    reset(picture, int(start["seed"]), start["state"].tolist() or None)
    shown = picture.get_obs()
    for index, target in enumerate(episode.executed):
        seen = env.get_obs()
        np.testing.assert_allclose(episode.agent[index], seen["agent_pos"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(keypoints(*episode.block[index]), seen["environment_state"], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(images[index], shown)
        *_, info = env.step(target.astype(np.float64))
        shown, *_ = picture.step(target.astype(np.float64))
        assert info["coverage"] == pytest.approx(episode.coverage[index], abs=1e-12)
    assert images.std() > 10


def test_starts_are_reproducible_distinct_and_where_they_should_be():
    recipe = Recipe(seed=2, near=0.5)
    starts = [start_of(recipe, index, np.random.default_rng([2, index])) for index in range(60)]
    assert starts == [start_of(recipe, index, np.random.default_rng([2, index])) for index in range(60)]
    seeds = [seed for seed, _ in starts]
    assert len(set(seeds)) == 60
    assert all(FIRST_SEED <= seed <= LAST_SEED < 100_000 for seed in seeds)
    near = [start for start in starts if start[1] is not None]
    assert 15 < len(near) < 45
    for seed, state in near:
        env = PushTEnv()
        reset(env, seed, state)
        assert 5 < goal_distance(state_of(env).pose) < 61
        assert env._get_coverage() < 0.95


def test_expert_takes_over_in_mid_episode():
    """Where somebody else went astray, with the agent moving fast, the expert brings it to a good end."""
    rng = np.random.default_rng(4)
    env, again = PushTEnv(), PushTEnv()
    stray = rng.uniform(100, 400, (15, 2))
    for world in (env, again):
        world.reset(seed=20_003)
        for target in stray:
            world.step(target)
    assert state_of(env).velocity.any()
    np.testing.assert_array_equal(state_of(env).block, state_of(again).block)
    episode = play(env, Style(), rng)
    assert episode is not None and episode.success
    assert replay(again, episode.executed)


def test_styles_are_moderate_and_differ():
    styles = [Style.draw(np.random.default_rng(seed), disturbed=bool(seed % 2)) for seed in range(20)]
    speeds = [style.taste.pace.push for style in styles]
    assert len(set(speeds)) == 20
    assert min(speeds) >= 0.6 * 9.8 and max(speeds) <= 0.7 * 9.8
    calm, shaken = (style.disturbance.draw(np.random.default_rng(0), 300) for style in styles[:2])
    assert not calm.any()
    assert 1 < shaken.std() < 20


def test_recipe_refuses_what_is_not_a_share():
    with pytest.raises(ValueError, match=r"near=1\.5"):
        Recipe(near=1.5)
    with pytest.raises(ValueError, match="seed=-1"):
        Recipe(seed=-1)
