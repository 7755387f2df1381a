"""The loopback Hub of tests/hub, here too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "hub"))

from hub_fixtures import hub, no_connections, online

__all__ = ["hub", "no_connections", "online"]
