"""An owner sets up a hotel in a real browser, and a guest books the first room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change
from bookings.models import Hotel, Room, RoomCategory
from bookings.people import account_letters
from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.looks import NARROW, WIDE, allow_axe, find_faults
from tests.journeys.visitor import Visitor
from tests.site import Site

pytestmark = pytest.mark.browser

# docs/getting-started.md lists these fields. Without JavaScript no one suggests the time zone.
FIELDS = 11


class Typing:
    """Fills fields in, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def fill(self, visitor: Visitor, label: str, value: str, *, nth: int = 0) -> None:
        visitor.page.get_by_label(label).nth(nth).fill(value)
        self.count += 1

    def choose(self, visitor: Visitor, label: str, value: str) -> None:
        visitor.page.get_by_label(label).select_option(value)
        self.count += 1


@pytest.fixture
def empty_site(site: Site) -> Iterator[Site]:
    """A site on which no hotel is open; what the test adds is removed."""
    collection("hotels").update_many({}, {"$set": {"is_open": False}})
    announce_change()
    yield site
    for name in ("rooms", "room_categories"):
        collection(name).delete_many({"hotel_id": "seaside-inn"})
    for name in ("hotel_contents", "hotels"):
        collection(name).delete_many({"_id": {"$regex": "^seaside-inn"}})
    collection("hotels").update_many({}, {"$unset": {"is_open": ""}})
    announce_change()


def press(visitor: Visitor, button: str) -> None:
    visitor.page.get_by_role("button", name=button, exact=True).click()
    visitor.page.wait_for_load_state()


def invited_owner(visitor: Visitor, typing: Typing) -> None:
    """Follows the link that `manage.py setup` prints."""
    owner = User(username="owner", email="owner@example.org", is_staff=True, is_superuser=True)
    owner.set_unusable_password()
    owner.save()
    link = account_letters.make_password_link(owner)
    visitor.go(link[link.index("/password/") :])
    typing.fill(visitor, "Password", "a long one to keep")
    typing.fill(visitor, "Repeat the password", "a long one to keep")
    press(visitor, "Save password")
    visitor.page.wait_for_url("**/admin/")


def start_hotel(visitor: Visitor, typing: Typing, *, javascript: bool) -> None:
    visitor.go("/admin/setup/new/")
    typing.fill(visitor, "Name:", "Seaside Inn")
    if javascript:
        # The browser's own time zone is suggested.
        expect(visitor.page.get_by_label("Time zone")).to_have_value("Europe/Rome")
    else:
        typing.choose(visitor, "Time zone", "Europe/Rome")
    typing.choose(visitor, "Currency", "EUR")
    press(visitor, "Save and go on")
    visitor.page.wait_for_url("**/seaside-inn/categories/")


def test_goes_from_an_empty_site_to_the_first_booking(
    empty_site: Site, visit: Visit, javascript: bool
) -> None:
    typing = Typing()
    owner = visit(timezone_id="Europe/Rome")
    page = owner.page
    invited_owner(owner, typing)
    owner.go("/")
    page.get_by_role("link", name="Set up your hotel").click()
    # The demo's hotels are on this database, and are not open either.
    page.get_by_role("link", name="Set up another hotel").click()
    start_hotel(owner, typing, javascript=javascript)
    typing.fill(owner, "Name, new category", "Double")
    typing.fill(owner, "Price, new category", "120")
    press(owner, "Save and go on")
    typing.fill(owner, "Double: rooms", "101-110, 201")
    press(owner, "Save and go on")
    page.get_by_role("link", name="Go on").click()
    press(owner, "Invite and go on")
    page.get_by_role("link", name="See the page as guests will see it").click()
    expect(page.get_by_text("Only staff see this page")).to_be_visible()
    expect(page.get_by_text("Rooms from EUR 120.00 a night")).to_be_visible()
    page.get_by_role("link", name="Go on with the set-up").click()
    press(owner, "Open for booking")
    expect(page.get_by_text("Seaside Inn is open for booking.").first).to_be_visible()

    guest = visit()
    guest.go("/")
    typing.fill(guest, "Arrival", night(10))
    typing.fill(guest, "Departure", night(12))
    press(guest, "Show rooms")
    guest.page.get_by_role("button", name="Book Double").click()
    guest.page.wait_for_url("**/bookings/*")
    typing.fill(guest, "Name", "Ada Guest")
    typing.fill(guest, "E-mail", "ada@example.org")
    guest.page.get_by_role("button", name="Confirm").click()
    expect(guest.page.get_by_role("heading", name="Your room is booked")).to_be_visible()

    booking = collection("bookings").find_one({"hotel": "seaside-inn"})
    assert booking is not None
    assert booking["price"]["total"] == 24_000
    assert booking["reference"].startswith("SEASI-")
    assert typing.count == FIELDS + (not javascript)


@pytest.mark.parametrize("javascript", [True])
def test_keeps_what_was_typed_and_the_back_button_adds_nothing_twice(
    empty_site: Site, visit: Visit, javascript: bool
) -> None:
    typing = Typing()
    owner = visit(timezone_id="Europe/Rome")
    page = owner.page
    invited_owner(owner, typing)

    # A fault keeps everything else.
    owner.go("/admin/setup/new/")
    page.get_by_label("Name:").fill("Seaside Inn")
    page.get_by_label("Check-in from").fill("16:30")
    press(owner, "Save and go on")
    expect(page.get_by_text("Choose the currency of the prices.").last).to_be_visible()
    expect(page.get_by_label("Name:")).to_have_value("Seaside Inn")
    expect(page.get_by_label("Check-in from")).to_have_value("16:30")
    page.get_by_label("Currency").select_option("EUR")
    press(owner, "Save and go on")
    page.wait_for_url("**/seaside-inn/categories/")

    # An unusual price is asked about once.
    page.get_by_label("Name, new category").nth(0).fill("Double")
    page.get_by_label("Price, new category").nth(0).fill("120")
    page.get_by_label("Name, new category").nth(1).fill("Suite")
    page.get_by_label("Price, new category").nth(1).fill("12000")
    press(owner, "Save and go on")
    expect(page.get_by_text("is more than ten times the usual EUR 120.00")).to_be_visible()
    page.get_by_label("Price, new category").nth(1).fill("1200")
    press(owner, "Save and go on")
    page.wait_for_url("**/seaside-inn/rooms/")

    # Back, and the same form once more: nothing is added twice, and it goes on.
    page.get_by_label("Double: rooms").fill("101-103")
    press(owner, "Save and go on")
    page.wait_for_url("**/seaside-inn/photos/")
    page.go_back()
    page.get_by_label("Double: add rooms").fill("101-103")
    press(owner, "Save and go on")
    expect(page.get_by_text("Double has these rooms already: 101, 102, 103.")).to_be_visible()
    page.get_by_role("link", name="Hotel", exact=True).click()
    press(owner, "Save and go on")
    page.wait_for_url("**/seaside-inn/categories/")
    press(owner, "Save and go on")
    page.wait_for_url("**/seaside-inn/rooms/")
    assert Room.objects.filter(hotel="seaside-inn").count() == 3
    assert Hotel.objects.filter(name="Seaside Inn").count() == 1
    assert RoomCategory.objects.filter(hotel="seaside-inn").count() == 2
    assert {each.default_price for each in RoomCategory.objects.filter(hotel="seaside-inn")} == {
        12_000,
        120_000,
    }


@pytest.mark.parametrize("javascript", [True])
def test_tells_one_of_two_owners_what_the_other_one_did(
    empty_site: Site, visit: Visit, javascript: bool
) -> None:
    typing = Typing()
    first, second = visit(timezone_id="Europe/Rome"), visit(timezone_id="Europe/Rome")
    invited_owner(first, typing)
    second.go("/admin/login/?next=/admin/setup/new/")
    second.page.get_by_label("Username").fill("owner")
    second.page.get_by_label("Password").fill("a long one to keep")
    press(second, "Log in")
    second.page.get_by_label("Name:").fill("Seaside Inn")
    second.page.get_by_label("Currency").select_option("USD")

    start_hotel(first, typing, javascript=javascript)
    press(second, "Save and go on")

    second.page.wait_for_url("**/seaside-inn/hotel/")
    expect(
        second.page.get_by_text("is being set up already, and nothing was added")
    ).to_be_visible()
    expect(second.page.get_by_label("Currency")).to_have_value("EUR")
    for owner in (first, second):
        owner.go("/admin/setup/seaside-inn/categories/")
    for owner, name in ((first, "Double"), (second, "Suite")):
        owner.page.get_by_label("Name, new category").nth(0).fill(name)
        owner.page.get_by_label("Price, new category").nth(0).fill("120")
        press(owner, "Save and go on")
    expect(second.page.get_by_text("Someone else has changed this")).to_be_visible()
    expect(second.page.get_by_label("Name, new category").nth(0)).to_have_value("Suite")
    press(second, "Save and go on")
    second.page.wait_for_url("**/seaside-inn/rooms/")
    assert RoomCategory.objects.filter(hotel="seaside-inn").count() == 2


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
def test_is_accessible_and_fits_a_telephone(
    empty_site: Site, visit: Visit, javascript: bool
) -> None:
    owner = visit(timezone_id="Europe/Rome")
    page = owner.page
    allow_axe(owner)
    invited_owner(owner, Typing())
    found: list[str] = []

    def look(name: str, within: str = "#content") -> None:
        for width, scheme in ((WIDE, "light"), (NARROW, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found.extend(find_faults(page, f"{name}, {width} px, {scheme}", within=within))

    owner.go("/")
    look("empty", "main")
    owner.go("/admin/setup/")
    look("start")
    owner.go("/admin/setup/new/")
    press(owner, "Save and go on")
    expect(page.locator(".errorlist").first).to_be_visible()
    look("hotel with faults")
    start_hotel(owner, Typing(), javascript=javascript)
    page.get_by_label("Name, new category").nth(0).fill("Double")
    page.get_by_label("Price, new category").nth(0).fill("120")
    page.get_by_label("Name, new category").nth(1).fill("Suite")
    page.get_by_label("Price, new category").nth(1).fill("12000")
    press(owner, "Save and go on")
    look("categories with a question")
    press(owner, "Save and go on")
    page.wait_for_url("**/seaside-inn/rooms/")
    page.get_by_label("Double: rooms").fill("101-160")
    page.get_by_label("Suite: rooms").fill("160")
    press(owner, "Save and go on")
    expect(page.locator(".errorlist").first).to_be_visible()
    look("rooms with a fault")
    page.get_by_label("Suite: rooms").fill("")
    press(owner, "Save and go on")
    page.wait_for_url("**/seaside-inn/photos/")
    for step in ("rooms", "photos", "colleagues", "preview"):
        owner.go(f"/admin/setup/seaside-inn/{step}/")
        look(step)
    owner.go("/admin/")
    look("first page of the admin", ".checklists")
    owner.go("/hotels/seaside-inn")
    look("the hotel before it opens", "main")

    assert found == [], "\n".join(found)
