"""What is seen and heard: normalised observations in, tokens out.

| member of `image_encoder` | equation | source | file |
|---|---|---|---|
| `resnet18` | ReLU(W · keypoints(ResNet-18(crop))), one feature a frame | arXiv 1512.03385, 2303.04137 | `resnet.py` |
| `small_cnn` | ReLU(W · keypoints(4 convolutions(crop))), one feature a frame | our own, for a CPU | `small_cnn.py` |
| `patches` | W · trunk(crop) + place + age, a token for each place | arXiv 2106.14881 | `patches.py` |
| `keypoint_tokens` | W · features + V · (x, y) + slot + age, a token for each keypoint | arXiv 1509.06113 | `keypoint_tokens.py` |

| member of `words` | equation | source | file |
|---|---|---|---|
| `none` | instructions are not read | | `words.py` |
| `automatic` | `ngrams` where a dataset has several instructions, else `none` | | `automatic_words.py` |
| `ngrams` | Σ e(part)/√n + e'(place), a token for each word of n parts | arXiv 1607.04606 | `word_ngrams.py` |
| `hashed` | e(CRC-32 of the word) + e'(place), a token for each word | arXiv 0902.2206 | `hashed_words.py` |
| `sentence` | W · USE(sentence), one token; extra `language` | arXiv 1907.04307 | `sentence.py` |
| `pretrained` | W · h of a text tower's last layer, a token for each of its own | arXiv 2103.00020 | `text_tower.py` |

`frozen_words.py` holds what members share whose vectors come from an encoder that is not trained.
`things.py` gives each thing that a state lists a token. `robots.py` pads what several robots observe, and marks whose it is. `resize.py` shrinks pictures, before they are cached and in use.

`trunks.py` has the trunks of the encoders that give tokens.

`ObservationEncoder` puts states and features side by side, in one token for each observation step. Places and words
have tokens of their own. Every camera goes through one random crop per sample (`crop.py`) and a convolutional trunk.
Features are the keypoints of `spatial_softmax.py`. States need no weights here. `pretrained.py` holds trunks that are
never trained, and `kept_features.py` what they saw. Images arrive as the processor normalised them.
"""

from lerobot_dp_plus.encoders.automatic_words import AutomaticWords
from lerobot_dp_plus.encoders.frozen_words import FrozenWords
from lerobot_dp_plus.encoders.hashed_words import HashedWords
from lerobot_dp_plus.encoders.image import CameraEncoder, ImageEncoderConfig
from lerobot_dp_plus.encoders.kept_features import KeptFeatures, keeping
from lerobot_dp_plus.encoders.keypoint_tokens import KeypointTokensConfig
from lerobot_dp_plus.encoders.keypoints import ImageEncoder
from lerobot_dp_plus.encoders.observation import ObservationEncoder, spans
from lerobot_dp_plus.encoders.patches import PatchesConfig
from lerobot_dp_plus.encoders.resize import shrunk, size_for
from lerobot_dp_plus.encoders.resnet import ResNet18Config
from lerobot_dp_plus.encoders.robots import Robots
from lerobot_dp_plus.encoders.sentence import SentenceWords
from lerobot_dp_plus.encoders.small_cnn import SmallCnnConfig
from lerobot_dp_plus.encoders.spatial_softmax import SpatialSoftmax
from lerobot_dp_plus.encoders.text_tower import PretrainedWords
from lerobot_dp_plus.encoders.word_ngrams import WordNgrams
from lerobot_dp_plus.encoders.words import WORD_IDS, WORDS_VALID, NoWords, WordEncoder, Words

__all__ = [
    "WORDS_VALID",
    "WORD_IDS",
    "AutomaticWords",
    "CameraEncoder",
    "FrozenWords",
    "HashedWords",
    "ImageEncoder",
    "ImageEncoderConfig",
    "KeptFeatures",
    "KeypointTokensConfig",
    "NoWords",
    "ObservationEncoder",
    "PatchesConfig",
    "PretrainedWords",
    "ResNet18Config",
    "Robots",
    "SentenceWords",
    "SmallCnnConfig",
    "SpatialSoftmax",
    "WordEncoder",
    "WordNgrams",
    "Words",
    "keeping",
    "shrunk",
    "size_for",
    "spans",
]
