"""A published policy, trained on x₁ and sampled with `dpmpp_2m`, under every other sampler: chunks as smooth as its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lerobot.policies import make_pre_post_processors
from torch import Tensor

import lerobot_dp_plus
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.samplers import DPMpp2M, Sampler
from lerobot_dp_plus.selection import First

CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
DEMONSTRATIONS = (
    Path(lerobot_dp_plus.__file__).parent / "assets" / "pusht_demos" / "data" / "chunk-000" / "file-000.parquet"
)
KEYS = ("observation.state", "observation.environment_state")
COUNT = 12
PIXELS = 256  # of the arena to one of a normalised action


@pytest.fixture(scope="module")
def policy() -> DpPlusPolicy:
    made = DpPlusPolicy.from_pretrained(CARD).eval()
    made.config.selection = First()
    return made


@pytest.fixture(scope="module")
def seen(policy: DpPlusPolicy) -> dict[str, Tensor]:
    """Windows of two frames from the packaged demonstrations, as far apart as in training, normalised."""
    frames, stride = pd.read_parquet(DEMONSTRATIONS), policy.config.stride
    episode = frames["episode_index"].to_numpy()
    starts = [i for i in range(0, len(frames) - stride, 37) if episode[i] == episode[i + stride]][:COUNT]
    preprocess, _ = make_pre_post_processors(policy.config, str(CARD))
    pair = [
        preprocess(
            {key: torch.tensor(np.stack(frames[key].to_numpy()[np.add(starts, ahead)]).astype("f4")) for key in KEYS}
        )
        for ahead in (0, stride)
    ]
    return {key: torch.stack([frame[key] for frame in pair], dim=1) for key in KEYS}


def jerk(policy: DpPlusPolicy, seen: dict[str, Tensor], sampler: Sampler) -> float:
    """Mean length of the second difference of the target's position, in pixels."""
    policy.config.sampler = sampler
    noise = torch.randn(COUNT, policy.config.horizon, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        chunks = policy.sample(seen, noise=noise).reshape(noise.shape)
    return PIXELS * chunks.diff(n=2, dim=1).norm(dim=-1).mean().item()


@pytest.mark.parametrize(
    "choice", [name for name, sampler in Sampler.get_known_choices().items() if sampler.needs == {"denoiser"}]
)
@pytest.mark.parametrize("num_steps", [3, 5, 10])
def test_no_noise_is_left_on_actions(
    policy: DpPlusPolicy, seen: dict[str, Tensor], choice: str, num_steps: int
) -> None:
    """`heun` with five steps, the example of the README, had 2.6 times as much."""
    smooth = jerk(policy, seen, replace(DPMpp2M(), num_steps=50))
    found = jerk(policy, seen, Sampler.get_choice_class(choice)(num_steps=num_steps))
    assert 2 < smooth < 15 and found < 1.25 * smooth, f"{found:.1f} px, {smooth:.1f} of the flow itself"
