"""What a field may hold is checked, and the message names the field, its value and what is legal."""

from types import SimpleNamespace

import pytest

from lerobot_dp_plus.legal import at_least, positive


def test_what_is_legal_passes() -> None:
    at_least("network", SimpleNamespace(dim=1, depth=3), dim=1, depth=1)
    positive("network", SimpleNamespace(std=1e-9), "std")


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_what_is_not_is_named(value: float) -> None:
    part = SimpleNamespace(dim=4, depth=value)
    with pytest.raises(ValueError, match=rf"^network\.depth = {value}: must be at least 1$"):
        at_least("network", part, dim=1, depth=1)
    with pytest.raises(ValueError, match=rf"^network\.depth = {value}: must be positive$"):
        positive("network", part, "dim", "depth")
