"""Energies as a user meets them: switches on a saved checkpoint that steer, choose and report, in the dataset's units."""

import shutil
from pathlib import Path

import pytest
import torch
from gym_pusht.envs import PushTEnv
from host_scripts import STATE_ONLY, evaluate, made_up, train
from lerobot.configs import PreTrainedConfig
from torch import Tensor

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.units import ACTION

FORMAT_2 = Path(__file__).parent.parent / "checkpoints" / "format_2" / "dp_plus_transformer"
FORMAT_3 = FORMAT_2.parent.parent / "format_3" / "dp_plus_transformer"
NOW, CANDIDATES = 1, 8


@pytest.fixture(params=[FORMAT_2, FORMAT_3], ids=lambda folder: folder.parent.name)
def folder(request) -> Path:
    return request.param


def limit_of(folder: Path) -> float:
    """The middle of the first dimension's range, in the dataset's units."""
    return float(load_policy(folder).policy.model.units.offset_2[0])


def energy(folder: Path, **more) -> dict:
    return {"energies": {"stay_above": {"weight": 1, "dimension": 0, "limit": limit_of(folder), **more}}}


def hinge(chunks: Tensor, limit: float) -> Tensor:
    """By hand, of chunks (B, N, H, A) in the dataset's units from the current step on."""
    return (limit - chunks[..., NOW:, 0]).clamp_min(0).square().sum(-1) / 2


def window_of(made, batch: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(5)
    shapes = made.policy.config.observed_features
    return {key: torch.rand(batch, 2, *shape) * 2 - 1 for key, shape in shapes.items()}


def in_units(made, chunks: Tensor) -> Tensor:
    """As the postprocessor gives them."""
    flat = chunks.reshape(-1, chunks.shape[-1])
    return made.postprocess(flat).reshape(chunks.shape)


def test_units_are_those_of_the_pipeline(folder):
    made = load_policy(folder)
    chunks = torch.rand(2, 3, 8, 2) * 2 - 1
    for model in (made.policy.model, made.policy._averaged_model):
        assert model.units.known
        torch.testing.assert_close(model.units.physical(ACTION, chunks), in_units(made, chunks))
    assert not torch.allclose(in_units(made, chunks), chunks, atol=0.1), "they are not the normalised ones"


def test_energies_are_reported_in_the_datasets_units(folder):
    made = load_policy(folder, **energy(folder))
    proposed = made.policy.propose(window_of(made), candidates=CANDIDATES)
    assert set(proposed.energies) == {"stay_above", "total"}
    expected = hinge(in_units(made, proposed.chunks), limit_of(folder))
    torch.testing.assert_close(proposed.energies["stay_above"], expected, rtol=1e-4, atol=1e-5)
    assert expected.max() > 0 and expected.std() > 0


def test_a_gradient_moves_chunks_to_where_the_limit_is_kept(folder):
    plain = load_policy(folder, **energy(folder))
    steered = load_policy(folder, **energy(folder), guidance={"type": "gradient", "strength": 0.5})
    window, noise = window_of(plain), torch.randn(3, 1, 8, 2)
    before, after = (made.policy.propose(window, noise) for made in (plain, steered))
    far = before.energies["stay_above"] > 1e-3
    assert far.any()
    assert (after.energies["stay_above"][far] < 0.9 * before.energies["stay_above"][far]).all()
    none = load_policy(folder, **energy(folder), guidance={"type": "gradient", "strength": 0.0})
    torch.testing.assert_close(none.policy.sample(window, noise), before.chunks)
    assert torch.equal(before.chunks, load_policy(folder).policy.sample(window, noise)), (
        "an energy alone changes nothing"
    )


def test_under_inference_mode_it_steers_the_same(folder):
    """LeRobot evaluates in it."""
    made = load_policy(folder, **energy(folder), guidance={"type": "gradient", "strength": 0.5})
    window, noise = window_of(made), torch.randn(3, 1, 8, 2)
    expected = made.policy.sample(window, noise)
    with torch.inference_mode():
        torch.testing.assert_close(made.policy.sample(window, noise), expected)


def test_the_lowest_energy_is_chosen(folder):
    choice = {"type": "lowest_energy", "energy": "stay_above", "num_candidates": CANDIDATES}
    made = load_policy(folder, **energy(folder), selection=choice)
    window, noise = window_of(made), torch.randn(3, CANDIDATES, 8, 2)
    proposed = made.policy.propose(window, noise)
    energies = hinge(in_units(made, proposed.chunks), limit_of(folder))
    assert (energies.argmin(1) != 0).any(), "the first would not do"
    chunk = made.policy.predict_action_chunk(window, noise=noise)
    assert torch.equal(chunk, proposed.chunks[torch.arange(3), energies.argmin(1), NOW:])
    torch.testing.assert_close(made.policy.chosen.energies["stay_above"][:, 0], energies.amin(1), rtol=1e-4, atol=1e-5)


def test_a_limit_that_is_an_upper_one_chooses_the_other_way(folder):
    choice = {"type": "lowest_energy", "energy": "stay_above", "num_candidates": CANDIDATES}
    chosen = []
    for below in (False, True):
        made = load_policy(folder, **energy(folder, below=below), selection=choice)
        torch.manual_seed(1)
        chosen.append(made.policy.predict_action_chunk(window_of(made), noise=torch.randn(3, CANDIDATES, 8, 2)))
    assert chosen[0][..., 0].mean() > chosen[1][..., 0].mean()


def test_without_the_pipeline_an_old_checkpoint_acts_and_tells_no_energies(tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(FORMAT_2 / name, bare)
    made = DpPlusPolicy.from_pretrained(bare)
    window = {key: torch.zeros(1, 2, *shape) for key, shape in made.config.observed_features.items()}
    assert made.sample(window).shape == (1, 1, 8, 2)
    flags = ["--energies.stay_above.weight=1", "--guidance.type=gradient"]
    for count in (1, 2):
        config = PreTrainedConfig.from_pretrained(bare, cli_overrides=flags[:count])
        refused = DpPlusPolicy.from_pretrained(bare, config=config)
        with pytest.raises(ValueError, match=r"does not know its data's units.*processors hold no statistics"):
            refused.sample(window) if count == 2 else refused.propose(window)


@pytest.mark.parametrize("format_", ["format_1", "format_2"])
@pytest.mark.parametrize("preset", ["dp_plus_unet", "dp_plus_transformer", "dp_plus_flow", "dp_plus_dit"])
def test_every_old_checkpoint_knows_its_units_with_an_average_and_without(format_, preset):
    place = FORMAT_2.parent.parent / format_ / preset
    for average in ({}, {"ema": {"enabled": False}}):
        made = load_policy(place, energies={"smoothness": {"weight": 1}}, **average)
        proposed = made.policy.propose(window_of(made))
        physical = in_units(made, proposed.chunks)
        expected = physical.diff(n=2, dim=2).square().sum((2, 3)) / 2
        torch.testing.assert_close(proposed.energies["smoothness"], expected, rtol=1e-4, atol=1e-5)


def test_lerobots_evaluation_keeps_the_limit(tmp_path, monkeypatch):
    """A step of strength 1 down a hinge leads to its limit, here in pixels of the arena."""
    checkpoints = train(made_up(tmp_path / "data", STATE_ONLY), tmp_path / "run", "dp_plus_flow", "--steps=2")
    acted: list[float] = []
    step = PushTEnv.step
    monkeypatch.setattr(PushTEnv, "step", lambda self, action: acted.append(float(action[0])) or step(self, action))
    last = checkpoints / "last" / "pretrained_model"
    evaluate(
        last,
        tmp_path / "plain",
        STATE_ONLY,
        "--policy.energies.stay_above.weight=1",
        "--policy.energies.stay_above.limit=350",
    )
    assert len(acted) == 12 and min(acted) < 300, "an energy alone is only told"
    acted.clear()
    steering = (
        "--policy.energies.stay_above.weight=1",
        "--policy.energies.stay_above.limit=350",
        "--policy.guidance.type=gradient",
    )
    evaluate(last, tmp_path / "steered", STATE_ONLY, *steering, "--policy.guidance.strength=1")
    assert len(acted) == 12 and min(acted) > 349.9


def test_illegal_switches_are_refused_by_name(folder):
    for switches, said in (
        ({"guidance": {"type": "gradient"}}, r"guidance\.type = gradient follows the energies, and none has a weight"),
        ({"selection": {"type": "lowest_energy", "energy": "stay_above"}}, r"needs the energy stay_above"),
        (
            {"energies": {"stay_above": {"weight": 1, "dimension": 2}}},
            r"energies\.stay_above\.dimension = 2: legal are 0 to 1",
        ),
        ({**energy(folder), "guidance": {"type": "gradient", "strength": -1}}, r"guidance\.strength = -1\.0: must be"),
    ):
        with pytest.raises(ValueError, match=said):
            load_policy(folder, **switches)
    made = load_policy(folder)
    with pytest.raises(ValueError, match=r"energies = \['stay_above'\]: this policy can tell \['imitation'\]"):
        made.policy.propose(window_of(made), energies=["stay_above"])
