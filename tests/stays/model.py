"""A small hotel in plain memory, which says what the real one must do.

One thing happens at a time, nothing fails, and nothing is clever: it answers every question by
going through all stays. It knows the rules of the design and none of the engine's code. Nights are
numbers, moments are seconds, prices are in minor units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

ROOMS = {"A": "double", "B": "double", "C": "double", "S": "single"}
OCCUPANCY = {"double": 2, "single": 1}
PRICE = {"double": 10_000, "single": 7_000}

PARTNERS = ("client:north", "client:south")
CUSTOMER = "user:customer"
STAFF = "user:staff"

# How long things last, in seconds.
HOLD = 25 * 60
LATE_CONFIRM = 10 * 60
LONGEST_HOLD = 60 * 60
SERVER_KEY = 2 * 60
KEPT_REFUSAL = 24 * 60 * 60

MAX_EXTENSIONS = 10
MAX_HOLDS = 2
MAX_CHANGES = 20

GAP_LOOK_NIGHTS = 7
NEAREST_WITHIN_DAYS = 14
OTHER_LENGTH_WITHIN_DAYS = 7
MAX_NIGHTS = 90

# Night 0 is this many days ahead. A guest who arrives before the deadline's night can no longer
# cancel.
NIGHT_0_AHEAD = 5
FIRST_NIGHT_TO_CANCEL = 1


@dataclass(frozen=True)
class Wish:
    """A request: this very room or one of each of these categories, for [first, end)."""

    room: str | None
    categories: tuple[str, ...]
    guests: tuple[int, ...]
    first: int
    end: int
    hold: bool = False
    user_id: str | None = None
    quoted: int | None = None
    # The total for which staff sell it, whatever the calendar says.
    agreed: int | None = None

    @property
    def asked_total(self) -> int | None:
        """Returns the only total that will do; None if any will."""
        return self.quoted if self.agreed is None else self.agreed

    @property
    def wanted(self) -> tuple[str, ...]:
        """Returns the category of each room."""
        return (ROOMS[self.room],) if self.room else self.categories

    @property
    def essence(self) -> tuple[object, ...]:
        """Two wishes without a key are the same wish if these agree."""
        what = self.room or tuple(sorted(self.categories))
        return (self.user_id, what, self.first, self.end, self.hold)


@dataclass(frozen=True)
class Day:
    """A day of a category's calendar with values of its own."""

    price: int
    closed: bool = False
    min_stay: int = 1
    closed_to_arrival: bool = False
    closed_to_departure: bool = False


@dataclass(frozen=True)
class Rebooking:
    """Other nights for a stay, all its rooms of this category or, with None, of their own."""

    first: int
    end: int
    category: str | None
    quoted: int


# Whose key, for what operation, on which stay, and the key; for a server-made key, the wish's
# essence stands for the key.
Name = tuple[object, ...]

# The first night, the end, the total and the kinds of rooms; or, if the client named them, the
# rooms.
Shown = tuple[int, int, int, tuple[str, ...]]


@dataclass(eq=False)
class Stay:
    """A booking, a hold or a block. Its `id` and `reference` are the real one's."""

    caller: str
    owner: str
    user_id: str
    rooms: tuple[str, ...]
    guests: tuple[int, ...]
    first: int
    end: int
    price: dict[int, int]
    made_at: int
    status: str = "confirmed"
    ends_at: int | None = None
    extensions: int = 0
    is_block: bool = False
    is_no_show: bool = False
    # The first night that a no-show gave back.
    released_from: int | None = None
    keys: list[Name] = field(default_factory=list)
    # What a night once cost in rooms of these kinds.
    frozen: dict[tuple[int, tuple[str, ...]], int] = field(default_factory=dict)
    # What each answer showed, and what a change of the stay showed the caller who asked for it.
    told: dict[Name, Shown] = field(default_factory=dict)
    told_to: dict[str, Shown] = field(default_factory=dict)
    changes: int = 0
    notes: str = ""
    id: str = ""
    reference: str = ""

    @property
    def nights(self) -> range:
        return range(self.first, self.end)

    @property
    def slots(self) -> set[tuple[str, int]]:
        """The nights that it keeps, in all its rooms."""
        end = self.end if self.released_from is None else self.released_from
        return {(room, night) for room in self.rooms for night in range(self.first, end)}

    @property
    def shown(self) -> Shown:
        """Everything that is shown of it, except which rooms of their kinds they are."""
        kinds = tuple(sorted(ROOMS[room] for room in self.rooms))
        return (self.first, self.end, sum(self.price.values()), kinds)

    def freeze(self) -> None:
        """Keeps the price of each night of the stay, in case the night leaves and comes back."""
        for night, amount in self.price.items():
            self.frozen[night, self.shown[3]] = amount

    def status_at(self, now: int) -> str:
        if self.status == "pending" and self.ends_at is not None and self.ends_at <= now:
            return "expired"
        return self.status


@dataclass(eq=False)
class Answer:
    """The answer under a key; the bytes are the real hotel's."""

    code: str | None = None
    stay: Stay | None = None
    wish: Wish | Rebooking | None = None
    until: int | None = None
    # The key did nothing and never will, so nothing marks a replay.
    is_idle: bool = False
    body: bytes = b""


@dataclass(frozen=True)
class Verdict:
    """The one legal outcome: `answer` says which, and holds the bytes if it is a replay."""

    answer: Answer
    replayed: bool = False
    mismatch: bool = False


class Hotel:
    """Everything that was acknowledged, and the rules for the next answer."""

    def __init__(self) -> None:
        self.now = 0
        self.prices = dict(PRICE)
        self.days: dict[tuple[str, int], Day] = {}
        self.stays: list[Stay] = []
        self.successes: dict[Name, Answer] = {}
        # Only Redis remembers these.
        self.refusals: dict[Name, Answer] = {}

    # --- The present state ----------------------------------------------------------------

    def live(self) -> Iterator[Stay]:
        """Whether the stay keeps others out."""
        return (s for s in self.stays if s.status_at(self.now) in ("pending", "confirmed"))

    def has(self, room: str, night: int, *, besides: Stay | None = None) -> bool:
        """Whether a stay, other than `besides`, has the room on this night."""
        return any((room, night) in stay.slots for stay in self.live() if stay is not besides)

    def free(
        self, category: str, first: int, end: int, *, besides: Stay | None = None
    ) -> list[str]:
        """The category's rooms that are free on all of these nights, or that `besides` has."""
        taken = {slot for stay in self.live() if stay is not besides for slot in stay.slots}
        return [
            room
            for room in ROOMS
            if ROOMS[room] == category and not any((room, n) in taken for n in range(first, end))
        ]

    def forbidden(self, category: str, first: int, end: int) -> list[tuple[str, list[int]]]:
        """The calendar's objections to a stay, and their days."""
        plain = Day(0)
        day = {night: self.days.get((category, night), plain) for night in range(first, end + 1)}
        closed = [night for night in range(first, end) if day[night].closed]
        why = [("CLOSED", closed)] if closed else []
        if day[first].min_stay > end - first:
            why.append(("MIN_STAY", [first]))
        if day[first].closed_to_arrival:
            why.append(("CLOSED_TO_ARRIVAL", [first]))
        if day[end].closed_to_departure:
            why.append(("CLOSED_TO_DEPARTURE", [end]))
        return why

    def can_be_had(self, category: str, first: int, end: int) -> bool:
        """Whether one guest can book one room of the category, ignoring days before today."""
        return (
            -NIGHT_0_AHEAD <= first < end
            and not self.forbidden(category, first, end)
            and bool(self.free(category, first, end))
        )

    def shortest(self, category: str, first: int) -> int | None:
        """The end of the shortest stay that can begin on this day."""
        for end in range(first + 1, first + MAX_NIGHTS + 1):
            if not self.free(category, first, end):
                return None
            if self.can_be_had(category, first, end):
                return end
        return None

    def full_nights(self, category: str, first: int, end: int) -> list[int]:
        return [night for night in range(first, end) if not self.free(category, night, night + 1)]

    def nearest(self, category: str, first: int, end: int) -> list[tuple[int, int]]:
        """The closest of the available other stays of each kind, the closest first: earlier, later,
        and those of another length that are closer than these."""
        around = range(-NEAREST_WITHIN_DAYS, NEAREST_WITHIN_DAYS + 1)
        of_kind: dict[str, list[tuple[tuple[int, ...], tuple[int, int]]]] = {}
        for arrival in around:
            for departure in around:
                longer = departure - arrival
                there = (first + arrival, end + departure)
                if (
                    there == (first, end)
                    or (longer and not self._is_near(arrival, departure))
                    or not self.can_be_had(category, *there)
                ):
                    continue
                away = (abs(arrival) + abs(departure), int(longer != 0), abs(arrival), arrival)
                if longer:
                    kind = "longer" if longer > 0 else "shorter"
                else:
                    kind = "later" if arrival > 0 else "earlier"
                of_kind.setdefault(kind, []).append((away, there))
        closest = {kind: min(stays) for kind, stays in of_kind.items()}
        as_long = [away[0] for kind, (away, _) in closest.items() if kind in ("earlier", "later")]
        return [
            there
            for away, there in sorted(closest.values())
            if not away[1] or away[0] < min(as_long, default=away[0] + 1)
        ]

    @staticmethod
    def _is_near(arrival: int, departure: int) -> bool:
        """For a stay of another length: neither end moves far, nor much farther than the other."""
        moved = (arrival, departure, departure - arrival)
        return all(abs(days) <= OTHER_LENGTH_WITHIN_DAYS for days in moved)

    def rivals(self, slots: set[tuple[str, int]], *, of: Stay | None = None) -> list[Stay]:
        return [stay for stay in self.live() if stay is not of and stay.slots & slots]

    def moments(self) -> set[int]:
        """The moments at which something ends, or changes how it will end."""
        found: set[int] = set()
        for stay in self.stays:
            if stay.status == "pending" and stay.ends_at is not None:
                found |= {stay.ends_at, stay.ends_at + LATE_CONFIRM}
                found |= {stay.made_at + LONGEST_HOLD - HOLD}
        for answer in [*self.successes.values(), *self.refusals.values()]:
            if answer.until is not None:
                found.add(answer.until)
        return found

    def wait(self, seconds: int) -> None:
        self.now += seconds

    def forget(self) -> None:
        """Redis lost everything."""
        self.refusals.clear()

    # --- Making stays ---------------------------------------------------------------------

    def create(
        self, caller: str, owner: str, key: str | None, wish: Wish, *, answered: str = ""
    ) -> Verdict:
        """`answered` is the id in the real answer, which chooses among equal holds."""
        name: Name = (caller, "create", key or wish.essence)
        is_unknown_field = wish.agreed is not None and caller != STAFF
        if is_unknown_field and key is None:
            # Without a key the wish is judged first.
            return Verdict(Answer("VALIDATION_ERROR"))
        if replay := self._replay(name, wish):
            return replay
        if is_unknown_field:
            return Verdict(Answer("VALIDATION_ERROR"))
        user_id = wish.user_id or owner.partition(":")[2]
        if code := self._fault(caller, wish):
            stay = self._own_hold(owner, user_id, wish, answered)
            is_back = (
                code != "PERMISSION_DENIED"
                and stay is not None
                and stay.guests == wish.guests
                and wish.asked_total in (None, sum(stay.price.values()))
            )
            if not is_back or stay is None:
                return Verdict(Answer(code))
            return self._adopt(stay, name, key, wish)
        rooms = (wish.room,) if wish.room else self._choose(wish)
        slots = {(room, night) for room in rooms or () for night in range(wish.first, wish.end)}
        stay = None
        if not rooms or self.rivals(slots):
            stay = self._own_hold(owner, user_id, wish, answered)
            if stay is None:
                return self._refuse(name, key, wish, "SOLD_OUT" if not rooms else "ALREADY_BOOKED")
            return self._adopt(stay, name, key, wish)
        if wish.hold and self._holds(owner, user_id) >= MAX_HOLDS:
            return Verdict(Answer("TOO_MANY_HOLDS"))
        stay = Stay(
            caller=caller,
            owner=owner,
            user_id=user_id,
            rooms=rooms,
            guests=wish.guests,
            first=wish.first,
            end=wish.end,
            price=self._price_for(wish),
            made_at=self.now,
            status="pending" if wish.hold else "confirmed",
            ends_at=self.now + HOLD if wish.hold else None,
        )
        self.stays.append(stay)
        return self._name(stay, name, key, wish)

    def _adopt(self, stay: Stay, name: Name, key: str | None, wish: Wish) -> Verdict:
        """Returns their own hold again, at its own price, for the new number of guests."""
        if wish.asked_total not in (None, sum(stay.price.values())):
            return Verdict(Answer("PRICE_CHANGED"))
        if wish.room:
            stay.guests = wish.guests
        return self._name(stay, name, key, wish)

    def _name(self, stay: Stay, name: Name, key: str | None, wish: Wish) -> Verdict:
        stay.keys.append(name)
        stay.told[name] = stay.shown
        until = None if key else self.now + SERVER_KEY
        return self._succeed(name, Answer(stay=stay, wish=wish, until=until))

    def take_back(self, verdict: Verdict) -> Verdict:
        """Redis lost the claim before a refusal could be stored under it, so it is not definite."""
        names = [name for name, answer in self.refusals.items() if answer is verdict.answer]
        for name in names:
            del self.refusals[name]
        return Verdict(Answer("IDEMPOTENCY_IN_PROGRESS")) if names else verdict

    def block(self, rooms: tuple[str, ...], first: int, end: int, key: str) -> Verdict:
        name: Name = (STAFF, "block", key)
        if replay := self._replay(name, None):
            return replay
        nights = range(first, end)
        if self.rivals({(room, night) for room in rooms for night in nights}):
            return Verdict(Answer("ALREADY_BOOKED"))
        stay = Stay(
            caller=STAFF,
            owner="nobody",
            user_id="",
            rooms=rooms,
            guests=(0,) * len(rooms),
            first=first,
            end=end,
            price={},
            made_at=self.now,
            is_block=True,
        )
        self.stays.append(stay)
        return self._succeed(name, Answer(stay=stay))

    def _replay(self, name: Name, wish: Wish | None) -> Verdict | None:
        """A success for ever; under a server's key, while it is young and still means something."""
        answer = self.successes.get(name)
        if answer and answer.until is not None:
            assert answer.stay is not None
            is_active = answer.stay.status_at(self.now) in ("pending", "confirmed")
            answer = answer if self.now < answer.until and is_active else None
        if answer is None:
            answer = self.refusals.get(name)
            if answer is None or answer.until is None or answer.until <= self.now:
                return None
        return Verdict(answer, replayed=True, mismatch=answer.wish != wish)

    def _fault(self, caller: str, wish: Wish) -> str | None:
        if wish.user_id is not None and caller not in PARTNERS:
            return "PERMISSION_DENIED"
        if any(
            guests > OCCUPANCY[category]
            for guests, category in zip(wish.guests, wish.wanted, strict=True)
        ):
            return "VALIDATION_ERROR"
        if any(self.forbidden(category, wish.first, wish.end) for category in wish.wanted):
            return "VALIDATION_ERROR"
        price = self._list_price(wish.wanted, wish.first, wish.end)
        if wish.quoted is not None and wish.quoted != sum(price.values()):
            return "PRICE_CHANGED"
        return None

    def _price_for(self, wish: Wish) -> dict[int, int]:
        """The present price, or the agreed one: whole shares first, and then one unit at a time
        for the night that is furthest below its share."""
        price = self._list_price(wish.wanted, wish.first, wish.end)
        if wish.agreed is None:
            return price
        whole = sum(price.values())
        shares = {night: Fraction(wish.agreed * amount, whole) for night, amount in price.items()}
        given = {night: int(share) for night, share in shares.items()}
        while sum(given.values()) < wish.agreed:
            night = max(given, key=lambda night: (shares[night] - given[night], -night))
            given[night] += 1
        return given

    def _list_price(self, categories: Iterable[str], first: int, end: int) -> dict[int, int]:
        """The present price of rooms of these categories together, by night."""
        names = list(categories)
        return {
            night: sum(self.list_price(name, night) for name in names)
            for night in range(first, end)
        }

    def list_price(self, category: str, night: int) -> int:
        """The present price of a room of the category on a night."""
        day = self.days.get((category, night))
        return day.price if day else self.prices[category]

    def _choose(self, wish: Wish) -> tuple[str, ...] | None:
        """For each category the free room in the smallest gap, the first by name among equals."""
        chosen: list[str] = []
        for category in wish.categories:
            free = [
                room for room in self.free(category, wish.first, wish.end) if room not in chosen
            ]
            if not free:
                return None
            chosen.append(min(free, key=lambda room: (self._gap(room, wish.first, wish.end), room)))
        return tuple(chosen)

    def _gap(self, room: str, first: int, end: int, *, besides: Stay | None = None) -> int:
        """Free nights before and after, each counted up to a week."""
        gap = 0
        for nights in (
            range(first - 1, first - 1 - GAP_LOOK_NIGHTS, -1),
            range(end, end + GAP_LOOK_NIGHTS),
        ):
            for night in nights:
                if self.has(room, night, besides=besides):
                    break
                gap += 1
        return gap

    def _own_hold(self, owner: str, user_id: str, wish: Wish, answered: str) -> Stay | None:
        """The live hold for the same person and stay, under any key, for a second wish."""
        kinds = Counter(zip(wish.wanted, wish.guests, strict=True))
        own = [
            stay
            for stay in self.live()
            if wish.hold
            and stay.status == "pending"
            and (stay.owner, stay.user_id) == (owner, user_id)
            and (stay.first, stay.end) == (wish.first, wish.end)
            and (
                stay.rooms == (wish.room,)
                if wish.room
                else Counter(zip((ROOMS[r] for r in stay.rooms), stay.guests, strict=True)) == kinds
            )
        ]
        return next((stay for stay in own if stay.id == answered), own[0] if own else None)

    def _holds(self, owner: str, user_id: str) -> int:
        return sum(
            stay.status == "pending" and (stay.owner, stay.user_id) == (owner, user_id)
            for stay in self.live()
        )

    def _succeed(self, name: Name, answer: Answer) -> Verdict:
        self.successes[name] = answer
        self.refusals.pop(name, None)
        return Verdict(answer)

    def _refuse(self, name: Name, key: str | None, wish: Wish, code: str) -> Verdict:
        until = self.now + (KEPT_REFUSAL if key else SERVER_KEY)
        self.refusals[name] = Answer(code, wish=wish, until=until)
        if code == "ALREADY_BOOKED":
            # The server's key meant a stay that has ended; now it means this refusal.
            self.successes.pop(name, None)
        return Verdict(self.refusals[name])

    # --- Changing them --------------------------------------------------------------------

    def confirm(
        self, actor: str, stay: Stay, created: Name | None, said: Shown | None = None
    ) -> Verdict:
        """`created` is the name under which the actor's key would have made the stay; staff have
        none. The maker's own key is valid as well. `said` is the stay as the actor saw it, if they
        say so."""
        if actor != STAFF:
            if stay.owner != actor or stay.is_block:
                return Verdict(Answer("NOT_FOUND"))
            assert created is not None
            made = [(who, *created[1:]) for who in (stay.caller, actor)]
            under = next((name for name in made if name in stay.keys), None)
            if under is None:
                return Verdict(Answer("KEY_MISMATCH"))
        elif stay.is_block:
            return Verdict(Answer("NOT_FOUND"))
        else:
            under = None
        name: Name = (actor, "confirm", stay.id, created)
        if replay := self._replay(name, None):
            return replay
        if stay.status == "cancelled":
            return Verdict(Answer("HOLD_EXPIRED"))
        if stay.status == "pending":
            assert stay.ends_at is not None
            if self.now >= stay.ends_at + LATE_CONFIRM:
                return Verdict(Answer("HOLD_EXPIRED"))
            is_as_seen = (
                said == (*stay.shown[:3], tuple(sorted(stay.rooms)))
                if said
                else under is None or stay.told_to.get(actor, stay.told[under]) == stay.shown
            )
            if not is_as_seen:
                return Verdict(Answer("PRICE_CHANGED"))
            if self.rivals(stay.slots, of=stay):
                return Verdict(Answer("HOLD_EXPIRED"))
            stay.status = "confirmed"
        return self._succeed(name, Answer(stay=stay))

    def extend(self, actor: str, stay: Stay, key: str, *, answered: str | None) -> Verdict:
        """`answered` is the real answer: whether the end moved, perhaps by less than a second."""
        if stay.owner != actor or stay.is_block:
            return Verdict(Answer("NOT_FOUND"))
        name: Name = (actor, "extend", stay.id, key)
        if replay := self._replay(name, None):
            return replay
        if stay.status == "confirmed":
            return Verdict(Answer("EXTENSION_LIMIT"))
        if stay.status_at(self.now) != "pending":
            return Verdict(Answer("HOLD_EXPIRED"))
        assert stay.ends_at is not None
        last_end = stay.made_at + LONGEST_HOLD
        if stay.extensions >= MAX_EXTENSIONS or stay.ends_at >= last_end:
            return Verdict(Answer("EXTENSION_LIMIT"))
        ends_at = min(self.now + HOLD, last_end)
        if ends_at < stay.ends_at or (ends_at == stay.ends_at and answered == "HELD_LONG_ENOUGH"):
            return Verdict(Answer("HELD_LONG_ENOUGH"))
        stay.extensions += 1
        stay.ends_at = ends_at
        return self._succeed(name, Answer(stay=stay))

    def cancel(self, actor: str, stay: Stay, key: str | None) -> Verdict:
        if actor != STAFF and (stay.owner != actor or stay.is_block):
            return Verdict(Answer("NOT_FOUND"))
        name: Name = (actor, "cancel", stay.id, key)
        if replay := self._replay(name, None):
            return replay
        if stay.status == "cancelled":
            return self._succeed(name, Answer(stay=stay, is_idle=True))
        if stay.status_at(self.now) == "expired":
            return Verdict(Answer("NOT_CANCELLABLE"))
        if actor != STAFF and stay.status == "confirmed" and stay.first < FIRST_NIGHT_TO_CANCEL:
            return Verdict(Answer("NOT_CANCELLABLE"))
        stay.status = "cancelled"
        return self._succeed(name, Answer(stay=stay))

    def move(self, stay: Stay, rooms: tuple[str, ...], first: int, end: int, key: str) -> Verdict:
        if stay.is_block:
            return Verdict(Answer("NOT_FOUND"))
        name: Name = (STAFF, "move", stay.id, key)
        if replay := self._replay(name, None):
            return replay
        fits = len(set(rooms)) == len(rooms) == len(stay.rooms) and all(
            guests <= OCCUPANCY[ROOMS[room]]
            for room, guests in zip(rooms, stay.guests, strict=True)
        )
        if stay.status_at(self.now) not in ("pending", "confirmed") or not fits:
            return Verdict(Answer("VALIDATION_ERROR"))
        if stay.released_from is not None or (stay.is_no_show and first != stay.first):
            return Verdict(Answer("VALIDATION_ERROR"))
        if self.rivals({(room, n) for room in rooms for n in range(first, end)}, of=stay):
            return Verdict(Answer("ALREADY_BOOKED"))
        now_costs = self._list_price((ROOMS[room] for room in rooms), first, end)
        stay.freeze()
        stay.rooms, stay.first, stay.end = rooms, first, end
        kinds = stay.shown[3]
        stay.price = {
            night: stay.frozen.get((night, kinds), stay.price.get(night, now_costs[night]))
            for night in stay.nights
        }
        return self._succeed(name, Answer(stay=stay))

    def change(self, actor: str, stay: Stay, wish: Rebooking, key: str) -> Verdict:
        if stay.owner != actor or stay.is_block:
            return Verdict(Answer("NOT_FOUND"))
        name: Name = (actor, "change", stay.id, key)
        if replay := self._replay(name, None):
            # Only a refusal that Redis keeps knows what was asked for.
            mismatch = replay.answer.code is not None and replay.answer.wish != wish
            return Verdict(replay.answer, replayed=True, mismatch=mismatch)
        if stay.status_at(self.now) not in ("pending", "confirmed") or stay.is_no_show:
            return Verdict(Answer("NOT_CHANGEABLE"))
        if stay.status == "confirmed" and stay.first < FIRST_NIGHT_TO_CANCEL:
            return Verdict(Answer("NOT_CHANGEABLE"))
        if stay.changes >= MAX_CHANGES:
            return Verdict(Answer("NOT_CHANGEABLE"))
        has = [ROOMS[room] for room in stay.rooms]
        if wish.category and len(set(has)) > 1:
            return Verdict(Answer("VALIDATION_ERROR"))
        wants = [wish.category or category for category in has]
        nights = range(wish.first, wish.end)
        kept = [night for night in nights if night in stay.nights and wants == has]
        if any(
            guests > OCCUPANCY[category] or self._forbids(category, wish, stay, own=wants == has)
            for guests, category in zip(stay.guests, wants, strict=True)
        ):
            return Verdict(Answer("VALIDATION_ERROR"))
        price = self._list_price(wants, wish.first, wish.end)
        price |= {night: stay.price[night] for night in kept}
        if wish.quoted != sum(price.values()):
            return Verdict(Answer("PRICE_CHANGED"))
        rooms = self._keep_or_choose(stay, wants, wish) if len(kept) < len(nights) else stay.rooms
        if rooms is None:
            until = self.now + KEPT_REFUSAL
            self.refusals[name] = Answer("SOLD_OUT", wish=wish, until=until)
            return Verdict(self.refusals[name])
        grows = not {(room, night) for room in rooms for night in nights} <= stay.slots
        if grows and stay.status == "pending" and self._holds(stay.owner, stay.user_id) > MAX_HOLDS:
            return Verdict(Answer("TOO_MANY_HOLDS"))
        stay.freeze()
        stay.rooms, stay.first, stay.end, stay.price = rooms, wish.first, wish.end, price
        stay.changes += 1
        stay.told_to[actor] = stay.shown
        return self._succeed(name, Answer(stay=stay))

    def _forbids(self, category: str, wish: Rebooking, stay: Stay, *, own: bool) -> bool:
        """Whether the calendar objects to anything that the stay does not have already."""
        for code, days in self.forbidden(category, wish.first, wish.end):
            has_already = {
                "CLOSED": all(day in stay.nights for day in days),
                "CLOSED_TO_ARRIVAL": wish.first == stay.first,
                "CLOSED_TO_DEPARTURE": wish.end == stay.end,
            }
            if not (own and has_already.get(code, False)):
                return True
        return False

    def _keep_or_choose(
        self, stay: Stay, wants: list[str], wish: Rebooking
    ) -> tuple[str, ...] | None:
        """The stay's own rooms where they are free, others in the smallest gap where not."""
        free = {
            category: self.free(category, wish.first, wish.end, besides=stay) for category in wants
        }
        kept = {
            room for room, category in zip(stay.rooms, wants, strict=True) if room in free[category]
        }
        chosen: list[str] = []
        for room, category in zip(stay.rooms, wants, strict=True):
            others = [other for other in free[category] if other not in kept | set(chosen)]
            if room in kept:
                chosen.append(room)
            elif others:
                gap = {o: self._gap(o, wish.first, wish.end, besides=stay) for o in others}
                chosen.append(min(others, key=lambda other: (gap[other], other)))
            else:
                return None
        return tuple(chosen)

    def edit(self, stay: Stay, notes: str, key: str, *, seen: str) -> Verdict:
        """`seen` are the notes as the form showed them."""
        if stay.is_block:
            return Verdict(Answer("NOT_FOUND"))
        name: Name = (STAFF, "correct", stay.id, key)
        if replay := self._replay(name, None):
            return replay
        if stay.status_at(self.now) not in ("pending", "confirmed") or stay.notes != seen:
            return Verdict(Answer("NOT_CHANGEABLE"))
        if notes == seen:
            return Verdict(Answer("VALIDATION_ERROR"))
        stay.notes = notes
        return self._succeed(name, Answer(stay=stay))

    def mark_no_show(self, stay: Stay, tonight: int, release: bool, key: str) -> Verdict:
        """For a guest who did not come by `tonight`, the number of a night."""
        if stay.is_block:
            return Verdict(Answer("NOT_FOUND"))
        name: Name = (STAFF, "mark", stay.id, key)
        if replay := self._replay(name, None):
            return replay
        if stay.status_at(self.now) != "confirmed" or stay.is_no_show or tonight < stay.first:
            return Verdict(Answer("VALIDATION_ERROR"))
        stay.is_no_show = True
        if release and tonight + 1 < stay.end:
            stay.released_from = tonight + 1
        return self._succeed(name, Answer(stay=stay))

    def undo_no_show(self, stay: Stay, key: str) -> Verdict:
        if stay.is_block:
            return Verdict(Answer("NOT_FOUND"))
        name: Name = (STAFF, "mark", stay.id, key)
        if replay := self._replay(name, None):
            return replay
        if stay.status_at(self.now) != "confirmed" or not stay.is_no_show:
            return Verdict(Answer("VALIDATION_ERROR"))
        if self.rivals({(room, n) for room in stay.rooms for n in stay.nights}, of=stay):
            return Verdict(Answer("ALREADY_BOOKED"))
        stay.is_no_show, stay.released_from = False, None
        return self._succeed(name, Answer(stay=stay))
