"""Bookings and blocks that want one room."""

from __future__ import annotations

from datetime import date

import pytest

from bookings.front_desk import blocks
from bookings.infrastructure.deadlines import Deadline
from bookings.stays.outcomes import Outcome
from tests.calls import book
from tests.conftest import night
from tests.stays.crossings.race import Race, Side
from tests.stays.crossings.sides import RIVAL, STAFF, move, new_key

pytestmark = pytest.mark.mongo


def test_moves_onto_a_room_while_it_is_booked(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = book(new_key()), new_key()
        return lambda: move(made, "B"), lambda: book(key, caller=RIVAL, resourceId="room_B")

    race.run(
        prepare,
        {
            ("ok", "ALREADY_BOOKED", "B confirmed: created moved"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created", "B confirmed: created"),
        },
    )


def test_moves_away_while_its_room_is_booked(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        made, key = book(new_key()), new_key()
        return lambda: move(made, "B"), lambda: book(key, caller=RIVAL)

    race.run(
        prepare,
        {
            ("ok", "ok", "A confirmed: created", "B confirmed: created moved"),
            ("ok", "ALREADY_BOOKED", "B confirmed: created moved"),
        },
    )


def test_moves_two_bookings_into_one_room(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        one, other = book(new_key()), book(new_key(), resourceId="room_B")
        return lambda: move(one, "C"), lambda: move(other, "C")

    race.run(
        prepare,
        {
            ("ok", "ALREADY_BOOKED", "B confirmed: created", "C confirmed: created moved"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created", "C confirmed: created moved"),
        },
    )


def test_does_not_swap_two_bookings_by_two_moves(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        one, other = book(new_key()), book(new_key(), resourceId="room_B")
        return lambda: move(one, "B"), lambda: move(other, "A")

    # Neither can go first: one after the other, both are refused, and so they are together.
    race.run(
        prepare,
        {("ALREADY_BOOKED", "ALREADY_BOOKED", "A confirmed: created", "B confirmed: created")},
    )


def test_moves_into_a_room_that_is_being_left(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        one, other = book(new_key()), book(new_key(), resourceId="room_B")
        return lambda: move(one, "B"), lambda: move(other, "C")

    race.run(
        prepare,
        {
            ("ok", "ok", "B confirmed: created moved", "C confirmed: created moved"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created", "C confirmed: created moved"),
        },
    )


def test_blocks_a_room_while_it_is_booked(race: Race) -> None:
    def prepare() -> tuple[Side, Side]:
        key = new_key()
        return lambda: block("A"), lambda: book(key, caller=RIVAL)

    race.run(
        prepare,
        {
            ("ok", "ALREADY_BOOKED", "A confirmed: blocked"),
            ("ALREADY_BOOKED", "ok", "A confirmed: created"),
        },
    )


# --- The steps of the sides ---------------------------------------------------------------------


def block(room: str) -> Outcome:
    return blocks.block_rooms(
        actor=STAFF,
        room_ids=(f"room_{room}",),
        first=date.fromisoformat(night(29)),
        end=date.fromisoformat(night(32)),
        reason="New carpet",
        key_header=new_key(),
        deadline=Deadline.after(10),
    )
