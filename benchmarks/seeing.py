"""States that nobody labelled against labels, and the policy that lives on them: `python -m benchmarks.seeing --root DATASET`.

DATASET has pictures of PushT and, for measuring only, the corners that the simulator knows (`dp-plus convert … --images --corners`).
The last `--held-out` episodes are left out of what looks are learned from. On their frames found points are compared with
the corners: the distance of the origins in pixels of a picture of 96, and of the directions in degrees, medians and 90th
percentiles. A constant shift and turn of the found frame against the simulator's does no harm to a policy; errors are stated
with it, and without it, when it is fixed by the median over the other episodes.

Then `configs/pusht_pixels.json` trains as it is on the copy that holds found states and no label, and the last checkpoint
is evaluated on reporting seeds, 100000 and up. With `--labels` the same is done with the simulator's corners. Copy, trainings and evaluations are kept in `--folder` and are not made again.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.datasets import LeRobotDataset
from torch import Tensor

from benchmarks.common import RESULTS, ROOT, moment, positive, print_table, provenance, write_json
from benchmarks.contenders import IMAGE
from benchmarks.judged import REPORTING_SEED, digest, evaluate_once, published, together, train_once
from benchmarks.paired import our_training
from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.auxiliary.dynamics.frames import ENVIRONMENT_STATE, pose_of
from lerobot_dp_plus.loading.columns import read_column
from lerobot_dp_plus.seeing.copying import copy_with
from lerobot_dp_plus.seeing.footage import frames_of, opened
from lerobot_dp_plus.seeing.options import VIEW
from lerobot_dp_plus.seeing.states import see
from lerobot_dp_plus.sprites import Mirror, View
from lerobot_dp_plus.sprites.placing import turned_back
from lerobot_dp_plus.sprites.sprite import wrapped

CONFIG = ROOT / "configs" / "pusht_pixels.json"
#: Pixels of a picture over those of the arena.
PICTURE = 96 / 512


def column(dataset: LeRobotDataset, key: str) -> Tensor:
    """A column of the recording."""
    found = read_column(key, dataset.hf_dataset.select_columns(key).with_format("arrow")[:][key])
    assert isinstance(found, Tensor)
    return found


def spread(values: Tensor) -> dict[str, float]:
    """Median, 90th percentile and the largest."""
    middle, most = values.quantile(torch.tensor([0.5, 0.9])).tolist()
    return {"median": middle, "p90": most, "max": float(values.max())}


def errors(points: Tensor, corners: Tensor, fixed: Tensor, judged: Tensor) -> dict[str, Any]:
    """What found points (N, 16) are wrong by against corners (N, 16), on the frames `judged` (N,).

    `fixed` (N,) are the frames on which the constant shift and turn are taken.
    """
    found, true = pose_of(points), pose_of(corners)
    shift = turned_back(found.origin - true.origin, true.angle)  # in the block's frame
    turn = wrapped(found.angle - true.angle)
    shift_is, turn_is = shift[fixed].median(0).values, turn[fixed].median()
    return {
        "frames": int(judged.sum()),
        "position_px": spread(PICTURE * (shift - shift_is)[judged].norm(dim=-1)),
        "angle_deg": spread(torch.rad2deg(wrapped(turn - turn_is)[judged].abs())),
        "position_px_as_found": spread(PICTURE * shift[judged].norm(dim=-1)),
        "angle_deg_as_found": spread(torch.rad2deg(turn[judged].abs())),
        "constant_shift_px": (PICTURE * shift_is).tolist(),
        "constant_turn_deg": float(torch.rad2deg(turn_is)),
    }


def seen_once(root: Path, held_out: int, seed: int, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The copy of the recording with found states, and what was measured of them; made once for each commit's content."""
    place = folder / f"seen_{digest(str(root.resolve()), held_out, seed)}"
    kept = place.with_suffix(".json")
    if not kept.exists():
        begun = moment()
        dataset = opened(str(root))
        view = View(*VIEW)
        wall, cpu = time.perf_counter(), time.process_time()
        frames = frames_of(dataset, IMAGE, view)
        decoded = time.process_time() - cpu
        episode = column(dataset, "episode_index")
        learned = episode <= episode.max() - held_out
        seen = see(frames, view, Mirror(PushTMirror(), view), learned_from=learned.nonzero()[:, 0], seed=seed)
        cost = {
            "cpu_seconds": time.process_time() - cpu,
            "of_these_decoding": decoded,
            "wall_seconds": time.perf_counter() - wall,
        }
        if seen.refused or seen.points is None or seen.quality is None:
            raise ValueError(f"{root}: {seen.refused}")
        copy_with(dataset, place, seen.points.numpy(), {"made_by": "benchmarks.seeing", **begun})
        found = {
            **begun,
            **cost,
            "seed": seed,
            "held_out_episodes": held_out,
            "without_labels": asdict(seen.quality),
            "against_labels": errors(seen.points, column(dataset, ENVIRONMENT_STATE), learned, ~learned),
        }
        write_json(kept, found)
    return place, json.loads(kept.read_text())


def main(argv: list[str] | None = None) -> int:
    """See, measure, train, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="PushT with pictures and corners")
    parser.add_argument("--held-out", type=positive, default=20, help="episodes that looks are not learned from")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1], help="training seeds; none trains no policy")
    parser.add_argument(
        "--labels", action="store_true", help="the same training on the corners that the simulator knows"
    )
    parser.add_argument("--steps", type=positive, help="updates; those of the config when not given")
    parser.add_argument("--episodes", type=positive, default=100, help="of the evaluation")
    parser.add_argument("--flag", action="append", default=[], help="of the evaluation, repeatable")
    parser.add_argument(
        "--folder", type=Path, default=Path("outputs/benchmarks/seeing"), help="where trainings are kept"
    )
    parser.add_argument("--json", type=Path, default=RESULTS / "seeing.json")
    options = parser.parse_args(argv)
    about = provenance(options.json, command="python -m benchmarks.seeing --root DIR")
    torch.set_num_threads(1)
    folder = options.folder.absolute()
    copy, states = seen_once(options.root, options.held_out, 0, folder)
    against, without = states["against_labels"], states["without_labels"]
    print_table(
        "States that nobody labelled, against the simulator's",
        ("median", "90th percentile", "largest"),
        [
            (name, *(f"{against[key][each]:.2f}" for each in ("median", "p90", "max")))
            for name, key in (
                ("position, pixels of 96", "position_px"),
                ("angle, degrees", "angle_deg"),
                ("position, frame as found", "position_px_as_found"),
                ("angle, frame as found", "angle_deg_as_found"),
            )
        ],
    )
    print({name: None if value is None else round(value, 6) for name, value in without.items()}, flush=True)
    result = about | {"states": states}
    for name, root in {"seen": copy, **({"labels": options.root} if options.labels else {})}.items():
        reports = []
        for seed in options.seeds:
            trained = train_once(name, our_training(CONFIG, root, seed, steps=options.steps), seed, folder)
            reports.append(evaluate_once(name, trained, seed, REPORTING_SEED, options.episodes, folder, *options.flag))
            print(f"{name}, training seed {seed}: {reports[-1]['success_percent']:.1f} %", flush=True)
        if reports:
            score = float(np.mean([report["score"] for report in reports]))
            result[name] = {"reports": published(reports), "together_percent": together(reports), "score": score}
    write_json(options.json, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
