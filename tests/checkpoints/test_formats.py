"""What people have keeps working: checkpoints of every released format load and act as they did."""

from pathlib import Path

import pytest
import torch
from lerobot.policies import make_pre_post_processors
from make import FRAMES, INPUTS, NETWORKS, act
from safetensors.torch import load_file

from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.policies.versions import is_newer, written_by

HERE = Path(__file__).parent
FORMATS = range(1, FORMAT_VERSION + 1)


@pytest.mark.parametrize("preset", NETWORKS)
@pytest.mark.parametrize("version", FORMATS)
def test_it_acts_as_when_it_was_released(version, preset):
    folder = HERE / f"format_{version}" / preset
    policy = DpPlusPolicy.from_pretrained(folder)
    assert policy.config.type == preset
    kept = load_file(folder / "expected.safetensors")
    observed = {key: kept[key] for key in INPUTS}
    assert all(value.shape[0] == FRAMES for value in observed.values())
    acted = act(policy, make_pre_post_processors(policy.config, folder), observed, kept["noise"])
    for key, value in acted.items():
        torch.testing.assert_close(value, kept[key], rtol=0, atol=1e-5)
    other = act(policy, make_pre_post_processors(policy.config, folder), observed, kept["noise"] + 0.1)
    assert not torch.allclose(other["chunk"], kept["chunk"], atol=1e-3)  # the comparison can fail


@pytest.mark.parametrize("version", FORMATS)
def test_every_format_is_kept_small_and_says_who_wrote_it(version):
    folder = HERE / f"format_{version}"
    assert {path.name for path in folder.iterdir()} == set(NETWORKS)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 400_000
    for preset in NETWORKS:
        writer = written_by(folder / preset / "model.safetensors")
        assert writer is not None and not is_newer(writer)
