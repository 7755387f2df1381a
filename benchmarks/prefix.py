"""What it saves to compute the prefix of `network.type=mixture` once a chunk: `python -m benchmarks.prefix`.

A chunk for one observation, on one thread, by the network of `dp_plus_pi0` as it comes, with fresh weights: two frames of 16
keypoints, 8 words and two states; 16 candidates and ten calls of the sampler. It is drawn with the prefix computed once, once a
call for all candidates, and for each candidate in each call. The three give the same chunks to rounding, which is checked. They
take turns, so that a busy machine slows all alike. The limit is the one that was set for this: a quarter of the last.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import RESULTS, positive, print_table, provenance, write_json
from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import NoGuidance
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.notation import PATCHES, WORDS, Network, Span, Tokens, map_rows, repeat_rows
from lerobot_dp_plus.objectives import FlowMatching
from lerobot_dp_plus.samplers import DPMpp2M

ONCE, EACH_CALL, EACH_ROW = "once a chunk", "once a call", "each candidate and call"
LIMIT = 0.25
SPANS = {"steps": Span(2, 4), PATCHES: Span(32, 64), WORDS: Span(8, 64)}


class Forgetful(Network):
    """A network that remembers no prefix: its condition is the observation, of which every call makes the prefix anew.

    With `shared` it does so for one of `candidates` equal rows, and repeats that.
    """

    reads = MixtureConfig.reads

    def __init__(self, network: Network, candidates: int, shared: bool):
        super().__init__()
        self.network, self.candidates, self.shared = network, candidates, shared

    def condition(self, observation: Sequence[Tokens]) -> Sequence[Tokens]:
        return observation

    def forward(self, x_t: Tensor, time: Tensor, condition: Any, end: Tensor | None = None) -> Tensor:
        step = self.candidates if self.shared else 1
        prefix = self.network.condition(map_rows(condition, lambda rows: rows[::step]))
        return self.network(x_t, time, repeat_rows(prefix, step), end)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefix", description=__doc__)
    parser.add_argument("--rounds", type=positive, default=100)
    parser.add_argument("--candidates", type=positive, default=16)
    parser.add_argument("--calls", type=positive, default=10)
    parser.add_argument("--json", type=Path, default=RESULTS / "prefix.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    begun = provenance(options.json, candidates=options.candidates, calls=options.calls)
    network = MixtureConfig().build(horizon=16, action_dim=4, observation=SPANS).eval()
    with torch.no_grad():
        network.head.weight.normal_(std=0.1)  # a fresh head predicts nothing
    tokens = tuple(Tokens(torch.randn(1, *span), None, kind) for kind, span in SPANS.items())
    noise = torch.randn(1, options.candidates, 16, 4)
    networks = {
        ONCE: network,
        EACH_CALL: Forgetful(network, options.candidates, shared=True),
        EACH_ROW: Forgetful(network, options.candidates, shared=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    chunks = {}
    with torch.inference_mode():
        for _ in range(options.rounds + 1):  # the first one warms up
            for name, one in networks.items():
                start = time.process_time()
                head = heads.make(one, FlowMatching(), DPMpp2M(num_steps=options.calls), NoGuidance())
                chunks[name] = head.propose(one.condition(tokens), noise).chunks
                seconds[name].append(time.process_time() - start)
    for name in (EACH_CALL, EACH_ROW):
        torch.testing.assert_close(chunks[name], chunks[ONCE], rtol=1e-3, atol=1e-4)
    counted = {name: each[1:] for name, each in seconds.items()}
    ratios = {
        f"{ONCE} ÷ {name}": np.percentile(np.divide(counted[ONCE], counted[name]), [10, 50, 90]).tolist()
        for name in (EACH_CALL, EACH_ROW)
    }
    milliseconds = {name: 1000 * float(np.median(each)) for name, each in counted.items()}
    found = {"milliseconds": milliseconds, "ratios": ratios, "limit": {f"{ONCE} ÷ {EACH_ROW}": LIMIT}}
    write_json(options.json, begun | found)
    print_table("a chunk", ("ms, median",), [(name, f"{each:.2f}") for name, each in milliseconds.items()])
    rows = [(name, " / ".join(f"{value:.3f}" for value in each)) for name, each in ratios.items()]
    print_table("ratio", ("10 % / median / 90 %",), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
