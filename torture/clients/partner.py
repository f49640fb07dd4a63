"""A partner: searches, holds, confirms, changes and cancels by the API.

One partner is one caller. It sends each wish until it knows its answer, except that it sometimes
loses patience, sends twins, or comes back to an old key much later.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from torture import world
from torture.clients.sending import PATIENCE_S, Connection, Reply, Sending, note
from torture.history import Attempt, History, Operation
from torture.judging.invariants import NO_ERRORS, OTHERS, PRESENT
from torture.judging.violations import Violation

# Requests without an idempotency key change nothing, and are not operations of the history.
LOOKS = ("availability", "resources/available", "bookings")

MOST_BOOKINGS = 6


@dataclass
class Held:
    """A booking as its owner knows it."""

    id: str
    key: str
    rooms: tuple[str, ...]
    check_in: str
    check_out: str
    is_hold: bool
    user: str
    wish: dict[str, Any]
    guest: dict[str, str]
    ends_s: float = float("inf")


@dataclass
class Partner:
    """A client of the API, on a thread of its own."""

    name: str
    caller: str
    token: str
    hotel: str | None
    ports: tuple[int, ...]
    history: History
    dice: random.Random
    # Partners whose keys begin alike use the same keys.
    keys_begin: str = "key"
    found: list[Violation] = field(default_factory=list)
    bookings: list[Held] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    seen_lists: list[tuple[float, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._connection = Connection(self.ports, self.dice)
        self._numbers = itertools.count()
        self.sending = Sending(
            self._connection,
            dice=self.dice,
            another=lambda: Connection(self.ports, random.Random(self.dice.random())),
            attempt=self._attempt,
            learn=self._learn,
        )

    # --- What it does ---------------------------------------------------------------------------

    def act(self) -> None:
        """Begins something new."""
        if self.dice.random() < 0.15:
            self.look()
            return
        free = [each for each in self.bookings if not self.sending.is_in_doubt(each.id)]
        if free and (len(self.bookings) >= MOST_BOOKINGS or self.dice.random() < 0.55):
            self.change_one(self.dice.choice(free))
        else:
            self.make_one()

    def make_one(self) -> None:
        """Books, or holds, what no one may have yet: one room, a category, or several rooms."""
        hotel = self.hotel or self.dice.choice(world.HOTELS)
        if self.hotel and self.dice.random() < 0.03:
            # It must not even know of the other one.
            hotel = next(each for each in world.HOTELS if each != self.hotel)
        categories = [each for each in world.CATEGORIES if each.hotel == hotel]
        category = self.dice.choice(categories)
        first = self.dice.randrange(world.NIGHTS)
        nights = min(self.dice.choice((1, 1, 1, 2, 3)), world.NIGHTS - first)
        wish: dict[str, Any] = {
            "userId": f"u{self.dice.randrange(3)}",
            "guests": 1,
            "guest": self._guest(),
        }
        if self.dice.random() < 0.6:
            wish["hold"] = True
        how = self.dice.random()
        if how < 0.55:
            wish["resourceId"] = self.dice.choice(category.rooms)
        elif how < 0.85:
            wish["categoryId"] = category.id
        else:
            del wish["guests"]
            wish["rooms"] = [{"categoryId": category.id, "guests": 1} for _ in range(2)]
        wish |= {"checkIn": world.night(first), "checkOut": _after(world.night(first), nights)}
        # Keys belong to their callers, so other partners may use the same.
        key = f"{self.keys_begin}-{next(self._numbers)}" if self.dice.random() < 0.3 else None
        self.perform("hold" if "hold" in wish else "book", "", wish, key=key)

    def change_one(self, held: Held) -> None:
        """Confirms, extends, holds again, changes or cancels a booking of its own."""
        if held.is_hold:
            kind = self.dice.choices(
                ("confirm", "extend", "hold_again", "change", "cancel"), (4, 2, 3, 1, 2)
            )[0]
        else:
            kind = self.dice.choices(("change", "cancel"), (1, 2))[0]
        if kind == "hold_again":
            # The same stay for the same person, under another key and for another guest.
            self.perform(kind, "", {**held.wish, "guest": self._guest()}, held=held)
        elif kind == "change":
            first = self.dice.randrange(world.NIGHTS - 1)
            nights = min(self.dice.choice((1, 1, 2)), world.NIGHTS - first)
            total = world.PRICE * nights * len(held.rooms)
            wish = {
                "checkIn": world.night(first),
                "checkOut": _after(world.night(first), nights),
                "quotedTotal": total,
            }
            self.perform(kind, held.id, wish, held=held)
        elif kind == "confirm":
            self.perform(kind, held.id, {}, key=held.key, held=held)
        else:
            self.perform(kind, held.id, {}, held=held)

    def look(self) -> None:
        """Looks at something; it must be the partner's own, and must not fail."""
        what = self.dice.choice((*LOOKS, "one", "another"))
        hotel = self.hotel or self.dice.choice(world.HOTELS)
        if what == "one" and self.bookings:
            path = f"bookings/{self.dice.choice(self.bookings).id}"
        elif what == "another" and self.others:
            path = f"bookings/{self.dice.choice(self.others)}"
        elif what == "availability":
            night = world.night(self.dice.randrange(world.NIGHTS))
            path = f"availability?hotelId={hotel}&checkIn={night}&checkOut={_after(night, 1)}"
        elif what == "resources/available":
            night = world.night(self.dice.randrange(world.NIGHTS))
            path = f"resources/available?hotelId={hotel}&date={night}"
        else:
            path = "bookings?limit=50"
        reply = self._ask("GET", path)
        if reply is not None:
            self._judge_reading(path, reply)
            if what == "another" and "bookings/" in path and reply.status not in (404, 429, 503):
                self.found.append(Violation(OTHERS, f"{self.name} saw {path}: {reply.status}"))
            if what == "one" and "bookings/" in path and reply.status not in (200, 429, 503):
                self.found.append(Violation(PRESENT, f"{self.name} lost {path}: {reply.status}"))

    def _judge_reading(self, path: str, reply: Reply) -> None:
        said = reply.json()
        code = said.get("code") if isinstance(said, dict) else None
        if reply.status >= 500 and (reply.status, code) != (503, "TRY_AGAIN"):
            self.found.append(
                Violation(NO_ERRORS, f"{self.name}: GET {path} answered {reply.status} {code}")
            )
        if path.startswith("bookings?") and reply.status == 200:
            self.seen_lists.append((time.time(), [each["id"] for each in said["bookings"]]))

    # --- Sending --------------------------------------------------------------------------------

    def perform(
        self,
        kind: str,
        target: str,
        wish: dict[str, Any],
        *,
        key: str | None = None,
        held: Held | None = None,
    ) -> None:
        """Begins an operation and sends it, in one of several manners."""
        operation = self.history.begin(
            client=self.name,
            caller=self.caller,
            kind=kind,
            key=key or uuid.UUID(int=self.dice.getrandbits(128)).hex,
            target=target,
            wish=wish,
        )
        self.sending.perform(operation)

    def _attempt(self, operation: Operation, connection: Connection, patience_s: float) -> Attempt:
        attempt = Attempt(began_s=time.time())
        operation.attempts.append(attempt)
        path = f"bookings/{operation.target}/{operation.kind}" if operation.target else "bookings"
        reply = self._ask(
            "POST",
            path,
            body=operation.wish,
            key=operation.key,
            connection=connection,
            patience_s=patience_s,
        )
        note(attempt, reply)
        if reply and attempt.is_success and operation.answer is None:
            operation.answer = reply.json()["booking"]
        return attempt

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        key: str | None = None,
        connection: Connection | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Reply | None:
        headers = {"Authorization": f"Bearer {self.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if body is not None:
            headers["Content-Type"] = "application/json"
        return (connection or self._connection).ask(
            method,
            f"/api/{path}",
            headers=headers,
            body=json.dumps(body).encode() if body is not None else None,
            patience_s=patience_s,
        )

    # --- What it knows --------------------------------------------------------------------------

    def _learn(self, operation: Operation) -> None:
        """Changes what it knows of its bookings by an answer."""
        mine = {each.id: each for each in self.bookings}
        answer = operation.answer
        if answer is None:
            # Whatever was refused: it may be gone, or over.
            if operation.target in mine and operation.attempts[-1].code in (
                *("HOLD_EXPIRED", "NOT_CANCELLABLE", "NOT_FOUND", "EXTENSION_LIMIT"),
                "ALREADY_BOOKED" if operation.kind == "confirm" else "",
            ):
                self.bookings.remove(mine[operation.target])
            return
        if answer["status"] not in ("pending", "confirmed"):
            if answer["id"] in mine:
                self.bookings.remove(mine[answer["id"]])
            return
        before = mine.get(answer["id"])
        known = Held(
            id=answer["id"],
            key=before.key if before else operation.key,
            rooms=tuple(each["resourceId"] for each in answer["rooms"]),
            check_in=answer["checkIn"],
            check_out=answer["checkOut"],
            is_hold=answer["status"] == "pending",
            user=answer["userId"],
            wish=before.wish if before else operation.wish,
            guest=operation.wish.get("guest", before.guest if before else {}),
        )
        if operation.kind == "change" and before:
            stay = {name: operation.wish[name] for name in ("checkIn", "checkOut")}
            known = dataclasses.replace(known, wish={**before.wish, **stay})
        if before:
            self.bookings[self.bookings.index(before)] = known
        else:
            self.bookings.append(known)

    def _guest(self) -> dict[str, str]:
        number = self.dice.getrandbits(32)
        return {"name": f"Guest {number:08x}", "email": f"g{number:08x}@example.org"}


def _after(night: str, nights: int) -> str:
    return str(date.fromisoformat(night) + timedelta(days=nights))
