"""A partner who follows changes gets each booking's last state, and misses none."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from django.test import Client

from bookings import points
from bookings.domain.callers import Caller, caller_of_guest, caller_of_user
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.models import ApiClient
from bookings.people import adoption
from bookings.people.tokens import issue_token
from bookings.stays import own_bookings
from bookings.stays.writing.guest_details import erase_guests
from bookings.stays.writing.ownership import adopt_bookings_for
from tests.calls import PARTNER, book, cancel, confirm, extend
from tests.conftest import night

pytestmark = pytest.mark.mongo

Ask = Callable[..., Any]

GUEST = {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 0000"}


@pytest.fixture
def partner(database: None) -> Caller:
    client = ApiClient.objects.create(name="partner", act_for_others=True)
    return Caller("client", str(client.pk), may_act_for_others=True)


@pytest.fixture
def ask(partner: Caller, client: Client) -> Ask:
    """Asks the API as the partner, with these query parameters."""
    token = issue_token(ObjectId(partner.id))

    def get(path: str = "/api/bookings", **query: Any) -> Any:
        return client.get(path, query, headers={"authorization": f"Bearer {token}"})

    return get


@pytest.fixture
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes are listed at once, where no other request is under way."""
    monkeypatch.setattr(own_bookings, "SETTLED_AFTER", timedelta(0))


@pytest.fixture
def _no_points() -> Iterator[None]:
    yield
    points.install(None)


def since(ask: Ask, moment: datetime, limit: int = 20) -> list[dict[str, Any]]:
    """Every page of what has changed."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = ask(updatedSince=moment.isoformat(), limit=limit, **cursor).json()
        found += answer["bookings"]
        if answer["next"] is None:
            return found
        cursor = {"cursor": answer["next"]}


def ids(listed: list[dict[str, Any]]) -> list[str]:
    return [booking["id"] for booking in listed]


def made(outcome: Any) -> str:
    assert outcome.answer.status == 201, outcome.answer.body
    booking_id: str = outcome.content["booking"]["id"]
    return booking_id


@pytest.mark.usefixtures("_settled")
def test_lists_in_the_order_of_changes_with_the_moment_included(ask: Ask, partner: Caller) -> None:
    one, two, three = (
        book(room, caller=partner, resourceId=room, hold=True)
        for room in ("room_A", "room_B", "room_C")
    )
    began = clock.now() - timedelta(minutes=1)

    confirm(one, "room_A", actor=partner)

    found = since(ask, began)
    assert ids(found) == [made(two), made(three), made(one)]
    assert [booking["status"] for booking in found] == ["pending", "pending", "confirmed"]
    assert found == sorted(found, key=lambda booking: booking["updatedAt"])
    last = datetime.fromisoformat(found[-1]["updatedAt"])
    assert ids(since(ask, last)) == [made(one)]
    assert since(ask, last + timedelta(milliseconds=1)) == []


@pytest.mark.usefixtures("_settled")
def test_pages_through_changes_of_one_moment(ask: Ask, partner: Caller) -> None:
    moment = clock.now() - timedelta(hours=1)
    rooms = ("room_A", "room_B", "room_C", "room_D")
    expected = sorted(made(book(room, caller=partner, resourceId=room)) for room in rooms)
    collection("bookings").update_many({}, {"$set": {"updated_at": moment}})

    for limit in (1, 2, 3, 4):
        assert ids(since(ask, moment, limit)) == expected


@pytest.mark.usefixtures("_settled")
def test_lists_every_kind_of_change(ask: Ask, partner: Caller) -> None:
    hold = book("hold", caller=partner, hold=True, guest=GUEST)
    booking_id = made(hold)

    def adopt() -> None:
        book("again", caller=partner, hold=True, guest=GUEST | {"name": "Ada King"})

    for change in (
        lambda: extend(hold, "more", actor=partner),
        adopt,
        lambda: confirm(hold, "hold", actor=partner),
        lambda: erase_guests({"guest.email": GUEST["email"]}),
        lambda: cancel(hold, "cancel", actor=partner),
    ):
        before = datetime.fromisoformat(
            since(ask, clock.now() - timedelta(hours=1))[-1]["updatedAt"]
        )
        time.sleep(0.002)  # times are in milliseconds
        change()
        assert ids(since(ask, before + timedelta(milliseconds=1))) == [booking_id], change


@pytest.mark.usefixtures("_settled")
def test_lists_no_booking_of_others(ask: Ask, partner: Caller) -> None:
    book("other", caller=PARTNER)

    assert since(ask, clock.now() - timedelta(days=1)) == []


@pytest.mark.usefixtures("_settled")
def test_lists_the_changes_of_a_person_who_is_logged_in(client: Client, database: None) -> None:
    ada = User.objects.create_user("ada")
    client.force_login(ada)
    rooms = ("room_B", "room_A")
    expected = [made(book(room, caller=caller_of_user(ada.pk), resourceId=room)) for room in rooms]

    def ask(**query: Any) -> Any:
        return client.get("/api/bookings", query)

    for limit in (1, 2):
        assert ids(since(ask, clock.now() - timedelta(minutes=1), limit)) == expected


@pytest.mark.usefixtures("_settled")
@pytest.mark.parametrize("by", ["browser", "address"])
def test_lists_to_a_person_what_their_account_adopts(
    by: str, client: Client, database: None
) -> None:
    """It was booked before their last look, and is new to them."""
    guest = caller_of_guest("0123456789abcdef")
    booking_id = made(book("key", caller=guest, guest=GUEST))
    ada = User.objects.create_user("ada", GUEST["email"])
    client.force_login(ada)
    looked = clock.now() - timedelta(minutes=30)
    before = {"updated_at": looked - timedelta(minutes=30)}
    collection("bookings").update_one({}, {"$set": before})

    if by == "browser":
        assert adoption.adopt_guest(guest=guest, user=ada) == 1
    else:
        assert adopt_bookings_for(GUEST["email"], caller_of_user(ada.pk)) == 1

    def ask(**query: Any) -> Any:
        return client.get("/api/bookings", query)

    assert ids(since(ask, looked)) == [booking_id]


def test_leaves_young_changes_for_later(ask: Ask, partner: Caller) -> None:
    booking_id = made(book("key", caller=partner))
    began = clock.now() - timedelta(minutes=1)
    assert since(ask, began) == []

    settled = clock.now() - own_bookings.SETTLED_AFTER
    collection("bookings").update_one({}, {"$set": {"updated_at": settled}})

    assert ids(since(ask, began)) == [booking_id]


@pytest.mark.usefixtures("_no_points")
def test_misses_no_change_that_was_decided_earlier_and_written_later(
    ask: Ask, partner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the wait, the later change is listed, and the earlier one lies behind it for ever."""
    monkeypatch.setattr(own_bookings, "SETTLED_AFTER", timedelta(seconds=2))
    slow = threading.Event()

    def pause(name: str) -> None:
        if name == "in_transaction" and threading.current_thread().name == "slow":
            slow.set()
            time.sleep(1.0)

    points.install(pause)
    late = threading.Thread(
        target=lambda: book("late", caller=partner, resourceId="room_A"), name="slow"
    )
    late.start()
    assert slow.wait(10)
    book("prompt", caller=partner, resourceId="room_B")

    follows, seen = clock.now() - timedelta(minutes=1), set()
    ends_at_s = time.monotonic() + 15
    while len(seen) < 2 and time.monotonic() < ends_at_s:
        for booking in since(ask, follows):
            seen.add(booking["resourceId"])
            follows = datetime.fromisoformat(booking["updatedAt"])
    late.join()

    assert seen == {"room_A", "room_B"}


@pytest.mark.parametrize(
    "query",
    [
        {"updatedSince": ""},
        {"updatedSince": "yesterday"},
        {"updatedSince": "2027-02-15"},
        {"updatedSince": "2027-02-15T09:30:00"},
        {"updatedSince": "2027-02-30T09:30:00Z"},
        {"updatedSince": "0001-01-01T00:00:00+14:00"},
        {"updatedSince": "2027-02-15T09:30:00Z", "status": "pending"},
        {"updatedSince": "2027-02-15T09:30:00Z", "cursor": "65cdd1a0f1d2c3b4a5968778"},
        {
            "updatedSince": "2027-02-15T09:30:00Z",
            "cursor": "99999999999999-65cdd1a0f1d2c3b4a5968778",
        },
        {"cursor": "1-65cdd1a0f1d2c3b4a5968778"},
    ],
)
def test_says_what_is_wrong_with_a_query(ask: Ask, query: dict[str, str]) -> None:
    answer = ask(**query)

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "text", ["2027-02-15T09:30:00Z", "2027-02-15t10:30:00.123456+01:00", "9999-12-31T23:59:59Z"]
)
def test_takes_every_moment_of_rfc_3339(ask: Ask, text: str) -> None:
    assert ask(updatedSince=text).json()["bookings"] == []


def test_shows_the_guest_in_one_answer_alone(ask: Ask, partner: Caller) -> None:
    outcome = book("key", caller=partner, guest=GUEST, notes="A quiet room.")
    booking_id = made(outcome)

    read = ask(f"/api/bookings/{booking_id}").json()["booking"]

    assert read["guest"] == GUEST | {"phone": read["guest"]["phone"]}
    assert (read["notes"], read["updatedAt"]) == ("A quiet room.", read["createdAt"])
    listed = json.dumps(ask().json())
    stored = collection("bookings").find_one({"_id": ObjectId(booking_id)})
    assert stored is not None
    kept = [outcome.answer.body, *(key["body"] for key in stored["keys"])]
    for said in ("Ada", "quiet"):
        assert said not in listed
        assert not [body for body in kept if said in body.decode()]


def test_shows_no_guest_after_an_erasure(ask: Ask, partner: Caller) -> None:
    booking_id = made(book("key", caller=partner, guest=GUEST, notes="A quiet room.", date=night()))

    erase_guests({"guest.email": GUEST["email"]})

    read = ask(f"/api/bookings/{booking_id}").json()["booking"]
    assert (read["guest"], read["notes"]) == ({"name": "", "email": "", "phone": ""}, "")
