"""The module that is trained and averaged."""

from collections.abc import Mapping

from torch import Tensor, nn

from lerobot_dp_plus.encoders import ObservationEncoder
from lerobot_dp_plus.notation import Condition
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig


class ChunkModel(nn.Module):
    """What is trained: observations -> condition -> network."""

    def __init__(self, config: DpPlusConfig):
        super().__init__()
        assert config.action_feature is not None  # validate_features has seen to it
        self.encoder = ObservationEncoder(
            config.low_dimensional_features,
            config.camera_features,
            config.image_encoder,
            fetch_pretrained=config.pretrained_path is None,
        )
        self.network = config.network.build(
            horizon=config.horizon,
            action_dim=config.action_feature.shape[0],
            observation_dim=self.encoder.output_dim,
            n_obs_steps=config.n_obs_steps,
        )

    def condition(self, observation: Mapping[str, Tensor], copies: int = 1) -> Condition:
        """Observation windows, each (B, T_o, ...) -> the network's condition for B·copies chunks, images seen once."""
        return self.network.condition(self.encoder(observation).repeat_interleave(copies, dim=0))
