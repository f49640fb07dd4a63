"""The price calendar in a browser: by mouse, keyboard and touch, by two, and on a bad line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from bookings.infrastructure.connections import collection
from bookings.presentation.days import day_text
from tests.conftest import night
from tests.hotels import put_night
from tests.journeys.conftest import Visit, only_with_scripts
from tests.journeys.looks import allow_axe, find_faults
from tests.journeys.lost_connection import LOST, losing
from tests.journeys.visitor import Visitor

# A whole month ahead, so that none of its nights is in the past.
MONTH = (date.fromisoformat(night(0)).replace(day=1) + timedelta(days=40)).replace(day=1)
URL = f"/admin/bookings/pricecalendar/?hotel=inn&month={MONTH:%Y-%m}"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]

OpenPrices = Callable[..., Visitor]


@pytest.fixture
def open_prices(visit_as_staff: Visit) -> OpenPrices:
    """Opens the calendar in another browser, for another manager."""

    def open_page(name: str = "anna", url: str = URL, **options: object) -> Visitor:
        visitor = visit_as_staff(name, **options)
        visitor.go(url)
        return visitor

    return open_page


def day(number: int) -> str:
    """A day of the month, counted from 1."""
    return (MONTH + timedelta(days=number - 1)).isoformat()


def cell(page: Page, category: str, number: int) -> Locator:
    """The night of this day; number 0 is the heading of the category."""
    row = page.locator(f'#price-grid tr[data-category="inn_{category}"]')
    return row.locator("th, td").nth(number)


def heading(page: Page, number: int) -> Locator:
    return page.locator(f'#price-grid th[data-day="{day(number)}"]')


def window(page: Page) -> Locator:
    return page.locator("#editor")


def press(page: Page, name: str) -> None:
    window(page).get_by_role("button", name=name, exact=True).click()


def price_field(page: Page) -> Locator:
    return window(page).get_by_label("Price")


def stored() -> dict[str, int]:
    """The price of each night in the calendar."""
    found = collection("nights").find().sort("_id")
    return {f"{one['category_id'][4:]} {one['date']}": one["price"] for one in found}


def selected(page: Page) -> int:
    return page.locator('#price-grid td[aria-selected="true"]').count()


def said(page: Page) -> Locator:
    return page.locator(".messagelist")


def change(page: Page, price: str) -> None:
    """Types the price, looks, and saves."""
    price_field(page).fill(price)
    press(page, "Preview")
    press(page, "Save")


@only_with_scripts
def test_edits_one_price_by_keyboard_and_undoes_it(open_prices: OpenPrices) -> None:
    manager = open_prices()
    page = manager.page
    page.evaluate("window.isKept = true")
    expect(page.get_by_text("A double press edits one price.")).to_be_visible()
    cell(page, "double", 3).focus()

    page.keyboard.press("Enter")
    expect(price_field(page)).to_be_focused()
    expect(price_field(page)).to_have_value("100.00")
    page.keyboard.type("120.50")
    page.keyboard.press("Enter")
    expect(window(page)).to_contain_text("EUR\xa0120.50")
    expect(window(page)).to_contain_text(day_text(day(3)))
    expect(price_field(page)).to_be_focused()
    between = stored()
    page.keyboard.press("Enter")

    expect(said(page)).to_contain_text("Done. Set price EUR\xa0120.50")
    expect(window(page)).to_be_hidden()
    expect(cell(page, "double", 3)).to_be_focused()
    expect(cell(page, "double", 3)).to_contain_text("120.50")
    expect(page.locator("#prices-news")).to_contain_text("Done.")
    assert (between, stored()) == ({}, {f"double {day(3)}": 12_050})

    page.get_by_role("button", name="Undo it").press("Enter")

    expect(said(page)).to_contain_text("Undone. 1 night is as before the change.")
    expect(cell(page, "double", 3)).to_contain_text("default")
    expect(page.get_by_role("button", name="Undo it")).to_have_count(0)
    assert stored() == {}
    assert page.evaluate("window.isKept")


@only_with_scripts
def test_leaves_a_price_as_it_is_by_escape(open_prices: OpenPrices) -> None:
    page = open_prices().page
    cell(page, "double", 3).dblclick()
    price_field(page).fill("1")

    page.keyboard.press("Escape")

    expect(window(page)).to_be_hidden()
    expect(cell(page, "double", 3)).to_be_focused()
    assert stored() == {}


@only_with_scripts
def test_changes_a_range_that_is_dragged_by_mouse(open_prices: OpenPrices) -> None:
    page = open_prices().page
    cell(page, "single", 2).scroll_into_view_if_needed()
    start, end = (cell(page, name, n).bounding_box() for name, n in (("double", 2), ("single", 4)))
    assert start
    assert end
    page.mouse.move(start["x"] + 10, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(end["x"] + 10, end["y"] + 10, steps=4)
    page.mouse.up()
    expect(page.locator("#selection")).to_contain_text("6 nights: Double, Single, ")

    page.locator("#selection").get_by_role("button", name="Change").click()
    change(page, "+10 %")

    expect(said(page)).to_contain_text("6 nights, 6 of them new")
    days = [day(number) for number in (2, 3, 4)]
    assert stored() == {
        **{f"double {each}": 11_000 for each in days},
        **{f"single {each}": 7_700 for each in days},
    }


@only_with_scripts
def test_closes_a_range_that_is_chosen_by_keyboard(open_prices: OpenPrices) -> None:
    page = open_prices().page
    cell(page, "single", 9).click()
    cell(page, "double", 5).focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowUp"):
        page.keyboard.press(key)
    assert selected(page) == 3
    page.keyboard.press("Enter")
    expect(window(page).get_by_role("link", name="All of this night")).to_be_hidden()
    window(page).get_by_label("Sale").select_option(label="Close")
    window(page).get_by_label("Minimum stay").fill("3")
    window(page).get_by_label("Arrival").select_option(label="Closed")
    window(page).get_by_label("Departure").select_option(label="Closed")
    press(page, "Preview")
    press(page, "Save")

    for number in (5, 6, 7):
        for sign in ("100.00", "closed", "min 3", "no arrival", "no departure"):
            expect(cell(page, "double", number)).to_contain_text(sign)
    found = list(collection("nights").find())
    assert {(one["closed"], one["min_stay"], one["price"]) for one in found} == {(True, 3, 10_000)}
    assert len(found) == 3


@only_with_scripts
def test_chooses_a_row_and_a_column_by_their_headings(open_prices: OpenPrices) -> None:
    page = open_prices().page

    cell(page, "double", 0).click()
    row = selected(page)
    heading(page, 2).click()
    column = selected(page)
    heading(page, 2).press("Shift+ArrowRight")
    both = selected(page)
    page.keyboard.press("Escape")

    days = (MONTH + timedelta(days=31)).replace(day=1) - MONTH
    assert (row, column, both, selected(page)) == (days.days, 3, 6, 0)
    expect(page.locator("#selection")).to_be_hidden()


@only_with_scripts
def test_opens_a_closed_night_and_leaves_its_price_to_others(open_prices: OpenPrices) -> None:
    put_night("inn_double", day(3), price=9_000, closed=True)
    page = open_prices().page
    cell(page, "double", 3).dblclick()
    collection("nights").update_one({}, {"$set": {"price": 9_500}})

    press(page, "More settings")
    window(page).get_by_label("Sale").select_option(label="Open")
    press(page, "Preview")
    press(page, "Save")

    expect(said(page)).to_contain_text("Done. Set sale open")
    expect(cell(page, "double", 3)).not_to_contain_text("closed")
    assert stored() == {f"double {day(3)}": 9_500}


@only_with_scripts
def test_changes_one_night_and_a_range_by_touch(open_prices: OpenPrices) -> None:
    page = open_prices(has_touch=True, viewport={"width": 360, "height": 740}).page
    cell(page, "double", 2).tap()
    expect(page.locator("#selection")).to_contain_text(f"1 night: Double, {day_text(day(2))}")
    page.locator("#selection").get_by_role("button", name="Change").tap()
    price_field(page).fill("101")
    window(page).get_by_role("button", name="Preview").tap()
    window(page).get_by_role("button", name="Save").tap()
    expect(said(page)).to_contain_text("Done.")

    cell(page, "double", 1).scroll_into_view_if_needed()
    drag_by_finger(page, cell(page, "double", 1), cell(page, "double", 3), holds=True)
    expect(page.locator("#selection")).to_contain_text("3 nights: Double")
    page.locator("#selection").get_by_role("button", name="Change").tap()
    change(page, "+5.00")

    expect(said(page)).to_contain_text("3 nights, 2 of them new")
    assert list(stored().values()) == [10_500, 10_600, 10_500]


@only_with_scripts
def test_scrolls_by_a_finger_that_does_not_hold(open_prices: OpenPrices) -> None:
    page = open_prices(has_touch=True, viewport={"width": 360, "height": 740}).page
    cell(page, "double", 3).scroll_into_view_if_needed()
    before = scrolled(page)

    drag_by_finger(page, cell(page, "double", 3), cell(page, "double", 1), holds=False)

    has_scrolled = "before => document.querySelector('.wide').scrollLeft > before"
    page.wait_for_function(has_scrolled, arg=before)
    assert selected(page) == 0


def scrolled(page: Page) -> float:
    found: float = page.evaluate("document.querySelector('.wide').scrollLeft")
    return found


def drag_by_finger(page: Page, start: Locator, end: Locator, *, holds: bool) -> None:
    boxes = [each.bounding_box() for each in (start, end)]
    (x, y), (to_x, to_y) = [
        (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes if box
    ]
    touch = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": each[0], "y": each[1]} for each in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", (x, y))
    if holds:
        expect(start).to_have_attribute("aria-selected", "true")
    for step in range(1, 9):
        send("touchMove", (x + (to_x - x) * step / 8, y + (to_y - y) * step / 8))
    send("touchEnd")


@only_with_scripts
def test_shows_the_second_of_two_managers_what_the_first_has_saved(open_prices: OpenPrices) -> None:
    put_night("inn_double", day(3), price=10_000)
    one, two = open_prices("anna").page, open_prices("ben").page
    cell(one, "double", 3).dblclick()
    price_field(one).fill("+10 %")
    press(one, "Preview")
    expect(window(one)).to_contain_text("EUR\xa0110.00")
    cell(two, "double", 3).dblclick()
    change(two, "90")
    expect(said(two)).to_contain_text("Done.")

    press(one, "Save")
    expect(window(one)).to_contain_text("have changed since; see below what would change now")
    expect(window(one)).to_contain_text("EUR\xa099.00")
    between = stored()
    press(one, "Save")
    expect(said(one)).to_contain_text("Done.")

    two.get_by_role("button", name="Undo it").click()
    expect(said(two)).to_contain_text("1 night was changed since and stays: Double on")
    assert (list(between.values()), list(stored().values())) == ([9_000], [9_900])


@only_with_scripts
def test_sends_a_double_press_once(open_prices: OpenPrices) -> None:
    manager = open_prices()
    page = manager.page
    cell(page, "double", 3).dblclick()
    price_field(page).fill("+10 %")
    press(page, "Preview")

    window(page).get_by_role("button", name="Save").dblclick()

    expect(said(page)).to_contain_text("Done.")
    assert list(stored().values()) == [11_000]
    assert len(manager.posted) == 2


@only_with_scripts
@pytest.mark.parametrize("has_arrived", [True, False])
def test_saves_once_when_the_connection_is_lost(open_prices: OpenPrices, has_arrived: bool) -> None:
    manager = open_prices()
    page = manager.page
    cell(page, "double", 3).dblclick()
    price_field(page).fill("+10 %")
    press(page, "Preview")
    expect(window(page)).to_contain_text("EUR\xa0110.00")
    manager.expect_complaint("ERR_CONNECTION_RESET")
    again = window(page).get_by_role("button", name=LOST)
    with losing(page, arrives=has_arrived):
        press(page, "Save")
        expect(again).to_be_visible()
    assert list(stored().values()) == ([11_000] if has_arrived else [])

    again.click()

    expect(window(page)).to_be_hidden()
    expect(cell(page, "double", 3)).to_contain_text("110.00")
    assert list(stored().values()) == [11_000]
    assert len(manager.posted_keys) == 1


@only_with_scripts
def test_shows_what_was_saved_to_who_leaves_after_a_lost_answer(open_prices: OpenPrices) -> None:
    manager = open_prices()
    page = manager.page
    cell(page, "double", 3).dblclick()
    price_field(page).fill("+10 %")
    press(page, "Preview")
    expect(window(page)).to_contain_text("EUR\xa0110.00")
    manager.expect_complaint("ERR_CONNECTION_RESET")
    with losing(page, arrives=True):
        press(page, "Save")
        expect(window(page).get_by_role("button", name=LOST)).to_be_visible()

    page.keyboard.press("Escape")
    expect(cell(page, "double", 3)).to_contain_text("110.00")
    cell(page, "double", 3).dblclick()
    change(page, "+10 %")

    # It is another change, of the price that the person sees by then, under a key of its own.
    expect(cell(page, "double", 3)).to_contain_text("121.00")
    assert list(stored().values()) == [12_100]
    assert len(manager.posted_keys) == 2


@only_with_scripts
@pytest.mark.parametrize("has_arrived", [True, False])
def test_undoes_once_when_the_connection_is_lost(
    open_prices: OpenPrices, has_arrived: bool
) -> None:
    put_night("inn_double", day(3), price=9_000)
    manager = open_prices()
    page = manager.page
    cell(page, "double", 3).dblclick()
    change(page, "120")
    expect(said(page)).to_contain_text("Done.")
    manager.expect_complaint("ERR_CONNECTION_RESET")
    again = page.get_by_role("button", name=LOST)
    with losing(page, arrives=has_arrived):
        page.get_by_role("button", name="Undo it").click()
        expect(again).to_be_visible()
    assert list(stored().values()) == ([9_000] if has_arrived else [12_000])

    again.click()

    expect(said(page)).to_contain_text("1 night is as before the change.")
    expect(again).to_have_count(0)
    assert list(stored().values()) == [9_000]


@only_with_scripts
def test_forgets_what_it_showed_when_something_else_is_typed(open_prices: OpenPrices) -> None:
    page = open_prices().page
    cell(page, "double", 3).dblclick()
    price_field(page).fill("120")
    press(page, "Preview")
    expect(window(page)).to_contain_text("EUR\xa0120.00")

    price_field(page).fill("130")

    expect(window(page)).not_to_contain_text("EUR\xa0120.00")
    expect(window(page).get_by_role("button", name="Save")).to_have_count(0)
    assert stored() == {}


@only_with_scripts
def test_offers_no_night_that_has_passed(open_prices: OpenPrices) -> None:
    today = date.fromisoformat(night(0))
    page = open_prices(url="/admin/bookings/pricecalendar/?hotel=inn").page

    cell(page, "double", 0).click()

    days = (today.replace(day=1) + timedelta(days=31)).replace(day=1) - today
    assert selected(page) == days.days
    if today.day > 1:
        # Force, since the cell says that it is disabled.
        cell(page, "double", 1).dblclick(force=True)
        expect(window(page)).to_be_hidden()
        assert selected(page) == 0


@only_with_scripts
def test_says_that_the_session_has_ended(open_prices: OpenPrices) -> None:
    page = open_prices().page
    cell(page, "double", 3).dblclick()
    page.context.clear_cookies(name="sessionid")

    price_field(page).fill("120")
    press(page, "Preview")

    expect(window(page)).to_contain_text("Your login has ended.")
    expect(page.get_by_role("link", name="Log in on another tab")).to_be_visible()
    expect(price_field(page)).to_have_value("120")
    expect(page.get_by_label("Password")).to_have_count(0)
    assert stored() == {}


@pytest.mark.slow
@only_with_scripts
def test_is_accessible_and_can_be_touched_on_every_width(open_prices: OpenPrices) -> None:
    restricted = {"closed_to_arrival": True, "closed_to_departure": True}
    put_night("inn_double", day(2), closed=True, min_stay=3, **restricted)
    put_night("inn_double", day(3))
    manager = open_prices()
    page = manager.page
    allow_axe(manager)
    cell(page, "single", 3).dblclick()
    change(page, "120")
    expect(said(page)).to_contain_text("Done.")
    found, low = [], []

    def look(state: str) -> None:
        for width in (360, 768, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.evaluate("scrollTo(0, 0)")
                where = f"{state}, {width} px, {scheme}"
                found.extend(find_faults(page, where, within="#content-start"))
            buttons = page.locator("#prices button, #selection button, #editor button")
            for target in [*buttons.all(), cell(page, "double", 1), heading(page, 1)]:
                box = target.bounding_box()
                if target.is_visible() and (box is None or box["height"] < 44):
                    low.append(f"{state}, {width} px: {target.inner_text()}: {box}")

    cell(page, "double", 2).focus()
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    look("selection")
    page.keyboard.press("Enter")
    price_field(page).fill("+10 %")
    press(page, "Preview")
    expect(window(page).get_by_role("button", name="Save")).to_be_visible()
    look("window")

    assert found == [], "\n".join(found)
    assert low == []


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [False])
def test_changes_and_undoes_without_javascript(open_prices: OpenPrices) -> None:
    manager = open_prices()
    page = manager.page
    page.get_by_label("Double").check()
    page.get_by_label("First night").fill(day(2))
    page.get_by_label("Last night").fill(day(3))
    page.get_by_role("textbox", name="Price").fill("+5.00")
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_role("button", name="Apply").click()
    expect(said(page)).to_contain_text("Done. Set price +EUR\xa05.00")
    between = list(stored().values())

    page.get_by_role("button", name="Undo it").click()

    expect(said(page)).to_contain_text("Undone. 2 nights are as before the change.")
    assert (between, stored()) == ([10_500, 10_500], {})
