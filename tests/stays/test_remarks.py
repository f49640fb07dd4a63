"""Colleagues' remarks: added once, deleted by few, and gone with the guest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import ObjectId
from django.contrib.auth.models import User

from bookings import points
from bookings.domain.callers import Caller, caller_of_user
from bookings.domain.stay_request import Guest
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.operations.doctor import people
from bookings.people import erasure
from bookings.refusals import (
    InvalidIdempotencyKey,
    NotAuthenticated,
    NotFound,
    ValidationFailed,
)
from bookings.stays import corrections, remarks
from bookings.stays.remarks import Remark
from bookings.stays.writing import guest_details
from tests.calls import CUSTOMER, book, stored

pytestmark = pytest.mark.mongo

ANNA, BEN = Caller("user", "anna"), Caller("user", "ben")
ADA = {"name": "Ada", "email": "ada@example.org", "phone": ""}


@pytest.fixture
def booking() -> str:
    made: str = book(caller=CUSTOMER, guest=ADA).content["booking"]["id"]
    return made


@pytest.fixture(autouse=True)
def _uninstall() -> Iterator[None]:
    yield
    points.install(None)


def add(booking: str, text: str = "Allergic to nuts.", key: str = "k", by: Caller = ANNA) -> bool:
    return remarks.add_remark(actor=by, booking_id=booking, key_header=key, text=text)


def delete(booking: str, remark: Remark, by: Caller, *, is_manager: bool = False) -> bool:
    return remarks.delete_remark(
        actor=by, booking_id=booking, remark_id=remark.id, is_manager=is_manager
    )


def on(booking: str) -> tuple[Remark, ...]:
    wanted = ObjectId(booking)
    return remarks.list_remarks([wanted]).get(wanted, ())


def test_adds_each_remark_once_in_their_order(booking: str) -> None:
    said = [add(booking), add(booking), add(booking, "Two\r\nlines", key="other", by=BEN)]

    assert said == [True, False, True]
    assert [(each.by, each.text) for each in on(booking)] == [
        ("user:anna", "Allergic to nuts."),
        ("user:ben", "Two\nlines"),
    ]


def test_adds_one_of_two_with_one_key_and_all_with_their_own(booking: str, rounds: int) -> None:
    for number in range(3 * rounds):
        with ThreadPoolExecutor(6) as pool:
            keys = [f"{number}-{each}" for each in (1, 1, 2, 2, 3, 4)]
            said = list(pool.map(lambda key: add(booking, key=key), keys))
        assert said.count(True) == 4
        assert len(on(booking)) == 4 * (number + 1)


def test_is_deleted_by_its_author_or_a_manager_and_no_one_else(booking: str) -> None:
    add(booking, "First", key="1")
    add(booking, "Second", key="2")
    first, second = on(booking)

    with pytest.raises(NotFound):
        delete(booking, first, BEN)
    said = [
        delete(booking, first, ANNA),
        delete(booking, first, ANNA),
        delete(booking, second, BEN, is_manager=True),
    ]

    assert said == [True, False, True]
    assert [(each.text, each.deleted_by) for each in on(booking)] == [
        ("", "user:anna"),
        ("", "user:ben"),
    ]
    assert "First" not in repr(collection("remarks").find_one())


def test_does_not_come_back_when_its_form_is_sent_again(booking: str) -> None:
    add(booking)
    delete(booking, on(booking)[0], ANNA)

    assert add(booking) is False
    assert [each.text for each in on(booking)] == [""]


def test_is_refused_where_it_is_empty_too_long_too_many_or_elsewhere(booking: str) -> None:
    for text in ("", " \n ", "x" * (remarks.MAX_REMARK + 1), "bell\x07"):
        with pytest.raises(ValidationFailed):
            add(booking, text)
    with pytest.raises(InvalidIdempotencyKey):
        remarks.add_remark(actor=ANNA, booking_id=booking, key_header=None, text="x")
    elsewhere = dataclasses.replace(ANNA, hotels=frozenset({"inn"}))
    with pytest.raises(NotFound):
        add(booking, by=elsewhere)
    for number in range(remarks.MAX_REMARKS):
        add(booking, "x", key=str(number))
    with pytest.raises(ValidationFailed):
        add(booking, key="more")
    with pytest.raises(NotFound):
        delete(booking, on(booking)[0], elsewhere, is_manager=True)
    assert len(on(booking)) == remarks.MAX_REMARKS


def test_is_gone_with_the_guest(booking: str) -> None:
    add(booking)

    erasure.erase_guest(ADA["email"], including_upcoming=True)

    with pytest.raises(ValidationFailed):
        add(booking, key="later")
    assert on(booking) == ()
    assert "nuts" not in repr(list(collection("remarks").find()))


def test_is_refused_where_the_guest_is_erased_while_it_is_added(booking: str) -> None:
    def meanwhile(point: str) -> None:
        if point == "before_remark":
            points.install(None)
            erasure.erase_guest(ADA["email"], including_upcoming=True)

    points.install(meanwhile)

    with pytest.raises(ValidationFailed):
        add(booking)
    assert on(booking) == ()


def give_details(booking: str, key: str) -> None:
    """The guest of the erased booking writes to the hotel who comes after all."""
    done = corrections.correct_guest(
        actor=CUSTOMER,
        booking_id=booking,
        key_header=key,
        deadline=Deadline.after(10),
        seen=(Guest(), ""),
        guest=Guest(**ADA),
        notes="",
    )
    assert done.code is None


def erase() -> None:
    erasure.erase_guest(ADA["email"], including_upcoming=True)


def test_is_added_to_an_erased_guest_who_gave_new_details(booking: str) -> None:
    add(booking, "Before.", key="before")
    erase()
    give_details(booking, "new")

    add(booking, "After.", key="after")
    kept = [each.text for each in on(booking)]
    found = people.remarks()
    erase()

    assert kept == ["After."]
    assert found.level == "ok"
    assert on(booking) == ()
    with pytest.raises(ValidationFailed):
        add(booking, key="later")


@pytest.mark.parametrize("ends_erased", [True, False])
def test_is_refused_where_the_guest_is_erased_again_while_it_is_added(
    booking: str, ends_erased: bool
) -> None:
    erase()
    give_details(booking, "new")

    def meanwhile(point: str) -> None:
        if point == "before_remark":
            points.install(None)
            erase()
            if not ends_erased:
                give_details(booking, "newer")

    points.install(meanwhile)

    with pytest.raises(ValidationFailed):
        add(booking)
    assert on(booking) == ()


def test_outlives_neither_of_two_erasures_at_once(booking: str) -> None:
    """One has begun; the other erases, the guest writes again, and staff note something."""

    def meanwhile(point: str) -> None:
        if point == "in_erasure":
            points.install(None)
            erase()
            give_details(booking, "new")
            assert add(booking)

    points.install(meanwhile)
    erase()

    assert [line["event"] for line in stored()[0]["history"]][-3:] == [
        "erased",
        "corrected",
        "erased",
    ]
    assert on(booking) == ()


def test_is_erased_where_the_erasure_was_stopped_and_runs_again(
    booking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(booking)
    with monkeypatch.context() as patch:
        patch.setattr(remarks, "forget_remarks", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erasure.erase_guest(ADA["email"], including_upcoming=True)

    erasure.erase_guest(ADA["email"], including_upcoming=True)

    assert on(booking) == ()


def test_names_no_deleted_account(booking: str) -> None:
    user = User.objects.create_user("anna")
    label = caller_of_user(user.pk)
    add(booking, by=label, key="1")
    add(booking, by=BEN, key="2")
    delete(booking, on(booking)[1], label, is_manager=True)

    User.objects.get(pk=user.pk).delete()

    assert str(label) not in repr(list(collection("remarks").find()))
    first, second = on(booking)
    assert first.by == second.deleted_by
    assert second.by == "user:ben"
    with pytest.raises(NotAuthenticated):
        add(booking, by=label, key="3")


def test_is_found_by_the_doctor_where_it_outlived_the_guest(booking: str) -> None:
    add(booking)
    healthy = people.remarks()
    guest_details.erase_guests({"guest.email": ADA["email"]})

    left = people.remarks()

    assert (healthy.level, left.level) == ("ok", "FAIL")
    assert stored()[0]["reference"] in left.text
    delete(booking, on(booking)[0], ANNA)
    assert people.remarks().level == "ok"
