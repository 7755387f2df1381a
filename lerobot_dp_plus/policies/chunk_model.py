"""The module that is trained and averaged."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders import ObservationEncoder
from lerobot_dp_plus.foresight import ForesightModel
from lerobot_dp_plus.notation import Condition
from lerobot_dp_plus.objectives import Objective
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
        self._perceived_cameras = tuple(config.camera_features)
        if config.estimated_features:
            see = ObservationEncoder({}, config.camera_features, config.image_encoder, fetch_pretrained=fetch)
            self.perception = config.perception.build(see, see.output_dim, config.low_dimensional_features)

    def condition(self, observation: Mapping[str, Tensor], copies: int = 1, *, apart: bool = False) -> Condition:
        """Observation windows, each (B, T_o, ...) -> the network's condition for B·copies chunks, images seen once.

        Copies of an observation follow each other, or, if they are to be `apart`, the whole batch comes once after another.
        """
        encoded = self.encoder(observation)
        return self.network.condition(
            torch.cat([encoded] * copies) if apart else encoded.repeat_interleave(copies, dim=0)
        )

    def perceived(self, window: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The window with what its pictures show in place of them; as it is, without perception or a second time."""
        pictures = {key: window[key] for key in self._perceived_cameras if key in window}
        if self.perception is None or not pictures:
            return window
        measured = {key: value for key, value in window.items() if key not in pictures}
        return {**measured, **self.perception(pictures)}

    def chunk_error(self, objective: Objective, split: Split, draws: int) -> Tensor:
        """Error (B, H, A) of every action, the mean over `draws` noises and times; zero where it does not count."""
        # Times come in the order of the rows, so the draws of one sample lie a batch apart.
        chunks, counted = (torch.cat([value] * draws) for value in (split.chunk, split.valid))
        condition = self.condition(split.seen, draws, apart=True)
        return objective.loss(self.network, chunks, condition, counted).unflatten(0, (draws, -1)).mean(0)

    def total_loss(self, error: Tensor, split: Split, pictures: int) -> tuple[Tensor, Tensor, dict[str, float]]:
        """The loss of each sample (B,) and that of all, from the chunks' error and what else is learned; what that adds."""
        per_sample = error.sum((1, 2)) / (split.valid.sum(1) * error.shape[2]).clamp_min(1)
        loss, parts = mean_of_valid(error, split.valid), {}
        for name, loss_each, loss_all in self.further_losses(split, pictures):
            parts[f"loss_{name}"] = loss_all.item()
            per_sample, loss = per_sample + loss_each, loss + loss_all
        return per_sample, loss, parts

    def further_losses(self, split: Split, pictures: int) -> Iterator[tuple[str, Tensor, Tensor]]:
        """What is learned beside the chunk: its name, its loss of each sample (B,) and that of all.

        Of the first `pictures` samples pictures are looked at; the others' share of that loss is zero.
        """
        if self.foresight is not None:
            error = self.foresight.loss(split.newest, split.actions, split.ahead, split.real).mean(-1)  # (B, K)
            count = split.real.sum(1)
            yield "foresight", error.sum(1) / count.clamp_min(1), error.sum() / count.sum().clamp_min(1)
        if self.perception is not None:
            images, states = (
                {key: value[:pictures] for key, value in values.items()} for values in (split.pictures, split.pictured)
            )
            each = self.perception.loss(images, states).mean((1, 2))
            yield "perception", nn.functional.pad(each, (0, len(split.chunk) - len(each))), each.mean()


def mean_of_valid(error: Tensor, valid: Tensor) -> Tensor:
    """Mean of errors (B, L, A), zero where they do not count, over those that do (B, L)."""
    return error.sum() / (valid.sum() * error.shape[2]).clamp_min(1)


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
