"""Training times: the stated densities, inside [0, 1], with less variance than independent draws."""

import pytest
import torch
from scipy import stats

from lerobot_dp_plus.objectives import BetaTimes, LogitNormalTimes, TimeDensity, UniformTimes
from lerobot_dp_plus.paths import LinearBetaPath, SquaredCosinePath, StraightPath

CPU = torch.device("cpu")
DENSITIES = [
    (UniformTimes(), stats.uniform.cdf),
    # π0's u = (s − t)/s ~ Beta(a, 1).
    (BetaTimes(), lambda t: stats.beta(1.5, 1).sf(1 - t / 0.999)),
    (BetaTimes(3.0, 0.9), lambda t: stats.beta(3.0, 1).sf(1 - t / 0.9)),
    (LogitNormalTimes(), lambda t: stats.norm.cdf(stats.logistic.ppf(t))),
    (LogitNormalTimes(-0.4, 1.7), lambda t: stats.norm(-0.4, 1.7).cdf(stats.logistic.ppf(t))),
]
every_density = pytest.mark.parametrize("density", [density for density, _ in DENSITIES], ids=str)


@pytest.mark.parametrize(("density", "cdf"), DENSITIES, ids=lambda v: str(v) if isinstance(v, TimeDensity) else "")
@pytest.mark.parametrize("batch", [1, 64])
def test_draws_follow_the_stated_density(density: TimeDensity, cdf, batch: int) -> None:
    """Batches of one are independent draws; those of 64 show that the strata do not change the density."""
    draws = torch.cat([density.draw(batch, CPU) for _ in range(4096 // batch)])
    assert stats.kstest(draws.double().numpy(), cdf).pvalue > 0.01


def test_the_test_can_tell_densities_apart() -> None:
    draws = torch.cat([BetaTimes(1.3).draw(1, CPU) for _ in range(4096)]).double().numpy()
    assert stats.kstest(draws, DENSITIES[1][1]).pvalue < 1e-3


@every_density
def test_strata_reduce_the_variance_of_a_batch(density: TimeDensity) -> None:
    batches = torch.stack([density.draw(32, CPU) for _ in range(300)])
    assert batches.mean(1).var() < 0.05 * batches.var() / 32


@every_density
def test_one_draw_a_stratum(density: TimeDensity) -> None:
    edges = density.quantile(torch.arange(9) / 8).sort().values
    draws = density.draw(8, CPU).sort().values
    assert (edges[:-1] - 1e-6 <= draws).all() and (draws <= edges[1:] + 1e-6).all()


@every_density
@pytest.mark.parametrize(
    "path", [StraightPath(), SquaredCosinePath(), LinearBetaPath()], ids=lambda p: type(p).__name__
)
def test_even_the_extreme_draws_are_harmless(density: TimeDensity, path) -> None:
    """float32 rounds (B − 1 + jitter)/B up to 1: a time there must still lie on the path, short of the data, where nothing is left to learn."""
    below_one = 1 - torch.finfo(torch.float32).eps / 2
    t = density.quantile(torch.tensor([0.0, torch.finfo(torch.float32).tiny, below_one, 1.0]))
    assert t.dtype == torch.float32 and ((t >= 0) & (t < 1)).all()
    x0, x1 = torch.randn(2, 4, 3, 2)
    assert path.interpolate(x0, x1, t).isfinite().all() and path.target("v", x0, x1, t).isfinite().all()
    assert path.network_time(t).isfinite().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BetaTimes(a=0), r"objective\.times\.a = 0: must be positive"),
        (lambda: BetaTimes(cutoff=1.5), r"objective\.times\.cutoff = 1.5: must be in \(0, 1\]"),
        (lambda: LogitNormalTimes(std=0), r"objective\.times\.std = 0: must be positive"),
    ],
)
def test_illegal_values_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
