"""What a distribution is for, on a saved checkpoint: candidates with all that is known of them, and rules that are kept."""

import logging
from pathlib import Path

import pytest
import torch
from lerobot.configs import PreTrainedConfig

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.policies import former_names
from lerobot_dp_plus.policies.narrowing import among, feasible, shown
from lerobot_dp_plus.policies.options import with_prefix
from lerobot_dp_plus.selection import LowestEnergy
from lerobot_dp_plus.units import ACTION

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"
FOLDER = CHECKPOINTS / "format_3" / "dp_plus_transformer"
NOW, H = 1, 8


def frame(made, batch: int = 3) -> dict:
    torch.manual_seed(5)
    return {key: torch.rand(batch, *shape) * 2 - 1 for key, shape in made.policy.config.observed_features.items()}


def window(made, batch: int = 3) -> dict:
    return {key: value[:, None].expand(-1, 2, *value.shape[1:]) for key, value in frame(made, batch).items()}


@pytest.fixture(scope="module")
def made():
    return load_policy(FOLDER)


def test_candidates_are_told_in_the_datasets_units_with_their_modes(made, monkeypatch) -> None:
    noise = torch.randn(3, 32, H, 2)
    encoded, encoder = [], type(made.policy._averaged_model.encoder)
    forward = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda *args: encoded.append(1) or forward(*args))
    found = made.policy.candidates(frame(made), 32, noise=noise)
    assert len(encoded) == 1, "one encoding for all"
    chunks = made.policy.sample(window(made), noise, 32)[:, :, NOW:]
    flat = made.postprocess(chunks.reshape(-1, 2)).reshape(chunks.shape)
    torch.testing.assert_close(found.chunks, flat)
    assert found.mode.shape == (3, 32) and found.weights.shape == found.representatives.shape == (3, 3)
    torch.testing.assert_close(found.weights.sum(1), torch.ones(3, dtype=found.weights.dtype))
    for b in range(3):
        counts = torch.bincount(found.mode[b], minlength=3) / 32
        torch.testing.assert_close(found.weights[b], counts.to(found.weights.dtype))
    entropy = -(found.weights * found.weights.clamp_min(1e-30).log()).sum(1)
    torch.testing.assert_close(found.ambiguity, entropy)
    assert made.policy.chosen is None, "no episode was begun"


def test_log_density_and_the_imitation_energy_are_told_if_asked_for(made) -> None:
    noise = torch.randn(3, 4, H, 2)
    found = made.policy.candidates(frame(made), 4, noise=noise, energies=["imitation"], log_prob=True)
    chunks = made.policy.sample(window(made), noise, 4)
    torch.testing.assert_close(found.log_prob, made.policy.log_prob(window(made), chunks))
    assert list(found.energies) == ["imitation"] and (found.energies["imitation"] > 0).all()
    assert made.policy.candidates(frame(made), 4, noise=noise).log_prob is None
    far = torch.full_like(chunks, 5.0)
    assert (made.policy.log_prob(window(made), far) < found.log_prob).all()


def test_a_prefix_that_is_decided_stays_so(made) -> None:
    prefix = torch.rand(3, 2, 2)
    fixed = with_prefix(prefix, H, NOW)
    assert fixed.isnan().sum() == 3 * (H - 2) * 2
    found = made.policy.propose(window(made), candidates=5, fixed=fixed).chunks
    assert torch.equal(found[:, :, NOW : NOW + 2], prefix[:, None].expand(3, 5, 2, 2))
    physical = made.policy.candidates(frame(made), 5, fixed=fixed).chunks[:, :, :2]
    torch.testing.assert_close(physical, made.policy.model.units.physical(ACTION, prefix)[:, None].expand(3, 5, 2, 2))


def test_what_cannot_be_is_refused_by_name(made) -> None:
    with pytest.raises(ValueError, match="n = 0: must be at least 1"):
        made.policy.candidates(frame(made), 0)
    with pytest.raises(ValueError, match="a prefix of 8 actions: a chunk has 7 steps"):
        with_prefix(torch.zeros(1, 8, 2), H, NOW)
    with pytest.raises(ValueError, match=r"fixed has shape \(3, 4, 2\); must be \(3, 8, 2\)"):
        made.policy.propose(window(made), fixed=torch.zeros(3, 4, 2))
    with pytest.raises(ValueError, match=r"chunks have shape \(3, 8, 2\); must be \(B, N, 8, 2\)"):
        made.policy.log_prob(window(made), torch.zeros(3, 8, 2))
    for switches, said in (
        ({"projection": {"type": "kaczmarz"}}, r"projection\.type = kaczmarz: there is no constraint to keep"),
        ({"energies": {"end": {"weight": 1}}}, r"energies\.end\.weight = 1\.0: dynamics\.type=outcome offers"),
        ({"energies": {"goal": {"weight": 1}}}, r"energies\.goal\.target = \[\]: must have one number"),
    ):
        with pytest.raises(ValueError, match=said):
            load_policy(FOLDER, **switches)


def middle(made) -> list[float]:
    """The middle of what the policy would do, in the dataset's units."""
    return made.policy.candidates(frame(made), 16).chunks.mean((0, 1, 2)).tolist()


def steered(made, radius: float, **more):
    rule = {"weight": 1, "circles": [[*middle(made), radius]]}
    return load_policy(FOLDER, energies={"obstacles": rule}, **more)


def deepest(policy, chunks) -> torch.Tensor:
    """By hand: how deep any point of the straight ways between actions is in the disc, (B, N), from the chunk's rows."""
    (x, y, radius) = policy.config.energies.obstacles.circles[0]
    ahead = policy.model.units.physical(ACTION, chunks)
    starts = torch.cat([ahead[:, :, :1], ahead[:, :, :-1]], 2)
    points = torch.cat([starts + (ahead - starts) * k / 4 for k in (1, 2, 3, 4)], 2)
    return radius - (points - torch.tensor([x, y])).norm(dim=-1).amin(2)


def test_a_projection_keeps_every_candidate_out(made) -> None:
    torch.manual_seed(0)
    noise = torch.randn(3, 8, H, 2)
    free = steered(made, 0.2)
    before = free.policy.propose(window(made), noise, 8, energies=["obstacles"])
    assert (deepest(free.policy, before.chunks[:, :, NOW:]) > 0).any(), "some would pass through"
    kept = steered(made, 0.2, projection={"type": "kaczmarz", "steps": 60, "margin": 0.01})
    after = kept.policy.propose(window(made), noise, 8, energies=["obstacles"])
    assert (deepest(kept.policy, after.chunks[:, :, NOW:]) <= 1e-3).all()
    assert (after.energies["obstacles"] == 0).all() and (after.energies["violation"] == 0).all()
    torch.testing.assert_close(
        before.energies["violation"], deepest(free.policy, before.chunks[:, :, NOW:]).clamp_min(0)
    )


def test_a_candidate_that_breaks_a_rule_is_not_chosen_if_another_keeps_it(made) -> None:
    torch.manual_seed(0)
    noise = torch.randn(3, 8, H, 2)
    far = steered(made, 9.0).policy.propose(window(made), noise, 8).energies["violation"]
    # So large that half of all candidates touch it.
    rule = steered(made, 9.0 - far.median().item(), selection={"type": "densest", "num_candidates": 8})
    violation = rule.policy.propose(window(made), noise).energies["violation"]
    some = (violation > 0).any(1) & (violation == 0).any(1)
    assert some.any()
    rule.policy.reset()
    rule.policy.predict_action_chunk(window(made), noise=noise)
    assert (rule.policy.chosen.energies["violation"][some] == 0).all()


def test_obstacles_that_are_seen_count_like_those_of_the_config(made) -> None:
    noise = torch.randn(3, 1, H, 2)
    given = steered(made, 0.2, projection={"type": "kaczmarz"})
    seen = load_policy(FOLDER, energies={"obstacles": {"weight": 1}}, projection={"type": "kaczmarz"})
    seen.policy.obstacles = torch.tensor([[*middle(made), 0.2]])
    for one in (given, seen):
        one.policy.reset()
    chunks = [one.policy.predict_action_chunk(window(made), noise=noise) for one in (given, seen)]
    torch.testing.assert_close(chunks[0], chunks[1])
    seen.policy.obstacles = None
    seen.policy.reset()
    assert not torch.allclose(seen.policy.predict_action_chunk(window(made), noise=noise), chunks[1])


def test_the_last_action_is_known_from_the_second_chunk_on(made, monkeypatch) -> None:
    known: list = []
    positions = Scene.positions
    monkeypatch.setattr(
        Scene, "positions", lambda scene, each: known.append(scene.states.get(ACTION)) or positions(scene, each)
    )
    rule = load_policy(FOLDER, energies={"obstacles": {"weight": 1}}, n_action_steps=3)
    rule.policy.reset()
    acted = [rule.policy.select_action(frame(made)) for _ in range(4)]
    assert known[0] is None
    expected = rule.policy.model.units.physical(ACTION, acted[2])
    torch.testing.assert_close(known[-1][:, 0], expected)


def test_only_those_that_keep_the_rules_are_shown() -> None:
    violation = torch.tensor([[0.0, 2.0, 0.0, 1.0], [3.0, 1.0, 2.0, 5.0], [0.0, 0.0, 0.0, 0.0]])
    assert feasible(violation).tolist()[0] in ([0, 2, 2, 2], [0, 0, 2, 2], [0, 2, 2, 0], [0, 0, 2, 0])
    assert feasible(violation).tolist()[1:] == [[1, 1, 1, 1], [0, 1, 2, 3]]


def test_ranking_sees_only_feasible_candidates() -> None:
    from lerobot_dp_plus.notation import Candidates

    energies = {"end": torch.tensor([[0.0, 1.0, 2.0]]), "violation": torch.tensor([[4.0, 0.0, 0.0]])}
    ahead = Candidates(torch.arange(3.0).reshape(1, 3, 1, 1), energies)
    numbers = shown(ahead)
    assert numbers[0, LowestEnergy(3).choose(among(ahead, numbers), None)].item() == 1


def test_the_field_of_one_energy_goes_on_working_and_says_its_name(caplog, monkeypatch) -> None:
    monkeypatch.setattr(former_names, "_told", set())
    with caplog.at_level(logging.WARNING):
        old = load_policy(FOLDER, energy={"type": "stay_above", "limit": 3.0})
    assert old.policy.config.energies.weights == {"stay_above": 1.0}
    assert old.policy.config.energies.stay_above.limit == 3.0
    assert "policy.energy is called policy.energies.stay_above now" in caplog.text
    assert load_policy(FOLDER, energy={"type": "none"}).policy.config.energies.weights == {}
    with pytest.raises(ValueError, match=r"policy\.energy and policy\.energies: the command line gives both"):
        load_policy(FOLDER, energy={"type": "smoothness"}, energies={"goal": {"weight": 0}})


def test_a_file_with_the_field_of_one_energy_is_read(tmp_path) -> None:
    assert former_names.in_fields({"energy": {"type": "none"}, "stride": 2}) == {"stride": 2}
    read = former_names.in_fields({"energy": {"type": "smoothness"}})
    assert read == {"energies": {"smoothness": {"weight": 1.0}}}
    config = PreTrainedConfig.from_pretrained(FOLDER)
    config._save_pretrained(tmp_path)
    assert '"energies"' in (tmp_path / "config.json").read_text()
    assert PreTrainedConfig.from_pretrained(tmp_path).energies == config.energies


def test_obstacles_that_nobody_could_use_are_refused() -> None:
    rule = load_policy(FOLDER, energies={"obstacles": {"weight": 1}})
    for shape in ((2,), (1, 2), (1, 4), (2, 1, 3)):
        rule.policy.obstacles = torch.zeros(*shape)
        with pytest.raises(
            ValueError, match=r"policy\.obstacles has shape .*must be \(K, 3\), or \(K, 5\) with velocities"
        ):
            rule.policy.select_action(frame(rule))
    rule.policy.obstacles = torch.tensor([[float("nan"), 0.0, 1.0]])
    with pytest.raises(ValueError, match=r"policy\.obstacles: there is a NaN"):
        rule.policy.candidates(frame(rule), 2)
    none = load_policy(FOLDER)
    none.policy.obstacles = torch.tensor([[0.0, 0.0, 1.0]])
    with pytest.raises(ValueError, match=r"policy\.obstacles is set, and energies\.obstacles\.weight = 0"):
        none.policy.select_action(frame(none))


def test_candidates_are_told_of_what_is_seen_too(made) -> None:
    rule = load_policy(FOLDER, energies={"obstacles": {"weight": 1}})
    noise = torch.randn(3, 4, H, 2)
    assert not rule.policy.candidates(frame(made), 4, noise=noise).energies["violation"].any()
    rule.policy.obstacles = torch.tensor([[*middle(made), 9.0]])
    assert (rule.policy.candidates(frame(made), 4, noise=noise).energies["violation"] > 0).all()
