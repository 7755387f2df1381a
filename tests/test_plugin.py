"""LeRobot finds the package by itself, in a process that has imported nothing of it."""

import subprocess
import sys

CODE = """
import sys
from lerobot.utils.import_utils import register_third_party_plugins
register_third_party_plugins()
assert not any(name.startswith("lerobot_dp_plus.policies.modeling") for name in sys.modules), "models load when needed"
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.policies import get_policy_class, make_policy_config, make_pre_post_processors
for name in (
    *("dp_plus_unet", "dp_plus_transformer", "dp_plus_flow", "dp_plus_dit", "dp_plus_pi0"),
    *("dp_plus_bc", "dp_plus_gmm", "dp_plus_ibc", "dp_plus_bet"),
):
    assert name in PreTrainedConfig.get_known_choices(), name
    config = make_policy_config(
        name,
        device="cpu",
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (2,))},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (2,))},
    )
    policy = get_policy_class(name)
    assert policy.name == name and policy.config_class is type(config)
    made = policy(config)
    before, after = make_pre_post_processors(config)
    action = after(made.select_action(before({"observation.state": __import__("torch").zeros(2)})))
    assert action.shape == (1, 2) and made.config.type == name
    print(name, sum(weight.numel() for weight in made.model.parameters()))
"""


def test_lerobot_registers_every_type():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "dp_plus_unet",
        "dp_plus_transformer",
        "dp_plus_flow",
        "dp_plus_dit",
        "dp_plus_pi0",
        "dp_plus_bc",
        "dp_plus_gmm",
        "dp_plus_ibc",
        "dp_plus_bet",
    ]
