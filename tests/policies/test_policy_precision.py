"""Weights of half and of double precision act; halves are not trained."""

import copy

import pytest
import torch
from several import KINDS, acting, of
from tiny import OBSERVATIONS, frame, policy, training_batch

from lerobot_dp_plus.auxiliary.dynamics.ends import GaussianEnds
from lerobot_dp_plus.samplers import Sampler

HALVES = (torch.bfloat16, torch.float16)
#: Digits that the weights have left, and how much a few layers and steps may make of an error in the last one.
NEAR = {dtype: 60 * torch.finfo(dtype).eps for dtype in HALVES}


def chunk(made, seen, drawn):
    made.reset()
    return made.predict_action_chunk(seen, noise=drawn)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_acts_in_every_type_on_every_type(kind):
    made = of(kind)
    seen = frame(made.config, 2)
    drawn = torch.randn(2, made.config.selection.candidates, made.config.horizon, 2)
    expected = chunk(made, seen, drawn)
    for dtype in (*HALVES, torch.float64):
        cast = copy.deepcopy(made).to(dtype)
        for given in (dtype, torch.float32, torch.float16):
            found = chunk(cast, {key: value.to(given) for key, value in seen.items()}, drawn.to(given))
            assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
            assert found.isfinite().all() and found.shape == expected.shape


@pytest.mark.parametrize(
    "preset", ["dp_plus_unet", "dp_plus_transformer", "dp_plus_flow", "dp_plus_dit", "dp_plus_pi0"]
)
@pytest.mark.parametrize("inputs", ["state", "image"])
def test_actions_are_those_of_float32_to_the_digits_of_the_weights(preset, inputs):
    from lerobot_dp_plus.objectives import FlowMatching
    from lerobot_dp_plus.samplers import Euler

    made = acting(preset=preset, inputs=OBSERVATIONS[inputs], objective=FlowMatching(), sampler=Euler(num_steps=5))
    seen, drawn = frame(made.config, 2), torch.randn(2, made.config.horizon, 2)
    expected = chunk(made, seen, drawn)
    for dtype in HALVES:
        torch.testing.assert_close(
            chunk(copy.deepcopy(made).to(dtype), seen, drawn), expected, rtol=NEAR[dtype], atol=NEAR[dtype]
        )
    torch.testing.assert_close(chunk(made.double(), seen, drawn), expected.double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [n for n, s in Sampler.get_known_choices().items() if "flow_map" not in s.needs])
def test_every_sampler_draws_noise_of_its_own_in_half_precision(name):
    made = acting(sampler=Sampler.get_choice_class(name)(num_steps=3)).to(torch.bfloat16)
    assert made.select_action(frame(made.config, 2)).isfinite().all()


def test_counts_and_statistics_keep_their_type():
    made = of("dynamics and estimated states")
    whole = {key: value.clone() for key, value in made.state_dict().items() if not value.is_floating_point()}
    known = {key: value.clone() for key, value in made.state_dict().items() if ".units." in key or ".ends." in key}
    flags = {"model.units.known", "ema.module.units.known"}
    assert set(whole) == {"stream", "ema.n_averaged", *flags} and len(known) == 2 * 10
    for change in (lambda: made.half(), lambda: made.to(torch.bfloat16), lambda: made.double(), lambda: made.float()):
        change()
        state = made.state_dict()
        for key, value in {**whole, **known}.items():
            assert state[key].dtype == value.dtype and torch.equal(state[key], value), key
    ends = GaussianEnds(1).half()
    for _ in range(8):
        ends.gather(torch.randn(10_000, 1))  # more than float16 can count
    assert ends.count == 80_000 and ends.squares.isfinite().all()


@pytest.mark.parametrize("dtype", HALVES)
def test_halves_are_not_trained_and_the_way_out_is_named(dtype):
    name = str(dtype).removeprefix("torch.")
    made = policy().to(dtype)
    with pytest.raises(ValueError, match=f"weights are {name}.*--policy.dtype={name}"):
        made.get_optim_params()
    with pytest.raises(ValueError, match=f"weights are {name}.*policy.float"):
        made.train()(training_batch(made.config))
    with torch.no_grad():
        assert made.eval()(training_batch(made.config))[0].isfinite(), "a held-out loss is no training"
    made.float().train()(training_batch(made.config))[0].backward()


def test_doubles_are_trained():
    made = policy("dp_plus_unet", OBSERVATIONS["image"]).double().train()
    loss, _ = made(
        {k: v.double() if k in made.config.observed_features else v for k, v in training_batch(made.config).items()}
    )
    loss.backward()
    assert all(weight.grad is None or weight.grad.dtype == torch.float64 for weight in made.parameters())


def test_observations_need_not_be_where_the_weights_are():
    """Seen on any machine: `meta` tensors stand for another device."""
    made = acting()
    made.config.device = "cuda"  # as a checkpoint's may say that was moved since
    assert made.to("cpu").select_action(frame(made.config, 2)).device.type == "cpu"
