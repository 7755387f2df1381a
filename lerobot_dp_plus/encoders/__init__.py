"""What is seen and heard: normalised observations in, tokens out.

| member of `image_encoder` | equation | source | file |
|---|---|---|---|
| `resnet18` | ReLU(W · keypoints(ResNet-18(crop))), one feature a frame | arXiv 1512.03385, 2303.04137 | `resnet.py` |
| `small_cnn` | ReLU(W · keypoints(4 convolutions(crop))), one feature a frame | our own, for a CPU | `small_cnn.py` |
| `patches` | W · trunk(crop) + place + age, a token for each place | arXiv 2106.14881 | `patches.py` |

| member of `words` | equation | source | file |
|---|---|---|---|
| `none` | instructions are not read | | `words.py` |
| `hashed` | e(CRC-32 of the word) + e'(place), a token for each word | arXiv 0902.2206 | `hashed_words.py` |

`resize.py` shrinks pictures, before they are cached and in use.

`ObservationEncoder` puts states and features side by side, in one token for each observation step. Places and words
have tokens of their own. Every camera goes through one random crop per sample (`crop.py`) and a convolutional trunk.
Features are the keypoints of `spatial_softmax.py`. States need no weights here. `pretrained.py` holds trunks that are
never trained. Images arrive as the processor normalised them.
"""

from lerobot_dp_plus.encoders.hashed_words import HashedWords
from lerobot_dp_plus.encoders.image import CameraEncoder, ImageEncoderConfig
from lerobot_dp_plus.encoders.keypoints import ImageEncoder
from lerobot_dp_plus.encoders.observation import ObservationEncoder, spans
from lerobot_dp_plus.encoders.patches import PatchesConfig
from lerobot_dp_plus.encoders.resize import shrunk, size_for
from lerobot_dp_plus.encoders.resnet import ResNet18Config
from lerobot_dp_plus.encoders.small_cnn import SmallCnnConfig
from lerobot_dp_plus.encoders.spatial_softmax import SpatialSoftmax
from lerobot_dp_plus.encoders.words import WORD_IDS, WORDS_VALID, NoWords, WordEncoder, Words

__all__ = [
    "WORDS_VALID",
    "WORD_IDS",
    "CameraEncoder",
    "HashedWords",
    "ImageEncoder",
    "ImageEncoderConfig",
    "NoWords",
    "ObservationEncoder",
    "PatchesConfig",
    "ResNet18Config",
    "SmallCnnConfig",
    "SpatialSoftmax",
    "WordEncoder",
    "Words",
    "shrunk",
    "size_for",
    "spans",
]
