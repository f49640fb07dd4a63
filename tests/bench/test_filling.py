"""Copies of a booking show the same on every page, however many there are, and keep the indexes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import date, timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User

from bench.load import filling
from bookings.domain.booking import from_document
from bookings.infrastructure.connections import collection
from tests.calls import PARTNER, book

pytestmark = pytest.mark.mongo


class AtOnce:
    """Does the work on the test's own thread, so that it is the test that writes bookings."""

    def __init__(self, _: int) -> None:
        return

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def submit(self, work: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **options))
        return done


@pytest.fixture
def staff(monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setattr(filling, "ThreadPoolExecutor", AtOnce)
    return User.objects.create(username="bench", is_staff=True)


def test_makes_the_indexes_again(staff: User) -> None:
    before = collection("bookings").index_information()
    book()

    filling.copy_newest(0)

    assert collection("bookings").index_information() == before
    assert collection("bookings").count_documents({}) == 1 + filling.CORE


def test_adds_only_what_the_coming_nights_of_the_hotel_do_not_show(
    staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "CORE_NIGHTS", 4)
    monkeypatch.setattr(filling, "CORE", 4 * filling.ROOMS // 2)
    monkeypatch.setattr(filling, "OWN", 2)
    book()
    today = date.today().isoformat()  # noqa: DTZ011

    assert filling.copy_newest(1_000) == 1_000

    at_hotel = {"hotel": filling.HOTEL}
    ahead = collection("bookings").count_documents(at_hotel | {"check_in": {"$gte": today}})
    assert ahead == filling.CORE
    assert collection("bookings").count_documents(at_hotel) > ahead
    own = collection("bookings").find({"owner": f"user:{staff.pk}"}).sort("_id")
    assert [each["_id"] for each in own] == [ObjectId(filling.OWN_ID), ObjectId(f"{2:024x}")]
    of_partner = collection("bookings").count_documents({"owner": str(PARTNER)})
    assert of_partner > filling.CORE - filling.OWN


def test_copies_are_bookings_of_one_night(staff: User) -> None:
    book()

    filling.copy_newest(0)

    copied = from_document(collection("bookings").find_one({"reference": "FILLED-100"}) or {})
    assert copied.check_out - copied.check_in == timedelta(days=1)
    assert copied.guest.name == filling.RARE_NAME
    assert not copied.outbox
