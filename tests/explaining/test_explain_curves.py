"""Where there is no scene to draw on: actions as curves over time, of a made-up policy of ALOHA."""

from pathlib import Path

import numpy as np
import pytest
from fabricated import restless
from lerobot.configs import FeatureType, PolicyFeature
from PIL import Image

from lerobot_dp_plus.explaining.explain import main

JOINTS, POSE = 14, 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inputs = {
        "observation.state": PolicyFeature(FeatureType.STATE, (JOINTS,)),
        "observation.environment_state": PolicyFeature(FeatureType.ENV, (POSE,)),
    }
    return restless(tmp_path / "policy", inputs, JOINTS, 0.2)


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
