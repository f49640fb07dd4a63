"""The page of a day in a browser: presses, undo, lost connections, and lists that refresh."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from bookings.domain.booking import CHECKED_IN, NO_SHOW
from tests.calls import book
from tests.conftest import night
from tests.journeys.conftest import Visit, only_with_scripts
from tests.journeys.looks import allow_axe, find_faults
from tests.journeys.lost_connection import LOST, losing
from tests.journeys.pressing import by_keyboard, by_mouse, by_touch
from tests.journeys.visitor import Visitor, stored

TODAY = "/admin/desk/today/?hotel=inn"

# Longer than the page waits before it refreshes.
REFRESH = "00:31"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]


@pytest.fixture
def open_desk(visit_as_staff: Visit) -> Callable[..., Visitor]:
    """Opens the page of the day in another browser, for another member of staff."""

    def open_page(name: str = "staff", **options: object) -> Visitor:
        visitor = visit_as_staff(name, **options)
        # So that a test can move the time on to the next refresh.
        visitor.page.clock.install()
        visitor.go(TODAY)
        return visitor

    return open_page


@pytest.fixture
def guests() -> None:
    for room, end, name in (("inn_A", 1, "Ada"), ("inn_B", 3, "Bea")):
        sell(name, room, end)


def sell(name: str, room: str, end: int = 2, notes: str = "") -> None:
    dates = {"checkIn": night(0), "checkOut": night(end)}
    guest = {"name": name, "phone": "+49 30 1234567"}
    book(name, resourceId=room, **dates, guest=guest, notes=notes)


def row(page: Page, name: str) -> Locator:
    return page.locator("tr[data-stay]", has_text=name)


def in_list(page: Page, list_name: str, name: str) -> Locator:
    return page.locator(f'[data-list="{list_name}"] tr', has_text=name)


def events(name: str) -> list[str]:
    (booking,) = [each for each in stored() if each["guest"]["name"] == name]
    return [line["event"] for line in booking["history"]][1:]


def check_in(page: Page, name: str = "Ada") -> Locator:
    return row(page, name).get_by_role("button", name="Check in")


@only_with_scripts
@pytest.mark.parametrize("press", [by_mouse, by_keyboard, by_touch])
def test_checks_in_by_one_press_and_keeps_the_page(
    open_desk: Callable[..., Visitor], guests: None, press: Callable[[Locator], None]
) -> None:
    page = open_desk(has_touch=True).page
    page.evaluate("window.isKept = true")

    press(check_in(page))

    expect(in_list(page, "In house", "Ada")).to_be_visible()
    expect(page.locator(".messagelist")).to_contain_text("The guest is checked in.")
    expect(page.locator("#today-news")).to_contain_text("The guest is checked in.")
    expect(row(page, "Ada")).to_be_focused()
    assert page.evaluate("window.isKept")
    assert events("Ada") == [CHECKED_IN]


def test_undoes_by_the_button_in_the_message(
    open_desk: Callable[..., Visitor], guests: None
) -> None:
    page = open_desk().page
    check_in(page).click()
    expect(in_list(page, "In house", "Ada")).to_be_visible()

    page.locator(".messagelist").get_by_role("button", name="Undo").click()

    expect(in_list(page, "Arrivals", "Ada")).to_be_visible()
    expect(page.locator(".messagelist")).to_contain_text("The mark is undone")
    assert events("Ada") == [CHECKED_IN, "mark_undone"]


def test_marks_a_no_show_under_more_and_undoes_it_where_it_is_done(
    open_desk: Callable[..., Visitor], guests: None
) -> None:
    page = open_desk().page
    row(page, "Bea").get_by_text("More").click()
    row(page, "Bea").get_by_label("if a no-show").check()
    row(page, "Bea").get_by_role("button", name="No-show").click()
    expect(page.locator(".messagelist")).to_contain_text("nights from")
    kept = len(stored()[1]["slots"])

    page.get_by_text("Done today (1)").click()
    row(page, "Bea").get_by_role("button", name="Undo").click()

    expect(in_list(page, "Arrivals", "Bea")).to_be_visible()
    assert (kept, len(stored()[1]["slots"])) == (1, 3)
    assert events("Bea") == [NO_SHOW, "mark_undone"]


@only_with_scripts
def test_tells_the_second_of_two_clerks_who_press_at_once(
    open_desk: Callable[..., Visitor], guests: None
) -> None:
    one, two = open_desk("anna").page, open_desk("ben").page
    held: list[Route] = []
    one.route("**/mark/**", lambda route: held.append(route))
    with one.expect_request("**/mark/**"):
        check_in(one).click()

    check_in(two).click()
    expect(in_list(two, "In house", "Ada")).to_be_visible()
    held[0].continue_()

    expect(one.locator(".messagelist")).to_contain_text("is checked in already")
    expect(in_list(one, "In house", "Ada")).to_be_visible()
    assert events("Ada") == [CHECKED_IN]


@only_with_scripts
def test_sends_a_double_press_once(open_desk: Callable[..., Visitor], guests: None) -> None:
    clerk = open_desk()

    check_in(clerk.page).dblclick()

    expect(in_list(clerk.page, "In house", "Ada")).to_be_visible()
    assert len(clerk.posted) == 1


@only_with_scripts
def test_sends_presses_one_after_the_other(open_desk: Callable[..., Visitor], guests: None) -> None:
    clerk = open_desk()
    page = clerk.page
    held: list[Route] = []
    page.route("**/mark/**", lambda route: held.append(route), times=1)
    with page.expect_request("**/mark/**"):
        check_in(page, "Ada").click()
    check_in(page, "Bea").click()
    page.evaluate("fetch('/admin/jsi18n/')")
    sent_meanwhile = len(clerk.posted)

    held[0].continue_()

    for name in ("Ada", "Bea"):
        expect(in_list(page, "In house", name)).to_be_visible()
    assert sent_meanwhile == 1
    assert [events(name) for name in ("Ada", "Bea")] == [[CHECKED_IN], [CHECKED_IN]]


@only_with_scripts
@pytest.mark.parametrize("has_arrived", [True, False])
def test_acts_once_when_the_connection_is_lost_during_a_press(
    open_desk: Callable[..., Visitor], guests: None, has_arrived: bool
) -> None:
    clerk = open_desk()
    page = clerk.page
    clerk.expect_complaint("ERR_CONNECTION_RESET")

    again = row(page, "Ada").get_by_role("button", name=LOST)
    with losing(page, arrives=has_arrived):
        check_in(page).click()
        expect(again).to_be_visible()
    expect(page.locator("#today-news")).to_have_text(f"{LOST}.")
    assert events("Ada") == ([CHECKED_IN] if has_arrived else [])

    again.click()

    expect(in_list(page, "In house", "Ada")).to_be_visible()
    expect(page.locator(".messagelist")).to_contain_text("checked in")
    assert events("Ada") == [CHECKED_IN]
    assert len(clerk.posted_keys) == 1
    assert len(clerk.posted) == 2


@only_with_scripts
def test_keeps_the_key_of_a_lost_press_when_the_lists_refresh(
    open_desk: Callable[..., Visitor], guests: None
) -> None:
    clerk = open_desk()
    page = clerk.page
    clerk.expect_complaint("ERR_CONNECTION_RESET")
    again = row(page, "Ada").get_by_role("button", name=LOST)
    with losing(page, arrives=False):
        check_in(page).click()
        expect(again).to_be_visible()
    sell("Cleo", "inn_C")

    page.evaluate("document.activeElement.blur()")
    page.clock.fast_forward(REFRESH)
    expect(row(page, "Cleo")).to_be_visible()
    again.click()

    expect(in_list(page, "In house", "Ada")).to_be_visible()
    assert len(clerk.posted_keys) == 1


@only_with_scripts
def test_refreshes_and_says_what_changed(open_desk: Callable[..., Visitor], guests: None) -> None:
    page = open_desk().page
    check_in(page).click()
    expect(row(page, "Ada")).to_be_focused()
    sell("Cleo", "inn_C")
    sell("Dora", "inn_S")

    page.clock.fast_forward(REFRESH)

    expect(page.locator("#today-news")).to_have_text("2 new arrivals.")
    expect(in_list(page, "Arrivals", "Cleo")).to_be_visible()
    # The person is still at the row that was pressed, though it is another element by now.
    expect(row(page, "Ada")).to_be_focused()


@only_with_scripts
def test_replaces_nothing_by_lists_from_before_a_press(
    open_desk: Callable[..., Visitor], guests: None
) -> None:
    page = open_desk().page
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/today/**", lambda route: held.append((route, route.fetch())), times=1)
    with page.expect_request("**/today/**"):
        page.clock.fast_forward(REFRESH)
    while not held:
        page.evaluate("fetch('/admin/jsi18n/')")
    check_in(page).click()
    expect(row(page, "Ada")).to_be_focused()

    ((route, before),) = held
    with page.expect_event("requestfinished"):
        route.fulfill(response=before)
    page.evaluate("fetch('/admin/jsi18n/')")

    # At once, since the next refresh would put it right.
    assert in_list(page, "In house", "Ada").is_visible()


@only_with_scripts
def test_says_that_the_session_has_ended(open_desk: Callable[..., Visitor], guests: None) -> None:
    page = open_desk().page
    page.context.clear_cookies(name="sessionid")

    page.clock.fast_forward(REFRESH)
    expect(page.locator("#today-news")).to_contain_text("Your login has ended.")
    check_in(page).click()
    page.locator("#today-news").get_by_role("link", name="Log in").click()

    expect(page).to_have_url(re.compile("/admin/login/"))
    assert events("Ada") == []


def focus_button(page: Page) -> None:
    check_in(page, "Bea").focus()


def open_more(page: Page) -> None:
    row(page, "Bea").get_by_text("More").click()
    page.evaluate("document.activeElement.blur()")


def tick(page: Page) -> None:
    """Ticks the box, and closes what shows it."""
    row(page, "Bea").get_by_text("More").click()
    row(page, "Bea").get_by_label("if a no-show").click()
    row(page, "Bea").get_by_text("More").click()
    page.evaluate("document.activeElement.blur()")


@only_with_scripts
@pytest.mark.parametrize("use", [focus_button, open_more, tick])
def test_refreshes_nothing_that_is_in_use(
    open_desk: Callable[..., Visitor], guests: None, use: Callable[[Page], None]
) -> None:
    page = open_desk().page
    use(page)
    sell("Cleo", "inn_C")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.clock.fast_forward(REFRESH)
    # What the page asked before this has begun by the time this is answered.
    page.evaluate("fetch('/admin/jsi18n/')")

    assert [url for url in asked if "today" in url] == []
    expect(row(page, "Cleo")).to_have_count(0)


@only_with_scripts
def test_keeps_what_was_ticked_in_another_row(
    open_desk: Callable[..., Visitor], guests: None
) -> None:
    page = open_desk().page
    row(page, "Bea").get_by_text("More").click()
    box = row(page, "Bea").get_by_label("if a no-show")
    was_ticked = box.is_checked()
    box.click()

    check_in(page).click()

    expect(in_list(page, "In house", "Ada")).to_be_visible()
    expect(box).to_be_visible()
    assert box.is_checked() != was_ticked


@only_with_scripts
def test_prints_the_open_lists_with_room_for_remarks(
    open_desk: Callable[..., Visitor], guests: None
) -> None:
    page = open_desk().page
    sell("Cleo", "inn_C", notes="A cot")
    check_in(page).click()
    expect(in_list(page, "In house", "Ada")).to_be_visible()

    page.emulate_media(media="print")

    shown = page.locator("body").inner_text()
    for text in ("Arrivals (2)", "In house (1)", "Room A", "Ada", "+49 30 1234567", "Remarks"):
        assert text in shown
    for text in ("Check in", "Check out", "More", "Undo", "Done", "Day before", "Notes"):
        assert text not in shown
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.slow
@only_with_scripts
def test_is_accessible_and_can_be_touched_on_every_width(
    open_desk: Callable[..., Visitor], guests: None
) -> None:
    clerk = open_desk()
    page = clerk.page
    allow_axe(clerk)
    sell("Cleo", "inn_C", notes="A cot, please")
    sell("Dora", "inn_S")
    for name in ("Ada", "Dora"):
        check_in(page, name).click()
        expect(in_list(page, "In house", name)).to_be_visible()
    row(page, "Dora").get_by_role("button", name="Check out").click()
    expect(page.locator("[data-list=Done]")).to_be_focused()
    for summary in page.locator("#lists summary").all():
        summary.click()

    found, low = [], []
    for width in (360, 375, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            # Further down, the message stays in sight and may cover a part of a row.
            page.evaluate("scrollTo(0, 0)")
            found += find_faults(page, f"{width} px, {scheme}", within="#content-start")
        for button in page.locator("#lists button, .messagelist button").all():
            box = button.bounding_box()
            if box is None or box["height"] < 44:
                low.append(f"{width} px: {button.inner_text()}: {box}")

    assert found == [], "\n".join(found)
    assert low == []
