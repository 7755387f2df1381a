"""What is seen: normalised observations in, one vector (B, T_o, C) per observation step out.

| member | equation | source | file |
|---|---|---|---|
| `resnet18` | ReLU(W · keypoints(ResNet-18(crop))) | arXiv 1512.03385, 2303.04137 | `resnet.py` |
| `small_cnn` | ReLU(W · keypoints(4 convolutions(crop))) | our own, for a CPU | `small_cnn.py` |

`ObservationEncoder` joins states and cameras; every camera goes through an `ImageEncoder`: one random crop per sample
(`crop.py`), a convolutional backbone, and the keypoints of `spatial_softmax.py`. States have no weights at all here.
Images are taken as the processor normalised them.
"""

from lerobot_dp_plus.encoders.image import ImageEncoder, ImageEncoderConfig
from lerobot_dp_plus.encoders.observation import ObservationEncoder
from lerobot_dp_plus.encoders.resnet import ResNet18Config
from lerobot_dp_plus.encoders.small_cnn import SmallCnnConfig
from lerobot_dp_plus.encoders.spatial_softmax import SpatialSoftmax

__all__ = [
    "ImageEncoder",
    "ImageEncoderConfig",
    "ObservationEncoder",
    "ResNet18Config",
    "SmallCnnConfig",
    "SpatialSoftmax",
]
