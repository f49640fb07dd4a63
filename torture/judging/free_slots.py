"""A slot that no booking has can be booked: nothing that died keeps it from the next guest."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from torture import world
from torture.clients.sending import Connection, note
from torture.history import Attempt, History, Operation
from torture.judging.invariants import BOOKABLE
from torture.judging.violations import Violation, tell

# As many as take no more than a moment of each round.
TRIED = 5

# A lock that was left behind ends within 12 s.
WITHIN_S = 15.0


def free_slots(bookings: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The room and night of each slot of the clients' world that no active booking has."""
    taken = {
        slot
        for document in bookings
        if document["status"] in ("pending", "confirmed")
        for slot in document["slots"]
    }
    nights = [world.night(number) for number in range(world.NIGHTS)]
    slots = [(room, night) for room in world.ROOMS for night in nights]
    return [(room, night) for room, night in slots if f"{night}|{room}" not in taken]


@dataclass
class Walker:
    """A partner that comes when no one else is there, and wants what is free."""

    connection: Connection
    token: str
    caller: str
    history: History
    dice: random.Random

    def judge(self, bookings: Iterable[Mapping[str, Any]]) -> tuple[list[Violation], float]:
        """Books some free slots and cancels. Guarded by the leases of locks and claims, and by
        mongod's limit on transactions.

        Returns what could not be booked, and the longest time that one took, in seconds.
        """
        free = free_slots(bookings)
        found, longest_s = [], 0.0
        for room, night in self.dice.sample(free, min(TRIED, len(free))):
            began_s = time.monotonic()
            day_after = str(date.fromisoformat(night) + timedelta(days=1))
            wish = {"checkIn": night, "checkOut": day_after, "guests": 1}
            # A category is not sold out while one of its rooms is free.
            wish |= self.dice.choice(
                ({"resourceId": room}, {"categoryId": world.category_of(room)})
            )
            made = self._insist("book", "", wish)
            longest_s = max(longest_s, time.monotonic() - began_s)
            if made.answer:
                self._insist("cancel", made.answer["id"], {})
            else:
                found.append(Violation(BOOKABLE, f"It is free, and was refused.\n{tell([made])}"))
        return found, longest_s

    def _insist(self, kind: str, target: str, wish: dict[str, Any]) -> Operation:
        """Sends an operation until it succeeds or its time is up."""
        operation = self.history.begin(
            client="walker",
            caller=self.caller,
            kind=kind,
            key=uuid.uuid4().hex,
            target=target,
            wish=wish,
        )
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": operation.key,
        }
        path = f"/api/bookings/{target}/{kind}" if target else "/api/bookings"
        until_s = time.monotonic() + WITHIN_S
        while operation.answer is None and time.monotonic() < until_s:
            attempt = Attempt(began_s=time.time())
            operation.attempts.append(attempt)
            reply = self.connection.ask(
                "POST", path, headers=headers, body=json.dumps(wish).encode()
            )
            note(attempt, reply)
            if reply and attempt.is_success:
                operation.answer = reply.json()["booking"]
            else:
                time.sleep(0.2)
        return operation
