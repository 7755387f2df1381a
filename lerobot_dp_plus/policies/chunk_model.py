"""The module that is trained and averaged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from lerobot_dp_plus import heads
from lerobot_dp_plus.auxiliary import AuxiliaryModel, Loss, Surroundings
from lerobot_dp_plus.auxiliary.state_estimation import StateEstimator
from lerobot_dp_plus.encoders import ObservationEncoder, Robots
from lerobot_dp_plus.heads import ElementwiseHead, Head
from lerobot_dp_plus.networks import Padded
from lerobot_dp_plus.notation import PATCHES, STEPS, Condition, Energy, Network, Tokens, tile_rows
from lerobot_dp_plus.policies import embodiments
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.windows import BEGAN, Split
from lerobot_dp_plus.units import ACTION, Units

#: Where a `ChunkModel` may keep image encoders.
IMAGE_ENCODERS = ("encoder.image_encoders.", "auxiliary.state_estimation.see.image_encoders.")


class ChunkModel(nn.Module):
    """What is trained: observations -> tokens -> condition -> network. It also holds what is learned further."""

    def __init__(self, config: DpPlusConfig):
        super().__init__()
        robots, self._serves, config = embodiments.robots_of(config), config.embodiment, embodiments.whole(config)
        assert config.action_feature is not None  # validate_features has seen to it
        fetch, action_dim = config.pretrained_path is None, config.action_feature.shape[0]
        self.encoder = ObservationEncoder(
            config.low_dimensional_features,
            config.network_cameras,
            config.image_encoder,
            n_obs_steps=config.n_obs_steps,
            words=config.words,
            things=config.things,
            robots=robots,
            fetch_pretrained=fetch,
        )
        shape = {"horizon": config.horizon, "action_dim": action_dim, "observation": self.encoder.spans}
        self.network = heads.head_of(config.objective).build(config.objective, config.network, **shape)

        def see() -> tuple[nn.Module, int]:
            cameras = config.camera_features
            encoder = ObservationEncoder({}, cameras, config.image_encoder, fetch_pretrained=fetch)
            return encoder, encoder.spans[STEPS].width

        width = sum(self.encoder.spans[kind].width for kind in (STEPS, PATCHES) if kind in self.encoder.spans)
        states, network = config.low_dimensional_features, config.network
        ways = network.reader if network.remembers else None, network.writer if network.writes else None
        around = Surroundings(states, config.camera_features, action_dim, width, see, *ways)  # type: ignore[arg-type]
        learned = {name: member.build(around) for name, member in config.auxiliaries.items()}
        #: What is learned beside the policy, by the field of the config.
        self.auxiliary = nn.ModuleDict({name: model for name, model in learned.items() if model is not None})
        #: Converts between normalised values and the dataset's own units.
        self.units = Units({**states, ACTION: action_dim, **config.privileged_features})
        #: Of several robots, how many actions each has, and how many numbers of a chunk's step there are.
        self._widths, self._width = [each[ACTION].shape[0] for each in config.robots.values()], action_dim
        if config.robots:
            dims = {name: embodiments.served(config, name).low_dimensional_features for name in config.robots}
            actions = zip(dims, self._widths, strict=True)
            self.units = Units.of_robots({name: {**dims[name], ACTION: width} for name, width in actions}, self._serves)
        self._cameras = tuple(config.camera_features)

    @property
    def acting(self) -> Network:
        """The network for chunks of the robot that is served, or of the only one there is."""
        network = cast(Network, self.network)
        return Padded(network, self._width) if self._widths else network

    def there(self, said: Mapping[str, Tensor]) -> Tensor | None:
        """Which numbers of a step's action each sample's robot has, (B, A) bool, by what a batch says of its robots.

        None if chunks come at the width of the one robot that is meant.
        """
        if not self._widths or self._serves is not None:
            return None
        index = cast(Robots, self.encoder.robots).index(said)
        widths = torch.tensor(self._widths, device=index.device)
        return torch.arange(self._width, device=index.device) < widths[index][:, None]

    def members(self) -> Iterable[tuple[str, AuxiliaryModel]]:
        """What is learned beside the policy, by the field of the config."""
        return self.auxiliary.items()  # type: ignore[return-value]

    def energies(self) -> dict[str, Energy]:
        """The energies that are learned, by name."""
        return {name: term for _, model in self.members() for name, term in model.energies(self.units).items()}

    @property
    def expects(self) -> tuple[str, ...]:
        """The states that a learned dynamics model predicts; none if there is no such model."""
        return next((model.predicts for _, model in self.members() if model.predicts), ())

    def expected(self, window: Mapping[str, Tensor], actions: Tensor) -> Tensor | None:
        """The normalised states `expects`, side by side, after each step of `actions` (B, L, A): (B, K, C).

        The window holds states, each (B, T_o, D), the newest being that in which the actions begin. None without a model.
        """
        for _, model in self.members():
            if model.predicts:
                return model.states_ahead({key: window[key] for key in model.predicts}, actions, self.units)
        return None

    def estimated(self, window: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The window, with its pictures replaced by the states that they show.

        It stays as it is if no states are estimated, or if its pictures have been replaced before.
        """
        pictures = {key: window[key] for key in self._cameras if key in window}
        if "state_estimation" not in self.auxiliary or not pictures:
            return window
        estimator = cast(StateEstimator, self.auxiliary["state_estimation"])
        first = {key: window[BEGAN + key][:, None] for key in pictures if BEGAN + key in window}
        began = {BEGAN + key: value[:, 0] for key, value in estimator(first).items()} if first else {}
        measured = {key: value for key, value in window.items() if key.removeprefix(BEGAN) not in pictures}
        return {**measured, **began, **estimator(pictures)}

    def chunk_loss(
        self,
        head: Head,
        condition: Condition,
        split: Split,
        draws: int,
        most_shown: int = 0,
        there: Tensor | None = None,
    ) -> tuple[Loss, Tensor | None, Tensor]:
        """The loss of the chunks, as a mean over `draws` noises and times; the error of every action, and how often it counts.

        Half of the chunks show the network a random number of their first steps, up to `most_shown`, and the loss is of the
        others. The rest is learned as if nothing were decided: a policy that is not late meets nothing else.

        The error (B, H, A) is zero where an action does not count. It is None for a head that judges chunks as a whole. An
        action counts in a share (B, H) of the draws. `there` (B, A) says which of its numbers count, where robots have
        different ones; the mean is over these.
        """
        # Times come in the order of the rows, so the draws of one sample lie a batch apart.
        chunks, counted = (torch.cat([value] * draws) for value in (split.policy.actions, split.policy.valid))
        condition = tile_rows(condition, draws)
        shown, share = None, split.policy.valid
        if most_shown:
            first = torch.randint(most_shown + 1, (len(chunks), 1), device=chunks.device)
            first = first * (torch.rand(first.shape, device=chunks.device) < 0.5)
            shown = torch.arange(chunks.shape[1], device=chunks.device) < first
            counted = counted & ~shown
            share = counted.unflatten(0, (draws, -1)).float().mean(0)
        weight = share.sum(1)
        if not isinstance(head, ElementwiseHead):
            each = head.loss(condition, chunks, counted, shown)
            return Loss(each.unflatten(0, (draws, -1)).mean(0), weight), None, share
        error = head.error(condition, chunks, counted, shown).unflatten(0, (draws, -1)).mean(0)
        if there is not None:  # the mean over A numbers is then the one over those that are there
            error = error * (there * (there.shape[1] / there.sum(1, keepdim=True)))[:, None]
        each = heads.mean_error(error, share) if shown is None else heads.mean_error(error * draws, share * draws)
        return Loss(each, weight), error, share

    def further_losses(
        self, tokens: Sequence[Tokens], split: Split, *, every: bool, condition: Condition = None
    ) -> dict[str, Loss]:
        """Losses of what is learned beside the chunks, by config field; arguments as in `AuxiliaryModel.loss`."""
        return {
            name: model.loss(
                split.auxiliary[name], tokens, self.units, every=every, condition=condition, network=self.network
            )
            for name, model in self.members()
        }

    def described(self, window: Mapping[str, Tensor]) -> list[str] | None:
        """What is about to be done in observation windows (B, T_o, ...), in words; None if nobody has learned to say it."""
        tokens = self.encoder(self.estimated(window))
        condition = self.network.condition(tokens)  # type: ignore[operator]
        told = (model.describe(tokens, condition, self.network) for _, model in self.members())
        return next((each for each in told if each is not None), None)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if self.units.replaces(state_dict, f"{prefix}units."):  # fine-tuning on other data
            for name, model in self.members():
                model.forget_data(state_dict, f"{prefix}auxiliary.{name}.")
        super()._load_from_state_dict(state_dict, prefix, *args)


def is_backbone(parameter: str) -> bool:
    """Whether a `ChunkModel`'s parameter of this name belongs to an image encoder's backbone, or to a language model."""
    return (parameter.startswith(IMAGE_ENCODERS) and ".backbone." in parameter) or ".backbone.part." in parameter


def parameter_groups(model: ChunkModel, backbone_rate: float | None) -> list[Any]:
    """What an optimizer trains: the parameters, or with a rate for backbones two groups, the backbones second."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    backbones = [weight for name, weight in named if is_backbone(name)]
    if backbone_rate is None or not backbones:
        return [weight for _, weight in named]
    others = [weight for name, weight in named if not is_backbone(name)]
    return [{"params": others}, {"params": backbones, "lr": backbone_rate}]
