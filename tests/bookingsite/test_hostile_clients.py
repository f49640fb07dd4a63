"""Clients that are wrong, guessing or many: the others are served all the same."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from functools import partial

import pytest
import requests

from bookings.content.brand import changes
from bookings.infrastructure import connections
from tests.conftest import night
from tests.site import Site, all_at_once, codes
from tests.site_fixtures import Starter

pytestmark = pytest.mark.site


def raw(site: Site, request: bytes) -> bytes:
    """Returns the answer to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", site.port)) as client:
        client.settimeout(10)
        client.sendall(request)
        return client.recv(65536)


def test_throttles_an_address_that_guesses_tokens(start: Starter) -> None:
    site = start(API_THROTTLE="on", API_RATE_PER_ADDRESS="5/day")

    statuses = [site.get("/api/bookings", token=f"guess-{n}").status_code for n in range(7)]

    assert statuses == [401] * 5 + [429] * 2


def test_counts_every_one_of_concurrent_requests(start: Starter) -> None:
    for _ in range(3):
        connections.redis().flushdb()
        site = start(API_THROTTLE="on", API_RATE_PER_CALLER="20/day")
        outcome = codes(all_at_once([partial(site.get, "/api/bookings")] * 60))
        # While Redis does not answer in time, each process counts for itself.
        if "redis_breaker_opened" not in site.log_path.read_text():
            break

    assert outcome == {"200": 20, "THROTTLED": 40}


def test_reads_a_body_that_comes_in_chunks(site: Site) -> None:
    def pieces(body: bytes) -> Iterator[bytes]:
        yield body[:10]
        yield body[10:]

    def post(body: bytes, content_type: str = "application/json") -> requests.Response:
        return requests.post(
            f"{site.url}/api/bookings",
            data=pieces(body),
            headers={
                "Authorization": f"Bearer {site.token}",
                "Content-Type": content_type,
                "Idempotency-Key": "chunked",
            },
            timeout=10,
        )

    wish = json.dumps({"resourceId": "room_A", "date": night()}).encode()

    too_large = post(b'{"notes": "' + b"x" * 100_000 + b'"}')
    wrong_type = post(wish, "text/plain")
    made = post(wish)
    again = post(wish)

    assert too_large.json()["code"] == "PAYLOAD_TOO_LARGE"
    assert wrong_type.json()["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert made.status_code == 201
    assert again.content == made.content
    assert "Idempotency-Payload-Mismatch" not in again.headers


def test_replays_a_key_whatever_the_content_type_of_the_retry(site: Site) -> None:
    made = site.book("key", resourceId="room_A", date=night())

    again = site.request(
        "POST", "/api/bookings", data=b"hello", key="key", headers={"Content-Type": "text/plain"}
    )

    assert (again.status_code, again.content) == (201, made.content)
    assert again.headers["Idempotency-Payload-Mismatch"] == "true"


def test_answers_with_a_key_that_can_be_sent_back(site: Site) -> None:
    made = site.book('"a,\\"b\\\\"', resourceId="room_A", date=night())

    again = site.book(made.headers["Idempotency-Key"], resourceId="room_A", date=night())

    assert made.json()["idempotencyKey"] == 'a,"b\\'
    assert again.content == made.content


def test_lists_by_every_user_id_that_can_book(site: Site) -> None:
    site.book("key", resourceId="room_A", date=night(), userId="👩‍💻")

    listed = site.request("GET", "/api/bookings?userId=👩‍💻").json()["bookings"]

    assert [booking["userId"] for booking in listed] == ["👩‍💻"]


def test_puts_nothing_from_a_query_into_the_schemas_headers(site: Site) -> None:
    answer = site.get("/api/schema?version=%0aX-Forged:yes", token="")

    assert answer.status_code == 200
    assert "X-Forged" not in str(answer.headers)


def test_logs_neither_sender_nor_text_of_what_is_no_request(start: Starter) -> None:
    site = start()

    raw(site, b"GET /api/health HTTP/1.1\r\nAuthorization Bearer bks_SECRET\r\n\r\n")
    raw(site, b"GET / HTTP/z bks_SECRET\r\n\r\n")

    log = site.log_path.read_text()
    assert log.count("not_an_http_request") == 2
    assert "bks_SECRET" not in log
    assert "127.0.0.1" not in log.replace(f"http://127.0.0.1:{site.port}", "")


UNREADABLE = {
    "a DEL in a header": (b"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Name: a\x7fb\r\n\r\n", 400),
    "no colon": (b"GET {path} HTTP/1.1\r\nHost localhost\r\n\r\n", 400),
    "line feeds alone": (b"GET {path} HTTP/1.1\nHost: localhost\n\n", 400),
    "another version": (b"GET {path} HTTP/z\r\n\r\n", 400),
    "two lengths": (
        b"POST {path} HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400,
    ),
    "two hosts": (b"GET {path} HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", 400),
    "a broken chunk": (b"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}", 400),
    "an unknown coding": (b"POST {path} HTTP/1.1\r\nTransfer-Encoding: zip\r\n\r\n", 501),
    "an expectation": (b"GET {path} HTTP/1.1\r\nExpect: miracles\r\n\r\n", 417),
    "a long address": (b"GET {path}?" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
    "a long header": (b"GET {path} HTTP/1.1\r\nX-Long: " + b"x" * 9_000 + b"\r\n\r\n", 431),
    "no end of headers": (b"GET {path} HTTP/1.1\r\n" + b"X-More: x\r\n" * 4_000, 431),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_answers_what_is_no_request_with_a_problem(site: Site, name: str) -> None:
    request, status = UNREADABLE[name]

    head, _, body = raw(site, request.replace(b"{path}", b"/api/bookings")).partition(b"\r\n\r\n")

    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\nContent-Type: application/problem+json\r\n" in head
    assert b"\r\nConnection: close" in head
    problem = json.loads(body)
    assert (problem["code"], problem["status"]) == ("UNREADABLE_REQUEST", status)


@pytest.mark.parametrize("name", UNREADABLE)
def test_answers_what_is_no_request_with_a_page_elsewhere(site: Site, name: str) -> None:
    request, status = UNREADABLE[name]

    head, _, body = raw(site, request.replace(b"{path}", b"/stays")).partition(b"\r\n\r\n")

    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\nContent-Type: text/html; charset=utf-8\r\n" in head
    assert b"<h1>Unreadable request</h1>" in body


def test_lets_no_other_website_frame_what_answers_no_request(site: Site) -> None:
    changes.set_origins(0, ["https://seaside.example", "https://other.example"])
    request, _status = UNREADABLE["a long address"]

    def policy(path: bytes) -> str:
        head = raw(site, request.replace(b"{path}", path)).partition(b"\r\n\r\n")[0]
        (found,) = re.findall(r"\r\nContent-Security-Policy: (.*)", head.decode())
        return str(found).strip()

    closed = "default-src 'none'; frame-ancestors 'none'"
    framed = "default-src 'none'; frame-ancestors https://seaside.example https://other.example"
    # Each process knows the websites once it has answered a page in a frame.
    seen = [policy(b"/embedded/stays") for _ in range(20) if site.get("/embedded/stays").ok]
    assert seen[-1] == framed
    assert set(seen) <= {closed, framed}
    assert {policy(path) for path in (b"/stays", b"/api/bookings", b"/embedded")} == {closed}


def test_answers_a_wrong_host_with_a_problem(site: Site) -> None:
    answer = site.get("/api/availability", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["title"] == "Bad request"
