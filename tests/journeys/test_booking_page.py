"""A booking's page in a browser: the guest edited, remarks, mails again, a lost connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from bookings.infrastructure.connections import collection
from bookings.news import guest_mails, relay
from tests.calls import CUSTOMER, book
from tests.conftest import night
from tests.journeys.conftest import Visit, only_with_scripts
from tests.journeys.looks import allow_axe, find_faults
from tests.journeys.lost_connection import LOST, losing
from tests.journeys.pressing import by_keyboard, by_mouse, by_touch
from tests.journeys.visitor import Visitor, stored

# Heights and names of the buttons and links that a finger would miss.
TOO_LOW = """[...document.querySelectorAll(
  '.doing-buttons :is(button, a), .happenings button, .remark-form button')]
  .map((each) => [each.textContent.trim(), each.getBoundingClientRect().height])
  .filter(([, height]) => height < 43)"""

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]


@pytest.fixture
def url(database: None) -> str:
    """The address of the page of a booking that begins today."""
    guest = {"name": "Ada Love", "email": "ada@example.org", "phone": "+49 30 1"}
    dates = {"checkIn": night(0), "checkOut": night(2)}
    made = book(caller=CUSTOMER, resourceId="inn_A", guest=guest, guests=2, **dates)
    relay.pass_on_news()
    guest_mails.send_notifications()
    return f"/admin/bookings/bookingrecord/{made.content['booking']['id']}/change/"


@pytest.fixture
def open_page(visit_as_staff: Visit, url: str) -> Callable[..., Visitor]:
    """Opens the booking in another browser, for another member of staff."""

    def open_it(name: str = "anna", **options: object) -> Visitor:
        visitor = visit_as_staff(name, **options)
        visitor.go(url)
        return visitor

    return open_it


def edit(page: Page) -> None:
    page.get_by_role("link", name="Edit the guest…").click()
    expect(page.get_by_label("Name")).to_be_visible()


def save(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("button", name="Save", exact=True)


def add_remark(page: Page) -> Locator:
    return page.get_by_role("button", name="Add the remark")


def events() -> list[str]:
    return [line["event"] for line in stored()[0]["history"]]


def remarks() -> list[str]:
    return [each["text"] for found in collection("remarks").find() for each in found["remarks"]]


@pytest.mark.parametrize("press", [by_mouse, by_keyboard, by_touch])
def test_edits_the_guest_by_mouse_keyboard_and_touch(
    open_page: Callable[..., Visitor], press: Callable[[Locator], None]
) -> None:
    page = open_page(has_touch=True).page

    press(page.get_by_role("link", name="Edit the guest…"))
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("Notes").fill("Late.\nVery late.")
    press(save(page))

    expect(page.locator(".messagelist")).to_contain_text("The guest's details are changed.")
    expect(page.locator("#booking-history")).to_contain_text("changed the guest’s name, notes")
    assert stored()[0]["guest"]["name"] == "Ada Lovelace"
    assert stored()[0]["notes"] == "Late.\nVery late."


@pytest.mark.parametrize("press", [by_mouse, by_keyboard, by_touch])
def test_adds_and_deletes_a_remark_by_mouse_keyboard_and_touch(
    open_page: Callable[..., Visitor], press: Callable[[Locator], None]
) -> None:
    page = open_page(has_touch=True).page

    page.get_by_label("New remark").fill("Allergic to nuts.")
    press(add_remark(page))
    expect(page.locator("#remarks .remark")).to_have_text("Allergic to nuts.")
    press(page.locator("#remarks").get_by_role("button", name="Delete"))

    expect(page.locator("#remarks")).to_contain_text("wrote a remark that anna (staff) deleted")
    expect(page.get_by_text("Allergic to nuts.")).to_have_count(0)


def test_tells_the_second_of_two_clerks_what_differs(open_page: Callable[..., Visitor]) -> None:
    anna, ben = open_page("anna").page, open_page("ben").page
    edit(anna)
    edit(ben)
    anna.get_by_label("Name").fill("Ada Lovelace")
    anna.get_by_label("Telephone").fill("+44 20 7")
    save(anna).click()
    expect(anna.locator(".messagelist")).to_be_visible()

    ben.get_by_label("Name").fill("Ada King")
    save(ben).click()

    expect(ben.get_by_text("A colleague has saved “Ada Lovelace” meanwhile")).to_be_visible()
    expect(ben.get_by_label("Name")).to_have_value("Ada King")
    expect(ben.get_by_label("Telephone")).to_have_value("+44 20 7")
    assert stored()[0]["guest"]["name"] == "Ada Lovelace"
    save(ben).click()
    expect(ben.locator(".messagelist")).to_be_visible()
    assert stored()[0]["guest"]["name"] == "Ada King"
    assert stored()[0]["guest"]["phone"] == "+44 20 7"


@only_with_scripts
@pytest.mark.parametrize("has_arrived", [True, False])
@pytest.mark.parametrize("what", ["edit", "remark", "again", "mark"])
def test_acts_once_when_the_connection_is_lost_during_a_press(
    open_page: Callable[..., Visitor], what: str, has_arrived: bool
) -> None:
    clerk = open_page()
    page = clerk.page
    clerk.expect_complaint("ERR_CONNECTION_RESET")
    if what == "edit":
        edit(page)
        page.get_by_label("Name").fill("Ada Lovelace")
    elif what == "remark":
        page.get_by_label("New remark").fill("Allergic to nuts.")
    button = {
        "edit": save(page),
        "remark": add_remark(page),
        "again": page.get_by_role("button", name="Send again"),
        "mark": page.get_by_role("button", name="Check in"),
    }[what]

    with losing(page, arrives=has_arrived):
        button.click()
        expect(page.get_by_role("alert").get_by_text(LOST)).to_be_visible()
    before = done(what)
    if what == "edit":
        expect(page.get_by_label("Name")).to_have_value("Ada Lovelace")
    if what == "remark":
        expect(page.get_by_label("New remark")).to_have_value("Allergic to nuts.")

    with page.expect_navigation():
        button.click()

    expect(page.locator("#booking-history")).to_be_visible()
    expect(page.get_by_role("alert").get_by_text(LOST)).to_have_count(0)
    assert before == (1 if has_arrived else 0)
    assert done(what) == 1


def done(what: str) -> int:
    """How often it was done."""
    if what == "remark":
        return len(remarks())
    if what == "again":
        return collection("deliveries").count_documents({}) - 1
    return events().count("edited" if what == "edit" else "checked_in")


@only_with_scripts
def test_sends_a_double_press_once(open_page: Callable[..., Visitor]) -> None:
    clerk = open_page()
    clerk.page.get_by_label("New remark").fill("Allergic to nuts.")

    add_remark(clerk.page).dblclick()

    expect(clerk.page.locator("#remarks .remark")).to_have_count(1)
    assert remarks() == ["Allergic to nuts."]


def test_sends_a_mail_again_and_says_so(open_page: Callable[..., Visitor]) -> None:
    page = open_page().page

    page.get_by_role("button", name="Send again").click()

    expect(page.locator(".messagelist")).to_contain_text("The mail is sent again.")
    expect(page.locator("#booking-history")).to_contain_text(
        "A mail to the guest that the stay is booked, again, waits to be sent"
    )


@only_with_scripts
def test_prints_a_registration_card_on_one_page(
    open_page: Callable[..., Visitor], tmp_path: Path
) -> None:
    page = open_page().page

    page.get_by_role("link", name="Registration card").click()

    expect(page.get_by_role("heading", name="Registration card")).to_be_visible()
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    pdf = page.pdf(format="A4")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") == 1
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@only_with_scripts
def test_is_accessible_and_can_be_touched_on_every_width(
    open_page: Callable[..., Visitor], url: str, scheme: str
) -> None:
    clerk = open_page()
    page = clerk.page
    allow_axe(clerk)
    page.get_by_label("New remark").fill("x" * 300)
    add_remark(page).click()
    expect(page.locator("#remarks .remark")).to_have_count(1)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    found, low = [], []
    for action in ("change", "edit", "card"):
        clerk.go(url.replace("/change/", f"/{action}/"))
        for width in (360, 768, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            found += find_faults(page, f"{action}, {width} px")
            low += page.evaluate(TOO_LOW)

    assert found == [], "\n".join(found)
    assert low == []
