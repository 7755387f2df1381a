"""The field's baselines as policies: made, trained, saved, resumed, shown and asked like any other policy of the package."""

import pytest
import torch
from host_scripts import STATE_ONLY, assert_resumes, evaluate, made_up, train
from tiny import (
    BASELINES,
    BATCH,
    HORIZON,
    OBSERVATIONS,
    config,
    frame,
    noise,
    policy,
    taught_to_go_on,
    trained,
    training_batch,
    window,
)
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.auxiliary import Outcome
from lerobot_dp_plus.guidance import Gradient
from lerobot_dp_plus.heads import Discretised, Implicit, MixtureDensity, head_of
from lerobot_dp_plus.heads import Langevin as SearchByLangevin
from lerobot_dp_plus.heads.at_once import at_once
from lerobot_dp_plus.hub.card import render_card
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.real_time import Guided, Inpainting, Trained
from lerobot_dp_plus.selection import LowestEnergy

VARYING = [name for name in BASELINES if name != "dp_plus_bc"]
every_baseline = pytest.mark.parametrize("preset", BASELINES)


@every_baseline
@pytest.mark.parametrize("kind", ["state", "image", "mix"])
def test_it_learns_from_every_kind_of_observation_and_is_saved_with_all_it_learned(preset, kind, tmp_path):
    made = trained(preset, OBSERVATIONS[kind], n_obs_steps=3)
    unreached = [name for name, weight in made.model.named_parameters() if weight.grad is None]
    assert not unreached
    made.save_pretrained(tmp_path)
    loaded = type(made).from_pretrained(tmp_path)
    assert loaded.config == made.config
    frames = [frame(made.config) for _ in range(4)]
    for one in frames:
        chunk = made.predict_action_chunk(one, noise=noise(made.config), steps_since_last=1)
    assert chunk.shape == (BATCH, HORIZON - 2, 2) and chunk.isfinite().all()
    seen = window(frames[1:])  # the history is that window
    torch.testing.assert_close(loaded.predict_action_chunk(seen, noise=noise(made.config)), chunk)


@pytest.mark.parametrize("preset", VARYING)
def test_equal_noise_means_equal_actions_and_leaves_the_global_stream_alone(preset):
    made = trained(preset, objective=_drawing(preset))
    seen, state = window([frame(made.config)] * 2), torch.get_rng_state()
    first, again, other = (made.predict_action_chunk(seen, noise=noise(made.config, seed=s)) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again) and not torch.allclose(first, other)
    drawn = [made.predict_action_chunk(seen) for _ in range(2)]
    assert not torch.equal(*drawn), "without noise given, every chunk is drawn anew"


def _drawing(preset):
    """The objective with which two draws hardly agree."""
    usual = config(preset).objective
    return MixtureDensity(low_noise=False) if preset == "dp_plus_gmm" else usual


def test_bins_are_of_the_training_and_the_average_has_the_same():
    made = trained("dp_plus_bet")
    bins, averaged = made.model.network.bins, made.ema.module.network.bins
    assert bins.used == 6 and bins.counts.sum() == 2 * BATCH, "two updates of three chunks"
    assert all(torch.equal(*pair) for pair in zip(bins.buffers(), averaged.buffers(), strict=True))
    made(training_batch(made.config))  # a held-out loss
    assert bins.counts.sum() == 2 * BATCH


@pytest.fixture(scope="module", params=BASELINES)
def run(request, tmp_path_factory):
    root = made_up(tmp_path_factory.mktemp("data") / "states", STATE_ONLY)
    return request.param, train(root, tmp_path_factory.mktemp("runs") / "run", request.param, sampler=())


def test_lerobots_scripts_train_evaluate_and_resume_it_to_the_last_bit(run, tmp_path):
    _, checkpoints = run
    info = evaluate(checkpoints / "last" / "pretrained_model", tmp_path / "eval", STATE_ONLY)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2
    assert_resumes(checkpoints, tmp_path / "again")


def test_its_card_says_what_it_is_and_whose_idea(run):
    preset, checkpoints = run
    card = render_card(checkpoints / "last" / "pretrained_model")
    said, cited = {
        "dp_plus_bc": ("A behaviour-cloning policy", "chi2023"),
        "dp_plus_gmm": ("A mixture-density policy", "mandlekar2021"),
        "dp_plus_ibc": ("A behaviour-cloning policy of a learned energy", "florence2021"),
        "dp_plus_bet": ("A behaviour transformer", "shafiullah2022"),
    }[preset]
    assert said in card and cited in card
    assert "dpmpp_2m" not in card and "network calls a chunk" not in card
    assert ("it samples a chunk" in card) == (preset != "dp_plus_bc")


def test_the_search_is_switched_on_a_checkpoint_and_the_head_is_not(tmp_path):
    trained("dp_plus_ibc").save_pretrained(tmp_path)
    flags = ["--objective.search.type=langevin", "--objective.search.samples=4", "--objective.search.iterations=3"]
    loaded = DpPlusPolicy.from_pretrained(tmp_path, cli_overrides=flags)
    assert loaded.config.objective == Implicit(search=SearchByLangevin(samples=4, iterations=3))
    assert loaded.select_action(frame(loaded.config)).isfinite().all()
    changed = DpPlusPolicy.from_pretrained(tmp_path, cli_overrides=["--objective.type=regression"])
    with pytest.raises(ValueError, match=r"were trained for .*implicit"):
        changed.select_action(frame(changed.config))
    with pytest.raises(ValueError, match=r"does not fit its config"):
        load_policy(tmp_path, objective={"type": "discretised"})


def test_log_densities_of_candidates_are_those_of_torch():
    made = trained("dp_plus_gmm")
    for model in (made.model, made.ema.module):
        model.units.known.fill_(True)
    seen = frame(made.config)
    found = made.candidates(seen, 5, log_prob=True)
    shown = {key: value[:, None].repeat_interleave(2, 1) for key, value in seen.items()}
    chunks = made.sample(shown, candidates=5)
    model = made.ema.module
    with torch.no_grad():
        condition = model.network.condition(model.encoder(shown))
        said = at_once(model.network, condition, chunks[:, 0]).unflatten(2, (5, 5)).transpose(1, 2)
    components = Normal(said[..., 1:3], torch.nn.functional.softplus(said[..., 3:]) + 1e-4)
    truth = MixtureSameFamily(Categorical(logits=said[..., 0].mean(2)), Independent(components, 2))
    expected = truth.log_prob(chunks.transpose(0, 1)).T
    torch.testing.assert_close(made.log_prob(shown, chunks), expected, rtol=1e-4, atol=1e-3)
    assert found.log_prob.shape == (BATCH, 5) and found.log_prob.isfinite().all()


@pytest.mark.parametrize("preset", ["dp_plus_bc", "dp_plus_ibc", "dp_plus_bet"])
def test_heads_without_a_density_say_so(preset):
    made = trained(preset)
    name = made.config.objective.get_choice_name(type(made.config.objective))
    with pytest.raises(ValueError, match=f"objective.type = {name} has no density"):
        made.candidates(frame(made.config), 2, log_prob=True)


@pytest.mark.parametrize("preset", VARYING)
def test_candidates_are_chosen_by_what_the_head_itself_knows_of_them(preset):
    made = trained(preset, objective=_drawing(preset), selection=LowestEnergy(num_candidates=6, energy="imitation"))
    seen = frame(made.config)
    shown = {key: value[:, None].repeat_interleave(2, 1) for key, value in seen.items()}
    drawn = torch.randn(BATCH, 6, HORIZON, 2)
    proposed = made.propose(shown, drawn, energies=("imitation",))
    best = proposed.energies["imitation"].argmin(1)
    chosen = made.predict_action_chunk(seen, noise=drawn)
    assert torch.equal(chosen, proposed.chunks[torch.arange(BATCH), best, 1:])
    assert len(proposed.energies["imitation"].unique()) > BATCH, "there is something to choose"


@pytest.mark.parametrize("preset", VARYING)
def test_it_fits_dynamics_and_refuses_guidance_by_name(preset):
    fields = {"dynamics": Outcome(steps=6, dim=16, depth=1), "selection": LowestEnergy(num_candidates=3)}
    assert config(preset, **fields).energy_names
    with pytest.raises(
        ValueError, match=r"guidance\.type = gradient: objective\.type = \w+ draws its chunks without it"
    ):
        config(preset, guidance=Gradient(), **fields)


@every_baseline
def test_in_real_time_it_is_held_to_what_is_decided_or_refuses_by_name(preset):
    made = trained(preset, real_time=Inpainting())
    seen = frame(made.config, 1)
    plan = torch.rand(4, 2) - 0.5
    found = made.predict_action_chunk(seen, inference_delay=2, prev_chunk_left_over=plan)
    assert torch.equal(found[0, :2], plan[:2]) and found.isfinite().all()
    with pytest.raises(ValueError, match=r"real_time\.type = guided bends .* draws them without a sampler"):
        config(preset, real_time=Guided())
    with pytest.raises(ValueError, match=r"real_time\.type = trained: this policy has max_delay = 0"):
        config(preset, real_time=Trained())


@pytest.mark.parametrize(
    "objective",
    [
        MixtureDensity(num_modes=2, min_std=0.05),
        Discretised(num_bins=12, offset_weight=30),
        Implicit(counter_examples=4),
    ],
    ids=lambda objective: objective.head,
)
def test_it_learns_to_go_on_as_a_chunk_begins(objective):
    """No observation tells how it goes on; what is shown of the chunk does."""
    torch.manual_seed(1)
    made = policy(objective=objective, max_delay=3, horizon=8, n_action_steps=3)
    taught_to_go_on(made, updates=120, size=48)
    means = {}
    for value in (-0.6, 0.6):
        rest = torch.full((4, 2), value)
        found = []
        for _ in range(8):
            made.reset()
            found.append(made.predict_action_chunk(frame(made.config, 1), inference_delay=2, prev_chunk_left_over=rest))
        means[value] = torch.cat(found)[:, 2:].mean().item()
    # The search of `implicit` is coarse in fourteen numbers, and its mean is drawn to the middle.
    assert head_of(objective).varies and means[0.6] - means[-0.6] > 0.3
    if not isinstance(objective, Implicit):
        assert all(abs(mean - value) < 0.3 for value, mean in means.items())
