"""Feeding a training from memory: what LeRobot's loader gives, bit for bit, without its time per sample.

| file | question it answers |
|---|---|
| `columns.py` | how does a column of the parquet table become one tensor? |
| `frames.py` | how do all images of a camera become uint8 tensors, and how large are they? |
| `sizes.py` | at which size is each camera held, so that the policy sees what it sees in use? |
| `refusing.py` | which datasets cannot be held exactly? |
| `disk.py` | where are frames kept that exceed memory, and how are they found again? |
| `features.py` | can what a frozen image encoder sees of a frame be kept, and how much of it? |
| `memory.py` | how are windows gathered, and how does a batch pass the DataLoader's collate? |
| `mixture.py`, `agreeing.py` | how are the datasets of several robots drawn from as one; do they agree? |
| `install.py` | how does `lerobot-train` come to use it, for as long as a context is open? |

A dataset that cannot be held exactly, or neither in memory nor on the disk, stays with LeRobot's loader, and the log
says why.
"""

from lerobot_dp_plus.loading.columns import NotInMemory
from lerobot_dp_plus.loading.disk import FrameCache, default_cache_dir
from lerobot_dp_plus.loading.install import DEFAULT_LIMIT_BYTES, fast_loading
from lerobot_dp_plus.loading.memory import MemoryDataset

__all__ = [
    "DEFAULT_LIMIT_BYTES",
    "FrameCache",
    "MemoryDataset",
    "NotInMemory",
    "default_cache_dir",
    "fast_loading",
]
