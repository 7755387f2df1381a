"""`dp-plus explain` on the policy that comes along, and what its pictures are made of."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lerobot_dp_plus.energies import Goal
from lerobot_dp_plus.evaluation.arena import Arena, forward_of
from lerobot_dp_plus.evaluation.moment import judged
from lerobot_dp_plus.explaining import film, material
from lerobot_dp_plus.explaining.explain import main
from lerobot_dp_plus.explaining.scenes import shown, why
from lerobot_dp_plus.guidance import Diffuser
from lerobot_dp_plus.policies.acting import load_switched
from lerobot_dp_plus.samplers import Ancestral
from lerobot_dp_plus.selection import Bidirectional, Function

CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
SEED, COUNT = 100_000, 24


@pytest.fixture(scope="module")
def loaded():
    made = load_switched(CARD)
    made.policy.config.forward = forward_of(made.policy.config)
    return made


@pytest.fixture
def arena(loaded):
    made = Arena(loaded, SEED)
    yield made
    made.close()


def test_pictures_film_and_page_are_written(tmp_path: Path, capsys, monkeypatch) -> None:
    import av

    monkeypatch.setattr(film, "BETWEEN", 2)
    monkeypatch.setattr(film, "STILL", 2)
    assert main([str(CARD), "--seed", str(SEED), "--steps", "2", "--candidates", "16", "--output", str(tmp_path)]) == 0
    files = ("fans.png", "denoising.png", "steering.png", "choice.png", "film.mp4")
    said = capsys.readouterr().out.splitlines()
    assert said == [*(str(tmp_path / name) for name in files), f"open {tmp_path / 'index.html'}"]
    for name in files[:4]:
        picture = np.asarray(Image.open(tmp_path / name).convert("RGB"))
        assert min(picture.shape[:2]) > 400 and picture.std() > 10, name
    with av.open(str(tmp_path / "film.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in video.decode(video=0)]
    assert len(frames) == 1 + 8 * 2 + 1 + 4 + 2 + 5 * 5 + 2, "planning, ways, and six steps"
    moved = [np.abs(one - other).mean() for one, other in pairwise(frames)]
    assert max(moved[:17]) > 1 and max(moved[-27:]) > 0.1
    page = (tmp_path / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 4 and page.count("data:video/mp4;base64,") == 1
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs no other file"
    assert "seed 100000, after 2 control steps" in page


def test_the_calls_lead_from_the_noise_to_the_plans(loaded, arena) -> None:
    calls = material.calls_of(loaded, arena, SEED, COUNT)
    moment = material.moment_of(loaded, arena, SEED, COUNT)
    assert [call.number for call in calls] == list(range(9))
    assert all(a.noise >= b.noise for a, b in pairwise(calls))
    noise = loaded.policy.model.units.physical("action", moment.found.noise)[0, :, 1:]
    torch.testing.assert_close(calls[0].chunks, noise)
    # The last step of every sampler is what was expected last, whatever it is.
    assert torch.equal(calls[-1].chunks, moment.chunks)


def test_the_calls_are_those_of_guidance_that_shifts_the_steps(loaded, arena) -> None:
    config = loaded.policy.config
    follows = replace(config.energies, goal=Goal(weight=1e-3, target=(100.0, 100.0)))
    with material.switched(loaded.policy, sampler=Ancestral(5), energies=follows):
        free = material.moment_of(loaded, arena, SEED, COUNT).chunks
        with material.switched(loaded.policy, guidance=Diffuser(strength=0.3)):
            calls = material.calls_of(loaded, arena, SEED, COUNT)
            moment = material.moment_of(loaded, arena, SEED, COUNT)
    assert torch.equal(calls[-1].chunks, moment.chunks) and not torch.equal(free, moment.chunks)


def heaviest(candidates, tail) -> torch.Tensor:
    """The representative of the heaviest mode."""
    return candidates.representatives[:, 0]


def test_a_choice_by_modes_is_shown_those_of_its_candidates(loaded, arena) -> None:
    with material.switched(loaded.policy, selection=Function(COUNT, f"{__name__}:heaviest", modes=True)):
        moment = material.moment_of(loaded, arena, SEED, COUNT)
        choice = material.choice_of(loaded.policy, moment)
    assert choice.count == COUNT and choice.index == moment.modes.nearest[0, 0]


def test_what_compares_with_another_policy_is_refused(loaded, arena) -> None:
    with (
        material.switched(loaded.policy, selection=Bidirectional(weak="elsewhere")),
        pytest.raises(ValueError, match="= bidirectional compares with another policy"),
    ):
        material.moment_of(loaded, arena, SEED, COUNT)


def test_looking_leaves_the_policy_as_it_was(loaded, arena) -> None:
    config = loaded.policy.config
    before = config.guidance, config.energies, config.projection
    material.calls_of(loaded, arena, SEED, COUNT)
    material.bend(loaded, arena, SEED, COUNT, (200.0, 200.0, 25.0))
    assert (config.guidance, config.energies, config.projection) == before and loaded.policy.obstacles is None


def test_the_disc_is_on_the_way_and_rules_lead_around_it(loaded, arena) -> None:
    moment = material.moment_of(loaded, arena, SEED, COUNT)
    disc = material.on_the_way(moment, 0, arena.agent)
    assert np.hypot(disc[0] - arena.agent[0], disc[1] - arena.agent[1]) >= disc[2] + 15
    bent = material.bend(loaded, arena, SEED, COUNT, disc)
    broken = {name: int((each.violation > 1e-3).sum()) for name, each in bent.moments.items()}
    assert broken["as drawn"] > 0 and broken["guided"] <= broken["as drawn"] and broken["projected"] <= 1
    assert torch.equal(bent.moments["as drawn"].chunks, moment.chunks)
    # The landscape: greatest in the disc's middle, nothing beyond its edge.
    row, column = np.unravel_index(bent.landscape.argmax(), bent.landscape.shape)
    side = 512 / (len(bent.landscape) - 1)
    assert abs(column * side - disc[0]) <= side and abs(row * side - disc[1]) <= side
    assert bent.landscape.max() == pytest.approx((disc[2] + 18) ** 2 / 2, rel=0.15)


def test_chunks_are_judged_as_they_are(loaded, arena) -> None:
    moment = material.moment_of(loaded, arena, SEED, COUNT)
    told = judged(loaded.policy, arena.window(), moment.found.chunks[0], "end")
    torch.testing.assert_close(told, moment.found.energies["end"][0], rtol=1e-4, atol=1e-4)


def test_the_choice_is_the_policys_own(loaded, arena) -> None:
    moment = material.moment_of(loaded, arena, SEED, COUNT)
    choice = material.choice_of(loaded.policy, moment)
    assert choice.count == 16 and choice.by == "end"
    assert choice.energies["end"][choice.index] == choice.energies["end"].min()
    assert "lowest energy" in why(choice) and "how far from done" in why(choice)
    first = material.Choice(0, 1, {}, None)
    assert "takes the first plan" in why(first)


def test_the_most_ambiguous_moment_is_found(loaded, arena, monkeypatch) -> None:
    monkeypatch.setattr(material, "LOOKED_AT", 8)
    step, moment = material.see(loaded, arena, SEED, None, COUNT)
    entropy = float(torch.special.entr(moment.modes.weights).sum())
    arena.reset(SEED)
    seen: list[float] = []
    material.play(
        loaded,
        arena,
        material.LOOKED_AT,
        lambda: seen.append(
            float(torch.special.entr(material.moment_of(loaded, arena, SEED, COUNT).modes.weights).sum())
        ),
    )
    assert entropy == pytest.approx(max(seen)) and seen.index(max(seen)) == step


def test_a_moment_after_the_end_is_refused(loaded, arena) -> None:
    with pytest.raises(ValueError, match=r"steps = 400: the run of seed 100000 is over after"):
        material.see(loaded, arena, SEED, 400, 16)


def test_few_calls_are_all_shown_and_many_are_thinned() -> None:
    calls = [material.Estimates(n, 1 - n / 20, torch.zeros(1, 1, 2)) for n in range(21)]
    kept = [call.number for call in shown(calls, 8)]
    assert len(kept) == 8 and kept[0] == 0 and kept[-1] == 20 and kept == sorted(set(kept))
    assert shown(calls[:3], 8) == calls[:3]


def test_policies_of_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"type": "diffusion"}')
    with pytest.raises(ValueError, match="policy type 'diffusion': candidates are offered by the dp_plus_"):
        main([str(tmp_path)])


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="candidates = 3: must be at least 16"):
        main([str(CARD), "--candidates", "3"])
    with pytest.raises(ValueError, match="steps = -1: must be at least 0"):
        main([str(CARD), "--steps", "-1"])
