"""Bad input gets the right 4xx with a code, and nothing is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bookings.infrastructure import connections
from tests.conftest import night
from tests.site import Site

pytestmark = pytest.mark.site

GOOD: dict[str, Any] = {"userId": "ada", "resourceId": "room_A", "date": night()}


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {**{name: GOOD[name] for name in GOOD if name not in names}, **more}


BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "a day that does not exist": (without(date="2031-99-99"), "date"),
    "29 February in a common year": (without(date="2031-02-29"), "date"),
    "yesterday": (without(date=night(-2)), "checkIn"),
    "beyond the horizon": (without(date=night(900)), "checkOut"),
    "the end of the calendar": (without(date="9999-12-31"), "date"),
    "another spelling of a date": (without(date="2031-2-1"), "date"),
    "a date with a time": (without(date="2031-02-01T00:00:00Z"), "date"),
    "a date in other digits": (without(date="٢٠٣١-٠٢-٠١"), "date"),
    "a date as a number": (without(date=20310201), "date"),
    "a date as null": (without(date=None), "date"),
    "no date": (without("date"), "date"),
    "both spellings of a stay": (without(checkIn=night(), checkOut=night(31)), "date"),
    "half a stay": (without("date", checkIn=night()), "checkOut"),
    "check-out before check-in": (
        without("date", checkIn=night(31), checkOut=night(30)),
        "checkOut",
    ),
    "no night": (without("date", checkIn=night(), checkOut=night()), "checkOut"),
    "91 nights": (without("date", checkIn=night(1), checkOut=night(92)), "checkOut"),
    "no room": (without("resourceId"), "resourceId"),
    "an unknown room": (without(resourceId="room_Z"), "resourceId"),
    "a room as null": (without(resourceId=None), "resourceId"),
    "an operator as a room": (without(resourceId={"$ne": ""}), "resourceId"),
    "a list as a room": (without(resourceId=["room_A"]), "resourceId"),
    "an operator as a user": (without(userId={"$gt": ""}), "userId"),
    "an operator as a date": (without(date={"$ne": ""}), "date"),
    "NUL in a room": (without(resourceId="room_A\x00"), "resourceId"),
    "NUL in a user": (without(userId="a\x00b"), "userId"),
    "half a surrogate pair": (without(userId="\ud800"), "userId"),
    "an empty user": (without(userId=""), "userId"),
    "a long user": (without(userId="x" * 129), "userId"),
    "no guests": (without(guests=0), "guests"),
    "too many guests": (without(guests=3), "guests"),
    "guests beyond any number": (without(guests=10**40), "guests"),
    "guests as text": (without(guests="2"), "guests"),
    "guests as true": (without(guests=True), "guests"),
    "guests as a fraction": (without(guests=1.5), "guests"),
    "hold as text": (without(hold="yes"), "hold"),
    "hold as null": (without(hold=None), "hold"),
    "a guest as text": (without(guest="Ada"), "guest"),
    "a guest without an address": (without(guest={"email": "nobody"}), "guest.email"),
    "an unknown field of a guest": (without(guest={"vip": True}), "guest.vip"),
    "long notes": (without(notes="x" * 2001), "notes"),
    "a negative total": (without(quotedTotal=-1), "quotedTotal"),
    "an unknown field": (without(resouceId="room_A"), "resouceId"),
    "two ways to name rooms": (without(categoryId="demo_double"), "resourceId"),
    "an operator as a field": (without(**{"$where": "1"}), "$where"),
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_names_the_field_that_is_wrong(site: Site, name: str) -> None:
    body, field = BAD_FIELDS[name]

    answer = site.book("key", **body)

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert nothing_written()


BAD_BODIES: dict[str, tuple[bytes, str | None, int, str]] = {
    "nothing": (b"", None, 400, "VALIDATION_ERROR"),
    "half an object": (b'{"userId": ', None, 400, "MALFORMED_JSON"),
    "a list": (b"[]", None, 400, "MALFORMED_JSON"),
    "null": (b"null", None, 400, "MALFORMED_JSON"),
    "text": (b'"book it"', None, 400, "MALFORMED_JSON"),
    "not a number": (b'{"guests": NaN}', None, 400, "MALFORMED_JSON"),
    "broken UTF-8": (b'{"userId": "\xff\xfe"}', None, 400, "MALFORMED_JSON"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), None, 400, "MALFORMED_JSON"),
    "endless digits": (b'{"guests": ' + b"9" * 5000 + b"}", None, 400, "MALFORMED_JSON"),
    "deep nesting": (b"[" * 20_000 + b"]" * 20_000, None, 400, "MALFORMED_JSON"),
    "2 MB": (b'{"notes": "' + b"x" * 2_000_000 + b'"}', None, 413, "PAYLOAD_TOO_LARGE"),
    "a form": (b"resourceId=room_A", "application/x-www-form-urlencoded", 415,
               "UNSUPPORTED_MEDIA_TYPE"),
    "XML": (b"<booking/>", "application/xml", 415, "UNSUPPORTED_MEDIA_TYPE"),
}  # fmt: skip


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("name", BAD_BODIES)
def test_refuses_a_body_it_cannot_read(site: Site, name: str, with_key: bool) -> None:
    body, content_type, status, code = BAD_BODIES[name]

    answer = site.request(
        "POST",
        "/api/bookings",
        data=body,
        key="key" if with_key else None,
        headers={"Content-Type": content_type} if content_type else None,
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert nothing_written()


@pytest.mark.parametrize(
    "key",
    ["", "two words", '"open', 'a"b', "a\\b", "a,b", '"a","b"', "x" * 256, "clé", "auto:abc",
     '""', '"a";p=1', "a\tb"],
)  # fmt: skip
def test_refuses_a_key_that_is_not_one(site: Site, key: str) -> None:
    answer = site.request(
        "POST",
        "/api/bookings",
        json_body=GOOD,
        headers={"Idempotency-Key": key.encode("latin-1")},  # type: ignore[dict-item]
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_IDEMPOTENCY_KEY")
    assert nothing_written()


def test_reads_a_quoted_key_and_a_bare_one_as_the_same(site: Site) -> None:
    first = site.book("one-key", **GOOD)
    again = site.book('"one-key"', **GOOD)

    assert first.status_code == 201
    assert again.content == first.content


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nowhere", 404, "NOT_FOUND"),
        ("GET", "/api/", 404, "NOT_FOUND"),
        ("GET", "/api/bookings/not-an-id", 404, "NOT_FOUND"),
        ("GET", "/api/bookings/" + "0" * 24, 404, "NOT_FOUND"),
        ("POST", "/api/bookings/" + "0" * 24 + "/cancel", 404, "NOT_FOUND"),
        ("DELETE", "/api/bookings", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/bookings?status=open", 400, "VALIDATION_ERROR"),
        ("GET", "/api/bookings?date=tomorrow", 400, "VALIDATION_ERROR"),
        ("GET", "/api/bookings?limit=0", 400, "VALIDATION_ERROR"),
        ("GET", "/api/bookings?limit=1e3", 400, "VALIDATION_ERROR"),
        ("GET", "/api/bookings?cursor=x", 400, "VALIDATION_ERROR"),
        ("GET", "/api/bookings?stauts=pending", 400, "VALIDATION_ERROR"),
        ("GET", "/api/bookings?userId=%00", 400, "VALIDATION_ERROR"),
        ("GET", "/api/resources/available", 400, "VALIDATION_ERROR"),
        ("GET", "/api/resources/available?date=2031-02-29", 400, "VALIDATION_ERROR"),
        ("GET", f"/api/resources/available?date={night(-2)}", 400, "VALIDATION_ERROR"),
        ("GET", f"/api/resources/available?date={night()}&hotelId=x", 400, "VALIDATION_ERROR"),
        ("GET", "/api/availability", 400, "VALIDATION_ERROR"),
        ("GET", f"/api/availability?checkIn={night()}", 400, "VALIDATION_ERROR"),
        (
            "GET",
            f"/api/availability?checkIn={night(9)}&checkOut={night(9)}",
            400,
            "VALIDATION_ERROR",
        ),
        (
            "GET",
            f"/api/availability?checkIn={night(9)}&checkOut={night(100)}",
            400,
            "VALIDATION_ERROR",
        ),
        (
            "GET",
            f"/api/availability?checkIn={night(9)}&checkOut={night(10)}&guests=0",
            400,
            "VALIDATION_ERROR",
        ),
        ("GET", "/api/calendar?month=2027-02", 400, "VALIDATION_ERROR"),
        ("GET", "/api/calendar?categoryId=nowhere&month=2027-02", 400, "VALIDATION_ERROR"),
        ("GET", "/api/calendar?categoryId=demo_double", 400, "VALIDATION_ERROR"),
        ("GET", "/api/calendar?categoryId=demo_double&month=2027-13", 400, "VALIDATION_ERROR"),
        ("GET", "/api/calendar?categoryId=demo_double&month=9999-12", 400, "VALIDATION_ERROR"),
        ("POST", "/api/bookings/" + "0" * 24 + "/extend", 404, "NOT_FOUND"),
    ],
)
def test_answers_a_problem_for_every_wrong_address(
    site: Site, method: str, path: str, status: int, code: str
) -> None:
    answer = site.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"] == answer.json()["error"]


@pytest.mark.parametrize("token", ["", "wrong", "bks_wrong"])
def test_asks_for_a_token(site: Site, token: str) -> None:
    answer = site.book("key", token=token, **GOOD)

    assert (answer.status_code, answer.json()["code"]) == (401, "NOT_AUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert nothing_written()


def test_answers_json_only(site: Site) -> None:
    answer = site.get("/api/bookings", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.json()["code"]) == (406, "NOT_ACCEPTABLE")


def nothing_written() -> bool:
    return connections.collection("bookings").count_documents({}) == 0
