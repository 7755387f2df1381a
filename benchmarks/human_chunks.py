"""Human chunks of PushT, and what they are told from: another's, moved, reversed, disturbed."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.demos.pusht_features import keypoints
from lerobot_dp_plus.notation import Condition
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.units import ACTION

ROOT = Path(__file__).parent.parent
#: The 206 demonstrations as states and actions (see the README beside the file); tests skip where it is absent.
HUMAN = ROOT.parent / "shared" / "data" / "pusht_human" / "pusht_human.npz"
POLICY = ROOT / "hub_cards" / "pusht_state"


class Chunks(NamedTuple):
    """Of M observations the condition, and chunks (M, H, A) by what they are, normalised."""

    condition: Condition
    chunks: dict[str, Tensor]


#: What `human_chunks` gives beside the demonstrator's own, and what is done.
FOREIGN = {
    "other": "that of a random observation of another episode",
    "moved": "the same, moved to start at our agent",
    "nearest": "that of the observation of another episode with the nearest agent",
    "reversed": "its own, backwards in time",
    "noise_10": "its own, with noise of 10 px on every action",
    "noise_3": "its own, with noise of 3 px on every action",
    "shift_15": "its own, shifted by 15 px in a random direction",
}


def human_chunks(loaded: Loaded, count: int, seed: int = 0, file: Path = HUMAN) -> Chunks:
    """`count` observations of different frames, as the policy sees them in training, at its own stride."""
    config, model = loaded.policy.config, loaded.policy._averaged_model
    with np.load(file) as archive:
        state, action, ends = archive["state"].astype(np.float64), archive["action"], archive["episode_ends"]
    seen, rows = np.array(config.windows.seen), np.array(config.windows.predicted)
    begins, episode = np.concatenate([[0], ends[:-1]]), np.searchsorted(ends, np.arange(len(state)), side="right")
    whole = [np.arange(begin - seen[0], end - rows[-1]) for begin, end in zip(begins, ends, strict=True)]
    rng = np.random.default_rng(seed)
    frames = rng.choice(np.concatenate(whole), count, replace=False)
    agent, own = state[frames, :2], action[frames[:, None] + rows].astype(np.float64)
    foreign = episode[frames][:, None] != episode[frames][None]
    other = np.array([rng.choice(np.flatnonzero(row)) for row in foreign])
    distance = np.where(foreign, np.linalg.norm(agent[:, None] - agent[None], axis=-1), np.inf)
    angle = rng.uniform(0, 2 * np.pi, count)
    pixels = {
        "own": own,
        "other": own[other],
        "moved": own[other] + (agent - agent[other])[:, None],
        "nearest": own[distance.argmin(1)],
        "reversed": own[:, ::-1],
        "noise_10": own + rng.normal(0, 10, own.shape),
        "noise_3": own + rng.normal(0, 3, own.shape),
        "shift_15": own + 15 * np.stack([np.cos(angle), np.sin(angle)], -1)[:, None],
    }
    at = frames[:, None] + seen
    window = {
        "observation.state": state[at, :2],
        "observation.environment_state": keypoints(*np.moveaxis(state[at, 2:], -1, 0)),
    }
    units = model.units
    normalised = {key: units.normalised(key, torch.tensor(value, dtype=torch.float32)) for key, value in window.items()}
    chunks = {
        name: units.normalised(ACTION, torch.tensor(np.ascontiguousarray(value), dtype=torch.float32))
        for name, value in pixels.items()
    }
    with torch.no_grad():
        return Chunks(model.network.condition(model.encoder(normalised)), chunks)


def auroc(better: Tensor, worse: Tensor) -> float:
    """Probability that a random one of `better` (M,) is above one of `worse` (M,); ties count half."""
    above, equal = (better[:, None] > worse).double().mean(), (better[:, None] == worse).double().mean()
    return (above + 0.5 * equal).item()
