"""Somebody who is asked, and who may not answer."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from lerobot_dp_plus.asking import terminal
from lerobot_dp_plus.asking.question import Question

logger = logging.getLogger(__name__)

#: Answers a question with the number of a mode.
type Answer = Callable[[Question], Any]


class Person:
    """Puts one question at a time, and waits no longer than is said. Each kind of failure is told once, as a warning.

    A function is called in a thread of its own, whose answer has a box of its own: what comes too late is in nobody's
    box. While a function is still busy with an earlier question, it is not asked another one.
    """

    def __init__(self) -> None:
        self._asked: threading.Thread | None = None
        self._turn, self._told = threading.Lock(), set[str]()

    def __reduce__(self) -> tuple[Any, ...]:
        return Person, ()  # a copy is somebody else

    def answer(self, question: Question, ask: Answer | None, seconds: float) -> int | None:
        """The number of a mode; None if there is no answer that is one. Without `ask` it is asked at the terminal."""
        if not self._turn.acquire(blocking=False):
            return self._nothing("open", "another question is open, in another thread")
        try:
            if ask is not None:
                return self._called(question, ask, seconds)
            if not terminal.is_there():
                return self._nothing(
                    "nobody", "there is nobody to ask: standard input is no terminal, and policy.ask is None"
                )
            return terminal.answer(question, seconds)
        except Exception as error:  # a picture that cannot be written, a terminal that is gone
            return self._nothing("failed", f"the question could not be put: {type(error).__name__}: {error}")
        finally:
            self._turn.release()

    def _called(self, question: Question, ask: Answer, seconds: float) -> int | None:
        if self._asked is not None and self._asked.is_alive():
            return self._nothing("busy", "policy.ask is still busy with an earlier question")
        box: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def call() -> None:
            try:
                box.put((ask(question), None))
            except BaseException as error:  # whatever it is, it ends in this thread
                box.put((None, error))

        self._asked = threading.Thread(target=call, name="policy.ask", daemon=True)
        self._asked.start()
        try:
            told, error = box.get(timeout=seconds)
        except queue.Empty:
            return self._nothing("late", f"policy.ask gave no answer within {seconds:g} s (selection.timeout_s)")
        if error is not None:
            return self._nothing("raised", f"policy.ask raised {type(error).__name__}: {error}")
        count = len(question.weights)
        try:
            number = (
                question.named(told) if isinstance(told, str) else None if isinstance(told, bool) else told.__index__()
            )
        except (AttributeError, TypeError, RuntimeError):
            number = None
        if number is None or not 0 <= number < count:
            said = f"policy.ask gave {told!r}; it must give the number of a mode, here 0 to {count - 1}, or a word that one name has"
            return self._nothing("nonsense", said)
        return int(number)

    def _nothing(self, kind: str, reason: str) -> int | None:
        """No answer, for a reason that is said once."""
        if kind not in self._told:
            self._told.add(kind)
            logger.warning("%s; selection.otherwise chooses, now and whenever this happens again", reason)
        return None
