"""Strips of frames from films, sorted by how the episode ended: failures first."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from lerobot_dp_plus.evaluation.failures import IN_WORDS

#: Frames of a strip and their width in pixels; bytes of films that a page holds.
FRAMES, WIDTH, MOST_BYTES = 6, 150, 24_000_000
#: How bright what is not black should be at least, in the mean, from 0 to 1; and how much of a picture counts as not black.
BRIGHT, BLACK = 0.6, 0.04


@dataclass(frozen=True)
class Filmed:
    """An episode that was filmed.

    Args:
        title, said: seed and outcome, and in figures.
        strip: a picture of some of its frames, as a data URL.
        film: the film as a data URL; empty where the page has enough.
    """

    title: str
    said: str
    strip: str
    film: str


@dataclass(frozen=True)
class Shelf:
    """All filmed episodes that ended in one way."""

    title: str
    filmed: tuple[Filmed, ...]


def shelves(episodes: Sequence[Mapping[str, Any]], films: Mapping[tuple[str, int], Path]) -> list[Shelf]:
    """The filmed episodes by kind, successes last; a film that cannot be read is left out."""
    left, found = MOST_BYTES, []
    order = [*[kind for kind in IN_WORDS if kind != "success"], "success"]
    by_kind: dict[str, list[Filmed]] = {kind: [] for kind in order}
    for episode in sorted(episodes, key=lambda each: order.index(each["kind"])):
        file = films.get((episode["task"], episode["episode"]))
        if file is None:
            continue
        size = file.stat().st_size
        inside = size <= left
        left -= size if inside else 0
        data = f"data:video/mp4;base64,{base64.b64encode(file.read_bytes()).decode()}" if inside else ""
        title = f"Seed {episode['seed']}: {IN_WORDS[episode['kind']]}"
        by_kind[episode["kind"]].append(Filmed(title, figures(episode), strip(file), data))
    for kind, filmed in by_kind.items():
        if filmed:
            count = sum(each["kind"] == kind for each in episodes)
            said = f"{IN_WORDS[kind].capitalize()}: {len(filmed)} of {count} filmed"
            found.append(Shelf(said, tuple(filmed)))
    return found


def figures(episode: Mapping[str, Any]) -> str:
    """What is known of an episode, in a line."""
    parts = []
    if "best" in episode:
        parts.append(f"at best {episode['best']:.2f}, at the end {episode['final']:.2f}")
    elif "max_reward" in episode:
        parts.append(f"largest reward {episode['max_reward']:.2f}")
    if "steps" in episode:
        parts.append(f"{episode['steps']} steps")
    if episode.get("collisions"):
        parts.append(f"{episode['collisions']} collisions")
    return ", ".join(parts)


def strip(file: Path) -> str:
    """Evenly spread frames of a film beside each other, the last one among them, as a data URL."""
    with av.open(str(file)) as film:
        frames = [frame.to_image() for frame in film.decode(video=0)]
    chosen = [frames[index] for index in np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)]
    height = round(WIDTH * chosen[0].height / chosen[0].width)
    sheet = Image.new("RGB", (FRAMES * WIDTH, height))
    for index, frame in enumerate(chosen):
        sheet.paste(frame.resize((WIDTH, height)), (index * WIDTH, 0))
    content = BytesIO()
    lightened(sheet).save(content, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def lightened(picture: Image.Image) -> Image.Image:
    """A picture whose things can be told apart where it is dark, as simulators without a sky are: v^γ, with γ at most 1.

    γ is chosen so that what is not black has a mean luma of `BRIGHT`. Light pictures stay as they are.
    """
    luma = np.asarray(picture.convert("L"), dtype=float) / 255
    seen = luma[luma > BLACK]
    if not seen.size or seen.mean() >= BRIGHT:
        return picture
    low, high = 0.2, 1.0
    for _ in range(20):  # the mean falls as γ grows
        middle = (low + high) / 2
        low, high = (middle, high) if (seen**middle).mean() > BRIGHT else (low, middle)
    table = [round(255 * (value / 255) ** low) for value in range(256)]
    return picture.point(table * len(picture.getbands()))
