"""The bookings against the operations: each has the effects that it was told to have.

A booking's history has a line for each change, with the digest of its key and the answer that
acknowledged it. So the lines say which operations had an effect, in which order, and what the
booking must look like after the last one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from idempotency import keys
from torture import world
from torture.history import KEPT_REFUSALS, PASSING, Operation
from torture.judging.invariants import (
    AS_FOLDED,
    AS_WISHED,
    IN_ORDER,
    LIVE_HOLD,
    NOT_EXPIRED,
    NOT_REFUSED,
    ONE_PER_KEY,
    OTHERS,
    PRESENT,
    ZERO_OR_ONE,
)
from torture.judging.violations import Violation, tell

MAKING = ("book", "hold", "hold_again")

# The lines that give a booking its status.
STATUS_AFTER = {
    "blocked": "confirmed",
    "extended": "pending",
    "confirmed": "confirmed",
    "expired": "expired",
    "cancelled": "cancelled",
}

# Times are stored to the millisecond; the answer about a hold's end may be as late as its client.
CLOCKS_S = 0.05


def digests_of(operation: Operation) -> list[str]:
    """The digests under which the site may know the operation's key."""
    makes = operation.kind in MAKING
    return [
        keys.digest_of(
            caller=operation.caller,
            operation="create" if makes else SITE_OPERATION.get(operation.kind, operation.kind),
            target="" if makes or operation.kind == "block" else operation.target,
            key=key,
        )
        for key in dict.fromkeys((*operation.more_keys, operation.key))
    ]


# What the site calls some kinds of operations.
SITE_OPERATION = {"edit": "correct", "details": "correct", "unblock": "cancel"}


def merge_operations(operations: Iterable[Operation]) -> list[Operation]:
    """The operations, with one for all that have the same key.

    A page's form has the key of the last page with that form, and all orders of the desk to cancel
    one booking have the same key. So several wishes can be one to the site.
    """
    merged: list[list[Operation]] = []
    known: dict[str, list[Operation]] = {}
    for operation in operations:
        digests = digests_of(operation)
        same = next((known[digest] for digest in digests if digest in known), None)
        if same is None:
            same = []
            merged.append(same)
        same.append(operation)
        known |= dict.fromkeys(digests, same)
    return [_merge(each) if len(each) > 1 else each[0] for each in merged]


def _merge(same: list[Operation]) -> Operation:
    attempts = [attempt for each in same for attempt in each.attempts]
    # Only one wish has an effect: one that was sent before the first success was told.
    told_s = min((each.ended_s for each in same if each.answer), default=float("inf"))
    sent = [each for each in same if each.outcome != "refused" and each.began_s < told_s]
    wishes = [each.wish for each in sent] or [same[0].wish]
    is_clear = all(wish.get("guest") == wishes[0].get("guest") for wish in wishes)
    is_clear = is_clear and not any(wish.get("is_unclear") for wish in wishes)
    return dataclasses.replace(
        same[0],
        wish=wishes[0] if is_clear else {"is_unclear": True},
        attempts=sorted(attempts, key=lambda attempt: attempt.began_s),
        answer=next((each.answer for each in same if each.answer), None),
        more_keys=[key for each in same for key in each.more_keys],
    )


def judge_ledger(
    operations: Iterable[Operation],
    bookings: Mapping[str, dict[str, Any]],
    seen_at_s: Mapping[str, float],
    *,
    apart_s: float = CLOCKS_S,
) -> list[Violation]:
    """`bookings` are all documents, by the text of their ids. `seen_at_s` says when some of them
    were seen on a majority, and `apart_s` how far the clocks are apart by which holds end."""
    return _Ledger(list(operations), bookings, seen_at_s, apart_s).judge()


class _Ledger:
    def __init__(
        self,
        operations: list[Operation],
        bookings: Mapping[str, dict[str, Any]],
        seen_at_s: Mapping[str, float],
        apart_s: float,
    ) -> None:
        self.bookings = bookings
        self.apart_s = apart_s
        self.seen_at_s = seen_at_s
        self.operations = merge_operations(operations)
        self.by_digest = {digest: each for each in self.operations for digest in digests_of(each)}
        self.makers: dict[str, list[str]] = defaultdict(list)
        self.lines: dict[str, list[str]] = defaultdict(list)
        for booking_id, document in bookings.items():
            made = [key["digest"] for key in document.get("keys", ())]
            for digest in {*made, *_retired(document)}:
                self.makers[digest].append(booking_id)
            for line in document["history"]:
                if "key" in line:
                    self.lines[line["key"]].append(booking_id)
        self.found: list[Violation] = []

    def judge(self) -> list[Violation]:
        for operation in self.operations:
            self._judge_operation(operation)
        for booking_id, document in self.bookings.items():
            self._judge_booking(booking_id, document)
        return self.found

    def _say(self, invariant: str, why: str, *operations: Operation | None) -> None:
        story = tell({each.number: each for each in operations if each}.values())
        self.found.append(Violation(invariant, f"{why}\n{story}"))

    # --- One operation ---------------------------------------------------------------------------

    def _judge_operation(self, operation: Operation) -> None:
        makes, digests = operation.kind in MAKING, digests_of(operation)
        effects = [
            booking
            for digest in digests
            for booking in (self.makers if makes else self.lines)[digest]
        ]
        if len(effects) > 1:
            self._say(
                ONE_PER_KEY if makes else ZERO_OR_ONE,
                f"One key had {len(effects)} effects: {', '.join(effects)}.",
                operation,
            )
        if operation.outcome == "refused" and effects:
            self._say(NOT_REFUSED, f"It was refused, yet {effects[0]} has it.", operation)
        if makes and effects:
            self._judge_late_refusals(operation, effects[0])
        elif effects:
            self._judge_late_refusals_of_a_change(operation)
        if operation.outcome != "ok":
            return
        assert operation.answer is not None
        booking_id = operation.answer["id"]
        document = self.bookings.get(booking_id)
        if document is None:
            self._say(PRESENT, f"{booking_id} was acknowledged and is not there.", operation)
            return
        if document["kind"] == "stay" and makes and document["caller"] != operation.caller:
            self._say(OTHERS, f"{booking_id} belongs to {document['caller']}.", operation)
            return
        if makes and effects != [booking_id]:
            self._say(PRESENT, f"{booking_id} does not have the key that made it.", operation)
        stored = self._stored_answer(document, *digests)
        told = next(each.digest for each in operation.attempts if each.is_success)
        # Pages say in words what the stored answer says.
        if stored is not None and told and hashlib.sha256(stored).hexdigest()[:16] != told:
            self._say(PRESENT, f"{booking_id} has another answer than was told.", operation)
        if not makes and not effects and not self._changes_nothing(operation, document):
            self._say(PRESENT, f"{booking_id} has no line of the change.", operation)
        shown = json.loads(stored).get("booking") if stored else operation.answer
        if other := _unlike_the_wish(operation.wish, shown or {}):
            self._say(AS_WISHED, f"{booking_id} has {'; '.join(other)}.", operation)

    def _judge_late_refusals(self, operation: Operation, booking_id: str) -> None:
        """Once the key's booking is there, no new request with the key is refused its room.

        A page's form is a new wish once its booking has ended, and goes on under another key.
        """
        seen_at_s = self.seen_at_s.get(booking_id, float("inf"))
        over_s = _over_s(self.bookings[booking_id]) - self.apart_s
        for attempt in operation.attempts:
            if not attempt.digest and attempt.ended_s > over_s:
                continue
            if attempt.code in KEPT_REFUSALS and attempt.began_s > seen_at_s:
                self._say(
                    NOT_REFUSED, f"Refused though its booking {booking_id} was made.", operation
                )
                return

    def _judge_late_refusals_of_a_change(self, operation: Operation) -> None:
        """Once the key's line is there, the API gives the answer in it. Pages tell how it is."""
        seen_at_s = min(self.seen_at_s.get(each, float("inf")) for each in digests_of(operation))
        for attempt in operation.attempts:
            is_refusal = 400 <= attempt.status < 500 and attempt.code not in PASSING
            if attempt.digest and is_refusal and attempt.began_s > seen_at_s:
                self._say(NOT_REFUSED, "Refused though its change was made.", operation)
                return

    def _stored_answer(self, document: dict[str, Any], *digests: str) -> bytes | None:
        for each in (*document.get("keys", ()), *document["history"]):
            if {each.get("digest"), each.get("key")} & {*digests} and each.get("body"):
                return bytes(each["body"])
        return None

    def _changes_nothing(self, operation: Operation, document: dict[str, Any]) -> bool:
        """Whether the booking was as wished already: nothing is written then.

        A hold that expired may be confirmed late, so that alone does not end it.
        """
        said = [each["event"] for each in document["history"] if each["event"] in STATUS_AFTER]
        return operation.kind in ("cancel", "unblock") and (
            "cancelled" in said or said[-1:] == ["expired"]
        )

    # --- One booking -----------------------------------------------------------------------------

    def _judge_booking(self, booking_id: str, document: dict[str, Any]) -> None:
        history = document["history"]
        mine = [self.by_digest.get(line.get("key", "")) for line in history]
        for at, later in enumerate(mine):
            for earlier in mine[:at]:
                if earlier and later and later.ended_s < earlier.began_s:
                    self._say(
                        IN_ORDER,
                        f"{booking_id} has the later operation's line first.",
                        later,
                        earlier,
                    )
        made = {*(each["digest"] for each in document.get("keys", ())), *_retired(document)}
        # A page's form may go on under another key, of which its guest never hears.
        if document["caller"].startswith("client:") and not made & self.by_digest.keys():
            self._say(ONE_PER_KEY, f"No partner asked for {booking_id} under its keys.")
        self._judge_ends(booking_id, document)
        self._judge_fold(booking_id, document)

    def _judge_ends(self, booking_id: str, document: dict[str, Any]) -> None:
        """A hold expires only once its end has come, and a booking never."""
        status, ends_at = "", None
        for line in document["history"]:
            said = _booking_in(line)
            if line["event"] == "created":
                status, ends_at = self._as_created(document)
            elif line["event"] == "expired":
                if status == "confirmed":
                    self._say(NOT_EXPIRED, f"{booking_id} expired after it was confirmed.")
                elif ends_at is not None and _seconds(line["at"]) < ends_at - self.apart_s:
                    early_s = ends_at - _seconds(line["at"])
                    self._say(LIVE_HOLD, f"{booking_id} expired {early_s:.3f} s before its end.")
                status = "expired"
            else:
                status = STATUS_AFTER.get(line["event"], status)
            if said and said.get("expiresAt"):
                ends_at = _seconds(datetime.fromisoformat(said["expiresAt"]))

    def _as_created(self, document: dict[str, Any]) -> tuple[str, float | None]:
        """Status and end of a new booking, by the answer of its first key."""
        first = document["history"][0].get("key")
        answer = self._stored_answer(document, first) if first else None
        if answer is None:
            return "confirmed" if document["kind"] == "block" else "", None
        said = json.loads(answer)["booking"]
        ends = said.get("expiresAt")
        return said["status"], _seconds(datetime.fromisoformat(ends)) if ends else None

    def _judge_fold(self, booking_id: str, document: dict[str, Any]) -> None:
        """The newest of its answers describes it, except for what needs no answer."""
        last = None
        for line in document["history"]:
            said = _booking_in(line)
            if line["event"] == "created":
                answer = self._stored_answer(document, line.get("key", ""))
                said = json.loads(answer)["booking"] if answer else None
            last = said or last
        if last is None:
            return
        expected = {
            "check_in": last["checkIn"],
            "check_out": last["checkOut"],
            "rooms": sorted(each["resourceId"] for each in last["rooms"]),
            "status": self._status_of(document, last["status"]),
        }
        actual = {
            "check_in": document["check_in"],
            "check_out": document["check_out"],
            "rooms": sorted(each["room"] for each in document["rooms"]),
            "status": document["status"],
        }
        if document["status"] == "pending":
            expected["expires"] = _seconds(datetime.fromisoformat(last["expiresAt"]))
            actual["expires"] = _seconds(document["expires_at"])
        mine = [self.by_digest.get(line.get("key", "")) for line in document["history"]]
        if expected != actual:
            self._say(AS_FOLDED, f"{booking_id} is {actual}, not {expected}.", *mine)
        guests = self._guests_allowed(document)
        if guests is not None and document["guest"]["name"] not in guests:
            adopted = [self.by_digest.get(key["digest"]) for key in document.get("keys", ())]
            self._say(
                AS_FOLDED,
                f"{booking_id} is for {document['guest']['name']!r}. By what was told it could be "
                f"for {' or '.join(sorted(guests)) or 'none'}.",
                *mine,
                *adopted,
            )

    def _status_of(self, document: dict[str, Any], at_first: str) -> str:
        for line in reversed(document["history"]):
            if line["event"] in STATUS_AFTER:
                return STATUS_AFTER[line["event"]]
        return at_first

    def _guests_allowed(self, document: dict[str, Any]) -> set[str] | None:
        """The names that the booking may have, by all orders that explain what its keys were told;
        None if that is not known.

        Both the keys that it adopted and the changes in its history have an order. How these two
        lie with each other is known only from the times, and from the names that the changes saw:
        a correction is refused if the name is another than its form showed.
        """
        adopted = [self.by_digest.get(key["digest"]) for key in document.get("keys", ())]
        lines = [line for line in document["history"] if line["event"] in NAMING]
        changed = [self.by_digest.get(line.get("key", "")) for line in lines]
        if document.get("retired_keys"):
            return None
        if any(each is None or each.wish.get("is_unclear") for each in (*adopted, *changed)):
            return None
        named = [each for each in adopted if each and each.wish.get("guest")]
        edits = [each for each in changed if each and each.wish.get("guest")]
        first = "" if len(named) < len(adopted) and adopted[0] not in named else None
        return _names_after(named, edits, first)


# The events that may give a booking another guest. Who confirms again is told what was confirmed.
NAMING = ("confirmed", "corrected", "edited", "edited_told")


def _names_after(adopted: list[Operation], edits: list[Operation], first: str | None) -> set[str]:
    """The last names of all ways to merge two sequences, each in its own order.

    `first` is the name of a booking that was made without one; else the first adopted made it.
    """
    reached: dict[tuple[int, int], set[str]] = defaultdict(set)
    if first is None and adopted:
        reached[1, 0] = {adopted[0].wish["guest"]["name"]}
    else:
        reached[0, 0] = {first or ""}
    for at in range(len(adopted) + 1):
        for then in range(len(edits) + 1):
            before = reached[at, then]
            if not before:
                continue
            if at < len(adopted) and not _is_after(adopted[at], edits[then:]):
                reached[at + 1, then].add(adopted[at].wish["guest"]["name"])
            if then < len(edits) and not _is_after(edits[then], adopted[at:]):
                seen = edits[then].wish.get("seen")
                if seen is None or seen in before:
                    reached[at, then + 1].add(edits[then].wish["guest"]["name"])
    return reached[len(adopted), len(edits)]


def _is_after(operation: Operation, others: Iterable[Operation]) -> bool:
    """Whether one of the others was told its success before this one began."""
    return any(other.ended_s < operation.began_s for other in others)


def judge_refused_holds(
    operations: Iterable[Operation],
    bookings: Mapping[str, dict[str, Any]],
    *,
    apart_s: float = CLOCKS_S,
) -> list[Violation]:
    """A hold can be confirmed until its end: no confirm is told before that it has expired. The
    desk may have cancelled it."""
    operations = list(operations)
    # Of each booking, when its client was told of an end, and that end. Extensions make it later.
    ends: dict[str, list[tuple[float, float]]] = defaultdict(list)
    found = []
    for operation in operations:
        answer = operation.answer
        if answer and operation.kind in ("hold", "extend") and answer.get("expiresAt"):
            end_s = _seconds(datetime.fromisoformat(answer["expiresAt"]))
            ends[answer["id"]].append((operation.ended_s, end_s))
    for operation in operations:
        if operation.kind != "confirm" or operation.target not in bookings:
            continue
        lines = bookings[operation.target]["history"]
        cancelled_s = [_seconds(each["at"]) for each in lines if each["event"] == "cancelled"]
        for attempt in operation.attempts:
            told = [end_s for told_s, end_s in ends[operation.target] if told_s < attempt.began_s]
            end_s = max(told, default=0.0)
            if any(attempt.ended_s > at_s - CLOCKS_S for at_s in cancelled_s):
                continue
            if attempt.code == "HOLD_EXPIRED" and attempt.ended_s < end_s - apart_s:
                found.append(
                    Violation(
                        LIVE_HOLD,
                        f"Refused {end_s - attempt.ended_s:.3f} s before its end.\n"
                        f"{tell([operation])}",
                    )
                )
    return found


def _over_s(document: dict[str, Any]) -> float:
    """When a booking first was no longer what its key asked for: ended, or of other dates."""
    history, ends_at = document["history"], document.get("expires_at")
    over = [line["at"] for line in history if line["event"] in ("cancelled", "expired", "changed")]
    confirmed = [line["at"] for line in history if line["event"] == "confirmed"]
    # A late confirm brings a hold back that was dead for a while.
    if ends_at is not None and not any(at <= ends_at for at in confirmed):
        over.append(ends_at)
    return min(map(_seconds, over), default=float("inf"))


def _retired(document: Mapping[str, Any]) -> Iterable[str]:
    """The keys of a booking whose answers it keeps no longer."""
    return document.get("retired_keys", ())


def _unlike_the_wish(wish: Mapping[str, Any], shown: Mapping[str, Any]) -> list[str]:
    """In what an acknowledged booking is another one than was asked for."""
    rooms = [each["resourceId"] for each in shown.get("rooms", ())]
    other = [
        f"{name} {shown[name]}, not {wish[name]}"
        for name in ("checkIn", "checkOut")
        if name in wish and shown.get(name, wish[name]) != wish[name]
    ]
    if not rooms:
        return other
    wished = wish.get("rooms", ())
    if wished and len(rooms) != len(wished):
        other.append(f"{len(rooms)} rooms, not {len(wished)}")
    elif wished and isinstance(wished[0], str) and sorted(rooms) != sorted(wished):
        other.append(f"the rooms {rooms}, not {wished}")
    if wish.get("resourceId", rooms[0]) != rooms[0]:
        other.append(f"the room {rooms[0]}, not {wish['resourceId']}")
    category = wish.get("categoryId")
    if category and any(world.category_of(room) != category for room in rooms):
        other.append(f"the rooms {rooms}, not of {category}")
    if "hold" in wish and shown.get("status", "pending") != "pending":
        other.append(f"the status {shown['status']}, though a hold was asked for")
    return other


def _booking_in(line: dict[str, Any]) -> dict[str, Any] | None:
    """The booking in the answer of a line, if it has one."""
    if not line.get("body"):
        return None
    said = json.loads(bytes(line["body"]))
    booking = said.get("booking")
    return booking if isinstance(booking, dict) else None


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
