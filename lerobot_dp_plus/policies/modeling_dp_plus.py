"""The policy: one class body for every preset."""

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE
from lerobot.configs import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.utils.constants import ACTION
from torch import Tensor

from lerobot_dp_plus.policies import checkpoint
from lerobot_dp_plus.policies.chunk_model import ChunkModel, parameter_groups
from lerobot_dp_plus.policies.compiled import CompiledPropose, Proposal, propose
from lerobot_dp_plus.policies.configuration_dp_plus import (
    FORMAT_VERSION,
    DpPlusConfig,
    DpPlusDitConfig,
    DpPlusFlowConfig,
    DpPlusTransformerConfig,
    DpPlusUnetConfig,
)
from lerobot_dp_plus.policies.dataset_check import adopt_dataset
from lerobot_dp_plus.policies.history import ObservationHistory
from lerobot_dp_plus.policies.loading import load_policy
from lerobot_dp_plus.policies.numbers import as_weights
from lerobot_dp_plus.policies.processor_dp_plus import normalisation
from lerobot_dp_plus.policies.publication import push_model_to_hub
from lerobot_dp_plus.policies.randomness import drawing_from, new_stream
from lerobot_dp_plus.policies.windows import check_chunks, check_finite


class DpPlusPolicy(PreTrainedPolicy):
    """A distribution over action chunks p(A_t | O_t), executed in receding horizon.

    Inference always uses evaluation mode and the averaged weights if there are any; training always the raw ones. A
    held-out loss, evaluation mode without gradients, is that of the averaged weights.
    """

    config_class = DpPlusConfig
    name = "dp_plus"
    config: DpPlusConfig
    #: Where noise, times and crops of the training come from; saved.
    stream: Tensor

    def __init__(
        self,
        config: DpPlusConfig,
        *,
        dataset_meta: Any = None,
        dataset_stats: Any = None,
        cli_overrides: Sequence[str] = (),
    ):
        """Make a policy with fresh weights; LeRobot passes the dataset's metadata when it trains.

        The dataset's statistics belong to the processors, and `from_pretrained` has put its overrides into the config:
        both arrive here and are not needed.

        Raises:
            ValueError: features that cannot be served, or a dataset that does not fit the config; by name.
        """
        super().__init__(config)
        if not isinstance(config, DpPlusConfig):
            raise ValueError(f"policy type {config.type!r}: legal here are the dp_plus_* types")
        config.validate_features()
        if dataset_meta is not None:
            adopt_dataset(config, dataset_meta)
        self.model = ChunkModel(config)
        if self.model.foresight is not None and dataset_meta is not None:
            self.model.foresight.units.learn(normalisation(config, dataset_meta.stats))
        self.ema = config.ema.build(self.model) if config.ema.enabled else None
        self.register_buffer("stream", new_stream())
        # Counts updates of this process for messages; the average keeps its own, saved count.
        self._updates = 0
        self.unlearned: str | None = None  # why loaded weights cannot sample under this objective, until trained
        self._propose = CompiledPropose() if config.compile_sampler else propose
        self.reset()

    @property
    def _fsdp_wrap_modules(self) -> tuple[str, ...]:
        return self.config.network.fsdp_wrap_modules()

    @property
    def _no_split_modules(self) -> list[str]:  # where accelerate looks
        return list(self._fsdp_wrap_modules)

    def get_optim_params(self) -> list[Any]:  # type: ignore[override]
        return parameter_groups(self.model, self.config.optimizer_lr_backbone)

    # Training

    def forward(self, batch: Mapping[str, Tensor], reduction: str = "mean") -> tuple[Tensor, dict[str, float]]:
        """Loss of a normalised batch: observations (B, T_o, ...), action (B, H, A), action_is_pad (B, H).

        reduction "mean" gives the mean over valid elements, "none" that of each sample (B,).

        Raises:
            ValueError: an unknown reduction, or NaN or infinity in a state or an action, named and counted.
            FloatingPointError: the loss is not finite.
        """
        if reduction not in ("mean", "none"):
            raise ValueError(f"reduction = {reduction!r}: legal are 'mean', 'none'")
        shapes, action_dim = self.config.training_features, self.config.action_feature.shape[0]  # type: ignore[union-attr]
        batch = as_weights(self.model, batch, {**shapes, ACTION: (action_dim,)})
        batch_of = self.config.windows.split(batch, shapes, action_dim, self.config.mask_padded_actions)
        check_finite(batch, [*self.config.low_dimensional_features, ACTION])
        x1, valid = batch_of.chunk, batch_of.valid
        held_out = not self.training and not torch.is_grad_enabled()
        model = self._averaged_model if held_out else self.model
        with drawing_from(self.stream, x1.device) if self.training else nullcontext():
            # Times come in the order of the rows, so the draws of one sample lie a batch apart.
            draws = self.config.noise_draws
            chunks, counted = (torch.cat([value] * draws) for value in (x1, valid))
            condition = model.condition(batch_of.seen, draws, apart=True)
            error = self.config.objective.loss(model.network, chunks, condition, counted)
            error = error.unflatten(0, (draws, -1)).mean(0)  # (B, H, A)
        per_sample = error.sum((1, 2)) / (valid.sum(1) * x1.shape[2]).clamp_min(1)
        loss = error.sum() / (valid.sum() * x1.shape[2]).clamp_min(1)
        parts = {}
        # Where every sample's loss is asked for, all pictures are looked at.
        pictures = self.config.perception.pictures if self.training and reduction == "mean" else len(x1)
        for name, loss_each, loss_all in model.further_losses(batch_of, pictures):
            parts[f"loss_{name}"] = loss_all.item()
            per_sample, loss = per_sample + loss_each, loss + loss_all
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} at update {self._updates + 1} of this run; the last saved checkpoint is good. "
                f"Lower optimizer_lr (now {self.config.optimizer_lr:g}) or dtype (now {self.config.dtype})"
            )
        first = self.config.n_obs_steps - 1
        executed = slice(first, first + self.config.n_action_steps)
        with torch.no_grad():
            count = (valid[:, executed].sum() * x1.shape[2]).clamp_min(1)
            parts["loss_executed"] = (error[:, executed].sum() / count).item()
        return (loss if reduction == "mean" else per_sample), parts

    def update(self) -> None:
        """Called by LeRobot after every optimizer step: moves the average."""
        self._updates += 1
        self.unlearned = None
        if self.ema is not None:
            self.ema.update_parameters(self.model)

    # Inference

    def reset(self) -> None:
        """Forget the episode."""
        self._history = ObservationHistory(self.config.observed_features, self.config.n_obs_steps)
        self._actions: deque[Tensor] = deque()
        self._plan: Tensor | None = None

    @torch.no_grad()
    def predict_action_chunk(self, batch: Mapping[str, Tensor], noise: Tensor | None = None, **kwargs: Any) -> Tensor:
        """Normalised actions (B, H − T_o + 1, A) from the current step on.

        The batch holds the newest frame (B, ...) of every observation, or whole windows (B, T_o, ...). noise (B, H, A), or
        (B, N, H, A) for a selection among N candidates, makes the result deterministic, also for stochastic samplers.
        """
        self._history.see(as_weights(self.model, batch, self.config.observed_features))
        return self._chunk(self._history.window(), noise)

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Tensor], noise: Tensor | None = None, **kwargs: Any) -> Tensor:
        """The next action (B, A), normalised; a new chunk is predicted every n_action_steps calls."""
        self._history.see(as_weights(self.model, batch, self.config.observed_features))
        if not self._actions:
            window = self._history.window()
            self._actions.extend(self._chunk(window, noise)[:, : self.config.n_action_steps].unbind(1))
        return self._actions.popleft()

    def _chunk(self, window: Mapping[str, Tensor], noise: Tensor | None) -> Tensor:
        selection, executed, tail = self.config.selection, self.config.n_action_steps, None
        chunks, energy = self._candidates(window, noise, selection.candidates, "energy" in selection.needs)
        if self._plan is not None and self._plan.shape[0] == chunks.shape[0] and executed < self._plan.shape[1]:
            tail = self._plan[:, executed:]
        self._plan = selection.choose(chunks[:, :, self.config.n_obs_steps - 1 :], tail, energy)
        return self._plan

    @torch.no_grad()
    def sample(
        self, window: Mapping[str, Tensor], noise: Tensor | None = None, candidates: int | None = None
    ) -> Tensor:
        """Candidate chunks (B, N, H, A), normalised, for observation windows (B, T_o, ...); leaves the episode alone.

        N is `candidates`, or the selection's number if None.

        Raises:
            ValueError: noise of another shape, NaN or infinity in a state or in pictures that states are read off, which would
                reach the robot, or weights that were loaded under another objective than theirs and not trained since.
        """
        window = as_weights(self.model, window, self.config.observed_features)
        return self._candidates(window, noise, candidates or self.config.selection.candidates, foresee=False).chunks

    def _candidates(self, window: Mapping[str, Tensor], noise: Tensor | None, count: int, foresee: bool) -> Proposal:
        config = self.config
        if self.unlearned is not None:
            raise ValueError(self.unlearned)
        reference = next(iter(window.values()))
        shape = (reference.shape[0], count, config.horizon, config.action_feature.shape[0])  # type: ignore[union-attr]
        generator = None
        if noise is None:
            noise = config.noise_scale * torch.randn(shape, device=reference.device)
        else:
            if noise.numel() != torch.Size(shape).numel() or noise.shape[-2:] != shape[-2:]:
                legal = shape if count > 1 else (shape[0], *shape[2:])
                raise ValueError(f"noise has shape {tuple(noise.shape)}; must be {legal}")
            noise = noise.to(reference.device)
            if config.sampler.order is None:
                # A stochastic sampler takes its further draws from the noise, so that equal noise means equal actions.
                seed = int(noise.float().contiguous().view(torch.int32).sum(dtype=torch.int64)) % 2**62
                generator = torch.Generator(device=noise.device).manual_seed(seed)
        read = config.training_features if config.estimated_features else config.low_dimensional_features
        check_finite(window, [key for key in read if key in window])
        with self._inference_model() as model:
            if foresee and model.foresight is not None:
                model.foresight.check_learned()
            proposal = self._propose(model, config, window, noise.reshape(shape), foresee, generator)
        check_chunks(proposal.chunks, window, config.observed_features)
        return proposal

    @property
    def _averaged_model(self) -> ChunkModel:
        return self.model if self.ema is None else self.ema.module  # type: ignore[return-value]

    @contextmanager
    def _inference_model(self) -> Iterator[ChunkModel]:
        model = self._averaged_model
        in_training = [module for module in model.modules() if module.training]
        for module in in_training:
            module.training = False
        try:
            yield model
        finally:
            for module in in_training:
                module.training = True

    # Checkpoints

    push_model_to_hub = push_model_to_hub  # LeRobot's hook at the end of a training

    def _save_pretrained(self, save_directory: Path, state_dict: dict[str, Tensor] | None = None) -> None:
        checkpoint.write_weights(
            self.state_dict() if state_dict is None else state_dict, save_directory / SAFETENSORS_SINGLE_FILE
        )
        self.config._save_pretrained(save_directory)

    @classmethod
    def from_pretrained[P: DpPlusPolicy](  # type: ignore[override]
        cls: type[P],
        pretrained_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        strict: bool = True,
        **options: Any,
    ) -> P:
        """Load a folder or a Hub repository USER/NAME in evaluation mode; always strictly, whatever `strict` says.

        Options of the Hub: revision, token, cache_dir, force_download, local_files_only. What is raised: `load_policy`.
        """
        return load_policy(cls, pretrained_name_or_path, config, FORMAT_VERSION, options)

    @classmethod
    def _load_as_safetensor(cls, model: Any, model_file: str, map_location: str, strict: bool) -> Any:
        """Always strict: LeRobot would evaluate a half-loaded network and only warn."""
        file = Path(os.fspath(model_file))
        checkpoint.check_saved_config(model.config, file.parent)
        model.unlearned = checkpoint.objective_change(model.config, file.parent)
        checkpoint.load_strictly(model, checkpoint.read_weights(file), file)
        if model.unlearned is not None and model.ema is not None:
            model.ema.n_averaged.zero_()  # the average of what meant something else is no start
        return model.to(map_location)


class DpPlusUnetPolicy(DpPlusPolicy):
    """`dp_plus_unet`."""

    config_class = DpPlusUnetConfig
    name = "dp_plus_unet"


class DpPlusTransformerPolicy(DpPlusPolicy):
    """`dp_plus_transformer`."""

    config_class = DpPlusTransformerConfig
    name = "dp_plus_transformer"


class DpPlusFlowPolicy(DpPlusPolicy):
    """`dp_plus_flow`."""

    config_class = DpPlusFlowConfig
    name = "dp_plus_flow"


class DpPlusDitPolicy(DpPlusPolicy):
    """`dp_plus_dit`."""

    config_class = DpPlusDitConfig
    name = "dp_plus_dit"
