"""The picture of a table with things, seen from above: which thing each plan goes to, by colour and place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lerobot_dp_plus.evaluation.moment import in_words
from lerobot_dp_plus.explaining.material import Seen
from lerobot_dp_plus.explaining.style import INK, LINE, SOFT, heading, save, sheet
from lerobot_dp_plus.modes import Things

#: What things are drawn in, where their name is a colour; a colour for the others.
PAINT = {"red": "#D55E00", "green": "#009E73", "blue": "#0072B2"}
OTHER = "#CC79A7"


def fans(
    seen: Seen,
    things: Things,
    sentence: str,
    readings: Sequence[str],
    fits: Sequence[int],
    path: Path,
) -> tuple[str, str]:
    """All candidates from above, in the colour of the thing that they go to, beside the camera's picture.

    Where candidates were drawn for `readings` of the sentence, each in the colour of the thing that its sentence names, of
    `fits`.
    """
    moment = seen.moment
    weights = moment.modes.weights[0].tolist()
    places = things.places(moment.scene)[0].numpy()
    names = readings or things.called(moment.scene, 0)
    paints = [PAINT.get(name, OTHER) for name in things.names]
    of_mode = [paints[thing] for thing in fits] if readings else paints
    ways = things.ways(moment.chunks[None], moment.scene)[0].numpy()
    title = f"“{sentence}”: which thing?" if sentence else "Nothing is said: which thing?"
    shares = sorted((weight for weight in weights if weight > 0), reverse=True)
    colours = "the thing that its sentence names" if readings else "the thing that it comes nearest to"
    said = f"{in_words(shares)} Each line is where one of {len(ways)} plans takes the hand; its colour is {colours}."
    figure = sheet(10.4, 5.6)
    heading(figure, title, said)
    camera = figure.add_axes((0.02, 0.06, 0.42, 0.72))
    camera.imshow(seen.picture)
    camera.set_axis_off()
    axes = figure.add_axes((0.5, 0.3, 0.46, 0.5))
    for number, paint in enumerate(of_mode):
        for way in ways[moment.members(number).numpy()]:
            axes.plot(way[:, 0], way[:, 1], color=paint, lw=0.9, alpha=0.5)
    for number, paint in enumerate(paints):
        axes.plot(*places[number, :2], "o", ms=13, color=paint, mec="white", mew=1.5, zorder=5)
    shown = np.concatenate([ways[..., :2].reshape(-1, 2), places[:, :2]])
    low, high = shown.min(0), shown.max(0)
    room = 0.08 * float((high - low).max())
    axes.set(xlim=(low[0] - room, high[0] + room), ylim=(high[1] + room, low[1] - room))
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7.5, colors=SOFT, length=2)
    for side in axes.spines.values():
        side.set(color=LINE)
    for row, number in enumerate(moment.ways):
        figure.text(
            0.5,
            0.19 - 0.06 * row,
            f"{100 * weights[number]:.0f} %  {names[number]}",
            size=11,
            color=of_mode[number],
            weight="bold",
        )
    figure.text(0.02, 0.02, "Left: the camera. Right: the table from above.", size=9, color=INK)
    save(figure, path)
    return title, said
