"""Milliseconds per chunk, ours and LeRobot's, and how they grow: `python -m benchmarks.latency`.

A call goes from observation to action right after a reset, so that it computes exactly one chunk. LeRobot's `diffusion` is
measured as it ships (249 M parameters, 100 calls) and with DDIM, 10 calls and a U-Net that gives it our number of parameters,
or its smallest one where its image encoder alone has more; the latter also compiled by its own option. All take turns in one
process; ratios are between neighbours in time. Chunks differ in length, so ratios are also given per executed action. Policies differ
in size, so beside a ratio stands that of parameters × calls, which is no merit of anybody's code; what is left is that. Weights are
random unless `--policy` names a checkpoint. How the cost grows is measured for the default config.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch._inductor.utils import fresh_cache

from benchmarks import common, figures, latency_tables
from benchmarks.common import RESULTS
from benchmarks.contenders import (
    COMPILED,
    LEAN,
    OURS,
    SHIPPED,
    SMALL,
    SMALL_COMPILED,
    Checkpoint,
    fresh,
    observation,
    our_config,
    parameters,
    side_by_side,
)
from benchmarks.floor import Work, count, floor, products, reading
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.selection import Densest

FLOOR, PRODUCTS = "reading the weights", "the bare products"
BATCHES = (1, 50, 1024)
CALLS = (1, 2, 4, 8, 10)


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    rounds: int = 7
    shipped_rounds: int = 3  # its chunk takes half a minute
    sweep_rounds: int = 3
    seconds: float = 0.25
    shipped: dict[str, Any] | None = None  # fields of LeRobot's diffusion that differ from its defaults
    batches: tuple[int, ...] = BATCHES
    clock: str = "wall"


QUICK = Scale(
    rounds=2,
    shipped_rounds=1,
    sweep_rounds=1,
    seconds=0.02,
    shipped={"down_dims": (8, 16, 32), "horizon": 16, "n_action_steps": 8, "num_inference_steps": 3},
    batches=(1, 3),
)


def main(arguments: list[str] | None = None) -> None:
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    begun = common.provenance(args.json, threads=args.threads)
    scale = replace(QUICK if args.quick else Scale(), clock=args.clock)
    if args.policy is None:
        config = our_config(args.config, device=args.device, **({"network": _tiny(args.config)} if args.quick else {}))
        ours = fresh(config)
    else:
        ours = Checkpoint.load(args.policy, [f"--device={args.device}"])
        config = ours.policy.config
    contenders = side_by_side(ours, not args.no_compile, **(scale.shipped or {}))
    first = {name: _first_call(contenders[name]) for name in (OURS, COMPILED, SMALL_COMPILED) if name in contenders}
    print("latency: batch 1, contenders in turns")
    result: dict[str, Any] = {"quick": args.quick, "policy": _subject(args), "clock": args.clock}
    result["device"] = args.device
    work = {batch: _work(ours, batch) for batch in scale.batches}
    result |= _batch_one(contenders, work[1], scale) | {"first_call_seconds": first}
    result["floor"] = {str(batch): _floor(config, work[batch], batch, scale) for batch in scale.batches}
    result["throughput"] = _throughput(contenders, scale)
    if args.policy is None and args.config == LEAN:
        result["growth"] = {name: _sweep(name, configs, scale) for name, configs in _sweeps(config, args.quick).items()}
    result |= begun
    latency_tables.show(result)
    common.write_json(args.json, result)
    common.write_figure(figures.latency(result), common.picture_of(args.json))
    print(f"written to {args.json} and {common.picture_of(args.json)}")


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--policy", type=Path, help="a checkpoint's pretrained_model folder; without it, random weights"
    )
    parser.add_argument("--config", type=Path, default=LEAN, help="training config whose policy is ours")
    common.add_device(parser)
    parser.add_argument("--threads", type=common.positive, default=1)
    parser.add_argument(
        "--clock", choices=common.CLOCKS, default="wall", help="cpu: this thread's time alone, on a busy machine"
    )
    parser.add_argument("--no-compile", action="store_true", help="leave out what is compiled and its warm-up")
    parser.add_argument(
        "--quick", action="store_true", help="tiny networks: does it run? No figure of it means anything"
    )
    parser.add_argument("--json", type=Path, help="results/latency.json; of another config or policy latency_NAME.json")
    args = parser.parse_args(arguments)
    if args.json is None:
        default = args.policy is None and args.config.resolve() == LEAN
        args.json = RESULTS / ("latency.json" if default else f"latency_{_subject(args).removesuffix('.json')}.json")
    return args


def _subject(args: argparse.Namespace) -> str:
    """What is measured: the config's file name, or of a checkpoint that of its training's folder."""
    if args.policy is None:
        return args.config.name
    place = args.policy.absolute()
    if place.name == "pretrained_model":
        place = place.parent
    return place.parents[1].name if place.parent.name == "checkpoints" else place.name


def _tiny(config: Path) -> Any:
    return replace(our_config(config).network, dim=128, depth=2)


def _whole(checkpoint: Checkpoint) -> Callable[[], object]:
    seen = observation(checkpoint.policy.config)

    def call() -> object:
        checkpoint.policy.reset()
        return checkpoint.act(seen)

    return call


def _first_call(checkpoint: Checkpoint) -> float:
    """Seconds of the first chunk in a process; a compiled sampler compiles in it, without what earlier processes kept."""
    call = _whole(checkpoint)
    with fresh_cache():
        started = time.perf_counter()
        call()
        return time.perf_counter() - started


def _policy_only(checkpoint: Checkpoint, batch_size: int = 1) -> Callable[[], object]:
    batch = checkpoint.batch(observation(checkpoint.policy.config), batch_size)

    @torch.inference_mode()
    def call() -> object:
        checkpoint.policy.reset()
        return checkpoint.policy.select_action(dict(batch))

    return call


def _batch_one(contenders: dict[str, Checkpoint], work: Work, scale: Scale) -> dict[str, Any]:
    """Milliseconds with and without processors, and every ratio that is claimed."""
    how: dict[str, Any] = {"rounds": scale.rounds, "seconds": scale.seconds, "clock": scale.clock}
    once: dict[str, Any] = {"calls": {SHIPPED: 1}, "rounds_of": {SHIPPED: scale.shipped_rounds}}
    whole = common.take_turns({name: _whole(c) for name, c in contenders.items()}, label="a chunk", **how, **once)
    quick = {name: _policy_only(c) for name, c in contenders.items() if name != SHIPPED}
    config = contenders[OURS].policy.config
    quick[FLOOR] = reading(work, config.sampler.num_calls, config.device)
    quick[PRODUCTS] = products(work, config.sampler.num_calls, *_shape(config, 1), config.device)
    only = common.take_turns(quick, label="without processors", **how)
    ours = [name for name in contenders if name.startswith(OURS)]
    executed = {name: contender.policy.config.n_action_steps for name, contender in contenders.items()}
    pairs = [(slow, fast) for fast in ours for slow in (SHIPPED, SMALL, SMALL_COMPILED) if slow in contenders]
    per_action = {name: [value / executed[name] for value in values] for name, values in whole.items()}
    return {
        "contenders": {
            name: {
                "parameters": parameters(contender.policy),
                "calls": _calls(contender.policy.config),
                "horizon": contender.policy.config.horizon,
                "executed": executed[name],
                "milliseconds": common.summary(whole[name]),
                "policy_milliseconds": common.summary(only[name]) if name in only else None,
            }
            for name, contender in contenders.items()
        },
        "ratios": {
            **{
                f"{a} ÷ {b}": common.ratios(whole[a], whole[b])
                for a, b in [*pairs, *((OURS, name) for name in ours[1:])]
            },
            **{f"{a} ÷ {b}, per executed action": common.ratios(per_action[a], per_action[b]) for a, b in pairs},
            **{f"{a} ÷ {b}": common.ratios(only[a], only[b]) for a in ours for b in (FLOOR, PRODUCTS)},
        },
        "size": {f"{a} ÷ {b}": _size(contenders[a]) / _size(contenders[b]) for a, b in pairs},
        FLOOR: common.summary(only[FLOOR]),
        PRODUCTS: common.summary(only[PRODUCTS]),
        "fastest": min(ours, key=lambda name: sum(whole[name])),
    }


def _size(checkpoint: Checkpoint) -> int:
    """Parameters × network calls: what a chunk costs in proportion to, if nothing else did."""
    return parameters(checkpoint.policy) * _calls(checkpoint.policy.config)


def _calls(config: Any) -> int:
    if isinstance(config, DpPlusConfig):
        return config.sampler.num_calls
    return config.num_inference_steps or config.num_train_timesteps


def _work(ours: Checkpoint, batch_size: int) -> Work:
    policy, steps = ours.policy, ours.policy.config.n_obs_steps
    batch = ours.batch(observation(policy.config), batch_size)
    seen = {key: batch[key] for key in policy.config.observed_features}
    window = {key: value[:, None].expand(-1, steps, *value.shape[1:]) for key, value in seen.items()}
    policy.reset()  # what it saw before was of another batch size
    return count(policy, lambda: policy.predict_action_chunk(window))


def _floor(config: DpPlusConfig, work: Work, batch_size: int, scale: Scale) -> dict[str, Any]:
    shape = _shape(config, batch_size)
    return floor(work, config.sampler.num_calls, *shape, scale.rounds, scale.clock, str(config.device))


def _shape(config: DpPlusConfig, batch_size: int) -> tuple[int, int]:
    """Rows and columns of what the network's largest products take in."""
    size = vars(config.network)
    patch = config.network.patch(config.horizon) if "patch_size" in size else 1
    chunks = batch_size * config.selection.candidates
    return chunks * config.horizon // patch, size.get("dim") or size["down_dims"][-1]


def _throughput(contenders: dict[str, Checkpoint], scale: Scale) -> dict[str, Any]:
    """Chunks a second without processors. The compiled sampler would make a graph per batch size and sits this out."""
    eager = {name: contenders[name] for name in (OURS, SMALL)}
    found: dict[str, Any] = {}
    for batch_size in scale.batches:
        calls = {name: _policy_only(contender, batch_size) for name, contender in eager.items()}
        times = common.take_turns(
            calls, scale.sweep_rounds, seconds=scale.seconds, label=f"batch {batch_size}", clock=scale.clock
        )
        found[str(batch_size)] = {
            **{name: common.summary([1e3 * batch_size / value for value in values]) for name, values in times.items()},
            "ratio": common.ratios(times[SMALL], times[OURS]),
        }
    return found


def _sweeps(config: DpPlusConfig, quick: bool) -> dict[str, dict[str, DpPlusConfig]]:
    """One field at a time; the first of each sweep that equals the config is what the others are compared with."""
    dims: Iterable[int] = (64, 128) if quick else (128, 256, 512)
    network: Any = config.network
    horizons = [h for h in (16, 32, 64) if h % network.chunk_multiple == 0]
    return {
        "calls": {str(n): replace(config, sampler=replace(config.sampler, num_steps=n)) for n in CALLS},
        "candidates": {"1": config}
        | {str(n): replace(config, selection=Densest(num_candidates=n)) for n in ((2,) if quick else (4, 16, 64))},
        "horizon": {str(h): replace(config, horizon=h) for h in horizons},
        "observation steps": {str(n): replace(config, n_obs_steps=n) for n in (1, 2, 4, 8)},
        "width": {str(dim): replace(config, network=replace(network, dim=dim)) for dim in dims},
        "depth": {
            str(d): replace(config, network=replace(network, depth=d)) for d in ((1, 2) if quick else (3, 6, 12))
        },
    }


def _sweep(name: str, configs: dict[str, DpPlusConfig], scale: Scale) -> dict[str, Any]:
    made = {value: fresh(config) for value, config in configs.items()}
    calls = {value: _policy_only(checkpoint) for value, checkpoint in made.items()}
    times = common.take_turns(calls, scale.sweep_rounds, seconds=scale.seconds, label=name, clock=scale.clock)
    first = next(iter(times))
    return {
        value: {
            "milliseconds": common.summary(values),
            "times_the_first": common.ratios(values, times[first]),
            "parameters": parameters(made[value].policy),
        }
        for value, values in times.items()
    }


if __name__ == "__main__":
    main()
