"""States that nobody labelled: rigid things, placed over the median picture so that the picture is explained.

    Î(x, y, θ) = robot(s) over thing(x, y, θ) over background        min over looks and poses of mean ‖Î − I‖²

Found are a pose for every picture, and what the thing and the robot look like. No label is used, and no network: learning
looks and finding poses take turns. Torch only.

| file | question it answers |
|---|---|
| `placing.py` | how is a small picture with transparency placed over a larger one? |
| `sprite.py` | what is the model of a picture? |
| `mirroring.py` | which states does a picture show where, and what is a task's mirror image of it? |
| `scene.py` | what stands still, where does something differ, what does the robot look like? |
| `start.py` | what does the thing look like at first, from a single picture? |
| `searching.py` | where is it, if nothing is known yet? |
| `refining.py` | where is it exactly? |
| `learning.py` | what do thing and robot look like, over many pictures? |
| `reading.py` | where is it in every frame of a recording? |
| `gauge.py` | which frame is meant, of all that are as good? |
| `points.py` | which states are written for a pose? |
| `quality.py` | how good is it, told without labels? |
| `assumptions.py` | which assumption does not hold? |

Several things are layers over each other. They are found one after the other, each on what those before leave unexplained,
and refined together. Mirror images are not asked then.

| file | question it answers |
|---|---|
| `layers.py` | what is the model of a picture with several things? |
| `first_looks.py` | what does each look like at first? |
| `unexplained.py` | where is each, one after the other and then together? |
| `learning_layers.py` | what do they look like, and which is in front? |
| `reading_layers.py` | where are they in every frame, and how good is that? |
| `assumptions_layers.py` | which assumption does not hold? |
"""

from lerobot_dp_plus.sprites.assumptions import Unseeable, check_reading, check_scene
from lerobot_dp_plus.sprites.assumptions_layers import alike, apart, check_layers
from lerobot_dp_plus.sprites.first_looks import first_looks
from lerobot_dp_plus.sprites.layers import Layers
from lerobot_dp_plus.sprites.learning import Learning, Progress, learn
from lerobot_dp_plus.sprites.learning_layers import learn_layers
from lerobot_dp_plus.sprites.mirroring import Mirror, View
from lerobot_dp_plus.sprites.points import points_of, things_of
from lerobot_dp_plus.sprites.quality import CONTRADICTION, Quality, quality_of
from lerobot_dp_plus.sprites.reading import Reading, read
from lerobot_dp_plus.sprites.reading_layers import LayersQuality, LayersReading, layers_quality, read_layers
from lerobot_dp_plus.sprites.scene import EXPLAINED, Frames, Scene, look_at
from lerobot_dp_plus.sprites.sprite import Patch, Pose, Sprite
from lerobot_dp_plus.sprites.start import first_look

__all__ = [
    "CONTRADICTION",
    "EXPLAINED",
    "Frames",
    "Layers",
    "LayersQuality",
    "LayersReading",
    "Learning",
    "Mirror",
    "Patch",
    "Pose",
    "Progress",
    "Quality",
    "Reading",
    "Scene",
    "Sprite",
    "Unseeable",
    "View",
    "alike",
    "apart",
    "check_layers",
    "check_reading",
    "check_scene",
    "first_look",
    "first_looks",
    "layers_quality",
    "learn",
    "learn_layers",
    "look_at",
    "points_of",
    "quality_of",
    "read",
    "read_layers",
    "things_of",
]
