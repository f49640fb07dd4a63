"""Forms of the admin that a script sends: a press acts once, and a refusal keeps what was typed."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Locator, Page, Route, expect

from bookings.infrastructure.connections import collection
from bookings.models import ApiClient
from tests.journeys.conftest import Visit
from tests.journeys.visitor import Visitor

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("inn"),
    pytest.mark.parametrize("javascript", [True]),
]

ROOMS = "/admin/bookings/room/"
ROOM = f"{ROOMS}inn_A/change/"
PARTNERS = "/admin/bookings/apiclient/"

# Presses a button three times, each after the answer to the press before has come.
IMPATIENTLY = """button => {
  button.click();
  setTimeout(() => button.click(), 300);
  setTimeout(() => button.click(), 600);
}"""


def save(page: Page, name: str = "Save") -> Locator:
    return page.get_by_role("main").get_by_role("button", name=name, exact=True).last


def name_of_room() -> str:
    room = collection("rooms").find_one({"_id": "inn_A"})
    assert room is not None
    name: str = room["name"]
    return name


@pytest.fixture
def office(visit_as_staff: Visit) -> Visitor:
    return visit_as_staff(viewport={"width": 1280, "height": 900})


def test_is_sent_once_while_the_next_page_is_on_its_way(office: Visitor) -> None:
    page = office.page
    office.go(f"{PARTNERS}add/")
    page.get_by_label("Name:").fill("Otto Travel")
    held: list[Route] = []
    page.route(f"**{PARTNERS}", lambda route: held.append(route))

    save(page).evaluate(IMPATIENTLY)
    page.wait_for_timeout(1_000)
    assert held
    held[-1].continue_()

    expect(page.locator(".messagelist")).to_contain_text("Otto Travel")
    assert len(office.posted) == 1
    assert ApiClient.objects.filter(name="Otto Travel").count() == 1


def test_is_sent_again_after_the_way_back(office: Visitor) -> None:
    page = office.page
    office.go(ROOM)
    page.get_by_label("Name:").fill("Attic")
    page.route(f"**{ROOMS}", lambda route: route.abort("aborted"))
    with page.expect_event("requestfailed"):
        save(page).click()
    page.unroute(f"**{ROOMS}")
    # So a browser shows a page that it has kept; the one of these tests keeps none.
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    with page.expect_navigation():
        save(page).click()

    assert len(office.posted) > 1


def test_acts_by_the_button_that_was_pressed_last(office: Visitor) -> None:
    page = office.page
    office.go(ROOM)
    page.get_by_label("Name:").fill("")

    def stop(route: Route) -> None:
        # The browser loads the form again, and the person stops that.
        if route.request.method == "POST" and route.request.is_navigation_request():
            route.abort("aborted")
        else:
            route.continue_()

    page.route(f"**{ROOM}", stop)
    with page.expect_event("requestfailed"):
        save(page, "Save and continue editing").click()
    page.unroute(f"**{ROOM}", stop)
    page.get_by_label("Name:").fill("Attic")

    with page.expect_navigation():
        save(page).click()

    assert urlsplit(page.url).path == ROOMS
    assert name_of_room() == "Attic"


def test_keeps_what_was_typed_and_says_why_it_is_refused(visit: Visit) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    rights = Permission.objects.filter(codename__in=["view_room", "change_room"])
    clerk.user_permissions.set(rights)
    visitor = visit(viewport={"width": 1280, "height": 900})
    visitor.log_in(clerk)
    visitor.expect_complaint("403")
    page = visitor.page
    visitor.go(ROOM)
    page.get_by_label("Name:").fill("Room with a View")
    clerk.user_permissions.remove(Permission.objects.get(codename="change_room"))

    save(page).click()

    expect(page.get_by_text("Nothing was changed: Not allowed.")).to_be_visible()
    expect(page.get_by_label("Name:")).to_have_value("Room with a View")
