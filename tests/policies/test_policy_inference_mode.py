"""LeRobot evaluates in inference mode, whose tensors have no gradients: whatever follows gradients works there, too."""

from pathlib import Path

import pytest
import torch

from lerobot_dp_plus import load_policy

FOLDER = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
GOAL = {"energies": {"goal": {"weight": 1.0, "target": [250.0, 250.0]}}}
IMITATION = {"energies": {"imitation": {"weight": 1.0, "draws": 1}}}
FEW = {"sampler": {"num_steps": 2}}
CASES = {
    "guidance": {"guidance": {"type": "gradient"}, **GOAL},
    "guidance with the Jacobian": {"guidance": {"type": "gradient", "jacobian": True}, **GOAL},
    "guidance by the network": {"guidance": {"type": "gradient"}, **IMITATION},
    "diffuser": {"guidance": {"type": "diffuser"}, "sampler": {"type": "ancestral", "num_steps": 2}, **GOAL},
    "refinement of the chosen": {"refinement": {"type": "gradient", "steps": 2}, **IMITATION},
    "refinement of all": {"refinement": {"type": "gradient", "steps": 2, "of": "candidates"}, **IMITATION},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    ("batch", "averaged"), [(1, True), (2, False)], ids=["one robot", "two, weights that are trained"]
)
def test_the_same_chunk_as_without(case, averaged, batch) -> None:
    """For one robot the attention is computed otherwise."""
    made = load_policy(FOLDER, selection={"type": "first"}, **(FEW | case)).policy
    if not averaged:
        made.ema = None
    torch.manual_seed(0)
    seen = {key: torch.rand(batch, *shape) for key, shape in made.config.observed_features.items()}
    noise, chunks = torch.randn(batch, made.config.horizon, 2), []
    for mode in (torch.no_grad, torch.inference_mode):
        made.reset()
        with mode():
            copies = {key: value.clone() for key, value in seen.items()}
            chunks.append(made.predict_action_chunk(copies, noise.clone()).clone())
    torch.testing.assert_close(*chunks)
    assert chunks[0].isfinite().all()
