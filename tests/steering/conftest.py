"""The policy that comes along, steered in PushT."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lerobot_dp_plus.policies.acting import Loaded, load_switched
from lerobot_dp_plus.steering.session import Session

CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
#: On this seed two ways are open at the start, and more than one candidate leads through the middle of the first.
SEED = 100_058


@pytest.fixture(scope="session")
def loaded() -> Loaded:
    return load_switched(CARD)


@pytest.fixture
def session(loaded: Loaded) -> Iterator[Callable[..., Session]]:
    """Makes sessions, and closes them."""
    made: list[Session] = []

    def begin(way: str = "projection", candidates: int = 24, seed: int = SEED, watch=None) -> Session:
        made.append(Session(loaded, seed, candidates, way, watch))
        return made[-1]

    yield begin
    for each in reversed(made):
        each.close()
