"""Symmetries that training may use.

| member | symmetry | file |
|---|---|---|
| `none` | | `none.py` |
| `color_jitter` | what is done is the same in another light: brightness, contrast, saturation, hue | `color_jitter.py` |
| `pusht_mirror` | (x, y) → (512 − y, 512 − x), θ → π/2 − θ: exact for PushT's goal and T | `pusht_mirror.py` |
| `shift` | what is done in a moved picture is moved along: exact where picture, states and actions share coordinates | `shift.py` |

A member that is a `Symmetry` also serves a trained policy: `Symmetrised` makes its proposals as symmetric as the task.
"""

from lerobot_dp_plus.augmentation.base import Augmentation, Symmetry
from lerobot_dp_plus.augmentation.color_jitter import ColorJitter
from lerobot_dp_plus.augmentation.none import NoAugmentation
from lerobot_dp_plus.augmentation.pusht_mirror import PushTMirror
from lerobot_dp_plus.augmentation.shift import Shift
from lerobot_dp_plus.augmentation.symmetrised import Symmetrised

__all__ = ["Augmentation", "ColorJitter", "NoAugmentation", "PushTMirror", "Shift", "Symmetrised", "Symmetry"]
