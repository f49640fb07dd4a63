"""Measures what guest search costs a booking: `python -m bench.search_indexes [BOOKINGS] [ROUNDS]`.

Starts its own MongoDB, makes one booking through the service, and writes copies of it in batches,
so that the cost of a commit does not hide that of an index. It compares three ways in turns: no
index to search by; an index on addresses and a text index on names and phone numbers, as before
there were search terms; and search terms with their index. In one variant the guests have a name,
an e-mail and a phone number but no account. In the other they are a partner's, who gives none of
these. It prints MongoDB's processor time for each booking, and the time to make a guest's terms.
"""

import copy
import statistics
import sys
import time
from datetime import date, timedelta
from typing import Any

from bench.occupancy_grid import mongod_s
from bench.own_servers import own_servers

SEARCHED = ("bookings_by_guest_address", "guests_by_terms")
WORDS = {
    "keys": [("guest.name", "text"), ("guest.phone", "text")],
    "default_language": "none",
    "language_override": "no_language",
}


def main(bookings: int = 5_000, rounds: int = 5) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from bookings.operations import demo_data

    call_command("migrate", verbosity=0)
    demo_data.seed(bench_rooms=1)
    pattern = make_pattern()
    used: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for searched_by in ("nothing", "words", "terms"):
            prepare(searched_by)
            for guests in ("known", "unknown"):
                documents = [
                    one_like(pattern, number, is_known=guests == "known")
                    for number in range(bookings)
                ]
                if searched_by != "terms":
                    for document in documents:
                        document.pop("search_terms", None)
                used.setdefault((guests, searched_by), []).append(write(documents))
    for (guests, searched_by), found in sorted(used.items()):
        print(  # noqa: T201
            f"guest {guests:7}  found by {searched_by:7}  {statistics.median(found):.3f} ms of "
            f"MongoDB a booking (least {min(found):.3f}, most {max(found):.3f})"
        )
    print(f"making a guest's terms: {time_terms(bookings) * 1000:.3f} ms")  # noqa: T201


def make_pattern() -> dict[str, Any]:
    from bookings.domain.callers import Caller
    from bookings.infrastructure import connections
    from bookings.infrastructure.deadlines import Deadline
    from bookings.stays import create

    create.create_booking(
        caller=Caller("client", "bench", may_act_for_others=True),
        key_header="pattern",
        read_payload=lambda: {
            "resourceId": "bench_00001",
            "date": (date.today() + timedelta(days=30)).isoformat(),  # noqa: DTZ011
        },
        deadline=Deadline.after(10),
    )
    pattern = connections.collection("bookings").find_one_and_delete({})
    assert pattern is not None
    return pattern


def prepare(searched_by: str) -> None:
    """Makes an empty collection with all indexes except those of other ways to search."""
    from bookings.indexes import booking_indexes
    from bookings.infrastructure import connections

    database = connections.database()
    database.drop_collection("bookings")
    left_out = {"nothing": SEARCHED, "words": ("guests_by_terms",), "terms": ()}[searched_by]
    database["bookings"].create_indexes(
        [index for index in booking_indexes() if index.document["name"] not in left_out]
    )
    if searched_by == "words":
        database["bookings"].create_index(**WORDS)


def one_like(pattern: dict[str, Any], number: int, *, is_known: bool) -> dict[str, Any]:
    """A copy of the pattern with its own id, reference, slot and key, and maybe a guest."""
    from bson import ObjectId

    from bookings.domain.search_terms import terms_of

    document = copy.deepcopy(pattern)
    _id = ObjectId()
    document |= {"_id": _id, "reference": f"R-{_id}", "slots": [f"2027-01-01|{_id}"]}
    document["keys"][0]["digest"] = str(_id)
    if is_known:
        guest = guest_number(number)
        document["owner"] = document["caller"] = f"guest:{_id}"
        document |= {"guest": vars(guest), "search_terms": terms_of(guest, country="DE")}
    return document


def guest_number(number: int) -> Any:
    from bookings.domain.stay_request import Guest

    return Guest(
        name=f"Ada{number % 700} Müller{number % 9000}",
        email=f"ada{number}@example.org",
        phone=f"+44 20 {70_000_000 + number}",
    )


def write(documents: list[dict[str, Any]]) -> float:
    """MongoDB's processor time for each insert, in milliseconds."""
    from bookings.infrastructure import connections

    before_s = mongod_s()
    connections.collection("bookings").insert_many(documents, ordered=False)
    return (mongod_s() - before_s) * 1000 / len(documents)


def time_terms(guests: int) -> float:
    """Seconds that it takes to make a guest's terms."""
    from bookings.domain.search_terms import terms_of

    found = [guest_number(number) for number in range(guests)]
    before_s = time.process_time()
    for guest in found:
        terms_of(guest, country="DE")
    return (time.process_time() - before_s) / guests


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
