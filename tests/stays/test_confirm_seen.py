"""A confirmation books what the person has seen: staff may have moved the hold meanwhile."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import ApiClient
from bookings.people import tokens
from bookings.stays import lifecycle
from bookings.stays.create import Outcome
from bookings.stays.writing import changes
from tests.calls import CUSTOMER, PARTNER, book, confirm, let_server_keys_end, stored
from tests.conftest import night
from tests.hotels import put_night

STAFF = Caller("user", "staff")

# The stay on a customer's page, and the stay after staff moved it.
SEEN = {
    "checkIn": night(30),
    "checkOut": night(32),
    "quotedTotal": 20_000,
    "resourceIds": ["inn_A"],
}
MOVED = {
    "checkIn": night(50),
    "checkOut": night(51),
    "quotedTotal": 99_900,
    "resourceIds": ["inn_A"],
}

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def hold(key: str | None = "key", **fields: Any) -> Outcome:
    stay = {"resourceId": "inn_A", "checkIn": night(30), "checkOut": night(32)}
    return book(key, hold=True, **{**stay, **fields})


def move(held: Outcome, *rooms: str, first: int = 50, last: int = 51, key: str = "move") -> Outcome:
    moved = lifecycle.move_booking(
        actor=STAFF,
        booking_id=held.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
        room_ids=rooms or ("inn_A",),
        check_in=date.fromisoformat(night(first)),
        check_out=date.fromisoformat(night(last)),
    )
    assert moved.code is None, moved.content
    return moved


def confirm_seen(
    held: Outcome, seen: Any, key: str = "key", *, actor: Caller = PARTNER, as_staff: bool = False
) -> Outcome:
    return lifecycle.confirm_booking(
        actor=actor,
        booking_id=held.content["booking"]["id"],
        key_header=None if as_staff else key,
        deadline=Deadline.after(10),
        as_staff=as_staff,
        read_seen=lambda: seen,
    )


@pytest.fixture
def dear_night() -> None:
    put_night("inn_double", night(50), price=99_900)


@pytest.mark.usefixtures("dear_night")
def test_books_nothing_that_its_key_was_not_told() -> None:
    held = hold()
    move(held)

    refused = confirm(held)

    assert refused.code == "PRICE_CHANGED"
    assert stored()[0]["status"] == "pending"
    assert "99900 EUR" in refused.content["error"]
    assert refused.content["booking"]["checkIn"] == night(50)
    assert refused.content["booking"]["price"]["total"] == 99_900


@pytest.mark.usefixtures("dear_night")
def test_books_what_was_seen_under_the_same_key_after_a_refusal() -> None:
    held = hold()
    move(held)
    confirm(held)

    old = confirm_seen(held, SEEN)
    confirmed = confirm_seen(held, MOVED)

    assert old.code == "PRICE_CHANGED"
    assert confirmed.content["booking"]["status"] == "confirmed"
    assert confirmed.content["booking"]["price"]["total"] == 99_900
    assert confirm(held).answer == confirmed.answer


@pytest.mark.usefixtures("dear_night")
@pytest.mark.parametrize("left_out", ["checkIn", "checkOut", "quotedTotal"])
def test_relies_for_what_is_not_said_on_what_the_key_was_told(left_out: str) -> None:
    held = hold()
    move(held)

    refused = confirm_seen(held, {name: MOVED[name] for name in MOVED if name != left_out})

    assert refused.code == "PRICE_CHANGED"


def test_books_no_other_kind_of_room_at_the_same_price() -> None:
    held = hold()
    move(held, "inn_S", first=30, last=32)

    unsaid = confirm(held)
    said = confirm_seen(held, {"resourceIds": ["inn_S"]})

    assert unsaid.code == "PRICE_CHANGED"
    assert unsaid.content["booking"]["price"]["total"] == 20_000
    assert said.code is None


def test_books_another_room_of_the_kind_unless_that_very_room_was_seen() -> None:
    held, other = hold(), hold("other", resourceId="inn_B")
    move(held, "inn_C", first=30, last=32)
    move(other, "inn_A", first=30, last=32)

    unsaid = confirm(held)
    said = confirm_seen(other, {"resourceIds": ["inn_B"]}, "other")

    assert unsaid.content["booking"]["resourceId"] == "inn_C"
    assert said.code == "PRICE_CHANGED"


def test_confirms_what_was_moved_away_and_back() -> None:
    held = hold()
    move(held, key="there")
    move(held, first=30, last=32, key="back")

    assert confirm(held).code is None


@pytest.mark.usefixtures("dear_night")
def test_replays_a_create_as_it_was_and_refuses_its_confirm() -> None:
    held = hold()
    move(held)
    connections.redis().flushdb()

    again = hold()
    refused = confirm(again)

    assert again.answer.body == held.answer.body
    assert again.replayed
    assert refused.code == "PRICE_CHANGED"


@pytest.mark.usefixtures("dear_night")
def test_replays_a_confirmation_whatever_became_of_it() -> None:
    held = hold()
    confirmed = confirm(held)
    move(held)
    connections.redis().flushdb()

    assert confirm(held).answer == confirmed.answer
    assert confirm_seen(held, MOVED).answer == confirmed.answer
    assert confirm_seen(held, "no object").answer == confirmed.answer


@pytest.mark.usefixtures("dear_night")
def test_is_refused_where_it_is_moved_between_the_look_and_the_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = hold()
    original = changes.change_booking
    moves = [lambda: move(held)]

    def change(*arguments: Any, **options: Any) -> bool:
        if moves:
            moves.pop()()
        return original(*arguments, **options)

    monkeypatch.setattr(changes, "change_booking", change)

    assert confirm(held).code == "PRICE_CHANGED"
    assert stored()[0]["status"] == "pending"


@pytest.mark.usefixtures("dear_night")
def test_tells_a_key_that_came_after_the_move_apart_from_one_before() -> None:
    held = hold()
    move(held)
    hold("later", checkIn=night(50), checkOut=night(51))

    assert len(stored()) == 1
    assert confirm(held).code == "PRICE_CHANGED"
    assert confirm(held, "later").code is None


@pytest.mark.usefixtures("dear_night")
def test_knows_what_a_key_was_told_that_means_another_hold_by_now() -> None:
    held = hold(None)
    move(held)
    let_server_keys_end()
    hold(None)

    assert len(stored()) == 2
    assert confirm(held, held.key).code == "PRICE_CHANGED"
    assert confirm_seen(held, MOVED, held.key).code is None


@pytest.mark.usefixtures("dear_night")
def test_lets_staff_confirm_what_their_page_shows() -> None:
    held = hold(caller=CUSTOMER)
    move(held)

    old = confirm_seen(held, SEEN, actor=STAFF, as_staff=True)
    confirmed = confirm_seen(held, MOVED, actor=STAFF, as_staff=True)

    assert old.code == "PRICE_CHANGED"
    assert "confirm again" in old.content["error"]
    assert confirmed.code is None


@pytest.mark.usefixtures("dear_night")
def test_takes_what_was_seen_in_the_body_of_a_request() -> None:
    client = ApiClient.objects.create(name="partner")
    held = hold(caller=Caller("client", str(client.pk)))
    move(held)
    partner = Client(headers={"Authorization": f"Bearer {tokens.issue_token(client.pk)}"})
    address = f"/api/bookings/{held.content['booking']['id']}/confirm"

    def post(**body: Any) -> Any:
        return partner.post(address, headers={"Idempotency-Key": "key"}, **body)

    unsaid, empty = post(), post(data={}, content_type="application/json")
    form = post(data="quotedTotal=99900", content_type="application/x-www-form-urlencoded")
    told = unsaid.json()["booking"]
    agreed = {
        "checkIn": told["checkIn"],
        "checkOut": told["checkOut"],
        "quotedTotal": told["price"]["total"],
    }
    confirmed = post(data=agreed, content_type="application/json")

    assert [answer.status_code for answer in (unsaid, empty, form)] == [409, 409, 409]
    assert confirmed.status_code == 200
    assert post().content == confirmed.content


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ([], "MALFORMED_JSON"),
        ({"checkIn": "tomorrow"}, "VALIDATION_ERROR"),
        ({"checkOut": None}, "VALIDATION_ERROR"),
        ({"quotedTotal": "20000"}, "VALIDATION_ERROR"),
        ({"quotedTotal": -1}, "VALIDATION_ERROR"),
        ({"resourceIds": "inn_A"}, "VALIDATION_ERROR"),
        ({"resourceIds": [7]}, "VALIDATION_ERROR"),
        ({"resourceIds": ["inn_A"] * 11}, "VALIDATION_ERROR"),
        ({"total": 20_000}, "VALIDATION_ERROR"),
    ],
)
def test_refuses_what_cannot_have_been_seen(seen: Any, code: str) -> None:
    held = hold()

    refused = confirm_seen(held, seen)

    assert refused.code == code
    assert confirm(held).code is None
