"""Any sequence of calls keeps the promises: the real services beside a model in plain memory.

After each call the outcome is the one that the model calls legal, and the collection, the search
and the lists agree with the model. The services run on real servers; only the passing of time is
simulated, by moving every stored moment back (see `Bookings.pass_time_until`).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import ModuleType
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bookings import tasks
from bookings.availability import search
from bookings.domain.booking import NO_SHOW
from bookings.domain.stay_request import Guest
from bookings.front_desk import blocks, marks
from bookings.front_desk.marks import UNDO
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.operations.doctor import recount
from bookings.refusals import Refusal
from bookings.stays import corrections, create, lifecycle, own_bookings, rebooking
from bookings.stays.corrections import Details
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import changes, new_bookings
from tests.calls import check_fields_agree
from tests.conftest import EMPTIED
from tests.hotels import put_night
from tests.stays.model import (
    CUSTOMER,
    HOLD,
    LATE_CONFIRM,
    MAX_EXTENSIONS,
    MAX_HOLDS,
    NIGHT_0_AHEAD,
    PARTNERS,
    PRICE,
    ROOMS,
    STAFF,
    Answer,
    Day,
    Hotel,
    Name,
    Rebooking,
    Stay,
    Verdict,
    Wish,
)
from tests.stays.steps import (
    ACTORS,
    BLOCKS,
    CALLERS,
    CHANGES,
    CONFIRMS,
    DAYS,
    EXTENDS,
    FAR_NIGHT,
    KEYS,
    MARKS,
    MEANWHILE,
    MOVES,
    NEAR_NIGHTS,
    REBOOKS,
    RUNS_OUT,
    STAYS,
    WHICH,
    Block,
    Cancel,
    Change,
    Confirm,
    Create,
    Edit,
    Extend,
    Move,
    NoShow,
    Rebook,
    RunOut,
    Sweep,
    UndoNoShow,
    creates,
)

pytestmark = pytest.mark.mongo

# Real time also passes between two steps of the clock, so no test comes closer to an edge than
# this. A whole sequence takes a second or two.
MARGIN_S = 40

# No one is in a hurry here, however busy the machine is.
DEADLINE_S = 60


class Bookings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        for name in EMPTIED:
            connections.database()[name].delete_many({})
        connections.redis().flushdb()
        self.today = open_inn()
        self.model = Hotel()
        self.synced_at = clock.now()
        self.asked: list[Create | Block] = []
        self.changed: list[tuple[Stay, Change]] = []
        # Every success under a client's key.
        self.acknowledged: list[tuple[Stay | None, Create | Block | Change]] = []
        # The model's names for the server-made keys.
        self.server_keys: dict[str, Name] = {}
        self.keys_used = 0
        # What each change of a stay asked for, so that it can be asked for again.
        self.wishes: dict[tuple[str, Rebook], Rebooking] = {}
        self.steps = 0
        # The documents as they were after the previous step.
        self.seen: dict[Any, dict[str, Any]] = {}
        # An event that happens, once, between the next call's look and its write.
        self.meanwhile: Callable[[], None] | None = None
        self.was_interrupted = False
        self.patch = pytest.MonkeyPatch()
        self.interrupt(new_bookings, "write_booking")
        self.interrupt(changes, "change_booking")

    @initialize(is_booked=st.booleans())
    def somebody_comes_next_week(self, is_booked: bool) -> None:
        """So that C's gap ends after more than a week, which is no shorter than a longer one."""
        if is_booked:
            wish = Wish("C", (), (1,), FAR_NIGHT, FAR_NIGHT + 1)
            self.create(Create(PARTNERS[1], "new", wish))

    # --- Making stays -------------------------------------------------------------------------

    @rule(create=creates())
    def books(self, create: Create) -> None:
        self.create(create)

    @rule(block=BLOCKS)
    def blocks(self, block: Block) -> None:
        self.create(block)

    @precondition(lambda self: self.asked)
    @rule(which=WHICH, forgetful=st.booleans())
    def books_again(self, which: int, forgetful: bool) -> None:
        """The same key with the same payload; without a key, the same wish."""
        if forgetful:
            self.forget()
        self.create(latest(self.asked, which))

    @precondition(lambda self: self.asked)
    @rule(which=WHICH, forgetful=st.booleans(), other=creates())
    def books_something_else_with_the_key(self, which: int, forgetful: bool, other: Create) -> None:
        if forgetful:
            self.forget()
        asked = latest(self.asked, which)
        if isinstance(asked, Create):
            self.create(dataclasses.replace(asked, wish=other.wish))

    @precondition(lambda self: self.asked)
    @rule(which=WHICH, caller=ACTORS)
    def books_with_somebody_elses_key(self, which: int, caller: str) -> None:
        asked = latest(self.asked, which)
        if isinstance(asked, Create):
            self.create(dataclasses.replace(asked, caller=caller))

    @precondition(lambda self: self.model.stays)
    @rule(which=WHICH, create=creates(), as_holder=st.booleans(), by_category=st.booleans())
    def wants_what_somebody_has(
        self, which: int, create: Create, as_holder: bool, by_category: bool
    ) -> None:
        """The same stay, whether taken, dead or cancelled; its holder returns to the hold."""
        stay = latest(self.model.stays, which)
        is_one = len(stay.rooms) == 1
        wish = dataclasses.replace(
            create.wish,
            room=stay.rooms[0] if is_one and not by_category else None,
            categories=tuple(ROOMS[room] for room in stay.rooms)
            if by_category or not is_one
            else (),
            guests=tuple(max(1, guests) for guests in stay.guests),
            first=stay.first,
            end=stay.end,
            quoted=None,
        )
        create = dataclasses.replace(create, wish=wish)
        if as_holder and not stay.is_block:
            # Its own label is sent as userId; otherwise the caller books for itself.
            user_id = None if stay.owner.endswith(f":{stay.user_id}") else stay.user_id
            wish = dataclasses.replace(wish, hold=True, user_id=user_id)
            # Staff come back to their holds for a person, and so does that person.
            caller = STAFF if create.caller == stay.caller == STAFF else stay.owner
            create = dataclasses.replace(create, caller=caller, wish=wish)
        self.create(create)

    @rule(caller=ACTORS, rooms=st.permutations("ABCS"), create=creates(by_room=True))
    def holds_one_room_after_another(self, caller: str, rooms: list[str], create: Create) -> None:
        for room in rooms[: MAX_HOLDS + 1]:
            wish = dataclasses.replace(create.wish, room=room, hold=True, user_id=None, quoted=None)
            self.create(Create(caller, "new", wish))

    @precondition(lambda self: self.wished_without_key())
    @rule(which=WHICH, is_cancelled=st.booleans(), is_later=st.booleans())
    def wishes_the_same_without_a_key(self, which: int, is_cancelled: bool, is_later: bool) -> None:
        """A retry while the server-made key is young and its stay active, otherwise a new wish."""
        asked, answer = latest(self.wished_without_key(), which)
        assert answer.stay is not None
        assert answer.until is not None
        if is_cancelled:
            self.change(answer.stay, Cancel(STAFF, None))
        if is_later:
            self.pass_time_until(answer.until + MARGIN_S)
        self.create(asked)

    @precondition(lambda self: self.refused())
    @rule(which=WHICH, rival=WHICH, forgetful=st.booleans())
    def asks_again_once_there_is_room(self, which: int, rival: int, forgetful: bool) -> None:
        """A refusal that was kept is final, unless Redis forgot it."""
        asked = latest(self.refused(), which)
        nights = range(asked.wish.first, asked.wish.end)
        in_the_way = self.model.rivals({(room, night) for room in ROOMS for night in nights})
        if in_the_way:
            self.change(latest(in_the_way, rival), Cancel(STAFF, None))
        if forgetful:
            self.forget()
        self.create(asked)

    @rule(create=creates(by_room=True), rival=creates(by_room=True), same_room=st.booleans())
    def books_while_a_rival_books(self, create: Create, rival: Create, same_room: bool) -> None:
        """Redis has lost the lock; otherwise the rival would wait."""
        if same_room:
            rival = dataclasses.replace(rival, wish=create.wish)
        elif rival.key == create.key:
            # With the key of the first, but another wish, it may be refused under a key that
            # succeeds a moment later. That is legal, since Redis forgot the claim, but a model that
            # does one thing after the other cannot express it.
            rival = dataclasses.replace(rival, key="rivals")
        self.crossed(lambda: self.create(create), lambda: self.create(rival))

    # --- Changing them ------------------------------------------------------------------------

    @precondition(lambda self: self.model.stays)
    @rule(which=WHICH, change=CHANGES, as_owner=st.booleans())
    def changes(self, which: int, change: Change, as_owner: bool) -> None:
        stay = latest(self.model.stays, which)
        self.change(stay, by_owner(stay, change) if as_owner else change)

    @precondition(lambda self: self.model.stays)
    @rule(which=WHICH, move=MOVES, stays_there=st.booleans())
    def moves(self, which: int, move: Move, stays_there: bool) -> None:
        stay = latest(self.model.stays, which)
        if stays_there:
            move = Move(move.key, stay.rooms, stay.first, stay.end)
        self.change(stay, by_owner(stay, move))

    @precondition(lambda self: self.model.stays)
    @rule(which=WHICH, move=MOVES, category=st.sampled_from(list(PRICE)))
    def moves_there_and_back(self, which: int, move: Move, category: str) -> None:
        """By mistake, while prices change."""
        stay = latest(self.model.stays, which)
        before = Move("new", stay.rooms, stay.first, stay.end)
        self.change(stay, by_owner(stay, dataclasses.replace(move, key="new")))
        self.the_hotel_changes_a_price(category, more=1_000)
        self.change(stay, before)

    @precondition(lambda self: self.model.stays)
    @rule(which=WHICH, rebook=REBOOKS, other=st.one_of(MOVES, REBOOKS), back=st.booleans())
    def changes_there_and_back(self, which: int, rebook: Rebook, other: Change, back: bool) -> None:
        """Its owner gives up nights, and comes back to them while prices change."""
        stay = latest(self.model.stays, which)
        before = Rebook(stay.owner, "new", stay.first, stay.end, None)
        self.change(stay, by_owner(stay, dataclasses.replace(rebook, key="new")))
        self.the_hotel_changes_a_price("double", more=1_000)
        if back:
            self.change(stay, by_owner(stay, before))
        self.change(stay, by_owner(stay, other))

    @precondition(lambda self: self.model.stays)
    @rule(which=WHICH, mark=MARKS)
    def marks(self, which: int, mark: Change) -> None:
        self.change(latest(self.model.stays, which), mark)

    @precondition(lambda self: self.long_stays())
    @rule(which=WHICH, create=creates(by_room=True), other=CHANGES, is_resold=st.booleans())
    def resells_what_a_no_show_gave_back(
        self, which: int, create: Create, other: Change, is_resold: bool
    ) -> None:
        """Another request changes the no-show, which then is undone, if the nights are free."""
        stay = latest(self.long_stays(), which)
        self.change(stay, NoShow("new", stay.first, release=True))
        wish = dataclasses.replace(
            create.wish, room=stay.rooms[0], first=stay.first + 1, end=stay.end, quoted=None
        )
        if is_resold:
            self.create(dataclasses.replace(create, wish=wish))
        self.change(stay, by_owner(stay, other))
        self.change(stay, UndoNoShow("new"))

    @precondition(lambda self: self.holds())
    @rule(which=WHICH, change=st.one_of(CHANGES, RUNS_OUT))
    def changes_a_hold(self, which: int, change: Change) -> None:
        stay = latest(self.holds(), which)
        self.change(stay, by_owner(stay, change))

    @precondition(lambda self: self.holds())
    @rule(which=WHICH, late=st.booleans(), change=CHANGES)
    def changes_a_dead_hold(self, which: int, late: bool, change: Change) -> None:
        stay = latest(self.holds(), which)
        self.change(stay, RunOut(late))
        self.change(stay, by_owner(stay, change))

    @precondition(lambda self: self.holds())
    @rule(which=WHICH)
    def extends_often(self, which: int) -> None:
        stay = latest(self.live_holds() or self.holds(), which)
        for _ in range(MAX_EXTENSIONS + 1):
            self.change(stay, Extend(stay.owner, "new"))

    @precondition(lambda self: self.holds())
    @rule(which=WHICH)
    def extends_until_it_is_told_to_stop(self, which: int) -> None:
        """Each time just before the hold ends."""
        stay = latest(self.live_holds() or self.holds(), which)
        while stay.status_at(self.model.now) == "pending" and stay.ends_at is not None:
            ends_at = stay.ends_at
            self.pass_time_until(ends_at - MARGIN_S)
            self.change(stay, Extend(stay.owner, "new"))
            if stay.ends_at == ends_at:
                break

    @precondition(lambda self: len(self.model.stays) > 1)
    @rule(which=WHICH, other=WHICH, key=KEYS, runs_out=st.booleans())
    def moves_to_where_another_is(self, which: int, other: int, key: str, runs_out: bool) -> None:
        """The other stay is in its way, unless it is dead or cancelled."""
        stay, there = latest(self.model.stays, which), latest(self.model.stays, other)
        if runs_out:
            self.change(there, RunOut(late=False))
        self.change(stay, Move(key, there.rooms, there.first, there.end))

    @precondition(lambda self: self.holds())
    @rule(which=WHICH, change=st.one_of(CONFIRMS, EXTENDS, MOVES), late=st.booleans())
    def changes_a_hold_while_it_runs_out(self, which: int, change: Change, late: bool) -> None:
        stay = latest(self.holds(), which)
        change = by_owner(stay, change)
        self.crossed(lambda: self.change(stay, change), lambda: self.change(stay, RunOut(late)))

    @precondition(lambda self: self.holds())
    @rule(which=WHICH, change=CHANGES, guests=st.sampled_from([1, 2]))
    def changes_a_hold_while_it_is_held_again(
        self, which: int, change: Change, guests: int
    ) -> None:
        """Its holder sends a new key, and a new number of guests."""
        stay = latest(self.holds(), which)
        change = self.with_key(by_owner(stay, change))
        again = self.held_again(stay, guests)
        self.crossed(lambda: self.change(stay, change), lambda: self.create(again))

    @precondition(lambda self: self.changed)
    @rule(which=WHICH, forgetful=st.booleans())
    def changes_again(self, which: int, forgetful: bool) -> None:
        """The same change with the same key."""
        if forgetful:
            self.forget()
        self.change(*latest(self.changed, which))

    @precondition(lambda self: self.model.stays)
    @rule(which=WHICH, change=CHANGES, meanwhile=MEANWHILE, same=st.booleans())
    def changes_while_it_is_changed(
        self, which: int, change: Change, meanwhile: Change, same: bool
    ) -> None:
        """The second change comes between the first one's look and its write.

        Both are made, or refused, as if the second had come first.
        """
        stay = latest(self.model.stays, which)
        change = self.with_key(by_owner(stay, change))
        meanwhile = change if same else by_owner(stay, meanwhile)
        if isinstance(change, Cancel) and isinstance(meanwhile, RunOut):
            return  # a request that cancels a hold in its last moment may get either answer
        self.crossed(lambda: self.change(stay, change), lambda: self.change(stay, meanwhile))

    # --- From another hotel -------------------------------------------------------------------

    @rule(create=creates(), block=BLOCKS, is_block=st.booleans())
    def books_with_rights_at_another_hotel(
        self, create: Create, block: Block, is_block: bool
    ) -> None:
        what = self.with_key(dataclasses.replace(block if is_block else create, key="new"))
        with callers_elsewhere():
            done = attempt(lambda: self.really_create(what))
        assert done.code == "VALIDATION_ERROR"

    @precondition(lambda self: self.model.stays)
    @rule(which=WHICH, change=st.one_of(CHANGES, MOVES, REBOOKS, MARKS), as_owner=st.booleans())
    def changes_with_rights_at_another_hotel(
        self, which: int, change: Change, as_owner: bool
    ) -> None:
        """It is as if there were no such booking; what was acknowledged stays as it is."""
        if isinstance(change, Sweep | RunOut):
            return
        stay = latest(self.model.stays, which)
        asked = self.with_key(by_owner(stay, change) if as_owner else change)
        with callers_elsewhere():
            done = attempt(lambda: self.really_change(stay, asked))
        assert done.code == "NOT_FOUND"

    # --- Other events -------------------------------------------------------------------------

    @rule(which=WHICH, after=st.booleans())
    def time_passes(self, which: int, after: bool) -> None:
        """Until just before or just after something ends."""
        ahead = sorted(moment for moment in self.model.moments() if moment > self.model.now)
        ends_at = ahead[which % len(ahead)] if ahead else self.model.now + 5 * 60
        self.pass_time_until(ends_at + MARGIN_S if after else ends_at - MARGIN_S)

    @rule()
    def worker_sweeps(self) -> None:
        self.sweep()

    @rule(category=st.sampled_from(list(PRICE)), more=st.sampled_from([0, 500]))
    def the_hotel_changes_a_price(self, category: str, more: int) -> None:
        """Stays that are booked or held keep their prices."""
        self.model.prices[category] = PRICE[category] + more
        put_price(category, PRICE[category] + more)

    @rule(category=st.sampled_from(list(PRICE)), night=st.sampled_from(NEAR_NIGHTS), day=DAYS)
    def the_hotel_restricts_a_night(self, category: str, night: int, day: Day | None) -> None:
        """Or removes the restriction. Stays that are booked or held remain."""
        forget_night(category, self.day(night))
        self.model.days.pop((category, night), None)
        if day:
            self.model.days[category, night] = day
            put_night(f"inn_{category}", self.day(night).isoformat(), **dataclasses.asdict(day))

    @rule()
    def redis_is_wiped(self) -> None:
        self.forget()

    # --- Checks after every step --------------------------------------------------------------

    @invariant()
    def all_is_as_it_was_acknowledged(self) -> None:
        bookings = stored()
        self.no_night_is_sold_twice(bookings)
        self.no_key_has_two_bookings(bookings)
        self.every_booking_is_what_was_acknowledged(bookings)
        self.every_change_moves_the_version(bookings)
        # The views take turns, each with another stay, category, night or caller every time.
        views = (
            self.a_search_finds_what_is_free,
            self.a_calendar_counts_what_is_free,
            self.a_night_lists_the_rooms_that_are_free,
            self.everybody_sees_their_own,
        )
        turn, view = divmod(self.steps, len(views))
        self.steps += 1
        views[view](turn)

    def no_night_is_sold_twice(self, bookings: list[dict[str, Any]]) -> None:
        sold = Counter(
            slot
            for booking in bookings
            if booking["status"] in ("pending", "confirmed")
            for slot in booking["slots"]
        )
        assert [slot for slot, times in sold.items() if times > 1] == []

    def no_key_has_two_bookings(self, bookings: list[dict[str, Any]]) -> None:
        digests = Counter(key["digest"] for booking in bookings for key in booking["keys"])
        assert [digest for digest, times in digests.items() if times > 1] == []

    def every_booking_is_what_was_acknowledged(self, bookings: list[dict[str, Any]]) -> None:
        by_id = {str(booking["_id"]): booking for booking in bookings}
        assert by_id.keys() == {stay.id for stay in self.model.stays}
        for stay in self.model.stays:
            booking = by_id[stay.id]
            status = stay.status_at(self.model.now)
            assert booking["slots"] == sorted(
                f"{self.day(night)}|inn_{room}" for room, night in stay.slots
            )
            assert [booked["guests"] for booked in booking["rooms"]] == list(stay.guests)
            assert booking["price"]["total"] == sum(stay.price.values())
            assert stay.is_block or booking["notes"] == stay.notes
            check_fields_agree(booking)
            # A dead hold is pending until it is tidied.
            may_be = {"pending", "expired"} if status == "expired" else {status}
            assert booking["status"] in may_be
            if status == "pending":
                self.expect_moment(booking["expires_at"], stay.ends_at)

    def every_change_moves_the_version(self, bookings: list[dict[str, Any]]) -> None:
        for booking in bookings:
            # News still to be sent is not part of what a change compares.
            del booking["outbox"]
            before = self.seen.get(booking["_id"], booking)
            if before != booking:
                assert before["version"] < booking["version"]
        self.seen = {booking["_id"]: booking for booking in bookings}

    def a_search_finds_what_is_free(self, turn: int) -> None:
        first, end = STAYS[turn % len(STAYS)]
        for found in search.find_stays(
            hotel_id="inn", check_in=self.day(first), check_out=self.day(end)
        ):
            if found.category.id == "inn_cabin":
                assert [obstacle.code for obstacle in found.obstacles] == ["CLOSED"]
                continue
            category = found.category.id.removeprefix("inn_")
            left = len(self.model.free(category, first, end))
            full = self.model.full_nights(category, first, end)
            why = self.model.forbidden(category, first, end)
            is_closed = "CLOSED" in [code for code, _ in why]
            if not left:
                why.append(("SOLD_OUT", full) if full else ("NO_SINGLE_ROOM", []))
            nearest = self.model.nearest(category, first, end) if why else []
            assert found.rooms_left == left
            assert [(obstacle.code, [*obstacle.days]) for obstacle in found.obstacles] == [
                (code, [self.day(night) for night in nights]) for code, nights in why
            ]
            assert [*found.nearest] == [(self.day(first), self.day(end)) for first, end in nearest]
            if is_closed:
                assert found.price is None
            else:
                assert found.price is not None
                assert found.price.total == self.price_of(category, first, end)

    def a_calendar_counts_what_is_free(self, turn: int) -> None:
        category = list(PRICE)[turn % len(PRICE)]
        for month in sorted({self.day(night).replace(day=1) for night in NEAR_NIGHTS}):
            for entry in search.read_month(
                category_id=f"inn_{category}", year=month.year, month=month.month
            ):
                night = (entry.date - self.day(0)).days
                assert entry.rooms_left == len(self.model.free(category, night, night + 1))
                end = self.model.shortest(category, night)
                if end is None:
                    assert entry.shortest is None
                else:
                    assert entry.shortest is not None
                    assert entry.shortest.check_out == self.day(end)
                    assert entry.shortest.price.total == self.price_of(category, night, end)

    def a_night_lists_the_rooms_that_are_free(self, turn: int) -> None:
        night = turn % len(NEAR_NIGHTS)
        free = search.find_free_rooms(hotel_id="inn", night=self.day(night))
        assert [free_room.room.id for free_room in free.rooms] == [
            f"inn_{room}"
            for room, category in ROOMS.items()
            if not self.model.has(room, night)
            and not self.model.forbidden(category, night, night + 1)
        ]

    def everybody_sees_their_own(self, turn: int) -> None:
        viewer = list(CALLERS)[turn % len(CALLERS)]
        listed, _ = own_bookings.list_bookings(viewer=CALLERS[viewer], limit=100)
        assert [(booking["id"], booking["status"]) for booking in listed] == [
            (stay.id, stay.status_at(self.model.now))
            for stay in sorted(self.model.stays, key=lambda stay: stay.id, reverse=True)
            if stay.owner == viewer
        ]
        with callers_elsewhere():
            listed, _ = own_bookings.list_bookings(viewer=CALLERS[viewer], limit=100)
        assert listed == []

    def teardown(self) -> None:
        try:
            # A fault that was already found must not be hidden by its consequences.
            if sys.exc_info()[0] is None:
                assert recount.documents().level == "ok"
                self.everything_acknowledged_is_replayed()
                self.live_holds_can_be_confirmed()
                self.all_that_is_free_can_be_had()
        finally:
            self.patch.undo()

    def everything_acknowledged_is_replayed(self) -> None:
        """With Redis's memory, and again without it."""
        before = stored()
        for _ in range(2):
            for ask in list(self.acknowledged):
                self.ask(*ask)
            self.forget()
        assert stored() == before

    def live_holds_can_be_confirmed(self) -> None:
        for stay in self.live_holds():
            for number in range(len(stay.keys)):
                self.change(stay, Confirm(number, "", ""))
            # If staff have moved it, by a person who has seen the moved stay.
            self.change(stay, Confirm(0, "", "", says=True))
            assert stay.status == "confirmed"

    def all_that_is_free_can_be_had(self) -> None:
        """So a dead hold blocks no one, tidied or not."""
        for room, category in ROOMS.items():
            for first in NEAR_NIGHTS:
                ends = [
                    end
                    for end in range(first + 1, 5)
                    if room in self.model.free(category, first, end)
                    and not self.model.forbidden(category, first, end)
                ]
                if ends:
                    wish = Wish(room, (), (1,), first, ends[-1])
                    self.create(Create(PARTNERS[0], "new", wish))
        assert not any(
            self.model.can_be_had(category, first, end)
            for category in PRICE
            for first in NEAR_NIGHTS
            for end in range(first + 1, 5)
        )

    # --- One call, in reality and in the model ------------------------------------------------

    def ask(self, stay: Stay | None, what: Create | Block | Change) -> None:
        if isinstance(what, Create | Block):
            self.create(what)
        else:
            assert stay is not None
            self.change(stay, what)

    def create(self, what: Create | Block) -> None:
        what = self.with_key(what)
        if what not in self.asked:
            self.asked.append(what)
        done = attempt(lambda: self.really_create(what))
        if isinstance(what, Block):
            verdict = self.model.block(what.rooms, what.first, what.end, what.key)
        else:
            owner = CUSTOMER if what.caller == STAFF else what.caller
            verdict = self.model.create(
                what.caller, owner, what.key, what.wish, answered=done.booking.get("id", "")
            )
            if what.key is None and done.outcome:
                name: Name = (what.caller, "create", what.wish.essence)
                assert self.server_keys.setdefault(done.outcome.key, name) == name
            if self.was_interrupted and not verdict.replayed:
                verdict = self.model.take_back(verdict)
        stay = verdict.answer.stay
        if stay is not None and not stay.id and done.booking:
            stay.id, stay.reference = done.booking["id"], done.booking["reference"]
        self.judge(done, verdict, status=201)
        if verdict.answer.code is None and not verdict.replayed and what.key is not None:
            self.acknowledged.append((None, what))

    def really_create(self, what: Create | Block) -> Outcome:
        if isinstance(what, Block):
            return blocks.block_rooms(
                actor=CALLERS[STAFF],
                room_ids=tuple(f"inn_{room}" for room in what.rooms),
                first=self.day(what.first),
                end=self.day(what.end),
                reason="New carpet",
                key_header=what.key,
                deadline=Deadline.after(DEADLINE_S),
            )
        payload = self.payload_of(what.wish)
        return create.create_booking(
            caller=CALLERS[what.caller],
            owner=CALLERS[CUSTOMER] if what.caller == STAFF else None,
            key_header=what.key,
            read_payload=lambda: payload,
            deadline=Deadline.after(DEADLINE_S),
            may_reprice=what.caller == STAFF,
        )

    def payload_of(self, wish: Wish) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "checkIn": self.day(wish.first).isoformat(),
            "checkOut": self.day(wish.end).isoformat(),
            "hold": wish.hold,
        }
        if wish.room:
            payload |= {"resourceId": f"inn_{wish.room}", "guests": wish.guests[0]}
        elif len(wish.categories) == 1:
            payload |= {"categoryId": f"inn_{wish.categories[0]}", "guests": wish.guests[0]}
        else:
            payload["rooms"] = [
                {"categoryId": f"inn_{category}", "guests": guests}
                for category, guests in zip(wish.categories, wish.guests, strict=True)
            ]
        if wish.user_id is not None:
            payload["userId"] = wish.user_id
        if wish.quoted is not None:
            payload["quotedTotal"] = wish.quoted
        if wish.agreed is not None:
            agreed = {"total": wish.agreed, "currency": "EUR", "reason": "A long stay"}
            payload["agreedPrice"] = agreed
        return payload

    def change(self, stay: Stay, change: Change) -> None:
        if isinstance(change, Sweep):
            self.sweep()
            return
        if isinstance(change, RunOut):
            if stay.status == "pending" and stay.ends_at is not None:
                late = LATE_CONFIRM if change.late else 0
                self.pass_time_until(stay.ends_at + late + MARGIN_S)
            return
        change = self.with_key(change)
        if isinstance(change, Confirm) and change.own_key is not None and stay.keys:
            name = stay.keys[change.own_key % len(stay.keys)]
            change = Confirm(None, str(name[0]), self.key_named(name), change.says)
        if (stay, change) not in self.changed:
            self.changed.append((stay, change))
        # The state before the event between the look and the write.
        said = (*stay.shown[:3], tuple(sorted(stay.rooms)))
        seen_notes = stay.notes
        done = attempt(lambda: self.really_change(stay, change))
        if isinstance(change, Confirm):
            created = self.server_keys.get(change.key, (change.actor, "create", change.key))
            verdict = self.model.confirm(
                change.actor,
                stay,
                None if change.actor == STAFF else created,
                said if change.says else None,
            )
        elif isinstance(change, Extend):
            verdict = self.model.extend(change.actor, stay, change.key, answered=done.code)
        elif isinstance(change, Cancel):
            verdict = self.model.cancel(change.actor, stay, change.key)
        elif isinstance(change, Rebook):
            verdict = self.model.change(change.actor, stay, self.wish_of(stay, change), change.key)
            if self.was_interrupted and not verdict.replayed:
                verdict = self.model.take_back(verdict)
        elif isinstance(change, NoShow):
            verdict = self.model.mark_no_show(stay, change.tonight, change.release, change.key)
        elif isinstance(change, Edit):
            verdict = self.model.edit(stay, change.key, change.key, seen=seen_notes)
        elif isinstance(change, UndoNoShow):
            verdict = self.model.undo_no_show(stay, change.key)
        else:
            verdict = self.model.move(stay, change.rooms, change.first, change.end, change.key)
        self.judge(done, verdict, status=200)
        if verdict.answer.code is None and not verdict.replayed:
            self.acknowledged.append((stay, change))

    def really_change(
        self,
        stay: Stay,
        change: Confirm | Extend | Cancel | Move | Rebook | NoShow | UndoNoShow | Edit,
    ) -> Outcome:
        which: dict[str, Any] = {"booking_id": stay.id, "deadline": Deadline.after(DEADLINE_S)}
        if isinstance(change, NoShow | UndoNoShow):
            return self.really_mark(change, which)
        if isinstance(change, Edit):
            return corrections.correct_for_guest(
                actor=CALLERS[STAFF],
                key_header=change.key,
                seen=Details(Guest(), stay.notes, "en"),
                details=Details(Guest(), change.key, "en"),
                **which,
            )
        if isinstance(change, Move):
            return lifecycle.move_booking(
                actor=CALLERS[STAFF],
                key_header=change.key,
                room_ids=tuple(f"inn_{room}" for room in change.rooms),
                check_in=self.day(change.first),
                check_out=self.day(change.end),
                **which,
            )
        which |= {"actor": CALLERS[change.actor], "key_header": change.key}
        as_staff = change.actor == STAFF
        if isinstance(change, Confirm):
            seen = self.seen_of(stay) if change.says else {}
            return lifecycle.confirm_booking(as_staff=as_staff, read_seen=lambda: seen, **which)
        if isinstance(change, Extend):
            return lifecycle.extend_hold(**which)
        if isinstance(change, Rebook):
            wish = self.wish_of(stay, change)
            payload: dict[str, Any] = {
                "checkIn": self.day(wish.first).isoformat(),
                "checkOut": self.day(wish.end).isoformat(),
                "quotedTotal": wish.quoted,
            }
            if wish.category:
                payload["categoryId"] = f"inn_{wish.category}"
            return rebooking.change_stay(read_payload=lambda: payload, **which)
        return lifecycle.cancel_booking(staff_reason="Burst pipe" if as_staff else None, **which)

    def wish_of(self, stay: Stay, change: Rebook) -> Rebooking:
        """The wish with the price that the stay had when it was first asked for with this key."""
        has = [ROOMS[room] for room in stay.rooms]
        wants = [change.category or category for category in has]
        price = {
            night: sum(self.model.list_price(category, night) for category in wants)
            for night in range(change.first, change.end)
        }
        if wants == has:
            price |= {night: amount for night, amount in stay.price.items() if night in price}
        asked = Rebooking(
            change.first, change.end, change.category, sum(price.values()) + change.off_by
        )
        return self.wishes.setdefault((stay.id, change), asked)

    def seen_of(self, stay: Stay) -> dict[str, Any]:
        return {
            "checkIn": self.day(stay.first).isoformat(),
            "checkOut": self.day(stay.end).isoformat(),
            "quotedTotal": sum(stay.price.values()),
            "resourceIds": [f"inn_{room}" for room in stay.rooms],
        }

    def really_mark(self, change: NoShow | UndoNoShow, which: dict[str, Any]) -> Outcome:
        """As if in that night, which for everything else is days ahead."""
        with pytest.MonkeyPatch.context() as patch:
            if isinstance(change, NoShow):
                tonight = self.day(change.tonight)
                patch.setattr(clock, "today", lambda _zone: tonight)
                patch.setattr(clock, "desk_day", lambda _zone, _ends_at: tonight)
            return marks.mark_stay(
                actor=CALLERS[STAFF],
                key_header=change.key,
                mark=NO_SHOW if isinstance(change, NoShow) else UNDO,
                seen=NO_SHOW,
                release=isinstance(change, NoShow) and change.release,
                **which,
            )

    def judge(self, done: Done, verdict: Verdict, *, status: int) -> None:
        """The outcome is the legal one, to the byte if it is a replay."""
        answer = verdict.answer
        note(f"{done.code or 'success'}{' again' if verdict.replayed else ''}")
        assert done.code == answer.code
        if done.outcome is None:
            return
        outcome = done.outcome
        assert outcome.payload_mismatch == verdict.mismatch
        if verdict.replayed and answer.is_idle:
            # If Redis forgot, the answer is worded again, and only simulated time changes it then.
            assert without_moments(outcome.answer.body) == without_moments(answer.body)
            return
        assert outcome.replayed == verdict.replayed
        if verdict.replayed:
            assert outcome.answer.body == answer.body
            return
        answer.body = outcome.answer.body
        assert outcome.answer.status == STATUSES.get(
            answer.code or "", status if answer.code is None else 409
        )
        if answer.stay is not None:
            self.judge_booking(done.booking, answer.stay)

    def judge_booking(self, booking: dict[str, Any], stay: Stay) -> None:
        status = stay.status_at(self.model.now)
        expected = {
            "id": stay.id,
            "reference": stay.reference,
            "hotelId": "inn",
            "userId": stay.user_id,
            "checkIn": self.day(stay.first).isoformat(),
            "checkOut": self.day(stay.end).isoformat(),
            "status": status,
            "rooms": [
                {"resourceId": f"inn_{room}", "categoryId": f"inn_{ROOMS[room]}", "guests": guests}
                for room, guests in zip(stay.rooms, stay.guests, strict=True)
            ],
            "price": {
                "total": sum(stay.price.values()),
                "currency": "EUR",
                "nights": [
                    {"date": self.day(night).isoformat(), "amount": amount}
                    for night, amount in sorted(stay.price.items())
                ],
            },
        }
        assert {name: booking[name] for name in expected} == expected
        assert (booking["expiresAt"] is not None) == (status == "pending")
        # The time that passed between a look and its write is simulated, so the answer does not
        # know it.
        if not self.was_interrupted:
            self.expect_moment(datetime.fromisoformat(booking["createdAt"]), stay.made_at)
            if status == "pending":
                self.expect_moment(datetime.fromisoformat(booking["expiresAt"]), stay.ends_at)

    # --- Time, Redis, and events in between -----------------------------------------------------

    def pass_time_until(self, then: int) -> None:
        """Moves every stored moment back by the step, minus the real time that passed.

        So the real hotel and the model agree about the time again, to a few milliseconds.
        """
        while any(abs(then - moment) < MARGIN_S for moment in self.model.moments()):
            then += MARGIN_S
        seconds = max(0, then - self.model.now)
        self.model.wait(seconds)
        now = clock.now()
        back = timedelta(seconds=seconds) - (now - self.synced_at)
        self.synced_at = now
        put_back(back // timedelta(milliseconds=1))
        self.seen.clear()

    def expect_moment(self, real: datetime, moment: int | None) -> None:
        assert moment is not None
        expected = self.synced_at + timedelta(seconds=moment - self.model.now)
        assert abs(real - expected) < timedelta(seconds=MARGIN_S / 2)

    def sweep(self) -> None:
        tasks.expire_holds()
        assert {str(booking["_id"]) for booking in stored() if booking["status"] == "pending"} == {
            stay.id for stay in self.live_holds()
        }

    def forget(self) -> None:
        connections.redis().flushdb()
        self.model.forget()

    def crossed(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        """Lets the second call come between the first one's look and its write.

        Redis is wiped before the second; otherwise a lock or a claim would keep it out.
        """

        def meanwhile() -> None:
            self.forget()
            second()

        self.meanwhile = meanwhile
        first()
        self.meanwhile = None
        self.was_interrupted = False

    def interrupt(self, module: ModuleType, write: str) -> None:
        original = getattr(module, write)

        def interrupted(*arguments: Any, **options: Any) -> Any:
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile:
                meanwhile()
                self.was_interrupted = True
            return original(*arguments, **options)

        self.patch.setattr(module, write, interrupted)

    def held_again(self, stay: Stay, guests: int) -> Create:
        is_one = len(stay.rooms) == 1
        wish = Wish(
            room=stay.rooms[0] if is_one else None,
            categories=() if is_one else tuple(ROOMS[room] for room in stay.rooms),
            guests=(guests,) if is_one else stay.guests,
            first=stay.first,
            end=stay.end,
            hold=True,
            user_id=None if stay.owner.endswith(f":{stay.user_id}") else stay.user_id,
        )
        return Create(stay.caller, "new", wish)

    # --- Small steps --------------------------------------------------------------------------

    def day(self, night: int) -> date:
        return self.today + timedelta(days=NIGHT_0_AHEAD + night)

    def price_of(self, category: str, first: int, end: int) -> int:
        return sum(self.model.list_price(category, night) for night in range(first, end))

    def holds(self) -> list[Stay]:
        return [stay for stay in self.model.stays if stay.status == "pending"]

    def live_holds(self) -> list[Stay]:
        return [stay for stay in self.model.live() if stay.status == "pending"]

    def long_stays(self) -> list[Stay]:
        """Booked stays of several nights."""
        return [
            stay
            for stay in self.model.stays
            if stay.status == "confirmed" and not stay.is_block and len(stay.nights) > 1
        ]

    def wished_without_key(self) -> list[tuple[Create, Answer]]:
        """Acknowledged wishes; the server-made key may have ended by now."""
        found = []
        for asked in self.asked:
            if isinstance(asked, Create) and asked.key is None:
                answer = self.model.successes.get((asked.caller, "create", asked.wish.essence))
                if answer is not None:
                    found.append((asked, answer))
        return found

    def refused(self) -> list[Create]:
        """Wishes that would be refused again for as long as Redis remembers."""
        wishes = [
            (asked, asked.key or asked.wish.essence)
            for asked in self.asked
            if isinstance(asked, Create)
        ]
        return [
            asked for asked, key in wishes if (asked.caller, "create", key) in self.model.refusals
        ]

    def with_key(self, what: Any) -> Any:
        """Returns an unused key, if one is asked for."""
        if getattr(what, "key", None) != "new":
            return what
        self.keys_used += 1
        return dataclasses.replace(what, key=f"n{self.keys_used}")

    def key_named(self, name: Name) -> str:
        server_made = (key for key, other in self.server_keys.items() if other == name)
        return next(server_made, str(name[2]))


@dataclass(frozen=True)
class Done:
    """The result of a call; without an outcome it was refused before anything was claimed."""

    code: str | None
    outcome: Outcome | None

    @property
    def booking(self) -> dict[str, Any]:
        return self.outcome.content.get("booking", {}) if self.outcome else {}


STATUSES = {"VALIDATION_ERROR": 400, "PERMISSION_DENIED": 403}


@contextmanager
def callers_elsewhere() -> Iterator[None]:
    """Lets every caller have rights at another hotel than the one of all these bookings."""
    limited = {
        name: dataclasses.replace(caller, hotels=frozenset({"elsewhere"}))
        for name, caller in CALLERS.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, caller in limited.items():
            patch.setitem(CALLERS, name, caller)
        yield


def attempt(call: Callable[[], Outcome]) -> Done:
    try:
        outcome = call()
    except Refusal as refusal:
        return Done(refusal.code, None)
    return Done(outcome.code, outcome)


def by_owner(stay: Stay, change: Change) -> Change:
    """The change, asked for by a person who may ask for it, in a permitted form."""
    if isinstance(change, Confirm):
        return dataclasses.replace(change, actor=stay.owner if stay.owner in CALLERS else STAFF)
    if isinstance(change, Extend | Cancel | Rebook):
        return dataclasses.replace(change, actor=STAFF if stay.is_block else stay.owner)
    if isinstance(change, Move):
        return dataclasses.replace(change, rooms=change.rooms[: len(stay.rooms)])
    return change


def without_moments(body: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(body)
    del content["booking"]["createdAt"]
    return content


def latest(things: list[Any], which: int) -> Any:
    return things[-1 - which % len(things)]


def stored() -> list[dict[str, Any]]:
    return list(connections.collection("bookings").find({}).sort("_id"))


def open_inn() -> date:
    """Sets the inn's rules to the model's, and its clocks so that it is just after noon there.

    So no calendar day ends during the test. Check-in is at 15:00: the last moment to cancel a stay
    from night 0 was last midnight, and for night 1 it is the next one.
    """
    ahead_h = 12 - clock.now().hour
    time_zone = f"Etc/GMT{-ahead_h:+d}"
    connections.database()["hotels"].update_one(
        {"_id": "inn"},
        {
            "$set": {
                "time_zone": time_zone,
                "hold_minutes": HOLD // 60,
                "cancel_hours": NIGHT_0_AHEAD * 24 + 15,
                "anonymous_hold_percent": 50,
            }
        },
    )
    for category, price in PRICE.items():
        put_price(category, price)
    return clock.today(time_zone)


def put_price(category: str, price: int) -> None:
    connections.database()["room_categories"].update_one(
        {"_id": f"inn_{category}"}, {"$set": {"default_price": price}}
    )


def forget_night(category: str, day: date) -> None:
    connections.collection("nights").delete_one({"_id": f"inn_{category}|{day}"})


def put_back(back_ms: int) -> None:
    """Moves everything that is stored, and its end, this far into the past."""

    def earlier(moment: str) -> dict[str, Any]:
        return {"$subtract": [moment, back_ms]}

    def each(array: str, field: str) -> dict[str, Any]:
        changed = {"$mergeObjects": ["$$each", {field: earlier(f"$$each.{field}")}]}
        return {"$map": {"input": f"${array}", "as": "each", "in": changed}}

    connections.collection("bookings").update_many(
        {},
        [
            {
                "$set": {
                    "created_at": earlier("$created_at"),
                    "updated_at": earlier("$updated_at"),
                    "expires_at": earlier("$expires_at"),
                    "keys": each("keys", "until"),
                    "history": each("history", "at"),
                }
            }
        ],
    )
    redis = connections.redis()
    for key in redis.scan_iter(match="idempotency:*"):
        redis.pexpire(key, max(1, redis.pttl(key) - back_ms))


@pytest.mark.usefixtures("inn")
def test_keeps_its_promises_whatever_is_asked_in_whatever_order(rounds: int, settings: Any) -> None:
    settings.MAX_LIVE_HOLDS = MAX_HOLDS
    run_state_machine_as_test(
        Bookings,
        settings=hypothesis.settings(
            max_examples=25 * rounds,
            stateful_step_count=20 if rounds == 1 else 40,
            derandomize=rounds == 1,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
