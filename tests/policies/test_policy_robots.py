"""One policy of several robots: padding and masks against a policy that has neither, and which robot is served."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import tiny
import torch
from lerobot.configs import FeatureType, PolicyFeature
from torch import Tensor

from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.encoders import KeypointTokensConfig, Robots
from lerobot_dp_plus.notation import EMBODIMENT, PATCHES, ROBOT, STEPS
from lerobot_dp_plus.objectives import FlowMatching
from lerobot_dp_plus.policies import embodiments
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.policy import DpPlusPolicy
from lerobot_dp_plus.policies.robots_data import refuse_others

STATE, IMAGE = "observation.state", "observation.image"


def robot(state: int, action: int, camera: bool = False) -> dict[str, PolicyFeature]:
    features = {
        STATE: PolicyFeature(FeatureType.STATE, (state,)),
        "action": PolicyFeature(FeatureType.ACTION, (action,)),
    }
    return features | ({IMAGE: PolicyFeature(FeatureType.VISUAL, (3, 32, 32))} if camera else {})


ROBOTS = {"narrow": robot(2, 2), "wide": robot(4, 3)}


def config(preset: str = "dp_plus_dit", robots: Any = ROBOTS, **fields: Any) -> DpPlusConfig:
    """A config of several robots, as a training on their datasets makes it."""
    network = replace(tiny.network(preset), patch_size=1) if preset != "dp_plus_unet" else tiny.network(preset)
    made = tiny.config(preset, **{"n_obs_steps": 1, "network": network, "n_action_steps": 4, **fields})
    made.robots = dict(robots)
    features = embodiments.padded(robots)
    made.output_features = {"action": features.pop("action")}
    made.input_features = features
    embodiments.start(made)
    return made


def serving(policy: DpPlusPolicy, name: str) -> DpPlusPolicy:
    """The same weights, for one robot."""
    other = tiny.build(embodiments.served(policy.config, name))
    other.load_state_dict(policy.state_dict())
    return other.eval()


def alone(policy: DpPlusPolicy, name: str) -> DpPlusPolicy:
    """A policy of one robot, without padding, mask or mark, that should do the same: what meets zeros is cut off.

    The mark of a robot is always the same one, so it is a part of the bias.
    """
    features = dict(policy.config.robots[name])
    fields = {key: getattr(policy.config, key) for key in ("network", "objective", "n_obs_steps", "n_action_steps")}
    made = tiny.config(policy.config.type, {key: each for key, each in features.items() if key != "action"}, **fields)
    made.output_features = {"action": features["action"]}
    found, number = tiny.build(made), list(policy.config.robots).index(name)
    given = dict(policy.model.network.named_parameters())
    with torch.no_grad():
        for key, weight in found.model.network.named_parameters():
            weight.copy_(given[key][tuple(slice(size) for size in weight.shape)])
        first = "embed_observation.1."
        width = policy.model.encoder.spans[STEPS].width - len(policy.config.robots)
        found.model.network.get_parameter(f"{first}bias").add_(given[f"{first}weight"][:, width + number])
    found.ema = found.config.ema.build(found.model)
    return found


def moved(policy: DpPlusPolicy) -> DpPlusPolicy:
    """The policy with weights that are nowhere zero."""
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return policy


def batch_of(policy: DpPlusPolicy, name: str, size: int = 3) -> dict[str, Tensor]:
    """A normalised batch of one robot, at its own width."""
    features = policy.config.robots[name]
    batch = {key: torch.rand(size, 1, *each.shape) for key, each in features.items() if key != "action"}
    batch["action"] = torch.rand(size, policy.config.horizon, *features["action"].shape) * 2 - 1
    batch["action_is_pad"] = torch.zeros(size, policy.config.horizon, dtype=torch.bool)
    batch["action_is_pad"][0, -3:] = True
    return batch


def padded(policy: DpPlusPolicy, name: str, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same as the loader of several robots gives it."""
    shapes = {**policy.config.training_features, "action": tuple(policy.config.action_feature.shape)}  # type: ignore[union-attr]
    found, size = dict(batch), len(batch["action"])
    for key, shape in shapes.items():
        value = batch.get(key, torch.zeros(size, 1, *shape))
        wide = shape[0] - value.shape[-1] if len(shape) == 1 else 0
        found[key] = torch.nn.functional.pad(value, (0, wide))
    return found | {EMBODIMENT: torch.full((size,), list(policy.config.robots).index(name))}


@contextmanager
def same_noise(width: int) -> Iterator[None]:
    """While open, noise (B, H, A) of any A is the beginning of the noise (B, H, `width`)."""
    drawn = torch.randn

    def randn(*size: Any, **options: Any) -> Tensor:
        shape = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        if len(shape) != 3:
            return drawn(*size, **options)
        return drawn(*shape[:2], width, **options)[..., : shape[2]]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", randn)
        yield


@pytest.mark.parametrize("prediction", ["x1", "v"])
@pytest.mark.parametrize("name", ["narrow", "wide"])
def test_padding_changes_neither_loss_nor_gradients(name: str, prediction: str) -> None:
    policy = moved(tiny.build(config(objective=FlowMatching(prediction=prediction))))
    reference, batch = alone(policy, name), batch_of(policy, name)
    losses, start = [], policy.stream.clone()
    for made, given in ((policy, padded(policy, name, batch)), (reference, batch)):
        made.train()
        made.stream.copy_(start)
        with same_noise(3):
            loss, _ = made(given)
        loss.backward()
        losses.append(loss)
    torch.testing.assert_close(losses[0], losses[1])
    compared = dict(policy.model.network.named_parameters())
    for key, weight in reference.model.network.named_parameters():
        gradient, inside = compared[key].grad, tuple(slice(size) for size in weight.shape)
        assert gradient is not None and weight.grad is not None
        torch.testing.assert_close(gradient[inside], weight.grad)
        outside = gradient.clone()
        outside[inside] = 0
        if key != "embed_observation.1.weight":  # where the mark of the robot stands beside the states
            assert not outside.any(), f"{key}: what is padded was learned from"


def test_a_mixed_batch_has_the_mean_of_its_robots_losses() -> None:
    policy = moved(tiny.build(config("dp_plus_bc", network=tiny.network("dp_plus_dit")))).eval()
    batches = [padded(policy, name, batch_of(policy, name)) for name in policy.config.robots]
    both = {key: torch.cat([each[key] for each in batches]) for key in batches[0]}
    apart = torch.cat([policy(each, reduction="none")[0] for each in batches])
    torch.testing.assert_close(policy(both, reduction="none")[0], apart)


@pytest.mark.parametrize("preset", ["dp_plus_dit", "dp_plus_unet", "dp_plus_transformer", "dp_plus_pi0"])
def test_a_served_robot_has_chunks_of_its_own_width_and_its_padding_is_without_effect(preset: str) -> None:
    policy = moved(tiny.build(config(preset, sampler_steps=3)))
    policy.ema.module.load_state_dict(policy.model.state_dict())  # type: ignore[union-attr]
    served = serving(policy, "narrow")
    noise = torch.randn(2, served.config.horizon, 2)
    frame = {STATE: torch.rand(2, 2)}
    chunk = served.predict_action_chunk(frame, noise)
    assert chunk.shape == (2, served.config.horizon, 2)
    with torch.no_grad():  # whatever stands where nothing is read
        for model in (served.model, served.ema.module):  # type: ignore[union-attr]
            for key, weight in model.network.named_parameters():
                if key in ("head.bias", "final_conv.1.bias"):
                    weight.add_(torch.arange(len(weight)).fmod(3) == 2)
    served.reset()
    torch.testing.assert_close(served.predict_action_chunk(frame, noise), chunk)
    other = serving(policy, "wide").predict_action_chunk({STATE: torch.rand(2, 4)})
    assert other.shape == (2, served.config.horizon, 3)


def test_sampling_is_that_of_the_policy_without_padding() -> None:
    policy = moved(tiny.build(config(sampler_steps=3)))
    policy.ema.module.load_state_dict(policy.model.state_dict())  # type: ignore[union-attr]
    noise, frame = torch.randn(2, policy.config.horizon, 2), {STATE: torch.rand(2, 2)}
    served, reference = serving(policy, "narrow"), alone(policy, "narrow").eval()
    reference.config.sampler = served.config.sampler
    torch.testing.assert_close(
        served.predict_action_chunk(frame, noise), reference.predict_action_chunk(frame, noise), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["a feature for each picture", "tokens"])
def test_a_camera_that_a_robot_does_not_have_is_not_looked_at(kind: str) -> None:
    robots = {"blind": robot(2, 2), "seeing": robot(2, 2, camera=True)}
    encoder = tiny.config().image_encoder if kind != "tokens" else KeypointTokensConfig(num_keypoints=4)
    policy = moved(tiny.build(config("dp_plus_transformer", robots, image_encoder=encoder))).eval()
    batch = padded(policy, "blind", batch_of(policy, "blind"))
    for made_up in (torch.rand_like(batch[IMAGE]), torch.rand_like(batch[IMAGE])):
        batch[IMAGE] = made_up
        tokens = policy.model.encoder(batch)
        spans = {span.kind: span for span in tokens}
        if kind == "tokens":
            assert not spans[PATCHES].valid.any()
        else:
            assert not spans[STEPS].values[..., 2:].any()
    seen = policy.model.encoder(padded(policy, "seeing", batch_of(policy, "seeing")))
    spans = {span.kind: span for span in seen}
    assert spans[PATCHES].valid.all() if kind == "tokens" else spans[STEPS].values[..., 2:].any()
    chunk = serving(policy, "blind").predict_action_chunk({STATE: torch.rand(1, 2)})
    assert chunk.isfinite().all()


def test_things_are_listed_by_the_robots_that_have_so_many() -> None:
    listed = "observation.environment_state"
    robots = {"six": {**robot(2, 2), listed: PolicyFeature(FeatureType.ENV, (6,))}, "none": robot(2, 2)}
    robots["four"] = {**robot(2, 2), listed: PolicyFeature(FeatureType.ENV, (4,))}
    made = config("dp_plus_transformer", robots, things=3)
    encoder = tiny.build(made).model.encoder
    values = torch.arange(12.0).reshape(2, 1, 6)
    state = torch.zeros(2, 1, 2)
    tokens = {span.kind: span for span in encoder({listed: values, STATE: state, EMBODIMENT: torch.tensor([0, 2])})}
    assert tokens[PATCHES].valid.tolist() == [[True] * 3, [False] * 3]
    assert tokens[PATCHES].values[0, :, :2].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert tokens[ROBOT].values[:, 0].tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(ValueError, match="things = 5: must divide the 4 or 6 numbers"):
        config("dp_plus_transformer", robots, things=5).validate_features()


def test_the_mark_of_a_robot_stands_beside_the_states_where_a_vector_is_read() -> None:
    encoder = tiny.build(config("dp_plus_unet")).model.encoder
    (steps,) = encoder({STATE: torch.full((1, 1, 4), 7.0), EMBODIMENT: torch.tensor([1])})
    assert steps.values.tolist() == [[[7, 7, 7, 7, 0, 1]]]


def test_nobody_says_which_robot() -> None:
    policy = tiny.build(config())
    with pytest.raises(ValueError, match=r"several robots, narrow, wide, and nothing says which.*embodiment=narrow"):
        policy.eval().predict_action_chunk({STATE: torch.rand(1, 4)})
    with pytest.raises(ValueError, match="several robots"):
        Robots({"a": {STATE: (2,)}}).index({STATE: torch.rand(1, 1, 2)})


def told(policy_config: DpPlusConfig, width: int) -> DpPlusConfig:
    """The config after LeRobot's `make_policy` put an environment's action into it."""
    made = copy.copy(policy_config)
    made.output_features = {"action": PolicyFeature(FeatureType.ACTION, (width,))}
    return made


def test_the_only_robot_whose_action_fits_is_served() -> None:
    made = told(config(), 2)
    embodiments.settle(made)
    assert made.embodiment == "narrow" and made.observed_features == {STATE: (2,)}


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (config(), "no environment does not tell which robot.*narrow with 2 actions, wide with 3 actions"),
        (told(config(), 5), r"an action of shape \(5,\) does not tell"),
        (told(config(robots={"a": robot(2, 2), "b": robot(3, 2)}), 2), r"an action of shape \(2,\) does not tell"),
        (told(embodiments.served(config(), "wide"), 2), "embodiment = wide gives"),
    ],
)
def test_a_robot_that_nobody_can_tell_is_asked_for(made: DpPlusConfig, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        embodiments.settle(made)


def test_an_unknown_robot_is_refused() -> None:
    with pytest.raises(ValueError, match="embodiment = 'other': legal are narrow, wide"):
        embodiments.serve(config(), "other")
    with pytest.raises(ValueError, match="embodiment = 'other': this policy is of one robot"):
        tiny.config(embodiment="other")


@pytest.mark.parametrize(
    ("preset", "fields", "named"),
    [
        ("dp_plus_gmm", {"network": tiny.network("dp_plus_gmm")}, r"objective.type = mixture_density.*'regression'"),
        ("dp_plus_dit", {"augmentation": PushTMirror()}, "augmentation.type = pusht_mirror"),
    ],
)
def test_what_robots_cannot_share_is_refused(preset: str, fields: dict[str, Any], named: str) -> None:
    made = tiny.config(preset, **fields)
    made.robots = dict(ROBOTS)
    with pytest.raises(ValueError, match=named):
        embodiments.check(made)


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ({"wide": robot(4, 7)}, r"wide: action is \(7,\), wider than .* padded to, which is \(3,\)"),
        ({"wide": robot(4, 3, camera=True)}, "wide: observation.image is .* which is no such feature"),
        ({"arm": robot(4, 3)}, r"arm is none of the robots that the weights were trained for.*\[narrow=…\]"),
        ({"wide": robot(3, 3)}, "wide is none of the robots that the weights were trained for"),
    ],
)
def test_weights_are_trained_further_only_for_the_robots_that_they_know(found: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        refuse_others(config(), found)
    refuse_others(config(), {"narrow": ROBOTS["narrow"]})
