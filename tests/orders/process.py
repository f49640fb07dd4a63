"""A process that stops before each of its steps: the commands that others can notice.

Each request runs in a thread of its own, which stands for a process. It stops before it sends
anything about bookings to MongoDB or about claims and locks to Redis, and where a transaction
commits. What a transaction reads after its first command comes from its snapshot, so no stop is
needed there. Between two steps a process does nothing that another one could see. So all orders of
these steps are all orders.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pymongo import monitoring
from pymongo.synchronous import client_session

from locks.connection import GuardedPipeline, GuardedRedis
from tests.orders.model import Answer
from tests.scenarios.seen import DUPLICATE_KEY, INDEXES, WRITE_CONFLICT, scripts
from tests.scenarios.stage import LONGEST_TURN_S, Ended, Seen, Step

# The collections about which a process stops. Others are the catalogue, which no request changes,
# and counters that decide nothing. In `people` each member of staff has a document of their own.
SHARED = frozenset({"bookings", "holders"})
WRITES = frozenset({"insert", "update", "findAndModify", "delete"})

START, DONE, DEAD = "start", "done", "dead"

# Where a request is about to finish a claim that no other request of the world asks for.
UNNOTICED = "finish"

# How often a step had to wait for another process's transaction, by what waited.
waits: Counter[str] = Counter()

# How often each kind of step was a place at which processes could be switched.
stops: Counter[str] = Counter()


@dataclass
class Written:
    """What the open transaction of a process has written."""

    bookings: set[Any] = field(default_factory=set)
    collections: set[str] = field(default_factory=set)
    takes_slots: bool = False
    has_written_bookings: bool = False


@dataclass(frozen=True)
class Update:
    """An update outside a transaction, which waits inside MongoDB for a transaction that has
    written the same booking, or one of its slots if the update takes them again."""

    bookings: frozenset[Any]
    takes_slots: bool

    def waits_for(self, written: Written) -> bool:
        return bool(self.bookings & written.bookings) or (self.takes_slots and written.takes_slots)


class Process:
    """One request, step by step. `shares` has what other requests of the world also ask Redis for:
    `key`, `slots`; and `limits`, if others hold something for the same guest."""

    def __init__(
        self,
        number: int,
        send: Callable[[], Answer],
        *,
        shares: frozenset[str],
        look: Callable[[], str],
    ) -> None:
        self.number = number
        self.at = START
        self.seen: list[Seen] = []
        self.answer: Answer | None = None
        self._open: Written | None = None
        # What the servers held when the open transaction began. A rival that commits after that
        # moment causes a conflict, and one that did so before does not: these are two places.
        self.snapshot = 0
        self.shares = shares
        self.others: list[Process] = []
        self._send = send
        self._look = look
        self._next: Update | None = None
        self._lost_to: list[tuple[Process, Written]] = []
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._ends = False
        self._failure: BaseException | None = None

    @property
    def open(self) -> Written | None:
        """What the open transaction has written; None if there is none."""
        return self._open

    @open.setter
    def open(self, written: Written | None) -> None:
        self._open = written
        self.snapshot = zlib.crc32(self.look().encode()) if written else 0

    @property
    def is_over(self) -> bool:
        return self.at in (DONE, DEAD)

    @property
    def is_unnoticed(self) -> bool:
        """Whether no other request can notice the next step: it settles a claim of its own."""
        return self.at == UNNOTICED

    @property
    def why_waiting(self) -> str:
        """Says for what the next step has to wait; empty if it can be taken."""
        if any(other.open is written for other, written in self._lost_to):
            return "a transaction that lost a write conflict tries again"
        update = self._next
        if update and any(other.open and update.waits_for(other.open) for other in self.others):
            return "an update outside a transaction waits inside MongoDB"
        return ""

    def take_turn(self) -> Step:
        """Lets the process run to its next stop; returns what it saw on the way."""
        before = len(self.seen)
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, daemon=True)
            self._thread.start()
        else:
            self._go.release()
        if not self._back.acquire(timeout=LONGEST_TURN_S):
            raise AssertionError(f"stuck at {self.at} after {self.seen[before:]}")
        if self._failure:
            raise self._failure
        return tuple(self.seen[before:])

    def crash(self) -> Step:
        """Ends the process where it is. MongoDB undoes its open transaction at this moment."""
        self._end()
        self.at = DEAD
        self.seen.append(("crash",))
        return (("crash",),)

    def close(self) -> None:
        if self._thread and not self.is_over:
            self._end()

    def stop(self, at: str, update: Update | None = None) -> None:
        """Called by the process's own thread before a step."""
        if self._ends:
            raise Ended
        # The first step belongs to the first turn: so a request begins when it begins to matter.
        if self.at != START:
            self._next = update
            self._give_turn_back(at)
            self._go.acquire()
            if self._ends:
                raise Ended
        self.at = "running"
        self._next = None
        self._lost_to = []

    def see(self, *seen: str | int) -> None:
        self.seen.append(seen)

    def look(self) -> str:
        """What the servers hold now, as a short text."""
        with unseen():
            return self._look()

    def lose(self) -> None:
        """A write conflict: the transaction will begin again."""
        rivals = [(other, other.open) for other in self.others if other.open]
        self._lost_to = [
            (other, written)
            for other, written in rivals
            if written.collections or written.has_written_bookings
        ]

    def _end(self) -> None:
        self._ends = True
        self._go.release()
        assert self._thread is not None
        self._thread.join(LONGEST_TURN_S)
        assert not self._thread.is_alive(), f"a process at {self.at} does not end"
        self.open = None

    def _give_turn_back(self, at: str) -> None:
        self.at = at
        self._back.release()

    def _live(self) -> None:
        playing.process = self
        try:
            self.answer = self._send()
            self.see("answer", *map(str, self.answer))
        except Ended:
            return
        except BaseException as failure:  # reported to the thread that gave the turn
            self._failure = failure
        if not self._ends:
            self._give_turn_back(DONE)


class _Playing(threading.local):
    process: Process | None = None


# The process for which this thread works, if there is one.
playing = _Playing()


# The number of the process that has each token in Redis.
owners: dict[str, int] = {}


@contextmanager
def unseen() -> Iterator[None]:
    """For what this thread asks that is no part of its process."""
    process, playing.process = playing.process, None
    try:
        yield
    finally:
        playing.process = process


class Watch(monitoring.CommandListener):
    """Stops the process before its commands to MongoDB, and notes what it saw."""

    def __init__(self, name: Callable[[Any], str]) -> None:
        """`name` returns what stands for a value in all runs, such as a booking's id."""
        self._name = name
        self._sent: dict[int, dict[str, Any]] = {}
        self._lost: set[int] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        process = playing.process
        if process is None:
            return
        name, command = event.command_name, event.command
        if name == "abortTransaction":
            process.open = None
            return
        if process._ends and name != "endSessions":
            raise Ended
        about = command.get(name)
        is_shared = about == "bookings" or (about == "holders" and "limits" in process.shares)
        if not is_shared and not command.get("startTransaction"):
            return
        if command.get("startTransaction"):
            process.stop(f"begin {name} {about}")
            process.open = Written()
        elif "autocommit" not in command:
            process.stop(f"{name} {about}", _update_of(command) if name == "update" else None)
        elif name in WRITES and not (process.open and about in process.open.collections):
            # All requests mark the holder before the partner: the one with the first mark gets the
            # second one.
            process.stop(f"{name} {about}")
        self._sent[event.request_id] = command

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        process = playing.process
        if process is None:
            return
        if event.command_name == "commitTransaction":
            process.open = None
            process.see("commit")
            return
        command = self._sent.pop(event.request_id, None)
        if command is None:
            return
        reply: Any = event.reply
        for error in reply.get("writeErrors", ()):
            self._refused(process, error)
            return
        if event.command_name in WRITES:
            if process.open is not None:
                _note_writes(process.open, event.command_name, command)
            else:
                # A request that looks again decides by a later millisecond.
                time.sleep(0.0015)
        about = str(command[event.command_name])
        # A counter that goes on from run to run would make equal places look different.
        process.see(event.command_name, about, self._say(reply) if about in SHARED else "")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        process = playing.process
        if process is not None and self._sent.pop(event.request_id, None) is not None:
            self._refused(process, event.failure)

    def _refused(self, process: Process, error: Any) -> None:
        code = error.get("code")
        if code == DUPLICATE_KEY:
            said = next((index for name, index in INDEXES.items() if name in error["errmsg"]), "?")
            process.see("duplicate", said)
        elif code == WRITE_CONFLICT:
            process.see("conflict")
            process.lose()
        else:
            raise BaseException(f"MongoDB says {error}")
        process.open = None  # MongoDB has undone it

    def _say(self, reply: Any) -> str:
        if "cursor" in reply:
            return repr([self._name(document) for document in reply["cursor"]["firstBatch"]])
        return repr((reply.get("n"), reply.get("nModified"), self._name(reply.get("value"))))


def _update_of(command: dict[str, Any]) -> Update:
    found, takes_slots = set(), False
    for update in command["updates"]:
        condition = update["q"]
        if "$and" in condition:
            condition = {key: value for part in condition["$and"] for key, value in part.items()}
        found.add(condition["_id"])
        was, now = condition.get("status"), update["u"].get("$set", {}).get("status")
        takes_slots = takes_slots or (was in ("expired", "cancelled") and now == "confirmed")
    return Update(frozenset(found), takes_slots)


def _note_writes(written: Written, name: str, command: dict[str, Any]) -> None:
    if command[name] == "holders":
        written.collections.add("holders")
    if command[name] != "bookings":
        return
    # Not among the collections: several bookings may be written, each of them another rival's.
    written.has_written_bookings = True
    if name == "insert":
        written.bookings |= {document["_id"] for document in command["documents"]}
        written.takes_slots = True
    elif name == "update":
        update = _update_of(command)
        written.bookings |= update.bookings
        # Leaving a slot touches the same entry of the index as taking it.
        written.takes_slots = True


def _before_redis(process: Process, sent: list[tuple[Any, ...]]) -> None:
    if process._ends:
        raise Ended
    names = []
    for _, text, count, *rest in (arguments for arguments in sent if arguments[0] == "EVAL"):
        names.append(scripts.get(text, ""))
        if names[-1] in ("claim", "lock"):
            owners[rest[count]] = process.number
    settles = "finish" in names or "abandon" in names
    if "lock" in names and "slots" in process.shares:
        process.stop("lock")
    elif "claim" in names and "key" in process.shares:
        process.stop("claim")
    elif "key" in process.shares and settles:
        process.stop("settle")
    elif "release" in names and "slots" in process.shares:
        process.stop("release")
    elif "finish" in names:
        process.stop(UNNOTICED)


def _after_redis(process: Process, sent: list[tuple[Any, ...]], answers: list[Any]) -> None:
    for arguments, answer in zip(sent, answers, strict=True):
        name = scripts.get(arguments[1], "") if arguments[0] == "EVAL" else ""
        if name in ("claim", "finish"):
            process.see(name, answer[0].decode())
        elif name:
            process.see(name, int(answer))


def watch_servers(name: Callable[[Any], str]) -> None:
    """Makes every thread of a process stop before its steps. Call it before the first client is
    made."""
    monitoring.register(Watch(name))
    execute_command, execute = GuardedRedis.execute_command, GuardedPipeline.execute
    commit = client_session.ClientSession.commit_transaction

    def execute_command_seen(self: GuardedRedis, *arguments: Any, **options: Any) -> Any:
        process = playing.process
        if process is None:
            return execute_command(self, *arguments, **options)
        _before_redis(process, [arguments])
        answer = execute_command(self, *arguments, **options)
        _after_redis(process, [arguments], [answer])
        return answer

    def execute_seen(self: GuardedPipeline, raise_on_error: bool = True) -> list[Any]:
        process = playing.process
        if process is None:
            return execute(self, raise_on_error)
        sent = [arguments for arguments, _ in self.command_stack]
        _before_redis(process, sent)
        answers = execute(self, raise_on_error)
        _after_redis(process, sent, answers)
        return answers

    def commit_seen(self: client_session.ClientSession) -> None:
        # Not where the command is sent: a process that ends there leaves its transaction open.
        if playing.process is not None:
            playing.process.stop("commit")
        commit(self)

    GuardedRedis.execute_command = execute_command_seen  # type: ignore[method-assign]
    GuardedPipeline.execute = execute_seen  # type: ignore[method-assign]
    client_session.ClientSession.commit_transaction = commit_seen  # type: ignore[method-assign]
    # The driver sleeps before it tries a transaction again; here each try is a turn.
    client_session._BACKOFF_INITIAL = 0
