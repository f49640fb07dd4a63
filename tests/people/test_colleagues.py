"""Which hotels an invited colleague belongs to."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client

from bookings.infrastructure import clock
from bookings.models import VerifiedAddress
from bookings.people import colleagues, staff_hotels, team
from bookings.people.roles import FRONT_DESK, MANAGER

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

ADA = "ada@inn.example"


def invite(hotel: str | None, role: str = FRONT_DESK) -> frozenset[str] | None:
    """Invites Ada and returns the hotels that she belongs to then."""
    colleagues.invite(address=ADA, name="Ada", role=role, hotel=hotel)
    return staff_hotels.hotels_of(User.objects.get(email=ADA))


def test_lets_a_new_colleague_belong_to_the_hotel_where_they_are_invited() -> None:
    assert invite("inn") == {"inn"}


def test_lets_a_new_colleague_belong_to_all_hotels_if_the_owner_says_so() -> None:
    assert invite(None) is None


def test_adds_the_hotel_for_those_who_belong_to_another_one() -> None:
    invite("inn")

    assert invite("demo", MANAGER) == {"inn", "demo"}
    assert invite("demo") == {"inn", "demo"}
    assert invite(None) is None


def test_limits_no_one_who_belongs_to_all_hotels() -> None:
    invite(None)

    assert invite("inn", MANAGER) is None


def test_lets_a_guest_who_joins_belong_to_the_hotel_alone() -> None:
    guest = User.objects.create_user(ADA, ADA, "secret")
    VerifiedAddress.objects.create(address=ADA, user=guest, verified_at=clock.now())

    assert invite("inn") == {"inn"}


def test_lets_a_former_colleague_who_joins_again_belong_to_the_hotel_alone() -> None:
    guest = User.objects.create_user(ADA, ADA, "secret")
    VerifiedAddress.objects.create(address=ADA, user=guest, verified_at=clock.now())
    assert staff_hotels.set_hotels(guest.pk, frozenset({"demo"}), before=None)

    assert invite("inn") == {"inn"}


@pytest.mark.parametrize("killed_at", ["_give_role", "_let_belong"])
def test_never_leaves_rights_at_all_hotels_when_it_is_killed_half_way(
    monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(colleagues, killed_at, die)
    with pytest.raises(KeyboardInterrupt):
        invite("inn")
    monkeypatch.undo()

    for user in User.objects.filter(is_staff=True):
        assert staff_hotels.hotels_of(user) == {"inn"}
    assert invite("inn") == {"inn"}


def test_leaves_no_limit_behind_for_an_account_that_was_not_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def be_late(*_: Any, **__: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(User, "save", be_late)
    made: list[Any] = []
    add_hotel = staff_hotels.add_hotel

    def remember(user_id: Any, *args: Any, **named: Any) -> None:
        made.append(user_id)
        add_hotel(user_id, *args, **named)

    monkeypatch.setattr(staff_hotels, "add_hotel", remember)
    with pytest.raises(colleagues.CannotJoin):
        colleagues.invite(address=ADA, name="Ada", role=FRONT_DESK, hotel="inn")

    assert staff_hotels.read_limits(made) == {}


def test_lists_those_who_belong_to_the_hotel(client: Client) -> None:
    invite("demo")
    User.objects.create_superuser("owner", first_name="Olga")
    User.objects.create_user("everywhere", is_staff=True)

    listed = {each.name: each.hotels for each in team.list_open_at("inn")}

    assert listed == {"Olga": None, "everywhere": None}
    assert {each.name for each in team.list_open_at("demo")} == {
        "Ada",
        "Olga",
        "everywhere",
    }
