"""Environments other than PushT: a made-up policy plays some steps of them, and what they tell is understood."""

import json
from pathlib import Path
from typing import Any

import pytest
from fabricated import restless
from lerobot.configs import FeatureType, PolicyFeature

from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.evaluation.evaluate import eval_arguments, evaluate
from lerobot_dp_plus.evaluation.failures import IN_WORDS
from lerobot_dp_plus.evaluation.films import film
from lerobot_dp_plus.evaluation.playing import prepared

ENCODER = SmallCnnConfig(num_keypoints=4, feature_dim=8)


def test_aloha_is_evaluated_whole(tmp_path: Path) -> None:
    pytest.importorskip("gym_aloha", reason="the aloha extra is not installed")
    inputs = {
        "observation.state": PolicyFeature(FeatureType.STATE, (14,)),
        "observation.environment_state": PolicyFeature(FeatureType.ENV, (7,)),
    }
    policy, out = restless(tmp_path / "policy", inputs, 14, 0.1, image_encoder=ENCODER), tmp_path / "out"
    extra = ["--env.episode_length=8", "--eval.batch_size=2"]
    report = evaluate(policy, out, 3, 90_900, extra=extra, workers=1, films=(1, 0))
    assert (report.environment, report.episodes, report.score, report.picture) == ("aloha_lite", 3, None, None)
    assert report.latency_p99_ms is not None and report.latency_ms is not None
    episodes = [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
    for each in episodes:
        assert (each["task"], each["steps"]) == ("aloha_lite_0", 8) and each["kind"] in set(IN_WORDS) - {"failed"}
        assert each["best"] == each["max_reward"] / 4 in (0, 0.25, 0.5, 0.75, 1)
        assert each["path_length"] > 0 and each["jerk"] > 0
    assert (out / "videos" / "aloha_lite_0" / "eval_episode_0.mp4").stat().st_size > 500


def test_metaworld_is_played_and_played_again_for_a_film(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason="metaworld is not installed")
    inputs = {
        "observation.state": PolicyFeature(FeatureType.STATE, (4,)),
        "observation.image": PolicyFeature(FeatureType.VISUAL, (3, 480, 480)),
    }
    policy = restless(tmp_path / "policy", inputs, 4, 0.1, image_encoder=ENCODER)
    arguments = eval_arguments(policy, tmp_path, 1, 90_900, ["--env.task=metaworld-push-v3", "--env.fps=10"])
    assert "--env.type=metaworld" in arguments
    player, (batch,), parts = prepared(arguments, tmp_path, {})
    (env,) = _environments(player)
    env.unwrapped._max_episode_steps = 3  # the environment itself ignores env.episode_length
    episodes, arrays = player.play(batch)
    parts.write(batch, episodes, arrays)
    (episode,) = parts.read(batch)
    assert episode["steps"] == 3 and episode["kind"] in ("never_near", "wrong_way", "lost_contact")
    assert 0 < episode["max_reward"] < 10 and episode["best"] == pytest.approx(episode["max_reward"] / 10)
    told = env.track.told[-1]
    assert told.distance is not None and 0 < told.distance < 1 and told.touching is False
    frames = film(env, "metaworld", 80, episode, parts.read_arrays(batch), 0)
    assert frames is not None and len(frames) == 3 and frames[0].ndim == 3
    player.close()


def _environments(player: Any) -> list[Any]:
    return [env for group in player.envs.values() for vector in group.values() for env in vector.envs]
