"""A dataset of every type, one number a feature, text and two tasks: trained, resumed, fine-tuned and used."""

import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from lerobot.policies import make_pre_post_processors
from lerobot.scripts import lerobot_edit_dataset, lerobot_train
from safetensors.torch import load_file

from lerobot_dp_plus.loading import fast_loading
from lerobot_dp_plus.policies.missing_statistics import restore
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
    *("--policy.horizon=8", "--policy.n_action_steps=4", "--policy.sampler.num_steps=2", "--policy.words.type=none"),
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


class Kept(logging.Handler):
    """What is logged; LeRobot's script takes the root logger's handlers away, and pytest's with them."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.levelname} {record.getMessage()}\n"


def test_our_loader_gives_the_same_weights_and_what_is_left_out_is_said(trained, tmp_path):
    root, checkpoints = trained
    logger, kept = logging.getLogger("lerobot_dp_plus"), Kept()
    logger.addHandler(kept)
    try:
        with fast_loading():
            assert_equal(weights(train(root, tmp_path / "fast", *FRESH) / "last"), weights(checkpoints / "last"))
    finally:
        logger.removeHandler(kept)
    assert "WARNING the dataset has 2 tasks" in kept.text
    assert "'push' (episodes 0, 2); 'pull' (episode 1)" in kept.text
    assert "WARNING left out of the observations: {'observation.note': 'string'}" in kept.text


def test_it_resumes_exactly(trained, tmp_path):
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
    root, _ = trained
    bare = tmp_path / "bare"
    shutil.copytree(root, bare)
    (bare / "meta" / "stats.json").unlink()
    with pytest.raises(ValueError, match="no statistics") as error:
        train(bare, tmp_path / "run", *FRESH)
    message = str(error.value)
    truth = LeRobotDataset("made/up", root=root).meta.stats
    # What it says to run is run: the merger of the episodes first, then LeRobot's own command.
    exec(message.partition('python -c "')[2].partition('"')[0])
    with pytest.raises(FileExistsError, match=r"stats\.json exists"):
        restore(bare)
    for remade in (False, True):
        if remade:
            (bare / "meta" / "stats.json").unlink()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", message.partition("as well: ")[2].split())
                lerobot_edit_dataset.main()
        made = LeRobotDataset("made/up", root=bare).meta.stats
        for key in (*READ, "action"):
            for name in ("min", "max", "mean", "std", "q01"):
                np.testing.assert_allclose(made[key][name], truth[key][name], rtol=1e-4, atol=1e-5, err_msg=key)
