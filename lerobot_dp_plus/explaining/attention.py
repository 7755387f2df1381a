"""Where a policy looks and what it listens to: attention of its actions to places of the picture, things and words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from lerobot_dp_plus.encoders import WORD_IDS, WORDS_VALID
from lerobot_dp_plus.evaluation.moment import Moment
from lerobot_dp_plus.explaining.style import INK, LINE, SOFT, heading, save, sheet
from lerobot_dp_plus.networks.looking import Looking
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Tokens
from lerobot_dp_plus.objectives import DenoisingObjective
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.policies.asking import seen
from lerobot_dp_plus.policies.candidates import beside_the_weights

LOOK, HEAR = "#D55E00", "#0072B2"
#: The area of a disc for all attention to pictures, in points²; and the times at which a chunk is looked at.
AREA, TIMES = 2600.0, (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Look:
    """Shares of attention under one sentence, of 1 for all that the actions attend to.

    Args:
        sentence: what is said; empty if nothing is.
        words: each word, or other part of the sentence that is a token, with its share.
        pictures: by camera, the newest picture (H, W, 3) of bytes, and its tokens: x, y in pixels and share, (S, 3).
        things: those of things that a state lists.
        states: that of the observation steps.
    """

    sentence: str
    words: tuple[tuple[str, float], ...]
    pictures: Mapping[str, tuple[np.ndarray, np.ndarray]]
    things: tuple[float, ...]
    states: float


@torch.no_grad()
def looks_of(loaded: Loaded, moment: Moment, sentences: Sequence[str]) -> list[Look]:
    """A look for each of the sentences; none if the policy does not attend to places, things or words.

    It is a mean over candidates, layers, heads and times: chunks are shown with as much noise as they had on their way.
    Several sentences are the readings that the moment's candidates were drawn for, each with its own candidates.
    """
    policy = loaded.policy
    model, config = policy._averaged_model, policy.config
    noise = moment.found.noise
    if not isinstance(model.network, Looking) or not isinstance(config.objective, DenoisingObjective) or noise is None:
        return []
    found = []
    with policy._evaluating.of(model):
        for number, (window, sentence) in enumerate(told_windows(loaded, moment, sentences)):
            rows = torch.arange(noise.shape[1]) if len(sentences) < 2 else moment.members(number)
            drawn = noise[0, rows], moment.found.chunks[0, rows]
            shares = _mean(model.network, config.objective, model.encoder(window), *drawn)
            found.append(_look(policy, window, shares, sentence))
    return [each for each in found if each.words or each.pictures or each.things]


def told_windows(
    loaded: Loaded, moment: Moment, sentences: Sequence[str]
) -> Iterator[tuple[Mapping[str, Tensor], str]]:
    """What was observed, (1, T_o, ...), with each of the sentences; as it was said for a policy that reads none."""
    policy = loaded.policy
    model = policy._averaged_model
    window = model.estimated(beside_the_weights(model, moment.window))
    if not policy.config.spoken_features:
        yield window, ""
        return
    for sentence in sentences:
        # An empty sentence is no reading, but may be what is said.
        read = loaded.read([sentence]) if sentence.strip() else None
        ids, valid = policy.config.words.ids([""]) if read is None else (read.ids, read.valid)
        yield {**window, **beside_the_weights(model, {WORD_IDS: ids, WORDS_VALID: valid})}, sentence


def _mean(
    network: Looking, objective: Any, tokens: Sequence[Tokens], noise: Tensor, chunks: Tensor
) -> dict[str, Tensor]:
    """By kind of token, shares (S,)."""
    count, path = len(chunks), objective.sampling_path
    rows = [
        span._replace(
            values=span.values.expand(count, -1, -1),
            valid=None if span.valid is None else span.valid.expand(count, -1),
        )
        for span in tokens
    ]
    told = []
    for time in TIMES:
        t = torch.full((count,), time, dtype=chunks.dtype)
        told.append(network.looks(path.interpolate(noise, chunks, t), path.network_time(t), rows))
    return {kind: torch.stack([each[kind] for each in told]).mean((0, 1)) for kind in told[0]}


def _look(policy: Any, window: Mapping[str, Tensor], shares: Mapping[str, Tensor], sentence: str) -> Look:
    encoder, config = policy._averaged_model.encoder, policy.config
    pieces = config.words.pieces(sentence) if WORDS in shares else []
    words = tuple(zip(pieces, shares[WORDS].tolist() if pieces else [], strict=False))
    pictures, places = {}, shares.get(PATCHES)
    first = 0
    for key in encoder.image_shapes if places is not None and not encoder.things else ():
        camera = encoder.image_encoders[encoder._encoder_of(key)]
        at = camera.token_places(window[key])[0].flatten(0, 1)  # (S, 2) in the crop
        at = at + at.new_tensor(_margin(window[key], camera.cropped(window[key])))
        own = places[first : first + len(at), None]
        first += len(at)
        picture = seen(window, [key], 0)
        assert picture is not None
        pictures[key] = picture, torch.cat([at, own.to(at)], 1).numpy()
    things = () if places is None or not encoder.things else tuple(places.tolist())
    return Look(sentence, words, pictures, things, float(shares[STEPS].sum()) if STEPS in shares else 0.0)


def _margin(whole: Tensor, crop: Tensor) -> tuple[float, float]:
    """How far the centre crop begins from the left and from the top, in pixels."""
    down, across = ((a - b) // 2 for a, b in zip(whole.shape[-2:], crop.shape[-2:], strict=True))
    return float(across), float(down)


def drawn(looks: Sequence[Look], names: Sequence[str], path: Path) -> tuple[str, str]:
    """A column for each look: the pictures with a disc for each token, or bars of things; below, bars of words.

    `names` are those of things that a state lists.
    """
    first = looks[0]
    title = "Where does it look, and what does it listen to?" if first.words else "Where does it look?"
    said = (
        "How much of their attention the actions give to each token, as a mean over plans, layers and times. Tokens have "
        "been mixed with others before, so it is a hint and no proof."
    )
    if first.pictures:
        said = f"Discs are where the tokens of the picture are; the larger, the more attention they get. {said}"
    most = max((len(each.words) for each in looks), default=0)
    above = 2.9 * max(1, len(first.pictures)) if first.pictures else 0.34 * len(first.things) + 0.4
    below = 0.22 * most + 0.5 if most else 0.2
    width = 3.4
    figure = sheet(max(7.0, width * len(looks) + 0.4), 1.45 + above + 0.5 + below)
    heading(figure, title, said)
    high, wide = figure.get_figheight(), figure.get_figwidth()
    largest = max(
        (share for each in looks for *_, share in [*each.words, *((None, x) for x in each.things)]), default=1.0
    )
    for column, look in enumerate(looks):
        left, across = (0.2 + column * (wide - 0.2) / len(looks)) / wide, ((wide - 0.2) / len(looks) - 0.2) / wide
        top = high - 1.35
        figure.text(left, top / high, _summed(look), size=9, color=SOFT, va="top")
        top -= 0.3
        for key, (picture, tokens) in look.pictures.items():
            axes = figure.add_axes((left, (top - 2.75) / high, across, 2.7 / high))
            _discs(axes, picture, tokens)
            if len(look.pictures) > 1:
                axes.set_title(key.removeprefix("observation."), size=8.5, color=SOFT, pad=2)
            top -= 2.9
        if look.things:
            tall = 0.34 * len(look.things)
            axes = figure.add_axes((left + 0.32 * across, (top - tall) / high, 0.6 * across, tall / high))
            named = [*names, *(f"thing {k + 1}" for k in range(len(names), len(look.things)))]
            _bars(axes, list(zip(named, look.things, strict=False)), largest, LOOK)
        if look.words:
            tall = 0.22 * len(look.words)
            axes = figure.add_axes(
                (left + 0.32 * across, (below + 0.05 - tall - 0.25) / high, 0.6 * across, tall / high)
            )
            _bars(axes, look.words, largest, HEAR)
    save(figure, path)
    return title, said


def _summed(look: Look) -> str:
    """Shares of whole kinds, in words."""
    kinds = {
        "picture": sum(float(tokens[:, 2].sum()) for _, tokens in look.pictures.values()),
        "things": sum(look.things),
        "words": sum(share for _, share in look.words),
        "states": look.states,
    }
    return ",  ".join(f"{name} {100 * share:.0f} %" for name, share in kinds.items() if share > 0)


def _discs(axes: Axes, picture: np.ndarray, tokens: np.ndarray) -> None:
    """The picture, and a disc for each token (x, y, share), of an area that is its part of what the picture gets."""
    high, wide = picture.shape[:2]
    axes.imshow(picture, interpolation="nearest")
    total = max(float(tokens[:, 2].sum()), 1e-9)
    axes.scatter(
        tokens[:, 0], tokens[:, 1], s=AREA * tokens[:, 2] / total, color=LOOK, alpha=0.55, edgecolors="white", lw=1.0
    )
    axes.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5), xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=LINE)


def _bars(axes: Axes, shares: Sequence[tuple[str, float]], largest: float, paint: str) -> None:
    """A bar for each name, the first at the top."""
    for row, (name, share) in enumerate(shares):
        axes.barh(row, share, 0.62, color=paint, alpha=0.8)
        axes.text(-0.03 * largest, row, name, size=9.5, color=INK, ha="right", va="center")
        axes.text(share + 0.02 * largest, row, f"{100 * share:.1f} %", size=8, color=SOFT, va="center")
    axes.set(xlim=(0, 1.25 * largest), ylim=(len(shares) - 0.5, -0.5))
    axes.axis("off")
