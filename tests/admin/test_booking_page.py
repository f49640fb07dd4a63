"""A booking's page: what can be done, the guest's details, remarks, mails again, what happened."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client

from bookings.admin import timeline
from bookings.admin.booking_page import possible
from bookings.admin.booking_page.possible import ACTIONS, judge_actions
from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, NO_SHOW, from_document
from bookings.domain.callers import Caller
from bookings.domain.stay_request import Guest
from bookings.front_desk import marks
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel, HotelContent
from bookings.news import deliveries, guest_mails, relay
from bookings.news.guest_mails import NotSendable
from bookings.people import erasure
from bookings.people.roles import FRONT_DESK, MANAGER
from bookings.presentation.days import day_text, stay_text
from bookings.presentation.moments import moment_text
from bookings.refusals import Refusal
from bookings.stays import corrections, lifecycle, remarks
from bookings.stays.corrections import Details
from bookings.stays.outcomes import Outcome
from idempotency.keys import fingerprint_of
from tests.admin.test_bookings import sent_messages
from tests.calls import CUSTOMER, book, cancel, let_hold_end, stored
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

LIST = "/admin/bookings/bookingrecord/"
ADA = {"name": "Ada Love", "email": "ada@example.org", "phone": "+49 30 1"}
STAFF = Caller("user", "staff")


def login(name: str, role: str = FRONT_DESK) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def anna(database: None) -> Client:
    return login("anna")


@pytest.fixture
def ben(database: None) -> Client:
    return login("ben")


def made(key: str = "key", *, first: int = 0, end: int = 2, **fields: Any) -> Outcome:
    dates = {"checkIn": night(first), "checkOut": night(end)}
    return book(key, caller=CUSTOMER, resourceId="inn_A", guest=ADA, **dates, **fields)


def page_of(outcome: Outcome, action: str = "change") -> str:
    return f"{LIST}{outcome.content['booking']['id']}/{action}/"


def text_of(response: Any) -> str:
    """The page without tags, with single blanks."""
    text = re.sub(r"<[^>]+>", "", response.content.decode())
    return " ".join(html.unescape(text).split())


def happened(page: Client, outcome: Outcome) -> list[str]:
    lines = page.get(page_of(outcome)).context["happenings"]
    return [f"{line.who} {line.text}".strip() for line in lines]


def opened(page: Client, outcome: Outcome) -> dict[str, str]:
    """The form as it opens, as a browser would send it."""
    shown = page.get(page_of(outcome, "edit")).context["form"]
    return {name: shown[name].value() or "" for name in shown.fields if name != "tell"}


def send_news() -> None:
    relay.pass_on_news()
    guest_mails.send_notifications()


# --- The guest's details --------------------------------------------------------------------


def test_edits_the_guest_and_says_what_was_changed(anna: Client) -> None:
    booking = made()
    form = opened(anna, booking)

    response = anna.post(
        page_of(booking, "edit"),
        {**form, "name": "Ada Lovelace", "notes": "Late.\r\nVery.", "language": "de"},
        follow=True,
    )

    (document,) = stored()
    reference = document["reference"]
    assert response.redirect_chain[-1][0] == page_of(booking)
    assert sent_messages(response) == [f"{reference}: The guest's details are changed."]
    assert document["guest"] == {**ADA, "name": "Ada Lovelace"}
    assert (document["notes"], document["language"]) == ("Late.\nVery.", "de")
    assert "anna (staff) changed the guest’s name, notes, language" in happened(anna, booking)
    assert LogEntry.objects.count() == 1
    assert "Ada" not in LogEntry.objects.get().change_message


def test_edits_once_however_often_the_form_is_sent(anna: Client) -> None:
    booking = made()
    sent = {**opened(anna, booking), "name": "Ada Lovelace"}
    anna.post(page_of(booking, "edit"), sent)

    again = anna.post(page_of(booking, "edit"), sent, follow=True)

    assert "already changed the details" in sent_messages(again)[-1]
    assert [line["event"] for line in stored()[0]["history"]] == ["created", "edited"]


def test_calls_nothing_saved_that_was_typed_since(anna: Client) -> None:
    booking = made()
    form = opened(anna, booking)
    anna.post(page_of(booking, "edit"), {**form, "name": "Ada Lovelace"})

    refused = anna.post(page_of(booking, "edit"), {**form, "name": "Ada King"})

    assert refused.status_code == 200
    assert "A colleague has saved “Ada Lovelace” meanwhile" in refused.content.decode()
    assert stored()[0]["guest"]["name"] == "Ada Lovelace"


def test_tells_the_second_of_two_clerks_what_differs_and_loses_nothing(
    anna: Client, ben: Client
) -> None:
    booking = made()
    hers, his = opened(anna, booking), opened(ben, booking)
    anna.post(page_of(booking, "edit"), {**hers, "name": "Ada Lovelace", "phone": "+44 20 7"})

    refused = ben.post(page_of(booking, "edit"), {**his, "name": "Ada King", "notes": "By train."})

    form = refused.context["form"]
    page = html.unescape(refused.content.decode())
    assert "Nothing was changed." in page
    # What he typed stays; what he did not touch is what she wrote.
    assert form["name"].value() == "Ada King"
    assert form["notes"].value() == "By train."
    assert form["phone"].value() == "+44 20 7"
    assert "A colleague has saved “Ada Lovelace” meanwhile; save again to replace that." in page
    assert "A colleague has changed this; it is now “+44 20 7”." in page

    again = {name: form[name].value() or "" for name in form.fields if name != "tell"}
    ben.post(page_of(booking, "edit"), again)

    (document,) = stored()
    assert document["guest"] == {**ADA, "name": "Ada King", "phone": "+44 20 7"}
    assert document["notes"] == "By train."


def test_mails_the_guest_on_request_alone(anna: Client) -> None:
    booking = made()
    send_news()
    mail.outbox.clear()
    anna.post(page_of(booking, "edit"), {**opened(anna, booking), "name": "Ada L"})
    send_news()
    assert mail.outbox == []

    anna.post(page_of(booking, "edit"), {**opened(anna, booking), "name": "Ada K", "tell": "on"})
    send_news()

    assert [message.to for message in mail.outbox] == [["ada@example.org"]]
    assert "and had the guest told" in " ".join(happened(anna, booking))


@pytest.mark.parametrize(
    ("field", "typed", "fault"),
    [
        ("email", "nowhere", "Enter an e-mail address"),
        ("name", "x" * 201, "at most 200"),
        ("notes", "bell\x07", "control character"),
        ("name", " ", "Write the guest’s name."),
        ("phone", "abc", "Enter a phone number"),
    ],
)
def test_says_beside_the_field_what_is_wrong(
    anna: Client, field: str, typed: str, fault: str
) -> None:
    booking = made()

    refused = anna.post(page_of(booking, "edit"), {**opened(anna, booking), field: typed})

    assert fault in " ".join(refused.context["form"].errors[field])
    assert stored()[0]["guest"] == ADA


def test_leaves_a_name_that_was_never_known_and_an_old_number(anna: Client) -> None:
    booking = made()
    connections.collection("bookings").update_one(
        {}, {"$set": {"guest.name": "", "guest.phone": "desk"}}
    )

    anna.post(page_of(booking, "edit"), {**opened(anna, booking), "notes": "Late."})

    assert stored()[0]["notes"] == "Late."


@pytest.mark.parametrize("seen", ["", "[", "{}", "[1]", '{"name": 1}', "[" * 9000])
def test_survives_a_damaged_form(anna: Client, seen: str) -> None:
    booking = made()

    refused = anna.post(page_of(booking, "edit"), {**opened(anna, booking), "seen": seen})

    assert refused.status_code == 200
    assert [line["event"] for line in stored()[0]["history"]] == ["created"]


def test_says_of_an_erased_guest_why_nothing_can_be_edited(anna: Client) -> None:
    booking = made()
    form = opened(anna, booking)
    erasure.erase_guest(ADA["email"], including_upcoming=True)

    refused = anna.post(page_of(booking, "edit"), {**form, "name": "Ada L"})
    page = text_of(anna.get(page_of(booking)))

    assert "The guest&#x27;s details were erased." in refused.content.decode()
    assert "The guest’s details cannot be edited: the guest's details were erased." in page
    assert "Ada" not in repr(stored())


def test_keeps_nothing_on_which_a_name_could_be_tried(anna: Client) -> None:
    """The history keeps the key for ever, and an erasure leaves it there."""
    booking = made()
    form = opened(anna, booking)
    anna.post(page_of(booking, "edit"), {**form, "name": "Ada Lovelace"})
    line = stored()[0]["history"][-1]
    kept = re.findall(rb'"idempotencyKey":"[^"]*:([0-9a-f]+)"', line["body"])

    typed = ["Ada Lovelace", *list(ADA.values())[1:], "", "en", False]
    assert kept
    assert not fingerprint_of(typed).startswith(kept[0].decode())


# --- Remarks --------------------------------------------------------------------------------


def remark(page: Client, outcome: Outcome, text: str = "Allergic to nuts.", key: str = "k") -> Any:
    return page.post(page_of(outcome, "remark"), {"text": text, "key": key}, follow=True)


def test_keeps_a_remark_for_colleagues_once(anna: Client, ben: Client) -> None:
    booking = made()
    remark(anna, booking)
    remark(anna, booking)

    page = text_of(ben.get(page_of(booking)))

    assert page.count("Allergic to nuts.") == 1
    assert re.search(r"· anna \(staff\): Allergic to nuts\.", page)


def test_adds_what_was_written_since_a_remark_and_says_what_was_there(anna: Client) -> None:
    booking = made()
    remark(anna, booking, "Late.")

    more = remark(anna, booking, "Late. Allergic to nuts.")
    repeated = remark(anna, booking, "Late. Allergic to nuts.")

    written = [each.text for each, *_ in repeated.context["remarks"]]
    assert written == ["Late.", "Late. Allergic to nuts."]
    assert sent_messages(more) == []
    assert "already added the remark" in sent_messages(repeated)[0]


def test_lets_the_author_or_a_manager_delete_a_remark(anna: Client, ben: Client) -> None:
    booking = made()
    remark(anna, booking)
    ((written, _, _, hers),) = anna.get(page_of(booking)).context["remarks"]
    ((_, _, _, his),) = ben.get(page_of(booking)).context["remarks"]

    refused = ben.post(page_of(booking, "delete-remark"), {"remark": written.id}, follow=True)
    boss = login("boss", MANAGER)
    done = boss.post(page_of(booking, "delete-remark"), {"remark": written.id}, follow=True)

    assert (hers, his) == (True, False)
    assert "ask a manager" in sent_messages(refused)[0]
    assert "wrote a remark that boss (staff) deleted" in text_of(done)
    assert "nuts" not in done.content.decode()


def test_shows_a_refused_remark_again_with_its_text(anna: Client) -> None:
    booking = made()

    refused = remark(anna, booking, "x" * 1001)

    assert refused.context["form"]["text"].value() == "x" * 1001
    assert refused.context["form"].errors["text"]


def test_tells_no_guest_partner_or_mail_of_a_remark(anna: Client, client: Client) -> None:
    booking = made()
    remark(anna, booking)
    anna.post(page_of(booking, "edit"), {**opened(anna, booking), "name": "Ada K", "tell": "on"})
    send_news()

    kept = [*stored(), *connections.collection("deliveries").find()]
    said = [f"{message.body}{message.alternatives}" for message in mail.outbox]
    assert "nuts" not in repr(kept) + repr(said)


# --- Mails again ----------------------------------------------------------------------------


def mails_again(page: Client, outcome: Outcome) -> list[str]:
    """The mails that have *Send again* beside them."""
    return [line.again for line in page.get(page_of(outcome)).context["happenings"] if line.again]


def again(page: Client, outcome: Outcome, which: str, key: str = "again") -> Any:
    """Presses *Send again*."""
    return page.post(page_of(outcome, "send-again"), {"mail": which, "key": key}, follow=True)


def test_sends_a_mail_again_to_the_present_address_once_for_each_press(anna: Client) -> None:
    booking = made()
    send_news()
    anna.post(page_of(booking, "edit"), {**opened(anna, booking), "email": "ada@example.com"})
    mail.outbox.clear()
    which = mails_again(anna, booking)[0]

    again(anna, booking, which)
    again(anna, booking, which)
    send_news()
    again(anna, booking, which)
    send_news()

    (message,) = mail.outbox
    assert message.to == ["ada@example.com"]
    assert message.subject.startswith("Your stay is booked") or "booked" in message.body
    assert "A mail to the guest that the stay is booked, again, was sent" in happened(anna, booking)
    (entry,) = LogEntry.objects.filter(change_message__contains="sent again")
    assert entry.change_message == "The mail that the stay is booked was sent again."
    again(anna, booking, which, key="once more")
    send_news()
    assert len(mail.outbox) == 2


def test_sends_one_mail_if_two_clerks_have_it_sent_before_a_worker_does(
    anna: Client, ben: Client
) -> None:
    booking = made()
    send_news()
    mail.outbox.clear()
    (which,) = mails_again(anna, booking)

    again(anna, booking, which, key="hers")
    refused = again(ben, booking, which, key="his")
    offered = mails_again(ben, booking)
    send_news()

    assert "A worker is about to send it." in sent_messages(refused)[0]
    assert offered == []
    assert len(mail.outbox) == 1


def test_makes_one_of_two_mails_that_are_asked_for_at_once(anna: Client, rounds: int) -> None:
    made()
    send_news()
    booking = from_document(stored()[0])
    for number in range(3 * rounds):
        which = deliveries.list_mails(booking.id)[-1][0].id
        mail.outbox.clear()

        def press(clerk: int, which: str = which, number: int = number) -> str:
            try:
                return guest_mails.send_again(booking, which, key=f"{number}-{clerk}")
            except NotSendable as fault:
                return str(fault)

        with ThreadPoolExecutor(4) as pool:
            said = sorted(pool.map(press, range(4)))
        send_news()

        assert said == ["A worker is about to send it."] * 3 + ["confirmed"]
        assert len(mail.outbox) == 1


def test_says_which_mails_cannot_be_sent_again_and_why(anna: Client) -> None:
    booking = made(first=3, end=5)
    relay.pass_on_news()
    waiting = [line.why_not for line in anna.get(page_of(booking)).context["happenings"]]
    send_news()
    cancel(booking, actor=CUSTOMER)
    send_news()
    lines = anna.get(page_of(booking)).context["happenings"]
    mails = {line.text: (bool(line.again), line.why_not) for line in lines if not line.who}

    assert "A worker is about to send it." in waiting
    assert mails == {
        "A mail to the guest that the stay is booked was sent": (
            False,
            "The booking has changed since this news.",
        ),
        "A mail to the guest about the cancellation was sent": (True, ""),
    }


def test_sends_nothing_again_to_an_erased_guest_or_about_a_hold_that_ended(anna: Client) -> None:
    booking = made()
    send_news()
    (sent,) = deliveries.list_mails(stored()[0]["_id"])
    mail.outbox.clear()
    erasure.erase_guest(ADA["email"], including_upcoming=True)

    erased = anna.post(
        page_of(booking, "send-again"), {"mail": sent[0].id, "key": "k"}, follow=True
    )
    connections.collection("bookings").delete_many({})
    held = made("held", hold=True)
    let_hold_end(minutes_ago=30)
    document = stored()[0]
    ended = {
        "_id": f"{document['_id']}-2-expired:mail",
        "event_id": f"{document['_id']}-2-expired",
        "event": "expired",
        "booking": document["_id"],
    }
    known = connections.collection("deliveries").find_one()
    connections.collection("deliveries").insert_one({**known, **ended})  # type: ignore[dict-item]
    over = anna.post(page_of(held, "send-again"), {"mail": ended["_id"], "key": "k"}, follow=True)
    gone = anna.post(page_of(held, "send-again"), {"mail": "x", "key": "k"}, follow=True)
    send_news()

    assert "The guest’s details were erased." in sent_messages(erased)[0]
    assert "The hold has ended." in sent_messages(over)[0]
    assert "There is no such mail" in sent_messages(gone)[0]
    assert mail.outbox == []


def test_sends_mails_again_only_for_who_may_change_notifications(client: Client) -> None:
    booking = made()
    send_news()
    limited = login("limited")
    group = Group.objects.get(name=FRONT_DESK)
    right = group.permissions.get(codename="change_deliveryrecord")
    group.permissions.remove(right)
    try:
        lines = limited.get(page_of(booking)).context["happenings"]
        refused = limited.post(page_of(booking, "send-again"), {"mail": "x", "key": "k"})
    finally:
        group.permissions.add(right)

    assert not any(line.again for line in lines)
    assert refused.status_code == 403


# --- What happened --------------------------------------------------------------------------


def test_tells_what_happened_in_words_by_the_clock_of_the_hotel(anna: Client) -> None:
    booking = made(first=10, end=12)
    lifecycle.move_booking(
        actor=STAFF,
        booking_id=booking.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=("inn_B",),
        check_in=date.fromisoformat(night(10)),
        check_out=date.fromisoformat(night(12)),
    )
    cancel(booking, actor=CUSTOMER)

    page = text_of(anna.get(page_of(booking)))

    zone = Hotel.objects.get(pk="inn").time_zone
    moment = moment_text(stored()[0]["history"][1]["at"], zone)
    stay = stay_text(night(10), night(12))
    moved = f"moved it from Room A, {stay}, EUR\xa0200.00 to Room B, {stay}, EUR\xa0200.00"
    told = happened(anna, booking)
    assert [line.rpartition("account ")[2] for line in told] == [
        f"booked Room A, {stay}, EUR\xa0200.00",
        moved,
        "cancelled it",
    ]
    assert f"{moment} · Someone with an account moved it" in page
    assert night(10) not in page.partition("Price by night")[0]


def test_has_words_for_everything_that_can_happen() -> None:
    events = {"created", "moved", "changed", *timeline._WORDS}
    found = set()
    for path in ("stays", "front_desk"):
        found |= events_in(path)
    assert found <= events
    assert {"cancelled", "edited", "expired", "erased", "adopted"} <= found


def events_in(package: str) -> set[str]:
    """The events that the code of a package writes into histories."""
    source = "".join(
        path.read_text() for path in Path(settings.BASE_DIR, "bookings", package).rglob("*.py")
    )
    written = re.findall(r'change\.make\(\s*f?"(\w+)"', source)
    written += re.findall(r'event(?:"|)\s*[:=]\s*"(\w+)"', source)
    named = {
        "EDITED": "edited", "CORRECTED": "corrected", "UNDONE": "mark_undone",
        "EDITED_AND_TOLD": "edited_told",
    }  # fmt: skip
    return {*written, *(event for name, event in named.items() if name in source)}


def test_lists_what_happened_with_one_look_at_each_kind_of_thing(
    anna: Client, django_assert_max_num_queries: Any
) -> None:
    booking = made()
    for number in range(20):
        remark(anna, booking, key=str(number))

    with django_assert_max_num_queries(40):
        anna.get(page_of(booking))


# --- What can be done -----------------------------------------------------------------------


def edited(outcome: Outcome) -> Any:
    document = stored()[0]
    seen = Details(Guest(**document["guest"]), document["notes"], document["language"])
    return corrections.correct_for_guest(
        actor=STAFF,
        booking_id=outcome.content["booking"]["id"],
        key_header="try",
        deadline=Deadline.after(10),
        seen=seen,
        details=Details(seen.guest, "Something else.", "en"),
    )


def marked(what: str) -> Callable[[Outcome], Any]:
    def mark(outcome: Outcome) -> Any:
        return marks.mark_stay(
            actor=STAFF,
            booking_id=outcome.content["booking"]["id"],
            mark=what,
            seen=stored()[0].get("presence", "expected"),
            key_header=f"try-{what}",
            deadline=Deadline.after(10),
        )

    return mark


def moved(outcome: Outcome) -> Any:
    document = stored()[0]
    return lifecycle.move_booking(
        actor=STAFF,
        booking_id=outcome.content["booking"]["id"],
        key_header="try-move",
        deadline=Deadline.after(10),
        room_ids=tuple(booked["room"] for booked in document["rooms"]),
        check_in=date.fromisoformat(document["check_in"]),
        check_out=date.fromisoformat(document["check_out"]),
    )


def confirmed(outcome: Outcome) -> Any:
    return lifecycle.confirm_booking(
        actor=STAFF,
        booking_id=outcome.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(10),
        as_staff=True,
    )


def cancelled(outcome: Outcome) -> Any:
    return lifecycle.cancel_booking(
        actor=STAFF,
        booking_id=outcome.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(10),
        staff_reason="Ill",
    )


SERVICES: dict[str, Callable[[Outcome], Any]] = {
    possible.CONFIRM: confirmed,
    CHECKED_IN: marked(CHECKED_IN),
    CHECKED_OUT: marked(CHECKED_OUT),
    NO_SHOW: marked(NO_SHOW),
    marks.UNDO: marked(marks.UNDO),
    possible.MOVE: moved,
    possible.EDIT: edited,
    possible.CANCEL: cancelled,
}


def upcoming() -> Outcome:
    return made(first=5, end=7)


def arriving() -> Outcome:
    return made()


def held() -> Outcome:
    return made(hold=True)


def lately_ended() -> Outcome:
    outcome = made(hold=True)
    let_hold_end(minutes_ago=2)
    return outcome


def ended() -> Outcome:
    outcome = made(hold=True)
    let_hold_end(minutes_ago=30)
    return outcome


def gone() -> Outcome:
    outcome = made()
    cancelled(outcome)
    return outcome


def in_house() -> Outcome:
    outcome = made()
    marked(CHECKED_IN)(outcome)
    return outcome


def left() -> Outcome:
    outcome = in_house()
    marked(CHECKED_OUT)(outcome)
    return outcome


def absent() -> Outcome:
    outcome = made()
    marked(NO_SHOW)(outcome)
    return outcome


def released() -> Outcome:
    outcome = made(end=3)
    marks.mark_stay(
        actor=STAFF,
        booking_id=outcome.content["booking"]["id"],
        mark=NO_SHOW,
        release=True,
        key_header="release",
        deadline=Deadline.after(10),
    )
    return outcome


def over() -> Outcome:
    outcome = made()
    dates = {"check_in": night(-5), "check_out": night(-3)}
    connections.collection("bookings").update_one({}, {"$set": dates})
    return outcome


def forgotten() -> Outcome:
    outcome = made()
    erasure.erase_guest(ADA["email"], including_upcoming=True)
    return outcome


STATES = (
    upcoming, arriving, held, lately_ended, ended, gone, in_house, left, absent, released,
    over, forgotten,
)  # fmt: skip


def sort_actions(*, may_act: bool = True) -> possible.Possible:
    hotel = Hotel.objects.get(pk="inn")
    return judge_actions(
        from_document(stored()[0]),
        now=clock.now(),
        today=clock.today(hotel.time_zone),
        desk_day=clock.today(hotel.time_zone),
        may_act=may_act,
    )


@pytest.mark.parametrize("may_act", [True, False])
@pytest.mark.parametrize("state", STATES)
def test_puts_each_action_into_exactly_one_of_three_lists(
    state: Callable[[], Outcome], may_act: bool
) -> None:
    state()

    found = sort_actions(may_act=may_act)

    assert sorted([*found.can, *found.cannot, *found.no_matter]) == sorted(ACTIONS)
    assert all(re.fullmatch(r"[^:]+: .+[^.]\.", sentence) for sentence in found.sentences)
    assert not any(re.search(r"\d{4}-\d\d", sentence) for sentence in found.sentences)
    assert len(found.sentences) == len(set(found.cannot.values()))
    if not may_act:
        assert set(found.can) <= {possible.PRINT}


@pytest.mark.parametrize("action", sorted(SERVICES))
@pytest.mark.parametrize("state", STATES)
def test_offers_what_the_services_do_and_nothing_else(
    state: Callable[[], Outcome], action: str
) -> None:
    outcome = state()
    before = len(stored()[0]["history"])
    offered = action in sort_actions().can

    with contextlib.suppress(Refusal):
        SERVICES[action](outcome)

    # A cancellation of what is cancelled, or a second confirmation, succeeds and changes nothing.
    last = stored()[0]["history"][-1]["event"]
    is_done = len(stored()[0]["history"]) > before and last != "confirmed_again"
    assert is_done == offered


def test_shows_what_can_be_done_as_buttons_and_the_rest_with_reasons(anna: Client) -> None:
    booking = in_house()

    page = anna.get(page_of(booking))
    text = text_of(page)

    for button in ("Check out", "Undo", "Move…", "Edit the guest…", "Registration card"):
        assert button in text.partition("It cannot be cancelled")[0]
    assert "Cancel…" not in text
    assert "It cannot be cancelled: the guest is checked in; undo that first." in text
    for noise in ("confirmed already", "No mark", "checked in already"):
        assert noise not in text


def test_gives_a_reason_once_for_all_that_it_prevents() -> None:
    gone()

    assert sort_actions().sentences == [
        "It cannot be moved, and the guest’s details cannot be edited, "
        "and there is no registration card: it was cancelled."
    ]


def test_says_the_day_of_arrival_in_words(anna: Client) -> None:
    booking = upcoming()

    text = text_of(anna.get(page_of(booking)))

    arrival = f"the day of arrival is {day_text(night(5))}."
    marks = "The guest cannot be checked in, and the guest cannot be marked as a no-show"
    assert f"{marks}: {arrival}" in text
    for noise in ("No mark can be undone", "cannot be checked out", "cannot be confirmed"):
        assert noise not in text


# --- The registration card ------------------------------------------------------------------


def test_prints_a_card_with_hotel_guest_and_stay_and_lines_to_fill_in(anna: Client) -> None:
    outcome = book(
        caller=CUSTOMER,
        resourceId="inn_A",
        checkIn=night(0),
        checkOut=night(2),
        guests=2,
        guest={**ADA, "name": "Ada <b>Love</b>"},
        notes="Private.",
    )
    HotelContent.objects.update_or_create(
        pk="inn", defaults={"street": "Sea Road 1", "city": "Bodstedt", "phone": "+49 30 99"}
    )
    remark(anna, outcome)

    page = anna.get(page_of(outcome, "card"))
    HotelContent.objects.filter(pk="inn").delete()

    text = text_of(page)
    for shown in (
        stay_text(night(0), night(2)) + ", 2 nights",
        "Sea Road 1",
        "Room A",
        "ada@example.org",
        "Nationality",
        "Number of passport or ID card",
        "Signature of the guest",
        "Guest 2: name, nationality",
    ):
        assert shown in text
    assert "Ada &lt;b&gt;Love&lt;/b&gt;" in page.content.decode()
    assert "nuts" not in text


@pytest.mark.parametrize("state", [gone, ended, forgotten])
def test_prints_no_card_where_none_is_to_be_signed(
    anna: Client, state: Callable[[], Outcome]
) -> None:
    response = anna.get(page_of(state(), "card"), follow=True)

    assert "There is no registration card: " in sent_messages(response)[0]


def test_shows_a_hold_until_when_it_is_held_by_the_clock_of_the_hotel(anna: Client) -> None:
    text = text_of(anna.get(page_of(held())))

    zone = Hotel.objects.get(pk="inn").time_zone
    assert moment_text(stored()[0]["expires_at"], zone) in text


def test_shows_the_remarks_on_the_page_of_the_day_with_one_look(
    anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking = made()
    remark(anna, booking)
    remark(anna, booking, "Deleted since.", key="other")
    _, (second, *_) = anna.get(page_of(booking)).context["remarks"]
    anna.post(page_of(booking, "delete-remark"), {"remark": second.id})
    book("bea", resourceId="inn_B", checkIn=night(0), checkOut=night(1), guest={"name": "Bea"})
    looks = []
    look = remarks.list_remarks
    monkeypatch.setattr(remarks, "list_remarks", lambda ids: looks.append(1) or look(ids))

    page = anna.get("/admin/desk/today/", {"hotel": "inn"}).content.decode()

    assert "Allergic to nuts." in page
    assert "Deleted since." not in page
    assert page.count(">Remarks<span") == 1
    assert looks == [1]
