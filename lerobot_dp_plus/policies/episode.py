"""What a policy remembers during an episode, and whose episode that is when threads share a policy."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.history import ObservationHistory


class Lock:
    """A lock whose copies, pickled ones too, are open locks of their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def acquire(self, blocking: bool = True) -> bool:
        """As `threading.Lock.acquire`."""
        return self._lock.acquire(blocking)

    def release(self) -> None:
        """As `threading.Lock.release`."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return Lock, ()


@dataclass(frozen=True)
class Replan:
    """How the newest chunk came about.

    Args:
        window: what it was proposed for, normalised, each (B, T_o, ...).
        proposed: what it was chosen from, from the current step on.
        chosen: the chunk itself; its axis of candidates has length 1.
        executed: how many steps of the chunk before were executed.
        tail: what the chunk before planned for the steps after those, (B, L, A); None if there was none, or nothing is left.
        before: how the chunk before came about, without what was before that; None if it was the episode's first.
    """

    window: Mapping[str, Tensor]
    proposed: Candidates
    chosen: Candidates
    executed: int
    tail: Tensor | None = None
    before: "Replan | None" = None


@dataclass
class Episode:
    """The observations so far, the actions still to execute, and the chunk they were planned in with what is known of it.

    Args:
        executed: how many steps of the chosen chunk are executed before the next one.
        planned: how many steps of the chosen chunks were planned and are no repetition, (B,); None if all are.
        replan: how the newest chunk came about; another object for each.
        plans: the chunks that were chosen last, (B, L, A) each, the oldest first; all begin at the newest one's first step.
        anchor: the normalised state, (B, D), that the plan is relative to; None if actions are absolute or none was seen.
        mode: the mode (B,) that was chosen, where choices are kept, and what had been `said` then.
    """

    history: ObservationHistory
    executed: int
    actions: deque[Tensor] = field(default_factory=deque)
    chosen: Candidates | None = None
    planned: Tensor | None = None
    replan: Replan | None = None
    plans: list[Tensor] = field(default_factory=list)
    anchor: Tensor | None = None
    mode: Tensor | None = None
    said: Tensor | None = None
    _turn: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, config: DpPlusConfig) -> "Episode":
        """A new episode, for a policy of `config`."""
        apart = config.observation_stride
        rate = config.fps if config.stride == 1 else None  # otherwise time stamps of robots and data differ in steps
        shapes, spoken = config.observed_features, config.spoken_features
        begins = tuple(shapes) if config.dynamics.reads_start else ()
        return cls(ObservationHistory(shapes, config.n_obs_steps, apart, rate, spoken, begins), config.n_action_steps)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Marks the time in which one thread acts.

        Raises:
            ValueError: another thread acts. Two robots in one episode would get each other's actions.
        """
        if not self._turn.acquire(blocking=False):
            raise ValueError(
                "two threads act in the same episode of one policy; call policy.reset() in each thread at the start of its "
                "episode, and each has an episode of its own"
            )
        try:
            yield
        finally:
            self._turn.release()


class Episodes:
    """The episode of each thread.

    A thread that begins an episode has it for itself. In LeRobot's evaluation with max_parallel_tasks > 1 each task
    does so, because it resets the policy first. A thread that never began an episode acts in the one that was begun
    last, by any thread. LeRobot's rollout does so where it resets in one thread and samples in another. Copies, pickled
    ones too, go on with the episode of the thread that makes them.
    """

    def __init__(self, first: Episode):
        self.__setstate__(first)

    def begin(self, episode: Episode) -> None:
        """Start an episode in this thread; others keep theirs."""
        self._own.episode = self._last = episode

    @property
    def current(self) -> Episode:
        """This thread's episode."""
        return getattr(self._own, "episode", self._last)

    def __getstate__(self) -> Episode:
        return self.current

    def __setstate__(self, state: Episode) -> None:
        self._own = threading.local()
        self.begin(state)


class EvaluationMode:
    """Holds a module's parts in evaluation mode while any thread is inside, and then puts them back as they were."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._switched: list[nn.Module] = []

    @contextmanager
    def of(self, model: nn.Module) -> Iterator[None]:
        """Inside, no part of `model` is in training mode."""
        with self._lock:
            if not self._inside:
                self._switched = [module for module in model.modules() if module.training]
                self._set(False)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._set(True)
                    self._switched = []

    def _set(self, training: bool) -> None:
        for module in self._switched:
            module.training = training

    def __reduce__(self) -> tuple[Any, ...]:
        return EvaluationMode, ()
