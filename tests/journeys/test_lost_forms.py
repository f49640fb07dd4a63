"""Forms of the admin's own pages when the connection is lost: they stay, and act once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from bookings.infrastructure.connections import collection
from bookings.models import ApiClient
from tests.calls import book
from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.lost_connection import LOST, losing
from tests.journeys.visitor import Visitor, stored

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("inn"),
    pytest.mark.parametrize("javascript", [True]),
]

Open = Callable[[str], Visitor]


@pytest.fixture
def ada() -> str:
    """The id of a booking."""
    guest = {"name": "Ada", "email": "ada@example.org"}
    made = book(resourceId="inn_A", checkIn=night(1), checkOut=night(3), guest=guest)
    booking: str = made.content["booking"]["id"]
    return booking


@pytest.fixture
def open_page(visit_as_staff: Visit) -> Open:
    def open_it(path: str) -> Visitor:
        visitor = visit_as_staff(viewport={"width": 1280, "height": 900})
        visitor.go(path)
        visitor.expect_complaint("ERR_CONNECTION_RESET")
        return visitor

    return open_it


def lose_then_press(page: Page, button: Locator, *, arrives: bool) -> None:
    with losing(page, arrives=arrives):
        button.click()
        expect(page.get_by_role("alert").get_by_text(LOST)).to_be_visible()
    with page.expect_navigation():
        button.click()
    expect(page.locator(".messagelist")).to_be_visible()


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("main").get_by_role("button", name=name, exact=True)


def record(booking: str, action: str) -> str:
    return f"/admin/bookings/bookingrecord/{booking}/{action}/"


@pytest.mark.parametrize("arrives", [False, True])
def test_moves_once(open_page: Open, ada: str, arrives: bool) -> None:
    page = open_page(record(ada, "move")).page
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.get_by_label("Check-out").fill(night(4))
        page.get_by_label("Check-out").blur()

    lose_then_press(page, button(page, "Move"), arrives=arrives)

    assert [line["event"] for line in stored()[0]["history"]][1:] == ["moved"]
    assert len(stored()[0]["slots"]) == 3


@pytest.mark.parametrize("arrives", [False, True])
def test_blocks_once(open_page: Open, arrives: bool) -> None:
    address = f"/admin/bookings/roomblock/add/?rooms=inn_B&first={night(1)}&end={night(2)}"
    page = open_page(address).page
    page.get_by_label("Reason").select_option("Repair")

    lose_then_press(page, button(page, "Block"), arrives=arrives)

    assert len(stored()) == 1


def test_cancels_with_the_reason_that_was_typed(open_page: Open, ada: str) -> None:
    page = open_page(record(ada, "cancel")).page
    page.get_by_label("Why?").fill("Storm")

    lose_then_press(page, button(page, "Yes, cancel it"), arrives=False)

    expect(page.get_by_text("is cancelled").first).to_be_visible()
    assert stored()[0]["status"] == "cancelled"


def test_cancels_several_from_the_list(open_page: Open, ada: str) -> None:
    page = open_page("/admin/bookings/bookingrecord/").page
    page.locator("#result_list tbody input[type=checkbox]").check()
    page.locator("select[name=action]").select_option("cancel_selected")
    page.locator(".actions button[name=index]").click()
    page.get_by_label("Why?").fill("Storm")

    lose_then_press(page, button(page, "Yes, cancel it"), arrives=False)

    expect(page.locator("#result_list")).to_be_visible()
    assert stored()[0]["status"] == "cancelled"


def test_joins_a_stay(open_page: Open, ada: str) -> None:
    other: Any = book("other", resourceId="inn_B", date=night(5), guest={"name": "Beatrix"})
    reference = other.content["booking"]["reference"]
    page = open_page(f"/admin/desk/guests/{ada}/?q=Beatrix").page
    page.get_by_label("Why is it the same guest?").fill("Her other name")

    lose_then_press(page, button(page, f"Join {reference}"), arrives=False)

    (link,) = collection("guest_links").find()
    assert link["note"] == "Her other name"


def test_keeps_an_invitation_that_is_refused_or_lost(open_page: Open) -> None:
    page = open_page("/admin/team/invite/").page
    page.get_by_label("E-mail").fill("not an address")
    button(page, "Invite").click()
    expect(page.locator("#content-main .errornote").first).to_be_focused()
    assert page.title().startswith("Error: ")

    with losing(page, arrives=False):
        button(page, "Invite").click()
        expect(page.get_by_role("alert").get_by_text(LOST)).to_be_visible()

    expect(page.get_by_label("E-mail")).to_have_value("not an address")


def test_shows_what_is_wrong_and_keeps_looking_up_rooms(open_page: Open, ada: str) -> None:
    page = open_page(record(ada, "move")).page
    page.get_by_label("Check-out").fill("")
    button(page, "Move").click()
    expect(page.locator("#content-main .errornote")).to_be_focused()

    page.get_by_label("Check-out").fill(night(5))
    page.get_by_label("Check-out").blur()

    expect(page.locator("#offered")).to_contain_text("then EUR\xa0400.00")


ROOM = "/admin/bookings/room/inn_A/change/"


@pytest.mark.parametrize(
    ("name", "leads_to"),
    [
        ("Save", "/admin/bookings/room/"),
        ("Save and continue editing", ROOM),
        ("Save and add another", "/admin/bookings/room/add/"),
    ],
)
def test_saves_a_form_of_django_by_the_button_that_was_pressed(
    open_page: Open, name: str, leads_to: str
) -> None:
    page = open_page(ROOM).page
    page.get_by_label("Name:").fill("Room with a View")

    lose_then_press(page, button(page, name).last, arrives=False)

    assert urlsplit(page.url).path == leads_to
    room = collection("rooms").find_one({"_id": "inn_A"})
    assert room is not None
    assert room["name"] == "Room with a View"


def test_shows_a_form_of_django_again_with_its_faults_and_its_scripts(open_page: Open) -> None:
    page = open_page("/admin/bookings/room/add/").page
    page.get_by_label("Name:").fill("Attic")
    with losing(page, arrives=False):
        button(page, "Save").last.click()
        expect(page.get_by_role("alert").get_by_text(LOST)).to_be_visible()
    expect(page.get_by_label("Name:")).to_have_value("Attic")

    with page.expect_navigation():
        button(page, "Save").last.click()

    expect(page.locator(".errornote")).to_be_visible()
    expect(page.get_by_label("Name:")).to_have_value("Attic")
    # Django's script makes this of the list of categories.
    expect(page.locator(".select2-selection")).to_be_visible()


def test_keeps_a_brand_with_its_file(open_page: Open) -> None:
    visitor = open_page("/admin/bookings/brand/")
    visitor.expect_complaint("400 (Bad Request)")
    page = visitor.page
    page.get_by_label("Name:", exact=True).fill("Inn by the Sea")
    page.get_by_label("Logo:", exact=True).set_input_files(
        {"name": "logo.svg", "mimeType": "image/svg+xml", "buffer": b"no picture"}
    )

    with losing(page, arrives=False):
        button(page, "Save").last.click()
        expect(page.get_by_role("alert").get_by_text(LOST)).to_be_visible()
    assert (
        page.get_by_label("Logo:", exact=True).evaluate("field => field.files[0].name")
        == "logo.svg"
    )
    button(page, "Save").last.click()

    # The file has arrived, and was judged.
    expect(page.locator(".errornote")).to_be_visible()
    expect(page.get_by_label("Logo:", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name:", exact=True)).to_have_value("Inn by the Sea")


def test_shows_what_is_shown_only_once(open_page: Open) -> None:
    partner = ApiClient.objects.create(name="lost and found")
    page = open_page(f"/admin/bookings/apiclient/{partner.pk}/change/").page

    with losing(page, arrives=False):
        button(page, "Issue a token").click()
        expect(page.get_by_role("alert").get_by_text(LOST)).to_be_visible()
    button(page, "Issue a token").click()

    expect(page.get_by_text("This is the new token of lost and found")).to_be_visible()
    assert partner.tokens.count() == 1


def test_sends_a_form_in_an_answer_to_the_address_that_answered(open_page: Open, ada: str) -> None:
    page = open_page(record(ada, "change")).page
    remark = page.get_by_role("textbox", name="remark")
    remark.evaluate("field => { field.required = false }")
    button(page, "Add the remark").click()
    expect(page.locator(".errornote")).to_be_focused()
    remark.fill("Allergic to nuts.")

    lose_then_press(page, button(page, "Add the remark"), arrives=True)

    expect(page.get_by_text("Allergic to nuts.")).to_be_visible()
