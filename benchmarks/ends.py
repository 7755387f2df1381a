"""Whether other models of the ends cost anything where one Gaussian fits: `python -m benchmarks.ends --root DIR`.

`hub_cards/pusht_state` chooses by where its candidates lead, and its ends are one Gaussian. Here the same weights choose by
each member of `dynamics.ends`, gathered from the last frames of the recording that the policy was trained on and from their
mirror images, each with its start. All members have the same episodes, reporting seeds 100000 and up. PushT has one goal,
so that the best to be had is that nothing changes.

`--told DIR…` are recordings whose goals vary with start and sentence, as `dp-plus demos blocks` and `pucks` make them. Of every
fifth episode, which ends were not gathered from, it is asked whether its own end is nearer than that of another one: half of
the time by a distance that does not know what was said.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from lerobot.datasets import LeRobotDataset
from lerobot.utils.constants import OBS_ENV_STATE, OBS_STATE
from torch import Tensor

from benchmarks.choosing import TOGETHER, episodes, measured
from benchmarks.common import RESULTS, ROOT, positive, print_table, provenance, write_json
from benchmarks.judged import REPORTING_SEED
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.augmentation.pusht_mirror import mirror
from lerobot_dp_plus.auxiliary.dynamics import Conditional, Ends, Gaussian, Information, Mixture
from lerobot_dp_plus.auxiliary.dynamics.ends import Context
from lerobot_dp_plus.auxiliary.dynamics.ends.context import sentence_vector
from lerobot_dp_plus.encoders import WordNgrams
from lerobot_dp_plus.units import Units

MEMBERS: dict[str, Ends] = {"gaussian": Gaussian(), "mixture": Mixture(), "conditional": Conditional(words=False)}

#: Members that know what was said as well.
TOLD = MEMBERS | {"conditional, words alone": Conditional(start=False), "conditional, with words": Conditional()}


def ends_of(root: Path, units: Units, keys: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """First and last observations of every episode and of its mirror image, normalised, two (2 E, C)."""
    dataset = LeRobotDataset(root.name, root=root)
    meta = dataset.meta.episodes
    bounds = torch.tensor([meta["dataset_from_index"][:], meta["dataset_to_index"][:]]).T - torch.tensor([0, 1])
    columns = dataset.hf_dataset.with_format("torch")
    found = []
    for rows in bounds.T.tolist():
        values = {key: torch.stack(list(columns.select(rows)[key])) for key in keys}
        both = {key: torch.cat([value, mirror(key, value)]) for key, value in values.items()}
        found.append(torch.cat([units.normalised(key, value) for key, value in both.items()], -1))
    first, last = found
    return first, last


def told_apart(root: Path) -> dict[str, float]:
    """How often an episode's own end is nearer than another's, by each member; every fifth episode was not learned from."""
    dataset = LeRobotDataset(root.name, root=root)
    meta, columns = dataset.meta.episodes, dataset.hf_dataset.with_format("torch")
    keys = [key for key in dataset.meta.features if key in (OBS_STATE, OBS_ENV_STATE)]
    rows = [meta["dataset_from_index"][:], [stop - 1 for stop in meta["dataset_to_index"][:]]]
    raw = [torch.cat([torch.stack(list(columns.select(each)[key])) for key in keys], -1) for each in rows]
    low, high = (getattr(torch.cat(raw), name)(0).values for name in ("min", "max"))
    start, end = (2 * (value - low) / (high - low).clamp_min(1e-6) - 1 for value in raw)
    sentences = [dataset.meta.tasks.index[int(task)] for task in columns.select(rows[1])["task_index"]]
    context = Context(start, sentence_vector(*WordNgrams().ids(sentences)))
    held = torch.arange(len(end)) % 5 == 0
    found = {}
    for name, member in TOLD.items():
        model = member.build(end.shape[1])
        model.gather(end[~held], context.rows(~held))
        distance = model.distance(end[held].expand(int(held.sum()), -1, -1), Information(), context.rows(held))
        own = distance.diagonal()[:, None]
        nearer = (own < distance).double() + 0.5 * (own == distance)
        others = ~torch.eye(len(distance), dtype=torch.bool)
        found[name] = float(nearer[others].mean())
    return found


def choosing_by(member: Ends, root: Path, policy: str) -> Any:
    """The policy with ends of another kind, of the same recording."""
    made = load_policy(policy, forward={"type": "pusht"})
    for model in {id(each): each for each in (made.policy.model, made.policy._averaged_model)}.values():
        dynamics = model.auxiliary.dynamics
        first, last = ends_of(root, model.units, dynamics.keys)
        dynamics.ends = member.build(last.shape[1])
        dynamics.reads_start, dynamics.reads_words = member.reads_start, member.reads_words
        dynamics.ends.gather(last, Context(first))
    object.__setattr__(made.policy.config.dynamics, "ends", member)
    made.policy.reset()
    return made


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ends", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the recording that the policy was trained on")
    parser.add_argument("--policy", default=str(ROOT / "hub_cards" / "pusht_state"))
    parser.add_argument("--episodes", type=positive, default=100)
    parser.add_argument("--told", type=Path, nargs="*", default=[], help="recordings with goals that vary")
    parser.add_argument("--json", type=Path, default=RESULTS / "ends.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = provenance(options.json, policy=Path(options.policy).name, first_seed=REPORTING_SEED)
    begun["told_apart"] = {root.name: told_apart(root) for root in options.told}
    seeds = range(REPORTING_SEED, REPORTING_SEED + options.episodes)
    result: dict[str, Any] = {}
    for name, member in MEMBERS.items():
        made = choosing_by(member, options.root, options.policy)
        runs, time = episodes(made, seeds, TOGETHER)
        figures = measured(runs, made.policy.config.sampler.num_steps)
        result[name] = {key: figures[key] for key in ("success", "score", "steps")} | {"milliseconds_a_chunk": time}
        write_json(options.json, begun | {"result": result})
    rows = []
    for name, each in result.items():
        low, high = each["success"]["interval_percent"]
        success = f"{each['success']['percent']:.1f} ({low:.1f}–{high:.1f})"
        rows.append((name, success, f"{each['score']:.3f}", f"{each['milliseconds_a_chunk']:.1f}"))
    columns = ("success %", "score", "ms a chunk")
    print_table(f"{options.episodes} episodes, 95 % Wilson intervals", columns, rows)
    shares = [(root, *(f"{100 * share:.1f}" for share in each.values())) for root, each in begun["told_apart"].items()]
    if shares:
        print_table("own end nearer than another's, % of pairs, episodes held out", tuple(TOLD), shares)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
