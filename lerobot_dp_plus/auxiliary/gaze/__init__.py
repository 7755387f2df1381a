"""Losses that make the backbone find what the demonstrator looked at. They need `network.type=mixture`.

A dataset says in `observation.gaze` where the target is, (x, y, half side of a square), as shares of the picture. Learned queries
read keys and values of the backbone, and must tell what is there (`reconstruction.py`) or where it is (`position.py`). Nothing
reads the queries, so in use nothing of this is computed, and no chunk depends on it.

| member of `auxiliary` | asked of the queries | source | file |
|---|---|---|---|
| `gaze_reconstruction` | the target's region, in latents of a tokenizer, by flow matching | ReconVLA, arXiv 2508.10333 | `reconstruction.py` |
| `gaze_position` | x, y and half side, by regression; the control | our own | `position.py` |
"""

from lerobot_dp_plus.auxiliary.gaze.position import GazePosition
from lerobot_dp_plus.auxiliary.gaze.reconstruction import GazeReconstruction

__all__ = ["GazePosition", "GazeReconstruction"]
