"""What tests of compiled sampling share."""

from collections.abc import Iterator

import pytest
import torch._inductor.config


@pytest.fixture
def processor_believed() -> Iterator[None]:
    """Inductor believes what the processor says it can do. To try it takes longer than all the rest of a compilation.

    Inductor's own `patch` sets it and puts it back. `monkeypatch` cannot: it leaves the setting hidden for all that follow.
    """
    with torch._inductor.config.patch({"cpp.vec_isa_ok": True}):
        yield
