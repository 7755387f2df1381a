"""LeRobot's own scripts, called in this process.

What we add, each only when neither the command line nor the config file decides it:

- `train`: `--policy.push_to_hub=false` without a `policy.repo_id` (LeRobot would refuse to start);
- `train`: frames from memory instead of one by one (`--fast_loading=false` turns it off), or, beyond
  `--memory_limit_gb`, decoded once into `--cache_dir` if one is given; and then
  `--num_workers=0` for what is held in memory (LeRobot spawns four workers for half a minute), which for pictures only
  the loader knows;
- `train`: `--policy.ema.enabled=false` when `--ema.enable=true` asks a newer LeRobot to average: never twice. Both asked
  for, here or in `lerobot-train`, is refused by `policies/host_training.py`;
- `train`, `eval` on PushT and aloha_lite: `--eval.use_async_envs=false` (LeRobot's default cannot run several);
- `train`, `eval`: `--env.obs_type` and `--eval.batch_size`, see `environment.py`;
- `train` on a CPU: `--policy.dtype=float32` where the config file names a half precision that the processor only imitates,
  which would take tens of times as long. A precision on the command line is kept;
- a `--dataset.repo_id`, which LeRobot wants, for a `--dataset.root` that comes without.

What is not there is refused before LeRobot is imported (`sources.py`), and it prints less (`quiet.py`).
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from lerobot_dp_plus.cli import arguments as args
from lerobot_dp_plus.cli.environment import environment_defaults
from lerobot_dp_plus.cli.errors import plain_parsing, say
from lerobot_dp_plus.cli.given import Given
from lerobot_dp_plus.cli.quiet import hold_back_torchcodec, quiet
from lerobot_dp_plus.cli.sources import refuse_missing
from lerobot_dp_plus.evaluation.obs_type import dataset_has_pictures
from lerobot_dp_plus.patches import install, replaced
from lerobot_dp_plus.policies.folders import local_name

PREFIX = "lerobot_"
DEFAULT_MEMORY_GB = 6.0
#: What LeRobot's own page of help does not know.
OWN_FLAGS = {
    "train": f"""Options of this package (LeRobot's follow)
  policy=TYPE_OR_DIR dataset=DIR_OR_REPO env=TYPE   short for --policy.type or .path, --dataset.root or .repo_id, --env.type
  fast_loading=true         read the data from memory where that gives the same batches
  memory_limit_gb={DEFAULT_MEMORY_GB:g}         most memory that takes
  cache_dir=DIR             keep decoded frames beyond that on this disk
  show_config=false         print the whole configuration first
example: lerobot train policy=dp_plus_flow dataset=data/mine steps=20000
""",
    "eval": """Options of this package (LeRobot's follow)
  policy=DIR_OR_REPO env=TYPE   short for --policy.path, --env.type; env.obs_type and eval.batch_size follow from them
  show_config=false             print the whole configuration first
example: lerobot eval policy=outputs/demo/train env=pusht eval.n_episodes=50
""",
}


def scripts() -> list[str]:
    """Subcommands LeRobot ships, hyphenated, found without importing it."""
    spec = importlib.util.find_spec("lerobot")
    folders = [Path(folder) / "scripts" for folder in (spec.submodule_search_locations or [])] if spec else []
    stems = {path.stem for folder in folders for path in folder.glob(f"{PREFIX}*.py")}
    return sorted(stem.removeprefix(PREFIX).replace("_", "-") for stem in stems)


def run(name: str, arguments: list[str]) -> None:
    """Runs LeRobot's script `name` with `arguments` (any form `translate` knows), in this process.

    Raises:
        UsageError, ValueError, …: whatever the script raises, parsing errors with their reason.
    """
    arguments = args.own_config(args.translate(arguments))
    asks_for_help = any(argument in ("-h", "--help") for argument in arguments)
    loading = None
    show_config, arguments = args.pop_bool(arguments, "show_config", default=False)
    if name == "train":
        enabled, arguments = args.pop_bool(arguments, "fast_loading", default=True)
        gigabytes, arguments = args.pop_positive(arguments, "memory_limit_gb", default=DEFAULT_MEMORY_GB)
        cache, arguments = args.value_of(arguments, "cache_dir"), args.without(arguments, "cache_dir")
        loading = (enabled, int(gigabytes * 1024**3), cache)
    if not asks_for_help:
        refuse_missing(name, Given.read(arguments))
    if name in ("train", "eval") and not asks_for_help:
        added = defaults(name, arguments, from_memory=loading is not None and loading[0])
        arguments = [*arguments, *added]
        if added:
            say(f"note: {name} runs with {' '.join(added)} (not set on the command line or in the config)")
    hold_back_torchcodec()
    script = importlib.import_module(f"lerobot.scripts.{PREFIX}{name.replace('-', '_')}")
    importlib.import_module("lerobot_policy_dp_plus")
    install()  # again, now that LeRobot's training is imported: what is not there cannot be patched
    if asks_for_help:
        print(OWN_FLAGS.get(name, ""), end="")
        if not any(hasattr(script, each) for each in ("argparse", "parser", "draccus")):
            print((script.__doc__ or f"{name} takes no options.").strip())
            return
    with ExitStack() as stack:
        stack.enter_context(quiet(script, show_config))
        if loading is not None:
            from lerobot_dp_plus.loading.install import fast_loading

            asked = Given.read(arguments).get("num_workers") is not None
            cached = Path(loading[2]) if loading[2] else None
            stack.enter_context(fast_loading(loading[0], loading[1], cached, workers_asked=asked))
        if name == "train" and hasattr(script, "make_train_eval_datasets"):
            from lerobot_dp_plus.doctor.training import told

            stack.enter_context(told(script))
        if name in ("train", "eval"):
            from lerobot_dp_plus.policies.environment_check import checked_environments

            stack.enter_context(checked_environments(script))
        stack.enter_context(plain_parsing())
        stack.enter_context(quick_questions())
        stack.enter_context(patch.object(sys, "argv", [f"lerobot {name}", *arguments]))
        script.main()


def defaults(name: str, arguments: list[str], from_memory: bool = False) -> list[str]:
    """What we add to `arguments` for script `name` (module docstring)."""
    given = Given.read(arguments)

    def is_open(key: str) -> bool:
        return given.get(key) is None

    added = []
    has_policy = args.mentions(arguments, "policy") or not is_open("policy")
    if name == "train" and has_policy and is_open("policy.push_to_hub") and is_open("policy.repo_id"):
        added.append("--policy.push_to_hub=false")
    info = given.dataset_info() if from_memory and is_open("num_workers") else None
    if info is not None and not dataset_has_pictures(info):
        # On this disk and without images, the data fit in memory, and workers only cost time.
        added.append("--num_workers=0")
    averages_ours = str(given.get("policy.type")).startswith("dp_plus_") and is_open("policy.ema.enabled")
    if name == "train" and str(given.get("ema.enable")).lower() == "true" and averages_ours:
        added.append("--policy.ema.enabled=false")
    if given.get("env.type") in ("pusht", "aloha_lite") and is_open("eval.use_async_envs"):
        added.append("--eval.use_async_envs=false")
    if name == "train" and imitates_precision(given):
        added.append("--policy.dtype=float32")
    added += environment_defaults(given)
    root = given.get("dataset.root")
    if name == "train" and root is not None and is_open("dataset.repo_id"):
        added.append(f"--dataset.repo_id={local_name(str(root))}")
    return added


def imitates_precision(given: Given) -> bool:
    """Whether this CPU only imitates the precision that the config file names; False where the command line names one."""
    named = given.get("policy.dtype")
    told = any(args.value_of(given.arguments, f"policy.{key}") is not None for key in ("dtype", "use_amp"))
    if told or named in (None, "float32"):
        return False
    import torch

    from lerobot_dp_plus.policies.precision import emulated

    device = given.get("policy.device") or ("cuda" if torch.cuda.is_available() else "cpu")
    return device == "cpu" and emulated(str(named), "cpu")


@contextmanager
def quick_questions() -> Iterator[None]:
    """While open, LeRobot asks the Hub about a dataset without waiting, and hears in one line why it is not there."""
    datasets = sys.modules.get("lerobot.datasets.utils")
    if datasets is None:
        yield
        return
    from lerobot_dp_plus.hub.dataset_lookup import asking

    with replaced(datasets, "get_repo_versions", asking(datasets.get_repo_versions)):
        yield
