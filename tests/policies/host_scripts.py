"""LeRobot's own training and evaluation scripts, in this process, at tiny size, on made-up data of PushT's shapes."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from fabricated import WIDTHS, recording
from lerobot.scripts import lerobot_eval, lerobot_train
from safetensors.torch import load_file
from tiny import BASELINES, PRESETS

NETWORK = {
    "dp_plus_unet": ["network.down_dims=[8,16]", "network.n_groups=4", "network.time_embed_dim=8"],
    **{name: ["network.dim=16", "network.depth=1", "network.num_heads=2"] for name in (*PRESETS[1:], *BASELINES)},
    "dp_plus_gmm": ["network.dim=16", "network.depth=1"],
}
STATE_ONLY, PIXELS, BOTH = "environment_state_agent_pos", "pixels_agent_pos", "pictures and what they show"
SMALL_IMAGES = ["image_encoder.type=small_cnn", "image_encoder.num_keypoints=4", "image_encoder.crop_shape=[24,24]"]


def made_up(root: Path, kind: str) -> Path:
    """Three episodes with this kind of observation."""
    widths = {key: width for key, width in WIDTHS.items() if kind != PIXELS or key != "observation.environment_state"}
    return recording(root, widths, (12, 9, 15), 0 if kind == STATE_ONLY else 96)


def run(script, *arguments: str) -> None:
    """The script as its console command runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script.__name__, *arguments])
        script.main()


def train(root: Path, output: Path, preset: str, *more: str, sampler: Sequence[str] = ("sampler.num_steps=2",)) -> Path:
    """Four updates with a checkpoint every two; returns the folder of checkpoints."""
    policy = [
        "device=cpu",
        "push_to_hub=false",
        "horizon=8",
        "n_action_steps=4",
        *sampler,
        *NETWORK[preset],
    ]
    run(
        lerobot_train,
        "--dataset.repo_id=made/up",
        f"--dataset.root={root}",
        f"--output_dir={output}",
        f"--policy.type={preset}",
        *(f"--policy.{switch}" for switch in policy),
        *("--steps=4", "--save_freq=2", "--batch_size=4", "--num_workers=0", "--log_freq=1", "--seed=3"),
        *more,
    )
    return output / "checkpoints"


def evaluate(folder: Path, output: Path, obs_type: str, *more: str) -> dict:
    run(
        lerobot_eval,
        f"--policy.path={folder}",
        f"--output_dir={output}",
        *("--env.type=pusht", f"--env.obs_type={obs_type}", "--env.episode_length=6"),
        *("--eval.n_episodes=2", "--eval.batch_size=2", "--eval.use_async_envs=false"),
        *more,
    )
    return json.loads((output / "eval_info.json").read_text())


def saved(checkpoint: Path) -> dict[str, dict]:
    files = ("pretrained_model/model.safetensors", "training_state/optimizer_state.safetensors")
    return {name: load_file(checkpoint / name) for name in files}


def assert_resumes(checkpoints: Path, copy: Path) -> None:
    shutil.copytree(checkpoints.parent, copy, symlinks=True)
    shutil.rmtree(copy / "checkpoints" / "000004")
    (copy / "checkpoints" / "last").unlink()
    start = copy / "checkpoints" / "000002" / "pretrained_model" / "train_config.json"
    torch.manual_seed(99)  # as in another process
    run(lerobot_train, f"--config_path={start}", "--resume=true", f"--output_dir={copy}")
    before, through, resumed = (
        saved(c) for c in (checkpoints / "000002", checkpoints / "000004", copy / "checkpoints" / "000004")
    )
    for file, values in through.items():
        assert values.keys() == resumed[file].keys()
        different = [key for key, value in values.items() if not torch.equal(value, resumed[file][key])]
        assert not different, f"{file}: {different}"
    weights = "pretrained_model/model.safetensors"
    assert any(not torch.equal(v, before[weights][k]) for k, v in through[weights].items() if k.startswith("model."))
    assert through[weights]["ema.n_averaged"] == 4 and before[weights]["ema.n_averaged"] == 2
