"""The policy: one class body for every preset. The presets' own classes are in `modeling_dp_plus.py`."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE
from lerobot.configs import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor

from lerobot_dp_plus import patches
from lerobot_dp_plus.asking import Answer, Person
from lerobot_dp_plus.heads.compiled import Compiled
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies import candidates as drawing
from lerobot_dp_plus.policies import checkpoint, fitting, holding, options, planning, real_time, sharding, watching
from lerobot_dp_plus.policies.batch_loss import batch_loss, split_batch
from lerobot_dp_plus.policies.chunk_model import ChunkModel, parameter_groups
from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION, DpPlusConfig
from lerobot_dp_plus.policies.contrast import Contrast
from lerobot_dp_plus.policies.dataset_check import adopt_dataset, validate_features
from lerobot_dp_plus.policies.episode import Episode, Episodes, EvaluationMode
from lerobot_dp_plus.policies.loading import load_pretrained
from lerobot_dp_plus.policies.numbers import as_weights
from lerobot_dp_plus.policies.precision import check_trainable, copied_for_gradients
from lerobot_dp_plus.policies.processor_dp_plus import learned_normalisation
from lerobot_dp_plus.policies.publication import push_model_to_hub, push_to_hub
from lerobot_dp_plus.policies.randomness import drawing_from, new_stream
from lerobot_dp_plus.policies.raw_values import RawValues
from lerobot_dp_plus.policies.recipe import Recipe

patches.prepare_training()


class DpPlusPolicy(PreTrainedPolicy):
    """A distribution over action chunks p(A_t | O_t), executed in receding horizon.

    Inference always uses evaluation mode, and the averaged weights if there are any. Training always uses the raw
    weights. A held-out loss, in evaluation mode without gradients, is the loss of the averaged weights.

    What is remembered during an episode belongs to the thread that called `reset()`, so that threads may share one policy
    (`episode.py`). Weights may have any floating type, also after `.to(torch.bfloat16)` or `.half()`. Observations
    may have any floating type and device. Chunks and actions are float32, or float64 with float64 weights.
    """

    config_class = DpPlusConfig
    name = "dp_plus"
    config: DpPlusConfig
    #: LeRobot reads this on the class: the blocks of the preset's network. For other networks see `host_training`.
    _fsdp_wrap_modules: ClassVar[list[str]] = sharding.default_blocks(DpPlusConfig)
    #: What LeRobot's `drop_queued_actions` empties.
    _action_queue_attrs: ClassVar[tuple[str, ...]] = ("_actions",)
    #: The source of the noise, times and crops of the training. It is saved.
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

        LeRobot also passes `dataset_stats` and `cli_overrides`, which are not needed here. The statistics belong to the
        processors, and `from_pretrained` has put the overrides into the config.

        Raises:
            ValueError: features that cannot be served, or a dataset that does not fit the config; by name.
        """
        super().__init__(config)
        if not isinstance(config, DpPlusConfig):
            raise ValueError(f"policy type {config.type!r}: legal here are the dp_plus_* types")
        validate_features(config, dataset_meta)
        self._is_to_be_trained = dataset_meta is not None
        if dataset_meta is not None:
            config.follow(dataset_meta.fps)
            config.check_training()
            adopt_dataset(config, dataset_meta)
        fitting.check_lengths(config)
        config.image_encoder, config.network = config.image_encoder.revised(), config.network.revised()
        self.model = ChunkModel(config)
        if dataset_meta is not None and not getattr(config, "_resumes", False):
            checkpoint.learn_units(self.model.units, learned_normalisation(config, dataset_meta))
        self.ema = config.ema.build(self.model) if config.ema.enabled else None
        self.register_buffer("stream", new_stream())
        self._updates = 0  # of this process, for messages; the average keeps its own, saved count
        self.unlearned: str | None = None  # why loaded weights cannot sample under this objective, until trained
        self._propose = Compiled(drawing.propose) if config.compile_sampler else drawing.propose
        self._episodes, self._evaluating = Episodes(Episode.of(config)), EvaluationMode()
        #: Is shown a `Question` if `selection.type=ask`, and gives the number of a mode; None asks at the terminal.
        self.ask: Answer | None = None
        self._person, self._contrast, self._raw_values = Person(), Contrast(), RawValues(config)
        #: Discs or balls that are seen now, for `energies.obstacles`; see `Scene.obstacles`. Set it whenever they change.
        self.obstacles: Tensor | None = None

    def __init_subclass__(cls, config: type[DpPlusConfig] | None = None, **kwargs: Any) -> None:
        if config is not None:  # a policy type: this class with a config of its own, and its name
            cls.config_class, cls.name = config, config.get_choice_name(config)
        super().__init_subclass__(**kwargs)
        cls._fsdp_wrap_modules = sharding.default_blocks(cls.config_class)

    @property
    def _no_split_modules(self) -> list[str]:
        """Accelerate reads this on a policy: the blocks of its own network."""
        return list(self.config.network.fsdp_wrap_modules())

    def get_optim_params(self) -> list[Any]:  # type: ignore[override]
        """What an optimizer trains; raises a ValueError, by name, for fields or weights that cannot be trained with."""
        self.config.check_training()
        check_trainable(self.model)
        return parameter_groups(self.model, self.config.optimizer_lr_backbone)

    # Training

    def forward(self, batch: Mapping[str, Tensor], reduction: str = "mean") -> tuple[Tensor, dict[str, float]]:
        """Loss of a normalised batch: observations (B, T_o, ...), action (B, H, A), action_is_pad (B, H).

        reduction "mean" gives the mean over valid elements, "none" the mean of each sample (B,).

        Raises:
            ValueError: an unknown reduction, weights of half precision in training, or as `split_batch`.
            FloatingPointError: the loss is not finite.
        """
        if reduction not in ("mean", "none"):
            raise ValueError(f"reduction = {reduction!r}: legal are 'mean', 'none'")
        split, said = split_batch(self.model, self.config, batch)
        if self.training:
            check_trainable(self.model)
        held_out = not self.training and not torch.is_grad_enabled()
        model = self._averaged_model if held_out else self.model
        with drawing_from(self.stream, split.policy.valid.device) if self.training else nullcontext():
            loss = batch_loss(model, self.config, split, said, every=not self.training or reduction == "none")
        if not torch.isfinite(loss.mean):
            raise FloatingPointError(
                f"the loss is {loss.mean.item()} at update {self._updates + 1} of this run; the last saved checkpoint is "
                f"good. Lower optimizer_lr (now {self.config.optimizer_lr:g}) or dtype (now {self.config.dtype})"
            )
        return (loss.mean if reduction == "mean" else loss.each), loss.parts

    def update(self) -> None:
        """Called by LeRobot after every optimizer step: moves the average."""
        self._updates += 1
        self.unlearned = None
        if self.ema is not None:
            self.ema.update_parameters(self.model)

    # Inference

    def reset(self) -> None:
        """Start an episode, in this thread."""
        self._episodes.begin(Episode.of(self.config))

    @property
    def _actions(self) -> deque[Tensor]:
        """Actions (B, A) of this thread's episode that are still to be executed."""
        return self.episode.actions

    def drop_queued_actions(self) -> None:
        """Forget the planned actions that were not given yet. The episode goes on, with a new chunk."""
        self._actions.clear()
        self.episode.chosen = self.episode.planned = None  # its remaining steps will not follow
        self.episode.plans.clear()

    @torch.no_grad()
    def predict_action_chunk(
        self,
        batch: Mapping[str, Tensor],
        noise: Tensor | None = None,
        steps_since_last: int | None = None,
        *,
        inference_delay: int | None = None,
        prev_chunk_left_over: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Normalised actions (B, H − T_o + 1, A) from the current step on.

        The batch holds the newest frame (B, ...) of every observation, or whole windows (B, T_o, ...). noise (B, H, A), or
        (B, N, H, A) for a selection among N candidates, makes the result deterministic, also for stochastic samplers.

        Frames of a window are `observation_stride` control steps apart, as in training. If this is called once
        per chunk, frames lie further apart. Then the newest stands for those in between. `steps_since_last=k` says that
        the frame before is k control steps old. A `timestamp` (B,) in the batch, in seconds, says the same. A frame
        right after frames of `select_action`, which is called at every step, is taken for the frame of the next step.

        In real time the robot goes on while this is computed: `prev_chunk_left_over`, (L, A) or (B, L, A), is what is left of
        the chunk before, and the new one takes over after `inference_delay` steps. See `real_time`.
        """
        episode = self.episode
        with episode.turn():
            batch = as_weights(self.model, batch, self.config.observed_features)
            told = batch, steps_since_last, inference_delay, prev_chunk_left_over
            ongoing, since = real_time.observe(self, episode, *told)
            episode.plans.clear()  # nobody knows what of them is executed
            executed = self.config.n_action_steps if since is None else since
            return planning.next_chunk(self, episode, noise, 0 if episode.executed == 0 else executed, ongoing)

    @torch.no_grad()
    def select_action(
        self,
        batch: Mapping[str, Tensor],
        noise: Tensor | None = None,
        steps_since_last: int | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """The next action (B, A), normalised; a new chunk is predicted when the steps are done that `execution` allows.

        To be called at every control step, with the frame of that step. If steps were left out, `steps_since_last` says
        how many control steps ago the last frame was shown.

        Raises:
            ValueError: as `sample`; an observation is missing or misshapen; the batch changed its size without `reset()`;
                or another thread acts in the same episode.
        """
        episode = self.episode
        with episode.turn():
            planning.see(self, as_weights(self.model, batch, self.config.observed_features), steps_since_last)
            if not episode.actions:
                planning.refill(self, episode, noise)
            return episode.actions.popleft()

    @property
    def episode(self) -> Episode:
        """What this thread's episode remembers: the frames it saw, the candidates it proposed, the plan it executes."""
        return self._episodes.current

    #: For `surprise.Monitor`.
    evidence, forecast, observed, settings = watching.evidence, watching.forecast, watching.observed, watching.settings

    @property
    def chosen(self) -> Candidates | None:
        """The chunk that this thread's episode executes, from the step it was chosen at, and what is known of it.

        Its axis of candidates has length 1. None before the first chunk.
        """
        return self.episode.chosen

    # What it might do, told without doing it.
    sample, propose, candidates = options.sample, options.propose, options.candidates
    log_prob, describe, readings = options.log_prob, options.describe, options.readings

    # LeRobot's engine that computes while the robot moves.
    supports_rtc, init_rtc_processor = real_time.supports_rtc, real_time.init_rtc_processor

    # A person's choice, for a selection that holds it.
    hold, release = holding.hold, holding.release

    def _candidates(self, recipe: Recipe, window: Mapping[str, Tensor], noise: Tensor | None, count: int) -> Candidates:
        if self.unlearned is not None:
            raise ValueError(self.unlearned)
        if recipe.differentiates and torch.is_inference_mode_enabled():
            with copied_for_gradients(window) as copies:
                return self._candidates(recipe, copies, None if noise is None else noise.clone(), count)
        model = self._averaged_model
        window = drawing.beside_the_weights(model, drawing.with_given(window, self, count))
        self._raw_values.look(window)
        with self._evaluating.of(model):
            return drawing.draw(self._propose, model, self.config, recipe, window, noise, count)

    @property
    def _averaged_model(self) -> ChunkModel:
        return self.model if self.ema is None else self.ema.module  # type: ignore[return-value]

    # Checkpoints

    # The first is called by LeRobot after a training, the second by anybody.
    push_model_to_hub, push_to_hub = push_model_to_hub, push_to_hub

    def _save_pretrained(self, save_directory: Path, state_dict: dict[str, Tensor] | None = None) -> None:
        """Write weights and config. Where weights are sharded every process must call this; the first one writes."""
        whole = sharding.whole_state(self.state_dict() if state_dict is None else state_dict)
        if whole is not None:
            checkpoint.write_weights(whole, save_directory / SAFETENSORS_SINGLE_FILE)
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

        Options of the Hub: revision, token, cache_dir, force_download, local_files_only. Raises: as `load_pretrained`.
        """
        return load_pretrained(cls, pretrained_name_or_path, config, FORMAT_VERSION, options)

    @classmethod
    def _load_as_safetensor(cls, model: Any, model_file: str, map_location: str, strict: bool) -> Any:
        """Always strict: LeRobot would evaluate a half-loaded network and only warn."""
        checkpoint.fill(model, Path(model_file), model._is_to_be_trained)
        return model.to(map_location)
