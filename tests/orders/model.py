"""What the operations do one after another: a small sequential model of them, and the search for an
order of the model that explains what really happened.

A night is a number: 0 is the first of the world's nights. A `Stay` is a booking or a block. The
model knows nothing of locks, claims, retries or transactions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

# The statuses of a stay. A dead hold is still stored as pending, but its time has run out.
PENDING, DEAD, CONFIRMED = "pending", "dead", "confirmed"
CANCELLED, EXPIRED = "cancelled", "expired"
ACTIVE = (PENDING, DEAD, CONFIRMED)

HOTEL_ROOMS = ("A", "B")

# Refusals that say nothing about the rooms: another request is at work, so ask again.
TRANSIENT = frozenset({"RESOURCE_LOCKED", "IDEMPOTENCY_IN_PROGRESS", "TRY_AGAIN"})

# Refusals that a key keeps, and the operations that keep them.
KEPT = frozenset({"ALREADY_BOOKED", "SOLD_OUT"})
KEEPING = frozenset({"create", "twice", "again", "change"})

# What a caller is told: status, code ("" for a success), and what it shows of the stay.
Answer = tuple[Any, ...]


@dataclass(frozen=True)
class Stay:
    """`keys` are the labels of its keys. `lines` are the events of its history, each with the label
    of the request that caused it. `told` are the dates that its owner relies on."""

    name: str
    owner: str
    kind: str
    status: str
    rooms: tuple[str, ...]
    first: int
    end: int
    guests: int
    keys: tuple[str, ...]
    version: int
    lines: tuple[tuple[str, str], ...]
    told: tuple[int, int] | None = None

    def slots(self) -> set[tuple[int, str]]:
        return {(night, room) for night in range(self.first, self.end) for room in self.rooms}

    def with_line(self, event: str, label: str, **fields: Any) -> Stay:
        lines = (*self.lines, (event, label))
        return dataclasses.replace(self, version=self.version + 1, lines=lines, **fields)


# All stays, by name.
World = dict[str, Stay]
Results = list[tuple[Answer, World]]


@dataclass(frozen=True)
class Wish:
    """One request: what it asks for, of which stay, and the label of its key."""

    operation: str
    label: str
    caller: str = ""
    rooms: tuple[str, ...] = ()
    first: int = 0
    end: int = 1

    def results(self, world: World) -> Results:
        """Every answer that a model without rivals may give, each with the world after it."""
        return RESULTS[self.operation](self, world)


def accepted(status: int, stay: Stay) -> Answer:
    shown = EXPIRED if stay.status == DEAD else stay.status
    return (status, "", stay.name, shown, stay.rooms, stay.first, stay.end, stay.guests)


def refused(status: int, code: str) -> Answer:
    return (status, code)


def is_kept(wish: Wish, answer: Answer) -> bool:
    """Whether the key has this answer from now on."""
    is_kept_refusal = wish.operation in KEEPING and not KEPT.isdisjoint(answer[1:2])
    return answer[1:2] == ("",) or is_kept_refusal


def _put(world: World, stay: Stay) -> World:
    return {**world, stay.name: stay}


def _in_the_way(world: World, slots: set[tuple[int, str]], besides: str) -> list[Stay]:
    return [
        stay
        for stay in world.values()
        if stay.name != besides and stay.status in ACTIVE and slots & stay.slots()
    ]


def _clear(world: World, slots: set[tuple[int, str]], besides: str = "") -> World | None:
    """The world with these slots free, after dead holds in the way are expired; None if a live stay
    has one of them."""
    rivals = _in_the_way(world, slots, besides)
    if any(rival.status != DEAD for rival in rivals):
        return None
    for rival in rivals:
        world = _put(world, rival.with_line("expired", "", status=EXPIRED))
    return world


def _new(wish: Wish, *, status: str, guests: int, event: str, kind: str = "stay") -> Stay:
    return Stay(
        name=wish.label,
        owner=wish.caller,
        kind=kind,
        status=status,
        rooms=wish.rooms,
        first=wish.first,
        end=wish.end,
        guests=guests,
        keys=(wish.label,),
        version=1,
        lines=((event, wish.label),),
        told=(wish.first, wish.end),
    )


def _create(wish: Wish, world: World) -> Results:
    made = _new(wish, status=CONFIRMED, guests=1, event="created")
    cleared = _clear(world, made.slots())
    if cleared is None:
        return [(refused(409, "ALREADY_BOOKED"), world)]
    return [(accepted(201, made), _put(cleared, made))]


def _twice(wish: Wish, world: World) -> Results:
    results: Results = []
    for room in HOTEL_ROOMS:
        made = _new(
            dataclasses.replace(wish, rooms=(room,)), status=CONFIRMED, guests=1, event="created"
        )
        cleared = _clear(world, made.slots())
        if cleared is not None:
            results.append((accepted(201, made), _put(cleared, made)))
    return results or [(refused(409, "SOLD_OUT"), world)]


def _again(wish: Wish, world: World) -> Results:
    made = _new(wish, status=PENDING, guests=2, event="created")
    live = [s for s in _in_the_way(world, made.slots(), "") if s.status != DEAD]
    if not live:
        cleared = _clear(world, made.slots())
        assert cleared is not None
        return [(accepted(201, made), _put(cleared, made))]
    hold = live[0]
    is_own = (hold.owner, hold.slots(), hold.status) == (wish.caller, made.slots(), PENDING)
    if len(live) > 1 or not is_own:
        return [(refused(409, "ALREADY_BOOKED"), world)]
    # Its own hold takes the key; the history keeps no line of that.
    hold = dataclasses.replace(
        hold, guests=made.guests, keys=(*hold.keys, wish.label), version=hold.version + 1
    )
    return [(accepted(201, hold), _put(world, hold))]


def _confirm(wish: Wish, world: World) -> Results:
    hold = world[HOLD]
    if hold.status == CANCELLED:
        return [(refused(409, "HOLD_EXPIRED"), world)]
    if hold.status == CONFIRMED:
        again = hold.with_line("confirmed_again", wish.label)
        return [(accepted(200, again), _put(world, again))]
    cleared = world if hold.status != EXPIRED else _clear(world, hold.slots(), besides=HOLD)
    if hold.told != (hold.first, hold.end):
        return [(refused(409, "PRICE_CHANGED"), world)]
    if cleared is None:
        return [(refused(409, "HOLD_EXPIRED"), world)]
    confirmed = hold.with_line("confirmed", wish.label, status=CONFIRMED)
    return [(accepted(200, confirmed), _put(cleared, confirmed))]


def _cancel(wish: Wish, world: World) -> Results:
    stay = world[HOLD]
    if stay.status == CANCELLED:
        return [(accepted(200, stay), world)]
    if stay.status in (DEAD, EXPIRED):
        return [(refused(409, "NOT_CANCELLABLE"), world)]
    cancelled = stay.with_line("cancelled", wish.label, status=CANCELLED)
    return [(accepted(200, cancelled), _put(world, cancelled))]


def _extend(wish: Wish, world: World) -> Results:
    hold = world[HOLD]
    if hold.status == CONFIRMED:
        return [(refused(409, "EXTENSION_LIMIT"), world)]
    if hold.status != PENDING:
        return [(refused(409, "HOLD_EXPIRED"), world)]
    extended = hold.with_line("extended", wish.label)
    return [(accepted(200, extended), _put(world, extended))]


def _change(wish: Wish, world: World) -> Results:
    stay = world[HOLD]
    if stay.status not in (PENDING, CONFIRMED):
        return [(refused(409, "NOT_CHANGEABLE"), world)]
    results: Results = []
    # It keeps its room if that is free. A lock on that may send it to another free room.
    for room in (*stay.rooms, *(room for room in HOTEL_ROOMS if room not in stay.rooms)):
        to = dataclasses.replace(
            stay, rooms=(room,), first=wish.first, end=wish.end, told=(wish.first, wish.end)
        )
        cleared = _clear(world, to.slots(), besides=HOLD)
        if cleared is None:
            continue
        event = "changed_again" if to.slots() == stay.slots() else "changed"
        changed = to.with_line(event, wish.label)
        results.append((accepted(200, changed), _put(cleared, changed)))
        if event == "changed_again" or to.slots() <= stay.slots():
            break
    return results or [(refused(409, "SOLD_OUT"), world)]


def _move(wish: Wish, world: World) -> Results:
    stay = world[HOLD]
    if stay.status not in (PENDING, CONFIRMED):
        return [(refused(400, "VALIDATION_ERROR"), world)]
    to = dataclasses.replace(stay, rooms=wish.rooms, first=wish.first, end=wish.end)
    cleared = _clear(world, to.slots(), besides=HOLD)
    if cleared is None:
        return [(refused(409, "ALREADY_BOOKED"), world)]
    moved = to.with_line("moved_again" if to == stay else "moved", wish.label)
    return [(accepted(200, moved), _put(cleared, moved))]


def _sweep(wish: Wish, world: World) -> Results:
    dead = [stay for stay in world.values() if stay.status == DEAD]
    for hold in dead:
        world = _put(world, hold.with_line("expired", "", status=EXPIRED))
    return [(("swept", len(dead)), world)]


def _block(wish: Wish, world: World) -> Results:
    block = _new(wish, status=CONFIRMED, guests=0, event="blocked", kind="block")
    cleared = _clear(world, block.slots())
    if cleared is None:
        return [(refused(409, "ALREADY_BOOKED"), world)]
    return [(accepted(201, block), _put(cleared, block))]


def _time(wish: Wish, world: World) -> Results:
    return [
        (
            (),
            {
                name: dataclasses.replace(stay, status=DEAD) if stay.status == PENDING else stay
                for name, stay in world.items()
            },
        )
    ]


# The name of the hold with which each world begins.
HOLD = "hold"

RESULTS: dict[str, Callable[[Wish, World], Results]] = {
    "create": _create,
    "twice": _twice,
    "again": _again,
    "confirm": _confirm,
    "cancel": _cancel,
    "extend": _extend,
    "change": _change,
    "move": _move,
    "sweep": _sweep,
    "block": _block,
    "time": _time,
}


@dataclass(frozen=True)
class Ran:
    """One request as it really ran. `answer` is None if its process died before it answered.

    `after` are the numbers of the requests that had ended before it began.
    """

    wish: Wish
    answer: Answer | None
    after: frozenset[int] = frozenset()
    is_alone: bool = False


def explanations(begin: World, ran: Sequence[Ran]) -> Iterator[World]:
    """Yields the world after each order of the model that gives every request its real answer.

    A request without an answer took effect once or never. One that was told to ask again took no
    effect, and another one must have been at work beside it.
    """
    told = [
        None
        if each.answer is not None and each.answer[1:2] and each.answer[1] in TRANSIENT
        else each
        for each in ran
    ]
    if any(was is None and each.is_alone for was, each in zip(told, ran, strict=True)):
        return
    numbers = [number for number, each in enumerate(told) if each is not None]

    def go_on(world: World, left: frozenset[int], said: dict[str, Answer]) -> Iterator[World]:
        if all(ran[number].answer is None for number in left):
            yield world
        for number in sorted(left):
            each = ran[number]
            if each.after & left & {n for n in left if ran[n].answer is not None}:
                continue
            # One that ended without an answer, and comes first, took no effect if it is left over.
            rest = left - {number} - {n for n in each.after & left if ran[n].answer is None}
            if each.wish.label in said:
                # Its key has an answer already.
                if each.answer in (None, said[each.wish.label]):
                    yield from go_on(world, rest, said)
                continue
            results = each.wish.results(world)
            if each.is_alone and each.wish.operation == "change":
                # It keeps its room if that is free, and no one's lock is in the way.
                results = results[:1]
            for answer, after in results:
                if each.answer is not None and each.answer != answer:
                    continue
                keeps = {each.wish.label: answer} if is_kept(each.wish, answer) else {}
                yield from go_on(after, rest, {**said, **keeps})

    yield from go_on(begin, frozenset(numbers), {})
