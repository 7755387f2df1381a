"""Features that a policy cannot read are refused, or left out, with the flag to pass."""

import io
import logging
import re
import shlex
from types import SimpleNamespace

import draccus
import numpy as np
import pytest
from lerobot.configs import FeatureType, PolicyFeature
from tiny import IMAGES, STATE, config

from lerobot_dp_plus.policies.dataset_check import adopt_dataset
from lerobot_dp_plus.policies.host_data import Run, note_run
from lerobot_dp_plus.policies.saved_pipelines import UsableStatistics

STATE_SHAPED = FeatureType.STATE


def flag_in(message):
    """The features that the flag in a message names, as draccus reads it."""
    word = next(word for word in shlex.split(message[message.index("'--policy.input_features") :]) if "=" in word)
    spelled = draccus.load(dict, io.StringIO(word.removeprefix("--policy.input_features=")))
    return draccus.decode(dict[str, PolicyFeature], spelled)


@pytest.mark.parametrize(
    ("feature", "why"),
    [
        (
            PolicyFeature(FeatureType.STATE, (4, 4)),
            r"shape \(4, 4\); a state must be \(D,\)\. Store it flat, as \(16,\)",
        ),
        (
            PolicyFeature(FeatureType.ENV, (2, 3, 5)),
            r"shape \(2, 3, 5\); a state must be \(D,\)\. Store it flat, as \(30,\)",
        ),
        (
            PolicyFeature(FeatureType.VISUAL, (1, 24, 32)),
            r"\(1, 24, 32\); an image must be \(3, H, W\).*three equal channels",
        ),
        (PolicyFeature(FeatureType.VISUAL, (4, 24, 32)), r"\(4, 24, 32\); an image must be \(3, H, W\)"),
    ],
)
def test_sensors_of_other_shapes(feature, why):
    made = config(inputs={**STATE, **IMAGES, "observation.odd": feature})
    with pytest.raises(
        ValueError, match=rf"input_features: observation\.odd has {why}" if "shape" in why[:6] else why
    ) as error:
        made.validate_features()
    assert flag_in(str(error.value)) == {**STATE, **IMAGES}
    made.input_features = flag_in(str(error.value))
    made.validate_features()
    alone = config(inputs={"observation.odd": feature})
    with pytest.raises(ValueError, match=r"Store it .* to have it read$"):
        alone.validate_features()


def test_a_camera_with_its_channels_last():
    """LeRobot knows them by the name "channels" only, and turns every picture all the same."""
    made = config(inputs={**STATE, "observation.image": PolicyFeature(FeatureType.VISUAL, (24, 32, 3))})
    with pytest.raises(ValueError, match="channels last") as error:
        made.validate_features()
    made.input_features = flag_in(str(error.value))
    made.validate_features()
    assert made.camera_features == {"observation.image": (3, 24, 32)}
    names = ["height", "width", "rgb"]
    adopt_dataset(made, meta({"observation.image": {"dtype": "image", "shape": (24, 32, 3), "names": names}}))


def meta(extra=(), **changes):
    features = {
        "observation.state": {"dtype": "float32", "shape": (4,), "names": None},
        "action": {"dtype": "float32", "shape": (2,), "names": None},
        **dict(extra),
    }
    stats = {}
    for key, feature in features.items():
        shape = (3, 1, 1) if feature["dtype"] == "image" else feature["shape"]
        stats[key] = {n: np.full(shape, v) for n, v in (("min", -1.0), ("max", 1.0), ("mean", 0.0), ("std", 0.5))}
    return SimpleNamespace(**{"features": features, "fps": 10, "stats": stats, **changes})


TEXT = {"observation.note": {"dtype": "string", "shape": (1,), "names": None}}


def test_text_is_left_out(caplog, tmp_path):
    note = {"observation.note": PolicyFeature(STATE_SHAPED, (1,))}
    made = config(inputs={**STATE, **note})
    with caplog.at_level(logging.WARNING):
        adopt_dataset(made, meta(TEXT))
    assert made.input_features == STATE
    assert "observation.note" in caplog.text and flag_in(caplog.records[0].getMessage()) == STATE
    with pytest.raises(ValueError, match=r"\{'observation\.note': 'string'\} hold no numbers"):
        adopt_dataset(config(inputs=note), meta(TEXT))
    tuned = config(inputs={**STATE, **note})
    tuned.pretrained_path = tmp_path
    with pytest.raises(ValueError, match=r"observation\.note.* hold no numbers"):
        adopt_dataset(tuned, meta(TEXT))


# Other names


def renamed(**names):
    """A fine-tuning of a policy of a state with what --rename_map says."""
    made = config()
    made.pretrained_path = "somewhere"
    note_run(made, Run({f"observation.{old}": f"observation.{new}" for old, new in names.items()}))
    return made


def joints(width=4, **more):
    found = meta(more)
    for table in (found.features, found.stats):
        table["observation.joints"] = table.pop("observation.state")
    found.features["observation.joints"]["shape"] = (width,)
    found.stats["observation.joints"] = {"min": np.zeros(width), "max": np.full(width, 8.0)}
    return found


def test_renamed_features_have_their_statistics_and_checks():
    found = joints()
    adopt_dataset(renamed(joints="state"), found)
    assert isinstance(found.stats, UsableStatistics)
    assert list(found.stats["observation.state"]["max"]) == [8] * 4 and "observation.joints" not in found.stats
    with pytest.raises(ValueError, match=r"observation\.state is \(4,\) for the policy and \(5,\) in the dataset"):
        adopt_dataset(renamed(joints="state"), joints(5))
    with pytest.raises(
        ValueError, match=r"reads observation\.state, which the dataset lacks.*--rename_map=.*observation\.state"
    ):
        adopt_dataset(renamed(), joints())
    both = joints()
    both.features["observation.state"] = both.features["observation.joints"]
    with pytest.raises(ValueError, match=r"'observation\.joints' becomes 'observation\.state', and so does"):
        adopt_dataset(renamed(joints="state"), both)
    fast = renamed(joints="state")
    fast.fps = 25
    with pytest.raises(ValueError, match="fps = 10 in the dataset"):
        adopt_dataset(fast, joints())


def test_two_features_that_change_names():
    found = meta({"observation.effort": {"dtype": "float32", "shape": (4,)}})
    found.stats["observation.effort"] = {"min": np.zeros(4), "max": np.full(4, 8.0)}
    adopt_dataset(renamed(effort="state", state="effort"), found)
    assert list(found.stats["observation.state"]["max"]) == [8] * 4


def test_a_script_that_tells_nobody_is_served_by_the_pipeline(tmp_path):
    """Somebody's own loop may rename by overriding the saved pipeline alone, with the dataset's raw statistics."""
    import torch
    from lerobot.policies import make_pre_post_processors

    made = config()
    made.save_pretrained(tmp_path)
    for pipeline in make_pre_post_processors(made, dataset_stats=meta().stats):
        pipeline.save_pretrained(tmp_path)
    made.pretrained_path, found = tmp_path, joints()
    adopt_dataset(made, found)
    found.stats["observation.joints"]["max"][1] = 0  # never moved

    def load(**names):
        step = {"rename_map": {f"observation.{old}": f"observation.{new}" for old, new in names.items()}}
        return make_pre_post_processors(
            made,
            tmp_path,
            preprocessor_overrides={
                "rename_observations_processor": step,
                "normalizer_processor": {"stats": found.stats},
            },
            postprocessor_overrides={"unnormalizer_processor": {"stats": found.stats}},
        )

    before, _ = load(joints="state")
    got = before({"observation.joints": torch.tensor([[8.0, 0.5, 4.0, 0.0]])})["observation.state"]
    torch.testing.assert_close(got, torch.tensor([[1.0, 0.5, 0.0, -1.0]]))
    with pytest.raises(ValueError, match=re.escape("observation.state has no 'min', which MIN_MAX needs")):
        load()
