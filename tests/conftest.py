"""For every test: no network, no file outside a temporary folder, no window, two threads or one of each of several workers."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before anything imports huggingface_hub, which reads these once.
_HOME = Path(tempfile.mkdtemp(prefix="dp_plus_tests_"))
os.environ |= {
    "HF_HOME": str(_HOME / "huggingface"),
    "HF_LEROBOT_HOME": str(_HOME / "lerobot"),
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "Agg",
    "SDL_VIDEODRIVER": "dummy",
}

# MuJoCo chooses its window system when it is imported, by whichever test comes first. Without a screen it finds none itself.
if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("MUJOCO_GL", "egl")

# Workers share the cores, whatever they inherit from the process that starts them. Programs that tests start inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")

import pytest  # noqa: E402
import quick_help  # noqa: E402
import torch  # noqa: E402
from browsers import browser  # noqa: E402, F401  (a fixture)

from lerobot_dp_plus.cli.quiet import hold_back_torchcodec  # noqa: E402

THREADS = int(os.environ["OMP_NUM_THREADS"])
torch.set_num_threads(THREADS)
hold_back_torchcodec()
quick_help.remember()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes what the tests left behind."""
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _threads_of_its_own() -> Iterator[None]:
    """What a command sets in this process does not slow or change those that follow."""
    yield
    torch.set_num_threads(THREADS)
    if "av" in sys.modules:  # LeRobot leaves libav telling everything when it has written a video
        sys.modules["av"].logging.set_libav_level(sys.modules["av"].logging.ERROR)


@pytest.fixture(autouse=True)
def _precision_of_its_own() -> Iterator[None]:
    """A training in this process settles its precision for all that follow: accelerate refuses another one later."""
    yield
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state(reset_partial_state=True)
