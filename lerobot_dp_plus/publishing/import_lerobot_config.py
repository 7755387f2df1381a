"""LeRobot's diffusion config as ours; what cannot be carried over is refused, what matters to training only is noted."""

from collections.abc import Mapping
from dataclasses import dataclass

from lerobot.configs import PolicyFeature
from lerobot.configs.types import FeatureType
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.utils.constants import ACTION, OBS_ENV_STATE, OBS_STATE

from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.encoders import ResNet18Config
from lerobot_dp_plus.networks import UNet1dConfig
from lerobot_dp_plus.objectives import DiffusersPath, Diffusion
from lerobot_dp_plus.objectives.diffusers_path import SCHEDULES
from lerobot_dp_plus.paths import Parametrisation
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusUnetConfig
from lerobot_dp_plus.samplers import AncestralLeading, DDIMLeading, Sampler

PREDICTIONS: dict[str, Parametrisation] = {"epsilon": "epsilon", "sample": "x1"}
#: Fields that mean the same in both.
ALIKE = (
    *("license", "n_obs_steps", "horizon", "n_action_steps", "scheduler_warmup_steps"),
    *("optimizer_lr", "optimizer_eps", "optimizer_weight_decay"),
)
#: With batch statistics and no named weights: what a new policy of this config would start from.
NOMINAL_WEIGHTS = "IMAGENET1K_V1"


@dataclass(frozen=True)
class Translation:
    """Our config, and in words what of theirs it does not hold."""

    config: DpPlusUnetConfig
    notes: tuple[str, ...]


def translate(theirs: DiffusionConfig) -> Translation:
    """The config with which our U-Net policy acts as theirs.

    Raises:
        ValueError: an option without a counterpart, by name, with what would be legal.
    """
    if theirs.use_peft:
        raise ValueError("use_peft = True: the weights are those of an adapter; merge it into its base policy first")
    action = theirs.action_feature
    if action is None:
        raise ValueError(f"output_features = {sorted(theirs.output_features or {})}: legal is one named {ACTION!r}")
    inputs = used_features(theirs)
    config = DpPlusUnetConfig(
        device="cpu",
        push_to_hub=False,
        input_features=inputs,
        output_features={ACTION: action},
        normalization_mapping=dict(theirs.normalization_mapping),
        network=UNet1dConfig(
            down_dims=tuple(theirs.down_dims),
            kernel_size=theirs.kernel_size,
            n_groups=theirs.n_groups,
            time_embed_dim=theirs.diffusion_step_embed_dim,
            film_scale=theirs.use_film_scale_modulation,
        ),
        objective=Diffusion(
            prediction=PREDICTIONS[theirs.prediction_type],
            path=path_of(theirs),
            clip_range=theirs.clip_sample_range if theirs.clip_sample else None,
        ),
        sampler=sampler_of(theirs),
        ema=EmaConfig(enabled=False),
        mask_padded_actions=theirs.do_mask_loss_for_padding,
        optimizer_betas=tuple(theirs.optimizer_betas),  # type: ignore[arg-type]
        image_encoder=image_encoder_of(theirs) if theirs.image_features else ResNet18Config(),
        **{name: getattr(theirs, name) for name in ALIKE},
    )
    return Translation(config, tuple(notes_on(theirs, config)))


def used_features(theirs: DiffusionConfig) -> dict[str, PolicyFeature]:
    """The observations LeRobot's policy reads, in its order: its state, its cameras, its environment state."""
    features = theirs.input_features or {}
    if theirs.robot_state_feature is None:
        raise ValueError(f"input_features = {sorted(features)}: LeRobot's policy needs {OBS_STATE}")
    environment = [key for key, feature in features.items() if feature.type is FeatureType.ENV]
    if environment not in ([], [OBS_ENV_STATE]):
        raise ValueError(f"input_features: {environment} of type ENV; legal is {OBS_ENV_STATE} alone")
    return {key: features[key] for key in (OBS_STATE, *theirs.image_features, *environment)}


def path_of(theirs: DiffusionConfig) -> DiffusersPath:
    """The noise schedule, with its scheduler's digits."""
    ours = {name: schedule for schedule, name in SCHEDULES.items()}
    if theirs.beta_schedule not in ours:
        raise ValueError(f"beta_schedule = {theirs.beta_schedule!r}: legal are {', '.join(ours)}")
    schedule = ours[theirs.beta_schedule]
    return DiffusersPath(theirs.num_train_timesteps, schedule, theirs.beta_start, theirs.beta_end)


def sampler_of(theirs: DiffusionConfig) -> Sampler:
    """The sampler that visits the steps of their scheduler."""
    trained = theirs.num_train_timesteps
    steps = trained if theirs.num_inference_steps is None else theirs.num_inference_steps
    if not 1 <= steps <= trained:
        raise ValueError(f"num_inference_steps = {steps}: legal are 1 to num_train_timesteps = {trained}")
    return DDIMLeading(steps) if theirs.noise_scheduler_type == "DDIM" else AncestralLeading(steps)


def image_encoder_of(theirs: DiffusionConfig) -> ResNet18Config:
    """The encoder whose weights LeRobot's ResNet-18 fills."""
    if theirs.vision_backbone != "resnet18":
        raise ValueError(f"vision_backbone = {theirs.vision_backbone!r}: legal is 'resnet18', the only ResNet here")
    shapes = {key: tuple(feature.shape) for key, feature in theirs.image_features.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"cameras have the shapes {shapes}; LeRobot's policy needs one shape for all")
    size: tuple[int, ...] = next(iter(shapes.values()))[1:]
    if theirs.resize_shape is not None and tuple(theirs.resize_shape) != size:
        raise ValueError(
            f"resize_shape = {tuple(theirs.resize_shape)}: images are {size} and are not resized here; legal is null "
            f"or {size}, with the images resized before they reach the policy"
        )
    crop = theirs.crop_shape and (int(theirs.crop_shape[0]), int(theirs.crop_shape[1]))
    keypoints = theirs.spatial_softmax_num_keypoints
    weights = theirs.pretrained_backbone_weights
    pretrained = None if theirs.use_group_norm else str(weights or NOMINAL_WEIGHTS).removeprefix("ResNet18_Weights.")
    encoder = ResNet18Config(
        resize=None,
        crop_ratio=1.0,
        crop_shape=crop,
        num_keypoints=keypoints,
        feature_dim=2 * keypoints,
        share_across_cameras=not theirs.use_separate_rgb_encoder_per_camera,
        pretrained_weights=pretrained,
    )
    encoder.check(shapes)
    for side, cropped in zip(size, crop or size, strict=True):
        # torchvision rounds half a pixel to even, we round it down.
        if round((side - cropped) / 2) != (side - cropped) // 2:
            raise ValueError(
                f"crop_shape = {crop} of images {size}: LeRobot's centre crop begins a pixel later than ours, so that "
                f"the actions would differ; legal are crops that leave {side - cropped - 1} or {side - cropped + 1} of "
                f"{side} pixels"
            )
    return encoder


def notes_on(theirs: DiffusionConfig, ours: DpPlusUnetConfig) -> list[str]:
    """What of theirs acts on nothing here, one line each."""
    notes = []
    unread = sorted(set(theirs.input_features or {}) - set(ours.input_features or {}))
    if unread:
        notes.append(f"left out {', '.join(unread)}: LeRobot's policy declares but never reads them")
    if theirs.image_features and not theirs.use_group_norm:
        started = theirs.pretrained_backbone_weights is not None
        notes.append(
            "the backbone's batch statistics are frozen, in training too"
            + ("" if started else f"; image_encoder.pretrained_weights names {NOMINAL_WEIGHTS}, which was not used")
        )
    if theirs.crop_shape is not None and not theirs.crop_is_random:
        notes.append("crop_is_random=False is not kept: training crops at random, acting in the centre")
    training: Mapping[str, tuple[object, object]] = {
        "compile_model": (theirs.compile_model, False),
        "gradient_checkpointing": (theirs.gradient_checkpointing, False),
        "use_amp": (theirs.use_amp, False),
        "scheduler_name": (theirs.scheduler_name, "cosine"),
    }
    notes += [f"{name}={value} is not kept" for name, (value, usual) in training.items() if value != usual]
    return notes
