"""Weights of older formats under today's names: everything is used, nothing is missing, with an average and without."""

import shutil
from pathlib import Path

import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies import get_policy_class
from safetensors.torch import load_file, save_file
from torch import Tensor

from lerobot_dp_plus.policies.former_weights import todays
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

ROOT = Path(__file__).parent.parent.parent / "hub_cards"
#: What was called otherwise; the first has it all, the other estimates no states.
FORMER = {
    "foresight.units.": "units.",
    "foresight.": "auxiliary.dynamics.",
    "perception.": "auxiliary.state_estimation.",
}
published = pytest.mark.parametrize(("name", "count"), [("pusht_pixels", 3), ("pusht_state", 2)])


def averaged(folder: Path) -> dict[str, Tensor]:
    """Weights as a training saved them: published ones are the average alone. The average here differs from them."""
    state = load_file(folder / "model.safetensors")
    assert not any(key.startswith("ema.") for key in state)
    average = {
        key.replace("model.", "ema.module.", 1): value for key, value in state.items() if key.startswith("model.")
    }
    average = {key: value + 1 if value.is_floating_point() else value.clone() for key, value in average.items()}
    return {**state, **average, "ema.n_averaged": torch.tensor(7)}


def written(folder: Path, target: Path) -> Path:
    """A copy of the checkpoint with weights as a training saved them."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("videos", "*.png", "model.safetensors"))
    save_file(averaged(folder), target / "model.safetensors")
    return target


def renamed(key: str) -> str:
    """By the table, written out once more."""
    for model in ("model.", "ema.module."):
        for was, now in FORMER.items():
            if key.startswith(model + was):
                return model + now + key.removeprefix(model + was)
    return key


def made_for(folder: Path, *flags: str) -> DpPlusPolicy:
    """A policy of the checkpoint's config with fresh weights."""
    config = PreTrainedConfig.from_pretrained(folder, cli_overrides=["--device=cpu", *flags])
    return get_policy_class(config.type)(config)


@published
@pytest.mark.parametrize("kept", ["both", "the average alone"])
def test_every_weight_gets_a_place_and_keeps_its_numbers(name, count, kept):
    folder = ROOT / name
    policy = made_for(folder, f"--ema.enabled={'true' if kept == 'both' else 'false'}")
    state = averaged(folder) if kept == "both" else load_file(folder / "model.safetensors")
    assert sum(any(key.startswith(f"model.{was}") for key in state) for was in FORMER) == count
    found, expected = todays(state, policy, folder), policy.state_dict()
    # Formats before the third have no state of the random numbers, if they were published.
    assert found.keys() | {"stream"} == expected.keys() | {"stream"}
    assert all(found[key].shape == expected[key].shape for key in found)
    assert all(torch.equal(found[renamed(key)], value) for key, value in state.items())
    assert {key for key in found.keys() - {renamed(key) for key in state}} == {
        key for key in expected if key.endswith("units.known")
    }
    assert all(found[key] for key in expected if key.endswith("units.known"))


@published
@pytest.mark.parametrize("kept", ["both", "the average alone"])
def test_it_is_loaded_whole(name, count, kept, tmp_path):
    folder = written(ROOT / name, tmp_path / "policy")
    flags = [f"--ema.enabled={'true' if kept == 'both' else 'false'}"]
    policy = DpPlusPolicy.from_pretrained(folder, config=PreTrainedConfig.from_pretrained(folder, cli_overrides=flags))
    state, now = averaged(ROOT / name), policy.state_dict()
    for key, value in state.items():
        if kept == "both":
            assert torch.equal(now[renamed(key)], value), key
        elif key.startswith("ema.module."):
            assert torch.equal(now[renamed(key).replace("ema.module.", "model.")], value), key
    assert now["model.units.known"] and policy._averaged_model.units.known


@published
def test_weights_without_an_average_fill_both(name, count):
    policy, state = DpPlusPolicy.from_pretrained(ROOT / name), load_file(ROOT / name / "model.safetensors")
    now = policy.state_dict()
    for key in (renamed(key) for key in state if key.startswith("model.")):
        assert torch.equal(now[key], now[key.replace("model.", "ema.module.", 1)]), key
    assert now["ema.module.units.known"]


def test_cards_know_the_same_former_names() -> None:
    """Their room imports no other, so it has a table of its own."""
    from lerobot_dp_plus.hub.card_folder import FORMER_FIELDS
    from lerobot_dp_plus.policies.former_names import FORMER_NAMES

    assert FORMER_FIELDS == FORMER_NAMES
