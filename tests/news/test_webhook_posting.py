"""One POST to receivers that are slow, wrong or hostile: bounded, and to the checked IP address."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import trustme

from bookings.news.webhooks import posting
from bookings.news.webhooks.posting import WebhookAnswer, post
from tests.receivers import Receiver, receiving, unused_port

Handler = BaseHTTPRequestHandler

OUTSIDE = "93.184.215.14"


@pytest.fixture(autouse=True)
def inside(settings: Any) -> None:
    """Lets posts go to the tests' receivers, which are on loopback."""
    settings.WEBHOOK_PRIVATE_ADDRESSES = True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.6)
    monkeypatch.setattr(posting, "READ_TIMEOUT_S", 0.3)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def send(url: str, **options: Any) -> WebhookAnswer:
    return post(url, b'{"a":1}', {"webhook-id": "1"}, **options)


def timed(url: str) -> tuple[WebhookAnswer, float]:
    began_s = time.monotonic()
    return send(url), time.monotonic() - began_s


def test_posts_the_bytes_with_the_headers(receiver: Receiver) -> None:
    answer = send(receiver.url + "?for=us")

    (post,) = receiver.received
    assert (answer.status, answer.is_success) == (204, True)
    assert (post.path, post.body) == ("/hooks?for=us", b'{"a":1}')
    assert post.headers["content-type"] == "application/json"
    assert post.headers["webhook-id"] == "1"
    assert post.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_takes_2xx_for_success(receiver: Receiver, status: int) -> None:
    receiver.answer = status

    assert send(receiver.url).is_success


@pytest.mark.parametrize("status", [300, 301, 304, 400, 404, 410, 429, 500, 503])
def test_takes_nothing_else_for_success(receiver: Receiver, status: int) -> None:
    receiver.answer = status

    answer = send(receiver.url)

    assert (answer.status, answer.is_success) == (status, False)
    assert str(status) in answer.problem


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


@pytest.mark.parametrize("final", [200, 204, 500])
@pytest.mark.parametrize("before", [HINTS, HINTS * 3, b"HTTP/1.1 102 Processing\r\n\r\n" + HINTS])
def test_waits_for_the_final_status(receiver: Receiver, before: bytes, final: int) -> None:
    def hint(handler: Handler) -> None:
        handler.wfile.write(before)
        handler.send_response(final)
        handler.end_headers()
        handler.wfile.write(b"" if final == 204 else b"that is all")

    receiver.answer = hint

    answer = send(receiver.url)

    assert answer.status == final
    assert answer.text == ("" if final == 204 else "that is all")


def test_takes_other_protocols_for_a_failure(receiver: Receiver) -> None:
    receiver.answer = 101

    answer, took_s = timed(receiver.url)

    assert (answer.status, answer.is_success) == (101, False)
    assert took_s < 0.5


@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
def test_waits_for_no_final_status_without_end(
    receiver: Receiver, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 5.0)

    def stall(handler: Handler) -> None:
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write((b"HTTP/1.1 " + status + b"\r\n\r\n") * 100)

    receiver.answer = stall

    answer, took_s = timed(receiver.url)

    assert answer.problem == "No answer: EndlessAnswer."
    assert took_s < 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_follows_no_redirect(receiver: Receiver, status: int) -> None:
    def redirect(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Location", f"http://127.0.0.1:{receiver.port}/inside")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    receiver.answer = redirect

    answer = send(receiver.url)

    assert [post.path for post in receiver.received] == ["/hooks"]
    assert (answer.status, answer.is_success) == (status, False)
    assert "redirects are not followed" in answer.problem


def test_asks_no_proxy_of_the_environment(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

        assert send(receiver.url).is_success
        assert not proxy.received


# --- Where it goes -------------------------------------------------------------------------


def test_goes_nowhere_inside(receiver: Receiver, settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_ADDRESSES = False

    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "0"):
        answer = send(f"http://{host}:{receiver.port}/")
        assert answer.status == 0
        assert "not a public IP address" in answer.problem
    assert not receiver.received


def test_goes_to_the_address_that_was_looked_at(receiver: Receiver, settings: Any) -> None:
    """A public name when it is checked, and a private one when the connection is made."""
    settings.WEBHOOK_PRIVATE_ADDRESSES = False
    asked = []

    def rebind(host: str, port: int, timeout_s: float) -> list[str]:
        asked.append(host)
        return [OUTSIDE] if len(asked) == 1 else ["127.0.0.1"]

    first, second = (send(f"http://localhost:{receiver.port}/", resolve=rebind) for _ in range(2))

    # No server answers at the public address from here; what counts is that the private one got
    # nothing.
    assert asked == ["localhost"] * 2
    assert (first.status, second.status) == (0, 0)
    assert "not a public IP address" in second.problem
    assert not receiver.received


def test_connects_to_what_was_resolved_and_asks_nobody_else(receiver: Receiver) -> None:
    answer = send(f"http://partner.invalid:{receiver.port}/", resolve=lambda *_: ["127.0.0.1"])

    assert answer.is_success
    assert receiver.received[0].headers["host"] == f"partner.invalid:{receiver.port}"


@pytest.mark.parametrize("found", [[OUTSIDE, "127.0.0.1"], ["127.0.0.1", OUTSIDE]])
def test_goes_nowhere_if_one_answer_of_several_is_inside(
    receiver: Receiver, settings: Any, found: list[str]
) -> None:
    settings.WEBHOOK_PRIVATE_ADDRESSES = False

    answer = send(f"http://partner.example:{receiver.port}/", resolve=lambda *_: found)

    assert "not a public IP address" in answer.problem
    assert not receiver.received


def test_tries_the_next_address_of_a_name(receiver: Receiver) -> None:
    answer = send(receiver.url, resolve=lambda *_: ["127.255.255.254", "127.0.0.1"])

    assert answer.is_success


# --- Receivers that take their time ----------------------------------------------------------


def test_gives_up_a_receiver_that_says_nothing(receiver: Receiver) -> None:
    receiver.delay_s = 3

    answer, took_s = timed(receiver.url)

    assert answer.problem == "No answer within 0.6 s."
    assert took_s < 2


def test_gives_up_a_receiver_that_never_takes_the_connection() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with contextlib.ExitStack() as waiting:
            for _ in range(4):
                sock = waiting.enter_context(socket.socket())
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.connect(("127.0.0.1", port))

            answer, took_s = timed(f"http://127.0.0.1:{port}/")

    assert answer.status == 0
    assert took_s < 2


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n"])
def test_cuts_off_a_receiver_that_drips(receiver: Receiver, beginning: bytes) -> None:
    """Each byte comes in time, and all of them never."""

    def drip(handler: Handler) -> None:
        handler.wfile.write(beginning)
        for _ in range(40):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)

    receiver.answer = drip

    answer, took_s = timed(receiver.url)

    assert answer.problem == "No answer within 0.6 s."
    assert took_s < 2


def test_reads_little_of_an_answer_without_end(receiver: Receiver) -> None:
    def flood(handler: Handler) -> None:
        handler.send_response(500)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"x" * 65_536)

    receiver.answer = flood

    answer, took_s = timed(receiver.url)

    assert (answer.status, set(answer.text)) == (500, {"x"})
    assert len(answer.text) <= posting.MAX_READ
    assert took_s < 2


def test_is_content_with_a_status_whose_body_never_comes(receiver: Receiver) -> None:
    def promise(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        time.sleep(2)

    receiver.answer = promise

    answer, took_s = timed(receiver.url)

    assert answer.is_success
    assert took_s < 1.5


def test_shows_the_beginning_of_an_answer_as_one_line(receiver: Receiver) -> None:
    def explain(handler: Handler) -> None:
        handler.send_response(400)
        handler.end_headers()
        handler.wfile.write(b"no\r\nsuch\x00\x1b[31m thing \xff")

    receiver.answer = explain

    assert send(receiver.url).problem == "Answered 400: no such [31m thing \ufffd"


@pytest.mark.parametrize(
    "said",
    [b"", b"hello\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nx" + b"y" * 70_000],
)
def test_takes_no_nonsense_for_an_answer(receiver: Receiver, said: bytes) -> None:
    receiver.answer = lambda handler: handler.wfile.write(said) and None

    answer = send(receiver.url)

    assert (answer.status, answer.is_success) == (0, False)
    assert answer.problem.startswith("No answer")


def test_says_that_nobody_is_there() -> None:
    answer = send(f"http://127.0.0.1:{unused_port()}/")

    assert answer.problem == "No answer: ConnectionRefusedError."
    assert "not found" in send("http://nobody.invalid/").problem


# --- TLS -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    posting._tls.cache_clear()
    yield
    posting._tls.cache_clear()


@contextlib.contextmanager
def secured(authority: trustme.CA, name: str) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with receiving(context) as receiver:
        yield receiver


def send_to(receiver: Receiver, name: str = "partner.example") -> WebhookAnswer:
    return send(f"https://{name}:{receiver.port}/", resolve=lambda *_: ["127.0.0.1"])


@pytest.mark.usefixtures("trusted")
def test_looks_at_the_certificate_for_the_name(authority: trustme.CA) -> None:
    with secured(authority, "partner.example") as receiver:
        assert send_to(receiver).is_success

        other = send_to(receiver, "other.example")
        by_number = send(f"https://127.0.0.1:{receiver.port}/")

        assert len(receiver.received) == 1
    for answer in (other, by_number):
        assert answer.status == 0
        assert "The certificate is not valid" in answer.problem


@pytest.mark.usefixtures("trusted")
def test_wants_a_certificate_of_a_known_authority(authority: trustme.CA) -> None:
    with secured(trustme.CA(), "partner.example") as receiver:
        answer = send_to(receiver)

        assert not receiver.received
    assert "The certificate is not valid" in answer.problem


def test_gives_up_a_receiver_that_stops_in_the_handshake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer, took_s = timed(f"https://127.0.0.1:{silent.getsockname()[1]}/")

    assert answer.status == 0
    assert took_s < 2


def test_talks_no_plain_http_to_who_wants_tls(receiver: Receiver) -> None:
    answer = send(receiver.url.replace("http:", "https:"))

    assert answer.status == 0
    assert not receiver.received
