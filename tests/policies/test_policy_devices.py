"""On a GPU, without one: torch's fake tensors have a device and no numbers, and refuse what mixes devices.

What a GPU would show beyond this, speed and the CUDA graph's own rules, only a GPU shows.
"""

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from tiny import OBSERVATIONS, PRESETS, build, config, frame, network, training_batch, window
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.auxiliary.state_estimation import Regression
from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.guidance import Smoothness
from lerobot_dp_plus.heads import compiled
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.objectives import DiffusersPath, Diffusion, FlowMatching, Shortcut
from lerobot_dp_plus.paths import LinearBetaPath
from lerobot_dp_plus.policies import policy as policy_module
from lerobot_dp_plus.policies.candidates import propose
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.samplers import DDIM, Euler, Heun, Jump, Sampler
from lerobot_dp_plus.selection import Coherent, Densest, LowestEnergy

GPU = torch.device("cuda", 0)


@pytest.fixture
def elsewhere(monkeypatch) -> Iterator[None]:
    """Tensors are fake, and where Python asks for a number of theirs it is told that all is well."""
    monkeypatch.setattr(Tensor, "item", lambda self: 1.0)
    monkeypatch.setattr(Tensor, "__bool__", lambda self: True)
    monkeypatch.setattr(Tensor, "__int__", lambda self: 0)
    monkeypatch.setattr(Tensor, "__float__", lambda self: 0.0)
    monkeypatch.setattr(policy_module, "drawing_from", lambda stream, device: nullcontext())  # generators are real
    with FakeTensorMode():
        yield


def there(values: dict) -> dict:
    return {key: value.to(GPU) if isinstance(value, Tensor) else value for key, value in values.items()}


def on_gpu(made: DpPlusConfig) -> DpPlusPolicy:
    made.ema = EmaConfig(enabled=False)  # fake tensors are not copied
    with GPU:  # nor moved, as a module would be
        policy = build(made)
    assert {p.device for p in policy.parameters()} == {GPU}
    return policy


def acts(policy: DpPlusPolicy, observed: dict) -> None:
    policy.eval().reset()
    for _ in range(policy.config.n_action_steps + 1):  # a second chunk, which sees the first one's tail
        assert policy.select_action(observed).device == GPU


def test_fake_tensors_do_refuse_to_mix(elsewhere):
    with pytest.raises(RuntimeError, match="two different devices"):
        torch.ones(2, device=GPU) + torch.ones(2)


@pytest.mark.parametrize("kind", OBSERVATIONS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_and_acts(elsewhere, preset, kind):
    policy = on_gpu(config(preset, OBSERVATIONS[kind], network=network(preset))).train()
    loss, _ = policy(there(training_batch(policy.config)))
    assert loss.device == GPU
    acts(policy, there(frame(policy.config)))


@pytest.mark.parametrize(
    "fields",
    [
        {"objective": Shortcut(), "sampler": Jump(num_steps=2)},
        {"objective": Diffusion(prediction="x1"), "sampler": DDIM(num_steps=3), "noise_draws": 2},
        {"sampler": Heun(num_steps=2), "guidance": Smoothness()},
        {"sampler": Euler(num_steps=2), "selection": Coherent(num_candidates=3)},
        {"selection": Densest(num_candidates=3)},
    ],
    ids=lambda fields: "-".join(type(value).__name__ for value in fields.values()),
)
def test_parts_of_every_axis(elsewhere, fields):
    policy = on_gpu(config(**fields)).train()
    policy(there(training_batch(policy.config)))
    acts(policy, there(frame(policy.config)))


@pytest.mark.parametrize("name", [n for n, s in Sampler.get_known_choices().items() if s.needs == {"denoiser"}])
def test_every_sampler(elsewhere, name):
    sampler = Sampler.get_choice_class(name)(num_steps=3)
    policy = on_gpu(config(objective=Diffusion(), sampler=sampler))
    acts(policy, there(frame(policy.config)))


SEEING = {
    "inputs": {**OBSERVATIONS["state"], **OBSERVATIONS["environment state"], **OBSERVATIONS["image"]},
    "state_estimation": Regression(samples=2),
    "dynamics": Outcome(steps=6, dim=16, depth=1),
    "selection": LowestEnergy(num_candidates=3),
    "image_encoder": SmallCnnConfig(width=16, crop_ratio=1.0, num_keypoints=8),
}


def test_foresight_and_perception(elsewhere):
    made = config(**SEEING)
    policy = on_gpu(made).eval()
    ends = policy.model.auxiliary.dynamics.ends
    del ends.count
    ends.count = 5.0  # so many have been seen
    frames = window([frame(made) for _ in made.windows.observations])
    batch = {**frames, "action": torch.rand(3, len(made.windows.actions), 2)}
    batch |= {f"{key}_is_pad": torch.zeros(3, len(made.windows.observations)) for key in made.low_dimensional_features}
    with torch.no_grad():
        assert policy(there(batch))[0].device == GPU
    acts(policy, there(frame(made)))


class Whereabouts(TorchDispatchMode):
    """Notes every operation that has a tensor outside the GPU among what it takes in or gives."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        tensors = [value for value in tree_leaves((args, kwargs, found)) if isinstance(value, Tensor)]
        if any(tensor.device.type != "cuda" for tensor in tensors):
            self.outside.append(str(func))
        return found


@pytest.mark.parametrize(
    "fields",
    [
        *({"network": network(preset), "preset": preset} for preset in PRESETS),
        SEEING,
        {**SEEING, "objective": Shortcut(), "sampler": Jump(num_steps=2)},
        {"objective": FlowMatching(prediction="x1"), "sampler": Euler(num_steps=2)},
        {"objective": Diffusion(path=LinearBetaPath()), "sampler": Heun(num_steps=2), "guidance": Smoothness()},
        {"objective": Diffusion(path=DiffusersPath()), "sampler": DDIM(num_steps=2)},
        {"inputs": OBSERVATIONS["mix"]},
    ],
    ids=lambda fields: "-".join(str(v if isinstance(v, str) else type(v).__name__) for v in fields.values()),
)
def test_what_is_compiled_never_leaves_the_gpu(elsewhere, fields):
    """One tensor elsewhere, a constant copied over for instance, and Inductor makes no CUDA graph and hardly says so."""
    made = config(**fields)
    policy = on_gpu(made).eval()
    seen = there({k: v for k, v in window([frame(made)] * 2).items() if k in made.observed_features})
    noise = torch.randn(3, made.selection.candidates, made.horizon, 2, device=GPU)
    recipe = Recipe.of(made, made.selection.energies)
    with torch.no_grad():
        propose(policy.model, recipe, seen, noise)  # as before compilation: constants are remembered
        with Whereabouts() as whereabouts:
            assert propose(policy.model, recipe, seen, noise).chunks.device == GPU
    assert not whereabouts.outside


@pytest.mark.parametrize("skipped", [0, 1])
def test_what_is_compared_on_a_gpu_is_the_replayed_graph(elsewhere, monkeypatch, caplog, skipped):
    """Not the warm-up before it nor its recording; and where Inductor made no graph, that is said."""
    made = config()
    policy = on_gpu(made).eval()
    runs = []

    def on_gpu_(*arguments: Any) -> Candidates:
        runs.append(len(runs))
        if len(runs) == 1:
            torch._dynamo.utils.counters["inductor"]["cudagraph_skips"] += skipped
        return propose(*arguments)

    monkeypatch.setattr(compiled, "graph", lambda _, mode: on_gpu_)
    monkeypatch.setattr(Tensor, "item", lambda self: 0.0 if len(runs) == 3 else float("nan"))
    logger = logging.getLogger(compiled.__name__)
    monkeypatch.setattr(logger, "propagate", False)
    logger.addHandler(caplog.handler)
    seen = there({k: v for k, v in window([frame(made)] * 2).items() if k in made.observed_features})
    noise = torch.randn(3, 1, made.horizon, 2, device=GPU)
    propose_compiled = compiled.Compiled(propose)
    try:
        for _ in range(2):
            assert propose_compiled(policy.model, Recipe.of(made), seen, noise).chunks.device == GPU
    finally:
        logger.removeHandler(caplog.handler)
    assert len(runs) == 4
    assert ["without a CUDA graph" in r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        True
    ] * skipped
