"""Small worlds: two rooms, two nights, one hold, and the requests that meet there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from bookings.domain.callers import Caller
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import Refusal
from idempotency import keys
from tests.orders.model import (
    CONFIRMED,
    DEAD,
    HOLD,
    HOTEL_ROOMS,
    PENDING,
    Answer,
    Stay,
    Wish,
    World,
)
from tests.orders.process import owners, unseen

# `twice` books any room for a caller, and all such requests of a world have one key. It is played
# only where it is named.
OPERATIONS = (
    *("create", "again", "confirm", "cancel", "extend", "change", "move", "sweep", "block"),
)

# How each world begins: its hold is live; its time ran out a minute ago; or it is confirmed.
WORLDS = ("live", "dead", "booked")

HOTEL, CATEGORY, NIGHT_PRICE = "orders", "orders_double", 10_000
HOLDER = Caller("client", "holder")

# Both requests of such a pair have the same key, as when a button is pressed twice.
SAME_KEY = frozenset({"confirm", "cancel", "twice"})
# These count what the guest holds.
LIMITED = frozenset({"again", "change"})


def day(number: int) -> date:
    """The date of a night of the model."""
    return date.today() + timedelta(days=30 + number)  # noqa: DTZ011


def number_of(text: str) -> int:
    return (date.fromisoformat(text) - day(0)).days


def make_hotel() -> None:
    """A hotel with the rooms A and B, for sale on every night."""
    from bookings.models import Hotel, Room, RoomCategory

    hotel = Hotel.objects.create(id=HOTEL, code="ORDERS", name="Orders", time_zone="UTC")
    category = RoomCategory.objects.create(
        id=CATEGORY, hotel=hotel, name="Double", occupancy=2, default_price=NIGHT_PRICE
    )
    for room in ("A", "B"):
        Room.objects.create(id=room, category=category, name=f"Room {room}")


def wish_for(operation: str, number: int) -> Wish:
    """The request of one client. Clients with an even number want something a little different."""
    is_even = number % 2 == 0
    label = operation if operation in SAME_KEY else f"{operation}{number}"
    if operation == "create":
        return Wish(operation, label, f"client:rival{number}", ("A",))
    if operation == "twice":
        return Wish(operation, label, "client:rival")
    if operation == "again":
        return Wish(operation, label, str(HOLDER), ("A",))
    if operation == "change":
        return Wish(operation, label, first=0 if is_even else 1, end=2)
    if operation == "move":
        return Wish(operation, label, rooms=("B",), first=int(is_even), end=1 + int(is_even))
    if operation == "block":
        rooms = ("B",) if is_even else ("A", "B")
        return Wish(operation, label, f"hotel:{HOTEL}", rooms, 0, 1 + int(is_even))
    return Wish(operation, label)


def slots_to_lock(wish: Wish, operations: Sequence[str]) -> set[tuple[int, str]]:
    """The slots that the request may lock in a world with these operations."""
    if wish.operation not in ("create", "again", "twice", "change"):
        return set()
    rooms = wish.rooms or HOTEL_ROOMS
    slots = {(night, room) for night in range(wish.first, wish.end) for room in rooms}
    if wish.operation == "change" and operations.count("change") + operations.count("move") == 1:
        # The hold stays where it was until this request changes it, so it needs no lock there.
        slots.discard((0, "A"))
    return slots


class Names:
    """What stands for ids and digests in all runs of a world."""

    def __init__(self) -> None:
        self.hold: Any = None
        self.labels: dict[str, str] = {}

    def stay(self, document: Mapping[str, Any], now: Any) -> Stay:
        """The stored booking as the model knows it."""
        status = document["status"]
        if status == PENDING and document["expires_at"] <= now:
            status = DEAD
        keys_of = tuple(self.label(key["digest"]) for key in document["keys"])
        return Stay(
            name=keys_of[0],
            owner=document["owner"],
            kind=document["kind"],
            status=status,
            rooms=tuple(booked["room"] for booked in document["rooms"]),
            first=number_of(document["check_in"]),
            end=number_of(document["check_out"]),
            guests=document["guests"],
            keys=keys_of,
            version=document["version"],
            lines=tuple(
                (line["event"], self.label(line["key"]) if line.get("key") else "")
                for line in document["history"]
            ),
        )

    def label(self, digest: str) -> str:
        return self.labels.get(digest, "?")


names = Names()


def name_of(value: Any) -> str:
    """What stands for a document that MongoDB returned, in what a process has seen."""
    if not isinstance(value, Mapping):
        return repr(value)
    if "history" in value and "keys" in value:
        document = {**value, "expires_at": _aware(value.get("expires_at"))}
        stay = names.stay(document, clock.now())
        return repr((stay, bool(value.get("is_dead"))))
    kept = {key: each for key, each in value.items() if key not in ("_id", "last_hold_at")}
    return repr(sorted((key, str(each)) for key, each in kept.items() if key != "age_ms"))


def _aware(moment: Any) -> Any:
    if moment is not None and moment.tzinfo is None:
        from datetime import UTC

        return moment.replace(tzinfo=UTC)
    return moment


def _deadline() -> Deadline:
    return Deadline.after(60)


def send(wish: Wish) -> Callable[[], Any]:
    """The call of the service for this wish."""
    from bookings.front_desk import blocks
    from bookings.operations import sweep
    from bookings.stays import create, lifecycle, rebooking

    staff, hold = Caller("user", f"staff-{wish.label}"), str(names.hold)
    common = {"key_header": wish.label, "deadline": _deadline()}
    of_hold = {**common, "actor": HOLDER, "booking_id": hold}

    def book() -> Any:
        kind, _, name = wish.caller.partition(":")
        is_hold = wish.operation == "again"
        room = {"resourceId": wish.rooms[0]} if wish.rooms else {"categoryId": CATEGORY}
        payload = {**room, "date": day(wish.first).isoformat()}
        more = {"hold": True, "guests": 1 if wish.label == HOLD else 2} if is_hold else {}
        return create.create_booking(
            caller=Caller(kind, name), read_payload=lambda: {**payload, **more}, **common
        )

    def change() -> Any:
        payload = {
            "checkIn": day(wish.first).isoformat(),
            "checkOut": day(wish.end).isoformat(),
            "quotedTotal": NIGHT_PRICE * (wish.end - wish.first),
        }
        return rebooking.change_stay(read_payload=lambda: payload, **of_hold)

    calls: dict[str, Callable[[], Any]] = {
        "create": book,
        "twice": book,
        "again": book,
        "confirm": lambda: lifecycle.confirm_booking(**{**of_hold, "key_header": HOLD}),
        "cancel": lambda: lifecycle.cancel_booking(**{**of_hold, "key_header": None}),
        "extend": lambda: lifecycle.extend_hold(**of_hold),
        "change": change,
        "move": lambda: lifecycle.move_booking(
            **{**of_hold, "actor": staff},
            room_ids=wish.rooms,
            check_in=day(wish.first),
            check_out=day(wish.end),
        ),
        "sweep": lambda: sweep.expire_holds(started_by="beat"),
        "block": lambda: blocks.block_rooms(
            actor=staff,
            room_ids=wish.rooms,
            first=day(wish.first),
            end=day(wish.end),
            reason="Paint",
            **common,
        ),
    }
    return calls[wish.operation]


def digest_of(wish: Wish) -> str:
    """The digest of the wish's key."""
    operation = {"again": "create", "twice": "create"}.get(wish.operation, wish.operation)
    target = "" if operation in ("create", "block") else str(names.hold)
    caller, key = wish.caller or str(HOLDER), wish.label
    if operation in ("move", "block"):
        caller = f"user:staff-{wish.label}"
    elif operation == "confirm":
        key = HOLD
    elif operation == "cancel":
        key = keys.make_key(str(HOLDER), "cancel", str(names.hold))
    return keys.digest_of(caller=caller, operation=operation, target=target, key=key)


def ask(wish: Wish) -> tuple[Answer, bytes]:
    """Sends the wish; returns the answer as the model knows it, and its body."""
    try:
        outcome = send(wish)()
    except Refusal as refusal:
        return (refusal.status, refusal.code), b""
    if wish.operation == "sweep":
        return ("swept", outcome.expired), b""
    if outcome.code:
        return (outcome.answer.status, outcome.code), outcome.answer.body
    booking = outcome.content["booking"]
    with unseen():
        found = connections.collection("bookings").find_one({"reference": booking["reference"]})
    name = names.label(found["keys"][0]["digest"]) if found else "?"
    return (
        outcome.answer.status,
        "",
        name,
        booking["status"],
        tuple(room["resourceId"] for room in booking["rooms"]),
        number_of(booking["checkIn"]),
        number_of(booking["checkOut"]),
        sum(room["guests"] for room in booking["rooms"]),
    ), outcome.answer.body


class Beginning:
    """The stored hold with which every run of a world begins."""

    def __init__(self, world: str) -> None:
        self.world = world
        bookings = connections.collection("bookings")
        bookings.delete_many({})
        connections.redis().flushdb()
        wish = Wish("again", HOLD, str(HOLDER), ("A",))
        names.labels = {digest_of(wish): HOLD}
        ask(wish)
        held = bookings.find_one({})
        assert held is not None
        names.hold = held["_id"]
        self._document = held

    def again(self, wishes: Sequence[Wish]) -> World:
        """Makes the beginning again; returns it as the model knows it."""
        database = connections.database()
        for name in ("bookings", "holders"):
            database[name].delete_many({})
        connections.redis().flushdb()
        names.labels = {key["digest"]: HOLD for key in self._document["keys"]}
        names.labels |= {digest_of(wish): wish.label for wish in wishes}
        now = clock.now()
        ends_in = timedelta(minutes=-1 if self.world == "dead" else 5)
        is_booked = self.world == "booked"
        document = {
            **self._document,
            "status": CONFIRMED if is_booked else PENDING,
            "created_at": now - timedelta(minutes=16),
            "updated_at": now - timedelta(minutes=16),
            "expires_at": None if is_booked else now + ends_in,
        }
        connections.collection("bookings").insert_one(document)
        stay = names.stay(document, now)
        return {stay.name: dataclasses.replace(stay, told=(stay.first, stay.end))}


def let_holds_end() -> None:
    """The time of every hold runs out."""
    connections.collection("bookings").update_many(
        {"status": PENDING}, [{"$set": {"expires_at": {"$subtract": ["$$NOW", 60_000]}}}]
    )


def stored() -> list[dict[str, Any]]:
    return list(connections.collection("bookings").find({}).sort("_id"))


def state_of_servers(shares: frozenset[str]) -> dict[str, Any]:
    """What MongoDB and Redis hold, without uncommitted writes.

    What only one request of the world asks for follows from what that request has seen. So it is
    left out unless `shares` names it.
    """
    now = clock.now()
    bookings = sorted((names.stay(document, now) for document in stored()), key=str)
    marks = []
    if "limits" in shares:
        found = connections.database()["holders"].find({})
        marks = sorted((str(mark["_id"]), mark["holds"]) for mark in found)
    records = sorted(map(repr, _records())) if shares & {"key", "slots"} else []
    return {"bookings": bookings, "marks": marks, "redis": records}


def _records() -> list[tuple[Any, ...]]:
    redis = connections.redis()
    records: list[tuple[Any, ...]] = []
    for key in redis.keys("*"):
        kind, _, name = key.decode().partition(":")
        if kind == "lock":
            records.append((name.partition("|")[2], owners.get(redis.get(key).decode(), -1)))
        elif kind == "idempotency":
            state, owner, said = redis.hmget(key, "state", "owner", "kind")
            number = owners.get(owner.decode(), -1) if owner else -1
            records.append((names.label(name), state, said, number))
    return records
