"""Calls of the services as an entrance makes them, with MongoDB and Redis behind."""

from __future__ import annotations

from typing import Any

import pytest

from bookings import connections, services
from bookings.callers import Caller
from bookings.clock import Deadline
from bookings.services import Outcome
from tests.conftest import night

PARTNER = Caller("client", "partner", may_act_for_others=True)
CUSTOMER = Caller("user", "customer")


@pytest.fixture(autouse=True)
def use_database(database: None) -> None:
    """Every test here has an empty database."""


def book(key: str | None = "key", *, caller: Caller = PARTNER, **fields: Any) -> Outcome:
    """Books room_A a month ahead unless `fields` say otherwise."""
    payload = {"resourceId": "room_A", "date": night(), **fields}
    if "checkIn" in fields:
        del payload["date"]
    return services.create_booking(
        caller=caller,
        key_header=key,
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
    )


def confirm(outcome: Outcome, key: str | None = "key", *, actor: Caller = PARTNER) -> Outcome:
    return services.confirm_booking(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
    )


def cancel(outcome: Outcome, key: str | None = None, *, actor: Caller = PARTNER) -> Outcome:
    return services.cancel_booking(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
    )


def let_hold_end(minutes_ago: float = 0.1) -> None:
    """Puts the end of every hold into the past, by MongoDB's clock."""
    connections.collection("bookings").update_many(
        {"status": "pending"},
        [{"$set": {"expires_at": {"$subtract": ["$$NOW", int(minutes_ago * 60_000)]}}}],
    )


def stored() -> list[dict[str, Any]]:
    """Every booking, oldest first."""
    return list(connections.collection("bookings").find({}).sort("_id"))
