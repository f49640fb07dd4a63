"""Hooks for schemathesis: half of its requests are about rooms, dates and bookings that exist.

Availability depends on the catalogue and the calendar, which no schema can describe. A fuzzer that
only ever gets VALIDATION_ERROR has not seen much.
"""

import itertools
import os
import re
import zlib
from datetime import date, timedelta
from typing import Any

import schemathesis

WISHES: tuple[dict[str, Any], ...] = (
    {"resourceId": "room_A"},
    {"resourceId": "room_B"},
    {"categoryId": "grand_suite"},
    {"rooms": [{"categoryId": "grand_double", "guests": 2}, {"categoryId": "grand_single"}]},
)

# A key as the API accepts it, with room for a number behind it.
PLAIN_KEY = re.compile(r"[!#-\[\]-~]{1,240}")

_numbers = itertools.count()


@schemathesis.hook
def before_call(context: Any, case: Any, **_: Any) -> None:
    """Changes a request before it is sent.

    A request that was made to be refused stays as it is: once corrected, it would count as garbage
    that the API accepted.
    """
    give_own_key(case.headers or {})
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if isinstance(case.body, dict):
        wish_for_what_is_there(case.body)
    if case.query:
        search_for_what_is_there(case.query)
    if case.path_parameters and "booking_id" in case.path_parameters:
        name_own_booking(case.path_parameters)


def give_own_key(headers: Any) -> None:
    """Repeats no key: a used key replays its booking whatever else is sent, even garbage."""
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and PLAIN_KEY.fullmatch(key):
        headers["Idempotency-Key"] = f"{key}-{next(_numbers)}"


def wish_for_what_is_there(body: dict[str, Any]) -> None:
    # The same for the same body in every run, and different for nearly every other body.
    chance = zlib.crc32(repr(sorted(body.items(), key=repr)).encode("utf-8", "surrogatepass"))
    if chance % 2:
        return
    for name in ("resourceId", "categoryId", "rooms", "guests", "checkIn", "checkOut"):
        body.pop(name, None)
    for name in ("quotedTotal", "userId"):
        body.pop(name, None)
    if chance // 128 % 2:
        # The rest of the generated body may be refused as well.
        body.clear()
    body.update(WISHES[chance // 2 % len(WISHES)])
    # The test's own holds nearly reach the limit, so most wishes are to book.
    body["hold"] = chance // 32 % 4 == 0
    body["date"] = (date.today() + timedelta(days=1 + chance // 8 % 300)).isoformat()  # noqa: DTZ011


def search_for_what_is_there(query: Any) -> None:
    """Uses existing dates and categories for half of the searches."""
    if "checkIn" in query and len(repr(query)) % 2:
        first = date.today() + timedelta(days=1 + len(repr(query)))  # noqa: DTZ011
        query["checkIn"], query["checkOut"] = str(first), str(first + timedelta(days=3))
        query["hotelId"] = "grand"
    if "categoryId" in query and len(repr(query)) % 2:
        query["categoryId"] = "grand_double"


def name_own_booking(path_parameters: Any) -> None:
    ids = os.environ["FUZZ_BOOKING_IDS"].split(",")
    if path_parameters["booking_id"][:1] in "01234567":
        path_parameters["booking_id"] = ids[next(_numbers) % len(ids)]
