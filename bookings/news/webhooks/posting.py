"""One POST to an untrusted receiver: limited in time and in what it reads, with no redirects.

It uses http.client alone, on a connection to an IP address that was checked: no redirects, no proxy
from the environment, no pool that could open connections by itself.
"""

import http
import http.client
import io
import re
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from bookings.news.webhooks import receiver_urls
from bookings.news.webhooks.receiver_urls import Resolver, UrlParts, UrlRefused

# From resolving the name to reading the status, whatever the receiver does.
TIMEOUT_S = 10.0

# If one of several IP addresses is dead, this leaves time for the next.
CONNECT_TIMEOUT_S = 3.0

# People look at the beginning of an answer. After the status there is little reason to wait.
MAX_READ = 300
READ_TIMEOUT_S = 1.0

# Of everything received, interim responses included; more than servers send as headers.
MAX_RECEIVED = 65_536

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True)
class WebhookAnswer:
    """The outcome of a POST. `status` is 0 if there was no answer. `text` then says why; otherwise
    it is the beginning of the answer."""

    status: int
    text: str
    took_ms: int

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def problem(self) -> str:
        """One line for a person who looks for the fault."""
        if not self.status:
            return self.text
        hint = " (redirects are not followed)" if 300 <= self.status < 400 else ""
        return f"Answered {self.status}{hint}" + (f": {self.text}" if self.text else ".")


def post(
    url: str, body: bytes, headers: dict[str, str], *, resolve: Resolver | None = None
) -> WebhookAnswer:
    """Sends the bytes; never raises, whatever the URL or the receiver does."""
    began_s = time.monotonic()
    try:
        status, text = _exchange(
            receiver_urls.read_url(url),
            body,
            headers,
            deadline_s=began_s + TIMEOUT_S,
            resolve=resolve or receiver_urls.resolve,
        )
    except UrlRefused as refusal:
        status, text = 0, str(refusal)
    except TimeoutError:
        status, text = 0, f"No answer within {TIMEOUT_S:g} s."
    except socket.gaierror as error:
        status, text = 0, f"The name was not found: {error.strerror}."
    except ssl.SSLCertVerificationError as error:
        status, text = 0, f"The certificate is not valid: {error.verify_message}."
    except (OSError, http.client.HTTPException) as error:
        status, text = 0, f"No answer: {type(error).__name__}."
    return WebhookAnswer(status, text, int((time.monotonic() - began_s) * 1000))


def _exchange(
    parts: UrlParts,
    body: bytes,
    headers: dict[str, str],
    *,
    deadline_s: float,
    resolve: Resolver,
) -> tuple[int, str]:
    found = resolve(parts.host, parts.port, deadline_s - time.monotonic())
    receiver_urls.check_ip_addresses(found)
    with _connect(parts, found, deadline_s) as sock:
        exchange = http.client.HTTPConnection(parts.host, parts.port)
        exchange.auto_open = 0
        bounded = _Bounded(sock, deadline_s)
        exchange.sock = bounded
        exchange.request(
            "POST",
            parts.path,
            body,
            {
                "Host": parts.netloc,
                "Content-Type": "application/json",
                "Connection": "close",
                **headers,
            },
        )
        response = exchange.getresponse()
        while _is_interim(response.status):
            # http.client itself goes on after 100 only.
            response.headers = None  # type: ignore[assignment]
            response.begin()
        bounded.deadline_s = min(deadline_s, time.monotonic() + READ_TIMEOUT_S)
        return response.status, _beginning(response)


def _connect(parts: UrlParts, found: list[str], deadline_s: float) -> socket.socket:
    """A connection to the first IP address that accepts one; raises the last error if none does."""
    error: OSError = OSError("no IP address")
    for ip_address in dict.fromkeys(found):
        try:
            sock = socket.create_connection(
                (ip_address, parts.port), min(CONNECT_TIMEOUT_S, _left_s(deadline_s))
            )
            break
        except OSError as refused:
            error = refused
    else:
        raise error
    if not parts.is_tls:
        return sock
    try:
        sock.settimeout(_left_s(deadline_s))
        # The certificate must be for the name, although the connection is to an IP address.
        return _tls().wrap_socket(sock, server_hostname=parts.host)
    except BaseException:
        sock.close()
        raise


def _is_interim(status: int) -> bool:
    """Whether another status follows (RFC 9110, 15.2). After 101 comes no more HTTP."""
    return 100 <= status < 200 and status != http.HTTPStatus.SWITCHING_PROTOCOLS


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _beginning(response: http.client.HTTPResponse) -> str:
    try:
        read = response.read1(MAX_READ)
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    return _UNPRINTABLE.sub(" ", read.decode("utf-8", "replace")).strip()


def _left_s(deadline_s: float) -> float:
    """The seconds left; raises TimeoutError if there are none."""
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


class EndlessAnswer(http.client.HTTPException):
    """The receiver's answer does not end."""


class _Bounded:
    """The parts of a socket that http.client needs, under one deadline: a socket's own time-out
    starts again with every byte."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._sock = sock
        self._received = 0
        self.deadline_s = deadline_s

    def sendall(self, data: Any) -> None:
        unsent = memoryview(data)
        while unsent:
            self._sock.settimeout(_left_s(self.deadline_s))
            unsent = unsent[self._sock.send(unsent) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def receive(self, buffer: Any) -> int:
        """Reads into the buffer; returns the number of bytes. Raises EndlessAnswer."""
        if self._received >= MAX_RECEIVED:
            raise EndlessAnswer
        self._sock.settimeout(_left_s(self.deadline_s))
        received = self._sock.recv_into(buffer)
        self._received += received
        return received

    def close(self) -> None:
        """Does nothing: the caller that made the connection closes it."""


class _Incoming(io.RawIOBase):
    def __init__(self, bounded: _Bounded) -> None:
        self._bounded = bounded

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._bounded.receive(buffer)
