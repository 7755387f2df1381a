"""The U-Net against LeRobot's, weight for weight, and against its own promises."""

import pytest
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionConditionalUnet1d
from small_networks import OBSERVATION_STEPS, WIDTH, build, digest

from lerobot_dp_plus.networks.base import NetworkConfig
from lerobot_dp_plus.networks.unet1d import UNet1d, UNet1dConfig, from_lerobot_state_dict

BATCH, ACTION_DIM = 3, 4

SIZES = [
    UNet1dConfig(down_dims=(16, 32), kernel_size=3, time_embed_dim=16),
    UNet1dConfig(down_dims=(16, 32, 48), kernel_size=5, n_groups=4, time_embed_dim=8, film_scale=False),
    UNet1dConfig(down_dims=(8, 16, 16, 24), kernel_size=3, time_embed_dim=32),
    UNet1dConfig(down_dims=(24,), kernel_size=7, time_embed_dim=16),
]


def ours(config: UNet1dConfig, horizon: int = 16) -> UNet1d:
    return build(config, horizon=horizon, action_dim=ACTION_DIM)


def lerobots(config: UNet1dConfig) -> DiffusionConditionalUnet1d:
    theirs = DiffusionConfig(
        horizon=16,
        down_dims=config.down_dims,
        kernel_size=config.kernel_size,
        n_groups=config.n_groups,
        diffusion_step_embed_dim=config.time_embed_dim,
        use_film_scale_modulation=config.film_scale,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (ACTION_DIM,))},
    )
    return DiffusionConditionalUnet1d(theirs, global_cond_dim=OBSERVATION_STEPS * WIDTH)


def random_batch(horizon: int = 16) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x_t = torch.randn(BATCH, horizon, ACTION_DIM)
    return x_t, torch.randint(0, 100, (BATCH,)), torch.randn(BATCH, OBSERVATION_STEPS, WIDTH)


@pytest.mark.parametrize("config", SIZES, ids=lambda c: "x".join(map(str, c.down_dims)))
@pytest.mark.parametrize("direction", ["from lerobot", "to lerobot"])
def test_weights_are_interchangeable_with_lerobot(config: UNet1dConfig, direction: str) -> None:
    torch.manual_seed(0)
    network, reference = ours(config), lerobots(config)
    x_t, steps, observation = random_batch()
    before = network(x_t, steps, digest(network, observation))
    if direction == "from lerobot":
        network.load_state_dict(from_lerobot_state_dict(reference.state_dict()), strict=True)
    else:
        reference.load_state_dict(network.state_dict(), strict=True)
    with torch.no_grad():
        actual = network(x_t, steps, digest(network, observation))
        expected = reference(x_t, steps, global_cond=observation.flatten(1))
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)
    assert torch.equal(actual, before) == (direction == "to lerobot")


def test_gradients_equal_lerobots() -> None:
    """Splitting the FiLM linear in two must not change what is learned either."""
    torch.manual_seed(0)
    network, reference = ours(SIZES[0]), lerobots(SIZES[0])
    network.load_state_dict(reference.state_dict())
    x_t, steps, observation = random_batch()
    network(x_t, steps, digest(network, observation)).square().mean().backward()
    reference(x_t, steps, global_cond=observation.flatten(1)).square().mean().backward()
    expected = dict(reference.named_parameters())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        torch.testing.assert_close(parameter.grad, expected[name].grad, atol=1e-5, rtol=1e-4)


def test_a_whole_lerobot_checkpoint_gives_its_unet() -> None:
    weights = lerobots(SIZES[0]).state_dict()
    checkpoint = {f"diffusion.unet.{key}": value for key, value in weights.items()}
    checkpoint["diffusion.rgb_encoder.out.weight"] = torch.zeros(1)
    ours(SIZES[0]).load_state_dict(from_lerobot_state_dict(checkpoint), strict=True)
    with pytest.raises(ValueError, match=r"no LeRobot U-Net.*model\.weight"):
        from_lerobot_state_dict({"model.weight": torch.zeros(1)})


@pytest.mark.parametrize("config", SIZES, ids=lambda c: "x".join(map(str, c.down_dims)))
def test_shortest_and_other_legal_horizons_keep_their_length(config: UNet1dConfig) -> None:
    factor = 2 ** (len(config.down_dims) - 1)
    for horizon in (factor, 3 * factor, 10 * factor):
        network = ours(config, horizon)
        x_t, time, observation = random_batch(horizon)
        assert network(x_t, time, digest(network, observation)).shape == x_t.shape


def test_condition_serves_many_calls_and_time_matters() -> None:
    torch.manual_seed(0)
    network = ours(SIZES[0])
    x_t, _, observation = random_batch()
    condition = digest(network, observation)
    early, late = (network(x_t, torch.full((BATCH,), time), condition) for time in (0.0, 50.0))
    assert (early - late).abs().max() > 1e-3
    other = network(x_t, torch.zeros(BATCH), digest(network, observation.flip(0)))
    assert (early - other).abs().max() > 1e-3
    torch.testing.assert_close(network(x_t, torch.zeros(BATCH), condition), early)


def test_half_precision_network_runs() -> None:
    network = ours(SIZES[0]).to(torch.bfloat16)
    x_t, time, observation = random_batch()
    output = network(x_t.bfloat16(), time, digest(network, observation.bfloat16()))
    assert output.dtype == torch.bfloat16 and output.isfinite().all()


@pytest.mark.parametrize(
    ("config", "horizon", "message"),
    [
        (UNet1dConfig(), 18, r"horizon=18 .*multiple of 4; nearest legal: 16 or 20"),
        (UNet1dConfig(), 3, r"horizon=3 .*nearest legal: 4"),
        (UNet1dConfig(), 0, r"horizon=0 .*nearest legal: 4"),
        (UNet1dConfig(down_dims=()), 16, r"down_dims=\(\) is empty"),
        (UNet1dConfig(down_dims=(16, 30)), 16, r"30 is not a multiple of n_groups=8"),
        (UNet1dConfig(down_dims=(12, 24), n_groups=4), 16, r"down_dims=.*first width must be a multiple of 8"),
        (UNet1dConfig(n_groups=0), 16, r"n_groups=0 must be at least 1"),
        (UNet1dConfig(kernel_size=4), 16, r"kernel_size=4 must be odd"),
        (UNet1dConfig(time_embed_dim=7), 16, r"time_embed_dim=7 must be even"),
    ],
)
def test_what_does_not_fit_is_named(config: UNet1dConfig, horizon: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config.check(horizon=horizon)
    with pytest.raises(ValueError, match=message):
        ours(config, horizon)


def test_registered_and_wrapped_by_names_that_exist() -> None:
    assert NetworkConfig.get_choice_class("unet1d") is UNet1dConfig
    classes = {type(module).__name__ for module in ours(SIZES[0]).modules()}
    assert set(UNet1dConfig().fsdp_wrap_modules()) <= classes
