"""Observations of several robots, for one network: padded to a common width, and marked with the robot that they are of."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.notation import EMBODIMENT, ROBOT, Tokens


@dataclass(frozen=True)
class Robots:
    """What each of K robots observes.

    A state is padded with zeros to the width of the widest robot's. A state that a robot does not have is zero, and a camera
    that it does not have is masked. So is π0's padding, arXiv 2410.24164, §V; the mask is ours.

    Args:
        features: the shape of one frame of every observation, by robot and name.
        serves: the robot whose observations come; None if a batch says of each sample which robot it is of, as
            `EMBODIMENT`.
        as_token: whether the robot is a token of its own. If not, it stands beside the states, for networks that read a vector.
    """

    features: Mapping[str, Mapping[str, tuple[int, ...]]]
    serves: str | None = None
    as_token: bool = True

    def __len__(self) -> int:
        return len(self.features)

    def index(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The number of the robot that each sample is of, (B,) int64.

        Raises:
            ValueError: nobody says it.
        """
        if self.serves is not None:
            some = next(iter(observation.values()))
            return torch.full((len(some),), list(self.features).index(self.serves), device=some.device)
        if EMBODIMENT not in observation:
            raise ValueError(
                f"this policy serves several robots, {', '.join(self.features)}, and nothing says which; name one, as "
                f"--policy.embodiment={next(iter(self.features))}, or load_policy(…, embodiment=…)"
            )
        return observation[EMBODIMENT]

    def padded(self, observation: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """States (B, T, D) and pictures of one robot, or of several, with every one of `shapes` at its shape."""
        batch, steps = next((value.shape[:2] for key, value in observation.items() if key in shapes), (0, 0))
        like = next(value for key, value in observation.items() if key in shapes)
        found = dict(observation)
        for key, shape in shapes.items():
            value = observation.get(key)
            if value is None:
                found[key] = like.new_zeros(batch, steps, *shape)
            elif len(shape) == 1 and value.shape[-1] < shape[0]:
                found[key] = torch.nn.functional.pad(value, (0, shape[0] - value.shape[-1]))
        return found

    def having(self, key: str, index: Tensor) -> Tensor | None:
        """Which samples are of robots that observe `key`, (B,) bool; None if all robots do."""
        have = [key in each for each in self.features.values()]
        return None if all(have) else torch.tensor(have, device=index.device)[index]

    def one_hot(self, index: Tensor, like: Tensor) -> Tensor:
        """(B, K), a one for the robot. A network's first layer makes its learned vector of it."""
        return torch.nn.functional.one_hot(index, len(self)).to(like.dtype)

    def token(self, index: Tensor, like: Tensor) -> Tokens:
        """The robot as a token, (B, 1, K)."""
        return Tokens(self.one_hot(index, like)[:, None], None, ROBOT)
