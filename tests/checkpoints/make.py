"""Makes `format_N/` beside this file, N being the FORMAT_VERSION of the code that runs; see README.md.

    python tests/checkpoints/make.py

Refuses to touch a format that is there.
"""

import sys
from pathlib import Path

import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies import get_policy_class, make_policy_config, make_pre_post_processors
from safetensors.torch import save_file

import lerobot_policy_dp_plus  # noqa: F401  (registers the types)
from lerobot_dp_plus.networks import DiTConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION
from lerobot_dp_plus.policies.statistics import normalisation

HERE = Path(__file__).parent
NETWORKS = {
    "dp_plus_unet": UNet1dConfig(down_dims=(8, 8), kernel_size=3, n_groups=2, time_embed_dim=4),
    "dp_plus_transformer": TransformerConfig(dim=8, depth=1, num_heads=2),
    "dp_plus_flow": TransformerConfig(dim=8, depth=2, num_heads=2),
    "dp_plus_dit": DiTConfig(dim=8, depth=1, num_heads=2),
}
INPUTS = {
    "observation.state": PolicyFeature(FeatureType.STATE, (3,)),
    "observation.environment_state": PolicyFeature(FeatureType.ENV, (4,)),
}
OUTPUTS = {"action": PolicyFeature(FeatureType.ACTION, (2,))}
FRAMES, BATCH = 2, 3


def main() -> int:
    """Writes one checkpoint a preset."""
    target = HERE / f"format_{FORMAT_VERSION}"
    if target.exists():
        print(f"{target} exists: checkpoints of a released format are kept as they are", file=sys.stderr)
        return 1
    for index, (preset, network) in enumerate(NETWORKS.items()):
        torch.manual_seed(index)
        make(preset, network, target / preset)
    total = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {total / 1000:.0f} kB")
    return 0


def make(preset: str, network: object, folder: Path) -> None:
    """One checkpoint after three updates, its processors, and what they do together."""
    config = make_policy_config(
        preset,
        device="cpu",
        push_to_hub=False,
        horizon=8,
        n_action_steps=4,
        fps=10,
        network=network,
        input_features=dict(INPUTS),
        output_features=dict(OUTPUTS),
    )
    policy = get_policy_class(preset)(config)
    optimizer = torch.optim.Adam(policy.get_optim_params(), lr=3e-2)
    for _ in range(3):
        optimizer.zero_grad()
        batch = {key: torch.randn(BATCH, FRAMES, *feature.shape) for key, feature in INPUTS.items()}
        policy({**batch, "action": torch.rand(BATCH, 8, 2) * 2 - 1})[0].backward()
        optimizer.step()
        policy.update()
    statistics = {
        key: {"min": torch.full(feature.shape, -2.0), "max": torch.arange(1.0, feature.shape[0] + 1)}
        for key, feature in {**INPUTS, **OUTPUTS}.items()
    }
    for model in (policy.model, policy.ema.module):  # as training for a dataset does
        model.units.learn(normalisation(config, statistics))
    policy.eval()
    policy.save_pretrained(folder)
    pipelines = make_pre_post_processors(config, dataset_stats=statistics)
    for pipeline in pipelines:
        pipeline.save_pretrained(folder)
    observed = {key: torch.rand(FRAMES, BATCH, *feature.shape) * 4 - 2 for key, feature in INPUTS.items()}
    noise = torch.randn(BATCH, 8, 2)
    save_file({**observed, "noise": noise, **act(policy, pipelines, observed, noise)}, folder / "expected.safetensors")


def act(policy, pipelines, observed: dict[str, torch.Tensor], noise: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the policy does after seeing the frames, each raw (frames, B, ...): its chunk (B, H − T_o + 1, A), normalised,
    and the first action (B, A) in the robot's units."""
    preprocess, postprocess = pipelines
    policy.reset()
    frames = [preprocess({key: value[step] for key, value in observed.items()}) for step in range(FRAMES)]
    window = {key: torch.stack([frame[key] for frame in frames], dim=1) for key in observed}
    chunk = policy.predict_action_chunk(window, noise=noise)
    policy.reset()
    return {"chunk": chunk.contiguous(), "action": postprocess(policy.select_action(window, noise=noise)).contiguous()}


if __name__ == "__main__":
    sys.exit(main())
