"""`dp-plus serve`: who may reach the policy, and the port."""

import ipaddress
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from lerobot.transport import services_pb2_grpc
from lerobot.transport.utils import grpc_channel_options
from lerobot.utils.utils import init_logging

from lerobot_dp_plus.evaluation.evaluate import policy_switches
from lerobot_dp_plus.serving.options import serve_parser
from lerobot_dp_plus.serving.server import Server

logger = logging.getLogger(__name__)
#: Calls at a time: one that waits for a chunk, one that brings an observation, and those of clients that died.
CALLS = 8


def check_host(host: str, trusts: bool) -> None:
    """Raise a ValueError if other machines reach the address, unless that is wanted."""
    if not trusts and not _is_own(host):
        raise ValueError(
            f"--host={host}: other machines may reach that, and whoever does moves the robot: nobody is asked who he is, and "
            f"nothing is encrypted. Leave it out and come through a tunnel (ssh -L 8080:127.0.0.1:8080 THIS_MACHINE), or say "
            "--trust-network"
        )


def _is_own(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name that may be anybody's


def started(server: Server, host: str, port: int) -> tuple[grpc.Server, int]:
    """A running server and its port, a free one for port 0.

    Raises:
        ValueError: the address cannot be had.
    """
    # Without the last option two servers share a port, and every client gets one or the other.
    options = [*grpc_channel_options(), ("grpc.so_reuseport", 0)]
    made = grpc.server(ThreadPoolExecutor(max_workers=CALLS), options=options)
    services_pb2_grpc.add_AsyncInferenceServicer_to_server(server, made)
    place = f"[{host}]" if ":" in host else host
    try:
        taken = made.add_insecure_port(f"{place}:{port}")
    except RuntimeError as error:
        raise ValueError(f"--host={host} --port={port}: nobody can listen there; is another server running?") from error
    made.start()
    logger.info("serving at %s:%d; Ctrl-C ends", place, taken)
    return made, taken


def main(argv: Sequence[str], run: object = None) -> int:
    """`dp-plus serve [--host 127.0.0.1] [--port 8080] [--fps 30] [--rename-map JSON] [--trust-network] [--policy.…]`."""
    options, extra = serve_parser().parse_known_args(argv)
    if strange := [flag for flag in extra if flag.startswith("--") and not flag.startswith("--policy.")]:
        raise ValueError(f"{' '.join(strange)}: no option of dp-plus serve; --policy.… are those of the policy")
    if not 0 < options.fps < float("inf"):
        raise ValueError(f"--fps={options.fps}: must be above 0")
    if not 0 <= options.port < 65536:
        raise ValueError(f"--port={options.port}: must be 0, which takes a free one, to 65535")
    check_host(options.host, options.trust_network)
    init_logging()
    running, _ = started(Server(options.fps, policy_switches(extra), options.rename_map), options.host, options.port)
    try:
        running.wait_for_termination()
    finally:
        running.stop(grace=1.0).wait()
    return 0
