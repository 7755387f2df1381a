"""The compiled sampler: equal chunks, live weights, nothing in the state dict, and a way out where it cannot work."""

import logging

import pytest
import torch
from tiny import config, frame, noise, policy, trained, window

from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.policies import compiled
from lerobot_dp_plus.policies.compiled import MAX_GRAPHS, CompiledDraw, draw_chunks
from lerobot_dp_plus.samplers import Ancestral, DPMpp2M, Heun


@pytest.fixture
def said(caplog):
    """Messages of the module, each once; LeRobot's scripts empty the root logger, where pytest listens."""
    logger = logging.getLogger(compiled.__name__)
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    yield lambda: [r.getMessage() for r in {id(r): r for r in caplog.records}.values() if r.name == logger.name]
    logger.removeHandler(caplog.handler)


def twins(**fields):
    """The same weights twice: uncompiled and compiled."""
    eager = trained(**fields)
    fast = policy(**fields, compile_sampler=True).eval()
    fast.load_state_dict(eager.state_dict())
    return eager, fast


def test_a_real_graph_gives_equal_chunks_and_follows_the_weights(said, tmp_path, monkeypatch):
    """One compilation for everything, as it takes a while: two network calls, the second of them behind a correction."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    small = TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=8)
    eager, fast = twins(network=small, sampler=DPMpp2M(num_steps=2))
    seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
    expected = eager.sample(seen, drawn)
    torch.testing.assert_close(fast.sample(seen, drawn), expected, rtol=1e-5, atol=1e-5)
    assert [line.split(" in ")[0] for line in said()] == ["sampler compiled"], "compiled, not fallen back"

    with torch.no_grad():  # as an update of the average does
        for one, other in zip(eager.ema.module.parameters(), fast.ema.module.parameters(), strict=True):
            one.mul_(1.2)
            other.mul_(1.2)
    moved = eager.sample(seen, drawn)
    assert not torch.allclose(moved, expected, atol=1e-3)
    torch.testing.assert_close(fast.sample(seen, drawn), moved, rtol=1e-5, atol=1e-5)

    other = trained(network=small, sampler=DPMpp2M(num_steps=2))
    fast.load_state_dict(other.state_dict())  # as loading does
    with torch.inference_mode():  # as LeRobot's eval
        torch.testing.assert_close(fast.sample(seen, drawn), other.sample(seen, drawn), rtol=1e-5, atol=1e-5)

    assert len(said()) == 1, "one graph served every weight and inference mode"
    assert fast.state_dict().keys() == eager.state_dict().keys()
    assert not any("_orig_mod" in key for key in fast.state_dict())


@pytest.fixture
def counted(monkeypatch):
    """Compilation replaced by a count, for what is decided around it."""
    calls = []
    monkeypatch.setattr(compiled, "_on_cpu", lambda *arguments: calls.append(1) or draw_chunks(*arguments))
    return calls


def test_without_a_compiler_it_goes_on_with_one_warning(said, monkeypatch):
    eager, fast = twins()

    def fails(*_):
        raise torch._inductor.exc.InductorError(RuntimeError("No working C++ compiler found"), "cpp")

    monkeypatch.setattr(compiled, "_on_cpu", fails)
    seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
    for _ in range(2):
        assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn))
    warnings = said()
    assert len(warnings) == 1 and "No working C++ compiler" in warnings[0] and "compile_sampler" in warnings[0]


def test_torch_reports_a_missing_compiler_as_expected(said, tmp_path, monkeypatch):
    """The same with torch's own error, from a search that finds nothing."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no_such_compiler",))
    torch._inductor.cpp_builder.cpp_compiler_search.cache_clear()
    torch._dynamo.reset()
    try:
        eager, fast = twins(network=TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=4))
        seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
        assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn))
    finally:
        torch._inductor.cpp_builder.cpp_compiler_search.cache_clear()
        torch._dynamo.reset()
    assert len(said()) == 1 and "uncompiled" in said()[0]


def test_a_graph_that_computes_something_else_is_not_used(said, monkeypatch):
    eager, fast = twins()
    monkeypatch.setattr(compiled, "_on_cpu", lambda *arguments: draw_chunks(*arguments) + 0.01)
    seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
    for _ in range(2):
        assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn))
    assert len(said()) == 1 and "differs by 1.0e-02" in said()[0]


def test_stochastic_samplers_stay_eager(counted):
    eager, fast = twins(sampler=Ancestral(num_steps=3))
    seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
    assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn)) and not counted


def test_a_graph_per_shape_and_no_more_than_allowed(said, counted):
    made = policy(compile_sampler=True, sampler=Heun(num_steps=2)).eval()
    for size in (1, 2, 1, 2):
        made.reset()
        made.select_action(frame(made.config, batch_size=size))
    assert len(counted) == 4 and len(said()) == 2
    for size in range(1, MAX_GRAPHS + 2):
        made.sample(window([frame(made.config, batch_size=size)] * 2))
    made.sample(window([frame(made.config, batch_size=MAX_GRAPHS + 2)] * 2))
    lines = said()
    assert len(lines) == MAX_GRAPHS + 1 and f"{MAX_GRAPHS} shapes" in lines[-1], "said once"
    before = len(counted)
    made.sample(window([frame(made.config, batch_size=1)] * 2))
    assert len(counted) == before + 1, "what is compiled stays so"


def test_the_flag_is_off_by_default_and_travels_with_a_checkpoint(tmp_path):
    assert not config().compile_sampler
    fast = policy(compile_sampler=True)
    fast.save_pretrained(tmp_path)
    loaded = type(fast).from_pretrained(tmp_path)
    assert loaded.config.compile_sampler and isinstance(loaded._draw, CompiledDraw)
