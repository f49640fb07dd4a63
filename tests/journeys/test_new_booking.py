"""A new booking in a browser: few presses, prices, earlier guests, lost connections."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, Route, expect

from bookings.infrastructure.connections import collection
from tests.calls import book
from tests.conftest import night
from tests.journeys.conftest import Visit, only_with_scripts
from tests.journeys.desk import GRID
from tests.journeys.looks import allow_axe, find_faults
from tests.journeys.lost_connection import LOST, losing
from tests.journeys.visitor import Visitor, stored

ADD = "/admin/bookings/bookingrecord/add/"
ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+49 30 123456"}

# Heights of the buttons and choices that a finger would miss.
TOO_LOW = """[...document.querySelectorAll('.submit-row input, .guest-list li')]
  .map((each) => [each.value || each.textContent, each.getBoundingClientRect().height])
  .filter(([, height]) => height < 34)"""

# The choices of which something else is on top, or of which the page shows no part.
COVERED = """[...document.querySelectorAll('.guest-list li')].filter((each) => {
  const { left, top, width, height } = each.getBoundingClientRect();
  return document.elementFromPoint(left + width / 2, top + height - 5)?.closest('li') !== each;
}).map((each) => each.textContent)"""

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]

Open = Callable[..., Visitor]


@pytest.fixture
def open_site(visit_as_staff: Visit, database: None) -> Open:
    """A member of staff in a browser of their own, at this address, after a stay of Ada's."""
    book("earlier", resourceId="inn_C", date=night(40), guest=ADA)
    collection("bookings").update_many({}, {"$set": {"language": "de"}})

    def open_it(address: str, name: str = "anna", **options: object) -> Visitor:
        visitor = visit_as_staff(name, **options)
        visitor.go(address)
        return visitor

    return open_it


def form_for(room: str = "inn_A") -> str:
    return f"{ADD}?room={room}&check_in={night(4)}&check_out={night(6)}"


def free_night(page: Page) -> Locator:
    return page.locator(f'#grid a[href="inn_B/{night(4)}/"]')


def name_field(page: Page) -> Locator:
    return page.get_by_label("Guest name")


def choice(page: Page) -> Locator:
    return page.get_by_role("option", name="Ada Lovelace")


def book_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Book", exact=True)


def made() -> list[dict[str, object]]:
    """The bookings besides the earlier one."""
    return [each for each in stored() if each["rooms"][0]["room"] != "inn_C"]


def expect_booked(page: Page) -> None:
    expect(page.locator(".messagelist")).to_contain_text("The room is booked.")


# --- Few presses --------------------------------------------------------------------------------


@only_with_scripts
@pytest.mark.parametrize("pointer", ["mouse", "touch"])
def test_books_for_a_returning_guest_in_three_presses_and_three_letters(
    open_site: Open, pointer: str
) -> None:
    page = open_site(GRID, has_touch=True).page
    presses = [free_night, choice, book_button]

    def press(target: Callable[[Page], Locator]) -> None:
        target(page).click() if pointer == "mouse" else target(page).tap()

    press(presses[0])
    expect(name_field(page)).to_be_focused()
    page.keyboard.type("ada")
    press(presses[1])
    press(presses[2])

    expect_booked(page)
    (booking,) = made()
    assert booking["guest"] == ADA
    assert booking["language"] == "de"
    assert (booking["check_in"], booking["check_out"]) == (night(4), night(5))


@only_with_scripts
def test_books_for_a_returning_guest_with_four_keys_and_three_letters(open_site: Open) -> None:
    page = open_site(GRID).page
    free_night(page).focus()

    page.keyboard.press("Enter")
    expect(name_field(page)).to_be_focused()
    page.keyboard.type("ada")
    expect(choice(page)).to_be_visible()
    for key in ("ArrowDown", "Enter", "Enter"):
        page.keyboard.press(key)

    expect_booked(page)
    assert [each["guest"] for each in made()] == [ADA]


@pytest.mark.parametrize("javascript", [False])
def test_books_without_scripts(open_site: Open) -> None:
    page = open_site(ADD).page
    page.get_by_label("Hotel").select_option("inn")
    page.get_by_label("Check-in").fill(night(4))
    page.get_by_label("Check-out").fill("")
    page.get_by_label("Nights").fill("2")
    page.get_by_role("button", name="Show rooms and price").click()
    page.get_by_label("Category").select_option("inn_double")
    page.get_by_label("How many rooms").fill("2")
    name_field(page).fill("Grace Hopper")
    page.get_by_role("button", name="Show rooms and price").click()
    expect(page.locator("#price")).to_contain_text("2 rooms together: EUR\xa0400.00")
    expect(name_field(page)).to_have_value("Grace Hopper")

    book_button(page).click()

    expect(page.locator(".messagelist")).to_contain_text("The rooms are booked.")
    assert stored()[-1]["price"]["total"] == 40_000


# --- Prices by themselves -----------------------------------------------------------------------


@only_with_scripts
def test_shows_prices_by_itself_and_keeps_the_focus_and_what_was_typed(open_site: Open) -> None:
    page = open_site(form_for()).page
    expect(page.locator("#price")).to_have_text("Double, 2 nights: EUR\xa0200.00")
    expect(page.get_by_label("Nights")).to_have_value("2")
    held: list[Route] = []
    page.route("**/add/**", lambda route: held.append(route))

    with page.expect_request("**/add/**"):
        page.get_by_label("Nights").fill("3")
        page.get_by_label("Nights").blur()
    expect(page.get_by_label("Check-out")).to_have_value(night(7))
    name_field(page).press_sequentially("Gr")
    for route in held:
        route.continue_()

    expect(page.locator("#price")).to_have_text("Double, 3 nights: EUR\xa0300.00")
    expect(name_field(page)).to_be_focused()
    expect(name_field(page)).to_have_value("Gr")
    page.unroute_all()
    page.get_by_label("Check-in").fill(night(5))
    page.get_by_label("Check-in").blur()
    expect(page.get_by_label("Check-out")).to_have_value(night(8))
    page.get_by_label("Category").select_option("inn_single")
    expect(page.locator("#price")).to_have_text("Single, 3 nights: EUR\xa0210.00")
    expect(page.get_by_label("Room:", exact=True)).to_have_value("")
    page.get_by_label("Category").select_option("inn_double")
    page.get_by_label("How many rooms").fill("2")
    page.get_by_label("How many rooms").blur()
    expect(page.locator("#price")).to_contain_text("2 rooms together: EUR\xa0600.00")


@only_with_scripts
def test_shows_the_price_of_the_last_change_when_an_earlier_answer_comes_late(
    open_site: Open,
) -> None:
    clerk = open_site(form_for())
    page = clerk.page
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/add/?*", hold_the_first)
    for nights, day in (("3", 7), ("4", 8)):
        page.get_by_label("Nights").fill(nights)
        page.get_by_label("Nights").blur()
        expect(page.get_by_label("Check-out")).to_have_value(night(day))
    expect(page.locator("#price")).to_have_text("Double, 4 nights: EUR\xa0400.00")

    with page.expect_event("requestfinished", lambda request: request == held[0].request):
        held[0].continue_()
    clerk.let_requests_begin()

    expect(page.locator("#price")).to_have_text("Double, 4 nights: EUR\xa0400.00")
    expect(page.locator("#id_quoted")).to_have_value("40000")


@only_with_scripts
def test_offers_guests_for_what_was_typed_before_the_script_came(open_site: Open) -> None:
    clerk = open_site(ADD)
    page = clerk.page
    held: list[Route] = []
    page.route("**/guest_choice*.js", lambda route: held.append(route))
    page.goto(f"{clerk.origin}{form_for()}", wait_until="commit")
    expect(name_field(page)).to_be_focused()
    page.keyboard.type("ada")

    held[0].continue_()

    expect(choice(page)).to_be_visible()
    expect(name_field(page)).to_have_value("ada")


@only_with_scripts
def test_sells_at_another_price_for_a_reason(open_site: Open) -> None:
    page = open_site(form_for()).page
    page.get_by_label("Another price", exact=False).first.fill("150.01")
    book_button(page).click()
    expect(page.get_by_text("Say why the price is another one.")).to_be_visible()
    expect(page.locator(".errornote")).to_be_focused()

    page.get_by_label("Why another price").fill("A long stay")
    book_button(page).click()

    expect(page.locator(".messagelist")).to_contain_text("Another price was agreed: EUR\xa0150.01.")
    expect(page.locator("#booking-history")).to_contain_text("an agreed price: A long stay")
    assert [each["price"]["total"] for each in made()] == [15_001]


# --- Earlier guests -----------------------------------------------------------------------------


@only_with_scripts
def test_is_a_combobox_as_assistive_technology_knows_it(open_site: Open) -> None:
    clerk = open_site(form_for())
    page = clerk.page
    field = name_field(page)
    expect(field).to_have_role("combobox")
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    field.press_sequentially("ad")
    page.clock.fast_forward(1000)
    clerk.let_requests_begin()
    assert [url for url in asked if "q=" in url] == []
    expect(field).to_have_attribute("aria-expanded", "false")
    field.press_sequentially("a")
    expect(field).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("status").get_by_text("1 earlier guest")).to_be_attached()
    expect(choice(page)).to_contain_text("ada@example.org · +49 30 123456")
    field.press("ArrowUp")
    expect(choice(page)).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == choice(page).get_attribute("id")
    field.press("Escape")
    expect(choice(page)).to_be_hidden()
    expect(field).to_have_value("ada")
    field.press_sequentially(" lov")
    expect(choice(page)).to_be_visible()
    field.press("Enter")
    expect(choice(page)).to_be_hidden()
    assert made() == []
    field.press_sequentially("e")
    expect(choice(page)).to_be_visible()
    field.press("Tab")
    expect(choice(page)).to_be_hidden()
    expect(page.get_by_label("Guest e-mail")).to_have_value("")
    field.fill("adam")
    expect(page.get_by_role("status").get_by_text("No earlier guest.")).to_be_attached()


# --- Rivals and lost connections ----------------------------------------------------------------


@only_with_scripts
def test_gives_the_last_room_to_one_of_two_clerks_and_tells_the_other(open_site: Open) -> None:
    anna, ben = (open_site(form_for("inn_S"), name).page for name in ("anna", "ben"))
    for page, guest in ((anna, "Grace Hopper"), (ben, "Alan Turing")):
        name_field(page).fill(guest)
        page.get_by_label("Notes").fill(f"For {guest}.")

    book_button(anna).click()
    expect_booked(anna)
    book_button(ben).click()

    expect(ben.locator(".errornote")).to_be_focused()
    expect(name_field(ben)).to_have_value("Alan Turing")
    expect(ben.get_by_label("Notes")).to_have_value("For Alan Turing.")
    assert [each["guest"]["name"] for each in made()] == ["Grace Hopper"]
    ben.get_by_label("Room:", exact=True).select_option("inn_B")
    expect(ben.locator("#price")).to_have_text("Double, 2 nights: EUR\xa0200.00")
    book_button(ben).click()
    expect_booked(ben)
    assert [each["guest"]["name"] for each in made()] == ["Grace Hopper", "Alan Turing"]


@only_with_scripts
@pytest.mark.parametrize("has_arrived", [True, False])
def test_books_once_when_the_connection_is_lost_during_the_press(
    open_site: Open, has_arrived: bool
) -> None:
    clerk = open_site(form_for())
    page = clerk.page
    clerk.expect_complaint("ERR_CONNECTION_RESET")
    name_field(page).fill("Grace Hopper")
    with losing(page, arrives=has_arrived):
        book_button(page).click()
        expect(page.get_by_role("alert").get_by_text(LOST)).to_be_visible()
    expect(name_field(page)).to_have_value("Grace Hopper")
    before = len(made())

    book_button(page).click()

    expect(page.locator("#booking-history")).to_be_visible()
    assert before == has_arrived
    assert [each["guest"]["name"] for each in made()] == ["Grace Hopper"]


@only_with_scripts
def test_keeps_what_was_typed_while_the_clerk_logs_in_again(open_site: Open) -> None:
    clerk = open_site(form_for())
    page = clerk.page
    name_field(page).fill("Grace Hopper")
    page.context.clear_cookies()

    clerk.expect_complaint("403")
    book_button(page).click()
    expect(page.get_by_role("alert").get_by_text("Your login has ended.")).to_be_visible()
    clerk.log_in(User.objects.get(username="anna"))
    expect(name_field(page)).to_have_value("Grace Hopper")
    book_button(page).click()

    expect_booked(page)
    assert [each["guest"]["name"] for each in made()] == ["Grace Hopper"]


@only_with_scripts
def test_keeps_what_was_typed_and_says_that_the_clerk_may_not_book(open_site: Open) -> None:
    clerk = open_site(form_for())
    clerk.expect_complaint("403")
    page = clerk.page
    name_field(page).fill("Grace Hopper")
    User.objects.filter(username="anna").update(is_superuser=False)

    book_button(page).click()

    expect(page.get_by_text("Nothing was changed: Not allowed.")).to_be_visible()
    expect(name_field(page)).to_have_value("Grace Hopper")
    assert made() == []


@only_with_scripts
def test_sends_a_double_press_once(open_site: Open) -> None:
    clerk = open_site(form_for())
    page = clerk.page
    held: list[Route] = []
    page.route("**/add/?*", lambda route: held.append(route))

    book_button(page).dblclick()
    clerk.let_requests_begin()

    assert len(held) == 1
    held[0].continue_()
    expect_booked(page)
    assert len(made()) == 1


# --- Looks --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@only_with_scripts
def test_is_accessible_and_can_be_touched_on_every_width(open_site: Open, scheme: str) -> None:
    clerk = open_site(form_for())
    page = clerk.page
    allow_axe(clerk)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    found, low, covered = [], [], []
    for state in ("open", "faults"):
        if state == "faults":
            name_field(page).press("Escape")
            page.get_by_label("Another price", exact=False).first.fill("0")
            book_button(page).click()
            expect(page.locator(".errornote")).to_be_focused()
        name_field(page).fill("")
        name_field(page).press_sequentially("ada")
        expect(choice(page)).to_be_visible()
        name_field(page).press("ArrowDown")
        for width in (360, 768, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            found += find_faults(page, f"{state}, {width} px")
            low += page.evaluate(TOO_LOW)
            page.evaluate("document.activeElement.scrollIntoView({block: 'center'})")
            covered += page.evaluate(COVERED)

    assert found == [], "\n".join(found)
    assert low == []
    assert covered == []
