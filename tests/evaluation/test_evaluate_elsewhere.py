"""Environments other than PushT: a made-up policy plays some steps of them, and what they tell is understood."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies import get_policy_class, make_policy_config, make_pre_post_processors

from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.evaluation.evaluate import eval_arguments, evaluate
from lerobot_dp_plus.evaluation.failures import IN_WORDS
from lerobot_dp_plus.evaluation.films import film
from lerobot_dp_plus.evaluation.playing import prepared
from lerobot_dp_plus.networks import TransformerConfig


def made_up(folder: Path, inputs: dict[str, PolicyFeature], joints: int) -> Path:
    """A policy that moves at random, with its processors."""
    config = make_policy_config(
        "dp_plus_transformer",
        device="cpu",
        push_to_hub=False,
        horizon=8,
        n_action_steps=4,
        network=TransformerConfig(dim=16, depth=1, num_heads=2),
        image_encoder=SmallCnnConfig(num_keypoints=4, feature_dim=8),
        input_features=inputs,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (joints,))},
    )
    made = get_policy_class(config.type)(config)
    widths = {key: feature.shape[0] for key, feature in inputs.items() if len(feature.shape) == 1} | {"action": joints}
    for weight in made.model.parameters():  # fresh networks say zero
        weight.data += 0.1 * torch.randn_like(weight)
    made.ema.module.load_state_dict(made.model.state_dict())
    for model in (made.model, made.ema.module):
        model.units.learn({key: (torch.zeros(width), torch.ones(width)) for key, width in widths.items()})
    made.save_pretrained(folder)
    stats = {key: {"min": -torch.ones(width), "max": torch.ones(width)} for key, width in widths.items()}
    for key in set(inputs) - set(widths):
        stats[key] = {"mean": torch.full((3, 1, 1), 0.5), "std": torch.full((3, 1, 1), 0.5)}
    for pipeline in make_pre_post_processors(config, dataset_stats=stats):
        pipeline.save_pretrained(folder)
    return folder


def test_aloha_is_evaluated_whole(tmp_path: Path) -> None:
    pytest.importorskip("gym_aloha", reason="the aloha extra is not installed")
    inputs = {
        "observation.state": PolicyFeature(FeatureType.STATE, (14,)),
        "observation.environment_state": PolicyFeature(FeatureType.ENV, (7,)),
    }
    policy, out = made_up(tmp_path / "policy", inputs, 14), tmp_path / "out"
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
    policy = made_up(tmp_path / "policy", inputs, 4)
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
