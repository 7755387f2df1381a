"""The options of `dp-plus serve`. Only the standard library is imported, so that `--help` is immediate."""

import argparse
import json
from typing import Any

from lerobot_dp_plus.options import command

PORT = 8080


def names(text: str) -> dict[str, str]:
    """{"observation.images.top": "observation.image"}, as JSON.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    try:
        read: Any = json.loads(text)
    except json.JSONDecodeError:
        read = None
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise argparse.ArgumentTypeError(
            f'{text!r}: must be names as JSON, \'{{"observation.images.top": "observation.image"}}\''
        )
    return read


def serve_parser() -> argparse.ArgumentParser:
    """`dp-plus serve [--host 127.0.0.1] [--port 8080] [--fps 30] [--rename-map JSON] [--trust-network] [--policy.…]`."""
    parser = command(
        "dp-plus serve",
        "A policy for a robot that asks over a network, in real time: what LeRobot's robot client\n"
        "(python -m lerobot.async_inference.robot_client) connects to. The client names the checkpoint.\n"
        "Switches of the policy may follow.",
        [
            "dp-plus serve --fps 30",
            "dp-plus serve --port 8081 --fps 50 --policy.sampler.num_steps=4 --policy.real_time.type=guided",
        ],
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; by default only this machine reaches it"
    )
    parser.add_argument("--port", type=int, default=PORT, help="port to listen at")
    parser.add_argument(
        "--fps", type=float, default=30.0, help="control steps a second of the robot, as the client's --fps"
    )
    parser.add_argument(
        "--rename-map",
        "--rename_map",
        type=names,
        default={},
        metavar="JSON",
        help="what the policy calls the robot's observations, where that differs",
    )
    parser.add_argument(
        "--trust-network", action="store_true", help="listen at an address that other machines reach, too"
    )
    return parser
