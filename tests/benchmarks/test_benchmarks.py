"""The benchmarks run, write what they say, and count the physical limit as a hand does."""

import json
import time

import pytest
import torch
from lerobot.policies import get_policy_class

import benchmarks.floor
from benchmarks import common, latency, long_run, pusht_quality, training
from benchmarks.common import ROOT
from benchmarks.contenders import equal_dims, features, fresh, host_config, our_config, parameters, twin
from benchmarks.floor import Work, count, floor, operations, peak, products, reading
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.samplers import DDIM

RATE = {"samples_per_s": 1.0, "share_waiting": 0.5}


def read(file):
    """The JSON, after checks that hold for every benchmark."""
    result = json.loads(file.read_text())
    assert result["quick"] and result["machine"]["cores"] >= 1 and result["machine"]["processor"]
    assert {"python", "torch", "lerobot"} <= result["versions"].keys() and result["commit"]
    picture = file.with_suffix(".png")
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size < 150_000
    return result


def test_latency(tmp_path, capsys):
    latency.main(["--quick", "--no-compile", "--json", str(tmp_path / "latency.json")])
    result = read(tmp_path / "latency.json")
    contenders = result["contenders"]
    assert contenders.keys() == {latency.OURS, latency.SMALL, latency.SHIPPED}
    assert [contenders[name]["calls"] for name in (latency.OURS, latency.SMALL)] == [8, 10]
    ours, small = (contenders[name] for name in (latency.OURS, latency.SMALL))
    assert abs(small["parameters"] / ours["parameters"] - 1) < 0.1
    slow, fast = small["milliseconds"]["values"], ours["milliseconds"]["values"]
    expected = [a / b for a, b in zip(slow, fast, strict=True)]
    assert result["ratios"][f"{latency.SMALL} ÷ {latency.OURS}"]["values"] == pytest.approx(expected)
    assert (small["executed"], small["horizon"]) == (8, 16) and result["policy"] == "pusht_lean.json"
    config = our_config()
    assert (ours["executed"], ours["horizon"]) == (config.n_action_steps, config.horizon) != (8, 16)
    size = result["size"][f"{latency.SMALL} ÷ {latency.OURS}"]
    assert size == pytest.approx(small["parameters"] * 10 / (ours["parameters"] * 8))
    per_action = result["ratios"][f"{latency.SMALL} ÷ {latency.OURS}, per executed action"]["values"]
    assert per_action == pytest.approx([a / 8 / (b / config.n_action_steps) for a, b in zip(slow, fast, strict=True)])
    assert result["floor"]["1"]["bytes"] > 0 and result["floor"]["3"]["operations"] > result["floor"]["1"]["operations"]
    assert result["first_call_seconds"].keys() == {latency.OURS}
    assert result["first_call_seconds"][latency.OURS] > 0
    assert result["ratios"][f"{latency.OURS} ÷ {latency.FLOOR}"]["median"] > 1
    assert result["growth"]["calls"].keys() == {"1", "2", "4", "8", "10"}
    printed = capsys.readouterr().out
    assert "what the ratios are made of" in printed and f"{config.n_action_steps} of {config.horizon}" in printed


def test_what_is_compiled_has_the_same_weights():
    small = fresh(host_config(down_dims=(8, 16, 32), horizon=16, n_action_steps=8))
    compiled = twin(small, compile_model=True).policy  # nothing is compiled before it is called
    assert compiled.config.compile_model and isinstance(compiled.diffusion.unet, torch._dynamo.OptimizedModule)
    weights = {name.replace("_orig_mod.", ""): weight for name, weight in compiled.state_dict().items()}
    assert weights.keys() == small.policy.state_dict().keys() != compiled.state_dict().keys()
    assert all(torch.equal(weights[name], weight) for name, weight in small.policy.state_dict().items())
    assert parameters(compiled) == parameters(small.policy)


@pytest.mark.parametrize(("rounds", "printed"), [(3, "2.0 (1.0–3.0)"), (7, "4.0 (1.6–6.4)")])
def test_the_spread_of_few_rounds_is_their_extremes(rounds, printed):
    assert common.spread(common.summary([float(n + 1) for n in range(rounds)]), 1) == printed


def test_latency_from_pixels(tmp_path):
    config = ROOT / "configs" / "pusht_pixels_few_calls.json"
    latency.main(["--quick", "--no-compile", f"--config={config}", "--json", str(tmp_path / "latency.json")])
    result = read(tmp_path / "latency.json")
    ours, small = (result["contenders"][name] for name in (latency.OURS, latency.SMALL))
    assert ours["calls"] == 1 and "growth" not in result
    assert small["parameters"] > 11e6 > ours["parameters"], "an encoder alone is larger than our policy"
    # Beyond the network's weights a chunk reads those of perception and foresight.
    policy = fresh(our_config(config, network=latency._tiny(config))).policy
    weights = lambda part: sum(w.numel() for w in part.parameters())  # noqa: E731
    eyes, ahead = policy.ema.module.auxiliary.state_estimation, policy.ema.module.auxiliary.dynamics
    assert result["floor"]["1"]["bytes"] > 4 * (weights(eyes) + weights(ahead))


@pytest.mark.parametrize("size", ["state", "pixels"])
def test_training(tmp_path, size):
    arguments = ["--quick", "--sizes", size, "--images", "image", "--threads", "1"]
    arguments += ["--json", str(tmp_path / "training.json")]
    training.main(arguments)
    measured = read(tmp_path / "training.json")["sizes"][size]
    variants = measured["variants"]
    assert len(variants) == 6, "two policies, each through three loaders"
    told = {pair: ratio for of_them in measured["ratios"].values() for pair, ratio in of_them.items()}
    assert len(told) == 9 and {"host + memory ÷ host + host", "ours + host ÷ host + host"} < told.keys()
    for pair, ratio in told.items():
        fast, slow = (variants[name]["samples_per_s"]["median"] for name in pair.split(" ÷ "))
        assert ratio["median"] == pytest.approx(fast / slow)
    ours, host = variants["ours + memory"], variants["host + host"]
    assert all(0 < variant["share_waiting"]["median"] < 1 for variant in (ours, host))
    for name, variant in (("ours", ours), ("host", host)):
        limit = measured["limits"][name]["samples_per_s"]["median"]
        assert variant["share_of_limit"] == pytest.approx(variant["samples_per_s"]["median"] / limit)
        assert 0 < variant["share_of_limit"] < 1
    assert abs(measured["parameters"]["host"] / measured["parameters"]["ours"] - 1) < 0.1


def test_the_work_of_a_chunk_is_what_a_hand_counts():
    dim, horizon, steps, calls = 8, 4, 2, 3
    network = TransformerConfig(dim=dim, depth=1, num_heads=2, patch_size=horizon)  # one token
    config = our_config(network=network, horizon=horizon, n_obs_steps=steps, n_action_steps=1, sampler=DDIM(calls))
    policy = fresh(config).policy
    window = {"observation.state": torch.rand(1, steps, 2), "observation.environment_state": torch.rand(1, steps, 16)}

    def linear(inputs, outputs, rows=1):
        return Work(4 * (inputs * outputs + outputs), 2 * rows * inputs * outputs)

    norm = Work(4 * 2 * dim, 0)
    once = [
        linear(18, 2 * dim, steps),
        linear(2 * dim, dim, steps),
        Work(4 * steps * dim, 0),  # the observation's positions
        norm,
        linear(dim, 2 * dim, steps),  # keys and values of the observation
        *(linear(dim, dim, calls) for _ in range(2)),  # of the times, all at once
    ]
    each = [
        linear(horizon * 2, dim),
        Work(4 * dim, 0),  # its position
        *(norm, linear(dim, dim), linear(dim, dim)),  # self-attention: of one token only the value
        *(norm, linear(dim, dim), linear(dim, dim), Work(0, 2 * 2 * steps * dim)),  # cross-attention: scores and values
        *(norm, linear(dim, 4 * dim), linear(4 * dim, dim)),
        norm,
        linear(dim, horizon * 2),
    ]
    expected = [*once, *(calls * each)]
    work = count(policy.model if policy.ema is None else policy.ema.module, lambda: policy.sample(window))
    assert work == Work(sum(part.bytes for part in expected), sum(part.operations for part in expected))


def test_operations_of_a_backward_pass_count():
    rows, inputs, outputs = 3, 4, 5
    layer, x = torch.nn.Linear(inputs, outputs), torch.rand(rows, inputs)
    product = 2 * rows * inputs * outputs
    assert operations(lambda: layer(x)) == product
    assert operations(lambda: layer(x).sum().backward()) == 2 * product  # and the weight's gradient
    assert operations(lambda: layer(x.clone().requires_grad_()).sum().backward()) == 3 * product


def test_the_peak_is_that_of_the_faster_number_format(monkeypatch):
    def turns(contenders, rounds, label):
        assert len(contenders) == 2 and [call().dtype for call in contenders.values()] == [
            torch.float32,
            torch.bfloat16,
        ]
        return dict(zip(contenders, ([4.0, 4.0], [1.0, 2.0]), strict=True))  # milliseconds

    monkeypatch.setattr(benchmarks.floor, "take_turns", turns)
    assert peak(rounds=2, side=10) == pytest.approx([2 * 10**3 / 1e-3, 2 * 10**3 / 2e-3])


def test_the_floor_is_the_slower_of_reading_and_multiplying():
    slow = floor(Work(bytes=2**24, operations=1), calls=1, rows=8, width=64, rounds=2, clock="wall")
    rate = slow["bandwidth_bytes_per_s"]["values"]
    assert slow["limited_by"] == "reading"
    assert slow["milliseconds"]["values"] == pytest.approx([1e3 * 2**24 / one for one in rate])
    multiplying = floor(Work(bytes=4096, operations=10**12), calls=1, rows=8, width=64, rounds=2, clock="wall")
    assert multiplying["limited_by"] == "multiplying"
    rate = multiplying["peak_operations_per_s"]["values"]
    assert multiplying["milliseconds"]["values"] == pytest.approx([1e15 / one for one in rate])


def test_another_configs_latency_does_not_replace_the_default_ones():
    other = ROOT / "configs" / "pusht_pixels.json"
    assert latency._arguments([]).json == latency.RESULTS / "latency.json"
    assert latency._arguments([f"--config={latency.LEAN}"]).json == latency.RESULTS / "latency.json"
    assert latency._arguments([f"--config={other}"]).json == latency.RESULTS / "latency_pusht_pixels.json"


@pytest.mark.parametrize(
    "policy", ["some_run", "some_run/checkpoints/last/pretrained_model", "some_run/checkpoints/001700/pretrained_model"]
)
def test_a_checkpoints_latency_has_the_name_of_its_training(policy):
    args = latency._arguments([f"--policy=outputs/{policy}"])
    assert latency._subject(args) == "some_run" and args.json == latency.RESULTS / "latency_some_run.json"


def test_the_hosts_policy_trains_in_the_same_number_format(monkeypatch, tmp_path):
    """Not run here: accelerate refuses a second precision in one process."""
    seen = []
    monkeypatch.setattr(training, "_train", lambda policy, *_: seen.append(policy) or {**RATE})
    monkeypatch.setattr(training, "operations", lambda *_: 1)
    monkeypatch.setattr(training, "peak", lambda *_, **__: [1.0])
    for dtype in ("float32", "bfloat16"):
        file = tmp_path / f"{dtype}.json"
        training.main(["--quick", "--sizes=state", f"--dtype={dtype}", f"--json={file}"])
    found = [getattr(policy, "dtype", policy.use_amp) for policy in seen]
    assert found == [dtype for dtype in ("float32", False, "bfloat16", True) for _ in training.LOADERS]
    assert torch.get_autocast_dtype("cpu") is torch.bfloat16
    monkeypatch.setattr(training.precision, "emulated", lambda dtype, device: True)
    training.main(["--quick", "--sizes=state", f"--json={file}"])
    assert seen[-1].use_amp is False and json.loads(file.read_text())["dtype"] == "float32"


@pytest.mark.parametrize("module", [latency, training, pusht_quality, long_run])
def test_a_device_that_is_not_here_is_refused_and_not_replaced(module, capsys):
    root = ["--root=nowhere"] if module in (pusht_quality, long_run) else []
    with pytest.raises(SystemExit):
        module.main([*root, "--device=xpu:7"])
    assert "argument --device: xpu:7 is not here; legal are cpu" in capsys.readouterr().err


def test_the_limits_are_those_of_the_device(monkeypatch):
    """Whatever is multiplied lies there; the meta device stands for a GPU."""
    seen = []

    def turns(contenders, rounds, **_):
        seen.extend(call().device.type for call in contenders.values())
        return {name: [1.0] * rounds for name in contenders}

    monkeypatch.setattr(benchmarks.floor, "take_turns", turns)
    work = Work(bytes=4096, operations=10**6)
    floor(work, calls=1, rows=8, width=64, rounds=2, clock="wall", device="meta")
    peak(rounds=2, side=10, device="meta")
    assert seen == ["meta"] * 5
    reading(work, 2, "meta")()  # what lay on two devices would raise
    products(work, 2, 8, 64, "meta")()


def test_both_sides_train_where_they_are_told(tmp_path):
    options, _ = long_run._options([f"--root={tmp_path}"])
    options.device = "meta"  # stands for a GPU
    lines = long_run.commands(options)
    assert all("--policy.device=meta" in line for line in lines.values())


def test_turns_are_taken_and_timed():
    order = []
    calls = {"slow": lambda: order.append("slow") or time.sleep(0.02), "fast": lambda: order.append("fast")}
    times = common.take_turns(calls, rounds=4, calls={"slow": 1, "fast": 2}, rounds_of={"slow": 3})
    assert order == ["slow", "fast", "fast"] * 3 + ["fast", "fast"]
    assert all(one >= 20 for one in times["slow"]) and max(times["fast"]) < 20
    ratio = common.ratios(times["slow"], times["fast"])
    assert ratio["values"] == [a / b for a, b in zip(times["slow"], times["fast"][:3], strict=True)]
    assert ratio["min"] <= ratio["p10"] <= ratio["median"] <= ratio["p90"] <= ratio["max"]


@pytest.mark.parametrize(("target", "tolerance"), [(400_000, 0.06), (3_451_424, 0.01)])
def test_the_hosts_network_is_shrunk_to_our_size(target, tolerance):
    size = {"horizon": 16, "n_action_steps": 8, **features()}
    dims = equal_dims(target, **size)
    built = get_policy_class("diffusion")(host_config(down_dims=dims, **size))
    assert abs(parameters(built) / target - 1) < tolerance
    with pytest.raises(ValueError, match="smallest U-Net has"):
        equal_dims(1000, **size)
