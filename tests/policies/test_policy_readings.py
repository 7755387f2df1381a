"""Candidates for each reading of an instruction: those that each sentence alone would have, side by side, and modes of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
import torch
from lerobot.configs import PreTrainedConfig
from tiny import IMAGES, STATE, frame, said, trained

from lerobot_dp_plus.encoders import KeypointTokensConfig, NoWords, WordNgrams
from lerobot_dp_plus.energies import Energies, Goal
from lerobot_dp_plus.guidance import Gradient
from lerobot_dp_plus.modes import Readings
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.policies.policy import DpPlusPolicy
from lerobot_dp_plus.policies.words_step import WordsProcessorStep
from lerobot_dp_plus.selection import Ask, Densest, First, HoldMode

RED, GREEN, BLUE = "the red one", "the green one", "the blue one"
WORDS = WordNgrams(dim=8)


def made(preset: str = "dp_plus_transformer", **fields: Any) -> DpPlusPolicy:
    policy = trained(preset, words=WORDS, **fields)
    for model in (policy.model, policy.ema.module):  # type: ignore[union-attr]
        model.units.learn({"observation.state": (0.0, 1.0), "action": (0.0, 1.0)})
    return policy


def seen(policy: DpPlusPolicy, *sentences: str) -> dict[str, torch.Tensor]:
    """One frame of as many observations as there are sentences."""
    return {**frame(policy.config, len(sentences)), **said(policy.config, list(sentences))}


def drawn_by(policy: DpPlusPolicy, shown: dict[str, torch.Tensor], row: int, sentence: str, noise: torch.Tensor) -> Any:
    """The candidates of one observation under another sentence, without readings."""
    alone = {key: value[row : row + 1] for key, value in shown.items()} | said(policy.config, [sentence])
    return policy.candidates(alone, len(noise), noise=noise[None])


@pytest.mark.parametrize("preset", ["dp_plus_transformer", "dp_plus_pi0", "dp_plus_bc"])
def test_candidates_are_those_of_each_sentence_side_by_side(preset: str) -> None:
    policy = made(preset)
    shown, noise = seen(policy, "one of them", "the disc", BLUE), torch.randn(3, 6, tiny.HORIZON, 2)
    rows = [[RED, GREEN, BLUE], [RED, BLUE], [BLUE]]
    policy.readings = rows
    found = policy.candidates(shown, 6, noise=noise, modes=Readings())
    policy.readings = None
    for row, sentences in enumerate(rows):
        for number, sentence in enumerate(sentences):
            own = slice(number, None, len(sentences))
            expected = drawn_by(policy, shown, row, sentence, noise[row, own])
            torch.testing.assert_close(found.chunks[row, own], expected.chunks[0], rtol=1e-4, atol=1e-4)
            assert found.mode[row, own].tolist() == [number] * (6 // len(sentences))
    torch.testing.assert_close(found.ambiguity, torch.tensor([3.0, 2.0, 1.0]).log())
    assert found.representatives.shape == found.weights.shape == (3, 3)
    if preset == "dp_plus_bc":
        assert found.noise is None, "a regression uses none"
    else:
        torch.testing.assert_close(found.noise, noise)


def test_what_the_sentence_says_itself_changes_nothing() -> None:
    policy = made()
    shown, noise = seen(policy, RED, GREEN), torch.randn(2, 4, tiny.HORIZON, 2)
    plain = policy.candidates(shown, 4, noise=noise)
    policy.readings = [[RED], [GREEN]]
    torch.testing.assert_close(policy.candidates(shown, 4, noise=noise).chunks, plain.chunks)
    assert not torch.equal(plain.chunks, policy.candidates(seen(policy, BLUE, BLUE), 4, noise=noise).chunks)


def test_shares_are_as_equal_as_their_number_lets_them_be() -> None:
    policy = made()
    policy.readings = [RED, GREEN, BLUE]
    mode = policy.candidates(seen(policy, "any"), 8, modes=Readings()).mode
    assert sorted(mode[0].bincount().tolist()) == [2, 3, 3]


def test_pictures_are_encoded_once(monkeypatch: Any) -> None:
    policy = made(
        "dp_plus_pi0", inputs={**STATE, **IMAGES}, image_encoder=KeypointTokensConfig(width=16, num_keypoints=4)
    )
    policy.readings, rows = [RED, GREEN, BLUE], []
    encoder = policy._averaged_model.encoder.image_encoders["observation/image"]
    encoder.register_forward_hook(lambda module, given, out: rows.append(len(given[0])))
    policy.candidates(seen(policy, "any", "any"), 6)
    assert rows == [2]


def test_every_energy_is_told_and_followed_under_the_candidates_own_sentence() -> None:
    goal = Energies(goal=Goal(1.0, (0.3, -0.2)))
    policy = made(energies=goal, guidance=Gradient(strength=0.2))
    shown, noise = seen(policy, "any", "any"), torch.randn(2, 4, tiny.HORIZON, 2)
    policy.readings = [RED, GREEN]
    names = ["goal", "imitation"]
    found = policy.candidates(shown, 4, noise=noise, energies=names)
    policy.readings = None
    for row in range(2):
        for number, sentence in enumerate((RED, GREEN)):
            own = slice(number, None, 2)
            one = {key: value[row : row + 1] for key, value in shown.items()} | said(policy.config, [sentence])
            alone = policy.candidates(one, 2, noise=noise[row : row + 1, own], energies=names)
            torch.testing.assert_close(found.chunks[row, own], alone.chunks[0], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(
                found.energies["goal"][row, own], alone.energies["goal"][0], rtol=1e-3, atol=1e-3
            )
            assert found.energies["imitation"].shape == (2, 4)


def test_what_is_decided_stays_so() -> None:
    policy = made()
    policy.readings = [RED, GREEN]
    fixed = torch.full((1, tiny.HORIZON, 2), torch.nan)
    fixed[:, :3] = 0.25
    window = {key: value[:, None].repeat(1, 2, 1) for key, value in frame(policy.config, 1).items()}
    found = policy.propose({**window, **said(policy.config, ["any"])}, None, 4, fixed=fixed)
    assert (found.chunks[:, :, :3] == 0.25).all() and found.chunks[:, :, 3:].std() > 0


def act(policy: DpPlusPolicy, sentence: str = "any") -> int:
    """The reading of the next chunk of an episode."""
    policy.drop_queued_actions()
    policy.select_action(seen(policy, sentence))
    assert policy.chosen is not None and policy.chosen.mode is not None
    return int(policy.chosen.mode[0, 0])


def test_a_person_chooses_between_sentences_once_and_it_is_kept() -> None:
    policy, asked = made(modes=Readings(), selection=Ask(Densest(6))), []
    policy.readings = [RED, GREEN, BLUE]

    def ask(question: Any) -> str:
        asked.append(question)
        return "green"

    policy.ask = ask
    assert [act(policy) for _ in range(4)] == [1] * 4
    assert [each.names for each in asked] == [(RED, GREEN, BLUE)]
    policy.readings = [RED, GREEN, BLUE]
    assert act(policy) == 1 and len(asked) == 1, "the same readings as before"
    policy.readings = [GREEN, BLUE]
    assert act(policy) == 0 and len(asked) == 2, "others free the choice"
    policy.readings = None
    assert act(policy) == 0 and len(asked) == 2, "what is said is the only reading"


def test_a_plan_that_is_held_keeps_its_reading() -> None:
    held = HoldMode(6, energy="goal", margin=1e9, near_margin=1e9)
    firsts = set()
    for target in ((9.0, 9.0), (-9.0, 9.0), (9.0, -9.0), (-9.0, -9.0)):
        goal = Energies(goal=Goal(1.0, target))
        torch.manual_seed(0)
        policy = made(modes=Readings(kept=False), selection=Ask(held), n_action_steps=2, energies=goal)
        policy.ask = lambda question: None
        policy.readings = [RED, GREEN, BLUE]
        policy.select_action(seen(policy, "any"))
        before = policy.chosen
        for _ in range(2):
            policy.select_action(seen(policy, "any"))
        now = policy.chosen
        assert before is not None and now is not None and before.mode is not None
        torch.testing.assert_close(now.chunks[:, :, :3], before.chunks[:, :, 2:5], msg="the plan goes on")
        assert torch.equal(now.mode, before.mode)  # type: ignore[arg-type]
        firsts.add(int(before.mode))
    assert len(firsts) > 1, "or a number that is always the same would do"


def test_sentences_of_the_command_line_are_readings_of_everything_said(tmp_path: Path) -> None:
    tiny.config(words=WORDS).save_pretrained(tmp_path)
    flags = ["--modes.type=readings", f'--modes.sentences=["{RED}, please", "{GREEN}"]', "--modes.kept=false"]
    stated = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=flags).modes  # type: ignore[attr-defined]
    assert stated == Readings((f"{RED}, please", GREEN), kept=False)
    policy = made()
    policy.config.modes = stated
    found = policy.candidates(seen(policy, "any"), 4)
    assert found.mode.tolist() == [[0, 1, 0, 1]]
    policy.readings = [RED, GREEN, BLUE, "any"]
    assert policy.candidates(seen(policy, "any"), 4).mode.tolist() == [[0, 1, 2, 3]], "what is given goes before"


def test_the_preprocessor_reads_sentences_as_it_reads_instructions() -> None:
    """The mean of the data's sentences is taken off, where that is done."""
    policy, step = made(), WordsProcessorStep(WORDS)
    plain = Loaded(policy, SimpleNamespace(steps=[step]), None).read([RED, GREEN])
    assert torch.equal(plain.ids, WORDS.ids([RED, GREEN])[0])
    step.centre = torch.full(plain.ids.shape[2:], 2)
    off = Loaded(policy, SimpleNamespace(steps=[step]), None).read([RED, GREEN])
    assert torch.equal(off.ids, (plain.ids - 2) * plain.valid[..., None]) and off.sentences == ((RED, GREEN),)


@pytest.mark.parametrize(
    ("given", "said_so"),
    [
        ([], "at least one; None where"),
        ([RED, " "], "must be sentences"),
        ([[RED], []], "must be sentences"),
        ([RED, RED], "each must be another sentence"),
        (RED, "must be a list of sentences, as"),
        ([[RED], [GREEN]], "readings for 2 observations: .* each of the 3 observations"),
        ([RED, GREEN, BLUE], "2 candidates for 3 readings: .* selection.num_candidates"),
    ],
)
def test_bad_readings_are_named(given: Any, said_so: str) -> None:
    policy = made()
    with pytest.raises(ValueError, match=said_so):
        policy.readings = given
        policy.candidates(seen(policy, *["any"] * 3), 2)


def test_policies_that_cannot_have_readings_say_so(monkeypatch: Any) -> None:
    deaf = tiny.policy(words=NoWords())
    with pytest.raises(ValueError, match=r"reads no instructions \(words.type = none\)"):
        deaf.readings = [RED]
    deaf.config.modes = Readings((RED, GREEN))
    with pytest.raises(ValueError, match="reads no instructions"):
        deaf.candidates(frame(deaf.config, 1), 4)
    policy = made()
    monkeypatch.setattr(WordNgrams, "centred", True)
    with pytest.raises(ValueError, match=r"policy.readings = loaded.read"):
        policy.readings = [RED]
    monkeypatch.setattr(WordNgrams, "centred", False)
    policy.readings, policy.config.symmetrise = [RED], True
    with pytest.raises(ValueError, match="symmetrise = true draws half"):
        policy.candidates(seen(policy, "any"), 4)


def test_selections_that_draw_too_few_say_so() -> None:
    policy = made(selection=First())
    policy.readings = [RED, GREEN]
    with pytest.raises(ValueError, match="1 candidates for 2 readings"):
        policy.select_action(seen(policy, "any"))
