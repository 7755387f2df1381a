"""Receding horizon: the history, the plan, determinism, evaluation mode."""

from dataclasses import replace

import pytest
import torch
from tiny import ACTION_DIM, BATCH, HORIZON, OBSERVATIONS, PRESETS, config, frame, noise, policy, trained, window

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.samplers import Ancestral
from lerobot_dp_plus.selection import Coherent, Densest, Selection


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["state", "mix"])
def test_single_frames_equal_windows(preset, kind):
    made = trained(preset, OBSERVATIONS[kind], n_obs_steps=3)
    # Hardly trained networks overshoot, and clipped to ±1 all chunks would be alike.
    made.config.objective = replace(made.config.objective, clip_range=None)
    frames = [frame(made.config) for _ in range(5)]
    chunks = [made.predict_action_chunk(one, noise=noise(made.config), steps_since_last=1) for one in frames]
    padded = [frames[0], frames[0], *frames]  # before the episode its first frame stands
    for now, chunk in enumerate(chunks):
        made.reset()
        stacked = window(padded[now : now + 3])
        assert torch.equal(made.predict_action_chunk(stacked, noise=noise(made.config)), chunk)
    assert any(not torch.allclose(chunks[0], chunk) for chunk in chunks[1:])


def test_a_window_is_remembered_too():
    made = trained(n_obs_steps=2)
    frames = [frame(made.config) for _ in range(3)]
    made.predict_action_chunk(window(frames[:2]))
    continued = made.predict_action_chunk(frames[2], noise=noise(made.config), steps_since_last=1)
    assert torch.equal(continued, made.predict_action_chunk(window(frames[1:]), noise=noise(made.config)))


def test_the_history_keeps_what_it_saw():
    made = trained()
    first, second = frame(made.config), frame(made.config)
    buffer = {key: value.clone() for key, value in first.items()}
    made.select_action(buffer, noise=noise(made.config))
    buffer["observation.state"].copy_(second["observation.state"])  # as a robot's driver may
    chunk = made.predict_action_chunk(buffer, noise=noise(made.config))
    assert torch.equal(chunk, made.predict_action_chunk(window([first, second]), noise=noise(made.config)))


def test_one_chunk_every_n_action_steps(monkeypatch):
    made = trained(n_action_steps=3)
    calls = []
    propose = made._propose
    monkeypatch.setattr(made, "_propose", lambda *args: calls.append(1) or propose(*args))
    seen = [frame(made.config) for _ in range(7)]
    actions = [made.select_action(one) for one in seen]
    assert len(calls) == 3 and all(action.shape == (BATCH, 2) for action in actions)
    made.reset()
    made.select_action(seen[0])
    assert len(calls) == 4, "reset forgets the rest of the chunk"


def test_the_history_goes_on_between_chunks():
    made = trained(n_obs_steps=3, n_action_steps=3)
    frames = [frame(made.config) for _ in range(4)]
    actions = [made.select_action(one, noise=noise(made.config)) for one in frames]
    made.reset()
    chunk = made.predict_action_chunk(window(frames[1:]), noise=noise(made.config))
    assert torch.equal(actions[3], chunk[:, 0])


def test_reset_forgets_the_episode():
    made = trained()
    first, second = frame(made.config), frame(made.config)
    fresh = made.predict_action_chunk(second, noise=noise(made.config))
    made.reset()
    made.predict_action_chunk(first)
    made.reset()
    assert torch.equal(made.predict_action_chunk(second, noise=noise(made.config)), fresh)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("sampler", [None, Ancestral(num_steps=4)])
def test_equal_noise_means_equal_actions(preset, sampler):
    made = trained(preset, **({"sampler": sampler} if sampler else {}))
    seen = window([frame(made.config)] * 2)
    first, again, other = (made.predict_action_chunk(seen, noise=noise(made.config, seed=s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.allclose(first, other)
    drawn = [made.predict_action_chunk(seen) for _ in range(2)]
    assert not torch.allclose(*drawn), "without noise given, every chunk is drawn anew"


def test_given_noise_leaves_the_global_stream_alone():
    made = trained(sampler=Ancestral(num_steps=4))
    seen = frame(made.config)
    before = torch.get_rng_state()
    made.predict_action_chunk(seen, noise=noise(made.config))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("preset", PRESETS)
def test_inference_is_evaluation_mode(preset):
    made = trained(preset, OBSERVATIONS["image"])
    seen = window([frame(made.config)] * 2)
    expected = made.predict_action_chunk(seen, noise=noise(made.config))
    made.train()  # random crops, if it counted
    actual = [made.predict_action_chunk(seen, noise=noise(made.config)) for _ in range(3)]
    assert all(torch.equal(one, expected) for one in actual)
    assert all(module.training for module in made.modules())
    made.ema.module.encoder.eval()  # as somebody who freezes a part
    made.predict_action_chunk(seen)
    assert made.ema.module.training and not made.ema.module.encoder.training


def test_inference_uses_the_averaged_weights():
    made = trained()
    seen, drawn = window([frame(made.config)] * 2), noise(made.config)
    expected = made.predict_action_chunk(seen, noise=drawn)
    for weight in made.model.parameters():
        weight.data.zero_()
    assert torch.equal(made.predict_action_chunk(seen, noise=drawn), expected)


def test_inference_makes_no_graph_and_runs_inside_inference_mode():
    made = trained()
    with torch.inference_mode():
        inside = made.select_action(frame(made.config))
    outside = made.select_action(frame(made.config))
    assert not inside.requires_grad and not outside.requires_grad


def test_samples_of_one_batch_do_not_see_each_other():
    made = trained()
    seen, drawn = frame(made.config), noise(made.config)
    together = made.predict_action_chunk(seen, noise=drawn)
    for i in range(BATCH):
        made.reset()
        alone = made.predict_action_chunk({k: v[i : i + 1] for k, v in seen.items()}, noise=drawn[i : i + 1])
        torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("selection", [Densest(num_candidates=3), Coherent(num_candidates=3)])
def test_candidates(selection):
    made = trained("dp_plus_dit", OBSERVATIONS["image"], selection=selection)
    seen = window([frame(made.config)] * 2)
    drawn = torch.randn(BATCH, 3, made.config.horizon, 2)
    candidates = made.sample(seen, drawn)
    assert candidates.shape == drawn.shape
    for i in range(3):  # each is what it would be alone
        alone = made.sample(seen, drawn[:, i], candidates=1)[:, 0]
        torch.testing.assert_close(candidates[:, i], alone, rtol=1e-4, atol=1e-5)
    chunk = made.predict_action_chunk(seen, noise=drawn)
    start = made.config.n_obs_steps - 1
    ahead = Candidates(candidates).from_step(start)
    assert torch.equal(chunk, ahead.at(selection.choose(ahead, None)).chunks[:, 0])


def test_images_are_encoded_once_for_all_candidates(monkeypatch):
    made = trained("dp_plus_unet", OBSERVATIONS["image"], selection=Densest(num_candidates=5))
    sizes = []
    encoder = made.ema.module.encoder
    encoder.register_forward_pre_hook(lambda module, args: sizes.append(args[0]["observation.image"].shape[0]))
    made.predict_action_chunk(frame(made.config))
    assert sizes == [BATCH]


def test_the_selection_is_shown_the_unexecuted_tail():
    tails, shown = [], []

    class Spy(Selection):
        candidates = 1

        def choose(self, proposed, tail):
            tails.append(tail)
            shown.append(proposed.chunks)
            return torch.zeros(len(proposed.chunks), dtype=torch.int64)

    made = trained(n_action_steps=3)
    made.config.selection = Spy()
    plans = []
    for _ in range(2):
        seen, drawn = frame(made.config), noise(made.config)
        plans.append(made.predict_action_chunk(seen, noise=drawn))
    assert tails[0] is None
    assert torch.equal(tails[1], plans[0][:, 3:])
    assert shown[1].shape[2] == plans[1].shape[1], "of the candidates, too, it sees what is still to come"


def test_the_most_coherent_candidate_keeps_to_what_was_planned_and_not_done():
    made = trained(selection=Coherent(num_candidates=2))
    first = made.predict_action_chunk(frame(made.config), noise=torch.randn(BATCH, 2, HORIZON, 2))
    ahead, executed = made.config.n_obs_steps - 1, made.config.n_action_steps
    candidates = torch.randn(BATCH, 2, HORIZON, 2)
    planned = first[:, executed:]
    # The first keeps to the plan, and only says of a past step something else than was done; the second leaves it.
    candidates[:, 0, ahead : ahead + planned.shape[1]] = planned
    candidates[:, 0, :ahead] = 5.0
    candidates[:, 1, ahead : ahead + planned.shape[1]] = planned + 0.1
    made._candidates = lambda *_, **__: Candidates(candidates)
    assert torch.equal(made.predict_action_chunk(frame(made.config)), candidates[:, 0, ahead:])


def test_noise_of_another_scale(monkeypatch):
    made = trained(noise_scale=0.25)
    seen = window([frame(made.config)] * made.config.n_obs_steps)
    torch.manual_seed(0)
    drawn = made.sample(seen)
    torch.manual_seed(0)
    noise_of_one = torch.randn(BATCH, 1, made.config.horizon, ACTION_DIM)
    assert torch.equal(drawn, made.sample(seen, noise=0.25 * noise_of_one))
    made.config.noise_scale = 0.0
    assert torch.equal(made.sample(seen), made.sample(seen))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"noise_scale": -0.5}, "noise_scale = -0.5: must be at least 0"),
        (
            {"noise_scale": 0.5, "sampler": Ancestral()},
            "noise_scale = 0.5: must be 1 with the stochastic .* ancestral; .*ddim",
        ),
    ],
)
def test_illegal_scales_of_noise(fields, message):
    with pytest.raises(ValueError, match=message):
        trained(**fields)


def test_wrong_noise_is_refused():
    made = policy()
    with pytest.raises(ValueError, match=r"noise has shape \(3, 7, 2\); must be \(3, 8, 2\)"):
        made.predict_action_chunk(frame(made.config), noise=torch.zeros(3, 7, 2))


def test_fewer_network_calls_than_ten_by_default():
    from lerobot.policies import make_policy_config

    calls = {preset: make_policy_config(preset, device="cpu").sampler.num_calls for preset in PRESETS}
    assert all(1 <= count <= 10 for count in calls.values()), calls


def test_indices():
    made = config(n_obs_steps=2, horizon=8, n_action_steps=3)
    assert made.observation_delta_indices == [-1, 0]
    assert made.action_delta_indices == [-1, 0, 1, 2, 3, 4, 5, 6]
    assert made.chunk_length == 7
    # Five actions are left at the last frame used: two of its chunk of seven are padding, fewer than n_action_steps.
    assert made.drop_n_last_frames == 4
