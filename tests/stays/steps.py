"""The steps that the test of the model may ask for, and how they are drawn."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from hypothesis import strategies as st

from bookings.domain.callers import Caller
from tests.stays.model import (
    CUSTOMER,
    PARTNERS,
    PRICE,
    STAFF,
    Day,
    Wish,
)

CALLERS = {
    **{name: Caller("client", name.partition(":")[2], True) for name in PARTNERS},
    CUSTOMER: Caller("user", "customer"),
    STAFF: Caller("user", "staff"),
}

# The nights of stays; the one far away is only for gaps, which are counted up to a week.
NEAR_NIGHTS, FAR_NIGHT = range(4), 9
STAYS = [(0, 1), (1, 3), (0, 3), (2, 4), (0, 2), (3, 4), (1, 4)]


@dataclass(frozen=True)
class Create:
    caller: str
    key: str | None
    wish: Wish


@dataclass(frozen=True)
class Block:
    key: str
    rooms: tuple[str, ...]
    first: int
    end: int


@dataclass(frozen=True)
class Confirm:
    """With one of the keys that made the stay, by any holder of it; or with another. With `says`
    the sender has seen the stay as it is."""

    own_key: int | None
    actor: str
    key: str
    says: bool = False


@dataclass(frozen=True)
class Extend:
    actor: str
    key: str


@dataclass(frozen=True)
class Cancel:
    actor: str
    key: str | None


@dataclass(frozen=True)
class Move:
    key: str
    rooms: tuple[str, ...]
    first: int
    end: int


@dataclass(frozen=True)
class Rebook:
    """By the owner: other nights, perhaps all rooms in another category. The quoted total is the
    right one, or off by this much."""

    actor: str
    key: str
    first: int
    end: int
    category: str | None
    off_by: int = 0


@dataclass(frozen=True)
class NoShow:
    """On this night of the hotel's."""

    key: str
    tonight: int
    release: bool


@dataclass(frozen=True)
class UndoNoShow:
    key: str


@dataclass(frozen=True)
class Edit:
    """By staff: other notes, the same for the same key."""

    key: str


@dataclass(frozen=True)
class Sweep:
    pass


@dataclass(frozen=True)
class RunOut:
    """Time passes until the stay's hold has ended, or can no longer be confirmed late."""

    late: bool


Change = Confirm | Extend | Cancel | Move | Rebook | NoShow | UndoNoShow | Edit | Sweep | RunOut

# "new" stands for a key that has not been used yet.
KEYS = st.sampled_from(["new", "new", "new", "k1", "k2"])
NIGHTS = st.tuples(st.sampled_from([*NEAR_NIGHTS, 0, 1, FAR_NIGHT]), st.integers(1, 3)).map(
    lambda stay: (stay[0], stay[0] + stay[1])
)
ROOM = st.sampled_from("AAABCS")
SEVERAL_ROOMS = st.sampled_from([("A",), ("B",), ("S",), ("A", "B"), ("B", "S"), ("S", "A")])
CATEGORIES = st.sampled_from(
    [("double",), ("double",), ("single",), ("single",), ("double", "double"), ("single", "double")]
)


@st.composite
def wishes(draw: st.DrawFn, by_room: bool | None = None) -> Wish:
    if by_room is None:
        by_room = draw(st.booleans())
    categories = () if by_room else draw(CATEGORIES)
    room = draw(ROOM) if by_room else None
    first, end = draw(NIGHTS)
    wish = Wish(
        room=room,
        categories=categories,
        guests=tuple(draw(st.sampled_from([1, 1, 2])) for _ in categories or "1"),
        first=first,
        end=end,
        hold=draw(st.booleans()),
        user_id=draw(st.sampled_from([None, None, "ada"])),
    )
    # Right unless prices have changed since, and wrong.
    total = sum(PRICE[category] for category in wish.wanted) * (end - first)
    return dataclasses.replace(wish, quoted=draw(st.sampled_from([None] * 6 + [total, total - 1])))


# One of them more often than the others, so that one person has many holds.
ACTORS = st.sampled_from([*CALLERS, PARTNERS[0], PARTNERS[0]])


def creates(by_room: bool | None = None) -> st.SearchStrategy[Create]:
    return st.builds(_create, ACTORS, st.one_of(st.none(), KEYS), wishes(by_room), AGREED)


# Most stays have the calendar's price.
AGREED = st.sampled_from([None, None, None, 1_001, 15_000])


def _create(caller: str, key: str | None, wish: Wish, agreed: int | None) -> Create:
    """Staff may have agreed on a price; it quotes no other."""
    if caller == STAFF and agreed is not None:
        wish = dataclasses.replace(wish, quoted=None, agreed=agreed)
    return Create(caller, key, wish)


CONFIRMS = st.builds(
    Confirm, st.one_of(st.integers(0, 2), st.integers(0, 2), st.none()), ACTORS, KEYS, st.booleans()
)
EXTENDS = st.builds(Extend, ACTORS, KEYS)
CANCELS = st.builds(Cancel, ACTORS, st.one_of(st.none(), KEYS))
MOVES = st.builds(
    lambda key, rooms, nights: Move(key, tuple(rooms), *nights),
    KEYS,
    st.permutations("ABCS"),
    NIGHTS,
)
BLOCKS = st.builds(
    lambda key, rooms, nights: Block(key, rooms, *nights), KEYS, SEVERAL_ROOMS, NIGHTS
)
REBOOKS = st.builds(
    lambda actor, key, nights, category, off_by: Rebook(actor, key, *nights, category, off_by),
    ACTORS,
    KEYS,
    NIGHTS,
    st.sampled_from([None, None, "double", "single"]),
    st.sampled_from([0, 0, 0, 0, 1]),
)
EDITS = st.builds(Edit, KEYS)
CHANGES = st.one_of(CONFIRMS, EXTENDS, CANCELS, MOVES, REBOOKS, EDITS)
RUNS_OUT = st.builds(RunOut, st.booleans())
MARKS = st.one_of(
    st.builds(NoShow, KEYS, st.sampled_from(NEAR_NIGHTS), st.booleans()),
    st.builds(UndoNoShow, KEYS),
)
MEANWHILE = st.one_of(CHANGES, MARKS, RUNS_OUT, st.just(Sweep()))
# A night's own price differs from every price of a category; half of these nights are sold normally
# again.
DAYS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            Day(9_900),
            Day(9_900, closed=True),
            Day(9_900, min_stay=2),
            Day(9_900, min_stay=3),
            Day(9_900, closed_to_arrival=True),
            Day(9_900, closed_to_departure=True),
        ]
    ),
)
# Counted from the latest.
WHICH = st.integers(0, 9)
