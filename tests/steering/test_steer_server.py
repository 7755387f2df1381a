"""The page's server on loopback: what it serves, to whom, and what it says to nonsense."""

import http.client
import socket
import threading

import pytest
from serving import ask, served

from lerobot_dp_plus.steering import steer
from lerobot_dp_plus.steering.server import LOOPBACK, Server


@pytest.fixture
def server(session):
    with served(session(candidates=16)) as running:
        yield running


def test_the_page_and_its_files_are_served_and_name_nothing_elsewhere(server) -> None:
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
        status, headers, text = ask(server, path)
        assert status == 200 and headers.get_content_type() == kind
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        elsewhere = [word for word in text.split() if "//" in word and "www.w3.org/2000/svg" not in word]
        assert not [word for word in elsewhere if "http" in word], elsewhere
    assert server.server_address[0] == LOOPBACK


def test_an_order_changes_the_state(server) -> None:
    _, _, before = ask(server, "/state")
    assert before["step"] == 0 and before["picture"].startswith("data:image/png;base64,")
    assert abs(sum(mode["weight"] for mode in before["modes"]) - 1) < 1e-6
    status, _, after = ask(server, "/do", {"do": "choose", "mode": before["modes"][0]["id"]})
    assert status == 200 and after["plan"] and "way is taken" in after["said"]
    assert ask(server, "/do", {"do": "step"})[2]["step"] == 1
    assert ask(server, "/state")[2]["step"] == 1


def test_what_is_refused_is_said_with_the_state_that_goes_on(server) -> None:
    status, _, told = ask(server, "/do", {"do": "choose", "mode": 77})
    assert status == 409 and "the way 77 is gone" in told["error"] and told["step"] == 0 and told["modes"]
    for order in (None, 3, "step", [1], {"do": ["step"]}):
        body = b"null" if order is None else order
        status, _, told = ask(server, "/do", body)
        assert status == 409 and "legal are step" in told["error"]
    assert ask(server, "/do", {"do": "step"})[0] == 200


def test_a_policy_that_cannot_go_on_says_so_and_the_server_stays(server, monkeypatch) -> None:
    def broken() -> None:
        raise FloatingPointError("the energy goal is NaN")

    monkeypatch.setattr(server.session, "step", broken)
    status, _, told = ask(server, "/do", {"do": "step"})
    assert status == 500 and told["error"] == "it could not go on: the energy goal is NaN"
    assert ask(server, "/state")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "example.org"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
    ids=str,
)
def test_other_pages_cannot_give_orders(server, headers, status: int) -> None:
    assert ask(server, "/do", {"do": "step"}, **headers)[0] == status
    if status == 403:
        assert ask(server, "/state", **headers)[0] == 403
    assert server.session.arena.steps == 0


def test_the_page_itself_may(server) -> None:
    for name in ("127.0.0.1", "localhost"):
        host = f"{name}:{server.server_port}"
        assert ask(server, "/do", {"do": "step"}, Host=host, Origin=f"http://{host}")[0] == 200
    assert server.session.arena.steps == 2


def test_nonsense_is_answered(server) -> None:
    assert ask(server, "/nothing")[0] == 404
    assert ask(server, "/../steer.py")[0] == 404
    assert ask(server, "/nothing", {"do": "step"})[0] == 404
    assert ask(server, "/do", b"{")[0] == 400
    assert ask(server, "/do", b"\xff\xfe")[0] == 400
    assert ask(server, "/do", b'"' + b"x" * 5000 + b'"')[0] == 413
    connection = http.client.HTTPConnection(LOOPBACK, server.server_port, timeout=10)
    for length in ("-1", "many"):
        connection.putrequest("POST", "/do")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()
    connection.request("PUT", "/do")
    assert connection.getresponse().status == 501
    connection.close()
    assert ask(server, "/state")[0] == 200


def test_orders_that_arrive_at_once_are_done_one_after_the_other(server) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(server, "/do", {"do": "step"})[2]["step"])) for _ in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [1, 2, 3, 4, 5, 6]


def test_a_port_that_is_taken_or_none_is_refused(session) -> None:
    made = session(candidates=8)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port = {port}: it is in use; give another, or --port 0 for a free one"):
            Server(made, port)
    for port in (-1, 65536):
        with pytest.raises(ValueError, match=f"port = {port}: must be from 0"):
            Server(made, port)


def test_the_command_serves_records_and_opens_no_browser_unless_asked(tmp_path, monkeypatch, capsys) -> None:
    opened: list[str] = []
    monkeypatch.setattr(steer.webbrowser, "open", opened.append)

    def serve(server: Server) -> None:
        server.ask({"do": "step"})
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", serve)
    card = str(steer.Path(__file__).parents[2] / "hub_cards" / "pusht_state")
    file = tmp_path / "new" / "run.jsonl"
    few = ["--candidates", "8", "--port", "0"]
    assert steer.main([card, *few, "--no-browser", "--record", str(file)]) == 0
    said = capsys.readouterr().out
    assert "open http://127.0.0.1:" in said and f"recorded: {file}" in said and not opened
    assert len(file.read_text().splitlines()) == 2
    assert steer.main([card, *few]) == 0 and len(opened) == 1
    assert steer.main(["--replay", str(file)]) == 0
