"""Generative robot policies for LeRobot: distributions over chunks of actions, learned from demonstrations.

`load_policy` gives a trained policy with its processors (`policies/acting.py`). `DpPlusPolicy` is the class of every policy of
this package (`policies/policy.py`). Both are imported when asked for, as torch and LeRobot take seconds.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

#: What the package offers, and where it is.
OFFERS = {
    "load_policy": "lerobot_dp_plus.policies.acting",
    "DpPlusPolicy": "lerobot_dp_plus.policies.policy",
}


def __getattr__(name: str) -> Any:
    if name not in OFFERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(OFFERS[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *OFFERS]
