"""The history of each slot, made of operations and documents, for the linearizability checker.

A booking's history says which operations changed which of its slots; the operations say when they
were under way. What the sweep expires is no operation: the checker's model lets a hold end.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from torture.history import Operation
from torture.judging.invariants import LINEARIZABLE
from torture.judging.ledger import digests_of, merge_operations
from torture.judging.violations import Violation
from torture.linearizability import SKEW_S, Op, TooManyStates, check

# A slot: its hotel, and its room and night as bookings name them.
Slot = tuple[str, str]


def judge_slot_histories(
    operations: Iterable[Operation],
    bookings: Mapping[str, dict[str, Any]],
    *,
    skew_s: float = SKEW_S,
) -> list[Violation]:
    """Guarded by the unique index, and by looks that commit.

    `skew_s` is how far the clocks of the members of the replica set are apart.
    """
    found = []
    for (hotel, slot), history in slot_histories(operations, bookings).items():
        try:
            violation = check(f"{slot} of {hotel}", history, skew_s=skew_s)
        except TooManyStates as error:
            # What no one looked at to the end is not known to be right.
            found.append(Violation(LINEARIZABLE, f"{slot} of {hotel} was not judged: {error}"))
            continue
        if violation:
            found.append(Violation(LINEARIZABLE, str(violation)))
    return found


def slot_histories(
    operations: Iterable[Operation], bookings: Mapping[str, dict[str, Any]]
) -> dict[Slot, list[Op]]:
    """All operations on each slot."""
    merged = merge_operations(operations)
    by_digest = {digest: each for each in merged for digest in digests_of(each)}
    histories: dict[Slot, list[Op]] = defaultdict(list)
    for document in bookings.values():
        for slot, op in _changes_of(document, by_digest):
            histories[document["hotel"], slot].append(op)
    for operation in merged:
        refusal = _refusal_of(operation)
        if refusal:
            hotel = operation.wish["resourceId"].partition("_")[0]
            slot = f"{operation.wish['checkIn']}|{operation.wish['resourceId']}"
            histories[hotel, slot].append(refusal)
    return histories


def _changes_of(
    document: dict[str, Any], by_digest: Mapping[str, Operation]
) -> Iterable[tuple[str, Op]]:
    """What each line of a booking's history did to which slot."""
    booking = str(document["_id"])
    slots: set[str] = set()
    until_s = math.inf
    for line in document["history"]:
        shown = _shown_by(document, line)
        before = slots
        if shown:
            slots = _slots_in(shown)
            ends = shown.get("expiresAt") if shown["status"] == "pending" else None
            until_s = datetime.fromisoformat(ends).timestamp() if ends else math.inf
        elif line["event"] == "blocked":
            slots = set(document["slots"])
        operation = by_digest.get(line.get("key", ""))
        if operation is None:
            continue

        def op(kind: Any, by: Operation = operation, until_s: float = until_s) -> Op:
            return _op(by, kind, booking, until_s)

        match line["event"]:
            case "created" | "blocked":
                yield from ((slot, op("take")) for slot in slots)
            case "cancelled":
                yield from ((slot, op("free")) for slot in before)
            case "confirmed":
                yield from ((slot, op("confirm")) for slot in slots)
            case "extended":
                yield from ((slot, op("extend")) for slot in slots)
            case _:
                yield from ((slot, op("free")) for slot in before - slots)
                yield from ((slot, op("take")) for slot in slots - before)


def _op(operation: Operation, kind: Any, booking: str, until_s: float) -> Op:
    return Op(
        number=operation.number,
        began_s=operation.began_s,
        ended_s=operation.ended_s,
        kind=kind,
        booking=booking,
        is_certain=math.isfinite(operation.ended_s),
        until_s=until_s if kind in ("take", "extend") else math.inf,
    )


def _shown_by(document: dict[str, Any], line: dict[str, Any]) -> dict[str, Any] | None:
    """The booking in the answer that acknowledged a line."""
    body = line.get("body")
    if line["event"] == "created":
        made = {key["digest"]: key["body"] for key in document.get("keys", ())}
        body = made.get(line.get("key"))
    shown = json.loads(bytes(body)).get("booking") if body else None
    return shown if isinstance(shown, dict) else None


def _slots_in(shown: dict[str, Any]) -> set[str]:
    first, last = (date.fromisoformat(shown[day]).toordinal() for day in ("checkIn", "checkOut"))
    nights = [date.fromordinal(day) for day in range(first, last)]
    return {f"{night}|{room['resourceId']}" for night in nights for room in shown["rooms"]}


def _refusal_of(operation: Operation) -> Op | None:
    """A refusal that is about one slot alone, until its answer."""
    wish = operation.wish
    if operation.kind not in ("book", "hold", "hold_again") or not wish.get("resourceId"):
        return None
    first, last = (date.fromisoformat(wish[day]) for day in ("checkIn", "checkOut"))
    if (last - first).days != 1:
        return None
    for attempt in operation.attempts:
        if attempt.code == "ALREADY_BOOKED":
            return Op(operation.number, operation.began_s, attempt.ended_s, "refused")
    return None
