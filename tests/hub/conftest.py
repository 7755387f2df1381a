"""The loopback Hub for the tests in this folder."""

from hub_fixtures import hub, no_connections, online

__all__ = ["hub", "no_connections", "online"]
