"""Records the scenarios of /how-it-works: `python -m tests.scenarios.record [FOLDER]`.

It starts its own MongoDB and Redis, and lets two clients go through the real service in every order
that makes a difference, with and without each guard. It writes one file for each scenario and fault
to static/how-it-works/ (or FOLDER). Nothing in the files depends on time or chance, so a recording
of the same service is the same bytes: tests/scenarios/test_scenarios.py compares them.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.own_servers import own_servers
from tests.scenarios.stage import CONFLICT, DONE, Client, Place, Seen, Step, explore, reached

FOLDER = Path(__file__).resolve().parent.parent.parent / "static" / "how-it-works"

# The clients stop where the order of turns makes a difference; events between two stops are
# recorded all the same. Two requests with one key meet at the claim, two keys at the lock.
WRITE_STOPS = frozenset({"in_transaction", CONFLICT, "duplicate", "after_commit"})
STOPS = {
    "key": WRITE_STOPS | {"after_claim"},
    "room": WRITE_STOPS | {"after_lock"},
    # A client that changes a hold waits inside MongoDB for an open transaction, so none is left
    # open. No other client has its claim, and from its look on everything depends on what it then
    # changes.
    "confirm": WRITE_STOPS - {"in_transaction"} | {"before_change"},
}

# A reader of the page chooses the fault; a fault that is not listed here happens at its own turn.
FATES = ("lost", "crash")

# How long Redis may take over a command here; the recording does not depend on it.
PATIENCE_S = 30.0

# The actors that take turns: two clients, and the fault.
ACTORS = ("1", "2", "f")


@dataclass(frozen=True)
class Scenario:
    """`guards` are those that can be switched off, in every combination."""

    name: str
    guards: tuple[str, ...]
    faults: tuple[str, ...]


SCENARIOS = (
    Scenario("key", ("claim", "slots", "keys", "lookup"), ("none", "lost", "crash", "wipe")),
    Scenario("room", ("lock", "slots"), ("none", "lost", "crash", "wipe", "lock_ends")),
    Scenario("confirm", ("slots",), ("none", "hold_ends")),
)


class Story:
    """One run of a scenario from its beginning."""

    def __init__(self, scenario: Scenario, fault: str) -> None:
        from bookings.domain.callers import Caller
        from bookings.infrastructure import connections
        from tests.scenarios.seen import names

        self._fault = fault
        self._fault_is_due = fault not in ("none", *FATES)
        self._redis = connections.redis()
        self._bookings = connections.collection("bookings")
        self._bookings.delete_many({})
        self._redis.flushdb()
        names.clear()
        fate = fault if fault in FATES else None
        one, other = Caller("client", "one"), Caller("client", "other")
        first = _book(one, "K1")
        second = first if scenario.name == "key" else _book(other, "K2")
        stops = STOPS[scenario.name]
        if scenario.name == "confirm":
            # The story begins later: Redis's memory of the hold is not part of it.
            first = _confirm(one, "K1", _book(one, "K1", hold=True)())
            self._redis.flushdb()
        self.clients = {
            "1": Client(1, _say(first), stops=stops, key="K1", fate=fate),
            "2": Client(
                2,
                _say(second),
                stops=stops,
                key="K1" if scenario.name == "key" else "K2",
                fate=None,
            ),
        }

    def actors(self) -> list[str]:
        ready = [name for name, client in self.clients.items() if self._is_ready(client)]
        return [*ready, *(["f"] if ready and self._fault_may_come() else [])]

    def take(self, actor: str) -> Step:
        if actor != "f":
            return self.clients[actor].take_turn()
        self._fault_is_due = False
        if self._fault == "wipe":
            self._redis.flushdb()
        elif self._fault == "lock_ends":
            for key in self._redis.keys("lock:*"):
                self._redis.delete(key)
        elif self._fault == "hold_ends":
            self._bookings.update_many(
                {"status": "pending"},
                [{"$set": {"expires_at": {"$subtract": ["$$NOW", 1_000]}}}],
            )
        return ((self._fault,),)

    def seen(self) -> tuple[Any, ...]:
        clients = [(client.at, client.seen) for client in self.clients.values()]
        return (*clients, self._fault_is_due)

    def state(self) -> dict[str, Any]:
        """What Redis and MongoDB hold, without uncommitted writes."""
        from bookings.domain.booking import from_document
        from bookings.infrastructure import clock
        from tests.scenarios.seen import names

        claims, locks = [], []
        for key in sorted(self._redis.keys("*")):
            kind, _, name = key.decode().partition(":")
            if kind == "lock":
                locks.append(names.owners[self._redis.get(key).decode()])
            else:
                record = self._redis.hgetall(key)
                owner = names.owners[record[b"owner"].decode()]
                what = record.get(b"kind", record[b"state"]).decode()
                claims.append([names.keys[name], what, owner])
        bookings = []
        for document in self._bookings.find({}).sort("_id"):
            booking = from_document(document)
            keys = [names.keys[key.digest] for key in booking.keys]
            status = booking.status_at(clock.now())
            if status != booking.status:
                status = "dead"
            bookings.append([names.bookings[booking.id], *keys, status])
        return {"claims": sorted(claims), "locks": locks, "bookings": sorted(bookings)}

    def verdict(self) -> list[str]:
        """Returns the promises that this end breaks."""
        bookings = self.state()["bookings"]
        alive = {name: key for name, key, status in bookings if status in ("pending", "confirmed")}
        broken = set()
        if len(alive) > 1:
            broken.add("sold_twice")
        if len({key for _, key, _ in bookings}) < len(bookings):
            broken.add("booked_twice")
        told: dict[str, set[Any]] = {}
        for client in self.clients.values():
            for status, code, _, booking in client.answers:
                if code == "ALREADY_BOOKED" and client.key in alive.values():
                    broken.add("refused_though_booked")
                if not code:
                    told.setdefault(client.key, set()).add(booking)
                    if booking not in alive:
                        broken.add("empty_promise")
                assert (status < 400) == (not code)
        if any(len(bookings_told) > 1 for bookings_told in told.values()):
            broken.add("two_answers")
        return sorted(broken)

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def _is_ready(self, client: Client) -> bool:
        if client.at == CONFLICT:
            return all(other.at != "in_transaction" for other in self.clients.values())
        return client.at != DONE

    def _fault_may_come(self) -> bool:
        if not self._fault_is_due:
            return False
        at = self.clients["1"].at
        if self._fault == "lock_ends":
            # In the middle of the write: before it, the process looks at its watch.
            return at == "in_transaction"
        if self._fault == "wipe":
            # The moments with the most at stake: in the middle of the write, and when all seems
            # well.
            return at in ("in_transaction", DONE)
        return self._bookings.count_documents({"status": "pending"}) == 1


def _book(caller: Any, key: str, *, hold: bool = False) -> Callable[[], Any]:
    from bookings.infrastructure.deadlines import Deadline
    from bookings.stays import create

    night = (date.today() + timedelta(days=30)).isoformat()  # noqa: DTZ011
    payload = {"resourceId": "room_A", "date": night, **({"hold": True} if hold else {})}
    return lambda: create.create_booking(
        caller=caller,
        key_header=key,
        read_payload=lambda: payload,
        deadline=Deadline.after(60),
    )


def _confirm(caller: Any, key: str, held: Any) -> Callable[[], Any]:
    from bookings.infrastructure.deadlines import Deadline
    from bookings.stays import lifecycle

    return lambda: lifecycle.confirm_booking(
        actor=caller,
        booking_id=held.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(60),
    )


def _say(send: Callable[[], Any]) -> Callable[[], Seen]:
    """The answer as the page shows it: status, code, whether it is a replay, and which booking."""
    from bson import ObjectId

    from bookings.refusals import Refusal
    from tests.scenarios.seen import names

    def answer() -> Seen:
        try:
            outcome = send()
        except Refusal as refusal:
            return (refusal.status, refusal.code, 0, "")
        replayed = int(outcome.replayed)
        if outcome.code:
            return (outcome.answer.status, outcome.code, replayed, "")
        booking = names.bookings[ObjectId(outcome.content["booking"]["id"])]
        return (outcome.answer.status, "", replayed, booking)

    return answer


# --- Writing the file ----------------------------------------------------------------------


class Table:
    """Stores each repeated thing once; a recording refers to it by its number."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, thing: Any) -> int:
        text = json.dumps(thing)
        if text not in self._numbers:
            self._numbers[text] = len(self.rows)
            self.rows.append(thing)
        return self._numbers[text]


def write_down(places: list[Place], steps: Table, states: Table) -> list[Any]:
    """Each place as its state and, for each actor, the step and the place it leads to.

    `[state, step, place, step, place, step, place]` are the turns of client 1, of client 2 and of
    the fault. Place 0, the beginning, stands for no turn; the end of the list is left out where it
    adds nothing. An end is `[state, [broken promise, …]]`.
    """
    numbers = {id(place): number for number, place in enumerate(places)}

    def turns(place: Place) -> list[int]:
        flat = []
        for actor in ACTORS:
            step, there = place.next.get(actor, (None, None))
            flat += [steps.number(step), numbers[id(there)]] if step else [0, 0]
        while flat[-2:] == [0, 0]:
            del flat[-2:]
        return flat

    return [
        [states.number(place.state), *(turns(place) if place.actors else [place.verdict])]
        for place in places
    ]


def record(scenario: Scenario, fault: str) -> dict[str, Any]:
    from tests.scenarios import seen
    from tests.scenarios.guards import switched_off

    steps, states, graphs = Table(), Table(), Table()
    by_guards = [0] * 2 ** len(scenario.guards)
    for off in subsets(scenario.guards):
        with switched_off(off):
            places = explore(lambda: Story(scenario, fault))
        choice = number_of(off, scenario.guards)
        by_guards[choice] = graphs.number(write_down(places, steps, states))
    if seen.strange:
        raise SystemExit("The recorder does not know these commands: " + "; ".join(seen.strange))
    return {
        "guards": scenario.guards,
        "off": by_guards,
        "steps": steps.rows,
        "states": [[row["claims"], row["locks"], row["bookings"]] for row in states.rows],
        "graphs": graphs.rows,
    }


def subsets(guards: Sequence[str]) -> list[tuple[str, ...]]:
    """Every choice of guards, the smallest first."""
    return [off for size in range(len(guards) + 1) for off in itertools.combinations(guards, size)]


def number_of(off: Iterable[str], guards: Sequence[str]) -> int:
    """The number of a choice: one bit for each guard that is off, the lowest for the first."""
    return sum(2 ** guards.index(guard) for guard in off)


def main(folder: Path) -> None:
    import django
    from django.core.management import call_command
    from pymongo import monitoring

    from locks.connection import CONNECTION_OPTIONS
    from tests.scenarios import seen

    # The recording must not take a busy machine for a Redis that is down.
    CONNECTION_OPTIONS.update(socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)
    monitoring.register(seen.Watch())
    django.setup()
    from bookings import points
    from bookings.infrastructure import recent_reads
    from bookings.operations import demo_data

    # Every request looks at the catalogue, as the first one of a process does. Otherwise a story
    # would depend on how long the one before it took.
    recent_reads.MAX_AGE_S = 0.0
    call_command("migrate", verbosity=0)
    demo_data.seed()
    seen.watch_redis()
    points.install(reached)
    folder.mkdir(exist_ok=True)
    for scenario in SCENARIOS:
        for fault in scenario.faults:
            text = json.dumps(record(scenario, fault), separators=(",", ":"))
            (folder / f"{scenario.name}-{fault}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    with own_servers("scenarios", log_level="ERROR"):
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
