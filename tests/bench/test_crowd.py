"""A crowd asks a server as clients do, and a hot night shows how many rooms were sold."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest

from bench.load import scenarios
from bench.load.driving import Crowd, Flow, Later, raw_request
from bench.load.report import Result, to_text
from bench.load.scenarios import Round, Wrong, hot_night
from bench.load.stack import Target

# Answers the body of a request with a status, a body and headers.
Answering = Callable[[dict[str, Any]], tuple[int, dict[str, Any], dict[str, str]]]

REFUSED = {"code": "SOLD_OUT"}
LOCKED = {"code": "RESOURCE_LOCKED"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answering: Answering

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body, headers = type(self).answering(sent)
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def serve() -> Iterator[Callable[[Answering], Target]]:
    servers: list[ThreadingHTTPServer] = []

    def start(answering: Answering) -> Target:
        handler = type("Answering", (Handler,), {"answering": staticmethod(answering)})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return Target("site", f"http://127.0.0.1:{server.server_port}", {})

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Night:
    """Sells rooms; the first answer to each client says that it has to wait."""

    def __init__(self, *rooms: str) -> None:
        self._left = list(rooms)
        self._told: set[str] = set()
        self._mutex = threading.Lock()

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        with self._mutex:
            if body["userId"] not in self._told:
                self._told.add(body["userId"])
                return 409, LOCKED, {"Retry-After": "0.01"}
            if not self._left:
                return 409, REFUSED, {}
            rooms = [{"resourceId": self._left.pop()}]
            return 201, {"booking": {"rooms": rooms}}, {}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "HOT_CLIENTS", 12)
    monkeypatch.setattr(scenarios, "HOT_ROOMS", 2)


def a_round(target: Target) -> Round:
    return Round(target, seconds=1, connections=4, numbers=count(), nights=count())


def test_sends_a_request_again_after_the_pause_that_the_answer_names(
    serve: Callable[[Answering], Target],
) -> None:
    asked_at_s: list[float] = []

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        asked_at_s.append(time.monotonic())
        return (409, LOCKED, {"Retry-After": "0.2"}) if len(asked_at_s) == 1 else (201, {}, {})

    target = serve(answer)
    request = raw_request(target.url, "POST", "/", headers={}, body={})

    def flow() -> Flow:
        answer = yield request
        assert answer.retry_after_s is not None
        yield Later(request, answer.retry_after_s)

    crowd = Crowd(target.url, 1)
    try:
        answers = crowd.all_flows([flow()])
    finally:
        crowd.close()

    assert [each.status for each in answers] == [409, 201]
    assert asked_at_s[1] - asked_at_s[0] >= 0.2


def test_takes_no_closed_connection_for_an_answer_while_it_waits(
    serve: Callable[[Answering], Target],
) -> None:
    target = serve(lambda body: (409, LOCKED, {"Connection": "close"}))
    request = raw_request(target.url, "POST", "/", headers={}, body={})

    def flow() -> Flow:
        yield request
        yield Later(request, 0.1)

    crowd = Crowd(target.url, 1, opens_late=True)
    try:
        answers = crowd.all_flows([flow()])
    finally:
        crowd.close()

    assert [each.status for each in answers] == [409, 409]


@pytest.mark.parametrize("by_room", [False, True])
def test_lets_each_client_of_a_hot_night_ask_until_it_knows(
    serve: Callable[[Answering], Target], small: None, by_room: bool
) -> None:
    target = serve(Night("hot_001", "hot_002").answer)

    sample = hot_night(a_round(target), by_room=by_room)

    assert sample.statuses == {201: 2, 409: 22}


@pytest.mark.parametrize("rooms", [("hot_001", "hot_001"), ("hot_001",), ("a", "b", "c")])
def test_names_a_hot_night_wrong_that_sold_other_than_each_room_once(
    serve: Callable[[Answering], Target], small: None, rooms: tuple[str, ...]
) -> None:
    target = serve(Night(*rooms).answer)

    with pytest.raises(Wrong):
        hot_night(a_round(target), by_room=False)


def test_counts_a_server_error_as_a_wrong_answer(
    serve: Callable[[Answering], Target], small: None
) -> None:
    night, numbers = Night("hot_001", "hot_002"), count()

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        return (503, {}, {"Retry-After": "0"}) if next(numbers) == 0 else night.answer(body)

    scenario = next(each for each in scenarios.SCENARIOS if each.name == "hot_night")
    sample = scenario.ask(a_round(serve(answer)))
    result = Result("hot_night", "", scenario.expected, {"site": [sample]}, scenario.within_s)

    assert result.odd == {503: 1}
    assert "WRONG" in to_text([result], {})


def test_gives_up_on_a_client_that_never_learns(
    serve: Callable[[Answering], Target], small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenarios, "PATIENCE_S", 0.1)
    target = serve(lambda body: (409, LOCKED, {"Retry-After": "0.05"}))

    with pytest.raises(Wrong, match="definite"):
        hot_night(a_round(target), by_room=False)


def test_says_when_a_round_took_longer_than_it_may() -> None:
    sample = scenarios.Sample(1, 5.5, 1.0, 2.0, {201: 1}, {"web": 1.0})
    result = partial(Result, "hot_night", "", frozenset({201}), {"site": [sample]})

    assert not result().is_late
    assert not result(within_s=6.0).is_late
    assert result(within_s=5.0).is_late
    assert "LATE" in to_text([result(within_s=5.0)], {})
