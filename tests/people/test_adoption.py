"""Guests' bookings become an account's: those of its browser, and those of its verified address."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pymongo.errors import AutoReconnect

from bookings.domain.booking import MAX_HISTORY
from bookings.domain.callers import Caller, caller_of_guest, caller_of_user
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.people import account_letters, accounts, adoption
from bookings.refusals import KeyMismatch
from bookings.stays import create, rivals
from bookings.stays.queries import find_booking
from bookings.stays.writing import changes, expiry
from tests import browsing
from tests.calls import PARTNER, book, cancel, confirm, let_hold_end, stored
from tests.conftest import night

pytestmark = pytest.mark.mongo

GUEST = caller_of_guest("0123456789abcdef")
ADDRESS = "ada@example.org"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", ADDRESS)


def book_with(address: str, *, caller: Caller, room: str, **fields: Any) -> Any:
    guest = {"name": "Ada", "email": address}
    stay = {"date": night(), **fields}
    return book(f"{caller}-{room}", caller=caller, resourceId=room, guest=guest, **stay)


def owners() -> list[str]:
    return [booking["owner"] for booking in stored()]


def me(user: User) -> str:
    return str(caller_of_user(user.pk))


def test_gives_a_browsers_bookings_to_who_logs_in_there(ada: User) -> None:
    book("one", caller=GUEST)
    cancel(book("two", caller=GUEST, resourceId="room_B"), actor=GUEST)
    book("three", caller=caller_of_guest("another"), resourceId="room_C")

    adopted = adoption.adopt_guest(guest=GUEST, user=ada)

    assert adopted == 2
    assert owners() == [me(ada), me(ada), "guest:another"]
    assert [booking["user_id"] for booking in stored()][:2] == [str(ada.pk)] * 2
    assert [booking["caller"] for booking in stored()][:2] == [str(GUEST)] * 2


def test_writes_a_line_into_the_history_once(ada: User) -> None:
    book("one", caller=GUEST)

    adopted = [adoption.adopt_guest(guest=GUEST, user=ada) for _ in range(3)]

    assert adopted == [1, 0, 0]
    (booking,) = stored()
    assert [(line["event"], line["actor"]) for line in booking["history"]] == [
        ("created", str(GUEST)),
        ("adopted", me(ada)),
    ]
    read = find_booking(booking["_id"])
    assert read is not None
    assert read.history[1].at.microsecond % 1000 == 0


def test_adopts_a_booking_whose_history_is_full(ada: User) -> None:
    book("one", caller=GUEST)
    line = stored()[0]["history"][0]
    connections.collection("bookings").update_one({}, {"$set": {"history": [line] * MAX_HISTORY}})

    adoption.adopt_guest(guest=GUEST, user=ada)

    assert owners() == [me(ada)]
    assert len(stored()[0]["history"]) == MAX_HISTORY


@pytest.mark.parametrize("caller", [PARTNER, Caller("user", "another")])
def test_never_takes_what_is_no_guests(ada: User, caller: Caller) -> None:
    book("one", caller=caller)

    with pytest.raises(ValueError, match="is no guest"):
        adoption.adopt_guest(guest=caller, user=ada)

    assert owners() == [str(caller)]


def test_gathers_by_verified_address_whatever_its_case(ada: User) -> None:
    book_with("Ada@Example.ORG", caller=caller_of_guest("a"), room="room_A")
    book_with(ADDRESS, caller=caller_of_guest("ffff"), room="room_B")
    book_with("ada@example.com", caller=caller_of_guest("b"), room="room_C")
    accounts.verify_address(user=ada, address=ADDRESS)

    adopted = adoption.adopt_by_address(user=ada)

    assert adopted == 2
    assert owners() == [me(ada), me(ada), "guest:b"]
    assert adoption.adopt_by_address(user=ada) == 0


@pytest.mark.parametrize("typed", ["anna@bücher.example", "Anna@xn--BCHER-kva.example"])
def test_gathers_and_finds_what_was_booked_with_a_domain_of_other_letters(
    ada: User, typed: str
) -> None:
    ada.email = typed
    ada.save()
    browser = Client()
    form = browsing.confirm_form(browsing.hold(browser))
    browsing.press(browser, form, **{**browsing.ADA, "email": typed})

    browser.post("/find", {"email": typed})
    account_letters.send_letters()
    accounts.verify_address(user=ada, address="anna@xn--bcher-kva.example")
    adoption.gather_bookings(user=ada, guest=None)

    assert stored()[0]["guest"]["email"] == "anna@xn--bcher-kva.example"
    assert stored()[0]["reference"] in mail.outbox[0].body
    assert owners() == [me(ada)]


def test_gathers_by_address_what_was_booked_and_no_holds(ada: User) -> None:
    """Anyone can hold with any address, and the account that got the hold could not confirm it."""
    guest = caller_of_guest("a")
    taken, left = ["room_A", "room_B", "room_C", "room_D"], ["room_A", "room_B", "room_C"]
    book_with(ADDRESS, caller=guest, room=taken[0])
    cancel(book_with(ADDRESS, caller=guest, room=taken[1]), actor=guest)
    confirm(
        book_with(ADDRESS, caller=guest, room=taken[2], hold=True), f"{guest}-room_C", actor=guest
    )
    booked = book_with(ADDRESS, caller=guest, room=taken[3], hold=True)
    confirm(booked, f"{guest}-room_D", actor=guest)
    cancel(booked, actor=guest)
    other = caller_of_guest("b")
    ended, swept, cancelled = (
        book_with(ADDRESS, caller=other, room=room, hold=True, date=night(33)) for room in left
    )
    cancel(cancelled, actor=other)
    let_hold_end()
    expiry.expire_dead_holds(limit=1)
    book_with(ADDRESS, caller=other, room="room_D", hold=True, date=night(33))
    accounts.verify_address(user=ada, address=ADDRESS)

    adopted = adoption.gather_bookings(user=ada, guest=None)

    assert sorted(booking["status"] for booking in stored()) == [
        "cancelled", "cancelled", "cancelled", "confirmed", "confirmed",
        "expired", "pending", "pending",
    ]  # fmt: skip
    assert adopted == 4
    assert owners() == [me(ada)] * 4 + [str(other)] * 4
    assert adoption.adopt_guest(guest=other, user=ada) == 4


def test_leaves_the_owner_of_an_address_their_own_holds(ada: User) -> None:
    for number, room in enumerate(["room_A", "room_B", "room_C", "room_D", "room_A"]):
        guest = {"name": "Eve", "email": ADDRESS}
        date = night(30 + number)
        eve = caller_of_guest("eve")
        book(f"eve-{number}", caller=eve, resourceId=room, guest=guest, date=date, hold=True)
    accounts.verify_address(user=ada, address=ADDRESS)
    adoption.gather_bookings(user=ada, guest=None)

    mine = book("mine", caller=caller_of_user(ada.pk), resourceId="room_B", hold=True)

    assert mine.answer.status == 201


def test_leaves_partners_and_other_accounts_alone_although_they_wrote_the_address(
    ada: User,
) -> None:
    book_with(ADDRESS, caller=PARTNER, room="room_A", userId="ada")
    book_with(ADDRESS, caller=Caller("user", "ben"), room="room_B")
    accounts.verify_address(user=ada, address=ADDRESS)

    assert adoption.adopt_by_address(user=ada) == 0
    assert owners() == [str(PARTNER), "user:ben"]


def test_gathers_nothing_by_an_address_that_is_not_verified_as_ones_own(ada: User) -> None:
    book_with(ADDRESS, caller=GUEST, room="room_A")
    ben = User.objects.create_user("ben", "ben@example.org")

    assert adoption.gather_bookings(user=ada, guest=None) == 0
    assert not accounts.verify_address(user=ben, address=ADDRESS)
    assert adoption.gather_bookings(user=ben, guest=None) == 0
    assert owners() == [str(GUEST)]


def test_gathers_nothing_by_an_address_that_the_account_has_no_more(ada: User) -> None:
    """The mailbox may belong to another person by now."""
    book_with(ADDRESS, caller=GUEST, room="room_A")
    accounts.verify_address(user=ada, address=ADDRESS)
    ada.email = "ada@example.com"
    ada.save()

    assert adoption.gather_bookings(user=ada, guest=None) == 0
    assert owners() == [str(GUEST)]


def test_gathers_what_was_booked_since_at_the_next_login(ada: User) -> None:
    accounts.verify_address(user=ada, address=ADDRESS)
    book_with(ADDRESS, caller=caller_of_guest("elsewhere"), room="room_A")
    book("two", caller=GUEST, resourceId="room_B")

    adopted = adoption.gather_bookings(user=ada, guest=GUEST)

    assert adopted == 2
    assert owners() == [me(ada)] * 2


def test_loses_no_confirmation_that_is_under_way(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = book("key", caller=GUEST, hold=True)
    write = changes.change_booking
    written = []

    def write_later(*arguments: Any, **options: Any) -> bool:
        """Confirming has read the hold as the guest's, and is about to write."""
        adoption.adopt_guest(guest=GUEST, user=ada)
        written.append(write(*arguments, **options))
        return written[-1]

    monkeypatch.setattr(changes, "change_booking", write_later)

    outcome = confirm(hold, actor=GUEST)

    assert (outcome.answer.status, written) == (200, [False, True])
    (booking,) = stored()
    assert (booking["status"], booking["owner"]) == ("confirmed", me(ada))
    assert [line["event"] for line in booking["history"]] == ["created", "adopted", "confirmed"]


def test_confirms_and_adopts_when_both_race(ada: User) -> None:
    holds = [
        book(f"key-{n}", caller=GUEST, hold=True, resourceId=room, date=night(20 + n))
        for n, room in enumerate(["room_A", "room_B", "room_C"])
    ]

    with ThreadPoolExecutor(4) as pool:
        confirmed = [
            pool.submit(confirm, hold, f"key-{n}", actor=GUEST) for n, hold in enumerate(holds)
        ]
        pool.submit(adoption.adopt_guest, guest=GUEST, user=ada).result()
        answers = [future.exception() or future.result().answer.status for future in confirmed]

    # A request after the adoption hears that the guest no longer has such a booking.
    for booking, answer in zip(stored(), answers, strict=True):
        assert booking["owner"] == me(ada)
        assert (booking["status"] == "confirmed") == (answer == 200)
    assert len({booking["reference"] for booking in stored()}) == 3


# --- Coming back, after logging in, to an earlier hold ----------------------------------------


@pytest.mark.parametrize(
    "by",
    [{"resourceId": "inn_A"}, {"categoryId": "inn_double"}],
    ids=["by room", "by category"],
)
def test_gives_the_holder_their_hold_again_and_confirms_it_with_the_new_key(
    ada: User, inn: None, by: dict[str, str]
) -> None:
    for room in ("inn_B", "inn_C"):
        book(room, resourceId=room)
    held = book("one", caller=GUEST, hold=True, **by)
    adoption.adopt_guest(guest=GUEST, user=ada)
    user = caller_of_user(ada.pk)

    again = book("two", caller=user, hold=True, **by)

    assert again.content["booking"]["id"] == held.content["booking"]["id"]
    assert confirm(held, "two", actor=user).code is None


def test_gives_it_again_at_its_price_and_counts_it_once(
    ada: User, dearer: Any, settings: Any
) -> None:
    settings.MAX_LIVE_HOLDS = 1
    held = book("one", caller=GUEST, hold=True)
    adoption.adopt_guest(guest=GUEST, user=ada)
    dearer()
    user = caller_of_user(ada.pk)
    total = held.content["booking"]["price"]["total"]

    again = book("two", caller=user, hold=True, quotedTotal=total)
    other = book("three", caller=user, hold=True, resourceId="room_B")

    assert again.content["booking"]["id"] == held.content["booking"]["id"]
    assert other.code == "TOO_MANY_HOLDS"


def test_keeps_the_guests_key_good_beside_the_accounts(ada: User) -> None:
    held = book("one", caller=GUEST, hold=True)
    adoption.adopt_guest(guest=GUEST, user=ada)
    user = caller_of_user(ada.pk)
    book("two", caller=user, hold=True)

    with pytest.raises(KeyMismatch):
        confirm(held, "three", actor=user)
    assert confirm(held, "one", actor=user).code is None


def test_gives_the_owner_what_staff_hold_for_them_and_nobody_else(ada: User) -> None:
    user, staff = caller_of_user(ada.pk), Caller("user", "staff")
    held = hold_as(staff, owner=user, key="one")

    rival = book("two", caller=Caller("user", "ben"), hold=True)
    staffs_own = book("three", caller=staff, hold=True)
    again = book("four", caller=user, hold=True)

    assert (rival.code, staffs_own.code) == ("ALREADY_BOOKED", "ALREADY_BOOKED")
    assert again.content["booking"]["id"] == held.content["booking"]["id"]
    assert confirm(held, "four", actor=user).code is None


def test_gives_a_partners_guest_no_hold_of_another(ada: User) -> None:
    book("one", hold=True, userId="ada")

    assert book("two", hold=True, userId="ben").code == "ALREADY_BOOKED"


def hold_as(caller: Caller, *, owner: Caller, key: str) -> Any:
    return create.create_booking(
        caller=caller,
        owner=owner,
        key_header=key,
        read_payload=lambda: {"resourceId": "room_A", "date": night(), "hold": True},
        deadline=Deadline.after(10),
    )


@pytest.mark.parametrize("code", ["ALREADY_BOOKED", "SOLD_OUT"])
def test_keeps_no_refusal_about_a_hold_that_its_guest_took_to_an_account(
    ada: User, inn: None, code: str
) -> None:
    """The log-in, in another tab, comes first; then the guest's form is sent again."""
    by = {"resourceId": "inn_A"} if code == "ALREADY_BOOKED" else {"categoryId": "inn_double"}
    for room in ("inn_B", "inn_C"):
        book(room, resourceId=room)
    held = book("one", caller=GUEST, hold=True, resourceId="inn_A")
    adoption.adopt_guest(guest=GUEST, user=ada)
    payload = {"date": night(), "hold": True, **by}

    def send(owner: Caller) -> Any:
        return create.create_booking(
            caller=GUEST,
            owner=owner,
            key_header="two",
            read_payload=lambda: payload,
            deadline=Deadline.after(10),
        )

    as_guest = send(GUEST)
    as_user = send(caller_of_user(ada.pk))

    assert as_guest.code == code
    assert as_user.content["booking"]["id"] == held.content["booking"]["id"]


@pytest.mark.parametrize("code", ["ALREADY_BOOKED", "SOLD_OUT"])
def test_keeps_no_refusal_about_a_hold_that_stayed_the_guests(
    ada: User, inn: None, code: str
) -> None:
    """It was too much for the account, which asks with its own key."""
    by = {"resourceId": "inn_A"} if code == "ALREADY_BOOKED" else {"categoryId": "inn_double"}
    for room in ("inn_B", "inn_C"):
        book(room, resourceId=room)
    held = book("one", caller=GUEST, hold=True, resourceId="inn_A")
    user = dataclasses.replace(caller_of_user(ada.pk), guest=str(GUEST))

    refused = book("two", caller=user, hold=True, **by)
    cancel(held, actor=user)
    again = book("two", caller=user, hold=True, **by)

    assert refused.code == code
    assert (again.code, again.replayed) == (None, False)


def test_keeps_a_refusal_about_a_hold_of_another_guest(ada: User) -> None:
    rival = caller_of_guest("another")
    held = book("one", caller=rival, hold=True)
    user = dataclasses.replace(caller_of_user(ada.pk), guest=str(GUEST))
    book("two", caller=user, hold=True)
    cancel(held, actor=rival)

    again = book("two", caller=user, hold=True)

    assert (again.code, again.replayed) == ("ALREADY_BOOKED", True)


def test_keeps_a_refusal_about_somebody_elses_hold() -> None:
    rival = book("one", hold=True)
    refused = book("two", caller=GUEST, hold=True)
    cancel(rival)

    again = book("two", caller=GUEST, hold=True)

    assert (refused.code, again.code, again.replayed) == ("ALREADY_BOOKED", "ALREADY_BOOKED", True)


def test_leaves_no_lock_behind_where_mongodb_fails_in_looking_for_an_own_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book("one")

    def fail(*_: Any, **__: Any) -> bool:
        raise AutoReconnect("the primary stepped down")

    monkeypatch.setattr(rivals, "has_hold_elsewhere", fail)
    with pytest.raises(AutoReconnect):
        book("two", caller=GUEST)

    assert connections.locks().held() == []
    monkeypatch.undo()
    assert book("two", caller=GUEST).code == "ALREADY_BOOKED"
