"""Two people at the desk with one booking: each learns what became of it, and one change was
made."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings import points
from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, NO_SHOW
from bookings.infrastructure import connections
from bookings.operations.doctor import recount
from tests.calls import book, stored
from tests.conftest import night

LIST = "/admin/bookings/bookingrecord/"
ROUNDS = 6

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

Press = Callable[[Client, str, int], Any]


@pytest.fixture
def two() -> dict[str, Client]:
    """Two members of staff, each with a browser."""
    found = {}
    for name in ("anna", "ben"):
        found[name] = Client()
        found[name].force_login(User.objects.create_superuser(name))
    return found


def move_to(room: str) -> Press:
    def press(page: Client, booking_id: str, turn: int) -> Any:
        sent = {"key": f"move-{room}-{turn}", "rooms": room, "version": "1"}
        sent |= {"check_in": night(0), "check_out": night(2)}
        sent |= {"quoted": "20000", "currency": "EUR"}
        return page.post(f"{LIST}{booking_id}/move/", sent, follow=True)

    return press


def cancel(page: Client, booking_id: str, turn: int) -> Any:
    return page.post(f"{LIST}{booking_id}/cancel/", {"reason": "Ill"}, follow=True)


def mark(what: str) -> Press:
    def press(page: Client, booking_id: str, turn: int) -> Any:
        sent = {"mark": what, "key": f"{page.session.session_key}-{turn}", "seen": CHECKED_OUT}
        sent["back"] = f"{LIST}{booking_id}/change/"
        return page.post(f"/admin/desk/mark/{booking_id}/", sent, follow=True)

    return press


def said(response: Any) -> str:
    """Returns the messages of the page, and the faults in its form if it came back.

    It reads them from the page itself, since the test client mixes up what two threads render.
    """
    page = response.content.decode()
    lists = re.findall(r'<ul class="(?:messagelist|errorlist)[^>]*>(.*?)</ul>', page, re.DOTALL)
    return unescape(" ".join(lists))


def race(
    two: dict[str, Client], first: Press, second: Press, turn: int, before: tuple[Press, ...] = ()
) -> tuple[Any, list[str]]:
    """Both press at the same moment, having read the page after `before` was pressed; returns the
    booking after it, and the messages that each got."""
    connections.collection("bookings").delete_many({})
    dates = {"checkIn": night(0), "checkOut": night(2)}
    booking_id = book(f"k{turn}", resourceId="inn_A", **dates).content["booking"]["id"]
    for press in before:
        press(two["anna"], booking_id, turn)
    both_claimed = threading.Barrier(2)

    def meet(name: str) -> None:
        # A single caller, since the other has finished already, does not wait for ever.
        if name == "after_claim":
            both_claimed.wait(5)

    points.install(meet)
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = [
                pool.submit(press, page, booking_id, turn)
                for press, page in zip((first, second), two.values(), strict=True)
            ]
            told = [said(answer.result()) for answer in answers]
    finally:
        points.install(None)
    (booking,) = stored()
    assert recount.documents().level == "ok"
    assert recount.slots().level == "ok"
    return booking, told


def events_of(booking: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns the changes, with the person who made each."""
    names = {f"user:{user.pk}": user.username for user in User.objects.all()}
    return [(line["event"], names[line["actor"]]) for line in booking["history"][1:]]


def test_moves_and_cancels_at_once(two: dict[str, Client]) -> None:
    for turn in range(ROUNDS):
        booking, told = race(two, move_to("inn_B"), cancel, turn)

        # In the end it is cancelled whoever came first, and its slots can be sold.
        assert booking["status"] == "cancelled"
        assert "The booking is cancelled." in told[1]
        moved, done = ("moved", "anna"), ("cancelled", "ben")
        if "Moved from Room A" in told[0]:
            assert events_of(booking) == [moved, done]
            assert booking["rooms"][0]["room"] == "inn_B"
        else:
            assert "Only an active booking can be moved." in told[0]
            assert events_of(booking) == [done]
            assert booking["rooms"][0]["room"] == "inn_A"
        for room in ("inn_A", "inn_B"):
            again = book(f"{room}-{turn}", resourceId=room, date=night(1))
            assert again.code is None


def test_moves_to_two_rooms_at_once(two: dict[str, Client]) -> None:
    for turn in range(ROUNDS):
        booking, told = race(two, move_to("inn_B"), move_to("inn_C"), turn)

        # Both saw it in inn_A, so one move is made, and the other form is out of date.
        ((event, who),) = events_of(booking)
        winner, loser = (0, 1) if who == "anna" else (1, 0)
        room = ("inn_B", "inn_C")[winner]
        assert event == "moved"
        assert "Moved from Room A" in told[winner]
        assert "was changed since this form was opened" in told[loser]
        assert booking["slots"] == [f"{night(0)}|{room}", f"{night(1)}|{room}"]
        other = "inn_C" if room == "inn_B" else "inn_B"
        assert book(f"o{turn}", resourceId=other, date=night(1)).code is None
        assert book(f"r{turn}", resourceId=room, date=night(1)).code == "ALREADY_BOOKED"


def test_checks_in_and_cancels_at_once(two: dict[str, Client]) -> None:
    for turn in range(ROUNDS):
        booking, told = race(two, mark(CHECKED_IN), cancel, turn)

        if booking["status"] == "cancelled":
            assert events_of(booking) == [("cancelled", "ben")]
            assert "Only a confirmed stay can be marked; this one is cancelled." in told[0]
            assert "The booking is cancelled." in told[1]
        else:
            assert events_of(booking) == [("checked_in", "anna")]
            assert "The guest is checked in." in told[0]
            assert "cannot be cancelled until that is undone." in told[1]


def test_checks_in_and_marks_as_a_no_show_at_once(two: dict[str, Client]) -> None:
    for turn in range(ROUNDS):
        booking, told = race(two, mark(CHECKED_IN), mark(NO_SHOW), turn)

        ((event, who),) = events_of(booking)
        assert (event, who) in ((CHECKED_IN, "anna"), (NO_SHOW, "ben"))
        assert booking["presence"] == event
        assert sum("already. Undo that first." in text for text in told) == 1


def test_checks_in_twice_at_once(two: dict[str, Client]) -> None:
    for turn in range(ROUNDS):
        booking, told = race(two, mark(CHECKED_IN), mark(CHECKED_IN), turn)

        ((event, _),) = events_of(booking)
        assert event == CHECKED_IN
        assert sum("is checked in already. Undo that first." in text for text in told) == 1


def test_undoes_at_once(two: dict[str, Client]) -> None:
    marks = (mark(CHECKED_IN), mark(CHECKED_OUT))
    for turn in range(ROUNDS):
        booking, told = race(two, mark("undo"), mark("undo"), turn, before=marks)

        assert booking["presence"] == CHECKED_IN
        assert [event for event, _ in events_of(booking)][2:] == ["mark_undone"]
        assert sum("changed since" in text for text in told) == 1
