"""Forms of the admin's own pages when the connection is lost: they stay, and act once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Locator, Page, Route, expect

from bookings.infrastructure.connections import collection
from tests.calls import book
from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.visitor import Visitor, stored

LOST = "Connection lost: press again."

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
def open_page(visit: Visit) -> Open:
    def open_it(path: str) -> Visitor:
        visitor = visit(viewport={"width": 1280, "height": 900})
        client = Client()
        client.force_login(User.objects.create_superuser("staff"))
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
        visitor.page.context.add_cookies([{**session, "url": visitor.origin}])
        visitor.go(path)
        visitor.expect_complaint("ERR_CONNECTION_RESET")
        return visitor

    return open_it


@contextmanager
def losing(page: Page, *, arrives: bool) -> Iterator[None]:
    """Loses a press on its way there, or the answer to it on its way back."""

    def lose(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        if arrives:
            route.fetch(max_redirects=0)
        route.abort("connectionreset")

    page.route("**/admin/**", lose)
    yield
    page.unroute("**/admin/**")


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
