"""`--help` and a bare subcommand: an answer before anything heavy is imported."""

import subprocess
import sys

import pytest

from lerobot_dp_plus.cli import entry
from lerobot_dp_plus.cli.commands import OURS, Command
from lerobot_dp_plus.demos import options as demos

COMMANDS = [[name] for name in OURS] + [["demos", task] for task in demos.DEMOS]
#: They need no argument.
BARE = (["demo"], ["serve"])
FORMATS = [["convert", name] for name in ("zarr", "pusht-npz", "aloha-hdf5", "robomimic")]
HEAVY = ("torch", "lerobot", "matplotlib", "datasets", "numpy", "huggingface_hub", "draccus")


def test_nothing_heavy_is_imported_for_help() -> None:
    """Every page of help and every refusal of an empty command line, in one fresh interpreter."""
    # Those that need no argument would begin; only their help is asked for.
    asked = [[*command, *more] for command in [[], *COMMANDS, *FORMATS] for more in (["--help"], [])]
    asked = [*(each for each in asked if each not in BARE), ["--version"]]
    code = f"""
import sys
from lerobot_dp_plus.cli import main
for command in {asked}:
    try:
        main(command)
    except SystemExit:
        pass
    found = [name for name in {HEAVY} if name in sys.modules]
    assert not found, (command, found)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("command", [*COMMANDS, *FORMATS], ids=" ".join)
def test_help_has_examples_defaults_and_a_word_for_every_option(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        entry.main([*command, "--help"])
    page = capsys.readouterr().out
    assert left.value.code == 0
    assert "\nexample" in page and f"\n  dp-plus {command[0]} " in page
    assert "(default: None)" not in page and "(default: False)" not in page and "default: []" not in page


def test_defaults_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for command, default in [
        (["evaluate"], "(default: 100000)"),
        (["demo"], "(default: outputs/demo)"),
        (["average"], "(default: 3)"),
        (["import-lerobot"], "(default: 1e-05)"),
        (["demos", "aloha"], "(default: 480x640)"),
        (["convert", "aloha-hdf5"], "(default: 50)"),
    ]:
        with pytest.raises(SystemExit):
            entry.main([*command, "--help"])
        assert default in " ".join(capsys.readouterr().out.split()), command


@pytest.mark.parametrize("command", [*(each for each in COMMANDS if each not in BARE), *FORMATS], ids=" ".join)
def test_an_empty_command_line_is_a_short_usage_error(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        entry.main(command)
    said = capsys.readouterr().err
    assert left.value.code == 2 and "error: the following arguments are required" in said
    assert "Traceback" not in said


def test_every_option_is_explained() -> None:
    import importlib

    for name, command in OURS.items():
        if isinstance(command, Command):
            module, _, function = command.parser.partition(":")
            parser = getattr(importlib.import_module(f"lerobot_dp_plus.{module}"), function)()
            assert all(action.help for action in parser._actions), name
    for build, _ in demos.DEMOS.values():
        assert all(action.help for action in build()._actions), build


def test_choices_are_those_of_the_code_they_stand_for() -> None:
    from lerobot_dp_plus.demos import aloha_episodes, convert_options
    from lerobot_dp_plus.demos.converters import aloha_hdf5
    from lerobot_dp_plus.environments import aloha_physics, aloha_render

    assert demos.ALOHA_TASKS == aloha_physics.TASKS
    assert demos.ALOHA_CAMERAS == aloha_episodes.CAMERAS
    assert demos.ALOHA_LOOKS == aloha_render.LOOKS
    assert convert_options.ALOHA_FPS == aloha_hdf5.FPS


def test_an_unknown_task_of_demos_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["demos", "alhoa"]) == 2
    assert "Did you mean 'aloha'?" in capsys.readouterr().err
