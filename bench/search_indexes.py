"""What finding guests costs a booking: `python -m bench.search_indexes [BOOKINGS] [ROUNDS]`.

It starts a MongoDB of its own, makes a booking by the service, and writes its like in batches, so
that what each index costs is not lost in what a commit costs. In turns: without the two indexes
that the desk searches by, with the earlier one on guests' addresses alone, and with both of
today's. Once the guests have a name, an e-mail and a phone number and no account, and once they
are a partner's, who says nothing of them. It prints the processor time that MongoDB used for each
booking.
"""

import copy
import statistics
import sys
from datetime import date, timedelta
from typing import Any

from bench.occupancy_grid import mongod_s
from bench.own_servers import own_servers

NEW = ("bookings_by_address", "guests_by_words")


def main(bookings: int = 5_000, rounds: int = 5) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from bookings import demo

    call_command("migrate", verbosity=0)
    demo.seed(bench_rooms=1)
    pattern = make_pattern()
    used: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for indexes in ("neither", "earlier", "both"):
            prepare(indexes)
            for guests in ("known", "unknown"):
                found_ms = write(pattern, bookings, is_known=guests == "known")
                used.setdefault((guests, indexes), []).append(found_ms)
    for (guests, indexes), found in sorted(used.items()):
        print(  # noqa: T201
            f"guest {guests:7}  indexes {indexes:7}  {statistics.median(found):.3f} ms of MongoDB "
            f"a booking (least {min(found):.3f}, most {max(found):.3f})"
        )


def make_pattern() -> dict[str, Any]:
    from bookings import connections, services
    from bookings.callers import Caller
    from bookings.clock import Deadline

    services.create_booking(
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


def prepare(indexes: str) -> None:
    """An empty collection with these of the indexes, and all that are not for searching."""
    from bookings import connections
    from bookings.indexes import ADDRESS_COLLATION, booking_indexes

    database = connections.database()
    database.drop_collection("bookings")
    database["bookings"].create_indexes(
        [
            index
            for index in booking_indexes()
            if indexes == "both" or index.document["name"] not in NEW
        ]
    )
    if indexes == "earlier":
        guests = {"owner": {"$gte": "guest:", "$lt": "guest:\uffff"}}
        database["bookings"].create_index(
            "guest.email", partialFilterExpression=guests, collation=ADDRESS_COLLATION
        )


def write(pattern: dict[str, Any], bookings: int, *, is_known: bool) -> float:
    """MongoDB's processor time for each insert, in milliseconds."""
    from bson import ObjectId

    from bookings import connections

    documents = []
    for number in range(bookings):
        document = copy.deepcopy(pattern)
        _id = ObjectId()
        document |= {"_id": _id, "reference": f"R-{_id}", "slots": [f"2027-01-01|{_id}"]}
        document["keys"][0]["digest"] = str(_id)
        if is_known:
            document["owner"] = document["caller"] = f"guest:{_id}"
            document["guest"] = {
                "name": f"Ada{number % 700} Lovelace{number % 9000}",
                "email": f"ada{number}@example.org",
                "phone": f"+44 20 {7_000_000 + number}",
            }
        documents.append(document)
    before_s = mongod_s()
    connections.collection("bookings").insert_many(documents, ordered=False)
    return (mongod_s() - before_s) * 1000 / bookings


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
