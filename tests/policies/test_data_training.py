"""A dataset of every type, one number a feature, text and two tasks: trained, resumed, fine-tuned and used."""

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from lerobot.policies import make_pre_post_processors
from lerobot.scripts import lerobot_train
from safetensors.torch import load_file

from lerobot_dp_plus.loading import fast_loading
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

KINDS = {
    "observation.state": ("int16", 3),
    "observation.environment_state": ("float64", 1),
    "observation.gripper": ("bool", 1),
    "observation.count": ("uint8", 2),
    "observation.half": ("float16", 2),
    "observation.note": ("string", 1),
    "action": ("int32", 1),
}
RANGES = {"bool": (0, 2), "uint8": (0, 200), "int16": (-3000, 3000), "int32": (0, 4096)}
READ = {key: width for key, (kind, width) in KINDS.items() if kind != "string" and key != "action"}
STEP = "the pull of the moment"


def made_up(root: Path, names=lambda key: key) -> Path:
    """Three episodes of two tasks; features under `names`."""
    features = {names(key): {"dtype": kind, "shape": (width,), "names": None} for key, (kind, width) in KINDS.items()}
    dataset = LeRobotDataset.create("made/up", fps=10, features=features, root=root, use_videos=False)
    rng = np.random.default_rng(0)
    for length, task in ((14, "push"), (9, "pull"), (11, "push")):
        for _ in range(length):
            frame = {"task": task}
            for key, (kind, width) in KINDS.items():
                given = rng.uniform(-0.9, 0.9, width) if kind not in RANGES else rng.integers(*RANGES[kind], width)
                frame[names(key)] = STEP if kind == "string" else given.astype(kind)
            dataset.add_frame(frame)
        dataset.save_episode()
    dataset.finalize()
    return root


def run(*arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lerobot_train", *arguments])
        lerobot_train.main()


def train(root: Path, output: Path, *more: str) -> Path:
    """Two updates, a checkpoint after each; the folder of checkpoints."""
    data = [
        "--dataset.repo_id=made/up",
        f"--dataset.root={root}",
        f"--output_dir={output}",
        "--policy.push_to_hub=false",
    ]
    pace = ["--steps=2", "--save_freq=1", "--batch_size=4", "--num_workers=0", "--seed=3", "--policy.device=cpu"]
    run(*data, *pace, *more)
    return output / "checkpoints"


FRESH = [
    "--policy.type=dp_plus_transformer",
    *(f"--policy.network.{size}" for size in ("dim=16", "depth=1", "num_heads=2")),
    *("--policy.horizon=8", "--policy.n_action_steps=4", "--policy.sampler.num_steps=2"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    root = made_up(tmp_path_factory.mktemp("data") / "kinds")
    return root, train(root, tmp_path_factory.mktemp("runs") / "stock", *FRESH)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint / "pretrained_model" / "model.safetensors")


def statistics(checkpoint: Path) -> dict[str, torch.Tensor]:
    (file,) = (checkpoint / "pretrained_model").glob("policy_preprocessor*_normalizer_processor.safetensors")
    return load_file(file)


def assert_equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys() and not [key for key in one if not torch.equal(one[key], two[key])]


def test_statistics_are_the_datasets_and_text_is_left_out(trained):
    root, checkpoints = trained
    folder = checkpoints / "last" / "pretrained_model"
    config = PreTrainedConfig.from_pretrained(folder)
    assert {key: feature.shape for key, feature in config.input_features.items()} == {k: (w,) for k, w in READ.items()}
    truth, saved = LeRobotDataset("made/up", root=root).meta.stats, statistics(checkpoints / "last")
    for key in (*READ, "action"):
        for name in ("min", "max", "mean", "std"):
            np.testing.assert_allclose(saved[f"{key}.{name}"], truth[key][name].astype(np.float32), err_msg=key)
    before, after = make_pre_post_processors(config, folder)
    policy = DpPlusPolicy.from_pretrained(folder)
    seen = {key: torch.zeros(3, width) for key, width in READ.items()}
    action = after(policy.select_action(before(seen)))
    assert action.shape == (3, 1) and action.dtype is torch.float32 and (action >= -1).all() and (action <= 4097).all()


def test_our_loader_gives_the_same_weights_and_several_tasks_are_said(trained, tmp_path, caplog):
    root, checkpoints = trained
    with fast_loading(), caplog.at_level(logging.INFO):
        assert_equal(weights(train(root, tmp_path / "fast", *FRESH) / "last"), weights(checkpoints / "last"))
    assert "has 2 tasks" in caplog.text and "'push' (episodes 0, 2); 'pull' (episode 1)" in caplog.text
    assert "observation.note" in caplog.text


def test_it_resumes_exactly(trained, tmp_path):
    import shutil

    _, checkpoints = trained
    shutil.copytree(checkpoints.parent, tmp_path / "copy", symlinks=True)
    shutil.rmtree(tmp_path / "copy" / "checkpoints" / "000002")
    (tmp_path / "copy" / "checkpoints" / "last").unlink()
    start = tmp_path / "copy" / "checkpoints" / "000001" / "pretrained_model" / "train_config.json"
    run(f"--config_path={start}", "--resume=true", f"--output_dir={tmp_path / 'copy'}")
    assert_equal(weights(tmp_path / "copy" / "checkpoints" / "000002"), weights(checkpoints / "000002"))
    assert_equal(statistics(tmp_path / "copy" / "checkpoints" / "000002"), statistics(checkpoints / "000002"))


def test_fine_tuning_under_other_names_is_fine_tuning(trained, tmp_path):
    """LeRobot renames observations and not their statistics: states of thousands would reach the policy as they are."""
    root, checkpoints = trained
    given = f"--policy.path={checkpoints / 'last' / 'pretrained_model'}"
    plain = train(root, tmp_path / "plain", given)
    other = made_up(tmp_path / "other", lambda key: key.replace("observation.", "observation.other_"))
    names = ", ".join(f'"{key.replace(".", ".other_")}": "{key}"' for key in READ)
    renamed = train(other, tmp_path / "renamed", given, f"--rename_map={{{names}}}")
    assert_equal(weights(plain / "last"), weights(renamed / "last"))
    kept = {key: value for key, value in statistics(renamed / "last").items() if key.startswith(tuple(READ))}
    assert kept and all(torch.equal(value, statistics(plain / "last")[key]) for key, value in kept.items())
    with pytest.raises(ValueError, match=r"reads observation\..*, which the dataset lacks; .*--rename_map="):
        train(other, tmp_path / "lost", given)


def test_without_statistics_nothing_is_trained(trained, tmp_path):
    import shutil

    root, _ = trained
    shutil.copytree(root, tmp_path / "bare")
    (tmp_path / "bare" / "meta" / "stats.json").unlink()
    with pytest.raises(ValueError, match=r"no statistics .*recompute_stats") as error:
        train(tmp_path / "bare", tmp_path / "run", *FRESH)
    from lerobot.scripts import lerobot_edit_dataset

    command = str(error.value).partition("lerobot-edit-dataset ")[2].split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lerobot_edit_dataset", *command])
        lerobot_edit_dataset.main()
    made, truth = (LeRobotDataset("made/up", root=folder).meta.stats for folder in (tmp_path / "bare", root))
    for key in READ:
        np.testing.assert_allclose(made[key]["min"], truth[key]["min"])
