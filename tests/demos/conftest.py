"""Nothing in these tests may reach the network or the user's caches."""

import os
import tempfile

_home = tempfile.mkdtemp(prefix="dp-plus-tests-")
os.environ.setdefault("HF_HOME", _home)
os.environ.setdefault("HF_LEROBOT_HOME", os.path.join(_home, "lerobot"))
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
