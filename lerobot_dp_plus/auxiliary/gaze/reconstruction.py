"""What is at the target, drawn by queries."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torchvision.ops import roi_align

from lerobot_dp_plus.auxiliary.base import Further, Surroundings
from lerobot_dp_plus.auxiliary.gaze.base import Gaze, GazeModel
from lerobot_dp_plus.networks import DiTConfig
from lerobot_dp_plus.notation import STEPS, Condition, Span, Tokens
from lerobot_dp_plus.objectives import FlowMatching, UniformTimes
from lerobot_dp_plus.tokenizers import Pca, TokenizerConfig


@Further.register_subclass("gaze_reconstruction")
@dataclass(frozen=True)
class GazeReconstruction(Gaze):
    """L = flow matching of z(crop around the target), by a small DiT under what the queries read (adaLN-zero).

    ReconVLA, arXiv 2508.10333: a policy that must draw the region of the target has to look at it. There the tokens stand in the
    language model, behind the instruction and the picture; here they read all of the backbone's layers, in which instruction
    and picture see each other in either order. There a latent is the map of a frozen autoencoder, here it is what `tokenizer`
    says. A perfect guess without a picture has a loss of π/2 = 1.57 where latents are white and the velocity is predicted.
    """

    # Blocks of the denoiser.
    depth: int = 2
    # How the region becomes latents.
    tokenizer: TokenizerConfig = field(default_factory=Pca)

    def build(self, surroundings: Surroundings) -> "GazeReconstructionModel":
        return GazeReconstructionModel(self, surroundings)


class GazeReconstructionModel(GazeModel):
    """The tokenizer and the denoiser of its latents."""

    def __init__(self, config: GazeReconstruction, surroundings: Surroundings):
        super().__init__(config, surroundings)
        self.tokenizer, self.side = config.tokenizer.build(), config.tokenizer.size
        self.objective = FlowMatching(prediction="v", times=UniformTimes())
        size = DiTConfig(dim=2 * config.dim, depth=config.depth, num_heads=1)
        spans = {STEPS: Span(config.queries, config.dim)}
        self.denoiser = size.build(horizon=1, action_dim=config.tokenizer.latents, observation=spans)

    def each(self, read: Tensor, picture: Tensor, box: Tensor, valid: Tensor) -> Tensor:
        crops = regions(picture, box, self.side)
        if self.training:
            self.tokenizer.learn(crops[valid])
        if not self.tokenizer.ready:
            return 0 * read.float().sum((1, 2))  # its first crops teach the tokenizer alone
        latents = self.tokenizer.encode(crops)[:, None]  # (B, 1, K): a chunk of one step
        error = self.objective.loss(self.denoiser, latents, self.denoiser.condition((Tokens(read),)), valid[:, None])
        return error.mean((1, 2))

    def redrawn(self, condition: Condition, steps: int = 10) -> Tensor:
        """Regions (B, 3, S, S), normalised, as what the policy sees and hears tells them; see `drawn`."""
        return self.drawn(self.norm(self.read(condition)), steps)

    @torch.no_grad()
    def drawn(self, read: Tensor, steps: int = 10) -> Tensor:
        """Regions (B, 3, S, S) as the queries (B, Q, D) tell them: Euler's method from noise, to be looked at."""
        x = torch.randn(len(read), 1, self.denoiser.head.out_features, device=read.device)  # type: ignore[union-attr]
        denoise = self.objective.denoiser(self.denoiser, self.denoiser.condition((Tokens(read),)))
        for step in range(steps):
            t = torch.full((len(x),), step / steps, device=x.device)
            ends = denoise(x, t)
            x = x + (ends.x1 - ends.x0) / steps
        return self.tokenizer.decode(x[:, 0])


def regions(pictures: Tensor, box: Tensor, side: int) -> Tensor:
    """Squares (B, 3, S, S) of pictures (B, 3, H, W) around boxes (B, 3), (x, y, half side).

    x is a share of the width, y of the height, the half side one of the longer side. More than a pixel beyond the
    picture it is zero.
    """
    height, width = pictures.shape[-2:]
    middle = box[:, :2].float() * box.new_tensor([width, height], dtype=torch.float32)
    half = box[:, 2:].float() * max(height, width)
    rows = torch.arange(len(box), device=box.device, dtype=torch.float32)[:, None]
    corners = torch.cat([rows, middle - half, middle + half], 1)
    return roi_align(pictures.float(), corners, (side, side), sampling_ratio=-1, aligned=True)
