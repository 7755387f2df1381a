"""How far a measured success rate can be from the true one."""

from scipy.stats import binomtest


def wilson_interval(successes: int, episodes: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a success probability (Wilson 1927), as fractions in [0, 1].

    With k successes in n episodes, p̂ = k/n and z the normal quantile:

        (p̂ + z²/2n ± z·√(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n)

    Raises:
        ValueError: no episodes, or successes outside 0…episodes.
    """
    if episodes < 1 or not 0 <= successes <= episodes:
        raise ValueError(
            f"successes={successes}, episodes={episodes}: expected 0 ≤ successes ≤ episodes, episodes ≥ 1."
        )
    interval = binomtest(successes, episodes).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


def wilson_percent(successes: int, episodes: int) -> tuple[float, float]:
    """The 95 % interval of `wilson_interval`, in percent; raises as it does."""
    low, high = wilson_interval(successes, episodes)
    return 100 * low, 100 * high
