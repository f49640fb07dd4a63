"""A guest's page in a browser: joining stays, erasing, and rules for how long data is kept."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from bookings.infrastructure.connections import collection
from tests.calls import book
from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.looks import allow_axe, find_faults
from tests.journeys.lost_connection import LOST, losing
from tests.journeys.pressing import by_keyboard, by_mouse, by_touch
from tests.journeys.visitor import Visitor, stored

GUESTS = "/admin/desk/guests/"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]


@pytest.fixture
def clerk(visit_as_staff: Visit) -> Visitor:
    return visit_as_staff(has_touch=True)


@pytest.fixture
def ada() -> str:
    """The id of a stay of Ada's, beside one under another name."""
    made = book("1", resourceId="inn_A", guest={"name": "Ada", "email": "ada@example.org"})
    book("2", resourceId="inn_B", date=night(31), guest={"name": "Countess King"})
    booking_id: str = made.content["booking"]["id"]
    return booking_id


def search(page: Page, typed: str) -> None:
    box = page.get_by_role("main").get_by_role("searchbox")
    box.fill(typed)
    box.press("Enter")


@pytest.mark.parametrize("press", [by_mouse, by_keyboard, by_touch])
def test_joins_two_stays_and_takes_it_back(
    clerk: Visitor, ada: str, press: Callable[[Locator], None]
) -> None:
    page = clerk.page
    clerk.go(f"{GUESTS}?q=ada")
    press(page.get_by_role("link", name="Ada"))
    search(page, "countess")
    page.get_by_label("Why is it the same guest?").fill("Says so.")

    press(page.get_by_role("button", name="Join"))

    expect(page.get_by_text("2 stays, 2 nights.")).to_be_visible()
    expect(page.get_by_text("Says so.")).to_be_visible()
    press(page.get_by_role("button", name="Take back"))
    expect(page.get_by_text("1 stay, 1 night.")).to_be_visible()


@pytest.mark.parametrize("javascript", [True])
def test_joins_once_though_the_answer_was_lost(clerk: Visitor, ada: str) -> None:
    page = clerk.page
    clerk.go(f"{GUESTS}{ada}/?q=countess")
    clerk.expect_complaint("ERR_CONNECTION_RESET")

    with losing(page, arrives=True):
        page.get_by_role("button", name="Join").click()
        expect(page.get_by_text(LOST)).to_be_visible()
    page.get_by_role("button", name="Join").click()

    expect(page.get_by_text("2 stays, 2 nights.")).to_be_visible()
    assert collection("guest_links").count_documents({}) == 1


def test_exports_and_erases_a_guest(clerk: Visitor, ada: str) -> None:
    page = clerk.page
    clerk.go(f"{GUESTS}{ada}/")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export everything that is kept").click()
    told = json.loads(download.value.path().read_text())
    assert told["stays"][0]["guest"]["name"] == "Ada"

    page.get_by_role("link", name="Erase the guest’s data").click()
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("alert")).to_contain_text("Stays that have not ended")
    page.get_by_label("Also in stays that have not ended").check()
    page.get_by_role("button", name="Erase for good").click()

    expect(page.get_by_text("Erased: 1 booking, 0 accounts.")).to_be_visible()
    assert sorted(each["guest"]["name"] for each in stored()) == ["", "Countess King"]


def test_switches_a_rule_on_and_off(clerk: Visitor) -> None:
    page = clerk.page
    clerk.go(f"{GUESTS}retention/")
    page.get_by_label("Years at Inn").fill("7")
    page.get_by_role("row", name="Inn").get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Today this erases the guests’ data of 0 stays")).to_be_visible()

    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("7 years after the stay, since")).to_be_visible()
    page.get_by_role("button", name="Switch off the rule of Inn").click()
    expect(page.get_by_text("7 years after the stay, since")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_accessible_on_every_width(clerk: Visitor, ada: str, scheme: str) -> None:
    allow_axe(clerk)
    page = clerk.page
    found = []
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for path in ("?q=ada", f"{ada}/?q=countess", f"{ada}/erase/", "retention/"):
        clerk.go(f"{GUESTS}{path}")
        for width in (360, 768, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            found += find_faults(page, f"{path}, {width} px")

    assert found == [], "\n".join(found)
