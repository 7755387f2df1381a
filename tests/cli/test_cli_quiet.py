"""LeRobot's long prints, in a line; and a package that is not installed, in another."""

import io
import logging
from pprint import pformat
from types import SimpleNamespace

import pytest
from tqdm import tqdm, trange

from lerobot_dp_plus.cli import entry, host, quiet
from lerobot_dp_plus.cli.extras import extra_with, missing_extra


def test_a_progress_bar_does_not_fill_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_MININTERVAL", raising=False)
    log = io.StringIO()
    with quiet.plain_bars(log):
        for _ in trange(5000, desc="Training"):
            pass
        with tqdm(total=300, desc="rollout", leave=False) as bar:
            for _ in range(300):
                bar.update()
    assert log.getvalue() == "", "shorter than a minute"


def test_longer_work_says_so_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    log = io.StringIO()
    with quiet.plain_bars(log):
        for _ in trange(3, desc="Training", unit="step"):
            pass
    lines = log.getvalue().splitlines()
    assert lines and all(line.startswith("Training: ") for line in lines) and "3/3" in lines[-1]
    assert "\r" not in log.getvalue() and "\x1b" not in log.getvalue() and "" not in lines


def test_a_terminal_keeps_its_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    before, log = vars(tqdm)["__init__"], Terminal()
    with quiet.plain_bars(log):
        for _ in tqdm(range(3), file=log):
            pass
    assert "\r" in log.getvalue() and "3/3" in log.getvalue()
    assert vars(tqdm)["__init__"] is before


def test_a_configuration_is_one_line_and_anything_else_as_it_was() -> None:
    config = {"policy": {"type": "dp_plus_flow", "horizon": 16}, "env": {"type": "pusht"}, "steps": 5, "seed": 1}
    folded = quiet.fold(pformat)
    assert folded(config).count("\n") == 0
    assert "policy dp_plus_flow, env pusht" in folded(config) and "show_config=true" in folded(config)
    assert folded([1, 2]) == pformat([1, 2]) and folded({"a": 1}) == pformat({"a": 1})


def test_the_switch_is_taken_out_and_lets_it_through() -> None:
    script = SimpleNamespace(pformat=pformat)
    with quiet.quiet(script, show_config=True):
        assert script.pformat is pformat
    with quiet.quiet(script):
        assert script.pformat is not pformat
    assert script.pformat is pformat


@pytest.mark.parametrize(("videos", "backend", "said"), [(["observation.image"], "pyav", True), ([], "pyav", False)])
def test_torchcodec_is_missed_only_where_videos_are_read(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, videos: list[str], backend: str, said: bool
) -> None:
    quiet.hold_back_torchcodec()
    logger = logging.getLogger("lerobot.utils.import_utils")
    monkeypatch.setattr(logger, "dp_plus_torchcodec", False)
    caplog.set_level("INFO")
    logger.warning("Could not load libtorchcodec.\n100 lines\n'torchcodec' is installed but cannot be loaded")
    logger.warning("something else")
    assert caplog.messages == ["something else"] and quiet.absent_torchcodec()
    made = (SimpleNamespace(meta=SimpleNamespace(video_keys=videos)), None)
    script = SimpleNamespace(make_train_eval_datasets=lambda cfg: made)
    with quiet.told_of_videos(script):
        assert script.make_train_eval_datasets(SimpleNamespace(dataset=SimpleNamespace(video_backend=backend))) is made
    assert [message for message in caplog.messages if "pyav" in message] == [quiet._NO_TORCHCODEC] * said


def test_lerobot_info_survives_a_package_that_cannot_be_loaded() -> None:
    def version(package: str) -> str:
        raise RuntimeError("Could not load libtorchcodec. Likely causes:\n 1. …")

    assert (
        quiet.loadable(version)("torchcodec") == "N/A (cannot be loaded: Could not load libtorchcodec. Likely causes:)"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ImportError("'pyserial' is required but not installed. Install it with: pip install 'lerobot[hardware]'"),
            "pip install 'lerobot[hardware]'",
        ),
        (
            ModuleNotFoundError("No module named 'serial'", name="serial"),
            "pyserial is not installed: pip install 'lerobot[",
        ),
        (ModuleNotFoundError("No module named 'zarr.abc'", name="zarr.abc"), "'lerobot_policy_dp_plus[convert]'"),
        (ModuleNotFoundError("No module named 'gym_aloha'", name="gym_aloha"), "pip install 'lerobot[aloha]'"),
    ],
)
def test_what_to_install_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: ImportError, said: str
) -> None:
    def broken(name: str, arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(host, "run", broken)
    assert entry.main(["rollout", "--robot.type=so101_follower"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]


def test_a_defect_of_an_import_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ImportError("cannot import name 'x' from 'lerobot_dp_plus.paths'", name="lerobot_dp_plus.paths")
    assert missing_extra(error) is None

    def broken(name: str, arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(host, "run", broken)
    with pytest.raises(ImportError):
        entry.main(["eval", "x=y"])


def test_extras_are_read_from_the_installed_packages() -> None:
    assert extra_with("h5py", "lerobot_policy_dp_plus") == "convert"
    assert extra_with("gym_pusht", "lerobot") == "pusht"
    assert extra_with("no-such-package", "lerobot") is None
    assert extra_with("numpy", "no-such-distribution") is None
