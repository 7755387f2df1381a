"""The server on loopback: LeRobot's own client with the simulated robot, clients that go, and who may reach it."""

import pickle
import threading
import time
import tomllib
from importlib import metadata
from pathlib import Path

import grpc
import numpy as np
import pytest
from lerobot.async_inference.configs import RobotClientConfig
from lerobot.async_inference.helpers import RemotePolicyConfig, TimedObservation
from lerobot.transport import services_pb2, services_pb2_grpc
from lerobot.transport.utils import send_bytes_in_chunks
from made_up_robot import FEATURES, raw

from lerobot_dp_plus.cli import entry
from lerobot_dp_plus.robots.config_simulated import SimulatedConfig
from lerobot_dp_plus.robots.simulated import Simulated
from lerobot_dp_plus.serving import serve
from lerobot_dp_plus.serving import server as serving
from lerobot_dp_plus.serving.server import Server
from lerobot_dp_plus.serving.session import Session

FPS = 20.0


@pytest.fixture
def address(monkeypatch):
    """Of a running server."""
    monkeypatch.setattr(serving, "WAIT_S", 0.3)
    running, port = serve.started(Server(FPS), "127.0.0.1", 0)
    yield f"127.0.0.1:{port}"
    running.stop(None).wait()


class Client:
    """LeRobot's protocol by hand, as one process would speak it."""

    def __init__(self, address: str):
        self.channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self.stub = services_pb2_grpc.AsyncInferenceStub(self.channel)

    def begin(self, checkpoint: Path, kind: str = "dp_plus_transformer", features=FEATURES) -> None:
        self.stub.Ready(services_pb2.Empty())
        asked = RemotePolicyConfig(kind, str(checkpoint), features, 8)
        self.stub.SendPolicyInstructions(services_pb2.PolicySetup(data=pickle.dumps(asked)))

    def send(self, step: int, must_go: bool = False, **wrong) -> None:
        seen = TimedObservation(time.time(), step, {**raw(10.0 * step), **wrong}, must_go)
        self.stub.SendObservations(send_bytes_in_chunks(pickle.dumps(seen), services_pb2.Observation))

    def actions(self) -> list:
        data = self.stub.GetActions(services_pb2.Empty()).data
        return pickle.loads(data) if data else []


@pytest.fixture
def client(address, checkpoint):
    made = Client(address)
    made.begin(checkpoint)
    yield made
    made.channel.close()


def test_lerobots_client_and_the_simulated_robot(saved, address, robot_client, tmp_path, monkeypatch) -> None:
    """End to end: a robot whose world does not wait, and a policy that goes on from its own plans."""
    told: list[dict] = []
    stock = Session.chunk

    def spied(self):
        before = self._given
        answer = stock(self)
        told.append({"step": answer[0].step, "before": before, "delay": self.delay})
        return answer

    monkeypatch.setattr(Session, "chunk", spied)
    sent: list[dict] = []
    sending = Simulated.send_action
    monkeypatch.setattr(Simulated, "send_action", lambda self, action: sent.append(action) or sending(self, action))
    robot = SimulatedConfig(id="a", calibration_dir=tmp_path, keypoints=True, camera=False)
    config = RobotClientConfig(
        policy_type="dp_plus_transformer",
        pretrained_name_or_path=str(saved(width=18, camera=False)),
        robot=robot,
        actions_per_chunk=15,
        task="push",
        server_address=address,
        fps=int(FPS),
    )
    client = robot_client.RobotClient(config)
    assert client.start()
    receiving = threading.Thread(target=client.receive_actions, daemon=True)
    receiving.start()
    threading.Timer(2.0, client.shutdown_event.set).start()
    client.control_loop(task="push")
    receiving.join(timeout=5)
    client.stop()
    steps = [each["step"] for each in told]
    assert len(sent) > 25 and len(steps) >= 4 and steps == sorted(set(steps)), "it never waits for the same step twice"
    assert all(0 <= action[joint] <= 512 for action in sent for joint in ("x.pos", "y.pos"))
    assert all(np.diff(steps) < 15), "a chunk came before the one before was done"


def test_a_wrong_observation_is_told_and_the_next_is_answered(client) -> None:
    """LeRobot's server would move the robot on a NaN; and after an error it waits for ever."""
    client.send(0, must_go=True, **{"y.pos": float("nan")})
    with pytest.raises(grpc.RpcError, match=r"no chunk: joint y\.pos is nan"):
        client.actions()
    client.send(0, must_go=False)  # the client says `must_go` once
    assert [action.timestep for action in client.actions()] == list(range(8))
    client.send(3, top=None)
    with pytest.raises(grpc.RpcError, match="no chunk: camera top sent no picture"):
        client.actions()
    client.send(3, top=None)
    assert client.actions() == [], "the same complaint is not repeated at once"
    client.send(4)
    answer = client.actions()
    assert [action.timestep for action in answer] == list(range(4, 12)) and answer[0].action.shape == (2,)


def test_the_newest_client_has_the_robot(address, checkpoint, client) -> None:
    client.send(0)
    assert len(client.actions()) == 8
    other = Client(address)
    other.begin(checkpoint)
    with pytest.raises(grpc.RpcError, match="another client took over"):
        client.send(5)
    assert other.actions() == [], "nothing of the former robot is left"
    other.send(0)
    assert [action.timestep for action in other.actions()] == list(range(8))
    other.channel.close()
    client.begin(checkpoint)  # and back again
    client.send(0)
    assert len(client.actions()) == 8


def test_a_client_that_dies_within_a_message(address, checkpoint, client) -> None:
    def broken():
        yield services_pb2.Observation(transfer_state=services_pb2.TransferState.TRANSFER_BEGIN, data=b"half")
        raise RuntimeError("died")

    with pytest.raises(grpc.RpcError):
        client.stub.SendObservations(broken())
    client.stub.SendObservations(
        iter([services_pb2.Observation(transfer_state=services_pb2.TransferState.TRANSFER_BEGIN, data=b"half")])
    )
    assert client.actions() == []
    client.send(0)
    assert len(client.actions()) == 8


def test_a_robot_that_falls_silent_is_missed_once(client, caplog, monkeypatch) -> None:
    assert client.actions() == []
    client.send(0)
    client.actions()
    for _ in range(4):
        client.actions()
    assert caplog.text.count("no observation comes any more") == 1


@pytest.mark.parametrize(
    ("kind", "features", "said"),
    [
        ("act", FEATURES, "--policy_type=dp_plus_transformer"),
        ("dp_plus_transformer", {"observation.state": FEATURES["observation.state"]}, "observation.images.top"),
    ],
)
def test_instructions_that_do_not_fit(address, checkpoint, kind, features, said) -> None:
    with pytest.raises(grpc.RpcError, match=said):
        Client(address).begin(checkpoint, kind, features)


def test_instructions_without_a_policy_or_by_a_stranger(address, tmp_path) -> None:
    client = Client(address)
    with pytest.raises(grpc.RpcError, match="nothing"):
        client.begin(tmp_path / "nothing")
    with pytest.raises(grpc.RpcError, match="must be a RemotePolicyConfig"):
        client.stub.SendPolicyInstructions(services_pb2.PolicySetup(data=pickle.dumps({"a": 1})))
    client.send(0)
    assert client.actions() == [], "nobody is served without a policy"


# The command


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.5"])
def test_this_machine_may_ask(host) -> None:
    serve.check_host(host, trusts=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "myrobot"])
def test_others_may_not_unless_wanted(host, capsys) -> None:
    assert entry.main(["serve", "--host", host]) == 1
    said = capsys.readouterr().err
    assert f"--host={host}" in said and "--trust-network" in said and "ssh -L" in said
    serve.check_host(host, trusts=True)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--fps=0"], "--fps=0.0"),
        (["--port=70000"], "--port=70000"),
        (["--robot.type=simulated"], "--robot.type=simulated: no option of dp-plus serve"),
    ],
)
def test_illegal_options(flags, said, capsys) -> None:
    assert entry.main(["serve", *flags]) == 1
    assert said in capsys.readouterr().err


def test_a_map_of_names_is_json(capsys) -> None:
    with pytest.raises(SystemExit):
        entry.main(["serve", "--rename-map=top"])
    assert "must be names as JSON" in capsys.readouterr().err


def test_the_command_serves_until_it_is_stopped(monkeypatch, checkpoint) -> None:
    """With switches of the policy, and a port that nobody else may have."""
    made: list[tuple[grpc.Server, int]] = []
    stock = serve.started
    monkeypatch.setattr(serve, "started", lambda *given: made.append(stock(*given)) or made[-1])
    monkeypatch.setattr(serve, "init_logging", lambda: None)
    switches: list[str] = []
    loading = serving.load_switched
    monkeypatch.setattr(serving, "load_switched", lambda path, given: switches.extend(given) or loading(path, given))
    flags = ["serve", "--port=0", f"--fps={FPS}", "--policy.sampler.num_steps=1"]
    thread = threading.Thread(target=entry.main, args=(flags,))
    thread.start()
    while not made:
        time.sleep(0.01)
    (running, port) = made[0]
    with pytest.raises(ValueError, match=f"--port={port}: nobody can listen there"):
        stock(Server(FPS), "127.0.0.1", port)
    client = Client(f"127.0.0.1:{port}")
    client.begin(checkpoint)
    client.send(0)
    assert len(client.actions()) == 8 and switches == ["--sampler.num_steps=1", "--device=cpu"]
    running.stop(None)
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_what_to_install_is_one_line(monkeypatch, capsys) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    ours = [
        f'{each}; extra == "{extra}"' for extra, all_of in project["optional-dependencies"].items() for each in all_of
    ]
    stock = metadata.requires
    monkeypatch.setattr(metadata, "requires", lambda name: ours if name == "lerobot_policy_dp_plus" else stock(name))
    monkeypatch.setitem(__import__("sys").modules, "grpc", None)
    monkeypatch.delitem(__import__("sys").modules, "lerobot_dp_plus.serving.serve")
    assert entry.main(["serve"]) == 1
    assert capsys.readouterr().err == "error: grpcio is not installed: pip install 'lerobot_policy_dp_plus[async]'\n"
