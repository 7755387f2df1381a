"""What a part says when it is given fields that are not legal."""

from collections.abc import Callable

import pytest


def refusal(make: Callable[..., object], **fields: object) -> str:
    """The message of the ValueError that `make` raises for these fields."""
    with pytest.raises(ValueError) as error:
        make(**fields)
    return str(error.value)
