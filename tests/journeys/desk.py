"""The desk of the inn: its calendar, and bookings of every look around today."""

from __future__ import annotations

import re
from datetime import date

from django.contrib.auth.models import User

from bookings.infrastructure import connections
from tests.admin.test_blocks import block
from tests.calls import book
from tests.conftest import night

GRID = "/admin/desk/occupancy/?hotel=inn&days=14"


def fill_inn() -> User:
    staff = User.objects.create_superuser("staff")
    for room, first, end, name, is_hold in (
        ("inn_A", 0, 3, "Ada Lovelace", False),
        ("inn_A", 5, 20, "Grace Hopper", False),
        ("inn_B", 1, 4, "Alan Turing", True),
        ("inn_C", 2, 5, "Kurt Dead", True),
    ):
        dates = {"checkIn": night(first), "checkOut": night(end)}
        book(name.replace(" ", "-"), resourceId=room, **dates, guest={"name": name}, hold=is_hold)
    block(staff, "inn_S")
    bookings = connections.collection("bookings")
    dead = {"$subtract": ["$$NOW", 60_000]}
    bookings.update_one({"guest.name": "Kurt Dead"}, [{"$set": {"expires_at": dead}}])
    bookings.update_one({"guest.name": "Ada Lovelace"}, {"$set": {"presence": "checked_in"}})
    return staff


def free_night(room: str, ahead: int) -> re.Pattern[str]:
    """The name of the link that books this night."""
    day = date.fromisoformat(night(ahead))
    return re.compile(f"^Book {room} {day:%a} {day.day} {day:%b}(, today)?$")
