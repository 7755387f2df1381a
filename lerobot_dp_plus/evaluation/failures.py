"""How an episode failed, in a word. The first that holds of the last column is said.

| kind | in words | what is so |
|---|---|---|
| `success` | succeeded | the environment says so |
| `wrong_object` | wrong object | what it grasped first is nothing that the sentence fits |
| `near` | out of time near the goal | it is near the goal (`signals.py`) in its last step |
| `lost_contact` | lost contact | nothing was touched in its last `UNTOUCHED` seconds |
| `wrong_way` | wrong way | it had been near the goal and is no more, or is further from it than at the start |
| `never_near` | never got near | it has never been near the goal, and none of the above |
| `failed` | failed | none of these, and the environment tells no progress |
"""

from collections.abc import Sequence

from lerobot_dp_plus.evaluation.signals import NEAR, Signals

#: Seconds without a touch after which contact is lost.
UNTOUCHED = 3.0
IN_WORDS = {
    "success": "succeeded",
    "wrong_object": "wrong object",
    "near": "out of time near the goal",
    "lost_contact": "lost contact",
    "wrong_way": "wrong way",
    "never_near": "never got near",
    "failed": "failed",
}


def kind_of(success: bool, told: Sequence[Signals], environment: str, fps: float) -> str:
    """The kind of an episode. `told` holds the signals of its reset and of every step."""
    if success:
        return "success"
    if told[-1].wrong_object:
        return "wrong_object"
    progress = [each.progress for each in told[1:] if each.progress is not None]
    near = NEAR.get(environment)
    if near is None or not progress:
        return "failed"
    if progress[-1] >= near:
        return "near"
    last = told[1:][-max(1, round(UNTOUCHED * fps)) :]
    if all(each.touching is False for each in last):
        return "lost_contact"
    first, end = told[0].distance, told[-1].distance
    if max(progress) >= near or (first is not None and end is not None and end > first):
        return "wrong_way"
    return "never_near"
