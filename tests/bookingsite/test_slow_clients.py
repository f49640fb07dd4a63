"""Clients that send slowly, or nothing: the others are served within a second all the while."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests

from bookingsite import http_worker
from tests.site import PROCESSES, THREADS, Site
from tests.site_fixtures import Starter

pytestmark = pytest.mark.site

# Eight for each thread of the site.
MANY = 8 * PROCESSES * THREADS

# Five seconds for a head or a small body, half a second between two looks, and a busy machine.
TOO_LATE_S = 9.0

HEAD = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


def connect(site: Site) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", site.port))
    client.settimeout(30)
    return client


@contextmanager
def clients(site: Site, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as open_ones:
        yield [open_ones.enter_context(connect(site)) for _ in range(count)]


@contextmanager
def dripping(those: list[socket.socket], byte: Callable[[int], bytes]) -> Iterator[None]:
    """Makes each of them send one byte at once and another every two seconds."""
    over = threading.Event()

    def drip() -> None:
        number = 0
        while not over.is_set():
            for client in those:
                try:
                    client.sendall(byte(number))
                except OSError:  # the site has closed it
                    continue
            number += 1
            over.wait(2)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def slow_health_s(site: Site, *, for_s: float) -> float:
    """How long /api/health takes, asked again and again on new connections.

    One in ten may take longer: then it waits for a busy machine, and not for a client.
    """
    took_s: list[float] = []
    ends_at_s = time.monotonic() + for_s
    while (asked_at_s := time.monotonic()) < ends_at_s or len(took_s) < 10:
        answer = requests.get(f"{site.url}/api/health", timeout=30)
        took_s.append(time.monotonic() - asked_at_s)
        assert answer.status_code == 200
    return sorted(took_s)[len(took_s) * 9 // 10 - 1]


def read_all(client: socket.socket) -> bytes:
    """Returns everything until the site closes the connection."""
    answer = b""
    while more := client.recv(65536):
        answer += more
    return answer


def body_of(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    return json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])  # it may come in a chunk


def start_of_booking(site: Site, *framing: str, path: str = "/api/bookings") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {site.token}",
        "Content-Type: application/json",
        *framing,
    ]
    return "\r\n".join((*lines, "", "")).encode()


@pytest.mark.slow
def test_serves_others_while_heads_drip_from_their_first_byte(site: Site) -> None:
    with clients(site, MANY) as slow, dripping(slow, lambda number: HEAD[number : number + 1]):
        health_s = slow_health_s(site, for_s=4)

    assert health_s < 1


def test_serves_others_beside_connections_that_send_nothing(site: Site) -> None:
    with clients(site, MANY):
        health_s = slow_health_s(site, for_s=1)

    assert health_s < 1


def test_serves_others_beside_idle_connections_that_were_served(site: Site) -> None:
    with clients(site, MANY) as idle:
        for client in idle:
            client.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200")

        health_s = slow_health_s(site, for_s=1)

        # And with the first byte of a next request, too.
        for client in idle:
            client.sendall(b"G")
        begun_s = slow_health_s(site, for_s=1)

    assert max(health_s, begun_s) < 1


def test_serves_others_behind_a_request_that_half_follows_another(site: Site) -> None:
    with clients(site, MANY) as slow:
        for client in slow:
            client.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEAD)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")

        health_s = slow_health_s(site, for_s=1)

    assert health_s < 1


@pytest.mark.parametrize(
    "framing", ["Content-Length: 5000", "Transfer-Encoding: chunked"], ids=["length", "chunks"]
)
@pytest.mark.parametrize("path", ["/api/bookings", "/login"])
def test_serves_others_while_bodies_drip(site: Site, path: str, framing: str) -> None:
    with clients(site, MANY) as slow:
        for client in slow:
            client.sendall(start_of_booking(site, framing, path=path) + b"1000\r\n{")
        with dripping(slow, lambda _: b" "):
            health_s = slow_health_s(site, for_s=2)

    assert health_s < 1


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/admin/bookings/nightsfile/", "/", "/api/bookings"])
def test_serves_others_while_strangers_announce_files(site: Site, path: str) -> None:
    with clients(site, MANY) as slow:
        for client in slow:
            client.sendall(start_of_booking(site, "Content-Length: 9000000", path=path) + b"x")
        with dripping(slow, lambda _: b"x"):
            health_s = slow_health_s(site, for_s=2)

    assert health_s < 1


@pytest.mark.slow
def test_makes_room_when_connections_run_out(start: Starter) -> None:
    site = start(GUNICORN_CMD_ARGS="--worker-connections 10")

    with clients(site, 60):
        health_s = slow_health_s(site, for_s=1)

    assert health_s < 1


@pytest.mark.slow
def test_answers_a_head_that_does_not_arrive(site: Site) -> None:
    with clients(site, 2) as (for_api, for_page):
        started_s = time.monotonic()
        for_api.sendall(b"GET /api/bookings HTTP/1.1\r\nHost: loc")
        for_page.sendall(b"GET / HT")

        answer, page = read_all(for_api), read_all(for_page)
        elapsed_s = time.monotonic() - started_s

    assert elapsed_s < TOO_LATE_S
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert body_of(answer)["code"] == "REQUEST_TIMEOUT"
    assert page.startswith(b"HTTP/1.1 408 ")
    assert b"text/html" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("framing", "body"),
    [("Content-Length: 50", b"{"), ("Transfer-Encoding: chunked", b"32\r\n{")],
    ids=["length", "chunks"],
)
def test_answers_a_body_that_does_not_arrive(site: Site, framing: str, body: bytes) -> None:
    with clients(site, 2) as (for_api, for_page):
        started_s = time.monotonic()
        for_api.sendall(start_of_booking(site, framing, "Idempotency-Key: k") + body)
        for_page.sendall(start_of_booking(site, framing, path="/login") + body)

        answer, page = read_all(for_api), read_all(for_page)
        elapsed_s = time.monotonic() - started_s

    assert elapsed_s < TOO_LATE_S
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert body_of(answer)["code"] == "REQUEST_TIMEOUT"
    assert b"\r\nIdempotency-Key: k\r\n" in answer
    assert page.startswith(b"HTTP/1.1 408 ")
    assert b"Request timed out" in page


@pytest.mark.slow
def test_takes_a_body_that_is_slow_but_not_too_slow(site: Site) -> None:
    """Seven seconds for a body that has five, and one more for every 16 kB."""
    padding = b" " * 40_000
    with connect(site) as client:
        client.sendall(start_of_booking(site, f"Content-Length: {len(padding) + 2}") + b"{")
        client.sendall(padding)
        time.sleep(6.5)
        client.sendall(b"}")

        answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_asks_for_a_body_whose_client_waits_to_be_asked(site: Site) -> None:
    body = b'{"hold": true}'
    with connect(site) as client:
        client.sendall(
            start_of_booking(site, f"Content-Length: {len(body)}", "Expect: 100-continue")
        )

        asked = client.recv(65536)
        client.sendall(body)
        answer = client.recv(65536)

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 400")


def test_answers_requests_that_came_together_one_after_the_other(site: Site) -> None:
    request = start_of_booking(site, "Transfer-Encoding: chunked")
    chunks = b"1;a=b\r\n{\r\n1\r\n}\r\n0\r\nX-Trailer: no\r\n\r\n"
    last = b"GET /api/nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connect(site) as client:
        client.sendall(request + chunks + request + chunks + last)

        answers = read_all(client)

    statuses = [part.split(b" ", 1)[0] for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"400", b"400", b"404"]


@pytest.mark.slow
def test_gives_up_those_who_take_no_answer(site: Site) -> None:
    """Each asks six times for the largest existing file, and reads none of it."""
    path = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 6

    with ExitStack() as open_ones:
        for _ in range(2 * PROCESSES * THREADS):
            client = open_ones.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", site.port))
            client.sendall(asked)
        began_at_s = time.monotonic()
        answer = requests.get(f"{site.url}/api/health", timeout=60)
        took_s = time.monotonic() - began_at_s

    assert answer.status_code == 200
    # Two turns of five seconds for each thread, and a busy machine.
    assert took_s < 20


@pytest.mark.slow
def test_serves_a_client_that_made_a_thread_wait_no_further_request(site: Site) -> None:
    """Or it could ask for a hundred files at once, and take each of them late."""
    path = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", site.port))
        # The system takes the first few from the site, however slow the client is.
        client.sendall(asked * 6 + b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(2 * http_worker.SLOW_S)
        client.settimeout(30)
        answers = read_all(client)

    assert answers.count(b"HTTP/1.1 200") < 7


def test_serves_a_large_file_to_who_takes_it(site: Site) -> None:
    path = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"

    answer = requests.get(f"{site.url}{path}", timeout=30)

    assert answer.status_code == 200
    assert len(answer.content) > 1_000_000


def test_believes_no_request_about_its_own_path(site: Site) -> None:
    """A trusted peer might say where the site is mounted, and so bypass checks of the path."""
    answer = requests.get(f"{site.url}/x/api/health", headers={"SCRIPT_NAME": "/x"}, timeout=30)

    assert answer.status_code == 404
