"""Where a network looks: how much of their attention the tokens of a chunk give to each token of the observation.

The means of many layers and heads are a picture, not a proof: what a token holds has been mixed with others by the layers
before (Jain & Wallace, arXiv 1902.10186).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from lerobot_dp_plus.notation import Tokens

#: By kind of token, (B, S): shares of attention, which add up to at most 1 over all kinds.
type Looks = Mapping[str, Tensor]


@runtime_checkable
class Looking(Protocol):
    """A network whose tokens of actions attend to those of the observation."""

    def looks(self, x_t: Tensor, time: Tensor, observation: Sequence[Tokens]) -> Looks:
        """Shares of attention in one call, with chunks x_t (B, H, A) and network times (B,), as means over layers and heads.

        What is left of 1 is what tokens of actions give to each other, where one attention sees both.
        """


@contextmanager
def noted(modules: Iterable[nn.Module]) -> Iterator[list[Tensor]]:
    """Inside, what these modules give, in the order of their calls."""
    found: list[Tensor] = []
    handles = [module.register_forward_hook(lambda module, given, out: found.append(out)) for module in modules]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def by_kind(layers: Sequence[Tensor], spans: Sequence[Tokens]) -> Looks:
    """Weights (B, heads, L, S) of every layer, S the tokens of all `spans` in their order -> means by kind."""
    mean = sum(layer.mean((1, 2)) for layer in layers) / len(layers)  # (B, S)
    sizes = [span.values.shape[1] for span in spans]
    return {span.kind: each for span, each in zip(spans, mean.split(sizes, 1), strict=True)}  # type: ignore[union-attr]
