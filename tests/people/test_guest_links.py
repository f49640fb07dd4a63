"""One person's stays belong together: by e-mail address, and by what staff say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bson import ObjectId

from bookings import points
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.people import erasure, guest_links
from bookings.refusals import ValidationFailed
from tests.calls import book
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("database")]

CLERK = Caller("user", "clerk")
ADA = {"name": "Ada Lovelace", "email": "ada@example.org"}


def stay(key: str, room: str = "room_A", **fields: object) -> str:
    """Books a stay and returns its id."""
    made = book(key, resourceId=room, **fields)
    booking_id: str = made.content["booking"]["id"]
    return booking_id


def ids_of(booking_id: str, **options: object) -> set[str]:
    person = guest_links.find_person(booking_id, hotels=None, **options)  # type: ignore[arg-type]
    assert person is not None
    return {str(each.id) for each in person.stays}


@pytest.fixture
def at_point() -> Iterator[None]:
    yield
    points.install(None)


def test_puts_stays_with_one_address_together_and_no_others() -> None:
    one = stay("1", guest=ADA)
    two = stay("2", "room_B", guest={"name": "A. King", "email": "ADA@Example.ORG"})
    stay("3", "room_C", guest={"name": "Ada Lovelace", "email": "ada@example.com"})
    nameless = stay("4", "room_A", date=night(31))
    stay("5", "room_B", date=night(31))

    assert ids_of(one) == ids_of(two) == {one, two}
    assert ids_of(nameless) == {nameless}


def test_follows_links_and_addresses_to_the_end() -> None:
    """Address, link, address: the first and the last have nothing in common themselves."""
    one = stay("1", guest=ADA)
    two = stay("2", "room_B", guest={"name": "Ada", "email": "ada@example.org"})
    three = stay("3", "room_C", guest={"name": "Ada", "email": "ada@work.example"})
    four = stay("4", date=night(31), guest={"email": "ada@work.example"})

    assert guest_links.join(two, three, note="Says so herself.", by=CLERK)

    assert ids_of(one) == ids_of(four) == {one, two, three, four}
    person = guest_links.find_person(one, hotels=None)
    assert person is not None
    assert [(link.note, link.by) for link in person.links] == [("Says so herself.", "user:clerk")]
    assert person.addresses == ["ada@example.org", "ada@work.example"]


def test_joins_once_whichever_comes_first_and_takes_it_back_once() -> None:
    one, two = stay("1", guest=ADA), stay("2", "room_B", guest={"name": "Ada"})

    said = [guest_links.join(*pair, note="", by=CLERK) for pair in ((one, two), (two, one))]
    person = guest_links.find_person(one, hotels=None)
    assert person is not None
    (link,) = person.links
    taken = [guest_links.part(link.id, by=CLERK) for _ in range(2)]

    assert (said, taken) == ([True, False], [True, False])
    assert ids_of(one) == {one}


@pytest.mark.parametrize("other", ["nonsense", "0" * 24, "itself", "nameless"])
def test_joins_only_two_stays_of_guests(other: str) -> None:
    one = stay("1", guest=ADA)
    nameless = stay("2", "room_B")
    asked = {"itself": one, "nameless": nameless}.get(other, other)

    with pytest.raises(ValidationFailed):
        guest_links.join(one, asked, note="", by=CLERK)

    assert connections.collection("guest_links").count_documents({}) == 0


@pytest.mark.usefixtures("inn")
def test_follows_nothing_at_a_hotel_of_others() -> None:
    one = stay("1", guest=ADA)
    two = stay("2", "inn_A", guest=ADA)
    three = stay("3", "inn_B", guest={"name": "Ada"})
    guest_links.join(one, three, note="", by=CLERK)
    (link,) = connections.collection("guest_links").find()
    of_inn = Caller("user", "clerk", hotels=frozenset({"inn"}))

    person = guest_links.find_person(two, hotels=frozenset({"inn"}))

    assert person is not None
    assert ({str(each.id) for each in person.stays}, person.links) == ({two}, ())
    assert guest_links.find_person(one, hotels=frozenset({"inn"})) is None
    assert guest_links.part(link["_id"], by=of_inn) is False
    with pytest.raises(ValidationFailed):
        guest_links.join(two, one, note="", by=of_inn)


def test_shows_at_most_so_many_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_links, "MAX_STAYS", 2)
    one = [stay(str(n), f"room_{'ABC'[n]}", guest=ADA) for n in range(3)][0]

    person = guest_links.find_person(one, hotels=None)

    assert person is not None
    assert (len(person.stays), person.is_cut) == (2, True)


def test_forgets_a_link_with_the_guest() -> None:
    one = stay("1", guest=ADA)
    two = stay("2", "room_B", guest={"name": "Ada"})
    guest_links.join(one, two, note="Her maiden name.", by=CLERK)

    erasure.erase_guest("ada@example.org", including_upcoming=True)

    assert connections.collection("guest_links").count_documents({}) == 0


def test_leaves_no_link_if_the_guest_is_erased_in_the_middle(at_point: None) -> None:
    """The erasure has looked for links before this one is written."""
    one = stay("1", guest=ADA)
    two = stay("2", "room_B", guest={"name": "Ada"})

    def erase(point: str) -> None:
        if point == "after_link":
            points.install(None)
            link = connections.collection("guest_links").find_one_and_delete({})
            erasure.erase_guest("ada@example.org", including_upcoming=True)
            connections.collection("guest_links").insert_one(link)

    points.install(erase)
    with pytest.raises(ValidationFailed):
        guest_links.join(one, two, note="Her maiden name.", by=CLERK)

    assert connections.collection("guest_links").count_documents({}) == 0


def test_erases_stays_without_an_address_too() -> None:
    one = stay("1", guest={"name": "Ada", "phone": "+44 20 7946 0958"}, notes="One-legged.")
    two = stay("2", "room_B", guest=ADA)
    ids = [ObjectId(one), ObjectId(two)]

    with pytest.raises(erasure.ErasureRefused):
        erasure.erase_without_address(ids)
    erased = [erasure.erase_without_address(ids, including_upcoming=True) for _ in range(2)]

    assert erased == [1, 0]
    found = {str(each.id): each for each in guest_links.find_stays(ids, hotels=None)}
    assert (found[one].guest.name, found[one].notes) == ("", "")
    assert found[two].guest.name == "Ada Lovelace"
