"""Two clients take their steps in any order, and in every order that makes a difference.

Each client is a thread that calls the real service. It stops at the points of the flow
(bookings/points.py) until it is its turn, so only one of them ever runs. `explore` takes every
possible turn at every place that the two can reach. Two ways to a place count as one place if each
client has seen the same and the servers hold the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

# What a client saw: a code and its facts, such as ("claim", "claimed").
Seen = tuple[str | int, ...]
Step = tuple[Seen, ...]

# A client's own turn takes milliseconds. A turn that takes this long waits for the other client.
# Only a transaction can cause that, and the driver reports those.
LONGEST_TURN_S = 20.0

# Where a client stands that has nothing more to do, and one that waits for a transaction.
DONE, CONFLICT = "done", "conflict"


class Ended(BaseException):
    """Ends the run of a thread that stands for a process which died."""


class Client:
    """One client: sends its request and, if no answer comes, sends it once more.

    `fate` is what happens to the first request: `lost` loses the answer; `crash` ends the process
    that works on it, once the booking is committed.
    """

    def __init__(
        self,
        number: int,
        send: Callable[[], Seen],
        *,
        stops: frozenset[str],
        key: str,
        fate: str | None,
    ) -> None:
        self.number = number
        self.key = key
        self.at = "start"
        self.seen: list[Seen] = []
        self.answers: list[Seen] = []
        self._send = send
        self._stops = stops
        self._fates = [fate, None] if fate else [None]
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._needs_process = True
        self._over = threading.Event()
        self._failure: BaseException | None = None

    def take_turn(self) -> Step:
        """Lets the client run to its next stop; returns what it saw on the way."""
        before = len(self.seen)
        if self._needs_process:
            self._needs_process = False
            thread = threading.Thread(target=self._live, daemon=True)
            self._threads.append(thread)
            thread.start()
        else:
            self._go.release()
        if not self._back.acquire(timeout=LONGEST_TURN_S):
            raise AssertionError(f"client {self.number} is stuck after {self.seen[before:]}")
        if self._failure:
            raise self._failure
        return tuple(self.seen[before:])

    def see(self, *seen: str | int) -> None:
        self.seen.append(seen)

    def stop(self, point: str) -> None:
        """Called by the client's own thread: waits for its next turn, if it stops there."""
        if point not in self._stops:
            return
        dies = point == "after_commit" and self._fates[0] == "crash"
        self._wait(point)
        if dies:
            self.see("crash")
            self._fates.pop(0)
            self._needs_process = True
            self._give_turn_back("crash")
            # There is no cleanup: this thread stays where it is, and another one takes the client's
            # next turn.
            self._over.wait()
            raise Ended

    def close(self) -> None:
        """Ends every thread, wherever it is."""
        self._over.set()
        for thread in self._threads:
            self._go.release()
            thread.join()

    def _wait(self, at: str) -> None:
        self._give_turn_back(at)
        self._go.acquire()
        if self._over.is_set():
            raise Ended

    def _give_turn_back(self, at: str) -> None:
        self.at = at
        self._back.release()

    def _live(self) -> None:
        playing.client = self
        try:
            while self._fates:
                self.see("again" if len(self.seen) else "ask", self.key)
                answer = self._send()
                if self._fates.pop(0) == "lost":
                    self.see("lost", *answer)
                    self._wait("lost")
                    continue
                self.answers.append(answer)
                self.see("answer", *answer)
                break
        except Ended:
            return
        except BaseException as failure:  # reported to the thread that gave the turn
            self._failure = failure
        self._give_turn_back(DONE)


class _Playing(threading.local):
    client: Client | None = None


# The client whose request this thread works on, if there is one.
playing = _Playing()


def reached(point: str) -> None:
    """The handler for `bookings.points.install`."""
    if playing.client:
        playing.client.stop(point)


class Play(Protocol):
    """One run from the beginning: which actors may take a turn, and what the servers hold."""

    def actors(self) -> Sequence[str]: ...

    def take(self, actor: str) -> Step: ...

    def seen(self) -> tuple[Any, ...]: ...

    def state(self) -> dict[str, Any]: ...

    def verdict(self) -> list[str]: ...

    def close(self) -> None: ...


@dataclass(eq=False)
class Place:
    """A place that the clients can reach: how, what the servers hold, and what can come next.

    At an end, where no actor has a turn left, `verdict` says which promises were broken.
    """

    path: tuple[str, ...]
    state: dict[str, Any]
    actors: tuple[str, ...]
    verdict: list[str]
    next: dict[str, tuple[Step, Place]] = field(default_factory=dict)

    @property
    def untried(self) -> list[str]:
        return [actor for actor in self.actors if actor not in self.next]


def explore(begin: Callable[[], Play], *, merge: bool = True) -> list[Place]:
    """Returns every place, the beginning first.

    Without `merge` each way to a place is a place of its own, which takes very long, and shows
    whether two places that count as one are one.
    """
    places: dict[str, Place] = {}

    def arrive(play: Play, path: tuple[str, ...]) -> Place:
        state, actors = play.state(), tuple(play.actors())
        name = repr((play.seen(), state)) if merge else " ".join(path)
        known = places.get(name)
        if known is None:
            known = places[name] = Place(path, state, actors, [] if actors else play.verdict())
        assert known.actors == actors, "two places look like one"
        return known

    todo: list[Place] = []
    while todo or not places:
        play = begin()
        try:
            if not places:
                todo.append(arrive(play, ()))
            here = todo[-1]
            for actor in here.path:
                play.take(actor)
            # Go on to an end, or to a place from which every turn has been tried.
            while here.untried:
                actor = here.untried[0]
                step = play.take(actor)
                there = arrive(play, (*here.path, actor))
                here.next[actor] = (step, there)
                todo.append(there)
                here = there
        finally:
            play.close()
        todo = [place for place in todo if place.untried]
    return list(places.values())
