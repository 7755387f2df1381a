"""A person decides between modes: the question that the candidates of an observation make, and what its answer leaves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.asking import Question
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies.keeping import scene_of
from lerobot_dp_plus.policies.narrowing import among, dealt
from lerobot_dp_plus.units import ACTION, Units

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.policy import DpPlusPolicy


def decided(
    policy: "DpPlusPolicy", proposed: Candidates, numbers: Tensor, tail: Tensor | None, window: Mapping[str, Tensor]
) -> Tensor:
    """The numbers (B, N) of the candidates, where a person has decided those of the chosen mode alone.

    `proposed` begins at the current step and has modes, if the selection asks. `numbers` (B, N) are those to decide between.
    `window` may show the scene.
    """
    ahead = among(proposed, numbers)
    asked = policy.config.selection.asking(ahead, tail)
    if asked is None or not bool(asked.rows.any()):
        return numbers
    assert ahead.mode is not None
    keep, around = torch.ones_like(ahead.mode, dtype=torch.bool), scene_of(policy, window, policy.config.modes)
    for row in asked.rows.nonzero().flatten().tolist():
        scene = seen(window, [key for key in policy.config.camera_features if key in window], row)
        names = () if around is None else policy.config.modes.called(around, row)
        question, modes = question_of(ahead, row, policy._averaged_model.units, scene, asked.view, names)
        answer = policy._person.answer(question, policy.ask, asked.timeout_s)
        if answer is not None:
            keep[row] = ahead.mode[row] == modes[answer]
    return numbers.gather(1, dealt(keep))


def question_of(
    ahead: Candidates,
    row: int,
    units: Units,
    scene: np.ndarray | None = None,
    view: tuple[float, ...] = (),
    names: tuple[str, ...] = (),
) -> tuple[Question, list[int]]:
    """What is asked about one observation, and for each way that it offers the number of its mode in `ahead`."""
    assert ahead.mode is not None and ahead.weights is not None and ahead.representatives is not None
    weights, mode = ahead.weights[row], ahead.mode[row]
    there = [number for number in weights.argsort(descending=True, stable=True).tolist() if weights[number] > 0]
    chunks = units.physical(ACTION, ahead.chunks[row])
    place = torch.tensor([there.index(number) for number in mode.tolist()])
    question = Question(
        array(weights[there]),
        array(chunks[ahead.representatives[row, there]]),
        array(chunks),
        place.numpy(),
        scene,
        view,
        row,
        len(ahead.chunks),
        tuple(names[number] for number in there) if names else (),
    )
    return question, there


def array(values: Tensor) -> np.ndarray:
    """A copy that belongs to nobody else."""
    return values.detach().cpu().double().numpy().copy()


def seen(window: Mapping[str, Tensor], cameras: list[str], row: int) -> np.ndarray | None:
    """The newest picture of the first camera, (H, W, 3) bytes, from its darkest to its brightest value; None without one.

    The policy sees normalised pictures, and does not know how they were before.
    """
    if not cameras:
        return None
    picture = window[cameras[0]][row, -1].detach().float().cpu()  # (3, H, W)
    low, high = picture.aminmax()
    return (255 * (picture - low) / (high - low).clamp_min(1e-9)).to(torch.uint8).permute(1, 2, 0).numpy().copy()
