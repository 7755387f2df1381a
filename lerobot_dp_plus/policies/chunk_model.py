"""The module that is trained and averaged."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lerobot_dp_plus.encoders import ObservationEncoder
from lerobot_dp_plus.foresight import ForesightModel
from lerobot_dp_plus.notation import Condition
from lerobot_dp_plus.perception import PerceptionModel
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.windows import Split


class ChunkModel(nn.Module):
    """What is trained: observations -> condition -> network, what follows, and what pictures show."""

    def __init__(self, config: DpPlusConfig):
        super().__init__()
        assert config.action_feature is not None  # validate_features has seen to it
        fetch = config.pretrained_path is None
        self.encoder = ObservationEncoder(
            config.low_dimensional_features,
            config.network_cameras,
            config.image_encoder,
            fetch_pretrained=fetch,
        )
        self.network = config.network.build(
            horizon=config.horizon,
            action_dim=config.action_feature.shape[0],
            observation_dim=self.encoder.output_dim,
            n_obs_steps=config.n_obs_steps,
        )
        #: What follows a chunk; None without foresight.
        self.foresight: ForesightModel | None = config.foresight.build(
            config.low_dimensional_features, config.action_feature.shape[0]
        )

        #: What pictures show; None without perception.
        self.perception: PerceptionModel | None = None
        if config.estimated_features:
            see = ObservationEncoder({}, config.camera_features, config.image_encoder, fetch_pretrained=fetch)
            self.perception = config.perception.build(see, see.output_dim, config.low_dimensional_features)

    def condition(self, observation: Mapping[str, Tensor], copies: int = 1) -> Condition:
        """Observation windows, each (B, T_o, ...) -> the network's condition for B·copies chunks, images seen once."""
        return self.network.condition(self.encoder(observation).repeat_interleave(copies, dim=0))

    def foresight_loss(self, split: Split) -> tuple[Tensor, Tensor]:
        """Mean error over the foreseen steps that are real: of each sample (B,), and of all."""
        assert self.foresight is not None
        error = self.foresight.loss(split.newest, split.actions, split.ahead, split.real).mean(-1)  # (B, K)
        count = split.real.sum(1)
        return error.sum(1) / count.clamp_min(1), error.sum() / count.sum().clamp_min(1)

    def perception_loss(self, split: Split, samples: int) -> Tensor:
        """Mean error of what is read off the pictures of the first `samples` samples of the batch, each (≤ samples,)."""
        assert self.perception is not None
        pictures = {key: value[:samples] for key, value in split.pictures.items()}
        states = {key: value[:samples] for key, value in split.pictured.items()}
        return self.perception.loss(pictures, states).mean((1, 2))


#: Where a `ChunkModel` may keep image encoders.
IMAGE_ENCODERS = ("encoder.image_encoders.", "perception.see.image_encoders.")


def is_backbone(parameter: str) -> bool:
    """Whether a `ChunkModel`'s parameter of this name belongs to an image encoder's backbone."""
    return parameter.startswith(IMAGE_ENCODERS) and ".backbone." in parameter


def parameter_groups(model: ChunkModel, backbone_rate: float | None) -> list[Any]:
    """What an optimizer trains: the parameters; or, with a learning rate for the backbones, two groups, theirs second."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    backbones = [weight for name, weight in named if is_backbone(name)]
    if backbone_rate is None or not backbones:
        return [weight for _, weight in named]
    others = [weight for name, weight in named if not is_backbone(name)]
    return [{"params": others}, {"params": backbones, "lr": backbone_rate}]
