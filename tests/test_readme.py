"""What the README shows works: its Python, its configs, its commands."""

import re
from pathlib import Path

import torch

import lerobot_policy_dp_plus  # noqa: F401
from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusTransformerPolicy

ROOT = Path(__file__).parents[1]


def test_python_block_runs_in_a_loop(tmp_path: Path) -> None:
    """Raw observation in, action in the data's units out."""
    from lerobot.policies import make_pre_post_processors
    from policies.tiny import config

    made = config()
    DpPlusTransformerPolicy(made).save_pretrained(tmp_path)
    stats = {"observation.state": {"min": torch.full((4,), 100.0), "max": torch.full((4,), 300.0)}}
    stats["action"] = {"min": torch.tensor([50.0, 60.0]), "max": torch.tensor([50.5, 60.5])}
    for pipeline in make_pre_post_processors(made, dataset_stats=stats):
        pipeline.save_pretrained(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    scope = {"checkpoint": str(tmp_path), "observation": {"observation.state": torch.full((2, 4), 200.0)}}
    exec(block, scope)
    assert torch.equal(scope["batch"]["observation.state"], torch.zeros(2, 4))
    last = block.splitlines()[-1]
    for _ in range(5):
        exec(last, scope)
        action = scope["action"]
        assert (
            action.shape == (2, 2) and ((action >= stats["action"]["min"]) & (action <= stats["action"]["max"])).all()
        )


def test_packaged_demonstrations_are_at_least_200_successes() -> None:
    import json

    import pandas as pd

    root = ROOT / "lerobot_dp_plus" / "assets" / "pusht_demos"
    info = json.loads((root / "meta" / "info.json").read_text())
    frames = pd.concat(pd.read_parquet(file) for file in sorted((root / "data").rglob("*.parquet")))
    succeeded = frames.groupby("episode_index")["next.success"].max()
    assert info["fps"] == 10 and len(succeeded) == info["total_episodes"] >= 200
    assert succeeded.astype(bool).all()
    assert json.loads((root / "provenance.json").read_text())["episodes"] == info["total_episodes"]


def test_a_packaged_episode_replays_in_the_simulator() -> None:
    import numpy as np
    import pandas as pd

    file = sorted((ROOT / "lerobot_dp_plus" / "assets" / "pusht_demos" / "data").rglob("*.parquet"))[0]
    episode = pd.read_parquet(file).query("episode_index == 0")
    env = PushTEnv(obs_type="environment_state_agent_pos")
    provenance_seed = 20_000
    for seed in range(provenance_seed, provenance_seed + 200):  # episode 0 is the first success from there on
        start = env.reset(seed=seed)[0]
        if np.allclose(start["agent_pos"], episode["observation.state"].iloc[0], atol=1e-2):
            break
    info: dict[str, bool] = {}
    for action in episode["action"]:
        info = env.step(np.asarray(action, dtype=np.float64))[4]
    assert info["is_success"]
