"""Where there is no scene to draw on: actions as curves over time, of a made-up policy of ALOHA."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies import get_policy_class, make_policy_config, make_pre_post_processors
from PIL import Image

from lerobot_dp_plus.explaining.explain import main
from lerobot_dp_plus.networks import TransformerConfig

JOINTS, POSE = 14, 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inputs = {
        "observation.state": PolicyFeature(FeatureType.STATE, (JOINTS,)),
        "observation.environment_state": PolicyFeature(FeatureType.ENV, (POSE,)),
    }
    config = make_policy_config(
        "dp_plus_transformer",
        device="cpu",
        push_to_hub=False,
        horizon=8,
        n_action_steps=4,
        network=TransformerConfig(dim=16, depth=1, num_heads=2),
        input_features=inputs,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (JOINTS,))},
    )
    made = get_policy_class(config.type)(config)
    widths = {"observation.state": JOINTS, "observation.environment_state": POSE, "action": JOINTS}
    for weight in made.model.parameters():  # fresh networks say zero
        weight.data += 0.2 * torch.randn_like(weight)
    made.ema.module.load_state_dict(made.model.state_dict())
    for model in (made.model, made.ema.module):
        model.units.learn({key: (torch.zeros(width), torch.ones(width)) for key, width in widths.items()})
    stats = {key: {"min": -torch.ones(width), "max": torch.ones(width)} for key, width in widths.items()}
    made.save_pretrained(tmp_path / "policy")
    for pipeline in make_pre_post_processors(config, dataset_stats=stats):
        pipeline.save_pretrained(tmp_path / "policy")
    return tmp_path / "policy"


def test_curves_are_drawn_and_it_is_said_what_is_missing(folder: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("gym_aloha", reason="the aloha extra is not installed")
    out = tmp_path / "out"
    asked = ["--env", "aloha_lite", "--steps", "1", "--candidates", "16", "--output", str(out)]
    assert main([str(folder), *asked]) == 0
    said = "No scene and no film: nothing says where on a picture joints lead, so plans are curves over time."
    assert said in capsys.readouterr().out.splitlines()
    assert said in (out / "index.html").read_text() and not (out / "film.mp4").exists()
    for name in ("fans.png", "denoising.png", "choice.png"):
        picture = np.asarray(Image.open(out / name).convert("RGB"))
        assert min(picture.shape[:2]) > 300 and picture.std() > 5, name


def test_a_policy_of_another_environment_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="this policy's actions have 14 dimensions, and this environment takes 2"):
        main([str(folder), "--output", str(tmp_path / "out")])
