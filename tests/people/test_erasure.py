"""`manage.py erase_guest`: the guest's details are gone, their bookings are not."""

from __future__ import annotations

import io
import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.test import Client

from bookings.domain.booking import from_document
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.people import account_letters, accounts, erasure
from bookings.stays import lifecycle
from bookings.stays.writing import changes, guest_details
from idempotency.claims import Claims
from local.servers import Server
from locks.connection import connect
from tests.calls import PARTNER, book, confirm, let_hold_end, stored

pytestmark = pytest.mark.mongo

ADDRESS = "ada@example.org"
ADA = {"name": "Ada Lovelace", "email": "Ada@Example.org", "phone": "+44 20 7946 0958"}
# Every detail of hers, in any spelling.
TRACE = re.compile(rb"ada@example\.org|lovelace|7946 0958|one-legged|her sister", re.IGNORECASE)


def erase(address: str = ADDRESS, **options: Any) -> str:
    said = io.StringIO()
    call_command("erase_guest", address, stdout=said, **{"yes": True, **options})
    return said.getvalue()


# As MongoDB counts.
AGO_11_MINUTES = {"$subtract": ["$$NOW", 11 * 60_000]}


def let_stays_end() -> None:
    """Puts every stay into the past."""
    connections.collection("bookings").update_many(
        {}, {"$set": {"check_in": "2020-01-01", "check_out": "2020-01-02"}}
    )


def traces() -> set[str]:
    """Returns the collections in which something names her; sessions are decoded first."""
    database = connections.database()
    return {
        name
        for name in database.list_collection_names()
        for document in database[name].find()
        if TRACE.search(repr(document).encode())
    }


@pytest.fixture
def known(database: None) -> User:
    """A guest who left traces in every possible place."""
    book("stay", guest=ADA, notes="A one-legged guest.")
    cancelled = book("gone", guest={**ADA, "email": ADDRESS}, resourceId="room_B")
    lifecycle.cancel_booking(
        actor=PARTNER,
        booking_id=cancelled.content["booking"]["id"],
        key_header="cancel",
        deadline=Deadline.after(10),
        staff_reason="Asked by her sister.",
    )
    user = accounts.make_account(address=ADDRESS, name="Ada Lovelace", password="correct horse")
    assert user is not None
    LogEntry.objects.create(
        user=User.objects.create_superuser("desk"),
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(user.pk),
        object_repr=str(user),
        action_flag=ADDITION,
    )
    account_letters.ask_for_letter(purpose=account_letters.FIND, address=ADDRESS)
    Client().force_login(user)
    return user


def test_erases_every_trace_and_keeps_the_bookings(known: User) -> None:
    book("other", guest={**ADA, "email": "ada@example.com"}, resourceId="room_C")
    before = stored()
    let_stays_end()

    said = erase()

    assert said == (
        "Erased: 2 bookings, 1 account, 1 letter, 1 session. Backups keep it until they are "
        "removed.\n"
    )
    assert traces() == {"bookings"}
    stay, gone, other = stored()
    assert not TRACE.search(repr([stay, gone]).encode())
    assert other["guest"] == before[2]["guest"]
    for now, then in ((stay, before[0]), (gone, before[1])):
        assert now["guest"] == {"name": "", "email": "", "phone": ""}
        for kept in ("reference", "status", "slots", "price", "rooms"):
            assert now[kept] == then[kept]
        assert [change["event"] for change in now["history"]] == [
            *(change["event"] for change in then["history"]),
            "erased",
        ]
        assert now["history"][-1].keys() == {"at", "event", "actor"}


def test_sends_the_same_bytes_for_a_key_as_before(database: None) -> None:
    first = book("key", guest=ADA)
    let_stays_end()
    fingerprint = stored()[0]["keys"][0]["fingerprint"]
    digest = stored()[0]["keys"][0]["digest"]

    erase()
    record = Claims(connections.redis()).look_up(digest)
    again = book("key", guest=ADA)

    assert record is None
    assert fingerprint not in repr(stored())
    assert (again.replayed, again.answer.body) == (True, first.answer.body)


def test_finds_an_address_however_it_is_spelled(database: None) -> None:
    for number, spelled in enumerate(
        ("Ada@straße.example", "ada@xn--strae-oqa.example", "ADA@STRASSE.example")
    ):
        book(f"key-{number}", guest={"email": spelled}, resourceId=f"room_{'ABC'[number]}")
    let_stays_end()

    erase("ada@Straße.example")

    assert [booking["guest"]["email"] for booking in stored()] == ["", "", "ada@strasse.example"]


def test_leaves_the_mailbox_of_another_whose_address_compares_alike(database: None) -> None:
    """In the order of a language a soft hyphen is nothing, and wide letters are plain ones."""
    for number, spelled in enumerate(
        ("ada@example.org", "a\u00adda@example.org", "ａda@example.org")
    ):
        book(f"key-{number}", resourceId=f"room_{'ABC'[number]}", guest={"email": "x@example.org"})
        connections.collection("bookings").update_one(
            {"_id": stored()[-1]["_id"]}, {"$set": {"guest.email": spelled}}
        )
    let_stays_end()

    erase("ada@example.org")

    assert [bool(booking["guest"]["email"]) for booking in stored()] == [False, True, True]


def test_finds_what_an_earlier_release_spelled_otherwise(database: None) -> None:
    book("old", guest=ADA)
    connections.collection("bookings").update_one({}, {"$set": {"guest.email": "Ada@Example.ORG"}})
    let_stays_end()

    assert guest_details.refresh_search_terms() == 1
    erase()

    assert stored()[0]["guest"]["email"] == ""


def test_only_looks_without_yes(known: User) -> None:
    let_stays_end()
    before = connections.database().command("dbHash")["md5"]

    said = erase(yes=False)

    assert said == (
        "Found: 2 bookings, 1 account, 1 letter, 1 session. Nothing was changed; give --yes to "
        "erase it.\n"
    )
    assert connections.database().command("dbHash")["md5"] == before


def test_erases_nothing_while_the_hotel_expects_somebody(known: User) -> None:
    before = connections.database().command("dbHash")["md5"]
    reference = stored()[0]["reference"]

    for yes in (True, False):
        with pytest.raises(CommandError, match=f"^Stays that have not ended: {reference}. Cancel"):
            erase(yes=yes)

    assert connections.database().command("dbHash")["md5"] == before
    assert "Erased: 2 bookings" in erase(including_upcoming=True)
    assert stored()[0]["status"] == "confirmed"


@pytest.mark.parametrize(
    ("nights_ago", "is_over"), [(0, False), (1, False), (2, True)], ids=["today", "day", "two"]
)
def test_knows_when_a_stay_is_over(database: None, nights_ago: int, is_over: bool) -> None:
    book(guest=ADA)
    ended = (clock.today("UTC") - timedelta(days=nights_ago)).isoformat()
    connections.collection("bookings").update_one({}, {"$set": {"check_out": ended}})

    if is_over:
        assert "Erased: 1 booking" in erase()
    else:
        with pytest.raises(CommandError, match="not ended"):
            erase()


def test_expects_whoever_holds_a_room(database: None) -> None:
    book(hold=True, guest=ADA)

    with pytest.raises(CommandError, match="not ended"):
        erase()


@pytest.mark.parametrize("swept", [False, True], ids=["left", "swept"])
def test_expects_nobody_once_a_hold_can_no_longer_be_confirmed(
    database: None, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    outcome = book(hold=True, guest=ADA)
    let_hold_end(minutes_ago=9)
    if swept:
        connections.collection("bookings").update_one({}, {"$set": {"status": "expired"}})

    with pytest.raises(CommandError, match="not ended"):
        erase()
    # The update itself does not either, if the hold has run out since it was judged.
    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_judge", lambda *args: [])
        assert "Erased" not in erase()
    connections.collection("bookings").update_one({}, [{"$set": {"expires_at": AGO_11_MINUTES}}])
    assert "Erased: 1 booking" in erase()
    confirm(outcome)
    assert stored()[0]["status"] != "confirmed"


def test_leaves_a_stay_that_was_booked_meanwhile(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    book("old", guest=ADA)
    let_stays_end()
    judge = erasure._judge

    def judge_and_book(*args: Any) -> Any:
        judged = judge(*args)
        book("new", guest=ADA, resourceId="room_B")
        return judged

    monkeypatch.setattr(erasure, "_judge", judge_and_book)

    erase()

    assert [booking["guest"]["email"] for booking in stored()] == ["", ADDRESS]


def test_erases_what_was_typed_for_a_hold_that_was_not_made(database: None) -> None:
    browser = Client()
    session = browser.session
    session["typed_guest"] = {"name": "Ada", "email": "ADA@example.org"}
    session.save()
    other = Client()
    other.session.save()

    said = erase()

    assert "Erased: 0 bookings, 0 accounts, 0 letters, 1 session" in said


def test_touches_no_account_of_staff(known: User) -> None:
    let_stays_end()
    User.objects.filter(pk=known.pk).update(is_staff=True)

    with pytest.raises(CommandError, match="account of staff; delete that in the admin first"):
        erase()

    assert stored()[0]["guest"]["name"] == "Ada Lovelace"


def test_names_nobody_in_the_admins_log(database: None) -> None:
    desk = User.objects.create_superuser("desk")
    user = User.objects.create_user("lovelace", email=ADDRESS)
    other = User.objects.create_user("babbage")
    users, groups = (ContentType.objects.get_for_model(model) for model in (User, Group))

    def log(model: ContentType, pk: Any, name: str, message: str = "") -> int:
        return LogEntry.objects.create(
            user=desk,
            content_type=model,
            object_id=str(pk),
            object_repr=name,
            action_flag=CHANGE,
            change_message=message,
        ).pk

    hers = [
        log(users, user.pk, "lovelace"),
        log(users, user.pk, "ada.king", "Changed username from ada.king."),
        log(users, other.pk, "babbage", f"Wrote to {ADDRESS.upper()}."),
        log(users, 10**6, "Lovelace"),
        log(groups, other.pk, ADDRESS),
    ]
    theirs = [
        log(users, other.pk, "babbage", "Changed."),
        log(groups, user.pk, "lovelace", "Changed."),
        log(users, other.pk, "babbage", f"Wrote to jo{ADDRESS}."),
    ]

    erase()

    said = {entry.pk: (entry.object_repr, entry.change_message) for entry in LogEntry.objects.all()}
    assert [said[pk] for pk in hers] == [("erased", "")] * 5
    assert [said[pk] for pk in theirs] == [
        ("babbage", "Changed."),
        ("lovelace", "Changed."),
        ("babbage", f"Wrote to jo{ADDRESS}."),
    ]


def test_may_be_run_twice(known: User) -> None:
    let_stays_end()
    erase()
    after = stored()

    assert erase() == "Nothing is known of this address.\n"
    assert stored() == after


@pytest.mark.parametrize(
    ("module", "step"),
    [
        (erasure, "_forget_keys"),
        (account_letters, "forget_letters"),
        (erasure, "_sessions_of"),
        (User, "delete"),
    ],
)
def test_goes_on_where_it_was_stopped(
    known: User, monkeypatch: pytest.MonkeyPatch, module: Any, step: str
) -> None:
    let_stays_end()

    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, step, stop)
        with pytest.raises(CommandError, match="the same command does the rest"):
            erase()
    erase()

    assert traces() == set()


def test_is_not_undone_by_a_change_that_was_under_way(database: None) -> None:
    outcome = book(hold=True, guest=ADA)
    read = from_document(stored()[0])
    erase(including_upcoming=True)

    # A request that read the guest before must not write the details back.
    assert not changes.change_booking(read, read, read.history[0])
    confirm(outcome)

    (booking,) = stored()
    assert (booking["status"], booking["guest"]["email"]) == ("confirmed", "")


def test_reads_the_address_from_standard_input(
    known: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_stays_end()
    monkeypatch.setattr("sys.stdin", io.StringIO(f" {ADDRESS}\n"))

    assert "Erased: 2 bookings" in erase("-")


def test_says_what_is_no_address(database: None) -> None:
    with pytest.raises(CommandError, match=r"^Enter an e-mail address such as ada@example\.org\.$"):
        erase("ada")


def test_leaves_a_line_in_the_log_that_names_nobody(
    known: User, caplog: pytest.LogCaptureFixture
) -> None:
    let_stays_end()

    with caplog.at_level(logging.INFO, "bookings"):
        erase()

    (line,) = [record for record in caplog.records if record.message == "guest_erased"]
    assert (line.bookings, line.accounts, line.letters) == (2, 1, 1)
    assert not TRACE.search(repr([vars(record) for record in caplog.records]).encode())


def test_says_that_redis_keeps_digests_while_it_is_down(
    database: None, own_redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    book(guest=ADA)
    let_stays_end()
    dead = connect(own_redis.uri)
    own_redis.kill()
    monkeypatch.setattr(connections, "redis", lambda: dead)

    said = erase()

    assert "Erased: 1 booking" in said
    assert "Redis does not answer; digests of the guest's requests end there within a day." in said


def test_is_shown_to_staff(database: None) -> None:
    book(guest=ADA)
    let_stays_end()
    erase()
    browser = Client()
    browser.force_login(User.objects.create_superuser("desk"))

    page = browser.get(f"/admin/bookings/bookingrecord/{stored()[0]['_id']}/change/")

    assert page.status_code == 200
    assert "The site erased the guest’s details" in page.content.decode()
    assert browser.get("/admin/bookings/bookingrecord/").status_code == 200
