"""How every client sends: over one connection, to one web server or the other, and again."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from torture.history import KEPT_REFUSALS, PASSING, Attempt, Operation

# Longer than the site works on a request (10 s).
PATIENCE_S = 12.0

# How long a client insists on one wish before it leaves it for later.
INSIST_S = 6.0

MOST_OPEN = 8
MOST_KNOWN = 400

# As a proxy in front of the site would say it.
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Host": "127.0.0.1"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    # The lines that set cookies.
    cookies: tuple[str, ...] = ()

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
            cookies = tuple(answer.headers.get_all("Set-Cookie", []))
            return Reply(answer.status, found, read, cookies)
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


class Way(Protocol):
    """A connection of a client, which ends with it."""

    def close(self) -> None: ...


W = TypeVar("W", bound=Way)


class Sending(Generic[W]):
    """How a client sends its operations: until the answer is final, except that it sometimes loses
    patience, sends twins, or comes back to an old key much later.

    `attempt` sends an operation once, and notes how that ended; `learn` is told of each that is
    settled. `another` makes a second way to the site, beside the client's own.
    """

    def __init__(
        self,
        way: W,
        *,
        dice: random.Random,
        another: Callable[[], W],
        attempt: Callable[[Operation, W, float], Attempt],
        learn: Callable[[Operation], None],
        forget: Callable[[Operation], None] = lambda _: None,
    ) -> None:
        self.way = way
        self.open: list[Operation] = []
        self.known: list[Operation] = []
        self._dice = dice
        self._another = another
        self._attempt = attempt
        self._learn = learn
        self._forget = forget

    def live(self, gate: Gate, act: Callable[[], None]) -> None:
        """Goes on with what was begun, or lets the client `act`, until the end of the run."""
        while gate.enter():
            try:
                if not self.go_on():
                    act()
            finally:
                gate.leave()
        self.way.close()

    def go_on(self) -> bool:
        """At times, does something about what was begun; returns whether it did."""
        if self.open and (len(self.open) >= MOST_OPEN or self._dice.random() < 0.15):
            self.insist(self._dice.choice(self.open))
            return True
        if self.known and self._dice.random() < 0.06:
            self.send_late(self._dice.choice(self.known))
            return True
        return False

    def perform(self, operation: Operation) -> None:
        """Sends a new operation, in one of several manners."""
        manner = self._dice.random()
        if manner < 0.06:
            self._send_twins(operation)
        elif manner < 0.12:
            self._attempt(operation, self.way, self._dice.uniform(0.001, 0.05))
        if manner < 0.85 or manner >= 0.88:
            self.insist(operation)
        else:
            if not operation.attempts:
                self._attempt(operation, self.way, PATIENCE_S)
            self._settle(operation)

    def insist(self, operation: Operation) -> bool:
        """Sends an operation until its answer is final or patience ends; returns whether it is."""
        until_s = time.monotonic() + INSIST_S
        while not self.is_settled(operation):
            attempt = self._attempt(operation, self.way, PATIENCE_S)
            if self.is_settled(operation) or time.monotonic() > until_s:
                break
            # A twin or a rival is at work, or the site is recovering.
            time.sleep(self._dice.uniform(0.05, 0.4 if attempt.status else 0.2))
            if attempt.code == "RESOURCE_LOCKED" and self._dice.random() < 0.3:
                break
        return self._settle(operation)

    def send_late(self, operation: Operation) -> None:
        """Sends an old key once more: its answer must be the same.

        Only a refusal may have turned into a success, where Redis has forgotten it.
        """
        was_refused = operation.answer is None
        self._attempt(operation, self.way, PATIENCE_S)
        if was_refused and operation.answer:
            self._learn(operation)

    def _send_twins(self, operation: Operation) -> None:
        """Two requests with one key at the same time."""
        other = self._another()
        twin = threading.Thread(
            target=self._attempt, args=(operation, other, PATIENCE_S), daemon=True
        )
        twin.start()
        self._attempt(operation, self.way, PATIENCE_S)
        twin.join()
        other.close()

    def is_settled(self, operation: Operation) -> bool:
        """Whether the last answer ends it: a success, or a refusal that is not passing."""
        if operation.answer is not None or operation.given_up:
            return True
        if not operation.attempts:
            return False
        last = operation.attempts[-1]
        return bool(last.status) and last.status < 500 and last.code not in PASSING

    def _settle(self, operation: Operation) -> bool:
        """Takes note of an operation: it is settled, or stays open."""
        if not self.is_settled(operation):
            if operation not in self.open:
                self.open.append(operation)
            return False
        if operation in self.open:
            self.open.remove(operation)
        self._learn(operation)
        last_code = operation.attempts[-1].code if operation.attempts else ""
        if operation.answer or last_code in KEPT_REFUSALS:
            self.known.append(operation)
            for old in self.known[:-MOST_KNOWN]:
                self._forget(old)
            del self.known[:-MOST_KNOWN]
        else:
            self._forget(operation)
        return True

    def is_in_doubt(self, booking: str) -> bool:
        """Whether an open operation may still change it: its owner waits for that."""
        return any(each.target == booking for each in self.open)


def note(attempt: Attempt, reply: Reply | None) -> None:
    """Writes down how an attempt of the API ended."""
    attempt.ended_s = time.time()
    if reply is None:
        return
    attempt.status = reply.status
    attempt.is_success = reply.status in (200, 201)
    attempt.is_replay = reply.headers.get("idempotency-replayed") == "true"
    attempt.is_kept = reply.headers.get("idempotency-stored") != "false"
    attempt.digest = hashlib.sha256(reply.body).hexdigest()[:16]
    if reply.status >= 400:
        said = reply.json()
        attempt.code = str(said.get("code", "")) if isinstance(said, dict) else ""
        attempt.problem = reply.body[:300].decode("utf-8", "replace")
