"""An equal share of the candidates for each sentence that an instruction may mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from lerobot_dp_plus.encoders import ObservationEncoder
from lerobot_dp_plus.guidance import World
from lerobot_dp_plus.heads import Given, Head, Plan
from lerobot_dp_plus.notation import WORDS, Candidates, Condition, Scene, Tokens, map_rows

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.policy import DpPlusPolicy

#: Where a window holds the S sentences of all observations, as `Words.ids` gives them, (S, W, …) and (S, W); which
#: observation each is of, (S,); and which of them each candidate is drawn for, (B, N).
READ_IDS, READ_VALID, READ_OF, DRAWN_FOR = "readings.ids", "readings.valid", "readings.of", "readings.drawn_for"
#: From sentences to what the policy reads of them.
type Read = Callable[[Sequence[str]], tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class Readings:
    """What instructions may mean, as sentences that each mean one thing. `of` makes it.

    Args:
        sentences: those of every observation, as one entry, or an entry for each observation.
        ids, valid: what the policy reads of all of them, one after the other: (S, W, …), and (S, W) bool.
    """

    sentences: tuple[tuple[str, ...], ...]
    ids: Tensor
    valid: Tensor

    @classmethod
    def of(cls, sentences: Sequence[str] | Sequence[Sequence[str]], read: Read) -> "Readings":
        """From a list of sentences for every observation, or a list of such lists, one for each.

        Raises:
            ValueError: there is no sentence, one is empty, or an observation has the same twice.
        """
        if isinstance(sentences, str):
            raise ValueError(f"readings = {sentences!r}: must be a list of sentences, as [{sentences!r}]")
        alike = all(isinstance(each, str) for each in sentences)
        rows = cast(tuple[tuple[str, ...], ...], tuple(map(tuple, [sentences] if alike else sentences)))
        for row in rows:
            if not row or not all(isinstance(each, str) and each.strip() for each in row):
                raise ValueError(
                    f"readings = {list(row)}: must be sentences, at least one; None where the instruction means what it says"
                )
            if len(set(row)) < len(row):
                raise ValueError(f"readings = {list(row)}: each must be another sentence")
        return cls(rows, *read([each for row in rows for each in row]))


def given(self: "DpPlusPolicy") -> Readings | None:
    """What the instruction may mean, for each of which an equal share of the candidates is drawn; None: what it says.

    Set it to sentences, `["put the red one on the tray", "put the green one on the tray"]`, to a list of such lists for a
    batch, or to what `Loaded.read` makes of them. Other sentences than before forget a choice that is kept.
    """
    return self.__dict__.get("_readings")


def give(self: "DpPlusPolicy", sentences: Any) -> None:
    """Sets what the instruction may mean; see `given`. Raises a ValueError as `read_by` does."""
    before = given(self)
    if sentences is not None and not isinstance(sentences, Readings):
        sentences = read_by(self, sentences)
    self.__dict__["_readings"] = sentences
    if (before and before.sentences) != (sentences and sentences.sentences):
        self.episode.mode = None
        if self.episode.chosen is not None:
            self.episode.chosen = self.episode.chosen._replace(mode=None)


def read_by(policy: "DpPlusPolicy", sentences: Any) -> Readings:
    """What the policy itself reads of sentences.

    Raises:
        ValueError: it reads no words, only its preprocessor can, or as `Readings.of`.
    """
    words = policy.config.words
    chosen = words.get_choice_name(type(words))
    if not policy.config.spoken_features:
        raise ValueError(
            f"readings = {sentences!r}: this policy reads no instructions (words.type = {chosen}), so none has several "
            "readings; leave them out, or train one with --policy.words.type=ngrams"
        )
    if words.centred:
        raise ValueError(
            f"readings = {sentences!r}: with words.type = {chosen} the preprocessor knows how sentences are read; give "
            "policy.readings = loaded.read([…]), where loaded = load_policy(…)"
        )
    return Readings.of(sentences, words.ids)


def meant(policy: "DpPlusPolicy") -> Readings | None:
    """The readings that are given, or else those that `modes` states; None if there are neither."""
    stated = policy.config.modes.readings
    return policy.readings if policy.readings is not None or not stated else read_by(policy, stated)


def with_readings(window: Mapping[str, Tensor], policy: "DpPlusPolicy", count: int) -> Mapping[str, Tensor]:
    """The window of B observations, with the sentences that `count` candidates are drawn for.

    Raises:
        ValueError: there are more readings than candidates, readings for another number of observations, or half of the
            candidates are mirrored.
    """
    found = meant(policy)
    if found is None:
        return window
    batch, rows = len(next(iter(window.values()))), found.sentences
    if len(rows) not in (1, batch):
        raise ValueError(
            f"readings for {len(rows)} observations: must be a list of sentences, or one list for each of the {batch} observations"
        )
    if policy.config.symmetrise:
        raise ValueError(
            "readings: symmetrise = true draws half of the candidates for the mirrored observation, in which a sentence may "
            "mean another thing; set symmetrise = false, or policy.readings = None"
        )
    sizes = torch.tensor([len(row) for row in rows]).expand(batch)
    if count < int(sizes.max()):
        raise ValueError(
            f"{count} candidates for {int(sizes.max())} readings: must be at least as many; raise selection.num_candidates, or n"
        )
    ids, valid = found.ids, found.valid
    if len(rows) < batch:
        ids, valid = (torch.cat([each] * batch) for each in (ids, valid))
    first = sizes.cumsum(0) - sizes
    which = first[:, None] + torch.arange(count) % sizes[:, None]  # in turn: the first few have equal shares, too
    of = torch.arange(batch).repeat_interleave(sizes)
    return {**window, READ_IDS: ids, READ_VALID: valid, READ_OF: of, DRAWN_FOR: which}


def said_by(
    encoder: ObservationEncoder, tokens: tuple[Tokens, ...], window: Mapping[str, Tensor]
) -> tuple[Tokens, ...]:
    """The tokens of B observations as those of S sentences: what was seen is that of the sentence's observation."""
    if READ_OF not in window:
        return tokens
    assert encoder.word_encoder is not None  # `read_by` has seen to it
    of = window[READ_OF]

    def repeated(span: Tokens) -> Tokens:
        return span._replace(values=span.values[of], valid=None if span.valid is None else span.valid[of])

    words = encoder.word_encoder(window[READ_IDS], window[READ_VALID])
    return tuple(words if span.kind == WORDS else repeated(span) for span in tokens)


def for_each(condition: Condition, window: Mapping[str, Tensor]) -> Condition:
    """From the condition of S sentences to that of B·N candidates, each of its own sentence."""
    return map_rows(condition, lambda rows: rows[window[DRAWN_FOR].flatten()])


def propose_for_each(
    head: Head, window: Mapping[str, Tensor], condition: Condition, noise: Tensor, given: Given
) -> Candidates:
    """As `Head.propose`, with a condition of S rows, those of all sentences.

    To the head every candidate is the only one of an observation of its own. Energies that are followed on the way see the
    candidates of one observation together.
    """
    batch, count = noise.shape[:2]

    def alone(each: Tensor | None) -> Tensor | None:
        return None if each is None else each.flatten(0, 1)[:, None]

    plan, absent = given.plan, given.absent
    if plan is not None:
        plan = Plan(plan.how, alone(plan.actions), alone(plan.weights))  # type: ignore[arg-type]
    apart = Given(
        _together(given.world, batch),
        given.generator,
        alone(given.fixed),
        None if absent is None else for_each(absent, window),
        alone(given.start),
        given.skipped,
        alone(given.shown),
        plan,
    )
    found = head.propose(for_each(condition, window), alone(noise), apart)  # type: ignore[arg-type]
    chunks, log_prob = found.chunks.reshape(noise.shape), found.log_prob
    which = window[DRAWN_FOR]
    return Candidates(
        chunks,
        {name: value.reshape(batch, count) for name, value in found.energies.items()},
        None if log_prob is None else log_prob.reshape(batch, count),
        which - which[:, :1],
        None if found.noise is None else noise,
    )


def _together(world: World | None, batch: int) -> World | None:
    """The world whose energy is told chunks (B·N, 1, H, A)."""
    if world is None or world.energy is None:
        return world
    energy = world.energy

    def together(chunks: Tensor, scene: Scene) -> Tensor:
        return energy(chunks.reshape(batch, -1, *chunks.shape[2:]), scene).reshape(-1, 1)

    return World(world.scene, together, world.physical, world.normalised)
