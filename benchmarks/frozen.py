"""What it is worth to keep what a frozen encoder saw: `python -m benchmarks.frozen`.

The robot of `benchmarks.pictures`, with two cameras of 480×640, trains a policy over a frozen ResNet-18 whose weights are made
up: its arithmetic does not depend on them. LeRobot's own training script runs twice a round, with features kept and looked at
anew, otherwise alike. Two paces are told. One is of the first pass, where most pictures are new. The other is of what follows,
where nearly all have been seen. Every ratio is between the two runs of one round.
"""

import argparse
import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies import make_policy_config
from lerobot.scripts import lerobot_train
from safetensors.torch import save_file
from torchvision.models import resnet18
from tqdm import tqdm

from benchmarks import common, pictures
from benchmarks.common import RESULTS
from benchmarks.pace import pace, quiet, stopwatch
from lerobot_dp_plus.encoders import KeptFeatures, ResNet18Config
from lerobot_dp_plus.loading import fast_loading, install

KEPT, ANEW = "features kept", "looked at anew"


@dataclass(frozen=True)
class Scale:
    """How much is measured: pictures, updates of the first pass and of what follows, rounds."""

    made: pictures.Scale
    resize: int
    first: int
    later: int
    rounds: int


#: 74 frames begin a chunk, so ten updates of eight go through all of them.
USUAL = Scale(pictures.Scale(episodes=2, frames=60), resize=224, first=11, later=12, rounds=3)
QUICK = Scale(replace(pictures.QUICK, episodes=1, frames=27), resize=64, first=2, later=1, rounds=1)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=common.positive, default=USUAL.rounds)
    parser.add_argument("--threads", type=common.positive, default=1)
    parser.add_argument("--quick", action="store_true", help="tiny: does it run? No figure of it means anything")
    parser.add_argument("--json", type=Path, default=RESULTS / "frozen.json")
    args = parser.parse_args(arguments)
    scale = QUICK if args.quick else replace(USUAL, rounds=args.rounds)
    torch.set_num_threads(args.threads)
    begun = common.provenance(args.json)
    with tempfile.TemporaryDirectory() as scratch:
        found = _rounds(Path(scratch), scale)
    result: dict[str, Any] = {"quick": args.quick, "batch_size": scale.made.batch_size, "resize": scale.resize}
    for part in ("first", "later"):
        rates = {who: [1 / run[part]["seconds"] for run in runs] for who, runs in found.items()}
        result[part] = {
            "updates_per_s": {who: common.summary(values) for who, values in rates.items()},
            "ratio": common.ratios(rates[KEPT], rates[ANEW]),
        }
    result["kept"] = {name: found[KEPT][-1][name] for name in ("looked", "computed", "mib")}
    result |= begun
    for part, title in (("first", f"the first {scale.first} updates"), ("later", f"the {scale.later} after them")):
        told = result[part]
        rows = [(who, common.spread(values)) for who, values in told["updates_per_s"].items()]
        rows.append((f"{KEPT} ÷ {ANEW}", common.spread(told["ratio"], 1)))
        common.print_table(f"{title}, batch {scale.made.batch_size}", (f"updates/s, {common.SPREAD}",), rows)
    common.write_json(args.json, result)
    print(f"written to {args.json}")


def _rounds(scratch: Path, scale: Scale) -> dict[str, list[dict[str, Any]]]:
    data = pictures._made_up(scratch / "arm", scale.made)
    torch.manual_seed(0)
    save_file(resnet18().state_dict(), scratch / "trunk.safetensors")
    encoder = ResNet18Config(
        resize=scale.resize, crop_ratio=1.0, frozen=True, pretrained_weights=str(scratch / "trunk.safetensors")
    )
    shapes = pictures._features(scale.made.size)
    policy = make_policy_config("dp_plus_transformer", image_encoder=encoder, fps=pictures.FPS, **shapes)
    runs: dict[str, list[dict[str, Any]]] = {KEPT: [], ANEW: []}
    order = [who for _ in range(scale.rounds) for who in runs]
    for number, who in enumerate(tqdm(order, desc="training", unit="run", leave=False)):
        config = TrainPipelineConfig(
            dataset=DatasetConfig("made/up", root=str(data), video_backend="pyav"),
            policy=copy.deepcopy(policy),  # the script writes into it
            output_dir=scratch / f"run_{number}",
            num_workers=0,
            batch_size=scale.made.batch_size,
            steps=scale.first + scale.later,
            log_freq=scale.first + scale.later + 1,
            env_eval_freq=0,
            save_checkpoint=False,
            seed=1,
        )
        with _counted(who) as features, stopwatch() as seen, fast_loading(), quiet():
            lerobot_train.train(config)
        counts = {"looked": features.looked, "computed": features.computed, "mib": features.nbytes / 2**20}
        parts = {"first": pace(seen[: scale.first], 1), "later": pace(seen, scale.first)}
        runs[who].append(counts | parts)
    return runs


@contextmanager
def _counted(who: str) -> Iterator[KeptFeatures]:
    """The features that the training inside keeps; without any room for `ANEW`."""
    features = KeptFeatures()
    with patch.object(install, "KeptFeatures", lambda: features):
        if who == KEPT:
            yield features
        else:
            with patch.object(install, "room_for_features", lambda *_: 0):
                yield features


if __name__ == "__main__":
    main()
