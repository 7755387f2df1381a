"""A temporal U-Net over the action chunk, conditioned by FiLM; weights interchangeable with LeRobot's.

Bottom-up: `ConvBlock`, `Film`, `ResidualBlock`, `UNet1d`, and last `UNet1dConfig`, which sizes it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lerobot_dp_plus.networks.base import NetworkConfig, vector
from lerobot_dp_plus.networks.embeddings import SinusoidalEmbedding, embed_times
from lerobot_dp_plus.notation import Network, Span, Tokens

#: LeRobot's last block normalises in 8 groups whatever `n_groups` says; equal outputs need the same number.
FINAL_GROUPS = 8

#: Where the U-Net's weights live inside a checkpoint of LeRobot's diffusion policy.
LEROBOT_PREFIX = "diffusion.unet."

#: A level is two residual blocks and a change of length.
type Levels = Iterable[Iterable[nn.Module]]


class ConvBlock(nn.Module):
    """Mish(GroupNorm(Conv(x))): (B, in, H) -> (B, out, H)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, n_groups: int):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv1d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
            nn.GroupNorm(n_groups, out_channels),
            nn.Mish(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Film(nn.ModuleList):
    """W·Mish([time; observation]) + b, with W = [W_time | W_observation] split where the concatenation was.

    The observation's share, bias included, does not change while a chunk is sampled: compute it once with
    `observation_share` and hand it to every `forward`. One Linear holds both halves, as in LeRobot.
    """

    def __init__(self, time_dim: int, observation_dim: int, out_channels: int):
        super().__init__([nn.Mish(), nn.Linear(time_dim + observation_dim, out_channels)])
        self.time_dim = time_dim

    def observation_share(self, observation: Tensor) -> Tensor:
        """(B, observation_dim) -> (B, out_channels)."""
        linear = cast(nn.Linear, self[1])
        return F.linear(self[0](observation), linear.weight[:, self.time_dim :], linear.bias)

    def forward(self, time: Tensor, observation_share: Tensor) -> Tensor:
        """Embedded time (B, time_dim) and the observation's share (B, out_channels) -> (B, out_channels)."""
        linear = cast(nn.Linear, self[1])
        return F.linear(self[0](time), linear.weight[:, : self.time_dim]) + observation_share


class ResidualBlock(nn.Module):
    """conv2(γ ⊙ conv1(x) + β) + skip(x), with (γ, β) from FiLM; without `film_scale` only β."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        time_dim: int,
        observation_dim: int,
        kernel_size: int,
        n_groups: int,
        film_scale: bool,
    ):
        super().__init__()
        self.film_scale = film_scale
        self.conv1 = ConvBlock(in_channels, out_channels, kernel_size, n_groups)
        self.cond_encoder = Film(time_dim, observation_dim, out_channels * (2 if film_scale else 1))
        self.conv2 = ConvBlock(out_channels, out_channels, kernel_size, n_groups)
        same_width = in_channels == out_channels
        self.residual_conv = nn.Identity() if same_width else nn.Conv1d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        """x (B, in, H) and what `cond_encoder` gave, (B, out or 2·out) -> (B, out, H)."""
        hidden = self.conv1(x)  # (B, out, H)
        film = film[:, :, None]
        if self.film_scale:
            scale, bias = film.chunk(2, dim=1)
            hidden = scale * hidden + bias
        else:
            hidden = hidden + film
        return self.conv2(hidden) + self.residual_conv(x)


class UNet1d(Network):
    """f(x_t, t, o) by convolutions over time steps: down to H / 2^(L−1), up again, skips between equal lengths.

    Source: Diffusion Policy (arXiv 2303.04137), §III-A, after Janner et al. 2022 (arXiv 2205.09991); FiLM is arXiv
    1709.07871. Layout and parameter names are those of LeRobot's `DiffusionConditionalUnet1d`, so a state dict of
    either loads strictly into the other. As there, the skip of the full-length level is not used.
    Cost: one network call per `forward`; the observation's part of every FiLM is computed once, in `condition`.
    """

    def __init__(
        self,
        *,
        action_dim: int,
        observation_dim: int,
        down_dims: tuple[int, ...],
        kernel_size: int,
        n_groups: int,
        time_embed_dim: int,
        film_scale: bool,
    ):
        """`observation_dim` counts all observation steps together: T_o·C."""
        super().__init__()

        def block(in_channels: int, out_channels: int) -> ResidualBlock:
            return ResidualBlock(
                in_channels,
                out_channels,
                time_dim=time_embed_dim,
                observation_dim=observation_dim,
                kernel_size=kernel_size,
                n_groups=n_groups,
                film_scale=film_scale,
            )

        self.diffusion_step_encoder = nn.Sequential(
            SinusoidalEmbedding(time_embed_dim),
            nn.Linear(time_embed_dim, 4 * time_embed_dim),
            nn.Mish(),
            nn.Linear(4 * time_embed_dim, time_embed_dim),
        )
        top, bottom = down_dims[0], down_dims[-1]
        widths = list(zip((action_dim, *down_dims[:-1]), down_dims, strict=True))  # (in, out) of every level
        halve = [nn.Conv1d(width, width, 3, stride=2, padding=1) for width in down_dims[:-1]]
        self.down_modules = nn.ModuleList(
            nn.ModuleList([block(narrow, wide), block(wide, wide), resample])
            for (narrow, wide), resample in zip(widths, [*halve, nn.Identity()], strict=True)
        )
        self.mid_modules = nn.ModuleList([block(bottom, bottom), block(bottom, bottom)])
        self.up_modules = nn.ModuleList(
            nn.ModuleList(
                [
                    block(2 * wide, narrow),  # the level below and this level's skip, side by side
                    block(narrow, narrow),
                    nn.ConvTranspose1d(narrow, narrow, 4, stride=2, padding=1),  # doubles the length
                ]
            )
            for narrow, wide in reversed(widths[1:])
        )
        self.final_conv = nn.Sequential(ConvBlock(top, top, kernel_size, FINAL_GROUPS), nn.Conv1d(top, action_dim, 1))

    def blocks(self) -> Iterator[ResidualBlock]:
        """Every residual block in the order `forward` meets them."""
        return (module for module in self.modules() if isinstance(module, ResidualBlock))

    def condition(self, observation: Sequence[Tokens]) -> tuple[Tensor, ...]:
        """The tokens of the observation steps -> for every block their share of its FiLM (B, channels)."""
        (steps,) = observation
        flat = steps.values.flatten(start_dim=1).to(self._dtype)  # (B, T_o·C)
        return tuple(block.cond_encoder.observation_share(flat) for block in self.blocks())

    @property
    def _dtype(self) -> torch.dtype:
        return self.final_conv[1].weight.dtype  # type: ignore[union-attr,return-value]

    def embed_time(self, time: Tensor) -> Tensor:
        """Network time (B,) -> (B, D) in the weights' precision; angles stay float32 in a half-precision network."""
        sinusoids, *mlp = self.diffusion_step_encoder
        embedding = sinusoids(time).to(self._dtype)
        for layer in mlp:
            embedding = layer(embedding)
        return embedding

    def forward(self, x_t: Tensor, time: Tensor, condition: tuple[Tensor, ...], end: Tensor | None = None) -> Tensor:
        """x_t (B, H, A), network time (B,) and what `condition` returned -> (B, H, A)."""
        if time.dim() != 1:
            raise ValueError(
                "network.type=unet1d takes one time a chunk (B,), not one a step; transformer, dit, mixture and lstm take both"
            )
        embedding = embed_times(self.embed_time, time, end)
        return self._predict(
            x_t, [block.cond_encoder(embedding, share) for block, share in zip(self.blocks(), condition, strict=True)]
        )

    def prepare(self, times: Tensor, condition: tuple[Tensor, ...]) -> Sequence[Callable[[Tensor], Tensor]]:
        embeddings = self.embed_time(times)[:, None]  # (K, 1, D)
        films = [block.cond_encoder(embeddings, share) for block, share in zip(self.blocks(), condition, strict=True)]
        return [partial(self._predict, films=one) for one in zip(*films, strict=True)]  # each film (K, B, channels)

    def _predict(self, x_t: Tensor, films: Sequence[Tensor]) -> Tensor:
        films_left = iter(films)

        x = x_t.transpose(1, 2).to(self._dtype)  # (B, A, H)
        skips = []
        for first, second, resample in cast(Levels, self.down_modules):
            x = first(x, next(films_left))
            x = second(x, next(films_left))  # (B, down_dims[i], H / 2^i)
            skips.append(x)
            x = resample(x)
        for block in self.mid_modules:
            x = block(x, next(films_left))  # (B, down_dims[-1], H / 2^(L-1))
        for first, second, resample in cast(Levels, self.up_modules):
            x = first(torch.cat([x, skips.pop()], dim=1), next(films_left))
            x = second(x, next(films_left))
            x = resample(x)  # (B, down_dims[i-1], H / 2^(i-1))
        return self.final_conv(x).transpose(1, 2)  # (B, H, A)


@NetworkConfig.register_subclass("unet1d")
@dataclass(frozen=True)
class UNet1dConfig(NetworkConfig):
    """Size of a `UNet1d`.

    Attributes:
        down_dims: channels of every level, top first; each further level halves the horizon.
        kernel_size: of the residual blocks' convolutions, odd.
        n_groups: groups of their normalisation; must divide every width.
        time_embed_dim: width of the time embedding, even.
        film_scale: FiLM scales and shifts; if false it only shifts.
    """

    down_dims: tuple[int, ...] = (128, 256, 512)
    kernel_size: int = 5
    n_groups: int = 8
    time_embed_dim: int = 128
    film_scale: bool = True

    def build(self, *, horizon: int, action_dim: int, observation: Mapping[str, Span]) -> UNet1d:
        """Make the U-Net; raises ValueError as `check` does."""
        self.check(horizon=horizon)
        return UNet1d(
            action_dim=action_dim,
            observation_dim=vector(observation),
            down_dims=tuple(self.down_dims),
            kernel_size=self.kernel_size,
            n_groups=self.n_groups,
            time_embed_dim=self.time_embed_dim,
            film_scale=self.film_scale,
        )

    @property
    def chunk_multiple(self) -> int:
        return 2 ** (len(self.down_dims) - 1) if self.down_dims else 1

    def check(self, *, horizon: int) -> None:
        """Raise ValueError, naming field, value and what is legal, if a size or the horizon does not fit."""
        if not self.down_dims:
            raise ValueError(f"down_dims={self.down_dims} is empty; give at least one width, such as (128, 256, 512)")
        if self.n_groups < 1:
            raise ValueError(f"n_groups={self.n_groups} must be at least 1")
        for width in self.down_dims:
            if width < 1 or width % self.n_groups:
                raise ValueError(f"down_dims={self.down_dims}: {width} is not a multiple of n_groups={self.n_groups}")
        if self.down_dims[0] % FINAL_GROUPS:
            raise ValueError(f"down_dims={self.down_dims}: the first width must be a multiple of {FINAL_GROUPS}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={self.kernel_size} must be odd and positive, so that lengths are kept")
        if self.time_embed_dim < 4 or self.time_embed_dim % 2:
            raise ValueError(f"time_embed_dim={self.time_embed_dim} must be even and at least 4")
        halvings = len(self.down_dims) - 1
        factor = 2**halvings
        if horizon < 1 or horizon % factor:
            below = max(horizon, 0) // factor * factor
            nearest = [value for value in (below, below + factor) if value > 0]
            raise ValueError(
                f"horizon={horizon} does not fit a U-Net with down_dims={self.down_dims}: it is halved {halvings} "
                f"times, so it must be a multiple of {factor}; nearest legal: {' or '.join(map(str, nearest))}"
            )

    def fsdp_wrap_modules(self) -> tuple[str, ...]:
        """The convolutions hold nearly all weights; FiLM stays outside because `condition` reads it on its own."""
        return (ConvBlock.__name__,)


def from_lerobot_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The U-Net's weights from a LeRobot diffusion checkpoint, or from its U-Net alone. The names equal ours.

    Raises:
        ValueError: nothing in it belongs to a LeRobot U-Net.
    """
    weights = {k.removeprefix(LEROBOT_PREFIX): v for k, v in state_dict.items() if k.startswith(LEROBOT_PREFIX)}
    weights = weights or dict(state_dict)
    if "final_conv.1.weight" not in weights:
        raise ValueError(
            f"no LeRobot U-Net in this state dict: neither {LEROBOT_PREFIX}final_conv.1.weight nor final_conv.1.weight "
            f"among its {len(state_dict)} keys ({', '.join(sorted(state_dict)[:3])}, …)"
        )
    return weights
