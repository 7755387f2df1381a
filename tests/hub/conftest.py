"""The loopback Hub, folders to upload and a checkpoint to load, for the tests in this folder."""

from hub_fixtures import hub, no_connections, online
from loading_hub import impatient, pushed
from uploads import new, old

__all__ = ["hub", "impatient", "new", "no_connections", "old", "online", "pushed"]
