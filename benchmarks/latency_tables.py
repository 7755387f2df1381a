"""The tables of `benchmarks.latency` on the terminal."""

from typing import Any

from benchmarks.common import SPREAD, print_table, spread
from benchmarks.contenders import OURS, SMALL


def show(result: dict[str, Any]) -> None:
    """Print every table of the measurement."""
    rows = [
        (
            name,
            f"{c['parameters']:,}",
            str(c["calls"]),
            f"{c['executed']} of {c['horizon']}",
            *(spread(c[k]) if c[k] else "–" for k in ("milliseconds", "policy_milliseconds")),
        )
        for name, c in result["contenders"].items()
    ]
    columns = ("parameters", "calls", "executed", "whole", "policy only")
    print_table(f"one chunk at batch 1, milliseconds: {SPREAD}", columns, rows)
    first = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result["first_call_seconds"].items())
    print(f"the first chunk of a process: {first}")
    rows = [(name, spread(values, 1)) for name, values in result["ratios"].items()]
    least = result["floor"]["1"]
    print_table(f"ratios: {SPREAD}", ("",), rows)
    parts = [
        (name, f"{of_all:,.1f}×", f"{factor:,.1f}×", f"{of_all / factor:,.1f}×", f"{per_action:,.1f}×")
        for name, of_all, factor, per_action in _explained(result)
    ]
    made_of = ("a chunk", "of it parameters × calls", "what is left", "an executed action")
    print_table("what the ratios are made of", made_of, parts)
    print(
        f"floor: {spread(least['milliseconds'])} ms, limited by {least['limited_by']} ({least['bytes'] / 1e6:.1f} MB of "
        f"weights at {least['bandwidth_bytes_per_s']['median'] / 1e9:.0f} GB/s, {least['operations'] / 1e6:.1f} M operations); "
        f"a bare sum reads {least['sum_bytes_per_s']['median'] / 1e9:.0f} GB/s"
    )
    rows = [
        (
            batch,
            spread(found[OURS], 0),
            spread(found[SMALL], 0),
            spread(found["ratio"], 1),
            _at_best(result, batch),
        )
        for batch, found in result["throughput"].items()
    ]
    print_table(f"chunks a second: {SPREAD}", (OURS, SMALL, "ratio", "ours at best"), rows)
    for name, sweep in result.get("growth", {}).items():
        rows = [
            (
                value,
                f"{found['parameters']:,}",
                spread(found["milliseconds"]),
                spread(found["times_the_first"]),
            )
            for value, found in sweep.items()
        ]
        print_table(f"{name}, milliseconds: {SPREAD}", ("parameters", "ms", "÷ first row"), rows)


def _explained(result: dict[str, Any]) -> list[tuple[str, float, float, float]]:
    """(pair, ratio of a chunk, that of parameters × calls, ratio per executed action), medians."""
    medians = {name: values["median"] for name, values in result["ratios"].items()}
    return [
        (name, medians[name], factor, medians[f"{name}, per executed action"])
        for name, factor in result["size"].items()
    ]


def _at_best(result: dict[str, Any], batch: str) -> str:
    return f"{1e3 * int(batch) / result['floor'][batch]['milliseconds']['median']:,.0f}"
