"""A guest's page: all stays together, joined by staff, exported, erased; rules of retention."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client

from bookings.domain.callers import Caller
from bookings.infrastructure.connections import collection
from bookings.people import accounts, retention_rules
from bookings.people.roles import FRONT_DESK, MANAGER
from bookings.stays import remarks
from tests.calls import book
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

GUESTS = "/admin/desk/guests/"
RULES = f"{GUESTS}retention/"
CLERK = Caller("user", "clerk")
ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 0958"}


def staff_with(role: str) -> Client:
    user = User.objects.create_user(role.replace(" ", "-"), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def clerk() -> Client:
    return staff_with(FRONT_DESK)


@pytest.fixture
def manager() -> Client:
    return staff_with(MANAGER)


def stay(key: str, room: str, **fields: Any) -> str:
    booking_id: str = book(key, resourceId=room, **fields).content["booking"]["id"]
    return booking_id


def text_of(response: Any) -> str:
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(text).split())


def reference_of(booking_id: str) -> str:
    found = collection("bookings").find_one({"_id": ObjectId(booking_id)})
    assert found is not None
    reference: str = found["reference"]
    return reference


def test_shows_all_stays_of_a_guest_with_names_and_days(clerk: Client) -> None:
    one = stay("1", "room_A", guest=ADA)
    two = stay("2", "inn_A", guest=ADA, checkIn=night(40), checkOut=night(42))
    stay("3", "room_B", guest={"name": "Grace"})

    found = clerk.get(GUESTS, {"q": "lovelace"}).content.decode()
    page = text_of(clerk.get(f"{GUESTS}{one}/"))

    assert f'href="/admin/desk/guests/{one}/"' in found
    assert page.count("Ada Lovelace") >= 3
    assert "2 stays, 3 nights." in page
    for words in (reference_of(one), reference_of(two), "Demo Hotel", "Inn", "+44 20 7946 0958"):
        assert words in page
    assert "Grace" not in page
    assert "Erase" not in page


def test_joins_a_stay_that_was_searched_for_and_takes_it_back(clerk: Client) -> None:
    one, two = stay("1", "room_A", guest=ADA), stay("2", "room_B", guest={"name": "Countess King"})
    page = f"{GUESTS}{one}/"

    offered = text_of(clerk.get(page, {"q": "countess"}))
    said = text_of(clerk.post(f"{page}join/", {"other": two, "note": "Says so."}, follow=True))
    again = clerk.post(f"{page}join/", {"other": two, "note": "Says so."}, follow=True)
    (link,) = collection("guest_links").find()
    taken = text_of(clerk.post(f"{page}part/", {"link": link["_id"]}, follow=True))

    assert f"Join {reference_of(two)}, Countess King" in offered
    assert "are joined: one guest’s stays." in said
    assert "by front-desk (staff)" in said
    assert "Says so." in said
    assert "2 stays" in said
    assert text_of(again).count("Says so.") == 1
    assert "1 stay, 1 night." in taken
    logged = list(LogEntry.objects.values_list("change_message", flat=True))
    assert len(logged) == 2
    assert not any("Says so" in text for text in logged)


def test_says_why_stays_cannot_be_joined(clerk: Client) -> None:
    one, nameless = stay("1", "room_A", guest=ADA), stay("2", "room_B")

    told = [
        text_of(clerk.post(f"{GUESTS}{one}/join/", {"other": other}, follow=True))
        for other in (nameless, one, "nonsense")
    ]

    assert "This stay has no guest’s name or address." in told[0]
    assert "Choose another stay than this one." in told[1]
    assert "There is no such stay." in told[2]


def test_exports_everything_that_is_kept(manager: Client) -> None:
    one = stay("1", "room_A", guest=ADA, notes="One-legged.")
    accounts.make_account(address="ada@example.org", name="Ada Lovelace", password="correct horse")

    remarks.add_remark(actor=CLERK, booking_id=one, key_header="r", text="Allergic to nuts.")

    answer = manager.post(f"{GUESTS}{one}/export/")

    told = json.loads(answer.content)
    assert answer["Content-Disposition"] == f'attachment; filename="guest-{reference_of(one)}.json"'
    (told_stay,) = told["stays"]
    assert told_stay["guest"] == ADA
    assert (told_stay["notes"], told_stay["hotel"]) == ("One-legged.", "Demo Hotel")
    assert [each["email"] for each in told["accounts"]] == ["ada@example.org"]
    assert [each["text"] for each in told["remarks"]] == ["Allergic to nuts."]
    assert "digest" not in answer.content.decode()
    assert "correct" not in answer.content.decode()
    assert LogEntry.objects.get().change_message == "The guest’s data was exported: 1 stay."


def test_erases_a_guest_with_all_addresses_and_those_without(manager: Client) -> None:
    one = stay("1", "room_A", guest=ADA)
    two = stay("2", "room_B", guest={"name": "Countess King"})
    manager.post(f"{GUESTS}{one}/join/", {"other": two})
    page = f"{GUESTS}{one}/erase/"

    asked = text_of(manager.get(page))
    refused = text_of(manager.post(page, seen(manager, page)))
    assert [each["guest"]["name"] for each in collection("bookings").find()].count("") == 0
    erased = text_of(manager.post(page, seen(manager, page) | {"upcoming": "on"}, follow=True))

    assert "It cannot be undone." in asked
    assert "Stays that have not ended" in refused
    assert "Erased: 2 bookings, 0 accounts." in erased
    assert [each["guest"]["name"] for each in collection("bookings").find()] == ["", ""]
    assert collection("guest_links").count_documents({}) == 0
    assert "Ada" not in " ".join(LogEntry.objects.values_list("change_message", flat=True))


def seen(manager: Client, page: str) -> dict[str, str]:
    """What the page shows to be erased."""
    return {"seen": manager.get(page).context["seen"]}


def test_erases_only_the_stays_that_the_page_showed(manager: Client) -> None:
    """A colleague joins another guest's stay after the page was shown."""
    one = stay("1", "room_A", guest=ADA)
    bob = stay("2", "room_B", guest={"name": "Bob", "email": "bob@example.org"})
    page = f"{GUESTS}{one}/erase/"
    shown = seen(manager, page)
    manager.post(f"{GUESTS}{one}/join/", {"other": bob})

    told = text_of(manager.post(page, shown | {"upcoming": "on"}))

    assert "have changed since this page was shown, and nothing was erased" in told
    assert "These stays have different names: Ada Lovelace, Bob." in told
    assert {each["guest"]["name"] for each in collection("bookings").find()} == {
        "Ada Lovelace",
        "Bob",
    }


def test_writes_everything_into_the_log_of_the_stay_by_whatever_address(manager: Client) -> None:
    """An id may be written in capitals."""
    one, two = stay("1", "room_A", guest=ADA), stay("2", "room_B", guest={"name": "Ada"})
    page = f"{GUESTS}{one.upper()}/"

    manager.post(f"{page}join/", {"other": two.upper()})
    manager.post(f"{page}export/")
    manager.post(f"{page}erase/", seen(manager, f"{page}erase/") | {"upcoming": "on"})

    entries = LogEntry.objects.values_list("object_id", "object_repr")
    assert list(entries) == [(one, reference_of(one))] * 3


def test_takes_back_only_links_of_this_guest(manager: Client) -> None:
    one, two = stay("1", "room_A", guest=ADA), stay("2", "room_B", guest={"name": "Bob"})
    three = stay("3", "room_C", guest={"name": "Rob"})
    manager.post(f"{GUESTS}{two}/join/", {"other": three})
    (link,) = collection("guest_links").find()

    manager.post(f"{GUESTS}{one}/part/", {"link": link["_id"]})

    assert collection("guest_links").count_documents({}) == 1


def test_erases_nothing_if_one_address_is_of_staff(manager: Client) -> None:
    """The refusal comes before the first of several addresses is erased."""
    one = stay("1", "room_A", guest=ADA)
    two = stay("2", "room_B", guest={"email": "boss@hotel.example", "name": "Boss"})
    manager.post(f"{GUESTS}{one}/join/", {"other": two})
    User.objects.create_user("boss", email="boss@hotel.example", is_staff=True)

    page = f"{GUESTS}{one}/erase/"
    told = text_of(manager.post(page, seen(manager, page) | {"upcoming": "on"}))

    assert "This address belongs to an account of staff" in told
    assert {each["guest"]["name"] for each in collection("bookings").find()} == {
        "Ada Lovelace",
        "Boss",
    }


def test_switches_a_rule_on_only_after_its_preview(manager: Client) -> None:
    shown = manager.post(RULES, {"hotel": "inn", "before": "", "years": "3"})
    assert retention_rules.list_rules() == {}
    assert "Today this erases the guests’ data of 0 stays that ended before" in text_of(shown)

    told = text_of(
        manager.post(RULES, {"hotel": "inn", "before": "", "years": "3", "set": ""}, follow=True)
    )
    assert "Inn: Guests’ data is erased 3 years after the stay now." in told
    assert retention_rules.list_rules()["inn"].years == 3

    overtaken = text_of(
        manager.post(RULES, {"hotel": "inn", "before": "", "years": "5", "set": ""}, follow=True)
    )
    assert "Someone else has changed this rule meanwhile" in overtaken
    off = text_of(manager.post(RULES, {"hotel": "inn", "before": "3", "set": ""}, follow=True))
    assert "Inn: Guests’ data is kept without a limit now." in off
    assert retention_rules.list_rules() == {}


@pytest.mark.parametrize("years", ["0", "31", "x"])
def test_refuses_a_rule_that_no_hotel_would_want(manager: Client, years: str) -> None:
    told = text_of(manager.post(RULES, {"hotel": "inn", "years": years, "set": ""}))

    assert "Type a number of years from 1 to 30." in told
    assert retention_rules.list_rules() == {}
