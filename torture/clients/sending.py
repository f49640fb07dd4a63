"""How every client sends: over one connection, to one web server or the other, and again."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torture.history import Attempt

# Longer than the site works on a request (10 s).
PATIENCE_S = 12.0

# As a proxy in front of the site would say it.
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Host": "127.0.0.1"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass
class Connection:
    """One client's way to the site. It changes the web server at times, and after each loss."""

    ports: tuple[int, ...]
    dice: random.Random
    _http: http.client.HTTPConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Reply | None:
        """The site's reply; None if the connection was lost, or it took too long."""
        if self._http is None or self.dice.random() < 0.05:
            self.close()
            self._http = http.client.HTTPConnection("127.0.0.1", self.dice.choice(self.ports))
        self._http.timeout = patience_s
        if self._http.sock:
            self._http.sock.settimeout(patience_s)
        try:
            self._http.request(method, path, body=body, headers={**FORWARDED, **headers})
            answer = self._http.getresponse()
            read = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, read)
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self) -> None:
        if self._http:
            with contextlib.suppress(OSError):
                self._http.close()
            self._http = None


@dataclass
class Gate:
    """Lets the clients work, has them pause between two operations, and ends them."""

    _is_open: threading.Event = field(default_factory=threading.Event)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _inside: int = 0
    is_over: bool = False

    def open(self) -> None:
        self._is_open.set()

    def close(self) -> None:
        self._is_open.clear()

    def end(self) -> None:
        self.is_over = True
        self._is_open.set()

    def enter(self) -> bool:
        """Waits until work may begin; False at the end of the run."""
        while not self.is_over:
            self._is_open.wait()
            with self._mutex:
                if self._is_open.is_set() and not self.is_over:
                    self._inside += 1
                    return True
        return False

    def leave(self) -> None:
        with self._mutex:
            self._inside -= 1

    @property
    def is_empty(self) -> bool:
        with self._mutex:
            return self._inside == 0


def note(attempt: Attempt, reply: Reply | None) -> None:
    """Writes down how an attempt of the API ended."""
    attempt.ended_s = time.time()
    if reply is None:
        return
    attempt.status = reply.status
    attempt.is_replay = reply.headers.get("idempotency-replayed") == "true"
    attempt.digest = hashlib.sha256(reply.body).hexdigest()[:16]
    if reply.status >= 400:
        said = reply.json()
        attempt.code = str(said.get("code", "")) if isinstance(said, dict) else ""
        attempt.problem = reply.body[:300].decode("utf-8", "replace")
