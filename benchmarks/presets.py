"""What every policy type is worth as it comes: `python -m benchmarks.presets --root DATASET`.

Each preset is trained on PushT by its type alone, `--policy.type=dp_plus_unet` and so on, through `lerobot train` with one
thread, for a stated number of updates and batch size. Nothing else of the preset is changed, but by `--flag`. With `--pixels` it sees the
picture and the agent's position, and never the corners, also where the dataset holds them. The last checkpoint is evaluated
on the reporting seeds, 100000 and up.

Trainings and evaluations are kept in `--folder` under a digest of what defines them and are not run again; an interrupted
training goes on from its last checkpoint. A training's folder also holds the preset's defaults of that day. Where they have
changed since, the training is not reused but refused, with the field that differs.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import draccus
from lerobot.configs import PreTrainedConfig

from benchmarks.common import RESULTS, ROOT, add_device, positive, print_table, provenance, write_json
from benchmarks.contenders import IMAGE, features
from benchmarks.judged import (
    REPORTING_SEED,
    evaluate_once,
    published,
    together,
    train_once,
    training_place,
)
from benchmarks.paired import data_flags, dp_plus

PRESETS = ("dp_plus_unet", "dp_plus_transformer", "dp_plus_flow", "dp_plus_dit", "dp_plus_pi0")
#: A checkpoint is written this many times a training, so that an interruption costs little.
SAVED = 5


def seen(root: Path, pixels: bool) -> tuple[str, ...]:
    """The flag that says what a preset sees, where the dataset in `root` holds more than that.

    Raises:
        ValueError: the dataset lacks what is to be seen.
    """
    held = json.loads((root / "meta" / "info.json").read_text())["features"]
    size = max(held[IMAGE]["shape"][:2]) if pixels and IMAGE in held else 0
    wanted = features(size if pixels else None)["input_features"]
    if lacking := sorted(wanted.keys() - held.keys()):
        raise ValueError(
            f"--root {root} holds no {', '.join(lacking)}; it holds {', '.join(sorted(held))}. "
            f"Give another dataset, or {'leave out' if pixels else 'add'} --pixels"
        )
    if {key for key in held if key.startswith("observation.")} == wanted.keys():
        return ()
    described = {key: {"type": feature.type.name, "shape": list(feature.shape)} for key, feature in wanted.items()}
    return (f"--policy.input_features={json.dumps(described)}",)


def training(preset: str, options: argparse.Namespace) -> list[str]:
    """The command that trains this type as it comes."""
    return dp_plus(
        "train",
        *(f"--policy.type={preset}", "--policy.push_to_hub=false", f"--policy.device={options.device}"),
        *data_flags(options.root, options.seed),
        *seen(options.root, options.pixels),
        *(f"--steps={options.updates}", f"--batch_size={options.batch_size}"),
        *("--env_eval_freq=0", "--log_freq=500", f"--save_freq={max(1, options.updates // SAVED)}"),
        *options.flag,
    )


def defaults(preset: str) -> dict[str, Any]:
    """Every field of this type as it comes, as a config's JSON holds it."""
    return draccus.encode(PreTrainedConfig.get_choice_class(preset)())


def changed(before: Any, now: Any, name: str = "") -> list[str]:
    """`field: before → now` of every field that differs; a field that only one of them states is new or gone, and counts not.

    What is new has a default under which old configs keep their meaning.
    """
    if isinstance(before, dict) and isinstance(now, dict) and before.get("type") == now.get("type"):
        return [
            found for key in before.keys() & now.keys() for found in changed(before[key], now[key], f"{name}.{key}")
        ]
    return [] if before == now else [f"{name[1:]}: {before} → {now}"]


def measure(preset: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train and evaluate one preset, or read what is kept.

    Raises:
        ValueError: it was trained when the preset had other defaults.
    """
    command, name, now = training(preset, options), f"preset {preset}", defaults(preset)
    place = training_place(name, command, options.seed, folder)
    known = place.with_suffix(".defaults.json")
    if known.exists() and (differing := changed(json.loads(known.read_text()), now)):
        raise ValueError(
            f"{preset} was trained in {place} when its defaults were others ({'; '.join(sorted(differing))}). "
            f"Remove {place.parent}, or give another --folder"
        )
    if not known.exists():
        write_json(known, now)
    trained = train_once(name, command, options.seed, folder)
    about: dict[str, Any] = {"preset": preset, "pixels": options.pixels, "command": command[3:]}
    about |= {"updates": options.updates, "batch_size": options.batch_size}
    found = evaluate_once(name, trained, options.seed, REPORTING_SEED, options.episodes, folder, **about)
    print(f"{preset}: {found['success_percent']:.1f} %", flush=True)
    return found


def line(row: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table."""
    rate, low, high = together([row])
    minutes = "–" if row["seconds"] is None else f"{row['seconds'] / 60:.0f}"
    success = f"{rate:.1f} % ({low:.1f}–{high:.1f}) of {row['episodes']}"
    return (
        f"`{row['preset']}`",
        f"{row['updates']:,} of batch {row['batch_size']}",
        success,
        f"{row['score']:.3f}",
        minutes,
    )


def default_json(pixels: bool) -> Path:
    """Where results go if nothing is said; presets that see pictures have a file of their own."""
    return RESULTS / ("presets_pixels.json" if pixels else "presets.json")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.presets", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a PushT dataset with keypoints, or with pictures")
    parser.add_argument("--pixels", action="store_true", help="picture and agent's position, without the corners")
    parser.add_argument(
        "--flag", action="append", default=[], help="of the training, such as --flag=--policy.noise_draws=4"
    )
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--updates", type=positive, default=5000)
    parser.add_argument("--batch-size", type=positive, default=64)
    parser.add_argument("--seed", type=int, default=1, help="training seed")
    parser.add_argument("--episodes", type=positive, default=500)
    parser.add_argument("--jobs", type=positive, default=1, help="presets at the same time, one thread each")
    add_device(parser)
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs" / "pusht_quality")
    parser.add_argument("--json", type=Path, help="results/presets.json; with --pixels presets_pixels.json")
    options = parser.parse_args(argv)
    path = options.json or default_json(options.pixels)
    begun = provenance(path, device=options.device)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        seen(options.root, options.pixels)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda preset: measure(preset, options, folder), options.presets))
    write_json(path, begun | {"rows": published(rows)})
    columns = ("preset", "updates", "success (95 % Wilson)", "score", "minutes, one thread")
    lines = [line(row) for row in rows]
    print_table("PushT, presets by their type alone, last checkpoint", columns[1:], lines)
    for cells in (columns, ("---",) * len(columns), *lines):  # for configs/README.md
        print(f"| {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
