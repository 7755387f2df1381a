"""What the pages say works: links lead somewhere, commands are understood, Python runs, every member has its place."""

import ast
import dataclasses
import re
import shlex
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import restless
from lerobot.configs import FeatureType, PolicyFeature

import lerobot_policy_dp_plus  # noqa: F401
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.cli import commands, host
from lerobot_dp_plus.cli.arguments import translate
from lerobot_dp_plus.demos.options import DEMOS
from lerobot_dp_plus.encoders import WordNgrams
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusTransformerPolicy
from lerobot_dp_plus.selection import Selection
from lerobot_dp_plus.surprise.calibration import Calibration

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("benchmarks", "configs", "examples", "hub_cards", "scripts")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
AXES = ROOT / "docs" / "axes"
HEADINGS = ["What it is, equation and source", "When to use it", "Fields", "What is logged", "Results"]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://|#", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{name(page)}: {target}"


@pytest.mark.parametrize("page", PAGES[:1], ids=name)
def test_the_main_readme_is_read_in_two_minutes(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert len(lines) <= 150
    wide = [cell for line in lines if line.startswith("|") for cell in line.split("|") if len(cell.strip()) > 60]
    assert not wide


def told(page: Path) -> Iterator[list[str]]:
    """The commands of this package that a page tells, as words."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words and words[0] in ("dp-plus", "lerobot"):
                words = [re.sub(r"\bDIR\b", "hub_cards/pusht_state", word) for word in words[1:]]
                yield [word for word in words if word not in ("...", "…")]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_understood(page: Path) -> None:
    """Subcommands are there, and those of ours know every option that is not one of LeRobot's."""
    for command, *arguments in told(page):
        if command in host.scripts():
            continue
        assert command in commands.OURS, f"{name(page)}: {command}"
        ours = commands.OURS[command]
        if isinstance(ours, commands.Demos):
            task, *arguments = arguments
            parser, runs_host = DEMOS[task][0](), False
        else:
            parser, runs_host = commands._called(ours.parser)(), ours.runs_host
        try:
            _, rest = parser.parse_known_args(translate(arguments) if runs_host else arguments)
        except SystemExit:
            raise AssertionError(f"{name(page)}: dp-plus {command} {' '.join(arguments)}") from None
        strange = [each for each in rest if not (runs_host and "=" in each)]
        assert not strange, f"{name(page)}: dp-plus {command} does not know {strange}"


@pytest.fixture(scope="module")
def scope(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the pages' Python takes for granted: a policy at work, and the thresholds of its calibration."""
    loaded = load_policy("hub_cards/pusht_state")
    seen = {"agent_pos": np.full((1, 2), 200.0), "environment_state": np.linspace(100, 300, 16)[None]}
    calibrated = tmp_path_factory.mktemp("calibrated")
    Calibration("distance", 0.05, "run", 1e9, None, 39, settings=loaded.policy.settings()).save(calibrated)
    inputs = {
        "observation.state": PolicyFeature(FeatureType.STATE, (2,)),
        "observation.environment_state": PolicyFeature(FeatureType.ENV, (16,)),
    }
    reads = restless(tmp_path_factory.mktemp("reads"), inputs, 2, 0.1, words=WordNgrams(dim=8))
    observation = {"observation.state": seen["agent_pos"], "observation.environment_state": seen["environment_state"]}
    return {
        "policy": loaded.policy,
        "preprocess": loaded.preprocess,
        "postprocess": loaded.postprocess,
        "checkpoint": "hub_cards/pusht_state",
        "batch": loaded.preprocess({key: np_tensor(value) for key, value in observation.items()}),
        "observation": {key: np_tensor(value) for key, value in observation.items()},
        "calibrated": calibrated,
        "checkpoint_that_reads": reads,
    }


def np_tensor(value: np.ndarray) -> Any:
    import torch

    return torch.as_tensor(value, dtype=torch.float32)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_runs(page: Path, scope: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    scope["policy"].reset()
    before = set(Selection.get_known_choices())
    try:
        for block in blocks(page, "python"):
            used = dict(scope)
            exec(compile(block, name(page), "exec"), used)
        if page.stem == "own_members":
            policy = load_policy("hub_cards/pusht_state", selection={"type": "shortest", "num_candidates": 4}).policy
            policy.select_action(scope["batch"])
            assert type(policy.config.selection) is used["Shortest"]
    finally:  # what a page adds goes again
        for each in set(Selection.get_known_choices()) - before:
            del Selection._choice_registry[each]


def axes() -> dict[str, list[str]]:
    """The dotted classes of all members of every axis of the config, by its field."""
    config = DpPlusTransformerPolicy.config_class
    hints = typing.get_type_hints(config)
    found = {}
    for field in dataclasses.fields(config):
        registry = hints[field.name]
        if field.default is not dataclasses.MISSING and not dataclasses.is_dataclass(field.default):
            continue
        if hasattr(registry, "get_known_choices") and registry.__module__.startswith("lerobot_dp_plus"):
            members = registry.get_known_choices().values()
            found[field.name] = [
                f"{member.__module__}.{member.__name__}"
                for member in members
                if member.__module__.startswith("lerobot_dp_plus")
            ]
    return found


@pytest.mark.parametrize("axis", sorted(axes()))
def test_every_member_is_on_the_page_of_its_axis(axis: str) -> None:
    page = (AXES / f"{axis}.md").read_text()
    missing = [member for member in axes()[axis] if f"::: {member}\n" not in page]
    assert not missing
    assert re.findall(r"^## (.*)$", page, re.M) == HEADINGS
    assert f"({axis}.md)" in (AXES / "README.md").read_text()


def test_the_axes_are_all_there() -> None:
    assert {"network", "objective", "sampler", "selection", "guidance", "dynamics", "image_encoder"} <= set(axes())
    assert {page.stem for page in AXES.glob("*.md")} >= {*axes(), "README", "energies", "ema", "likelihood"}


def test_pages_are_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in sorted((ROOT / "docs").rglob("*.md")):
        assert str(page.relative_to(ROOT / "docs")) in navigation, name(page)


def test_tables_have_as_many_cells_in_every_row() -> None:
    """A bar within a cell would begin another one."""
    texts = {name(page): page.read_text() for page in PAGES}
    for file in sorted((ROOT / "lerobot_dp_plus").rglob("__init__.py")):
        texts[name(file)] = ast.get_docstring(ast.parse(file.read_text())) or ""
    for where, text in texts.items():
        for table in re.findall(r"(?:^\|.*\|\n?)+", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M):
            counts = {len(re.findall(r"(?<!\\)\|", row)) for row in table.strip().splitlines()}
            assert len(counts) == 1, f"{where}: {table}"
