"""Hooks for schemathesis: half of what it sends is about rooms, dates and bookings that exist.

What can be booked depends on the catalogue and the calendar, which no schema can say, and a
fuzzer that only ever meets VALIDATION_ERROR has not seen much.
"""

import os
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


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    # The same for the same body in every run, and another for nearly every body.
    chance = zlib.crc32(repr(sorted(body.items(), key=repr)).encode("utf-8", "surrogatepass"))
    if chance % 2:
        return body
    for name in ("resourceId", "categoryId", "rooms", "guests", "checkIn", "checkOut"):
        body.pop(name, None)
    for name in ("quotedTotal", "userId"):
        body.pop(name, None)
    if chance // 128 % 2:
        # The rest of what was made up may be refused as well.
        body = {}
    body.update(WISHES[chance // 2 % len(WISHES)])
    # The test's own holds nearly reach the limit, so most wishes are to book.
    body["hold"] = chance // 32 % 4 == 0
    body["date"] = (date.today() + timedelta(days=1 + chance // 8 % 300)).isoformat()  # noqa: DTZ011
    return body


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Dates and categories that exist, for half of the searches."""
    if query and "checkIn" in query and len(repr(query)) % 2:
        first = date.today() + timedelta(days=1 + len(repr(query)))  # noqa: DTZ011
        query["checkIn"], query["checkOut"] = str(first), str(first + timedelta(days=3))
        query["hotelId"] = "grand"
    if query and "categoryId" in query and len(repr(query)) % 2:
        query["categoryId"] = "grand_double"
    return query


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    if path_parameters and "booking_id" in path_parameters:
        ids = os.environ["FUZZ_BOOKING_IDS"].split(",")
        if path_parameters["booking_id"][:1] in "01234567":
            path_parameters["booking_id"] = ids[len(repr(context)) % len(ids)]
    return path_parameters
