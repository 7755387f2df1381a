"""Guidance by the gradient of an energy, in the dataset's units, whatever mode torch is in."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from gaussian_truth import PATHS
from torch import Tensor

from lerobot_dp_plus import energies
from lerobot_dp_plus.guidance import Gradient, Situation, Smoothness, World
from lerobot_dp_plus.notation import Energy, Prediction, Scene
from lerobot_dp_plus.paths import Path

B, N, H, A = 3, 2, 9, 2
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
MODES = {"plain": nullcontext, "no_grad": torch.no_grad, "inference": torch.inference_mode}
every_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


class Offset:
    """value = offset + scale · normalised."""

    offset, scale = torch.tensor([256.0, -3.0]).double(), torch.tensor([180.0, 0.02]).double()

    def physical(self, actions: Tensor) -> Tensor:
        return self.offset + self.scale * actions

    def normalised(self, actions: Tensor) -> Tensor:
        return (actions - self.offset) / self.scale


UNITS = Offset()


def situation(path: Path, energy: Energy, scene: Scene | None = None, **fields) -> Situation:
    world = World(scene or Scene(), energy, UNITS.physical, UNITS.normalised)
    return Situation(path=path, candidates=N, world=world, **fields)


def some_denoiser(path: Path) -> tuple[Callable[[Tensor, Tensor], Prediction], Tensor, Tensor, Tensor]:
    """(denoiser, x_t, t, its data end), for B observations with N candidates each."""
    x1, x_t = torch.randn(2, B * N, H, A, dtype=torch.float64)
    return lambda x_t, t: path.with_data(x1, x_t, t), x_t, torch.linspace(0.1, 0.9, B * N).double(), x1


@every_path
@every_mode
@pytest.mark.parametrize("fields", [{}, {"bound": 1.0}, {"bound": 1.0, "keep_noise": True}], ids=repr)
def test_the_gradient_of_smoothness_is_its_closed_form_in_any_units(
    path: Path, mode: Callable[[], AbstractContextManager], fields: dict
) -> None:
    with mode():
        denoise, x_t, t, x1 = some_denoiser(path)
        around = situation(path, energy=energies.Smoothness(), **fields)
        found = Gradient(strength=0.08).wrap(denoise, around)(x_t, t)
        expected = Smoothness(strength=0.08).wrap(denoise, around)(x_t, t)
        torch.testing.assert_close(found.x1, expected.x1, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.x0, expected.x0, rtol=1e-7, atol=1e-7)
        assert (found.x1 - x1).abs().max() > 0.1


@every_mode
def test_every_candidate_is_pulled_by_what_its_own_observation_shows(
    mode: Callable[[], AbstractContextManager],
) -> None:
    """E = ½k‖a − o‖² with k and o of the newest state: x₁ ← x₁ − s·k·(x₁ − o), in physical units."""
    path = PATHS["squared_cosine"]

    def to_the_state(chunks: Tensor, scene: Scene) -> Tensor:
        goal, stiffness = (scene.states[key][:, -1, None, None] for key in ("observation.state", "stiffness"))
        assert chunks.shape == (B, N, H, A)
        return (stiffness * (chunks - goal).square()).sum((2, 3)) / 2

    with mode():
        denoise, x_t, t, x1 = some_denoiser(path)
        goal = UNITS.physical(torch.randn(B, 2, A, dtype=torch.float64))
        stiffness = torch.rand(B, 2, 1, dtype=torch.float64)
        scene = Scene({"observation.state": goal, "stiffness": stiffness})
        around = situation(path, energy=to_the_state, scene=scene)
        found = Gradient(strength=0.3).wrap(denoise, around)(x_t, t)
        of_chunks = UNITS.normalised(goal[:, -1]).repeat_interleave(N, 0)[:, None]
        pull = 0.3 * stiffness[:, -1].repeat_interleave(N, 0)[:, None]
        torch.testing.assert_close(found.x1, x1 - pull * (x1 - of_chunks))
        torch.testing.assert_close(path.interpolate(*found, t), x_t)


@every_mode
def test_what_is_bent_can_be_bent_again(mode: Callable[[], AbstractContextManager]) -> None:
    """What comes out is fit for the next call, in each mode: many small steps lead into the limit."""
    path, energy = PATHS["straight"], energies.StayAbove(dimension=0, limit=300.0)
    with mode():
        _, x_t, t, x1 = some_denoiser(path)
        for _ in range(60):
            around = situation(path, energy=energy)
            x1 = Gradient(strength=0.3).wrap(lambda x, t, x1=x1: path.with_data(x1, x, t), around)(x_t, t).x1
        assert (UNITS.physical(x1)[..., 0] > 300 - 1e-4).all()


@every_path
def test_an_energy_falls_by_its_gradient(path: Path) -> None:
    """A small step lowers it by strength · ‖∇E‖²."""
    denoise, x_t, t, x1 = some_denoiser(path)
    energy, scene = energies.StayAbove(dimension=0, limit=300.0), Scene(now=2)
    leaf = UNITS.physical(x1).unflatten(0, (B, N)).requires_grad_()
    before = energy(leaf, scene)
    (gradient,) = torch.autograd.grad(before.sum(), leaf)
    found = Gradient(strength=1e-6).wrap(denoise, situation(path, energy=energy, scene=scene))(x_t, t)
    fall = before - energy(UNITS.physical(found.x1).unflatten(0, (B, N)), scene)
    torch.testing.assert_close(fall, 1e-6 * gradient.square().sum((2, 3)), rtol=1e-4, atol=1e-8)


@every_path
@every_mode
def test_a_strength_of_zero_changes_nothing(path: Path, mode: Callable[[], AbstractContextManager]) -> None:
    with mode():
        denoise, x_t, t, x1 = some_denoiser(path)
        same = World(Scene(), energies.Smoothness(), lambda actions: actions, lambda actions: actions)
        around = Situation(path=path, candidates=N, world=same)
        found = Gradient(strength=0.0).wrap(denoise, around)(x_t, t)
        assert torch.equal(found.x1, x1)
        torch.testing.assert_close(found.x0, denoise(x_t, t).x0)


def test_a_chord_is_bent_as_a_tangent_is() -> None:
    path = PATHS["straight"]
    _, x_t, t, x1 = some_denoiser(path)
    ends = {None: path.with_data(x1, x_t, t), 1.0: path.with_data(x1.flip(1), x_t, t)}

    def flow_map(x: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
        return ends[None if u is None else u[0].item()]

    guidance, around = Gradient(strength=0.08), situation(path, energy=energies.Smoothness())
    jump = guidance.wrap_flow_map(flow_map, around)
    for u, free in ((None, ends[None]), (torch.ones_like(t), ends[1.0])):
        expected = guidance.wrap(lambda x, time, free=free: free, around)(x_t, t)
        torch.testing.assert_close(jump(x_t, t, u).x1, expected.x1)


def test_the_gradient_follows_a_learned_energy_too() -> None:
    """Weights that ask for gradients get none, and stand in nobody's way."""
    path, layer = PATHS["straight"], torch.nn.Linear(A, 1).double()
    with torch.inference_mode():
        denoise, x_t, t, x1 = some_denoiser(path)
        around = situation(path, energy=lambda chunks, scene: layer(chunks).sum((2, 3)))
        found = Gradient(strength=0.01).wrap(denoise, around)(x_t, t)
        expected = UNITS.normalised(UNITS.physical(x1) - 0.01 * layer.weight)
        torch.testing.assert_close(found.x1, expected)
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    "world", [None, World(Scene(), None, UNITS.physical, UNITS.normalised)], ids=["nothing known", "no energy"]
)
def test_without_an_energy_there_is_nothing_to_follow(world: World | None) -> None:
    with pytest.raises(ValueError, match=r"guidance\.type=gradient follows the energies, and none has a weight"):
        Gradient().wrap(lambda x_t, t: Prediction(x_t, x_t), Situation(PATHS["straight"], world=world))
    assert Gradient.needs == {"energy"} and not Smoothness.needs


@pytest.mark.parametrize("strength", [-0.01, float("nan")])
def test_illegal_strengths_are_named(strength: float) -> None:
    with pytest.raises(ValueError, match=rf"guidance\.strength = {strength}: must be at least 0"):
        Gradient(strength)
