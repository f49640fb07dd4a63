"""Hand-made operations and bookings, right until a test makes one of them wrong."""

from __future__ import annotations

import copy
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from torture.history import Attempt, Operation
from torture.judging.ledger import digests_of

START = datetime(2027, 1, 1, 12, tzinfo=UTC)
START_S = START.timestamp()
BOOKING = "0123456789abcdef01234567"
CALLER = "client:one"


def answer(**changed: Any) -> dict[str, Any]:
    """A hold as an answer shows it."""
    shown = {
        "id": BOOKING,
        "status": "pending",
        "checkIn": "2027-02-01",
        "checkOut": "2027-02-02",
        "expiresAt": (START + timedelta(seconds=20)).isoformat(),
        "rooms": [{"resourceId": "east_single_1"}],
    }
    return {**shown, **changed}


def body_of(shown: dict[str, Any]) -> bytes:
    return json.dumps({"success": True, "booking": shown}).encode()


def attempt(at_s: float, status: int = 201, code: str = "", *, body: bytes = b"") -> Attempt:
    """One that began so long after START and took a tenth of a second. Status 0: no answer."""
    return Attempt(
        began_s=START_S + at_s,
        ended_s=START_S + at_s + 0.1,
        status=status,
        code=code,
        is_success=status in (200, 201),
        digest=hashlib.sha256(body).hexdigest()[:16],
    )


def operation(
    kind: str = "hold",
    *attempts: Attempt,
    number: int = 1,
    key: str = "key",
    shown: dict[str, Any] | None = None,
    guest: str = "",
) -> Operation:
    """A success if it has an answer to show."""
    makes = kind in ("book", "hold", "hold_again")
    made = Operation(
        number=number,
        client="one",
        caller=CALLER,
        kind=kind,
        key=key,
        target="" if makes else BOOKING,
        wish={"guest": {"name": guest}} if guest else {},
        answer=shown,
    )
    made.attempts = list(attempts) or [attempt(float(number), body=body_of(shown or {}))]
    return made


def line(at_s: float, event: str, made_by: Operation | None = None) -> dict[str, Any]:
    """A line of the history, with the answer of the operation that made it."""
    written: dict[str, Any] = {"at": START + timedelta(seconds=at_s), "event": event}
    if made_by:
        written["key"] = digests_of(made_by)[0]
        if made_by.answer and event != "created":
            written["body"] = body_of(made_by.answer)
    return written


def booking(made_by: Operation, *lines: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The document of a hold, after these lines."""
    assert made_by.answer
    document = {
        "_id": BOOKING,
        "kind": "stay",
        "caller": CALLER,
        "owner": CALLER,
        "hotel": "east",
        "status": "pending",
        "expires_at": START + timedelta(seconds=20),
        "check_in": "2027-02-01",
        "check_out": "2027-02-02",
        "rooms": [{"room": "east_single_1", "category": "east_single", "guests": 1}],
        "slots": ["2027-02-01|east_single_1"],
        "guests": 1,
        "guest": {"name": made_by.wish.get("guest", {}).get("name", "")},
        "price": {"total": 100, "nights": [{"date": "2027-02-01", "amount": 100}]},
        "keys": [{"digest": digests_of(made_by)[0], "body": body_of(made_by.answer)}],
        "history": [line(made_by.began_s - START_S, "created", made_by), *lines],
        "version": 1 + len(lines),
    }
    return {**copy.deepcopy(document), **changed}
