"""Every way from a Hub repository to a policy that acts as the one that was pushed; the real client, a real server."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from fabricated import recording
from hub_fixtures import api
from huggingface_hub import constants, hf_hub_download
from lerobot.configs import PreTrainedConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.envs.configs import PushtEnv
from lerobot.policies import get_policy_class, make_policy, make_pre_post_processors
from lerobot.processor import PolicyProcessorPipeline
from lerobot.scripts import lerobot_eval, lerobot_train
from safetensors.torch import load_file

from lerobot_dp_plus import patches
from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

KEPT = Path(__file__).parents[1] / "checkpoints" / f"format_{FORMAT_VERSION}"
FLOW, DIT = KEPT / "dp_plus_flow", KEPT / "dp_plus_dit"
REPO = "alice/policy"
CHECKPOINT = ("config.json", "model.safetensors")

patches.install()


def push(hub, folder=FLOW, repo_id=REPO, tag=None, private=False) -> str:
    client = api(hub)
    client.create_repo(repo_id, exist_ok=True, private=private)
    oid = client.upload_folder(repo_id=repo_id, folder_path=folder, delete_patterns=["*"]).oid
    if tag:
        client.create_tag(repo_id, tag=tag)
    return oid


def acts_like(policy, folder: Path) -> bool:
    """Same weights, and the same chunk from the same noise."""
    kept = DpPlusPolicy.from_pretrained(folder)
    drawn = torch.Generator().manual_seed(0)
    observed = {
        key: torch.rand(2, 2, *feature.shape, generator=drawn) for key, feature in kept.config.input_features.items()
    }
    noise = torch.randn(2, kept.config.horizon, 2, generator=drawn)
    policy.reset()
    same = torch.equal(
        policy.predict_action_chunk(observed, noise=noise), kept.predict_action_chunk(observed, noise=noise)
    )
    return same and all(torch.equal(value, policy.state_dict()[key]) for key, value in kept.state_dict().items())


def test_the_policy_class(online):
    push(online)
    policy = DpPlusPolicy.from_pretrained(REPO)
    assert acts_like(policy, FLOW) and not policy.training
    assert policy.config == PreTrainedConfig.from_pretrained(FLOW)


def test_lerobots_class_of_the_type_and_its_factory(online):
    push(online, DIT)
    config = PreTrainedConfig.from_pretrained(REPO)
    assert acts_like(get_policy_class(config.type).from_pretrained(REPO), DIT)
    config.pretrained_path = Path(REPO)  # as lerobot-eval does
    # PushT's state is 2 wide and this checkpoint's 3: the factory looks at actions only.
    assert acts_like(make_policy(config, env_cfg=PushtEnv(obs_type="environment_state_agent_pos")), DIT)


@pytest.mark.parametrize("way", ["tag", "commit", "short commit"])
def test_a_pinned_revision(online, way):
    oid = push(online, FLOW, tag="v1")
    push(online, DIT)
    revision = {"tag": "v1", "commit": oid, "short commit": oid[:8]}[way]
    assert acts_like(DpPlusPolicy.from_pretrained(REPO, revision=revision), FLOW)
    assert acts_like(DpPlusPolicy.from_pretrained(REPO), DIT)
    config = PreTrainedConfig.from_pretrained(REPO, revision=revision)
    pipelines = make_pre_post_processors(config, REPO, pretrained_revision=revision)
    assert config.type == "dp_plus_flow" and len(pipelines[0].steps) == 5


def test_a_revision_pinned_on_the_command_line_pins_the_config_too(online):
    push(online, FLOW, tag="v1")
    push(online, DIT)
    for pin in (["--pretrained_revision=v1"], ["--pretrained_revision", "v1"]):
        config = PreTrainedConfig.from_pretrained(REPO, cli_overrides=pin)
        assert config.type == "dp_plus_flow" and config.pretrained_revision == "v1"
    stock = PreTrainedConfig.from_pretrained.__func__.stock
    assert stock(PreTrainedConfig, REPO, cli_overrides=pin).type == "dp_plus_dit"  # main's config for v1's weights
    config.pretrained_path = Path(REPO)
    assert acts_like(make_policy(config, env_cfg=PushtEnv(obs_type="environment_state_agent_pos")), FLOW)


@pytest.mark.parametrize("file", CHECKPOINT)
def test_config_and_weights_are_of_one_commit_even_if_somebody_pushes_in_between(online, file):
    push(online, FLOW)
    online.fail("GET", rf"/resolve/.*/{file}", calls=(1,), before=lambda: push(online, DIT))
    assert acts_like(DpPlusPolicy.from_pretrained(REPO), FLOW)
    assert acts_like(DpPlusPolicy.from_pretrained(REPO), DIT)


def test_a_second_load_downloads_nothing_and_a_cached_one_needs_no_hub(online, monkeypatch):
    push(online)
    DpPlusPolicy.from_pretrained(REPO)
    make_pre_post_processors(PreTrainedConfig.from_pretrained(REPO), REPO)
    fetched = online.count("GET", "/resolve/")
    assert fetched == 5  # config, weights, two pipelines and the state both have, under two names
    DpPlusPolicy.from_pretrained(REPO)
    assert online.count("GET", "/resolve/") == fetched
    asked = len(online.log)
    assert acts_like(DpPlusPolicy.from_pretrained(REPO, local_files_only=True), FLOW)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert acts_like(DpPlusPolicy.from_pretrained(REPO), FLOW)
    config = PreTrainedConfig.from_pretrained(REPO)
    preprocess, _ = make_pre_post_processors(config, REPO)
    PolicyProcessorPipeline.from_pretrained(REPO, "policy_preprocessor.json", local_files_only=True)
    assert len(online.log) == asked
    low, high = torch.full((3,), -2.0), torch.tensor([1.0, 2.0, 3.0])
    seen = preprocess({"observation.state": low, "observation.environment_state": torch.zeros(4)})
    torch.testing.assert_close(seen["observation.state"], -torch.ones(1, 3))
    seen = preprocess({"observation.state": high, "observation.environment_state": torch.zeros(4)})
    torch.testing.assert_close(seen["observation.state"], torch.ones(1, 3))


def test_a_commit_in_the_cache_is_not_asked_for_again(online):
    oid = push(online)
    DpPlusPolicy.from_pretrained(REPO, revision=oid)
    asked = len(online.log)
    assert acts_like(DpPlusPolicy.from_pretrained(REPO, revision=oid), FLOW)
    assert len(online.log) == asked


def test_a_private_repository_with_a_token(online, monkeypatch):
    push(online, private=True)
    for given in ({"token": "hf_alice"}, {}):  # {}: from HF_TOKEN
        assert acts_like(
            DpPlusPolicy.from_pretrained(REPO, cache_dir=constants.HF_HUB_CACHE + str(given), **given), FLOW
        )
    config = PreTrainedConfig.from_pretrained(REPO)
    assert len(make_pre_post_processors(config, REPO)[0].steps) == 5
    monkeypatch.delenv("HF_TOKEN")
    elsewhere = constants.HF_HUB_CACHE + "_without"
    pipeline = PolicyProcessorPipeline.from_pretrained(
        REPO, "policy_preprocessor.json", token="hf_alice", cache_dir=elsewhere
    )
    assert len(pipeline.steps) == 5


def test_another_cache_and_a_forced_download(online, tmp_path):
    push(online)
    DpPlusPolicy.from_pretrained(REPO, cache_dir=tmp_path / "mine")
    assert list((tmp_path / "mine").glob("models--alice--policy/snapshots/*/model.safetensors"))
    assert not Path(constants.HF_HUB_CACHE).exists()
    before = online.count("GET", r"/resolve/.*model\.safetensors")
    DpPlusPolicy.from_pretrained(REPO, cache_dir=tmp_path / "mine", force_download=True)
    assert online.count("GET", r"/resolve/.*model\.safetensors") == before + 1


def test_policies_of_others_load_as_before(online, tmp_path):
    from lerobot.policies.act.configuration_act import ACTConfig

    made = ACTConfig(device="cpu", dim_model=16, n_heads=2, push_to_hub=False)
    made.save_pretrained(tmp_path / "act")
    push(online, tmp_path / "act")
    assert PreTrainedConfig.from_pretrained(REPO) == made
    assert PreTrainedConfig.from_pretrained(pretrained_name_or_path=tmp_path / "act") == made


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Two made-up episodes of PushT's shapes."""
    return recording(tmp_path_factory.mktemp("data") / "pusht")


def run(script, *arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script.__name__, *arguments])
        script.main()


def test_train_resume_and_evaluate_from_a_repository(online, dataset, tmp_path):
    """Four updates at once are two, pushed, and two more resumed from the repository by somebody else."""
    small = ["horizon=8", "n_action_steps=4", "sampler.num_steps=2", "network.dim=8", "network.depth=1"]
    common = [
        *(
            "--dataset.repo_id=made/up",
            f"--dataset.root={dataset}",
            "--policy.type=dp_plus_flow",
            "--policy.device=cpu",
        ),
        *(f"--policy.{switch}" for switch in (*small, "network.num_heads=2")),
        *("--save_freq=2", "--batch_size=4", "--num_workers=0", "--seed=3"),
    ]
    run(lerobot_train, *common, "--steps=4", f"--output_dir={tmp_path / 'through'}", "--policy.push_to_hub=false")
    pushed = ["--policy.repo_id=alice/run", "--policy.push_to_hub=false", "--save_checkpoint_to_hub=true"]
    run(lerobot_train, *common, *pushed, "--steps=2", f"--output_dir={tmp_path / 'half'}")
    shutil.rmtree(tmp_path / "half")
    assert "checkpoints/000002/training_state/optimizer_state.safetensors" in online.files("alice/run")

    resumed = tmp_path / "resumed"
    run(lerobot_train, "--config_path=alice/run", "--resume=true", f"--output_dir={resumed}", "--steps=4")
    through, after = (
        load_file(folder / "checkpoints" / "000004" / "pretrained_model" / "model.safetensors")
        for folder in (tmp_path / "through", resumed)
    )
    assert through.keys() == after.keys()
    assert all(torch.equal(value, after[key]) for key, value in through.items())
    assert not [name for name in online.files("alice/run") if name.endswith((".bin", ".pt", ".pkl"))]

    push(online, resumed / "checkpoints" / "last" / "pretrained_model", REPO)
    output = tmp_path / "eval"
    run(
        lerobot_eval,
        *(f"--policy.path={REPO}", f"--output_dir={output}", "--policy.sampler.num_steps=3", "--env.type=pusht"),
        *("--env.obs_type=environment_state_agent_pos", "--env.episode_length=6", "--eval.n_episodes=1"),
        *("--eval.batch_size=1", "--eval.use_async_envs=false"),
    )
    assert len(json.loads((output / "eval_info.json").read_text())["per_task"][0]["metrics"]["sum_rewards"]) == 1


def test_the_config_of_a_training_from_a_repository(online, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"alice/run: .*no model on the Hub"):
        TrainPipelineConfig.from_pretrained("alice/run")
    push(online, FLOW, "alice/run")
    with pytest.raises(FileNotFoundError, match=r"train_config\.json not found on the HuggingFace Hub in alice/run"):
        TrainPipelineConfig.from_pretrained("alice/run")


def test_what_the_client_stores_is_named_by_its_hash(online):
    """What checking a cached file rests on."""
    from lerobot_dp_plus.policies.fetching import hashes

    push(online)
    for name, length in (("config.json", 40), ("model.safetensors", 64)):
        path = Path(hf_hub_download(REPO, name))
        found, declared = hashes(path)
        assert found == declared and len(found) == length
