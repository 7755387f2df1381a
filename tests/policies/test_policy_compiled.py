"""The compiled sampler: equal chunks, live weights, nothing in the state dict, and a way out where it cannot work."""

import logging

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from several import KINDS, acting
from tiny import ENV_STATE, IMAGES, STATE, as_one_graph, config, frame, noise, policy, trained, window

from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.auxiliary.state_estimation import Regression
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.energies import Energies, Goal
from lerobot_dp_plus.guidance import Gradient
from lerobot_dp_plus.heads import compiled
from lerobot_dp_plus.heads.compiled import MAX_GRAPHS, Compiled
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies.candidates import propose
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.refinement import GradientSteps
from lerobot_dp_plus.samplers import Ancestral, DPMpp2M, Heun
from lerobot_dp_plus.selection import LowestEnergy


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


def moved_from_the_start(made):
    """Weights no longer zero anywhere, an average that is not them, and some ends of episodes."""
    generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
    with torch.no_grad():
        for model in (made.model, made.ema.module):
            for weight in model.parameters():
                weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
            width = len(model.auxiliary.dynamics.ends.mean)
            model.auxiliary.dynamics.ends.gather(torch.randn(5, width, generator=generator))
    return made.eval()


def chunks_of(made, seen, drawn):
    """What a robot would execute, of a fresh episode."""
    made.reset()
    return made.predict_action_chunk(seen, noise=drawn)


@pytest.mark.usefixtures("processor_believed")
def test_a_real_graph_gives_equal_chunks_and_follows_the_weights(said, tmp_path, monkeypatch):
    """One compilation for everything, as it takes a while: a state read off a picture, two network calls, the second of
    them behind a correction, and a choice by what is foreseen."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    fields = {
        "inputs": {**STATE, **ENV_STATE, **IMAGES},
        "network": TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=8),
        "sampler": DPMpp2M(num_steps=2),
        "image_encoder": SmallCnnConfig(width=16, crop_ratio=1.0, num_keypoints=8, feature_dim=32),
        "state_estimation": Regression(samples=2),
        "dynamics": Outcome(steps=6, dim=16, depth=1),
        "selection": LowestEnergy(num_candidates=3),
    }
    eager, successor = (moved_from_the_start(policy(**fields)) for _ in range(2))
    fast = policy(**fields, compile_sampler=True).eval()
    fast.load_state_dict(eager.state_dict())
    seen, drawn = frame(eager.config), torch.randn(3, 3, 8, 2)
    expected = chunks_of(eager, seen, drawn)
    torch.testing.assert_close(chunks_of(fast, seen, drawn), expected, rtol=1e-5, atol=1e-5)
    assert [line.split(" in ")[0] for line in said()] == ["sampler compiled"], "compiled, not fallen back"

    with torch.no_grad():  # as an update of the average does
        for one, other in zip(eager.ema.module.parameters(), fast.ema.module.parameters(), strict=True):
            one.mul_(1.2)
            other.mul_(1.2)
    moved = chunks_of(eager, seen, drawn)
    assert not torch.allclose(moved, expected, atol=1e-3)
    torch.testing.assert_close(chunks_of(fast, seen, drawn), moved, rtol=1e-5, atol=1e-5)

    fast.load_state_dict(successor.state_dict())  # as loading does
    with torch.inference_mode():  # as LeRobot's eval
        torch.testing.assert_close(
            chunks_of(fast, seen, drawn), chunks_of(successor, seen, drawn), rtol=1e-5, atol=1e-5
        )

    assert len(said()) == 1, "one graph served every weight and inference mode"
    assert fast.state_dict().keys() == eager.state_dict().keys()
    assert not any("_orig_mod" in key for key in fast.state_dict())


def off_by(monkeypatch, wrong):
    """Compilation replaced by something whose chunks are off by what `wrong` gives."""
    monkeypatch.setattr(
        compiled,
        "graph",
        lambda propose: lambda *arguments: Candidates(propose(*arguments).chunks + wrong()),
    )


@pytest.fixture
def counted(monkeypatch):
    """Compilation replaced by a count, for what is decided around it."""
    calls = []
    monkeypatch.setattr(compiled, "graph", lambda propose: lambda *arguments: calls.append(1) or propose(*arguments))
    return calls


PLACE = {"observation.state": PolicyFeature(FeatureType.STATE, (2,))}
GOAL = Energies(goal=Goal(weight=1, target=(0.2, -0.1)))
STEERED = {name: KINDS[name] for name in ("energies that guide", "rules that are kept", "a contrast")} | {
    "dynamics and estimated states": KINDS["dynamics and estimated states"],
    "a gradient through the network": {
        "energies": GOAL,
        "guidance": Gradient(strength=0.05, inner_steps=2, jacobian=True),
    },
    "refined candidates": {
        "energies": GOAL,
        "refinement": GradientSteps(steps=2, step=0.1, reach=0.3, of="candidates"),
        "selection": LowestEnergy(num_candidates=2, energy="total"),
    },
    "mirrored candidates": {
        "inputs": PLACE,
        "augmentation": PushTMirror(),
        "symmetrise": True,
        "energies": GOAL,
        "guidance": Gradient(strength=0.05),
        "selection": LowestEnergy(num_candidates=2, energy="total"),
    },
}


@pytest.mark.parametrize("kind", STEERED)
def test_what_steers_is_one_graph(said, monkeypatch, kind):
    monkeypatch.setattr(compiled, "graph", as_one_graph)
    torch._dynamo.reset()
    made = acting(**STEERED[kind])
    seen = {key: torch.rand(2, *shape) for key, shape in made.config.observed_features.items()}
    drawn = torch.randn(2, made.config.selection.candidates, made.config.horizon, 2)
    eager = made.predict_action_chunk(seen, noise=drawn)
    made._propose = Compiled(propose)
    made.reset()
    made.predict_action_chunk(seen, noise=drawn)  # the first one is uncompiled
    made.reset()
    torch.testing.assert_close(made.predict_action_chunk(seen, noise=drawn), eager, rtol=1e-4, atol=1e-4)
    assert len(said()) == 1 and "compiled in" in said()[0]


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (
            torch._inductor.exc.InductorError(RuntimeError("No working C++ compiler found"), "cpp"),
            "No working C++ compiler found",
        ),
        (AssertionError(), "AssertionError"),  # Inductor's CUDA graphs in a thread of the caller's
        (
            torch._dynamo.exc.BackendCompilerFailed("inductor", AttributeError("config.cpp.cxx does not exist"), None),
            "AttributeError: config.cpp.cxx does not exist",
        ),
        (RuntimeError("\nCUDA error: operation not permitted when stream is capturing"), "CUDA error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("first", [True, False], ids=["at first", "later"])
def test_where_it_fails_sampling_goes_on_with_one_warning(said, counted, monkeypatch, error, named, first):
    eager, fast = twins()
    seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
    if not first:
        assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn)) and len(counted) == 1

    def fails(*_):
        raise error

    monkeypatch.setattr(compiled, "graph", lambda propose: fails)
    for _ in range(2):
        assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn))
    warnings = [line for line in said() if "uncompiled" in line]
    assert len(warnings) == 1 and named in warnings[0] and "compile_sampler" in warnings[0]


def test_errors_of_the_input_do_not_switch_it_off(said, counted):
    eager, fast = twins()
    seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
    with pytest.raises(ValueError, match=r"observation.state has shape \(3, 2, 3\)"):
        fast.sample({key: value[..., :-1] for key, value in seen.items()}, drawn)
    assert not said() and not counted
    assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn)) and len(counted) == 1


def test_torch_reports_a_missing_compiler_as_expected(said, tmp_path, monkeypatch):
    """The same with torch's own error, from a search that finds nothing."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._inductor.cpp_builder.cpp_compiler_search.cache_clear()
    torch._dynamo.reset()
    try:
        eager, fast = twins(network=TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=4))
        seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
        with torch._inductor.config.patch({"cpp.cxx": ("no_such_compiler",)}):
            assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn))
    finally:
        torch._inductor.cpp_builder.cpp_compiler_search.cache_clear()
        torch._dynamo.reset()
    assert len(said()) == 1 and "uncompiled" in said()[0]


@pytest.mark.parametrize(("error", "named"), [(0.01, "1.0e-02"), (float("nan"), "nan")])
def test_a_graph_that_computes_something_else_is_not_used(said, monkeypatch, error, named):
    eager, fast = twins()
    off_by(monkeypatch, lambda: error)
    seen, drawn = window([frame(eager.config)] * 2), noise(eager.config)
    for _ in range(2):
        assert torch.equal(fast.sample(seen, drawn), eager.sample(seen, drawn))
    assert len(said()) == 1 and f"chunk differs by {named}" in said()[0]


def test_where_products_are_rounded_results_may_differ_by_so_much(said, monkeypatch):
    """A real graph under bfloat16 (`--policy.use_amp=true`) was seen to differ by 0.004."""
    wrong = 0.004
    off_by(monkeypatch, lambda: wrong)
    _, fast = twins()
    seen, drawn = window([frame(fast.config)] * 2), noise(fast.config)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast.sample(seen, drawn)
        assert ["compiled in" in line for line in said()] == [True]
        fast.sample(window([frame(fast.config, batch_size=1)] * 2))
        assert ["compiled in" in line for line in said()] == [True, True]
        wrong = 0.1
        fast.sample(window([frame(fast.config, batch_size=2)] * 2))
    assert "differs by" in said()[2]


def test_a_graph_made_under_another_precision_is_looked_at_again(said, counted):
    _, fast = twins()
    seen, drawn = window([frame(fast.config)] * 2), noise(fast.config)
    fast.sample(seen, drawn)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast.sample(seen, drawn)
    assert len(said()) == 2 and len(counted) == 2


def test_energies_are_compared_too_and_where_they_are_large_relative(said, monkeypatch):
    wrong = torch.zeros(1, 3)
    true = Candidates(torch.zeros(1, 3, 8, 2), {"end": torch.full((1, 3), 1000.0)})

    def propose(*_):
        return true

    monkeypatch.setattr(
        compiled, "graph", lambda _: lambda *_: true._replace(energies={"end": true.energies["end"] + wrong})
    )
    made = policy()
    recipe = Recipe.of(made.config)
    seen, drawn = window([frame(made.config, batch_size=1)] * 2), torch.zeros(1, 3, 8, 2)
    wrong += 0.5
    assert torch.equal(Compiled(propose)(made.model, recipe, seen, drawn).energies["end"], true.energies["end"] + 0.5)
    wrong += 1
    assert torch.equal(Compiled(propose)(made.model, recipe, seen, drawn).energies["end"], true.energies["end"])
    assert ["compiled in" in line for line in said()] == [True, False] and "energy 'end' differs by 1.5e-03" in said()[
        1
    ]


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
    assert loaded.config.compile_sampler and isinstance(loaded._propose, Compiled)
