"""The command line: `lerobot …` and its alias `dp-plus …`.

Every script LeRobot ships is a subcommand, run in this process with the plugin registered; a few are ours.

| file             | idea                                                                    |
|------------------|-------------------------------------------------------------------------|
| `entry.py`       | `main`: which subcommand, help, version                                 |
| `commands.py`    | our own subcommands: options described without imports, then what runs  |
| `arguments.py`   | `key=value` → LeRobot's flags                                           |
| `given.py`       | what the user decided: flags, and behind them the config file           |
| `host.py`        | LeRobot's scripts: which exist, what we add to train and eval, the call |
| `environment.py` | what an environment shows the policy, and how many run at once          |
| `sources.py`     | folders and repositories that are not there, refused at once            |
| `quiet.py`       | LeRobot's config dumps and progress bars, in a line                     |
| `errors.py`      | one clear message instead of a page of usage or a stack of frames       |
| `extras.py`      | a package that is not installed: which extra brings it                  |

Nothing here imports torch or lerobot before a subcommand asks for it, so that `--help` is immediate.
"""

from lerobot_dp_plus.cli.entry import main

__all__ = ["main"]
