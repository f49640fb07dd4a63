"""How the worker's loop assembles a request from arriving bytes (bookingsite/http_worker.py)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn
from hypothesis import given
from hypothesis import strategies as st

from bookings.refusals import RequestTimeout
from bookingsite import http_worker
from bookingsite.body_limits import DEFAULT, IMPORT
from bookingsite.http_worker import MAX_HEAD_BYTES, Arrival, NotARequest

PLAIN = b"POST /api/bookings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = (
    b"POST /api/bookings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'1;name="a;b"\r\nb\r\n03\r\nody\r\n0\r\nX-Trailer: some\r\n\r\n'
)
LARGE = b"POST /admin/bookings/nightsfile/ HTTP/1.1\r\nContent-Length: 90000\r\n\r\n"
IN_CHUNKS = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def conn() -> Iterator[TConn]:
    server, client = socket.socketpair()
    yield TConn(Config(), server, ("127.0.0.1", 1), ("127.0.0.1", 2))
    server.close()
    client.close()


def test_can_be_read_before_django_is_there() -> None:
    """gunicorn reads the class of its workers first, and the site once a worker has begun."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", "import bookingsite.http_worker"]

    subprocess.run(command, env=environment, check=True, timeout=60)


@pytest.mark.parametrize("request_bytes", [PLAIN, CHUNKED], ids=["length", "chunks"])
@given(cuts=st.sets(st.integers(1, len(CHUNKED) - 1)))
def test_is_ready_with_the_last_byte_however_it_is_cut(
    conn: TConn, request_bytes: bytes, cuts: set[int]
) -> None:
    arrival = Arrival(conn.cfg, conn)
    ends = sorted({cut for cut in cuts if cut < len(request_bytes)} | {len(request_bytes)})

    for start, end in zip([0, *ends], ends, strict=False):
        assert not arrival.is_ready
        arrival.feed(request_bytes[start:end])
    request = next(arrival)

    assert request.body.read() == b"body"
    assert dict(request.headers)["CONTENT-LENGTH"] == "4"
    assert "TRANSFER-ENCODING" not in dict(request.headers)
    assert not arrival.has_begun


@given(data=st.binary(max_size=400))
def test_takes_every_bytes_without_an_error_of_its_own(conn: TConn, data: bytes) -> None:
    for before in (b"", b"GET / HTTP/1.1\r\n", IN_CHUNKS, IN_CHUNKS + b"3\r\nabc\r\n"):
        arrival = Arrival(conn.cfg, conn)

        arrival.feed(before + data)

        if arrival.is_ready:
            with contextlib.suppress(NotARequest):
                next(arrival)


def test_keeps_what_follows_a_request_for_the_next(conn: TConn) -> None:
    arrival = Arrival(conn.cfg, conn)

    arrival.feed(CHUNKED + PLAIN + b"GET")
    first = next(arrival)
    arrival.feed(b"")
    second = next(arrival)
    arrival.feed(b"")

    assert (first.body.read(), second.body.read()) == (b"body", b"body")
    assert (arrival.has_begun, arrival.is_ready) == (True, False)


@pytest.mark.parametrize(
    "body",
    [
        b"fffffff\r\n",  # announced
        b"10000\r\n" + b"x" * 0x10000 + b"\r\n10000\r\n",  # counted
        b"1;" + b"x" * 80_000,  # in a chunk's own line
        b"0\r\n" + b"X-Trailer: x\r\n" * 6_000,  # behind the last
    ],
    ids=["announced", "counted", "line", "trailers"],
)
def test_says_that_chunks_are_too_much_instead_of_collecting_them(conn: TConn, body: bytes) -> None:
    arrival = Arrival(conn.cfg, conn)

    arrival.feed(IN_CHUNKS)
    arrival.feed(body)
    request = next(arrival)

    assert int(dict(request.headers)["CONTENT-LENGTH"]) == DEFAULT.max_bytes + 1
    assert request.should_close()
    assert not arrival.finish_body()
    with pytest.raises(TimeoutError):
        request.body.read()


def test_takes_as_much_in_chunks_as_with_a_length(conn: TConn) -> None:
    arrival = Arrival(conn.cfg, conn)

    arrival.feed(IN_CHUNKS + b"10000\r\n" + b"x" * 0x10000 + b"\r\n0\r\n\r\n")

    assert len(next(arrival).body.read()) == DEFAULT.max_bytes


def test_leaves_a_large_body_on_the_socket(conn: TConn) -> None:
    arrival = Arrival(conn.cfg, conn)

    arrival.feed(b"POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\nx")

    assert arrival.is_ready
    assert next(arrival).should_close()
    assert not arrival.finish_body()


def test_waits_for_no_more_of_a_head_than_32_kb(conn: TConn) -> None:
    arrival = Arrival(conn.cfg, conn)

    arrival.feed(b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 1_000)
    assert not arrival.is_ready
    arrival.feed(b"X: x\r\n" * (MAX_HEAD_BYTES // 6))

    with pytest.raises(NotARequest) as refused:
        next(arrival)
    assert refused.value.refusal.status == 431


@pytest.mark.parametrize(
    ("arrived", "path"),
    [
        (b"GET /api/bookings HT", "/api/"),
        (b"\r\nGET http://localhost/api/bookings HT", "/api/"),
        (b"GET /embedded/stays?x=", "/embedded/"),
        (b"GET /stays?back=/api/ HT", ""),
        (b"GET", ""),
    ],
)
def test_knows_from_its_first_line_for_whom_a_late_head_was(
    conn: TConn, arrived: bytes, path: str
) -> None:
    arrival = Arrival(conn.cfg, conn)
    arrival.feed(arrived)

    arrival.give_up()

    with pytest.raises(NotARequest) as refused:
        next(arrival)
    assert isinstance(refused.value.refusal, RequestTimeout)
    assert refused.value.path == path


def test_gives_a_large_body_its_time_from_when_its_turn_has_come(
    conn: TConn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have waited for another one, and its client could not continue to send meanwhile."""
    now_s = [100.0]
    monkeypatch.setattr(http_worker, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    server, client = socket.socketpair()
    with server, client:
        arrival = Arrival(conn.cfg, TConn(Config(), server, ("127.0.0.1", 1), ("127.0.0.1", 2)))
        client.sendall(b"x" * 1024)
        arrival.feed(LARGE)
        request = next(arrival)

        now_s[0] += 10 * IMPORT.grace_s
        first = request.body.read(1024)
        now_s[0] += IMPORT.grace_s + 1
        client.sendall(b"x" * 1024)

        assert first == b"x" * 1024
        with pytest.raises(TimeoutError):
            request.body.read(1024)
