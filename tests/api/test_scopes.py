"""A token does what its scopes allow, at its hotels alone, until its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from bookings.api import urls
from bookings.domain.callers import ACT_FOR_OTHERS, BOOK, READ
from bookings.infrastructure import clock, connections
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change
from bookings.models import ApiClient
from bookings.people import tokens
from bookings.people.tokens import Allowed
from tests.conftest import night

pytestmark = pytest.mark.mongo

STAY = f"checkIn={night()}&checkOut={night(32)}"

# By pattern of a URL: its method, a call of it about the hotel `grand`, and the scope that it
# needs. `{id}` is a booking there.
CALLS: dict[str, tuple[str, str, str]] = {
    "bookings": ("GET", "/api/bookings", BOOK),
    "bookings/<str:booking_id>": ("GET", "/api/bookings/{id}", BOOK),
    "bookings/<str:booking_id>/confirm": ("POST", "/api/bookings/{id}/confirm", BOOK),
    "bookings/<str:booking_id>/extend": ("POST", "/api/bookings/{id}/extend", BOOK),
    "bookings/<str:booking_id>/change": ("POST", "/api/bookings/{id}/change", BOOK),
    "bookings/<str:booking_id>/cancel": ("POST", "/api/bookings/{id}/cancel", BOOK),
    "hotels": ("GET", "/api/hotels", READ),
    "hotels/<str:hotel_id>": ("GET", "/api/hotels/grand", READ),
    "categories": ("GET", "/api/categories?hotelId=grand", READ),
    "rooms": ("GET", "/api/rooms?hotelId=grand", READ),
    "availability": ("GET", f"/api/availability?hotelId=grand&{STAY}", READ),
    "calendar": ("GET", f"/api/calendar?categoryId=grand_double&month={night()[:7]}", READ),
    "resources/available": (
        "GET", f"/api/resources/available?hotelId=grand&date={night()}", READ,
    ),
}  # fmt: skip
PATTERNS = [str(each.pattern) for each in urls.urlpatterns]

Partner = Callable[..., Callable[..., Any]]


@pytest.fixture
def partner(database: None, client: Client) -> Partner:
    """Makes calls with a new token of the same partner."""
    found = ApiClient.objects.create(name="partner", act_for_others=True)

    def with_token(**allowed: Any) -> Callable[..., Any]:
        token = tokens.issue_token(found.pk, Allowed(**allowed))

        def call(method: str, path: str, body: Any = None, key: str = "") -> Any:
            headers = {"authorization": f"Bearer {token}"}
            if key:
                headers["idempotency-key"] = key
            sent = {} if body is None else {"data": json.dumps(body)}
            return client.generic(
                method, path, content_type="application/json", headers=headers, **sent
            )

        return call

    return with_token


def hold_at_grand(call: Callable[..., Any], key: str = "hold") -> dict[str, Any]:
    wish = {"categoryId": "grand_double", "date": night(), "hold": True}
    answer = call("POST", "/api/bookings", wish, key)
    assert answer.status_code == 201, answer.content
    booking: dict[str, Any] = answer.json()["booking"]
    return booking


def body_of(pattern: str, held: dict[str, Any]) -> dict[str, Any] | None:
    """A change of the held stay to what it is already; no other call has a body."""
    if not pattern.endswith("/change"):
        return None
    return {
        "checkIn": held["checkIn"],
        "checkOut": held["checkOut"],
        "quotedTotal": held["price"]["total"],
    }


def test_judges_every_operation() -> None:
    assert list(CALLS) == PATTERNS


@pytest.mark.parametrize("pattern", PATTERNS)
def test_needs_the_scope(partner: Partner, pattern: str) -> None:
    method, path, scope = CALLS[pattern]
    held = hold_at_grand(partner())
    path, body = path.format(id=held["id"]), body_of(pattern, held)

    for has in (READ, BOOK):
        answer = partner(scopes=(has,))(method, path, body, key="hold")
        if has == scope:
            assert answer.status_code == 200, answer.content
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")
            assert "This token may not" in answer.json()["detail"]


def test_books_with_the_scope_alone(partner: Partner) -> None:
    wish = {"resourceId": "room_A", "date": night()}

    refused = partner(scopes=(READ, ACT_FOR_OTHERS))("POST", "/api/bookings", wish, "key")

    assert refused.status_code == 403
    assert collection("bookings").count_documents({}) == 0
    assert partner(scopes=(BOOK,))("POST", "/api/bookings", wish, "key").status_code == 201


def test_acts_for_others_with_the_scope_alone(partner: Partner) -> None:
    wish = {"resourceId": "room_A", "date": night(), "userId": "ada"}

    refused = partner(scopes=(BOOK,))("POST", "/api/bookings", wish, "key").json()

    assert (refused["code"], refused["detail"][:31]) == (
        "PERMISSION_DENIED",
        "You may book only for yourself;",
    )
    assert (
        partner(scopes=(BOOK, ACT_FOR_OTHERS))("POST", "/api/bookings", wish, "other").status_code
        == 201
    )


@pytest.mark.parametrize("pattern", PATTERNS)
def test_shows_nothing_of_another_hotel(partner: Partner, pattern: str) -> None:
    method, path, _ = CALLS[pattern]
    held = hold_at_grand(partner())
    before = collection("bookings").find_one({})

    path, body = path.format(id=held["id"]), body_of(pattern, held)

    answer = partner(hotels=("demo",))(method, path, body, key="hold")

    # The call itself may name it.
    said = answer.content.decode().replace(path, "")
    assert "grand" not in said
    assert held["reference"] not in said
    assert answer.status_code in (200, 400, 404)
    assert collection("bookings").find_one({}) == before
    # And everything of the hotel that the token is for.
    assert partner(hotels=("grand",))(method, path, body, key="hold").status_code == 200


@pytest.mark.parametrize(
    "wish",
    [
        {"categoryId": "grand_double"},
        {"resourceId": "grand_101"},
        {"rooms": [{"categoryId": "grand_double"}]},
        {"categoryId": "grand_double", "quotedTotal": 1},
        {"categoryId": "grand_double", "guests": 9},
    ],
)
def test_books_nothing_at_another_hotel_and_says_no_more_than_of_an_unknown_one(
    partner: Partner, wish: dict[str, Any]
) -> None:
    def ask(wish: dict[str, Any], key: str) -> Any:
        return partner(hotels=("demo",))("POST", "/api/bookings", {**wish, "date": night()}, key)

    unknown = json.loads(json.dumps(wish).replace("grand", "nowhere"))
    refused, as_unknown = ask(wish, "a"), ask(unknown, "b")

    assert (refused.status_code, refused.json()) == (as_unknown.status_code, as_unknown.json())
    assert refused.json()["code"] == "VALIDATION_ERROR"
    assert collection("bookings").count_documents({}) == 0


@pytest.mark.parametrize("redis", ["knows", "forgot"])
def test_repeats_no_answer_of_another_hotel(partner: Partner, redis: str) -> None:
    held = hold_at_grand(partner(), "used")
    if redis == "forgot":
        connections.redis().flushdb()

    answer = partner(hotels=("demo",))(
        "POST", "/api/bookings", {"resourceId": "room_A", "date": night()}, "used"
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")
    assert held["reference"] not in answer.content.decode()
    assert collection("bookings").count_documents({}) == 1


def test_takes_no_hold_at_another_hotel_for_its_own(partner: Partner) -> None:
    hold_at_grand(partner())

    wish = {"categoryId": "grand_double", "date": night(), "hold": True}
    again = partner(hotels=("demo",))("POST", "/api/bookings", wish, "another").json()

    assert again["code"] == "VALIDATION_ERROR"


def test_means_its_only_hotel_if_it_names_none(partner: Partner) -> None:
    one, two = partner(hotels=("grand",)), partner(hotels=("demo", "grand"))

    assert one("GET", "/api/categories").json()["hotelId"] == "grand"
    assert one("GET", f"/api/availability?{STAY}").json()["hotelId"] == "grand"
    # The site's default hotel is among them.
    assert two("GET", "/api/categories").json()["hotelId"] == "demo"


def test_lists_its_hotels_alone_and_lists_of_bookings_too(partner: Partner) -> None:
    everywhere, at_demo = partner(), partner(hotels=("demo",))
    hold_at_grand(everywhere)
    everywhere("POST", "/api/bookings", {"resourceId": "room_A", "date": night()}, "here")
    settled = clock.now() - timedelta(minutes=1)
    collection("bookings").update_many({}, {"$set": {"updated_at": settled}})

    listed = at_demo("GET", "/api/bookings").json()["bookings"]
    changed = at_demo("GET", "/api/bookings?updatedSince=2020-01-01T00:00:00Z").json()["bookings"]

    assert [each["hotelId"] for each in listed] == ["demo"]
    assert [each["hotelId"] for each in changed] == ["demo"]
    assert [each["id"] for each in at_demo("GET", "/api/hotels").json()["hotels"]] == ["demo"]


def test_ends_by_itself(partner: Partner) -> None:
    call = partner(ends_at=clock.now() + timedelta(days=1))
    assert call("GET", "/api/hotels").status_code == 200

    collection("api_tokens").update_one({}, {"$set": {"ends_at": clock.now()}})
    announce_change()

    assert call("GET", "/api/hotels").status_code == 401


def test_may_everything_if_it_is_older_than_scopes(partner: Partner) -> None:
    call = partner(scopes=(READ,), hotels=("demo",), ends_at=clock.now())
    collection("api_tokens").update_many({}, {"$unset": {"scopes": 1, "hotels": 1, "ends_at": 1}})
    announce_change()

    wish = {"categoryId": "grand_double", "date": night(), "userId": "ada"}
    assert call("POST", "/api/bookings", wish, "key").status_code == 201


def test_is_issued_with_what_the_command_says(database: None, capsys: Any) -> None:
    last = night(40)
    call_command("issue_token", "partner", scope=[READ], hotel=["demo"], last_day=last)
    caller = tokens.find_caller(capsys.readouterr().out.split()[-1])
    (stored,) = collection("api_tokens").find()

    assert caller is not None
    assert (caller.scopes, caller.hotels) == ({READ}, {"demo"})
    assert not caller.may_act_for_others
    assert stored["ends_at"].isoformat().startswith(night(41))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"hotel": ["demo", "nowhere"]}, "There is no hotel nowhere"),
        ({"last_day": "tomorrow"}, "Give --last-day a day"),
        ({"last_day": "2020-01-01"}, "Give --last-day a day"),
        ({"scope": [READ], "act_for_others": True}, "This token could not act for others"),
        ({"scope": [BOOK], "act_for_others": True}, "This token could not act for others"),
        ({"scope": [READ, ACT_FOR_OTHERS]}, "can act for others only if it may book"),
    ],
)
def test_is_not_issued_with_a_wrong_option(
    database: None, wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("issue_token", "partner", **wrong)

    assert collection("api_tokens").count_documents({}) == 0
    assert collection("api_clients").count_documents({}) == 0
