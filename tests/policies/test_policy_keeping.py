"""A choice of thing is kept until there is a reason to choose anew; whoever is asked is told the things by name."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from tiny import HORIZON, frame, said

from lerobot_dp_plus.asking import Question
from lerobot_dp_plus.encoders import WordNgrams
from lerobot_dp_plus.modes import Things
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies.policy import DpPlusPolicy
from lerobot_dp_plus.selection import Ask, Densest, Function

LISTED, N = "observation.environment_state", 12
INPUTS = {
    "observation.state": PolicyFeature(FeatureType.STATE, (4,)),
    LISTED: PolicyFeature(FeatureType.ENV, (6,)),
}
#: Left, right and above, in normalised actions and, with these units, in those of the data.
PLACES = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def changing(candidates: Candidates, tail: Any) -> torch.Tensor:
    """Another candidate at each chunk: what would follow from choosing anew."""
    CALLS.append(candidates)
    return torch.full((len(candidates.chunks),), len(CALLS) % N)


CALLS: list[Candidates] = []
RULE = Function(N, f"{__name__}:changing")


@pytest.fixture
def going() -> list[int]:
    """Which thing each candidate goes to; a test may change it."""
    CALLS.clear()
    return [n % 3 for n in range(N)]


def made(monkeypatch: Any, going: list[int], selection: Any = RULE, **fields: Any) -> DpPlusPolicy:
    """A policy whose candidates go to the things that `going` says."""
    modes = Things(("red", "green", "blue"), **fields)
    policy = tiny.policy(inputs=INPUTS, selection=selection, modes=modes, words=WordNgrams(), n_action_steps=3).eval()
    affine = {LISTED: (0.0, 1.0), "observation.state": (0.0, 1.0), "action": (0.0, 1.0)}
    for model in (policy.model, policy.ema.module):  # type: ignore[union-attr]
        model.units.learn(affine)

    def draw(recipe: Any, window: Any, noise: Any, count: int) -> Candidates:
        ends = PLACES[torch.tensor(going)] + 0.01 * torch.randn(N, 2)
        chunks = ends[:, None] * torch.linspace(0, 1, HORIZON)[:, None]
        return Candidates(chunks.expand(len(next(iter(window.values()))), -1, -1, -1).clone())

    monkeypatch.setattr(policy, "_candidates", draw)
    return policy


def act(policy: DpPlusPolicy, sentence: str = "bring one", batch: int = 1) -> int:
    """The thing that the next chunk of an episode goes to."""
    seen = frame(policy.config, batch)
    seen[LISTED] = PLACES.flatten().expand(batch, -1)
    policy.drop_queued_actions()
    policy.select_action({**seen, **said(policy.config, [sentence] * batch)})
    assert policy.chosen is not None and policy.chosen.mode is not None
    return int(policy.chosen.mode[0, 0])


def test_without_keeping_every_chunk_chooses_anew(monkeypatch: Any, going: list[int]) -> None:
    policy = made(monkeypatch, going, kept=False, selection=Ask(RULE))
    assert len({act(policy) for _ in range(4)}) == 3


def test_a_choice_is_kept(monkeypatch: Any, going: list[int]) -> None:
    policy = made(monkeypatch, going)
    first = act(policy)
    assert [act(policy) for _ in range(4)] == [first] * 4
    policy.reset()
    assert act(policy) != first, "another episode, another choice"


def test_it_is_free_again_after_release(monkeypatch: Any, going: list[int]) -> None:
    policy = made(monkeypatch, going)
    first = act(policy)
    policy.release()
    assert act(policy) != first


def test_a_clarifying_word_chooses_anew(monkeypatch: Any, going: list[int]) -> None:
    policy = made(monkeypatch, going)
    first = act(policy)
    going[:] = [(first + 1) % 3] * N  # what the policy does with the other sentence
    assert act(policy, "the green one") == (first + 1) % 3
    going[:] = [n % 3 for n in range(N)]
    assert act(policy, "the green one") == (first + 1) % 3, "and that is kept"


def test_where_nothing_goes_there_any_more_another_thing_is_chosen(monkeypatch: Any, going: list[int]) -> None:
    policy = made(monkeypatch, going)
    first = act(policy)
    going[:] = [(first + 2) % 3] * N
    assert act(policy) == (first + 2) % 3


@pytest.mark.parametrize(("answer", "thing"), [("green", 1), ("Blue", 2), (0, 0), ("left", 0)])
def test_a_person_is_asked_once_and_by_name(monkeypatch: Any, going: list[int], answer: Any, thing: int) -> None:
    going[:] = sorted(going)  # equally many go to each, the first ones to the first
    policy, asked = made(monkeypatch, going, selection=Ask(Densest(N))), []

    def ask(question: Question) -> Any:
        asked.append(question)
        return answer

    policy.ask = ask
    assert [act(policy) for _ in range(3)] == [thing] * 3
    assert len(asked) == 1
    assert asked[0].names == (
        "red, left, at (-1.00, 0.00)",
        "green, right, at (1.00, 0.00)",
        "blue, middle, at (0.00, 1.00)",
    )
    act(policy, "one of them, please")
    assert len(asked) == 2, "another sentence is another question"


def test_a_word_that_no_name_or_several_have_is_no_answer() -> None:
    ends = torch.zeros(2, 1, 1).numpy()
    question = Question(ends[:, 0, 0], ends, ends, ends[:, 0, 0], names=("red disc", "red square"))
    assert question.named("red") is None and question.named("yellow") is None
    assert question.named(" SQUARE\n") == 1


def test_candidates_tell_how_ambiguous_it_is(monkeypatch: Any, going: list[int]) -> None:
    policy = made(monkeypatch, going)
    monkeypatch.setattr(policy, "propose", lambda window, noise, n, *more: policy._candidates(None, window, noise, n))
    seen = {**frame(policy.config, 1), LISTED: PLACES.flatten()[None], **said(policy.config, ["bring one"])}
    found = policy.candidates(seen, N)
    assert found.ambiguity is not None
    torch.testing.assert_close(found.ambiguity, torch.tensor(3.0).log()[None])
    going[:] = [1] * N
    assert policy.candidates(seen, N).ambiguity.item() == 0  # type: ignore[union-attr]


def test_things_are_named_on_the_command_line_of_a_checkpoint(tmp_path: Path) -> None:
    tiny.config(inputs=INPUTS).save_pretrained(tmp_path)
    for names in ("[red,blue]", '["red", "blue"]'):
        flags = ["--modes.type=things", f"--modes.names={names}", "--modes.listed=3"]
        assert PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=flags).modes == Things(
            ("red", "blue"), listed=3
        )
