"""One robot's run: the frames it sent, the plan it executes, and the next chunk."""

import logging
import math
import time
from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.evaluation.budget import observation
from lerobot_dp_plus.policies import relative
from lerobot_dp_plus.policies.acting import Loaded, batched
from lerobot_dp_plus.serving.robot import Frame, Robot
from lerobot_dp_plus.serving.still import StillCameras

logger = logging.getLogger(__name__)
#: The delay is the longest of so many chunks. A slow one is forgotten after that.
REMEMBERED = 10


class Seen(NamedTuple):
    """An observation of the robot.

    Args:
        step: number of the action that was executed last, from 0.
        must_go: whether the robot has nothing left to do.
        raw: as a robot's `get_observation` gives it, with "task".
        taken: when it was taken, in seconds of the client's clock.
        arrived: when it came, in seconds of this process' clock.
    """

    step: int
    must_go: bool
    raw: Mapping[str, Any]
    taken: float
    arrived: float


class Kept(NamedTuple):
    """A frame, and the control step of the run it was taken at."""

    clock: int
    frame: Frame


class Given(NamedTuple):
    """A chunk that the robot was given.

    Args:
        step: the step it begins at.
        chunk: all of it, (1, L, A), normalised.
        actions: the same in the data's units, (L, A).
        sent: how many of these the client has.
    """

    step: int
    chunk: Tensor
    actions: Tensor
    sent: int


class Session:
    """From the observations of one robot to its chunks. One thread at a time may show and ask.

    A chunk is drawn while the robot goes on with the one before. So it is told how that one goes on, and after how many
    steps it takes over (`policies/real_time.py`). Frames are as far apart as in training, if the client sent them.

    Args:
        loaded: a policy of this package, of its own.
        robot: what the client says it observes.
        fps: control steps a second.
        length: how many actions of a chunk the client asks for.

    Raises:
        ValueError: the robot does not fit the policy, by name.
    """

    def __init__(self, loaded: Loaded, robot: Robot, fps: float, length: int):
        if length < 1:
            raise ValueError(f"actions_per_chunk = {length}: must be at least 1")
        self._loaded, self._config = loaded, loaded.policy.config
        self._robot, self._fps = robot.fitted(self._config), fps
        self._length = min(length, self._config.chunk_length)
        stride = self._config.observation_stride
        self._ages = [stride * step for step in reversed(range(self._config.n_obs_steps))]
        self._lock = Lock()  # of the next three, which belong together
        self._kept: list[Kept] = []
        self._last: Seen | None = None
        self._answered: Seen | None = None
        self._given: Given | None = None
        self._late: deque[float] = deque(maxlen=REMEMBERED)
        self._still, self._too_late = StillCameras(), False
        if self._config.fps is not None and self._config.fps != fps:
            logger.warning(
                "the policy was trained at %g frames a second, and the robot runs at %g", self._config.fps, fps
            )
        self._warm_up()

    @property
    def delay(self) -> int:
        """Control steps after which a chunk takes over that is begun now; at most half of a chunk."""
        steps = math.ceil(max(self._late) * self._fps)
        most = self._config.chunk_length // 2
        if steps > most and not self._too_late:
            self._too_late = True
            logger.warning(
                "a chunk is %d steps late at %g Hz, and chunks of %d steps reach over %d: the robot will wait. Train with a "
                "longer horizon, or compute less (`dp-plus budget` measures)",
                *(steps, self._fps, self._config.chunk_length, most),
            )
        return min(steps, most)

    @property
    def asks(self) -> bool:
        """Whether the newest observation waits for a chunk: it had none, and an action was executed since the last chunk."""
        seen = self._last
        if seen is None or seen is self._answered:
            return False
        return seen.must_go or self._given is None or seen.step > self._given.step

    def is_overdue(self, patience: float) -> bool:
        """Whether what the robot was given is used up since `patience` seconds, and it has shown nothing since."""
        if self._last is None or self._given is None:
            return False
        return time.perf_counter() - self._last.arrived > self._given.sent / self._fps + patience

    def see(self, seen: Seen) -> None:
        """Take in an observation, whether or not a chunk is asked for it.

        Raises:
            ValueError: something is missing or illegal in it, by name. Nothing of it is taken in.
        """
        frame = self._robot.frame(seen.raw)
        pictures = {name: seen.raw[name] for name in self._robot.cameras}
        for name in self._still.see(pictures, frame.get("observation.state", np.zeros(0)), seen.taken):
            logger.warning("camera %s sends the same picture again and again, while joints move: is it alive?", name)
        with self._lock:
            clock = 0
            if self._last is not None:
                # Steps without an action pass, too: the robot then waits.
                waited = round((seen.taken - self._last.taken) * self._fps)
                clock = self._kept[-1].clock + max(seen.step - self._last.step, waited, 0)
            self._last = seen
            before = [kept for kept in self._kept if clock - self._ages[0] <= kept.clock < clock]
            self._kept = [*before, Kept(clock, frame)]

    @torch.no_grad()
    def chunk(self) -> tuple[Seen, Tensor]:
        """The observation that was seen last, and actions (L, A) in the data's units from its step on.

        Raises:
            ValueError: nothing was seen, or the policy gave NaN.
        """
        with self._lock:
            seen, kept = self._last, self._kept
            self._answered = seen
        if seen is None:
            raise ValueError("no observation has been sent")
        batch, executed, rest = self._window(kept), None, None
        if self._given is not None:
            executed = seen.step - self._given.step
            if not seen.must_go and executed < self._given.sent - 1:  # the robot has something left to do
                rest = self._left(self._given, executed)
        delay = self.delay if rest is not None else None
        chunk = self._loaded.policy.predict_action_chunk(
            batch, steps_since_last=executed, inference_delay=delay, prev_chunk_left_over=rest
        )
        actions = self._loaded.postprocess(chunk[0])
        if not torch.isfinite(actions).all():
            raise ValueError("the policy gave a chunk with NaN or infinity in it; the robot is not given that")
        self._given = Given(seen.step, chunk, actions, self._length)
        self._late.append(time.perf_counter() - seen.arrived)
        return seen, actions[: self._length]

    def _left(self, given: Given, executed: int) -> Tensor:
        """What of a chunk is not executed yet, normalised; where actions are relative, relative to the newest state."""
        if self._config.use_relative_actions:
            return relative.anew(self._loaded.preprocess, given.actions[executed:])[None]
        return given.chunk[:, executed:]

    def _window(self, kept: list[Kept]) -> dict[str, Any]:
        """What the policy observes, each (1, T_o, ...). If no frame of a step was sent, the next one takes its place."""
        now = kept[-1].clock
        return self._stacked([next(each.frame for each in kept if now - each.clock <= age) for age in self._ages])

    def _stacked(self, frames: list[Frame]) -> dict[str, Any]:
        different = {id(frame): frame for frame in frames}
        made = {key: self._loaded.preprocess(batched(frame, self._config)[0]) for key, frame in different.items()}
        every = [made[id(frame)] for frame in frames]
        windows = {key: torch.stack([each[key] for each in every], 1) for key in self._config.observed_features}
        return {**every[-1], **windows}

    def _warm_up(self) -> None:
        """Draw chunks of nothing: the first ones are slow, and the robot must not wait for them."""
        policy = self._loaded.policy
        policy.init_rtc_processor()
        nothing = observation(self._config)
        for _ in range(2):
            began = time.perf_counter()
            chunk = policy.predict_action_chunk(self._stacked([nothing] * len(self._ages)))
            self._loaded.postprocess(chunk[0])
            self._late.append(time.perf_counter() - began)
            policy.reset()
        self._late.popleft()  # the first of all
        logger.info(
            "a chunk takes %.0f ms here, %d steps at %g Hz; chunks have %d steps, of which the client takes %d",
            *(1000 * self._late[-1], self.delay, self._fps, self._config.chunk_length, self._length),
        )
