"""The command line: `lerobot …` and its alias `dp-plus …`.

Every script LeRobot ships is a subcommand, run in this process with the plugin registered; a few are ours.

| file           | idea                                                                    |
|----------------|-------------------------------------------------------------------------|
| `entry.py`     | `main`: which subcommand, help, version                                 |
| `arguments.py` | `key=value` → LeRobot's flags; a pure function of the argument list     |
| `host.py`      | LeRobot's scripts: which exist, what we add to train and eval, the call |
| `errors.py`    | one clear message instead of a page of usage or a stack of frames       |

Nothing here imports torch or lerobot before a subcommand asks for it, so that `--help` is immediate.
"""

from lerobot_dp_plus.cli.entry import main

__all__ = ["main"]
