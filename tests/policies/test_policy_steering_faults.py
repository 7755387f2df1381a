"""Steering with what cannot be: an error that names the field and the way out, or the unsteered chunk with one warning."""

import logging
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus import load_policy, refinement
from lerobot_dp_plus.policies import settling
from lerobot_dp_plus.policies.fitting import MOST
from lerobot_dp_plus.units import ACTION

FOLDER = Path(__file__).parent.parent / "checkpoints" / "format_3" / "dp_plus_transformer"
CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
H, NOW = 8, 1


def no_number(chunks, scene):
    return chunks.sum((2, 3)) * float("nan")


def other_shape(chunks, scene):
    return chunks.sum(3)


def no_tensor(chunks, scene):
    return [0.0]


def flat(chunks, scene):
    return torch.zeros(chunks.shape[:2])


def through_numpy(chunks, scene):
    return torch.as_tensor(chunks.numpy().sum((2, 3)))


def raises(*_):
    raise KeyError("my camera")


def down(chunks, scene):
    """Lower without end."""
    return -chunks.sum((2, 3))


def made_with(function=None, folder: Path = FOLDER, **switches):
    if function is not None:
        path = f"{__name__}:{function.__name__}"
        switches["energies"] = {"function": {"weight": 1, "path": path}, **switches.get("energies", {})}
    return load_policy(folder, device="cpu", **switches)


def frame(made, batch: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(5)
    return {key: torch.rand(batch, *shape) * 2 - 1 for key, shape in made.policy.config.observed_features.items()}


def window(made, batch: int = 3) -> dict[str, Tensor]:
    return {key: value[:, None].expand(-1, 2, *value.shape[1:]) for key, value in frame(made, batch).items()}


@pytest.fixture
def said(caplog):
    settling.tell_once.cache_clear()
    caplog.set_level(logging.WARNING)
    yield lambda: [record.getMessage() for record in caplog.records]
    settling.tell_once.cache_clear()


RANKED = {"selection": {"type": "lowest_energy", "energy": "function", "num_candidates": 4}}
FOLLOWED = {"guidance": {"type": "gradient", "strength": 0.1}}
PUBLISHED = {"guidance": {"type": "diffuser"}, "sampler": {"type": "ancestral", "num_steps": 3}}


def first_action(made) -> None:
    made.policy.reset()
    with torch.inference_mode():
        made.policy.select_action(frame(made))


def test_a_users_energy_that_is_no_number_stops_with_its_name() -> None:
    with pytest.raises(
        FloatingPointError, match=r"the energy function is NaN for 12 of 12 .*energies\.function\.weight=0"
    ):
        first_action(made_with(no_number, **RANKED))
    for switches in (FOLLOWED, PUBLISHED):
        with pytest.raises(FloatingPointError, match="the gradient of the energies is not finite"):
            first_action(made_with(no_number, **switches))


@pytest.mark.parametrize(
    ("function", "switches", "message"),
    [
        (other_shape, RANKED, r"\.path = .*other_shape: it gave shape \(3, 4, 8\).*\(3, 4\)"),
        (no_tensor, RANKED, r"\.path = .*no_tensor: it gave list"),
        (flat, FOLLOWED, r" cannot be differentiated .*guidance\.type=none"),
        (flat, {"refinement": {"type": "gradient"}}, r" cannot be differentiated .*refinement\.type=none"),
        (through_numpy, FOLLOWED, r"\.path = .*through_numpy: it raised RuntimeError: .*numpy"),
        (raises, RANKED, r"\.path = .*raises: it raised KeyError: 'my camera'"),
        (raises, FOLLOWED, r"\.path = .*raises: it raised KeyError: 'my camera'"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_users_energy_that_cannot_serve_stops_with_its_name(function, switches, message) -> None:
    with pytest.raises(ValueError, match=rf"energies\.function{message}"):
        first_action(made_with(function, **switches))


def test_a_users_energy_that_is_no_number_refines_nothing(said, monkeypatch) -> None:
    monkeypatch.setattr(refinement.gradient, "_told", [])
    noise = torch.randn(3, 1, H, 2)
    plain, made = made_with(no_number), made_with(no_number, refinement={"type": "gradient", "steps": 2})
    for each in (plain, made):
        each.policy.reset()
    chunks = [each.policy.predict_action_chunk(window(plain), noise=noise) for each in (plain, made)]
    torch.testing.assert_close(chunks[1], chunks[0], rtol=0, atol=1e-5)
    assert ["is no number after its steps, so they stay" in line for line in said()] == [True]


def test_a_users_selection_that_raises_is_named() -> None:
    made = made_with(selection={"type": "function", "path": f"{__name__}:raises", "num_candidates": 2})
    with pytest.raises(ValueError, match=r"selection\.path = .*raises: it raised KeyError: 'my camera'"):
        made.policy.select_action(frame(made))


@pytest.mark.parametrize("folder", [FOLDER, CARD], ids=["tiny", "pusht"])
@pytest.mark.parametrize("projection", ["none", "kaczmarz"])
def test_obstacles_that_cover_everything_stop_nobody_and_move_nothing_far(folder, projection, said) -> None:
    """The only way out leads beyond everything that was ever demonstrated."""
    rule = {"energies": {"obstacles": {"weight": 1}}, "projection": {"type": projection}}
    made, plain = made_with(folder=folder, **rule), made_with(folder=folder)
    seen, noise = window(made), torch.randn(3, made.policy.config.selection.candidates, H, 2)
    made.policy.obstacles = torch.tensor([[250.0, 250.0, 1e5]])
    for each in (made, plain):
        each.policy.reset()
    chunk = made.policy.predict_action_chunk(seen, noise=noise)
    drawn = plain.policy.sample(seen, noise)[:, :, NOW:]
    assert chunk.isfinite().all()
    torch.testing.assert_close((drawn - chunk[:, None]).abs().amax((2, 3)).amin(1), torch.zeros(3), rtol=0, atol=1e-5)
    made.policy.predict_action_chunk(seen, noise=noise)
    assert sum("no candidate keeps the constraints" in line for line in said()) == 1
    assert sum("further than the data reaches" in line for line in said()) == (projection == "kaczmarz")


def test_rules_that_exclude_each_other_are_not_kept_but_nothing_leaps(said) -> None:
    """To the left of 200, and out of a box that has everything to the left of 300."""
    rules = {"bounds": {"weight": 1, "high": [200, 900]}, "obstacles": {"weight": 1, "boxes": [[-900, -900, 300, 900]]}}
    made = made_with(folder=CARD, energies=rules, projection={"type": "kaczmarz"}, forward={"type": "pusht"})
    made.policy.reset()
    chunk = made.policy.predict_action_chunk(window(made))
    assert chunk.isfinite().all() and chunk.abs().max() < 3.01
    assert (made.policy.chosen.energies["violation"] > 1).all() and len(said()) >= 1


def test_a_start_inside_an_obstacle_is_left_by_ordinary_steps(said) -> None:
    made = made_with(
        folder=CARD,
        energies={"obstacles": {"weight": 1, "clearance": 15}},
        projection={"type": "kaczmarz"},
        forward={"type": "pusht"},
    )
    seen = window(made, 1)
    at = made.policy.model.units.physical("observation.state", seen["observation.state"])[0, -1]
    made.policy.obstacles = torch.tensor([[*(at + 10).tolist(), 25.0]])
    made.policy.reset()
    chunk = made.policy.predict_action_chunk(seen)
    ways = made.policy.model.units.physical(ACTION, chunk)[0]
    assert chunk.isfinite().all() and (ways - at).norm(dim=-1).max() < 700
    assert (ways[-1] - at - 10).norm() > 40 - 1, "and its end is outside"
    assert sum("no candidate keeps the constraints" in line for line in said()) == 1


def test_an_energy_without_an_end_does_not_make_a_chunk_leap(said) -> None:
    noise = torch.randn(3, 1, H, 2)
    made = made_with(down, refinement={"type": "gradient", "steps": 10, "step": 1e4})
    plain = made_with()
    for each in (made, plain):
        each.policy.reset()
    chunks = [each.policy.predict_action_chunk(window(plain), noise=noise) for each in (made, plain)]
    torch.testing.assert_close(*chunks, rtol=0, atol=1e-5)
    assert ["further than the data reaches" in line for line in said()] == [True]


@pytest.mark.parametrize(
    ("energies", "message"),
    [
        (
            {"bounds": {"weight": 1, "low": [0, 2], "high": [1, 1]}},
            r"low = \[0\.0, 2\.0\] and .*high = \[1\.0, 1\.0\] contradict",
        ),
        ({"bounds": {"weight": 1, "low": [math.nan, 0]}}, r"energies\.bounds\.low = .*nan.*: must be numbers"),
        ({"goal": {"weight": 1, "target": [math.nan, 0]}}, r"energies\.goal\.target = .*must be finite numbers"),
        ({"goal": {"weight": 1, "target": [math.inf, 0]}}, r"energies\.goal\.target = .*must be finite numbers"),
        ({"stay_above": {"weight": 1, "limit": math.nan}}, r"energies\.stay_above\.limit = nan: must be finite"),
        ({"obstacles": {"weight": 1, "clearance": math.nan}}, r"energies\.obstacles\.clearance = nan: must be finite"),
        (
            {"obstacles": {"weight": 1, "circles": [[math.nan, 0, 1]]}},
            r"energies\.obstacles\.circles = .*must be finite",
        ),
        ({"obstacles": {"weight": -1}}, r"energies\.obstacles\.weight = -1\.0: must be a number of at least 0"),
        ({"end": {"weight": -1}}, r"energies\.end\.weight = -1\.0: must be a number of at least 0"),
        ({"imitation": {"weight": -1}}, r"energies\.imitation\.weight = -1\.0: must be a number of at least 0"),
    ],
)
def test_terms_that_cannot_be_are_refused_before_use(energies, message) -> None:
    with pytest.raises(ValueError, match=message):
        made_with(energies=energies)


def test_an_infinite_bound_is_no_limit() -> None:
    rule = {"bounds": {"weight": 1, "low": [-math.inf, 0.0], "high": [math.inf, 0.2]}}
    made = made_with(energies=rule, projection={"type": "kaczmarz", "steps": 60})
    found = made.policy.propose(window(made), candidates=3)
    ahead = made.policy.model.units.physical(ACTION, found.chunks)[:, :, NOW:]
    assert (
        (ahead[..., 1] >= -1e-3).all()
        and (ahead[..., 1] <= 0.2 + 1e-3).all()
        and (found.energies["violation"] == 0).all()
    )


@pytest.mark.parametrize(
    ("obstacles", "message"),
    [
        ([[float("nan"), 0.0, 1.0]], "there is a NaN or an infinity"),
        ([[0.0, 0.0, float("inf")]], "there is a NaN or an infinity"),
        ([[0.0, 0.0, -2.0]], "there is the radius -2; must be at least 0"),
        ([[0.0, 0.0]], r"has shape \(1, 2\); must be \(K, 3\)"),
    ],
)
def test_obstacles_that_cannot_be_seen_are_refused(obstacles, message) -> None:
    made = made_with(energies={"obstacles": {"weight": 1}})
    made.policy.obstacles = obstacles
    with pytest.raises(ValueError, match=rf"policy\.obstacles.*{message}"):
        made.policy.select_action(frame(made))


@pytest.mark.parametrize("count", [0, -1, MOST + 1, 10**12])
def test_a_number_of_candidates_that_cannot_be_drawn_is_refused(count: int) -> None:
    made = made_with()
    for name, draw in (
        ("n", lambda: made.policy.candidates(frame(made), count)),
        ("candidates", lambda: made.policy.sample(window(made), candidates=count)),
        ("candidates", lambda: made.policy.propose(window(made), candidates=count)),
    ):
        with pytest.raises(ValueError, match=rf"^{name} = {count}: must be at least 1 and at most {MOST}"):
            draw()
    if count > 0:
        with pytest.raises(
            ValueError, match=rf"selection\.num_candidates = {count}: must be at least 1 and at most {MOST}"
        ):
            made_with(selection={"type": "densest", "num_candidates": count})


def test_what_is_fixed_must_fit() -> None:
    made = made_with()
    for shape in ((3, H + 1, 2), (3, H, 3), (2, H, 2), (3, 1, H, 2)):
        with pytest.raises(ValueError, match=rf"fixed has shape \({', '.join(map(str, shape))}\); must be \(3, 8, 2\)"):
            made.policy.propose(window(made), fixed=torch.zeros(*shape))
    with pytest.raises(ValueError, match="fixed: there is an infinity in it"):
        made.policy.propose(window(made), fixed=torch.full((3, H, 2), math.inf))
    whole = torch.rand(3, H, 2)
    assert torch.equal(
        made.policy.propose(window(made), candidates=2, fixed=whole).chunks, whole[:, None].expand(3, 2, H, 2)
    )


@pytest.mark.parametrize("way", ["guidance", "refinement", "diffuser", "jacobian"])
def test_a_whole_chunk_that_is_fixed_is_steered_nowhere(way: str) -> None:
    switches = {
        "guidance": FOLLOWED,
        "refinement": {"refinement": {"type": "gradient", "of": "candidates"}},
        "diffuser": PUBLISHED,
        "jacobian": {"guidance": {"type": "gradient", "strength": 0.1, "jacobian": True}},
    }[way]
    rules = {"goal": {"weight": 1, "target": [0.0, 0.0]}, "obstacles": {"weight": 1, "circles": [[0.0, 0.0, 0.5]]}}
    made = made_with(energies=rules, projection={"type": "kaczmarz"}, **switches)
    whole = torch.rand(3, H, 2)
    found = made.policy.propose(window(made), candidates=2, fixed=whole).chunks
    assert torch.equal(found, whole[:, None].expand(3, 2, H, 2))


def test_first_state_inpainting_of_diffuser() -> None:
    """The step now is decided, the rest follows and is led; the sampler is that of the paper."""
    rules = {"goal": {"weight": 1, "target": [0.0, 0.0]}}
    made = made_with(
        energies=rules, sampler={"type": "ancestral", "num_steps": 30}, guidance={"type": "diffuser", "strength": 5}
    )
    plain = made_with(sampler={"type": "ancestral", "num_steps": 30})
    fixed = torch.full((3, H, 2), float("nan"))
    fixed[:, NOW] = torch.tensor([0.5, -0.5])
    noise = torch.randn(3, 16, H, 2)
    led, free = (each.policy.propose(window(made), noise, 16, fixed=fixed).chunks for each in (made, plain))
    assert torch.equal(led[:, :, NOW], fixed[:, None, NOW].expand(3, 16, 2))
    assert torch.equal(free[:, :, NOW], led[:, :, NOW])
    away = [made.policy.model.units.physical(ACTION, each)[:, :, -1].norm(dim=-1).mean() for each in (led, free)]
    assert away[0] < away[1]


def test_guidance_through_the_network_works_under_inference_mode() -> None:
    made = made_with(
        energies={"goal": {"weight": 1, "target": [0.0, 0.0]}},
        guidance={"type": "gradient", "strength": 0.05, "jacobian": True},
    )
    noise = torch.randn(3, 1, H, 2)
    expected = made.policy.sample(window(made), noise)
    with torch.inference_mode():
        torch.testing.assert_close(made.policy.sample(window(made), noise), expected)
