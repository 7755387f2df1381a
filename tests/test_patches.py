"""The table of patches: it is complete, true of the installed LeRobot, and each row is still needed."""

import ast
import importlib
import importlib.metadata
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import draccus
import pytest
from draccus import argparsing
from draccus.wrappers.docstring import get_attribute_docstring
from huggingface_hub.errors import HFValidationError
from lerobot.common import train_utils
from lerobot.configs import PreTrainedConfig
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import factory
from lerobot.policies import make_policy_config
from lerobot.processor import PolicyProcessorPipeline
from packaging.specifiers import SpecifierSet

from lerobot_dp_plus import patches
from lerobot_dp_plus.patches import PATCHES, Patch
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.host_data import run_of
from lerobot_dp_plus.policies.processor_dp_plus import NumbersProcessorStep
from lerobot_dp_plus.selection import First

PACKAGE = Path(patches.__file__).parent
OLD = Path(__file__).parent / "checkpoints" / "format_1" / "dp_plus_flow"
IN_PLACE = [patch for patch in PATCHES if patch.answer]
NOWHERE = "outputs/train/run/of/nobody"

patches.install()


def found(patch: Patch) -> list[object]:
    """What the modules of a patch have under its name."""
    *above, name = patch.name.split(".")
    owners = []
    for module in patch.modules:
        if importlib.util.find_spec(module) is not None:
            owner = importlib.import_module(module)
            for each in above:
                owner = getattr(owner, each)
            owners.append(owner)
    return [getattr(owner, name) for owner in owners if hasattr(owner, name)]


# What the table says


@pytest.mark.parametrize("patch", IN_PLACE, ids=lambda patch: patch.name)
def test_a_row_is_true_of_the_installed_lerobot(patch):
    installed = SpecifierSet(patch.versions.split(" (")[0]).contains(importlib.metadata.version("lerobot"))
    if patch.name == "make_policy":  # the old one of that name has no weights to wait for
        taken = any(set(patch.takes) <= set(inspect.signature(each).parameters) for each in found(patch))
        assert taken == installed
    else:
        assert bool(found(patch)) == installed
    for each in found(patch) if installed else ():
        assert hasattr(each, "stock"), f"{patch.name} is not in place"


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_row_says_what_it_is_for(patch):
    assert len(patch.why) > 10 and patch.versions.startswith((">=", ">"))
    assert bool(patch.answer) == bool(patch.lost)
    if patch.answer:
        module, _, function = patch.answer.partition(":")
        assert getattr(importlib.import_module(module), function).__doc__


def test_installing_again_changes_nothing():
    before = [found(patch) for patch in IN_PLACE]
    patches.install()
    after = [found(patch) for patch in IN_PLACE]
    # A class method is bound anew each time it is asked for.
    assert [[getattr(each, "__func__", each) for each in row] for row in before] == [
        [getattr(each, "__func__", each) for each in row] for row in after
    ]


def test_what_is_replaced_for_a_while_is_in_the_table_and_put_back():
    owner = SimpleNamespace(pformat="theirs", dumps="theirs")
    with pytest.raises(ZeroDivisionError), patches.replaced(owner, "pformat", "ours"):
        assert owner.pformat == "ours"
        raise ZeroDivisionError
    assert owner.pformat == "theirs"
    refused = pytest.raises(KeyError, match=r"dumps is no patch of the table; it has .*pformat")
    with refused, patches.replaced(owner, "dumps", "ours"):
        pass
    assert owner.dumps == "theirs"


# The table is complete


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", None), getattr(node.func, "attr", None)):
            yield node


def replaces(source: str) -> list[str]:
    """Lines in which a module sets an attribute of what it imports from LeRobot or draccus, or of what it is given."""
    tree = ast.parse(source)
    theirs = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if (getattr(node, "module", None) or alias.name).split(".")[0] in ("lerobot", "draccus")
    }
    targets = [
        target
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for each in node.targets
        for target in ([each, *each.elts] if isinstance(each, ast.Tuple) else [each])
    ]
    return [
        *(
            ast.unparse(each)
            for each in targets
            if isinstance(each, ast.Attribute) and ast.unparse(each).split(".")[0] in theirs | {"script"}
        ),
        *(ast.unparse(each) for each in calls(tree, "setattr") if not ast.unparse(each.func).startswith("object.")),
        *(ast.unparse(each) for each in calls(tree, "object") if ast.unparse(each.func).startswith("patch.")),
    ]


def test_nothing_else_in_the_package_replaces_a_function_of_lerobots():
    elsewhere = {
        "setattr(config, _NOTE, run)",  # notes on a config of ours
        "setattr(config, _NOTE, dict(told))",
        "setattr(config, _NOTE, subtasks)",
        "setattr(config, name, met)",  # a member of a config of ours that has met its data
        "setattr(config, _NOTE, dict(statistics))",
        "setattr(config, _WHOLE, config.output_features)",
        "setattr(self, name, found[name])",  # fields of a config of ours that follow the data's rate
        "setattr(config, name, value)",  # fields of a policy of ours, while it is steered or explained
        "setattr(policy.config, name, value)",
        "setattr(namespace, self.dest, values)",  # argparse's
        "setattr(self.policy.config, name, value)",
        "setattr(part, name, value)",  # a part of a MuJoCo model
        "setattr(part, name, before[name])",
        "patch.object(bars, '__init__', __init__)",  # tqdm's
        "patch.object(sys, 'argv', [f'lerobot {name}', *arguments])",
        "patch.object(sys, 'argv', ['lerobot eval', *arguments])",
    }
    for file in PACKAGE.rglob("*.py"):
        if file.name not in ("patches.py", "host_hooks.py"):
            strangers = [line for line in replaces(file.read_text()) if line not in elsewhere]
            assert not strangers, f"{file.relative_to(PACKAGE)}: {strangers}"


@pytest.mark.parametrize(
    "source",
    [
        "from lerobot.configs import parser\nparser.wrap = mine",
        "import lerobot.envs as envs\nenvs.make, envs.other = 1, 2",
        "import draccus\ndraccus.parse = mine",
        "def run(script):\n    script.make_policy = mine",
        "setattr(factory, 'make', mine)",
        "with patch.object(factory, 'make', mine):\n    pass",
    ],
)
def test_the_search_sees_a_patch(source):
    assert len(replaces(source)) >= 1


def test_every_row_that_holds_for_a_while_is_used():
    used = {
        call.args[1].value
        for file in PACKAGE.rglob("*.py")
        for call in calls(ast.parse(file.read_text()), "replaced")
        if isinstance(call.args[1], ast.Constant)
    }
    assert used == {patch.name.rpartition(".")[2] for patch in PATCHES if not patch.answer}


# Each is still needed: the stock function still does what is mended. Where one of these fails, a patch can go.


def test_needed_a_flag_that_chooses_another_member(tmp_path):
    usual = {"horizon": 16, "selection": {"type": "coherent", "decay": 0.7}}
    (tmp_path / "config.json").write_text(json.dumps(usual))
    kind = PreTrainedConfig.get_choice_class("dp_plus_flow")

    def parsed(read) -> DpPlusConfig:
        with draccus.config_type("json"):
            parser = argparsing.ArgumentParser(kind, tmp_path / "config.json", exit_on_error=False)
            return read(parser, ["--selection.type=first"], is_parse_args=True)[0]

    with pytest.raises(Exception, match="`decay` are not valid"):
        parsed(argparsing.ArgumentParser.parse_known_args.stock)
    assert parsed(argparsing.ArgumentParser.parse_known_args).selection == First()


def stock_of(method):
    """LeRobot's own of a class method that is patched."""
    return classmethod(method.__func__.stock).__get__(None, method.__self__)


@pytest.mark.parametrize(
    ("ours", "stock"),
    [
        (PreTrainedConfig.from_pretrained, stock_of(PreTrainedConfig.from_pretrained)),
        (TrainPipelineConfig.from_pretrained, stock_of(TrainPipelineConfig.from_pretrained)),
        (
            lambda name: train_utils.resolve_resume_checkpoint(name, Path("run")),
            lambda name: train_utils.resolve_resume_checkpoint.stock(name, Path("run")),
        ),
    ],
    ids=["PreTrainedConfig", "TrainPipelineConfig", "resolve_resume_checkpoint"],
)
def test_needed_a_checkpoint_that_is_not_there_is_explained(ours, stock):
    with pytest.raises(HFValidationError, match="Repo id must be"):
        stock(NOWHERE)
    with pytest.raises(FileNotFoundError, match="is no folder here and cannot be a Hub repository"):
        ours(NOWHERE)


def test_needed_pipelines_of_older_versions_lack_a_step():
    def steps(read) -> list[type]:
        return [type(step) for step in read(OLD, "policy_preprocessor.json").steps]

    assert NumbersProcessorStep not in steps(stock_of(PolicyProcessorPipeline.from_pretrained))
    assert NumbersProcessorStep in steps(PolicyProcessorPipeline.from_pretrained)


def test_needed_a_policy_hears_of_its_training(tmp_path):
    def heard(validate):
        policy = make_policy_config("dp_plus_flow", device="cpu", push_to_hub=False)
        training = TrainPipelineConfig(
            DatasetConfig("x/y", episodes=[1, 2]), policy=policy, output_dir=tmp_path / "new"
        )
        validate(training)
        return run_of(policy)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["lerobot-train"])
        assert heard(TrainPipelineConfig.validate.stock) is None
        assert heard(TrainPipelineConfig.validate).episodes == [1, 2]


def test_needed_text_has_no_windows_and_pictures_only_those_that_are_used():
    kinds = {"observation.state": "float32", "observation.words": "string", "observation.image": "image"}
    meta = SimpleNamespace(fps=30, features={key: {"dtype": kind} for key, kind in kinds.items()}, stats={})
    policy = make_policy_config("dp_plus_flow", device="cpu", push_to_hub=False)
    stock = factory.resolve_delta_timestamps.stock(policy, meta)
    assert stock["observation.words"] == stock["observation.image"] == [-1 / 30, 0.0]
    ours = factory.resolve_delta_timestamps(policy, meta)
    assert "observation.words" not in ours and ours["observation.state"] == [-3 / 30, 0.0]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *((f"lerobot.scripts.lerobot_{script}", "make_policy") for script in ("train", "eval")),
        *((f"lerobot.scripts.lerobot_{script}", "make_env_pre_post_processors") for script in ("train", "eval")),
        ("lerobot.scripts.lerobot_train", "make_train_eval_datasets"),
        ("lerobot.scripts.lerobot_train", "pformat"),
        ("lerobot.scripts.lerobot_info", "get_package_version"),
        ("lerobot.datasets.utils", "get_repo_versions"),
        ("draccus.wrappers.suppressing_argparse", "SuppressingArgumentParser"),
        ("lerobot.configs.parser", "DecodingError"),
    ],
)
def test_what_is_replaced_for_a_while_is_there(module, name):
    assert hasattr(importlib.import_module(module), name)


# Done without a patch


@pytest.mark.parametrize("kind", ["dp_plus_unet", "dp_plus_transformer", "dp_plus_flow", "dp_plus_dit", "dp_plus_pi0"])
def test_help_reads_as_it_is_written(kind, capsys):
    """Draccus takes the comment above a field, `#:` included, and a per cent sign for a format."""
    config = PreTrainedConfig.get_choice_class(kind)
    with pytest.raises(SystemExit) as left:
        draccus.parse(config, args=["--help"])
    assert left.value.code == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "Actions executed before looking again; not given: half of the horizon." in page
    assert "Whether a token sees only itself and earlier ones." in page
    parts = [
        config,
        *(type(value) for value in vars(config(device="cpu")).values() if draccus.utils.is_choice_type(type(value))),
    ]
    above = [get_attribute_docstring(part, name).comment_above for part in parts for name in part.__dataclass_fields__]
    assert any(above) and not [text for text in above if text.startswith(":") or "\n:" in text]
    beside = [get_attribute_docstring(DpPlusConfig, name).comment_inline for name in DpPlusConfig.__annotations__]
    assert not any(beside), "help takes such a comment for the field's"
