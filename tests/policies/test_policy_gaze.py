"""The gaze as a policy has it: wanted in training, neither needed nor read in use, and without a trace in what is done."""

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from tiny import IMAGES, STATE, build, config, frame, learned, noise, policy, training_batch

from lerobot_dp_plus.auxiliary import GazePosition, GazeReconstruction, NoFurther
from lerobot_dp_plus.encoders import KeypointTokensConfig, SmallCnnConfig
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.notation import GAZE
from lerobot_dp_plus.tokenizers import Pca

INPUTS = {**STATE, **IMAGES, GAZE: PolicyFeature(FeatureType.STATE, (3,))}
ENCODER = KeypointTokensConfig(width=16, num_keypoints=4, feature_dim=16)
LOSSES = {
    "reconstruction": GazeReconstruction(queries=2, dim=16, depth=1, tokenizer=Pca(components=3, size=4, crops=6)),
    "position": GazePosition(queries=2, dim=16),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def made(loss=LOSSES["reconstruction"], **fields):
    policy = build(config("dp_plus_pi0", INPUTS, image_encoder=ENCODER, auxiliary=loss, **fields))
    affine = {key: (0.0, 1.0) for key in policy.model.units.keys}
    affine[GAZE] = (0.5, 0.5)
    policy.model.units.learn(affine)
    return policy


@every_loss
def test_it_is_learned_in_training_and_not_asked_for_in_use(loss) -> None:
    one = learned(policy := made(loss), lambda: training_batch(policy.config), updates=4)
    logged = one(training_batch(one.config))[1]
    assert logged["loss_auxiliary"] > 0
    assert GAZE in one.config.training_features and GAZE not in one.config.observed_features
    assert one.model.encoder.state_dims == {"observation.state": 4}, "no network reads it"
    seen = {key: value for key, value in frame(one.config).items() if key != GAZE}
    assert one.predict_action_chunk(seen, noise=noise(one.config)).isfinite().all()
    batch = training_batch(one.config)
    del batch[GAZE]
    with pytest.raises(ValueError, match=r"observation\.gaze missing from the batch"):
        one(batch)


@every_loss
def test_in_use_keys_values_and_chunks_are_those_of_a_policy_without_it(loss) -> None:
    """Bit by bit; and nothing of it is computed."""
    one = learned(policy := made(loss), lambda: training_batch(policy.config), updates=3)
    without = made(NoFurther()).eval()
    weights = {key: value for key, value in one.ema.module.state_dict().items() if not key.startswith("auxiliary.")}
    kept = without.ema.module.state_dict().keys() & weights.keys()
    missing, unexpected = without.ema.module.load_state_dict({key: weights[key] for key in kept}, strict=False)
    assert not unexpected and not missing
    for module in one.ema.module.auxiliary.modules():
        module.register_forward_pre_hook(lambda *_: pytest.fail("computed in use"))
    seen = {key: value for key, value in frame(one.config).items() if key != GAZE}
    windows = {key: value[:, None].expand(-1, 2, *value.shape[1:]) for key, value in seen.items()}
    with torch.no_grad():
        conditions = [each.ema.module.network.condition(each.ema.module.encoder(windows)) for each in (one, without)]
    for pair, other in zip(*((*each.memory, *each.state) for each in conditions), strict=True):
        assert torch.equal(pair[0], other[0]) and torch.equal(pair[1], other[1])
    chunks = [each.predict_action_chunk(seen, noise=noise(one.config)) for each in (one, without)]
    assert torch.equal(*chunks)


def test_what_its_tokenizer_learned_is_saved(tmp_path) -> None:
    one = learned(policy := made(), lambda: training_batch(policy.config), updates=3)
    tokenizer = one.model.auxiliary.auxiliary.tokenizer
    assert tokenizer.ready and one.ema.module.auxiliary.auxiliary.tokenizer.ready
    one.save_pretrained(tmp_path)
    again = type(one).from_pretrained(tmp_path)
    assert again.config.auxiliary == one.config.auxiliary
    assert torch.equal(again.model.auxiliary.auxiliary.tokenizer.directions, tokenizer.directions)


def test_it_needs_a_backbone_that_reads_pictures() -> None:
    for fields in ({"image_encoder": SmallCnnConfig(width=16, crop_ratio=1.0)}, {"preset": "dp_plus_transformer"}):
        fields = {"preset": "dp_plus_pi0", "image_encoder": ENCODER, **fields}
        with pytest.raises(
            ValueError, match=r"legal with network\.type = mixture and an image encoder that gives tokens"
        ):
            policy(inputs=INPUTS, auxiliary=LOSSES["position"], **fields)


def test_an_insulated_backbone_must_learn_from_something() -> None:
    network = MixtureConfig(dim=16, depth=1, num_heads=2, head_dim=8, backbone=Scratch(dim=24), insulated=True)
    with pytest.raises(
        ValueError, match=r"network\.insulated = true: .*legal with auxiliary\.type = gaze_reconstruction"
    ):
        made(NoFurther(), network=network).get_optim_params()
    assert made(network=network).get_optim_params()
