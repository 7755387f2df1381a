"""Paths: derivatives against autograd, tables against diffusers, conversions against each other, the edges of float32."""

import math
import re

import pytest
import torch
from diffusers import DDPMScheduler
from gaussian_truth import ALL_PATHS, PATHS

from lerobot_dp_plus.paths import (
    PARAMETRISATIONS,
    LinearBetaPath,
    Parametrisation,
    Path,
    SquaredCosinePath,
    VariancePreservingPath,
)

#: Inside (0, 1), between the steps of every schedule, where a piecewise path has no kink.
INTERIOR = (torch.arange(3, 1000, 7, dtype=torch.float64) + 0.5) / 1000
SCHEDULES = [
    (SquaredCosinePath(100), "squaredcos_cap_v2"),
    (SquaredCosinePath(1000), "squaredcos_cap_v2"),
    (SquaredCosinePath(10), "squaredcos_cap_v2"),
    (LinearBetaPath(1000), "linear"),
    (LinearBetaPath(100), "linear"),
]
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
every_kind = pytest.mark.parametrize("kind", PARAMETRISATIONS)


@pytest.mark.parametrize(("path", "schedule"), SCHEDULES)
def test_alpha_bar_equals_diffusers_at_every_step(path: VariancePreservingPath, schedule: str) -> None:
    steps = path.num_train_steps
    betas = DDPMScheduler(num_train_timesteps=steps, beta_schedule=schedule).betas.double()
    t = 1 - (torch.arange(steps, dtype=torch.float64) + 1) / steps
    expected = (1 - betas).cumprod(0)
    # Diffusers rounds β to float32: what is left of 1 after β = 0.999 keeps four digits, all others six.
    torch.testing.assert_close(path.log_alpha_bar(t)[:-1], expected.log()[:-1], rtol=2e-6, atol=1e-7)
    torch.testing.assert_close(path.log_alpha_bar(t)[-1], expected.log()[-1], rtol=0, atol=5e-5)
    # In float32, as in training: the same data weight and the same noise weight, also where the noise is small.
    torch.testing.assert_close(path.alpha(t.float()).double(), expected.sqrt(), rtol=1e-4, atol=0)
    torch.testing.assert_close(path.sigma(t.float()).double(), (1 - expected).sqrt(), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("path", "schedule"), SCHEDULES)
@pytest.mark.parametrize("num_steps", [5, 10])
def test_uniform_grid_is_diffusers_trailing_spacing(
    path: VariancePreservingPath, schedule: str, num_steps: int
) -> None:
    scheduler = DDPMScheduler(path.num_train_steps, beta_schedule=schedule, timestep_spacing="trailing")
    scheduler.set_timesteps(num_steps)
    grid = torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)[:-1]
    torch.testing.assert_close(path.network_time(grid), scheduler.timesteps.double(), rtol=0, atol=1e-9)


@every_path
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_path_ends_exactly_in_the_data(path: Path, dtype: torch.dtype) -> None:
    end = torch.ones(3, dtype=dtype)
    assert torch.equal(path.alpha(end), end)
    assert torch.equal(path.sigma(end), torch.zeros_like(end))


@every_path
def test_float32_is_finite_ordered_and_close_to_float64(path: Path) -> None:
    tiny = torch.finfo(torch.float32)
    edges = torch.tensor([0.0, tiny.tiny, tiny.eps, 1e-6, 1 - 1e-6, 1 - tiny.eps / 2, 1.0])
    t = torch.cat([edges[:4], torch.linspace(1e-3, 1 - 1e-3, 999), edges[4:]])
    for weight in (
        path.alpha,
        path.sigma,
        path.network_time,
        *(lambda t, i=i: path.velocity_weights(t)[i] for i in (0, 1)),
    ):
        assert weight(t).isfinite().all()
    assert (path.alpha(t).diff() >= 0).all() and (path.sigma(t).diff() <= 0).all()
    middle = t[4:-3]
    torch.testing.assert_close(path.alpha(middle).double(), path.alpha(middle.double()), rtol=1e-4, atol=0)
    torch.testing.assert_close(path.sigma(middle).double(), path.sigma(middle.double()), rtol=1e-4, atol=0)


def test_float32_steps_land_on_their_own_table_entry() -> None:
    """A step's time computed in float32 may lie a rounding error below it, where β is the neighbour's."""
    path, grid = LinearBetaPath(), torch.arange(1000, dtype=torch.float64) / 1000
    torch.testing.assert_close(path.log_alpha_bar(grid.float()).double(), path.log_alpha_bar(grid), rtol=1e-6, atol=0)


@every_path
def test_velocity_target_points_along_the_path(path: Path) -> None:
    """The derivatives of α and σ, here autograd's, have the target's weights for their ratio and signs."""
    a, b = path.velocity_weights(INTERIOR)
    t = INTERIOR.clone().requires_grad_()
    alpha_dot, sigma_dot = (torch.autograd.grad(weight(t).sum(), t)[0] for weight in (path.alpha, path.sigma))
    torch.testing.assert_close(a * sigma_dot, b * alpha_dot, rtol=1e-9, atol=1e-12)
    assert (a * alpha_dot > 0).all()
    if isinstance(path, VariancePreservingPath):
        torch.testing.assert_close(path.alpha(INTERIOR) ** 2 + path.sigma(INTERIOR) ** 2, torch.ones_like(INTERIOR))
        torch.testing.assert_close(a**2 + b**2, torch.ones_like(a))


@every_path
@every_kind
def test_conversions_recover_both_ends(path: Path, kind: Parametrisation) -> None:
    x0, x1 = torch.randn(2, len(INTERIOR), 3, 2, dtype=torch.float64)
    x_t = path.interpolate(x0, x1, INTERIOR)
    found = path.ends(kind, path.target(kind, x0, x1, INTERIOR), x_t, INTERIOR)
    torch.testing.assert_close(found.x0, x0, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(found.x1, x1, rtol=1e-7, atol=1e-7)


@every_path
@every_kind
def test_every_output_is_consistent_with_x_t_and_converts_to_every_other(path: Path, kind: Parametrisation) -> None:
    """Any network output, not only an exact one, is the target of the ends it implies, in each parametrisation."""
    output, x_t = torch.randn(2, len(INTERIOR), 3, 2, dtype=torch.float64)
    ends = path.ends(kind, output, x_t, INTERIOR)
    torch.testing.assert_close(path.interpolate(*ends, INTERIOR), x_t)
    for other in PARAMETRISATIONS:
        again = path.ends(other, path.target(other, *ends, INTERIOR), x_t, INTERIOR)
        torch.testing.assert_close(path.target(kind, *again, INTERIOR), output, rtol=1e-5, atol=1e-5)


@every_path
def test_data_can_be_replaced_while_x_t_stays(path: Path) -> None:
    x_t, x1 = torch.randn(2, len(INTERIOR), 3, 2, dtype=torch.float64)
    changed = path.with_data(x1, x_t, INTERIOR)
    assert torch.equal(changed.x1, x1)
    torch.testing.assert_close(path.interpolate(*changed, INTERIOR), x_t)


def test_v_of_diffusion_is_the_papers_with_its_sign_turned() -> None:
    """Salimans & Ho: v = α·ε − σ·x."""
    path = SquaredCosinePath()
    noise, data = torch.randn(2, len(INTERIOR), 1, 1, dtype=torch.float64)
    theirs = path.alpha(INTERIOR)[:, None, None] * noise - path.sigma(INTERIOR)[:, None, None] * data
    torch.testing.assert_close(path.target("v", noise, data, INTERIOR), -theirs)


@pytest.mark.parametrize("path", [SquaredCosinePath, LinearBetaPath])
@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_schedule_of_too_few_steps_is_refused(path: type[VariancePreservingPath], steps: int) -> None:
    with pytest.raises(ValueError, match=rf"objective\.path\.num_train_steps = {steps}: must be at least 2"):
        path(num_train_steps=steps)
    assert path(num_train_steps=2).sigma(torch.linspace(0, 1, 5)).isfinite().all()


@pytest.mark.parametrize(
    ("start", "end"), [(0.0, 0.0), (0.0, 0.02), (-0.1, 0.02), (0.03, 0.02), (1e-4, 1.0), (1e-4, 1.5), (math.nan, 0.02)]
)
def test_a_schedule_without_noise_or_data_is_refused(start: float, end: float) -> None:
    message = (
        f"objective.path.beta_start = {start}, objective.path.beta_end = {end}: must be 0 < beta_start <= beta_end < 1"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        LinearBetaPath(beta_start=start, beta_end=end)


def test_the_noise_of_every_step_may_be_the_same() -> None:
    path = LinearBetaPath(10, 0.1, 0.1)
    steps = torch.arange(11, dtype=torch.float64)
    torch.testing.assert_close(path.alpha_bar(1 - steps / 10), 0.9**steps)


@pytest.mark.parametrize("name", ALL_PATHS)
@pytest.mark.parametrize("steps", [1, 2, 10, 100, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_grids_go_from_noise_to_data_and_never_ask_at_the_data(name: str, steps: int, dtype: torch.dtype) -> None:
    path, like = ALL_PATHS[name], torch.zeros(1, dtype=dtype)
    for times in (path.grid(steps, like), path.smooth_grid(steps, like)):
        assert times.shape == (steps + 1,) and times.dtype == dtype
        assert times[0] == 0 and times[-1] == 1 and (times.diff() > 0).all()
        assert (path.sigma(times[:-1]) > 0).all() and (path.sigma(times).diff() < 1e-6).all()


@pytest.mark.parametrize("name", ["straight", "squared_cosine", "diffusers"])
def test_a_grid_that_policies_were_saved_with_stays(name: str) -> None:
    """Even in t to the last bit, in the precision that is asked for."""
    for steps in (1, 5, 8, 10):
        found = ALL_PATHS[name].grid(steps, torch.zeros(1))
        assert torch.equal(found, torch.linspace(0, 1, steps + 1))


@pytest.mark.parametrize("name", [name for name in ALL_PATHS if name != "straight"])
def test_the_smooth_grid_is_a_power_in_the_angle(name: str) -> None:
    path = ALL_PATHS[name]
    times = path.smooth_grid(12, torch.zeros(1, dtype=torch.float64))
    angle = torch.atan2(path.sigma(times), path.alpha(times))
    expected = angle[0] * (torch.arange(12, -1, -1, dtype=torch.float64) / 12) ** 1.5
    torch.testing.assert_close(angle, expected, rtol=0, atol=1e-5 if "diffusers" in name else 1e-9)
    assert torch.equal(path.smooth_grid(12, torch.zeros(1)), times.float())


def test_the_linear_schedule_is_sampled_where_its_data_is() -> None:
    """Even in t, more than half of ten steps have less than a third of the data in x_t and the last begins at σ > 0.3."""
    path, like = LinearBetaPath(), torch.zeros(1, dtype=torch.float64)
    even, served = torch.linspace(0, 1, 11, dtype=torch.float64), path.grid(10, like)
    assert (path.alpha(even) < 1 / 3).sum() > 5 and path.sigma(even[-2]) > 0.3
    assert (path.alpha(served) < 1 / 3).sum() < 4 and path.sigma(served[-2]) < 0.06
    assert torch.equal(served, path.smooth_grid(10, like))


def times_of_steps(count: int, horizon: int) -> torch.Tensor:
    """(count, horizon), as apart from step to step as from sample to sample."""
    return INTERIOR[torch.randint(len(INTERIOR), (count, horizon))]


@pytest.mark.parametrize("path", ALL_PATHS.values(), ids=ALL_PATHS)
@every_kind
def test_times_of_steps_are_times_of_samples_step_by_step(path: Path, kind: Parametrisation) -> None:
    """Whatever takes a time for each sample (B,) gives for (B, H) what each step would give alone."""
    x0, x1, x_t, output = torch.randn(4, 5, 6, 2, dtype=torch.float64)
    t = times_of_steps(5, 6)
    whole = {
        "interpolate": path.interpolate(x0, x1, t),
        "target": path.target(kind, x0, x1, t),
        "ends": torch.cat(path.ends(kind, output, x_t, t), -1),
        "with_data": torch.cat(path.with_data(x1, x_t, t), -1),
        "network_time": path.network_time(t),
    }
    for step in range(6):
        one, at = slice(step, step + 1), t[:, step]
        alone = {
            "interpolate": path.interpolate(x0[:, one], x1[:, one], at),
            "target": path.target(kind, x0[:, one], x1[:, one], at),
            "ends": torch.cat(path.ends(kind, output[:, one], x_t[:, one], at), -1),
            "with_data": torch.cat(path.with_data(x1[:, one], x_t[:, one], at), -1),
            "network_time": path.network_time(at)[:, None],
        }
        for name, value in alone.items():
            torch.testing.assert_close(whole[name][:, one], value, rtol=1e-12, atol=1e-12, msg=name)


@pytest.mark.parametrize("path", ALL_PATHS.values(), ids=ALL_PATHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_whose_time_is_that_of_the_data_are_the_data(path: Path, dtype: torch.dtype) -> None:
    x0, x1 = torch.randn(2, 5, 6, 2, dtype=dtype)
    t = times_of_steps(5, 6).to(dtype)
    t[:, :2] = 1
    x_t = path.interpolate(x0, x1, t)
    assert torch.equal(x_t[:, :2], x1[:, :2])
    assert not torch.isclose(x_t[:, 2:], x1[:, 2:], atol=1e-3).all()


@pytest.mark.parametrize("path", ALL_PATHS.values(), ids=ALL_PATHS)
def test_the_time_of_a_ratio_has_that_ratio(path: Path) -> None:
    wanted = torch.logspace(-2, math.log10(50), 200, dtype=torch.float64)
    t = path.time_at(wanted)
    # Paths of steps take a time next to a step for the step: within a thousandth of a step's length.
    torch.testing.assert_close(
        path.sigma(t) / path.alpha(t), wanted, rtol=1e-6 if path == PATHS.get("straight") else 4e-3, atol=0
    )
    assert (t.diff() < 0).all() and (t > 0).all() and (t < 1).all()


@pytest.mark.parametrize("path", [PATHS["straight"], PATHS["squared_cosine"]], ids=["straight", "squared_cosine"])
def test_the_time_of_a_ratio_is_that_of_the_closed_form(path: Path) -> None:
    s = torch.logspace(-6, 2, 60, dtype=torch.float64)
    c = math.pi / 2 / 1.008
    exact = 1 / (1 + s) if path == PATHS["straight"] else torch.asin(math.sin(c) / (1 + s**2).sqrt()) / c
    torch.testing.assert_close(path.time_at(s), exact, rtol=0, atol=1e-12)
    torch.testing.assert_close(Path.time_at(path, s), exact, rtol=0, atol=1e-12)


def test_more_noise_than_a_path_has_is_where_it_begins() -> None:
    short = LinearBetaPath(num_train_steps=100)
    torch.testing.assert_close(
        short.time_at(torch.tensor([1e3], dtype=torch.float64)), torch.zeros(1, dtype=torch.float64)
    )
