"""A policy with a dynamics model: trained with it, saved with it, and choosing by it."""

from dataclasses import replace

import pytest
import torch
from tiny import ENV_STATE, STATE, build, config, frame, learned, noise, policy, window
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics import Outcome, PushTBlock
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.selection import First, LowestEnergy

REACH = 6
BOTH = {**STATE, **ENV_STATE}


def seeing(**fields) -> DpPlusPolicy:
    return policy(
        inputs=BOTH, dynamics=Outcome(steps=REACH, dim=16, depth=1), selection=LowestEnergy(num_candidates=5), **fields
    )


def sample_batch(made: DpPlusPolicy, size: int = 4, ended: int = 2) -> dict[str, Tensor]:
    """Samples with every frame a config asks for; the first `ended` reach beyond their episode's end."""
    windows = made.config.windows
    batch = {
        key: torch.rand(size, len(windows.observations), width) * 2 - 1
        for key, width in made.config.low_dimensional_features.items()
    }
    beyond = torch.tensor([step >= REACH for step in windows.observations])
    for key in list(batch):
        padded = beyond & (torch.arange(size)[:, None] < ended)
        batch[f"{key}_is_pad"] = padded
    batch["action"] = torch.rand(size, len(windows.actions), 2) * 2 - 1
    batch["action_is_pad"] = torch.zeros(batch["action"].shape[:2], dtype=torch.bool)
    return batch


def trained(**fields) -> DpPlusPolicy:
    made = seeing(**fields)
    return learned(made, lambda: sample_batch(made))


def test_one_loss_trains_both():
    made = seeing(stride=2, n_action_steps=6).train()
    loss, parts = made(sample_batch(made))
    loss.backward()
    assert all(p.grad is not None for name, p in made.model.named_parameters() if p.requires_grad)
    alone = parts["loss_dynamics"]
    assert 0 < alone < loss.item()
    each, _ = made(sample_batch(made), reduction="none")
    assert each.shape == (4,)


def test_ends_are_those_of_samples_that_reach_beyond_their_episode():
    made = seeing().train()
    batch = sample_batch(made, size=6, ended=4)
    made(batch)
    made.update()
    last = torch.cat([batch[key][:4, -1] for key in made.config.low_dimensional_features], -1)
    for dynamics in (made.model.auxiliary.dynamics, made.ema.module.auxiliary.dynamics):
        assert dynamics.ends.count == 4
        torch.testing.assert_close(dynamics.ends.mean, last.mean(0))


def test_the_chunk_of_lowest_energy_is_executed():
    made = trained()
    seen = frame(made.config)
    draws = torch.stack([noise(made.config, seed=seed) for seed in range(5)], 1)  # (B, N, H, A)
    window = {key: value[:, None].expand(-1, 2, -1) for key, value in seen.items()}
    chunks = made.sample(window, draws)
    model = made.ema.module
    scene = Scene(window, now=1, executed=made.config.n_action_steps)
    with torch.no_grad():
        energy = model.energies()["end"](chunks, scene)
    assert energy.shape == (3, 5) and energy.std() > 0
    chosen = chunks[torch.arange(3), energy.argmin(1)][:, 1:]
    made.reset()
    torch.testing.assert_close(made.predict_action_chunk(seen, noise=draws), chosen)
    # All that is known of the chosen one stays known.
    torch.testing.assert_close(made.chosen.energies["end"][:, 0], energy.amin(1))
    torch.testing.assert_close(made.chosen.chunks[:, 0], chosen)
    torch.testing.assert_close(made.chosen.noise[:, 0], draws[torch.arange(3), energy.argmin(1)])
    told = made.propose(window, draws)
    assert list(told.energies) == ["end"] and made.propose(window, draws, energies=()).energies == {}
    torch.testing.assert_close(told.energies["end"], energy)
    with pytest.raises(ValueError, match=r"energies = \['far'\]: this policy can tell \['end', 'imitation'\]"):
        made.propose(window, draws, energies=["far"])


def test_the_dynamics_model_is_asked_only_by_a_selection_that_needs_it(monkeypatch):
    made, asked = trained(), []
    model = made.ema.module.auxiliary.dynamics
    energy = model.distance_from_end
    monkeypatch.setattr(model, "distance_from_end", lambda *inputs, **more: asked.append(1) or energy(*inputs, **more))
    made.predict_action_chunk(frame(made.config))
    assert asked == [1]
    made.config.selection = First()
    made.predict_action_chunk(frame(made.config))
    made.sample(window([frame(made.config)] * 2))
    assert asked == [1]


def test_before_any_end_was_seen_it_does_not_choose():
    made = seeing().eval()
    with pytest.raises(ValueError, match="has seen no end of an episode"):
        made.predict_action_chunk(frame(made.config))
    assert made.sample(window([frame(made.config)] * 2)).isfinite().all(), "to sample is not to choose"


def test_saved_and_loaded_it_chooses_the_same(tmp_path):
    made = trained()
    made.model.units.learn({key: (torch.ones(n), 2 * torch.ones(n)) for key, n in sizes(made)})
    made.update()
    made.save_pretrained(tmp_path)
    again = type(made).from_pretrained(tmp_path)
    assert again.config.dynamics == made.config.dynamics
    for name, value in made.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)
    draws = torch.stack([noise(made.config, seed=seed) for seed in range(5)], 1)
    seen = frame(made.config)
    made.reset()
    torch.testing.assert_close(
        again.predict_action_chunk(seen, noise=draws), made.predict_action_chunk(seen, noise=draws)
    )


def sizes(made: DpPlusPolicy):
    return [*made.config.low_dimensional_features.items(), ("action", 2)]


def test_without_it_nothing_is_learned_beside_the_policy():
    assert not [name for name in policy().state_dict() if "auxiliary" in name]


def test_geometry_needs_units():
    """Before a dataset told them, normalised numbers would be taken for pixels."""
    inputs = {
        key: replace(feature, shape=shape) for (key, feature), shape in zip(BOTH.items(), ((2,), (16,)), strict=True)
    }
    made = policy(
        inputs=inputs,
        dynamics=Outcome(steps=REACH, dim=16, depth=1, frame=PushTBlock()),
        selection=LowestEnergy(num_candidates=5),
    )
    learned(made, lambda: sample_batch(made))
    with pytest.raises(ValueError, match="does not know its data's units"):
        made.predict_action_chunk(frame(made.config))
    for model in (made.model, made.ema.module):
        model.units.learn({key: (256 * torch.ones(n), 256 * torch.ones(n)) for key, n in sizes(made)})
    made.reset()
    assert made.predict_action_chunk(frame(made.config)).isfinite().all()


def test_units_come_from_the_datasets_statistics():
    """They undo exactly what the pipeline does."""
    from lerobot_dp_plus.policies.processor_dp_plus import make_pipelines, normalisation

    made = config(inputs=BOTH, dynamics=Outcome(steps=REACH, dim=16, depth=1))
    low, high = {}, {}
    stats = {}
    for key, width in [*made.low_dimensional_features.items(), ("action", 2)]:
        low[key], high[key] = torch.rand(width) * 10, 20 + torch.rand(width) * 100
        stats[key] = {"min": low[key].numpy(), "max": high[key].numpy()}
    preprocess, _ = make_pipelines(made, stats)
    raw = {key: low[key] + (high[key] - low[key]) * torch.rand(3, len(low[key])) for key in stats}
    normal = preprocess(dict(raw))
    policy_ = build(made)
    policy_.model.units.learn(normalisation(made, stats))
    for key in stats:
        torch.testing.assert_close(policy_.model.units.physical(key, normal[key]), raw[key])
