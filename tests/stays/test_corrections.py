"""Guests, and staff for them, correct details: compare-and-set, and once for each key."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail

from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, NO_SHOW
from bookings.domain.callers import Caller
from bookings.domain.stay_request import Guest
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.news import guest_mails, relay
from bookings.operations.doctor import recount
from bookings.people import erasure
from bookings.refusals import InvalidIdempotencyKey, NotFound, ValidationFailed
from bookings.stays import corrections
from bookings.stays.corrections import Details
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import changes
from tests.calls import CUSTOMER, PARTNER, book, cancel, change_stay, confirm, let_hold_end, stored

pytestmark = pytest.mark.mongo

ADA = {"name": "Ada Love", "email": "ada@example.org", "phone": ""}
RIGHT = Guest("Ada Lovelace", "ada@example.org", "+49 30 1234567")


def made(**fields: Any) -> Outcome:
    return book(caller=CUSTOMER, guest=ADA, **fields)


def correct(
    outcome: Outcome,
    guest: Guest = RIGHT,
    *,
    notes: str = "We arrive late.",
    seen: tuple[Guest, str] = (Guest(**ADA), ""),
    key: str | None = "correct",
    actor: Caller = CUSTOMER,
) -> Outcome:
    return corrections.correct_guest(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
        seen=seen,
        guest=guest,
        notes=notes,
    )


def link_to(outcome: Outcome) -> Caller:
    return Caller("guest", "fedcba9876543210", manages=(outcome.content["booking"]["id"],))


def send_news() -> None:
    relay.pass_on_news()
    guest_mails.send_notifications()


def events() -> list[str]:
    return [change["event"] for change in stored()[0]["history"]]


def test_replaces_details_and_requests_and_finds_the_guest_by_them() -> None:
    done = correct(made())

    (booking,) = stored()
    assert done.answer.status == 200
    assert booking["guest"] == vars(RIGHT)
    assert booking["notes"] == "We arrive late."
    assert events() == ["created", "corrected"]
    assert recount.search_terms().level == "ok"
    # As all stored answers, this one does not say who the guest is.
    assert b"Lovelace" not in done.answer.body


def test_corrects_once_for_each_key() -> None:
    booking = made()
    first = correct(booking)
    second = Guest("Ada King", RIGHT.email, RIGHT.phone)
    correct(booking, second, key="second", seen=(RIGHT, "We arrive late."))
    connections.redis().flushdb()

    again = correct(booking)

    assert again.answer.body == first.answer.body
    assert stored()[0]["guest"]["name"] == "Ada King"
    assert events() == ["created", "corrected", "corrected"]


def test_overwrites_nothing_that_the_page_did_not_show() -> None:
    booking = made()
    correct(booking, key="first")

    refused = correct(booking, Guest("Ada L", ADA["email"], ""), key="second")

    assert refused.code == "NOT_CHANGEABLE"
    assert stored()[0]["guest"] == vars(RIGHT)


def test_decides_again_where_the_stay_is_changed_meanwhile(monkeypatch: Any) -> None:
    booking = made()
    original = changes._change
    acts: list[Callable[[], object]] = [
        lambda: change_stay(booking, actor=CUSTOMER, first=30, last=32, total=24_000)
    ]

    def change(*arguments: Any, **options: Any) -> bool:
        if acts:
            acts.pop()()
        return original(*arguments, **options)

    monkeypatch.setattr(changes, "_change", change)

    assert correct(booking).code is None
    assert events() == ["created", "changed", "corrected"]
    assert len(stored()[0]["slots"]) == 2


@pytest.mark.parametrize("presence", [CHECKED_IN, CHECKED_OUT, NO_SHOW])
def test_leaves_the_details_to_the_hotel_once_it_has_noted_the_arrival(presence: str) -> None:
    booking = made()
    connections.collection("bookings").update_one({}, {"$set": {"presence": presence}})

    assert correct(booking).code == "NOT_CHANGEABLE"


def test_corrects_nothing_that_is_not_booked() -> None:
    held = made(hold=True)
    before = correct(held)
    let_hold_end()
    dead = correct(held, key="dead")
    confirm(held, actor=CUSTOMER)
    cancel(held, actor=CUSTOMER)
    over = correct(held, key="over")

    assert {before.code, dead.code, over.code} == {"NOT_CHANGEABLE"}
    assert stored()[0]["guest"] == ADA


def test_wants_a_key_the_owner_and_details_that_are_possible() -> None:
    booking = made()

    with pytest.raises(InvalidIdempotencyKey):
        correct(booking, key=None)
    with pytest.raises(NotFound):
        correct(booking, actor=PARTNER)
    with pytest.raises(ValidationFailed):
        correct(booking, Guest("x" * 201, "", ""))


def test_is_corrected_only_so_often() -> None:
    booking, seen = made(), (Guest(**ADA), "")
    for number in range(corrections.MAX_CORRECTIONS):
        assert correct(booking, notes=str(number), seen=seen, key=f"k{number}").code is None
        seen = (RIGHT, str(number))

    refused = correct(booking, notes="more", seen=seen, key="more")

    assert refused.code == "NOT_CHANGEABLE"


# --- The address ---------------------------------------------------------------------------


def test_lets_its_owner_change_the_address_and_mails_there() -> None:
    booking = made()
    relay.pass_on_news()
    guest_mails.send_notifications()

    correct(booking, Guest("Ada", "ada@example.com", ""))
    relay.pass_on_news()
    guest_mails.send_notifications()

    told = {message.to[0]: message.subject.partition(":")[0] for message in mail.outbox[1:]}
    assert told == {
        "ada@example.com": "Your details were changed",
        "ada@example.org": "The e-mail address was changed",
    }


def test_tells_the_former_address_once_and_hands_it_neither_the_new_one_nor_the_link() -> None:
    booking = made()
    send_news()
    mail.outbox.clear()

    correct(booking, Guest("Eve", "eve.other@example.com", ""), notes="Buy this.")
    news = stored()[0]
    send_news()
    # A worker that died before it emptied the outbox passes the same on again.
    fields = {name: news[name] for name in ("outbox", "former_addresses")}
    connections.collection("bookings").update_one({}, {"$set": fields})
    send_news()

    (letter,) = (message for message in mail.outbox if message.to == [ADA["email"]])
    said = letter.body + str(letter.alternatives[0])
    assert "was changed to e…@example.com." in letter.body
    assert "If you didn’t change it, please contact the hotel." in letter.body
    assert not re.search("eve.other|Eve|Buy this|/manage/", said)
    assert not letter.attachments
    assert len(mail.outbox) == 2


def test_keeps_the_former_address_only_until_it_is_told() -> None:
    booking = made()
    correct(booking, Guest("Ada", "ada@example.com", ""))

    send_news()

    kept = [*stored(), *connections.collection("deliveries").find()]
    assert ADA["email"] not in repr(kept)


def test_tells_no_former_address_to_which_the_booking_has_come_back() -> None:
    booking = made()
    send_news()
    mail.outbox.clear()
    other = Guest("Ada", "ada@example.com", "")
    correct(booking, other, notes="")
    correct(booking, Guest(**ADA), seen=(other, ""), notes="", key="back")

    send_news()

    assert sorted(
        (message.to[0], message.subject.partition(":")[0]) for message in mail.outbox
    ) == [
        ("ada@example.com", "The e-mail address was changed"),
        ("ada@example.org", "Your details were changed"),
    ]


def test_mails_only_one_address_where_the_address_stays() -> None:
    booking = made()
    send_news()

    correct(booking)
    send_news()

    assert len(mail.outbox) == 2
    assert connections.collection("deliveries").count_documents({}) == 2


def test_sends_to_former_addresses_no_more_mails_than_corrections() -> None:
    booking, seen = made(), (Guest(**ADA), "")
    send_news()
    mail.outbox.clear()
    for number in range(corrections.MAX_CORRECTIONS + 1):
        guest = Guest("Ada", f"ada{number}@example.org", "")
        correct(booking, guest, notes="", seen=seen, key=f"k{number}")
        seen = (guest, "")
        send_news()

    assert len(mail.outbox) == 2 * corrections.MAX_CORRECTIONS


@pytest.mark.parametrize("is_passed_on", [False, True])
def test_forgets_the_former_address_at_an_erasure(is_passed_on: bool) -> None:
    booking = made()
    correct(booking, Guest("Ada", "ada@example.com", ""))
    if is_passed_on:
        relay.pass_on_news()

    erasure.erase_guest(ADA["email"])

    kept = [*stored(), *connections.collection("deliveries").find()]
    assert ADA["email"] not in repr(kept)


def test_lets_no_one_with_only_the_link_change_the_address() -> None:
    booking = made()

    refused = correct(booking, Guest("Eve", "eve@example.org", ""), actor=link_to(booking))

    assert refused.code == "PERMISSION_DENIED"
    assert stored()[0]["guest"] == ADA


def test_tells_the_guest_what_someone_with_the_link_changed() -> None:
    booking = made()
    relay.pass_on_news()
    guest_mails.send_notifications()

    changed = correct(booking, Guest("Eve", ADA["email"], ""), actor=link_to(booking))
    relay.pass_on_news()
    guest_mails.send_notifications()

    message = mail.outbox[-1]
    assert changed.code is None
    assert message.to == [ADA["email"]]
    assert message.subject.startswith("Your details were changed")
    assert "Name: Eve" in message.body
    assert "If you didn’t change them, please contact the hotel." in message.body


# --- By staff -------------------------------------------------------------------------------

STAFF = Caller("user", "staff")
SHOWN = Details(Guest(**ADA), "", "en")
TYPED = Details(RIGHT, "We arrive late.", "de")


def edit(
    outcome: Outcome,
    details: Details = TYPED,
    *,
    seen: Details = SHOWN,
    key: str | None = "edit",
    tell: bool = False,
    actor: Caller = STAFF,
) -> Outcome:
    return corrections.correct_for_guest(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
        seen=seen,
        details=details,
        tell=tell,
    )


def test_is_edited_by_staff_and_found_by_the_new_details() -> None:
    done = edit(made())

    (booking,) = stored()
    assert done.code is None
    assert booking["guest"] == vars(RIGHT)
    assert (booking["notes"], booking["language"]) == ("We arrive late.", "de")
    assert events() == ["created", "edited"]
    assert recount.search_terms().level == recount.documents().level == "ok"


def test_says_in_the_history_what_staff_changed_and_not_from_what_or_into_what() -> None:
    edit(made())

    line = stored()[0]["history"][-1]
    assert line["reason"] == "name, telephone, notes, language"
    for detail in ("Ada", "ada@", "1234567", "late"):
        assert detail not in repr(line)


def test_is_edited_once_for_each_key() -> None:
    booking = made()
    first = edit(booking)
    edit(booking, SHOWN, seen=TYPED, key="back")
    connections.redis().flushdb()

    again = edit(booking)

    assert again.answer.body == first.answer.body
    assert stored()[0]["guest"] == ADA
    assert events() == ["created", "edited", "edited"]


def test_loses_nothing_that_another_clerk_wrote() -> None:
    booking = made()
    edit(booking, key="anna")

    refused = edit(booking, Details(Guest(**ADA), "By train.", "en"), key="ben")

    assert refused.code == "NOT_CHANGEABLE"
    assert refused.content["error"] == corrections.CHANGED_SINCE
    assert stored()[0]["notes"] == "We arrive late."


def test_tells_the_guest_and_the_former_address_only_on_request() -> None:
    booking = made()
    send_news()
    mail.outbox.clear()
    other = Details(Guest("Ada", "ada@example.com", ""), "", "en")
    edit(booking, key="quietly")
    send_news()
    assert mail.outbox == []

    edit(booking, other, seen=TYPED, key="loudly", tell=True)
    send_news()

    told = {message.to[0]: message.subject.partition(":")[0] for message in mail.outbox}
    assert told == {
        "ada@example.com": "Your details were changed",
        "ada@example.org": "The e-mail address was changed",
    }


def test_still_mails_a_correction_that_staff_followed_by_a_quiet_one() -> None:
    booking = made()
    send_news()
    mail.outbox.clear()
    edit(booking, tell=True)
    edit(booking, dataclasses.replace(TYPED, notes="By train."), seen=TYPED, key="quietly")

    send_news()

    (letter,) = mail.outbox
    assert "By train." in letter.body or "Lovelace" in letter.body


def test_keeps_corrections_by_staff_from_partners() -> None:
    partner = book(caller=PARTNER, guest=ADA)
    send_news()
    edit(partner, tell=True)
    send_news()

    kinds = [each["channel"] for each in connections.collection("deliveries").find()]
    assert set(kinds) == {"mail"}


def test_is_edited_in_the_house_and_as_a_hold_but_not_once_it_is_over() -> None:
    held = made(hold=True)
    hold = edit(held, key="hold")
    told = edit(held, SHOWN, seen=TYPED, key="told", tell=True)
    confirm(held, actor=CUSTOMER)
    connections.collection("bookings").update_one({}, {"$set": {"presence": CHECKED_IN}})
    # The confirmation wrote the language of its reader.
    inside = edit(held, SHOWN, seen=dataclasses.replace(TYPED, language="en"), key="inside")
    connections.collection("bookings").update_one({}, {"$set": {"presence": "expected"}})
    cancel(held, actor=CUSTOMER)
    over = edit(held, key="over")

    assert (hold.code, inside.code) == (None, None)
    assert (told.code, over.code) == ("VALIDATION_ERROR", "NOT_CHANGEABLE")
    assert over.content["error"] == "It was cancelled."


def test_is_not_edited_by_staff_once_the_guest_is_erased() -> None:
    booking = made()
    erasure.erase_guest(ADA["email"], including_upcoming=True)

    refused = edit(booking, seen=Details(Guest(), "", "en"))

    assert refused.code == "NOT_CHANGEABLE"
    assert refused.content["error"] == "The guest's details were erased."
    assert "Lovelace" not in repr(stored())


def test_is_edited_by_staff_once_an_erased_guest_gave_new_details() -> None:
    booking = made()
    erasure.erase_guest(ADA["email"], including_upcoming=True)
    refused = edit(booking, seen=Details(Guest(), "", "en"), key="before")
    guest = Guest("Ada", "ada@new.example", "")
    correct(booking, guest, notes="", seen=(Guest(), ""), key="guest")

    named = Details(Guest("Ada L", "ada@new.example", ""), "", "en")
    edited = edit(booking, named, seen=Details(guest, "", "en"))

    assert refused.code == "NOT_CHANGEABLE"
    assert edited.code is None
    assert stored()[0]["guest"]["name"] == "Ada L"


def test_forgets_at_an_erasure_what_staff_wrote() -> None:
    booking = made()
    edit(booking, Details(Guest("Eve", "eve@example.org", ""), "", "en"), tell=True)

    erasure.erase_guest("eve@example.org", including_upcoming=True)
    erasure.erase_guest(ADA["email"], including_upcoming=True)

    kept = [*stored(), *connections.collection("deliveries").find()]
    for detail in ("Eve", "eve@", "ada@"):
        assert detail not in repr(kept)


def test_wants_of_staff_their_own_hotel_a_key_and_details_that_are_possible() -> None:
    booking = made()

    with pytest.raises(InvalidIdempotencyKey):
        edit(booking, key=None)
    with pytest.raises(NotFound):
        edit(booking, actor=dataclasses.replace(STAFF, hotels=frozenset({"inn"})))
    for wrong in (
        Details(Guest("x" * 201, "", ""), "", "en"),
        Details(Guest("Ada", "nowhere", ""), "", "en"),
        Details(Guest(**ADA), "", "tlh"),
    ):
        with pytest.raises(ValidationFailed):
            edit(booking, wrong)
    assert edit(booking, SHOWN).code == "VALIDATION_ERROR"
    no_address = Details(Guest("Ada", "", ""), "", "en")
    assert edit(booking, no_address, tell=True).code == "VALIDATION_ERROR"
    assert events() == ["created"]


def test_keeps_an_address_that_only_an_earlier_rule_accepted() -> None:
    booking = made()
    connections.collection("bookings").update_one({}, {"$set": {"guest.email": "ada@localhost"}})
    old = Details(Guest("Ada Love", "ada@localhost", ""), "", "en")

    done = edit(booking, dataclasses.replace(old, notes="Late."), seen=old)

    assert done.code is None
    assert stored()[0]["guest"]["email"] == "ada@localhost"
