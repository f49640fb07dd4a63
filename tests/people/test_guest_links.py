"""One person's stays belong together: by e-mail address, and by what staff say."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User

from bookings import points
from bookings.domain.callers import Caller, caller_of_user
from bookings.infrastructure import connections
from bookings.operations.doctor import people
from bookings.people import erasure, guest_links, retention_rules
from bookings.refusals import TryAgain, ValidationFailed
from bookings.stays import remarks
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


def once(name: str, act: Callable[[], object]) -> Callable[[str], None]:
    """Acts at this point, the first time that it is reached."""

    def handle(point: str) -> None:
        if point == name:
            points.install(None)
            act()

    return handle


def test_leaves_no_link_that_is_made_while_the_guest_is_erased(at_point: None) -> None:
    one = stay("1", guest=ADA)
    two = stay("2", "room_B", guest={"name": "Ada"})
    said: list[bool] = []
    points.install(
        once("in_erasure", lambda: said.append(guest_links.join(one, two, note="Née.", by=CLERK)))
    )

    erasure.erase_guest("ada@example.org", including_upcoming=True)

    assert said == [True]
    assert connections.collection("guest_links").count_documents({}) == 0


def test_makes_no_link_if_the_guest_is_erased_meanwhile(at_point: None) -> None:
    one = stay("1", guest=ADA)
    two = stay("2", "room_B", guest={"name": "Ada"})
    rival = Thread(target=lambda: erasure.erase_guest("ada@example.org", including_upcoming=True))

    # The erasure waits for the bookings that the link is about, or comes first.
    points.install(once("before_link", rival.start))
    with contextlib.suppress(ValidationFailed):
        guest_links.join(one, two, note="Her maiden name.", by=CLERK)
    rival.join()

    assert connections.collection("guest_links").count_documents({}) == 0


def person_of(booking_id: str) -> guest_links.Person:
    person = guest_links.find_person(booking_id, hotels=None)
    assert person is not None
    return person


def test_erases_all_stays_of_a_person_with_what_was_noted() -> None:
    one = stay("1", guest={"name": "Ada", "phone": "+44 20 7946 0958"}, notes="One-legged.")
    two = stay("2", "room_B", guest=ADA)
    blank = stay("3", "room_C")
    guest_links.join(one, two, note="Says so.", by=CLERK)
    remarks.add_remark(actor=CLERK, booking_id=blank, key_header="r", text="Ada is blind.")

    with pytest.raises(erasure.ErasureRefused):
        erasure.erase_person(person_of(one))
    assert remarks.list_remarks([ObjectId(blank)])
    erased = erasure.erase_person(person_of(one), including_upcoming=True)
    erasure.erase_person(person_of(blank), including_upcoming=True)

    assert (erased.bookings, erased.accounts, erased.left) == (2, 0, ())
    names = [each["guest"]["name"] for each in connections.collection("bookings").find()]
    assert names == ["", "", ""]
    assert remarks.list_remarks([ObjectId(blank)]) == {}
    assert connections.collection("guest_links").count_documents({}) == 0


def test_leads_to_the_rest_of_an_erasure_that_was_cut_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = stay("1", guest=ADA)
    two = stay("2", "room_B", guest={"name": "Ada", "email": "ada@work.example"})
    guest_links.join(one, two, note="Says so herself.", by=CLERK)
    whole = erasure.erase_guest

    def cut(address: str, **options: Any) -> Any:
        if address == "ada@work.example":
            raise TryAgain
        return whole(address, **options)

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "erase_guest", cut)
        with pytest.raises(TryAgain):
            erasure.erase_person(person_of(one), including_upcoming=True)
    found = people.guest_data()

    erased = erasure.erase_person(person_of(one), including_upcoming=True)

    assert (found.level, people.guest_data().level) == ("warn", "ok")
    assert erased.bookings == 1
    assert [each["guest"]["name"] for each in connections.collection("bookings").find()] == ["", ""]
    assert connections.collection("guest_links").count_documents({}) == 0


def test_names_a_stay_that_a_colleague_changed_in_the_middle(at_point: None) -> None:
    """It may be another guest's: the clerk has to look."""
    one = stay("1", guest=ADA)
    edit = {"$set": {"guest.email": "grace@example.org"}}
    points.install(
        once(
            "in_erasure",
            lambda: connections.collection("bookings").update_one({"_id": ObjectId(one)}, edit),
        )
    )

    erased = erasure.erase_person(person_of(one), including_upcoming=True)

    assert erased.bookings == 0
    assert len(erased.left) == 1


def test_keeps_remarks_of_a_stay_that_an_erasure_leaves_alone(at_point: None) -> None:
    """A clerk corrects a wrong address while its former owner's data is erased."""
    one = stay("1", guest=ADA)
    remarks.add_remark(actor=CLERK, booking_id=one, key_header="r", text="Wheelchair.")
    edit = {"$set": {"guest.email": "grace@example.org"}}
    points.install(
        once(
            "in_erasure",
            lambda: connections.collection("bookings").update_one({"_id": ObjectId(one)}, edit),
        )
    )

    erasure.erase_guest("ada@example.org", including_upcoming=True)

    assert remarks.list_remarks([ObjectId(one)])
    assert remarks.add_remark(actor=CLERK, booking_id=one, key_header="s", text="And a dog.")


def test_follows_very_many_links_or_says_that_it_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_links, "MAX_LINKS", 1)
    one = stay("1", guest=ADA)
    for number, room in ((2, "room_B"), (3, "room_C")):
        other = stay(str(number), room, guest={"name": f"Ada {number}"})
        guest_links.join(one, other, note="", by=CLERK)

    assert person_of(one).is_cut


def test_names_no_deleted_account() -> None:
    user = User.objects.create_user("anna", is_staff=True)
    anna = caller_of_user(user.pk)
    one, two = stay("1", guest=ADA), stay("2", "room_B", guest={"name": "Ada"})
    guest_links.join(one, two, note="", by=anna)
    retention_rules.set_rule("demo", 3, before=None, by=anna)

    user.delete()

    for name in ("guest_links", "retention_rules"):
        assert connections.collection(name).count_documents({"by": str(anna)}) == 0
