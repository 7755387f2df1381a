"""Behaviour cloning as a user meets it: LeRobot's scripts, what is refused by name, and its card."""

import pytest
import torch
from host_scripts import STATE_ONLY, evaluate, made_up, train
from lerobot.configs import PreTrainedConfig
from tiny import config, frame, noise, trained, training_batch

from lerobot_dp_plus import heads, load_policy
from lerobot_dp_plus.energies import Energies, StayAbove
from lerobot_dp_plus.guidance import Gradient, Smoothness
from lerobot_dp_plus.heads import Discretised, Implicit, MixtureDensity, Regression
from lerobot_dp_plus.hub.card import render_card
from lerobot_dp_plus.hub.card_words import AXES
from lerobot_dp_plus.hub.card_words import UNUSED as UNUSED_AXES
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.samplers import Heun
from lerobot_dp_plus.selection import Coherent, Densest, LowestEnergy

#: A value other than the default of every field that it does not use, and how a message says it.
UNUSED = {
    "sampler": (Heun(), r"sampler\.type = heun"),
    "guidance": (Smoothness(), r"guidance\.type = smoothness"),
    "noise_scale": (0.5, r"noise_scale = 0\.5"),
    "noise_draws": (2, r"noise_draws = 2"),
    "compile_sampler": (True, r"compile_sampler = True"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = made_up(tmp_path_factory.mktemp("data") / "states", STATE_ONLY)
    flag = "--policy.objective.type=regression"
    return train(root, tmp_path_factory.mktemp("runs") / "run", "dp_plus_transformer", flag, sampler=())


def test_it_is_trained_evaluated_and_acts_always_alike(run, tmp_path):
    folder = run / "last" / "pretrained_model"
    assert isinstance(PreTrainedConfig.from_pretrained(folder).objective, Regression)
    info = evaluate(folder, tmp_path, STATE_ONLY)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2
    loaded = load_policy(folder)
    shown, acted = frame(loaded.policy.config), []
    for _ in range(2):
        loaded.policy.reset()
        acted.append(loaded.policy.predict_action_chunk(shown))
    assert torch.equal(*acted) and acted[0].abs().max() > 0


def test_its_checkpoint_is_not_given_a_sampler_either(run):
    with pytest.raises(
        ValueError, match=r"sampler\.type = heun: objective\.type = regression draws its chunks without it"
    ):
        load_policy(run / "last", sampler={"type": "heun"})
    with pytest.raises(ValueError, match=r"were trained for .*regression"):
        made = load_policy(run / "last", objective={"type": "diffusion"})
        made.policy.select_action(frame(made.policy.config))


def test_every_field_that_no_baseline_uses_is_tried():
    for objective in (Regression(), MixtureDensity(), Implicit(), Discretised()):
        assert set(UNUSED) == heads.USED - heads.head_of(objective).uses


@pytest.mark.parametrize("objective", [Regression(), MixtureDensity(), Implicit(), Discretised()])
@pytest.mark.parametrize("field", UNUSED)
def test_what_it_does_not_use_is_refused(field, objective):
    value, said = UNUSED[field]
    default = getattr(config(), field) if field != "sampler" else None
    with pytest.raises(
        ValueError, match=rf"{said}: objective\.type = {objective.head} draws its chunks without it; leave it out"
    ):
        config(objective=objective, **{field: value})
    if default is not None:
        config(objective=objective, **{field: default})  # that is leaving it out


def test_guidance_by_an_energy_is_refused_and_an_energy_is_not():
    with pytest.raises(ValueError, match=r"guidance\.type = gradient: objective\.type = regression"):
        config(objective=Regression(), energies=Energies(stay_above=StayAbove(weight=1)), guidance=Gradient())
    made = trained(objective=Regression(), energies=Energies(stay_above=StayAbove(weight=1, limit=0.5)))
    for model in (made.model, made._averaged_model):
        model.units.known.fill_(True)
    window = {key: value[:, None].repeat_interleave(2, 1) for key, value in frame(made.config).items()}
    proposed = made.propose(window)
    truth = StayAbove(limit=0.5)(proposed.chunks[:, :, 1:], Scene())
    torch.testing.assert_close(proposed.energies["stay_above"], truth)
    assert proposed.energies["stay_above"].min() > 0


@pytest.mark.parametrize(
    "selection", [Densest(num_candidates=2), Coherent(num_candidates=2), LowestEnergy(energy="stay_above")]
)
def test_there_is_nothing_to_choose_from(selection):
    with pytest.raises(
        ValueError, match=r"selection\.type = \w+: .*regression always gives the same chunk.*selection\.type = first"
    ):
        config(objective=Regression(), energies=Energies(stay_above=StayAbove(weight=1)), selection=selection)


def test_noise_that_is_given_changes_nothing():
    made = trained(objective=Regression())
    shown = frame(made.config)
    one = made.predict_action_chunk(shown, noise=noise(made.config, seed=1))
    made.reset()
    assert torch.equal(made.predict_action_chunk(shown, noise=noise(made.config, seed=2)), one)


def test_its_loss_is_the_mean_squared_error_of_what_it_would_do():
    made = trained(objective=Regression()).train()
    batch = training_batch(made.config)
    batch["action_is_pad"][:] = False
    loss, parts = made(batch)
    chunk = heads.make(made.model.network, made.config.objective, made.config.sampler, made.config.guidance).propose(
        made.model.network.condition(made.model.encoder(batch)), torch.zeros(3, 1, 8, 2)
    )
    torch.testing.assert_close(loss, (chunk.chunks[:, 0] - batch["action"]).square().mean())
    assert parts["loss_executed"] > 0


def test_cards_know_what_it_does_without():
    """The room of cards may not ask the heads."""
    for name, objective in Objective.get_known_choices().items():
        head = heads.HEADS[objective.head]
        unused = (heads.USED - head.uses) & set(AXES)
        assert {*unused, *(() if head.varies else ("selection",))} == set(UNUSED_AXES.get(name, ())), name
    assert set(UNUSED_AXES) <= set(Objective.get_known_choices())


def test_its_card_says_what_it_is_and_names_no_sampler(run):
    folder = run / "last" / "pretrained_model"
    card = render_card(folder)
    assert PreTrainedConfig.from_pretrained(folder).sampler is not None, "the field has to have a value"
    assert "A behaviour-cloning policy" in card and "regression of the chunk, behaviour cloning" in card
    assert "it predicts a chunk of 8 actions" in card
    for unused in ("sampler", "dpmpp_2m", "network calls a chunk", "samples a chunk", "samples anew"):
        assert unused not in card, unused
