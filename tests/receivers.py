"""A partner's server on loopback: real HTTP(S), as slow, wrong or unfriendly as a test needs."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    """One POST. `headers` have lower-case names."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> Any:
        """Returns the body, once the specification's library has accepted the signature."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """`answer` is a status, or a function that answers through the handler it gets."""

    port: int
    scheme: str = "http"
    answer: int | Callable[[BaseHTTPRequestHandler], None] = 204
    delay_s: float = 0.0
    received: list[Received] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks"

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        post = Received(handler.path, headers, handler.rfile.read(length))
        with self._mutex:
            self.received.append(post)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            time.sleep(self.delay_s)
            answer = self.answer
            if callable(answer):
                answer(handler)
                return
            if 200 <= answer < 300:
                self.taken.append(post.headers.get("webhook-id", ""))
            handler.send_response(answer)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        finally:
            with self._mutex:
                self.at_once -= 1


@contextmanager
def receiving(tls: ssl.SSLContext | None = None, *, port: int = 0) -> Iterator[Receiver]:
    """A receiver that answers 204 to everything, until the test changes that."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.handle(self)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 50

        def handle_error(self, *_: Any) -> None:
            """A client that was cut off is no concern of the test."""

    server = Server(("127.0.0.1", port), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(server.server_address[1], "https" if tls else "http")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
