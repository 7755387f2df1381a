"""The loopback Hub and folders to upload, for the tests in this folder."""

from hub_fixtures import hub, no_connections, online
from uploads import new, old

__all__ = ["hub", "new", "no_connections", "old", "online"]
