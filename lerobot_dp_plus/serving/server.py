"""The four calls of LeRobot's protocol (`lerobot/transport`), and whose robot it is.

| call | who calls it when |
|---|---|
| `Ready` | a client that starts; whoever was served before is not served any more |
| `SendPolicyInstructions` | once after that: which checkpoint, on which device, and what the robot observes |
| `SendObservations` | at every control step at which the robot has little left to do |
| `GetActions` | again and again: the chunk for the newest observation, or nothing after a while |

What is wrong with an observation is an answer to the call that needed it, so that it stands in the client's log as well. The
next observation is tried anew.
"""

import logging
import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from threading import Condition, Lock
from typing import Any

import grpc
from lerobot.async_inference.helpers import RemotePolicyConfig, TimedAction, TimedObservation
from lerobot.transport import services_pb2, services_pb2_grpc

from lerobot_dp_plus.policies.acting import load_switched
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.serving.robot import Robot
from lerobot_dp_plus.serving.session import Seen, Session
from lerobot_dp_plus.serving.unpickling import read

logger = logging.getLogger(__name__)
#: How long a call for actions waits for an observation, and how often the same complaint is repeated, in seconds.
WAIT_S, REPEAT_S = 2.0, 1.0
Messages: Any = services_pb2  # made by protobuf while it is imported


class Server(services_pb2_grpc.AsyncInferenceServicer):
    """Serves one robot at a time; the newest client has it.

    Args:
        fps: control steps a second.
        switches: of the policy's config, as `load_switched` takes them.
        renamed: what the policy calls the robot's observations, where that differs.
    """

    def __init__(self, fps: float, switches: Sequence[str] = (), renamed: Mapping[str, str] | None = None):
        self._fps, self._switches, self._renamed = fps, list(switches), dict(renamed or {})
        self._news, self._drawing = Condition(), Lock()
        self._peer, self._former = "", set[str]()
        self._session: Session | None = None
        self._fault: str | None = None  # of the newest observation
        self._told, self._told_at, self._silent = "", 0.0, False

    def Ready(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A client starts."""
        with self._news:
            self._former = (self._former | {self._peer}) - {context.peer()}
            self._peer, self._session, self._fault = context.peer(), None, None
        logger.info("client %s is ready", context.peer())
        return Messages.Empty()

    def SendPolicyInstructions(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Load the policy that the client names, look whether the robot fits it, and warm up."""
        self._check_whose(context)
        try:
            session = self._begun(read(request.data))
        except (ValueError, OSError) as error:
            logger.error("%s", error)
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        with self._news:
            if context.peer() == self._peer:
                self._session = session
        return Messages.Empty()

    def SendObservations(self, request_iterator: Iterator[Any], context: grpc.ServicerContext) -> Any:
        """Take in an observation. One that breaks off, as its client died, is none."""
        self._check_whose(context)
        data, arrived, session = whole(request_iterator), time.perf_counter(), self._session
        if data is None or session is None:
            return Messages.Empty()
        fault = None
        try:
            session.see(seen_in(read(data), arrived))
        except ValueError as error:
            fault = str(error)
        with self._news:
            self._fault, self._silent = fault, False
            self._news.notify_all()
        return Messages.Empty()

    def GetActions(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The chunk for the newest observation; no bytes if none came."""
        self._check_whose(context)
        with self._news:
            session = self._session
            self._news.wait_for(lambda: self._fault is not None or (session is not None and session.asks), WAIT_S)
            fault, self._fault = self._fault, None
        if fault is not None:
            return self._complained(context, fault)
        if session is None or not session.asks:
            self._tell_silence(session)
            return Messages.Actions()
        try:
            with self._drawing:
                seen, actions = session.chunk()
        except (ValueError, FloatingPointError) as error:
            return self._complained(context, str(error))
        chunk = [
            TimedAction(timestamp=seen.taken + number / self._fps, timestep=seen.step + number, action=action)
            for number, action in enumerate(actions)
        ]
        return Messages.Actions(data=pickle.dumps(chunk))

    def _begun(self, told: Any) -> Session:
        """A session as a client asks for it.

        Raises:
            ValueError, OSError: there is no such policy, it is another one's, or the robot does not fit it.
        """
        if not isinstance(told, RemotePolicyConfig):
            raise ValueError(f"{type(told).__name__}: must be a RemotePolicyConfig, as LeRobot's robot client sends it")
        loaded = load_switched(told.pretrained_name_or_path, [*self._switches, f"--device={told.device}"])
        config = loaded.policy.config
        if not isinstance(config, DpPlusConfig):
            raise ValueError(
                f"{told.pretrained_name_or_path}: policy type {config.type!r}; this server is for dp_plus_* policies. "
                "LeRobot's is: python -m lerobot.async_inference.policy_server"
            )
        if told.policy_type != config.type:
            raise ValueError(
                f"policy_type = {told.policy_type!r}: {told.pretrained_name_or_path} is {config.type}; "
                f"start the client with --policy_type={config.type}"
            )
        logger.info("%s: %s on %s", told.pretrained_name_or_path, config.type, config.device)
        robot = Robot(told.lerobot_features, {**told.rename_map, **self._renamed})
        return Session(loaded, robot, self._fps, told.actions_per_chunk)

    def _check_whose(self, context: grpc.ServicerContext) -> None:
        """End a call of a client that is not served any more: two robots must not get each other's actions."""
        if context.peer() in self._former:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"another client took over: {self._peer}")

    def _complained(self, context: grpc.ServicerContext, fault: str) -> Any:
        """Tell server and client what is wrong, the same thing once a second."""
        now = time.perf_counter()
        if fault == self._told and now - self._told_at < REPEAT_S:
            return Messages.Actions()
        self._told, self._told_at = fault, now
        logger.error("no chunk: %s", fault)
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no chunk: {fault}")

    def _tell_silence(self, session: Session | None) -> None:
        if session is not None and session.is_overdue(WAIT_S) and not self._silent:
            self._silent = True
            logger.warning("no observation comes any more: has the client, the robot or a camera stopped?")


def whole(parts: Iterator[Any]) -> bytes | None:
    """A message that comes in parts; None if it breaks off."""
    data, ended = bytearray(), False
    for part in parts:
        data += part.data
        ended = part.transfer_state == Messages.TransferState.TRANSFER_END
    return bytes(data) if ended else None


def seen_in(told: Any, arrived: float) -> Seen:
    """An observation as the client sends it.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(told, TimedObservation) or not isinstance(told.observation, dict):
        raise ValueError(f"{type(told).__name__}: must be a TimedObservation, as LeRobot's robot client sends it")
    return Seen(told.timestep, told.must_go, told.observation, told.timestamp, arrived)
