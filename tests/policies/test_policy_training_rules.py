"""Rules of training are asked where training starts, and do not keep a trained policy from being used."""

import json
import re
from types import SimpleNamespace

import pytest
import torch
from lerobot.configs import PreTrainedConfig
from tiny import ENV_STATE, STATE, build, config, frame, policy

from lerobot_dp_plus.augmentation import ColorJitter, PushTMirror
from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

RULES = [
    (
        {"dynamics": Outcome(steps=6, dim=16, depth=1), "n_action_steps": 1},
        "dynamics.steps = 6: must be more than 6, the frames",
    ),
    (
        {"dynamics": Outcome(steps=5, dim=16, depth=1), "stride": 2},
        "dynamics.steps = 5: must be more than 8, the frames",
    ),
    ({"noise_draws": 0}, "noise_draws = 0: must be at least 1"),
    ({"optimizer_lr_backbone": -1.0}, "optimizer_lr_backbone = -1.0: must be at least 0"),
    ({"dtype": "float8"}, "dtype = 'float8': legal are float32, bfloat16, float16"),
    ({"augmentation": PushTMirror()}, "augmentation.type=pusht_mirror: observation.environment_state has shape (5,)"),
    ({"augmentation": ColorJitter()}, "augmentation.type=color_jitter: none of"),
]


def metadata(made) -> SimpleNamespace:
    shapes = {**made.training_features, "action": (2,)}
    features = {key: {"dtype": "float32", "shape": shape, "names": None} for key, shape in shapes.items()}
    stats = {key: {"min": torch.zeros(shape), "max": torch.ones(shape)} for key, shape in shapes.items()}
    return SimpleNamespace(features=features, fps=10, stats=stats)


@pytest.mark.parametrize(("fields", "message"), RULES)
def test_a_policy_that_breaks_a_rule_of_training_acts_and_is_not_trained(fields, message):
    made = policy("dp_plus_flow", {**ENV_STATE}, **fields)
    for _ in range(2):
        assert made.select_action(frame(made.config)).isfinite().all()
    with pytest.raises(ValueError, match=re.escape(message)):
        made.get_optim_params()
    with pytest.raises(ValueError, match=re.escape(message)):
        DpPlusPolicy(made.config, dataset_meta=metadata(made.config))


@pytest.mark.parametrize(("fields", "message"), RULES)
def test_a_hand_edited_config_loads_and_is_used(tmp_path, fields, message):
    build(config(inputs=ENV_STATE)).save_pretrained(tmp_path)
    edited = config(inputs=ENV_STATE, **{k: v for k, v in fields.items() if k != "dynamics"})
    edited._save_pretrained(tmp_path)
    made = DpPlusPolicy.from_pretrained(tmp_path)
    assert made.config.noise_draws == edited.noise_draws
    assert made.select_action(frame(made.config)).isfinite().all()


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_any_number_of_executed_actions_serves_an_evaluation_with_foresight(tmp_path, steps):
    foresight = Outcome(steps=5, dim=16, depth=1)
    build(config("dp_plus_dit", {**STATE, **ENV_STATE}, dynamics=foresight, n_action_steps=6)).save_pretrained(tmp_path)
    changed = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=[f"--n_action_steps={steps}"])
    made = DpPlusPolicy.from_pretrained(tmp_path, config=changed)
    calls = []
    made._propose = lambda *arguments, propose=made._propose: calls.append(1) or propose(*arguments)
    for _ in range(2 * steps):
        made.select_action(frame(changed))
    assert len(calls) == 2


def test_what_use_needs_is_still_asked_of_a_config(tmp_path):
    build(config()).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**saved, "n_action_steps": 9}))
    with pytest.raises(ValueError, match="n_action_steps = 9: must be at most horizon"):
        DpPlusPolicy.from_pretrained(tmp_path)


def test_a_policy_that_keeps_the_rules_is_trained():
    made = config(inputs=ENV_STATE, dynamics=Outcome(steps=6, dim=16, depth=1), n_action_steps=3)
    made.check_training()
    assert DpPlusPolicy(made, dataset_meta=metadata(made)).get_optim_params()


def test_who_is_made_for_a_dataset_knows_its_units():
    """Normalised −1 and 1 are the data's least and most, for the weights and for their average."""
    made = config(inputs=STATE)
    data = metadata(made)
    data.stats = {key: {"min": 2 * value["max"], "max": 6 * value["max"]} for key, value in data.stats.items()}
    taught = DpPlusPolicy(made, dataset_meta=data)
    for units in (taught.model.units, taught.ema.module.units):
        units.check_known()
        for key, width in (("observation.state", 4), ("action", 2)):
            ends = units.physical(key, torch.tensor([-1.0, 1.0])[:, None].expand(2, width))
            torch.testing.assert_close(ends, torch.tensor([2.0, 6.0])[:, None].expand(2, width))
