"""Where a policy looks and what it listens to: attention of its actions to places of the picture, things and words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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

LOOK, HEAR, DISC = "#D55E00", "#0072B2", "#FFE34D"
#: Inches: of a column, of a picture, and of what stands above both.
COLUMN, PICTURE, HEAD = 3.6, 3.45, 1.5
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
            own = slice(number, None, max(1, len(sentences)))  # candidates of several readings come in turn
            drawn = noise[0, own], moment.found.chunks[0, own]
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
    states = float(shares[STEPS].sum()) if STEPS in shares else 0.0
    first = 0
    if places is None or encoder.things:
        things = () if places is None else tuple(places.tolist())
        return Look(sentence, words, {}, things, states)
    for key in encoder.image_shapes:
        camera = encoder.image_encoders[encoder._encoder_of(key)]
        at = camera.token_places(window[key])[0].flatten(0, 1)  # (S, 2) in the crop
        at = at + at.new_tensor(_margin(window[key], camera.cropped(window[key])))
        own = places[first : first + len(at), None]
        first += len(at)
        picture = seen(window, [key], 0)
        assert picture is not None
        pictures[key] = picture, torch.cat([at, own.to(at)], 1).numpy()
    return Look(sentence, words, pictures, (), states)


def _margin(whole: Tensor, crop: Tensor) -> tuple[float, float]:
    """How far the centre crop begins from the left and from the top, in pixels."""
    down, across = ((a - b) // 2 for a, b in zip(whole.shape[-2:], crop.shape[-2:], strict=True))
    return float(across), float(down)


def drawn(looks: Sequence[Look], names: Sequence[str], path: Path) -> tuple[str, str]:
    """For each look the pictures with a disc for each token, or bars of things, and bars of words.

    Several looks are columns, with the words below; one has its words beside it. `names` are those of things that a state lists.
    """
    first = looks[0]
    title = "Where does it look, and what does it listen to?" if first.words else "Where does it look?"
    said = "Shares of the attention that the actions give, a mean over plans, layers and times. It is a hint, no proof."
    if first.pictures:
        said = f"Each disc is a token of the picture, the larger the more it is looked at. {said}"
    most = max(len(each.words) for each in looks)
    seen_high = PICTURE * len(first.pictures) if first.pictures else 0.34 * len(first.things)
    heard_high = 0.22 * most
    beside = len(looks) == 1
    body = max(seen_high, heard_high) if beside else seen_high + heard_high + (0.25 if most else 0)
    figure = sheet(COLUMN * max(2, len(looks)) + 0.4, HEAD + body + 0.15)
    heading(figure, title, said)
    shares = [share for each in looks for share in (*each.things, *(share for _, share in each.words))]
    for column, look in enumerate(looks):
        left, top = 0.2 + column * COLUMN, HEAD
        figure.text(
            left / figure.get_figwidth(), 1 - (top - 0.3) / figure.get_figheight(), _summed(look), size=9, color=SOFT
        )
        for number, (key, (picture, tokens)) in enumerate(look.pictures.items()):
            axes = _panel(figure, left, top + number * PICTURE, COLUMN - 0.3, PICTURE - 0.15)
            _discs(axes, picture, tokens)
            if len(look.pictures) > 1:
                axes.set_ylabel(key.removeprefix("observation."), size=8.5, color=SOFT)
        if look.things:
            named = [names[k] if k < len(names) else f"thing {k + 1}" for k in range(len(look.things))]
            axes = _panel(figure, left + 1.1, top, COLUMN - 1.4, seen_high)
            _bars(axes, list(zip(named, look.things, strict=True)), max(shares), LOOK)
        if look.words:
            across, down = (left + COLUMN, top) if beside else (left, top + seen_high + 0.25)
            axes = _panel(figure, across + 1.1, down, COLUMN - 1.4, 0.22 * len(look.words))
            _bars(axes, look.words, max(shares), HEAR)
    save(figure, path)
    return title, said


def _panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the top left."""
    across, down = figure.get_figwidth(), figure.get_figheight()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def _summed(look: Look) -> str:
    """Shares of whole kinds, in words."""
    kinds = {
        "picture": sum(float(tokens[:, 2].sum()) for _, tokens in look.pictures.values()),
        "things": sum(look.things),
        "words": sum(share for _, share in look.words),
        "states": look.states,
    }
    kinds["actions"] = 1 - sum(kinds.values())
    return ",  ".join(f"{name} {100 * share:.0f} %" for name, share in kinds.items() if share >= 0.005)


def _discs(axes: Axes, picture: np.ndarray, tokens: np.ndarray) -> None:
    """The picture, and a disc for each token (x, y, share), of an area that is its part of what the picture gets."""
    high, wide = picture.shape[:2]
    axes.imshow(picture, interpolation="nearest")
    total = max(float(tokens[:, 2].sum()), 1e-9)
    axes.scatter(
        tokens[:, 0], tokens[:, 1], s=AREA * tokens[:, 2] / total, color=DISC, alpha=0.7, edgecolors=INK, lw=1.0
    )
    axes.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5), xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=LINE)


def _bars(axes: Axes, shares: Sequence[tuple[str, float]], largest: float, paint: str) -> None:
    """A bar for each name, the first at the top."""
    for row, (name, share) in enumerate(shares):
        axes.barh(row, share, 0.62, color=paint, alpha=0.8)
        axes.text(
            -0.03 * largest,
            row,
            name if len(name) < 16 else f"{name[:14]}…",
            size=9.5,
            color=INK,
            ha="right",
            va="center",
        )
        axes.text(share + 0.02 * largest, row, f"{100 * share:.1f} %", size=8, color=SOFT, va="center")
    axes.set(xlim=(0, 1.25 * largest), ylim=(len(shares) - 0.5, -0.5))
    axes.axis("off")
