"""The configuration of every policy type: shapes in time, the axes, and how to train."""

from dataclasses import dataclass, field

from lerobot.configs import NormalizationMode, PreTrainedConfig
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.optim import AdamWConfig
from lerobot.optim.schedulers import CosineAnnealingWithWarmupSchedulerConfig

from lerobot_dp_plus import patches
from lerobot_dp_plus.augmentation import Augmentation, NoAugmentation
from lerobot_dp_plus.auxiliary import Auxiliary, Dynamics, Further, NoDynamics, NoFurther
from lerobot_dp_plus.auxiliary.state_estimation import NoStateEstimation, StateEstimation
from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.encoders import WORD_IDS, WORDS_VALID, AutomaticWords, ImageEncoderConfig, ResNet18Config, Words
from lerobot_dp_plus.encoders.keypoint_tokens import KeypointTokensConfig
from lerobot_dp_plus.energies import Energies
from lerobot_dp_plus.execution import Execution, Fixed
from lerobot_dp_plus.forward_maps import ForwardMap, Identity
from lerobot_dp_plus.guidance import Guidance, NoGuidance
from lerobot_dp_plus.likelihood import Likelihood
from lerobot_dp_plus.modes import GaussianMixture, Modes
from lerobot_dp_plus.networks import DiTConfig, MixtureConfig, NetworkConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.notation import GAZE
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Objective
from lerobot_dp_plus.policies import embodiments, fitting, timing
from lerobot_dp_plus.policies.formats import FORMAT_VERSION, refuse_newer
from lerobot_dp_plus.policies.presets import register_preset
from lerobot_dp_plus.policies.timing import BY_RATE, Following
from lerobot_dp_plus.policies.windows import Windows
from lerobot_dp_plus.projection import NoProjection, Projection
from lerobot_dp_plus.real_time import Automatic, RealTime
from lerobot_dp_plus.refinement import NoRefinement, Refinement
from lerobot_dp_plus.samplers import DPMpp2M, Sampler
from lerobot_dp_plus.selection import First, Selection

patches.install()


@dataclass
class DpPlusConfig(PreTrainedConfig):
    """A generative policy over action chunks. It is made by the choice of one member for each axis.

    It acts in receding horizon, with LeRobot's indices. From the observations of steps 1 − n_obs_steps … 0 it predicts the
    actions of steps 1 − n_obs_steps … horizon − n_obs_steps and executes n_action_steps of them from step 0 on. With an
    observation_stride of k, it observes every k-th step. If horizon, n_action_steps or observation_stride is not given, it follows the frame
    rate of the data (`timing`).

    Raises ValueError, naming the field, its value and what is legal, for values that do not fit each other.
    """

    n_obs_steps: int = 2
    # Actions in a chunk; not given: 1.6 s of the data, which are 16 steps at 10 frames a second.
    horizon: Following = BY_RATE
    # Actions executed before looking again; not given: half of the horizon.
    n_action_steps: Following = BY_RATE
    # Steps from one observation to the next; not given: 0.1 s of the data.
    observation_stride: Following = BY_RATE
    # Frames of the data from one step of a chunk to the next. Demonstrations are executed `stride` times as fast.
    stride: int = 1

    network: NetworkConfig = field(default_factory=TransformerConfig)
    objective: Objective = field(default_factory=Diffusion)
    sampler: Sampler = field(default_factory=DPMpp2M)
    image_encoder: ImageEncoderConfig = field(default_factory=ResNet18Config)
    words: Words = field(default_factory=AutomaticWords)
    # How many things observation.environment_state lists; each then has a token of its own (`encoders/things.py`).
    things: int = 0
    state_estimation: StateEstimation = field(default_factory=NoStateEstimation)
    dynamics: Dynamics = field(default_factory=NoDynamics)
    auxiliary: Further = field(default_factory=NoFurther)
    forward: ForwardMap = field(default_factory=Identity)
    energies: Energies = field(default_factory=Energies)
    guidance: Guidance = field(default_factory=NoGuidance)
    refinement: Refinement = field(default_factory=NoRefinement)
    projection: Projection = field(default_factory=NoProjection)
    selection: Selection = field(default_factory=First)
    modes: Modes = field(default_factory=GaussianMixture)
    likelihood: Likelihood = field(default_factory=Likelihood)
    execution: Execution = field(default_factory=Fixed)
    real_time: RealTime = field(default_factory=Automatic)
    augmentation: Augmentation = field(default_factory=NoAugmentation)
    ema: EmaConfig = field(default_factory=EmaConfig)

    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {
            "VISUAL": NormalizationMode.MEAN_STD,
            **dict.fromkeys(("STATE", "ENV", "ACTION"), NormalizationMode.MIN_MAX),
        }
    )
    # Precision of training (by LeRobot's autocast): float32, bfloat16 or float16.
    dtype: str = "float32"
    # How often a sample meets the network in an update, each time with another noise and time (as in arXiv 2406.11838).
    noise_draws: int = 1
    # Share of the samples whose observation is hidden from the network in training, for guidance.type=classifier_free.
    condition_dropout: float = 0.0
    # The longest delay, in steps, of `real_time`. In training up to so many first steps of a chunk are shown as decided.
    max_delay: int = 0
    # Standard deviation of the noise that chunks start from, in training 1. With less they are nearer to what is usual.
    noise_scale: float = 1.0
    # Whether half of the candidates are drawn for the mirrored observation and mirrored back; `augmentation` has the mirror.
    symmetrise: bool = False
    # Whether one compiled graph draws chunks: a minute of warm-up, then a fraction of the time. It needs a C++ compiler.
    compile_sampler: bool = False
    # Whether actions beyond the end of an episode, copies of the last one, are left out of the loss.
    mask_padded_actions: bool = True
    # Whether actions are learned relative to the newest state, and of which joints, by parts of their names, they are not.
    use_relative_actions: bool = False
    relative_exclude_joints: list[str] = field(default_factory=lambda: ["gripper"])
    # Names of the actions and frames per second of the training data, taken from the dataset; null until trained.
    action_feature_names: list[str] | None = None
    fps: int | None = None
    format_version: int = FORMAT_VERSION
    # What each of several robots has, taken from their datasets, and the one that is served; empty and null for one robot.
    robots: dict[str, dict[str, PolicyFeature]] = field(default_factory=dict)
    embodiment: str | None = None

    optimizer_lr: float = 1e-3
    # Learning rate of backbones of pictures, and of a language model; null: `optimizer_lr`. It should be lower if they are pretrained.
    optimizer_lr_backbone: float | None = None
    optimizer_betas: tuple[float, float] = (0.9, 0.95)
    optimizer_eps: float = 1e-8
    optimizer_weight_decay: float = 1e-3
    optimizer_grad_clip_norm: float = 1.0
    scheduler_warmup_steps: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_newer(self.format_version)
        if self.use_amp and self.dtype == "float32":
            # LeRobot's trainer reads dtype alone where a policy has one. It must not ignore use_amp silently.
            self.dtype = "float16" if str(self.device).startswith("cuda") else "bfloat16"
        self.format_version = FORMAT_VERSION  # what is saved states every field
        self._open = tuple(name for name in timing.FOLLOWING if getattr(self, name) is None)
        embodiments.start(self)
        self.follow(self.fps)  # fields that nobody gave follow the frame rate of the data

    def follow(self, fps: float | None) -> None:
        """Set the fields that follow the data's rate for `fps` frames a second, PushT's if None; may raise as the config."""
        given = None if "horizon" in self._open else self.horizon
        found = timing.steps_at(fps, self.stride, self.n_obs_steps, self.network.chunk_multiple, given)
        for name in self._open:
            setattr(self, name, found[name])
        fitting.check(self)
        if fps is not None or given is not None:  # a chunk at the data's rate may hold what one at PushT's does not
            fitting.check_lengths(self)

    def check_training(self) -> None:
        """Raise a ValueError, naming the field and what is legal, unless a policy of this config can be trained."""
        fitting.check_training(self)

    @property
    def chunk_length(self) -> int:
        """Predicted actions from the current step on."""
        return self.horizon - self.n_obs_steps + 1

    @property
    def drop_n_last_frames(self) -> int:
        """Frames at an episode's end that LeRobot's sampler leaves out (`timing.left_out`)."""
        return timing.left_out(self)

    @property
    def windows(self) -> Windows:
        """Which frames of the data a training sample holds."""
        return Windows.of(self)

    @property
    def auxiliaries(self) -> dict[str, Auxiliary]:
        """What is learned beside the policy, by the name of its field."""
        return {name: getattr(self, name) for name in ("dynamics", "state_estimation", "auxiliary")}

    @property
    def energy_names(self) -> tuple[str, ...]:
        """Names of the energies that can be computed for a chunk: the learned ones, the stated ones and their sum."""
        learned = sorted({name for member in self.auxiliaries.values() for name in member.offers})
        return (*learned, *self.energies.names)

    @property
    def observation_delta_indices(self) -> list[int]:
        return self.windows.observations

    @property
    def action_delta_indices(self) -> list[int]:
        return self.windows.actions

    @property
    def camera_delta_indices(self) -> list[int]:
        """The frames whose pictures are used. LeRobot by itself asks for those of `observation_delta_indices`."""
        return self.windows.pictures

    reward_delta_indices = property(lambda self: None)

    def get_optimizer_preset(self) -> AdamWConfig:
        names = ("lr", "betas", "eps", "weight_decay", "grad_clip_norm")
        return AdamWConfig(**{name: getattr(self, f"optimizer_{name}") for name in names})

    def get_scheduler_preset(self) -> CosineAnnealingWithWarmupSchedulerConfig:
        return CosineAnnealingWithWarmupSchedulerConfig(num_warmup_steps=self.scheduler_warmup_steps)

    @property
    def low_dimensional_features(self) -> dict[str, int]:
        """Width of every state, without the gaze, sorted by name: the weights never depend on a dataset's order."""
        features = self.input_features or {}
        kinds = (FeatureType.STATE, FeatureType.ENV)
        return {key: features[key].shape[0] for key in sorted(features) if features[key].type in kinds and key != GAZE}

    @property
    def camera_features(self) -> dict[str, tuple[int, int, int]]:
        """Shape (3, H, W) of every camera's pictures as the policy is given them, after `resize`; sorted by name."""
        return self.image_encoder.seen(self.recorded_cameras)  # type: ignore[return-value]

    @property
    def recorded_cameras(self) -> dict[str, tuple[int, ...]]:
        """Shape (3, H, W) of every camera's pictures as they are recorded, sorted by name."""
        return {key: tuple(self.image_features[key].shape) for key in sorted(self.image_features)}

    @property
    def estimated_features(self) -> tuple[str, ...]:
        """States that are read off the cameras; training needs them, an environment does not."""
        return self.state_estimation.estimates(self.low_dimensional_features)

    @property
    def privileged_features(self) -> dict[str, int]:
        """Width of what further losses look at and the policy never reads. Training needs it, an environment does not."""
        wanted = {key for member in self.auxiliaries.values() for key in member.looks_at}
        return {key: feature.shape[0] for key, feature in (self.input_features or {}).items() if key in wanted}

    @property
    def network_cameras(self) -> dict[str, tuple[int, int, int]]:
        """Cameras that the network sees itself: all of them, unless states are read off them."""
        return {} if self.estimated_features else self.camera_features

    @property
    def training_features(self) -> dict[str, tuple[int, ...]]:
        """Shape of every observation that a training sample must have."""
        widths = self.low_dimensional_features | self.privileged_features
        return {**{key: (width,) for key, width in widths.items()}, **self.camera_features}

    @property
    def observed_features(self) -> dict[str, tuple[int, ...]]:
        """Shape of every observation that the policy must be given to act."""
        unread = {*self.estimated_features, *self.privileged_features}
        return {key: shape for key, shape in self.training_features.items() if key not in unread}

    @property
    def spoken_features(self) -> tuple[str, ...]:
        """What the processor makes of the instruction, `task`, if the policy reads it."""
        return (WORD_IDS, WORDS_VALID) if self.words.reads else ()

    def validate_features(self) -> None:
        """Raise a ValueError naming the feature if there is no action, no observation, or one that cannot be read."""
        fitting.check_features(self)
        self.image_encoder.check(self.camera_features)
        fitting.check_observation(self)


# Why the presets predict the data, x₁: by noise or velocity the same trainings have 5 and 7 % success instead of 87 %
# (`python -m benchmarks.pusht_quality --study`). Why this sampler: `python -m benchmarks.sampler_truth`.


@register_preset("dp_plus_unet")
@dataclass
class DpPlusUnetConfig(DpPlusConfig):
    """FiLM U-Net, diffusion on x₁, DPM-Solver++(2M): the network of Diffusion Policy's CNN, arXiv 2303.04137."""

    network: NetworkConfig = field(default_factory=UNet1dConfig)


@register_preset("dp_plus_transformer")
@dataclass
class DpPlusTransformerConfig(DpPlusConfig):
    """Causal transformer, diffusion on x₁, DPM-Solver++(2M): after Diffusion Policy's transformer, arXiv 2303.04137."""


@register_preset("dp_plus_flow")
@dataclass
class DpPlusFlowConfig(DpPlusConfig):
    """Causal transformer, flow matching on x₁ with Beta(1.5, 1) times, DPM-Solver++(2M): the times of π0, arXiv 2410.24164."""

    objective: Objective = field(default_factory=FlowMatching)


@register_preset("dp_plus_dit")
@dataclass
class DpPlusDitConfig(DpPlusConfig):
    """Diffusion transformer with adaLN-zero (arXiv 2212.09748), flow matching on x₁, DPM-Solver++(2M)."""

    network: NetworkConfig = field(default_factory=DiTConfig)
    objective: Objective = field(default_factory=FlowMatching)


@register_preset("dp_plus_pi0")
@dataclass
class DpPlusPi0Config(DpPlusConfig):
    """π0's network over keypoint tokens (arXiv 2410.24164), flow matching on x₁ with its times, DPM-Solver++(2M)."""

    network: NetworkConfig = field(default_factory=MixtureConfig)
    objective: Objective = field(default_factory=FlowMatching)
    image_encoder: ImageEncoderConfig = field(default_factory=KeypointTokensConfig)
