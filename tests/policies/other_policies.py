"""What LeRobot does for other policies, as JSON: run twice, with and without this package, it must print the same.

    python other_policies.py FOLDER [with us]

FOLDER is empty at first; both runs read the same files in it.
"""

import contextlib
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import draccus
import quick_help
from draccus.argparsing import ArgumentParser
from lerobot.common import train_utils  # noqa: F401  (patched where it is imported)
from lerobot.configs import PreTrainedConfig, parser
from lerobot.configs.eval import EvalPipelineConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import factory
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.processor import DataProcessorPipeline, PolicyProcessorPipeline

quick_help.remember()

OURS = re.compile(r"'?dp_plus_\w+'?(, ?)?|'?(?:aloha_lite|blocks|metaworld_lite|three_pucks)'?(, ?)?")


def said(run: Callable[[], Any]) -> dict[str, Any]:
    """What `run` gives, or the type and text of its exception, with what it prints."""
    out, err, found = io.StringIO(), io.StringIO(), {}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            made = run()
            found["made"] = draccus.encode(made) if hasattr(made, "__dataclass_fields__") else repr(made)
        except BaseException as error:
            found |= {
                "raised": type(error).__qualname__,
                "text": str(error),
                "cause": type(error.__cause__).__qualname__,
            }
    found |= {"out": out.getvalue(), "err": err.getvalue()[-3000:] if "usage" not in err.getvalue() else last(err)}
    return json.loads(json.dumps(found, default=str))


def last(stream: io.StringIO) -> str:
    """The line of the error; the usage before it lists the flags of every type there is."""
    return stream.getvalue().strip().splitlines()[-1]


def script(config: type, *flags: str) -> Any:
    """The config that a script of LeRobot's gets from such a command line."""
    found = []

    def main(cfg: Any) -> None:
        found.append(cfg)

    main.__annotations__["cfg"] = config
    sys.argv = ["lerobot", *flags]
    parser.wrap()(main)()
    return found[0]


def train(*flags: str) -> Any:
    return script(TrainPipelineConfig, "--dataset.repo_id=x/y", *flags)


def evaluate(*flags: str) -> Any:
    return script(EvalPipelineConfig, "--env.type=pusht", "--output_dir=somewhere", *flags)


def files(folder: Path) -> dict[str, str]:
    """A checkpoint of ACT, one that is spoilt, one without a config, a pipeline and two training configs."""
    made = ACTConfig(device="cpu", push_to_hub=False, chunk_size=20, n_action_steps=20)
    for name in ("act", "spoilt", "empty", "broken"):
        (folder / name).mkdir(exist_ok=True)
    made._save_pretrained(folder / "act")
    DataProcessorPipeline(steps=[], name="policy_preprocessor").save_pretrained(folder / "act")
    saved = json.loads((folder / "act" / "config.json").read_text())
    (folder / "spoilt" / "config.json").write_text(json.dumps({**saved, "telepathy": 1}))
    (folder / "broken" / "config.json").write_text(json.dumps({**saved, "n_action_steps": 200}))
    training = {
        "dataset": {"repo_id": "x/y"},
        "policy": saved,
        "optimizer": {"type": "sgd", "momentum": 0.5},
        "foresight": 1,
    }
    (folder / "wrong.json").write_text(json.dumps(training))
    training.pop("foresight")
    (folder / "train.json").write_text(json.dumps(training))
    return {
        name: str(folder / name) for name in ("act", "spoilt", "empty", "broken", "wrong.json", "train.json", "none")
    }


def windows(config: Any) -> Any:
    features = {key: {"dtype": kind} for key, kind in (("observation.image", "image"), ("observation.words", "string"))}
    meta = SimpleNamespace(fps=10, features={**features, "action": {"dtype": "float32"}}, stats=None)
    return factory.resolve_delta_timestamps(config, meta)


def probes(at: dict[str, str]) -> dict[str, Callable[[], Any]]:
    act, file = "--policy.type=act", f"--config_path={at['train.json']}"
    switched = [
        "--policy.chunk_size=50",
        "--policy.n_action_steps=10",
        "--policy.device=cpu",
        "--policy.push_to_hub=false",
    ]
    return {
        # The command line
        "flags": lambda: train(act, *switched),
        "a wrong value": lambda: train(act, *switched, "--policy.chunk_size=abc"),
        "null for a number": lambda: train(act, *switched, "--policy.chunk_size=null"),
        "null for a list": lambda: train(act, *switched, "--policy.normalization_mapping=3"),
        "a refused value": lambda: train(act, *switched, "--policy.n_action_steps=200"),
        "a wrong value of the training": lambda: train(act, *switched, "--steps=many"),
        "an unknown flag": lambda: train(act, *switched, "--policy.telepathy=1"),
        "an unknown type": lambda: train("--policy.type=actt"),
        "help": lambda: train(act, "--help"),
        "help of its config": lambda: draccus.parse(ACTConfig, args=["--help"]),
        "help of another": lambda: draccus.parse(DiffusionConfig, args=["-h"]),
        "no policy": lambda: train("--steps=many"),
        # A file
        "file": lambda: train(file),
        "file and flags": lambda: train(file, *switched),
        "file and a wrong value": lambda: train(file, "--policy.chunk_size=abc"),
        "another member": lambda: train(file, "--optimizer.type=adam"),
        "a field that there is not": lambda: train(f"--config_path={at['wrong.json']}"),
        "no file": lambda: draccus.parse(ACTConfig, at["none"], args=[]),
        # A checkpoint
        "checkpoint": lambda: PreTrainedConfig.from_pretrained(at["act"], cli_overrides=["--chunk_size=30"]),
        "its own class": lambda: ACTConfig.from_pretrained(at["act"]),
        "a wrong override": lambda: PreTrainedConfig.from_pretrained(at["act"], cli_overrides=["--chunk_size=abc"]),
        "a spoilt one": lambda: PreTrainedConfig.from_pretrained(at["spoilt"]),
        "a refused one": lambda: PreTrainedConfig.from_pretrained(at["broken"]),
        "no folder": lambda: ACTConfig.from_pretrained(at["none"]),
        "a folder without a config": lambda: ACTConfig.from_pretrained(at["empty"]),
        "no repository": lambda: ACTConfig.from_pretrained("alice/none", local_files_only=True),
        "no folder for the policy": lambda: ACTPolicy.from_pretrained(at["none"]),
        "no config for the policy": lambda: ACTPolicy.from_pretrained(at["empty"]),
        "no repository for the policy": lambda: ACTPolicy.from_pretrained("alice/none"),
        "no weights": lambda: ACTPolicy.from_pretrained(at["act"]),
        "evaluation": lambda: evaluate(f"--policy.path={at['act']}", "--policy.chunk_size=30"),
        "evaluation, a wrong value": lambda: evaluate(f"--policy.path={at['act']}", "--eval.n_episodes=abc"),
        "evaluation, a wrong override": lambda: evaluate(f"--policy.path={at['act']}", "--policy.chunk_size=abc"),
        "evaluation, a refused one": lambda: evaluate(f"--policy.path={at['broken']}"),
        "training on": lambda: train(f"--policy.path={at['act']}", "--policy.chunk_size=30").validate(),
        # A pipeline
        "pipeline": lambda: len(PolicyProcessorPipeline.from_pretrained(at["act"], "policy_preprocessor.json").steps),
        "no pipeline": lambda: PolicyProcessorPipeline.from_pretrained(at["empty"], "policy_preprocessor.json"),
        "no folder for it": lambda: PolicyProcessorPipeline.from_pretrained(at["none"], "policy_preprocessor.json"),
        "no repository for it": lambda: PolicyProcessorPipeline.from_pretrained("alice/none", "p.json"),
        # Data
        "windows": lambda: windows(DiffusionConfig(device="cpu")),
    }


if __name__ == "__main__":
    if len(sys.argv) > 2:
        import lerobot_policy_dp_plus  # noqa: F401
        from lerobot_dp_plus import patches
        from lerobot_dp_plus.policies import modeling_dp_plus  # noqa: F401

        patches.install()
        assert hasattr(ArgumentParser.parse_known_args, "stock")
        assert hasattr(TrainPipelineConfig.validate, "stock")
    found = {name: said(run) for name, run in probes(files(Path(sys.argv[1]))).items()}
    # Which types there are is not the same; the lists of choices are compared without ours.
    text = OURS.sub("", json.dumps(found)).replace(", }", "}").replace(", )", ")").replace(",}", "}")
    print(re.sub(r"/tmp/tmp\w+|0x[0-9a-f]+", "…", text))
