"""The different ends that were seen, kept as they are."""

import torch
from torch import Tensor

#: Rows are looked at anew whenever there are a tenth more.
TENTH = 10


class Known:
    """The first M different rows of those that are shown, in buffers of a module that are called `rows` and `held`.

    A training meets the end of an episode many times, in every window that reaches it and in every epoch. A row that is
    held already, in its first `key` numbers and bit for bit, is not held again. Training shuffles, so the first M are a
    sample. Nothing is drawn at random.

    Args:
        rows: (M, D), filled here from the front.
        held, fitted: how many rows are filled, and how many were when they were last looked at, each () int64.
    """

    def __init__(self, rows: Tensor, held: Tensor, fitted: Tensor, key: int):
        self.rows, self.held, self.fitted, self.key = rows, held, fitted, key

    @torch.no_grad()
    def add(self, shown: Tensor) -> bool:
        """Take in rows (B, D); whether there are enough new ones to look at all of them again."""
        held, shown = int(self.held), shown.to(self.rows)
        keys = shown[:, : self.key]
        again = (keys[:, None] == keys[None]).all(-1).tril(-1).any(1)  # the same as one before it
        known = (self.rows[:held, None, : self.key] == keys[None]).all(-1).any(0)
        new = shown[~(again | known)][: len(self.rows) - held]
        self.rows[held : held + len(new)] = new
        held += len(new)
        self.held.fill_(held)
        ripe = held >= 2 and TENTH * held >= (TENTH + 1) * int(self.fitted)
        if ripe:
            self.fitted.fill_(held)
        return ripe
