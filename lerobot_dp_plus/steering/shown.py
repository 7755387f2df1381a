"""A session as the page sees it: numbers and a picture, as JSON."""

import base64
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lerobot_dp_plus.evaluation.moment import COLOURS, LETTERS, NAMES, in_words
from lerobot_dp_plus.steering.session import Session
from lerobot_dp_plus.steering.ways import SAID, free, legal

#: Of how many sub-steps of a way one is drawn.
THINNED = 5
SIDE = 512


def state(session: Session) -> dict[str, Any]:
    """Everything that the page shows of a session."""
    arena, moment = session.arena, session.moment
    here = arena.agent.tolist()
    weights = moment.modes.weights[0].tolist()
    ways = []
    for way, number in zip(moment.ways, session.ids, strict=True):
        middle = int(moment.modes.nearest[0, way])
        ways.append(
            {
                "id": number,
                "letter": LETTERS[number % len(LETTERS)],
                "name": NAMES[number % len(NAMES)],
                "colour": COLOURS[number % len(COLOURS)],
                "weight": weights[way],
                "path": drawn(here, moment.positions[middle]),
                "fan": [drawn(here, moment.positions[int(each)]) for each in moment.members(way)],
            }
        )
    broken = int((moment.violation > free(session.way)).sum())
    return {
        "seed": session.seed,
        "step": arena.steps,
        "coverage": arena.coverage,
        "success": bool(arena.success),
        "over": arena.over,
        "agent": here,
        "picture": png(arena.picture()),
        "modes": ways,
        "ambiguity": in_words(weights),
        "plan": [] if session.path is None or not session.plan else drawn(None, session.path),
        "obstacles": [list(each) for each in session.obstacles],
        "broken": f"{broken} of {session.count} candidates touch an obstacle." if session.obstacles else "",
        "goal": None if session.goal is None else list(session.goal),
        "way": session.way,
        "ways": [{"id": each, "title": SAID[each][0], "said": SAID[each][1]} for each in legal(session.policy.config)],
        "said": session.said,
    }


def drawn(here: list[float] | None, positions: Tensor) -> list[list[float]]:
    """Points of a way (S, 2), thinned, from `here` on."""
    last = positions.shape[0] - 1
    kept = positions[torch.arange(last % THINNED, last + 1, THINNED)]
    points = [[round(x, 1), round(y, 1)] for x, y in kept.tolist()]
    return points if here is None else [[round(value, 1) for value in here], *points]


def png(picture: np.ndarray) -> str:
    """A picture (S, S, 3) uint8 as a data URL."""
    held = BytesIO()
    Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(held, "PNG")
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()
