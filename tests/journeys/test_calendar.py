"""The calendar in a browser: bars that are dragged by mouse, keyboard and touch, nights that are
chosen, details, lost connections, and two people at one stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Locator, Page, expect

from bookings.infrastructure.connections import collection
from bookings.presentation.days import day_text
from tests.calls import book, cancel
from tests.conftest import night
from tests.hotels import put_night
from tests.journeys.conftest import Visit
from tests.journeys.desk import fill_inn, free_night
from tests.journeys.looks import allow_axe, find_faults
from tests.journeys.lost_connection import LOST, losing
from tests.journeys.visitor import Visitor, stored

CALENDAR = "/admin/desk/occupancy/?hotel=inn&days=14"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("inn"),
    pytest.mark.parametrize("javascript", [True]),
]

OpenDesk = Callable[..., Visitor]


@pytest.fixture
def open_desk(visit: Visit) -> OpenDesk:
    """Opens the calendar in another browser, for another member of staff."""

    def open_page(name: str = "staff", user: User | None = None, **options: object) -> Visitor:
        visitor = visit(**{"viewport": {"width": 1280, "height": 900}, **options})
        visitor.log_in(user or User.objects.create_superuser(name))
        visitor.go(CALENDAR)
        return visitor

    return open_page


@pytest.fixture
def ada() -> Any:
    return sell("Ada", "inn_A", 1, 3)


def sell(name: str, room: str, first: int, end: int, **more: Any) -> Any:
    dates = {"checkIn": night(first), "checkOut": night(end)}
    return book(name, resourceId=room, **dates, guest={"name": name}, **more)


def bar(page: Page, name: str = "Ada") -> Locator:
    return page.locator("#grid td.bar a", has_text=name)


def free(page: Page, room: str, ahead: int) -> Locator:
    return page.locator(f'#grid a[href="{room}/{night(ahead)}/"]')


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def press(page: Page, name: str) -> None:
    dialog(page).get_by_role("button", name=name, exact=True).click()


def places(name: str = "Ada") -> list[str]:
    (booking,) = [each for each in stored() if each["guest"]["name"] == name]
    return booking["slots"]


def events(name: str = "Ada") -> list[str]:
    (booking,) = [each for each in stored() if each["guest"]["name"] == name]
    return [line["event"] for line in booking["history"]][1:]


# --- Ways to drag -------------------------------------------------------------------------------


def middle(place: Locator) -> tuple[float, float]:
    """The middle of the first night of a cell."""
    box = place.bounding_box()
    assert box is not None
    return box["x"] + 15, box["y"] + box["height"] / 2


def by_mouse(page: Page, start: Locator, end: Locator) -> None:
    (x, y), (to_x, to_y) = middle(start), middle(end)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 8, y)
    page.mouse.move(to_x, to_y, steps=4)
    page.mouse.up()


def by_touch(page: Page, start: Locator, end: Locator) -> None:
    (x, y), (to_x, to_y) = middle(start), middle(end)
    touch = finger_on(page)
    touch("touchStart", (x, y))
    page.locator("#calendar.is-dragging").wait_for(state="attached")
    for part in (0.25, 0.5, 0.75, 1):
        touch("touchMove", (x + (to_x - x) * part, y + (to_y - y) * part))
    touch("touchEnd")


def finger_on(page: Page) -> Callable[..., None]:
    browser = page.context.new_cdp_session(page)

    def touch(kind: str, *at: tuple[float, float]) -> None:
        points = [{"x": x, "y": y} for x, y in at]
        browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


# --- Moving a stay ------------------------------------------------------------------------------


@pytest.mark.parametrize("drag", [by_mouse, by_touch])
def test_moves_a_stay_to_where_its_bar_is_dropped(
    open_desk: OpenDesk, ada: Any, drag: Callable[..., None]
) -> None:
    page = open_desk(has_touch=drag is by_touch).page
    page.evaluate("window.isKept = true")

    drag(page, bar(page), free(page, "inn_B", 4))
    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(4))
    expect(dialog(page).get_by_label("Check-out")).to_have_value(night(6))
    expect(dialog(page).locator("#offered")).to_contain_text("Price now EUR\xa0200.00")
    before = places()
    press(page, "Move")

    expect(page.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    expect(dialog(page)).to_have_count(0)
    expect(page.locator("#calendar-news")).to_contain_text("Moved from Room A")
    expect(page.locator(".messagelist")).to_contain_text("to Room B")
    assert page.evaluate("window.isKept")
    assert before == [f"{night(1)}|inn_A", f"{night(2)}|inn_A"]
    assert places() == [f"{night(4)}|inn_B", f"{night(5)}|inn_B"]
    assert events() == ["moved"]


def test_moves_a_stay_by_the_keyboard_alone(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    news = page.locator("#calendar-news")
    bar(page).focus()

    page.keyboard.press("m")
    expect(news).to_contain_text("Moving Ada.")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    day = date.fromisoformat(night(3))
    expect(news).to_have_text(f"Room B, {day:%a} {day.day} {day:%b}")
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(3))
    dialog(page).get_by_role("button", name="Move", exact=True).press("Enter")

    expect(page.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    expect(bar(page)).to_be_focused()
    assert places() == [f"{night(3)}|inn_B", f"{night(4)}|inn_B"]


def test_changes_the_form_before_it_moves(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    by_mouse(page, bar(page), free(page, "inn_B", 1))

    offered = dialog(page).locator("#offered")
    expect(offered).to_contain_text("then EUR\xa0200.00")
    with page.expect_response(lambda response: response.request.method == "POST"):
        dialog(page).get_by_label("Check-out").fill(night(4))
        dialog(page).get_by_label("Check-out").blur()
    expect(offered).to_contain_text("then EUR\xa0300.00 (EUR\xa0100.00 more)")
    dialog(page).get_by_role("combobox").select_option("inn_C")
    press(page, "Move")

    expect(page.locator("tr[data-room=inn_C] .bar a")).to_have_text("Ada")
    assert len(places()) == 3


def test_asks_again_if_the_price_has_changed_since_it_was_shown(
    open_desk: OpenDesk, ada: Any
) -> None:
    page = open_desk().page
    by_mouse(page, bar(page), free(page, "inn_B", 4))
    offered = dialog(page).locator("#offered")
    expect(offered).to_contain_text("then EUR\xa0200.00 (same price)")
    put_night("inn_double", night(5), price=15_000)

    press(page, "Move")

    expect(offered).to_contain_text("then EUR\xa0250.00 (EUR\xa050.00 more)")
    expect(dialog(page)).to_contain_text("The price is no longer the one that was shown.")
    assert events() == []
    press(page, "Move")
    expect(page.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    assert events() == ["moved"]


@pytest.mark.parametrize("how", ["Escape", "Close"])
def test_puts_the_bar_back(open_desk: OpenDesk, ada: Any, how: str) -> None:
    page = open_desk().page
    by_mouse(page, bar(page), free(page, "inn_B", 4))
    expect(dialog(page).get_by_label("Check-in")).to_be_visible()
    expect(page.locator(".desk-frame")).to_have_count(1)

    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        press(page, "Close")

    expect(dialog(page)).to_have_count(0)
    expect(page.locator(".desk-frame")).to_have_count(0)
    expect(bar(page)).to_be_focused()
    assert events() == []


def test_stops_at_escape_while_it_drags(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    (x, y), (to_x, to_y) = middle(bar(page)), middle(free(page, "inn_B", 4))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=3)
    expect(page.locator(".desk-frame")).to_have_count(1)

    page.keyboard.press("Escape")
    expect(page.locator(".desk-frame")).to_have_count(0)
    page.mouse.up()
    bar(page).focus()
    page.keyboard.press("m")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")

    expect(page.locator("#calendar-news")).to_have_text("Not moved.")
    expect(dialog(page)).to_have_count(0)
    assert page.url.endswith(CALENDAR)


def test_scrolls_under_a_finger_that_does_not_rest(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk(has_touch=True, viewport={"width": 360, "height": 500}).page
    bar(page).scroll_into_view_if_needed()
    (x, y) = middle(bar(page))
    touch = finger_on(page)

    touch("touchStart", (x, y))
    for way in range(0, 120, 15):
        touch("touchMove", (x - way, y))
    page.wait_for_function("document.querySelector('.desk-scroll').scrollLeft > 60")
    touch("touchEnd")

    expect(page.locator(".desk-frame")).to_have_count(0)
    expect(dialog(page)).to_have_count(0)


def test_moves_one_room_of_several_and_the_dates_of_all(open_desk: OpenDesk) -> None:
    wish = {"rooms": [{"categoryId": "inn_double"}, {"categoryId": "inn_double"}]}
    book(**wish, checkIn=night(1), checkOut=night(3), guest={"name": "Ada"})
    page = open_desk().page

    by_mouse(page, bar(page).last, free(page, "inn_C", 4))
    expect(dialog(page)).to_contain_text("All 2 rooms of this booking get these dates.")
    press(page, "Move")

    expect(page.locator("tr[data-room=inn_C] .bar a")).to_have_text("Ada")
    assert places() == [f"{night(n)}|{room}" for n in (4, 5) for room in ("inn_A", "inn_C")]


def test_does_not_pick_up_what_cannot_be_moved(open_desk: OpenDesk) -> None:
    fill_inn()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_bookingrecord"))
    desk, looker = open_desk("other").page, open_desk(user=viewer).page

    for page, name in ((desk, "Kurt Dead"), (desk, "New carpet"), (looker, "Ada Lovelace")):
        by_mouse(page, page.locator("#grid .bar > *", has_text=name), page.locator("#grid th#d0"))
        expect(page.locator(".desk-frame")).to_have_count(0)
        expect(dialog(page)).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Grace Hopper", "A no-show cannot be moved. Undo the no-show first."),
        ("Kurt Dead", "This hold has run out, so it cannot be moved."),
        ("New carpet", "A room block cannot be moved. Lift it"),
    ],
)
def test_says_why_it_cannot_move_something(open_desk: OpenDesk, name: str, why: str) -> None:
    fill_inn()
    bookings = collection("bookings")
    bookings.update_one({"guest.name": "Grace Hopper"}, {"$set": {"presence": "no_show"}})
    page = open_desk("other").page
    news = page.locator("#calendar-news")
    fixed = page.locator("#grid .bar > *", has_text=name)

    fixed.focus()
    page.keyboard.press("m")
    expect(news).to_contain_text(why)
    assert news.bounding_box()["height"] > 20  # type: ignore[index]
    page.keyboard.press("Escape")
    expect(news).to_have_text("")
    by_mouse(page, fixed, page.locator("#grid th#d0"))

    expect(news).to_contain_text(why)
    expect(dialog(page)).to_have_count(0)


def test_moves_at_enter_where_the_stay_is_dropped(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page

    by_mouse(page, bar(page), free(page, "inn_B", 4))
    move = dialog(page).get_by_role("button", name="Move", exact=True)
    expect(move).to_be_focused()
    title = f"Move Ada, {ada.content['booking']['reference']}"
    expect(dialog(page).get_by_role("heading", name=title)).to_be_visible()
    page.keyboard.press("Enter")

    expect(page.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    # The mouse still rests where the bar is now.
    page.wait_for_timeout(700)
    expect(page.locator("#bar-details")).to_be_hidden()
    (x, y) = middle(bar(page))
    page.mouse.move(x + 4, y)
    expect(page.locator("#bar-details")).to_be_visible()


def test_leads_to_the_room_that_is_not_free(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    sell("Bea", "inn_B", 1, 3)

    by_mouse(page, bar(page), free(page, "inn_B", 1))
    rooms = dialog(page).get_by_role("combobox")
    expect(rooms).to_be_focused()
    expect(rooms).to_have_attribute("aria-invalid", "true")
    with page.expect_response(lambda response: response.request.method == "POST"):
        rooms.select_option("inn_C")

    expect(rooms).not_to_have_attribute("aria-invalid", "true")


def test_blocks_in_a_window_of_900_pixels_without_scrolling(open_desk: OpenDesk) -> None:
    page = open_desk().page

    by_mouse(page, free(page, "inn_B", 2), free(page, "inn_B", 4))
    press(page, "Block")

    expect(dialog(page).get_by_label("Reason")).to_be_focused()
    block = dialog(page).get_by_role("button", name="Block", exact=True)
    expect(block).to_be_in_viewport(ratio=1)
    expect(dialog(page).get_by_label("Until")).to_be_hidden()
    dialog(page).get_by_text("Again and again").click()
    expect(dialog(page).get_by_label("Until")).to_be_visible()


# --- Its ends -----------------------------------------------------------------------------------


def column(page: Page, ahead: int) -> Locator:
    return page.locator(f"#grid th#d{ahead}")


def at_end(page: Page, which: str, name: str = "Ada") -> tuple[float, float]:
    """Just inside the end of a bar."""
    box = bar(page, name).bounding_box()
    assert box is not None
    x = box["x"] + (3 if which == "arrival" else box["width"] - 3)
    return x, box["y"] + box["height"] / 2


def end_by_mouse(page: Page, which: str, ahead: int) -> None:
    (x, y), (to_x, _) = at_end(page, which), middle(column(page, ahead))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, y, steps=4)
    page.mouse.up()


def end_by_keys(page: Page, which: str, ahead: int) -> None:
    first, end = (
        next(number for number in range(14) if places()[at].startswith(night(number)))
        for at in (0, -1)
    )
    steps = ahead - (first if which == "arrival" else end)
    bar(page).focus()
    page.keyboard.press("Shift+Home" if which == "arrival" else "Shift+End")
    for _ in range(abs(steps)):
        page.keyboard.press("Shift+ArrowRight" if steps > 0 else "Shift+ArrowLeft")
    page.keyboard.press("Enter")


def end_by_touch(page: Page, which: str, ahead: int) -> None:
    bar(page).tap()
    handles = page.locator(".desk-handle")
    box = (handles.first if which == "arrival" else handles.last).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    to_x, _ = middle(column(page, ahead))
    touch = finger_on(page)
    touch("touchStart", (x, y))
    for part in (0.25, 0.5, 0.75, 1):
        touch("touchMove", (x + (to_x - x) * part, y))
    touch("touchEnd")


ENDS = [end_by_mouse, end_by_keys, end_by_touch]
DragEnd = Callable[[Page, str, int], None]


@pytest.mark.parametrize("drag_end", ENDS)
def test_makes_a_stay_longer_by_its_end(open_desk: OpenDesk, ada: Any, drag_end: DragEnd) -> None:
    page = open_desk(has_touch=drag_end is end_by_touch).page

    drag_end(page, "departure", 4)
    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(1))
    expect(dialog(page).get_by_label("Check-out")).to_have_value(night(5))
    expect(dialog(page).locator("#offered")).to_contain_text("(EUR\xa0200.00 more)")
    expect(page.locator(".desk-handle")).to_have_count(0)
    assert len(places()) == 2
    press(page, "Move")

    expect(page.locator("td[colspan='4'].bar a")).to_have_text("Ada")
    assert places() == [f"{night(n)}|inn_A" for n in (1, 2, 3, 4)]
    assert events() == ["moved"]


@pytest.mark.parametrize("drag_end", ENDS)
def test_lets_a_stay_begin_later_by_its_end(
    open_desk: OpenDesk, ada: Any, drag_end: DragEnd
) -> None:
    page = open_desk(has_touch=drag_end is end_by_touch).page

    drag_end(page, "arrival", 2)
    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(2))
    expect(dialog(page).get_by_label("Check-out")).to_have_value(night(3))
    press(page, "Move")

    expect(bar(page)).to_be_focused()
    assert places() == [f"{night(2)}|inn_A"]


@pytest.mark.parametrize("drag_end", ENDS)
def test_keeps_one_night_and_the_dates_that_are_shown(
    open_desk: OpenDesk, ada: Any, drag_end: DragEnd
) -> None:
    page = open_desk(has_touch=drag_end is end_by_touch).page

    drag_end(page, "departure", 0)
    expect(dialog(page).get_by_label("Check-out")).to_have_value(night(2))
    page.keyboard.press("Escape")
    drag_end(page, "arrival", 9)
    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(2))
    page.keyboard.press("Escape")
    drag_end(page, "departure", 13)

    expect(dialog(page).get_by_label("Check-out")).to_have_value(night(14))


def test_says_each_step_of_an_end(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    news = page.locator("#calendar-news")
    day = [date.fromisoformat(night(ahead)) for ahead in range(6)]
    bar(page).focus()

    page.keyboard.press("Shift+ArrowRight")
    expect(news).to_contain_text(f"Ada: 3 nights, leaves {day[4]:%a} {day[4].day} {day[4]:%b}. ")
    page.keyboard.press("ArrowRight")
    expect(news).to_have_text(f"4 nights, leaves {day[5]:%a} {day[5].day} {day[5]:%b}")
    page.keyboard.press("Home")
    expect(news).to_contain_text("Ada: 2 nights, arrives")
    page.keyboard.press("ArrowLeft")
    expect(news).to_have_text(f"3 nights, arrives {day[0]:%a} {day[0].day} {day[0]:%b}")
    expect(page.locator(".desk-frame")).to_have_text(re.compile("^3 nights, arrives"))
    page.keyboard.press("Escape")

    expect(news).to_have_text("Not moved.")
    expect(page.locator(".desk-frame")).to_have_count(0)
    expect(dialog(page)).to_have_count(0)


def test_has_no_end_where_a_bar_goes_on_beyond_the_dates(open_desk: OpenDesk) -> None:
    sell("Ada", "inn_A", 10, 20)
    visitor = open_desk(has_touch=True)
    page, news = visitor.page, visitor.page.locator("#calendar-news")
    bar(page).tap()
    expect(page.locator(".desk-handle")).to_have_count(1)

    bar(page).focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(news).to_have_text(re.compile("^This stay ends after the dates shown."))
    # An end that is cut off takes the whole bar along.
    x, y = at_end(page, "departure")
    page.mouse.move(x, y)
    expect(page.locator("#calendar.is-at-end")).to_have_count(0)
    page.mouse.down()
    page.mouse.move(middle(column(page, 11))[0], y, steps=4)
    page.mouse.up()
    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(8))
    page.keyboard.press("Escape")
    visitor.go(f"{CALENDAR}&start={night(14)}")
    bar(page).focus()
    page.keyboard.press("Shift+Home")
    expect(news).to_have_text(re.compile("^This stay begins before the dates shown."))
    page.keyboard.press("Shift+ArrowLeft")
    expect(news).to_contain_text("1 night shorter, leaves")
    page.keyboard.press("Enter")

    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(10))
    expect(dialog(page).get_by_label("Check-out")).to_have_value(night(19))


def test_changes_only_the_departure_of_a_guest_who_is_there(open_desk: OpenDesk) -> None:
    sell("Ada", "inn_A", 0, 2)
    collection("bookings").update_one({}, {"$set": {"presence": "checked_in"}})
    page = open_desk().page

    end_by_keys(page, "arrival", 1)
    offered = dialog(page).locator("#offered")
    expect(offered).to_contain_text("The desk has marked this guest's arrival")
    press(page, "Move")
    expect(dialog(page)).to_contain_text("keep the day of arrival")
    assert events() == []
    shown = bar(page).element_handle()
    page.keyboard.press("Escape")
    shown.wait_for_element_state("hidden")  # the calendar is brought up to date
    end_by_mouse(page, "departure", 2)
    expect(offered).to_contain_text("(EUR\xa0100.00 more)")
    press(page, "Move")

    expect(page.locator("td[colspan='3'].bar a")).to_contain_text("Ada")
    assert places() == [f"{night(n)}|inn_A" for n in (0, 1, 2)]


def test_opens_a_booking_at_a_click_on_its_end(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    x, y = at_end(page, "departure")
    page.mouse.move(x, y)
    expect(page.locator("#calendar.is-at-end")).to_have_count(1)

    page.mouse.click(x, y)

    expect(page).to_have_url(re.compile("/change/$"))


def test_shows_handles_until_another_tap(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk(has_touch=True, viewport={"width": 375, "height": 700}).page
    handles = page.locator(".desk-handle")
    bar(page).tap()
    expect(handles).to_have_count(2)
    for handle in handles.all():
        box = handle.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24
    scroller = page.locator(".desk-scroll")
    (before, _) = middle(handles.last)
    scroller.evaluate("(element) => element.scrollBy(40, 0)")
    (after, _) = middle(handles.last)
    assert before - after == 40

    page.locator("#content h1, #content h2").first.tap()

    expect(handles).to_have_count(0)


# --- Two people, and a guest --------------------------------------------------------------------


def test_tells_the_second_of_two_clerks_who_drag_one_stay(open_desk: OpenDesk, ada: Any) -> None:
    one, other = open_desk("one").page, open_desk("other").page
    by_mouse(one, bar(one), free(one, "inn_B", 1))
    by_mouse(other, bar(other), free(other, "inn_C", 1))
    expect(dialog(other).get_by_label("Check-in")).to_be_visible()

    press(one, "Move")
    expect(one.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    press(other, "Move")

    expect(dialog(other)).to_contain_text("was changed since this form was opened")
    expect(dialog(other).get_by_role("combobox")).to_have_value("inn_B")
    assert places() == [f"{night(1)}|inn_B", f"{night(2)}|inn_B"]
    other.keyboard.press("Escape")
    expect(other.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    assert events() == ["moved"]


def test_refuses_a_drag_in_a_calendar_that_is_out_of_date(open_desk: OpenDesk, ada: Any) -> None:
    one, other = open_desk("one").page, open_desk("other").page
    by_mouse(one, bar(one), free(one, "inn_B", 1))
    press(one, "Move")
    expect(one.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")

    by_mouse(other, bar(other), free(other, "inn_C", 4))
    press(other, "Move")

    expect(dialog(other)).to_contain_text("was changed since this form was opened")
    expect(dialog(other).get_by_label("Check-in")).to_have_value(night(1))
    assert places() == [f"{night(1)}|inn_B", f"{night(2)}|inn_B"]


def test_moves_nothing_that_the_guest_cancels_meanwhile(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    by_mouse(page, bar(page), free(page, "inn_B", 1))
    expect(dialog(page).get_by_label("Check-in")).to_be_visible()

    cancel(ada)
    press(page, "Move")

    expect(dialog(page)).to_contain_text("Only an active booking can be moved.")
    assert events() == ["cancelled"]
    page.keyboard.press("Escape")
    expect(bar(page)).to_have_count(0)


def test_shows_a_place_that_was_sold_meanwhile(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    sell("Bea", "inn_B", 1, 3)

    by_mouse(page, bar(page), free(page, "inn_B", 1))
    expect(dialog(page).locator("#offered")).to_contain_text("Not free or not possible")
    press(page, "Move")

    expect(dialog(page)).to_contain_text("Nothing was changed.")
    assert events() == []


# --- A lost connection --------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", [False, True])
def test_moves_once_when_the_connection_is_lost(
    open_desk: OpenDesk, ada: Any, arrives: bool
) -> None:
    visitor = open_desk()
    visitor.expect_complaint("ERR_CONNECTION_RESET")
    page = visitor.page
    by_mouse(page, bar(page), free(page, "inn_B", 1))
    expect(dialog(page).get_by_label("Check-in")).to_be_visible()

    with losing(page, arrives=arrives):
        press(page, "Move")
        expect(dialog(page).locator("#desk-dialog-news")).to_have_text(f"{LOST}.")
        assert events() == (["moved"] if arrives else [])
    press(page, LOST)

    expect(page.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    assert events() == ["moved"]
    assert len(visitor.posted_keys) == 1


def test_keeps_the_form_when_something_goes_wrong(open_desk: OpenDesk, ada: Any) -> None:
    visitor = open_desk()
    visitor.expect_complaint("500")
    page = visitor.page
    by_mouse(page, bar(page), free(page, "inn_B", 4))
    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(4))
    page.route("**/move/", lambda route: route.fulfill(status=500, body="Broken"))
    press(page, "Move")
    expect(dialog(page)).to_contain_text("Something went wrong: press again.")
    page.unroute("**/move/")

    press(page, "Move")

    expect(page.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    assert events() == ["moved"]


def test_shows_what_is_true_when_a_lost_press_is_given_up(open_desk: OpenDesk, ada: Any) -> None:
    visitor = open_desk()
    visitor.expect_complaint("ERR_CONNECTION_RESET")
    page = visitor.page
    by_mouse(page, bar(page), free(page, "inn_B", 1))
    with losing(page, arrives=True):
        press(page, "Move")
        expect(dialog(page).locator("#desk-dialog-news")).to_have_text(f"{LOST}.")

    page.keyboard.press("Escape")

    expect(page.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")


# --- Free nights --------------------------------------------------------------------------------


@pytest.mark.parametrize("drag", [by_mouse, by_touch])
def test_blocks_nights_that_are_dragged_over(
    open_desk: OpenDesk, drag: Callable[..., None]
) -> None:
    page = open_desk(has_touch=drag is by_touch).page

    drag(page, free(page, "inn_B", 2), free(page, "inn_B", 4))
    expect(dialog(page)).to_contain_text("3 nights")
    press(page, "Block")
    fill_block(page)
    press(page, "Block")

    expect(page.locator("tr[data-room=inn_B] .bar.block")).to_have_count(1)
    (made,) = stored()
    assert (made["kind"], made["check_in"], made["check_out"]) == ("block", night(2), night(5))
    assert [each["room"] for each in made["rooms"]] == ["inn_B"]


def fill_block(page: Page) -> None:
    expect(dialog(page).get_by_label("Room B")).to_be_checked()
    dialog(page).get_by_label("Reason").select_option("Renovation")
    dialog(page).get_by_label("Details").fill("New carpet")


def test_chooses_nights_by_the_keyboard_and_books_them(open_desk: OpenDesk) -> None:
    page = open_desk().page
    free(page, "inn_B", 2).focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator("#calendar-news")).to_contain_text("2 nights")

    page.keyboard.press("Enter")
    dialog(page).get_by_role("link", name="New booking").click()

    expect(page.get_by_label("Room:", exact=True)).to_have_value("inn_B")
    expect(page.get_by_label("Check-in")).to_have_value(night(2))
    expect(page.get_by_label("Check-out")).to_have_value(night(4))


def test_chooses_only_nights_that_are_free(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page

    by_mouse(page, free(page, "inn_A", 6), free(page, "inn_A", 0))

    # Ada leaves on the third day.
    expect(dialog(page)).to_contain_text("4 nights")


def test_offers_what_the_person_may_do_with_free_nights(open_desk: OpenDesk) -> None:
    names = ("view_bookingrecord", "add_bookingrecord")
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    page = open_desk(user=clerk).page

    by_mouse(page, free(page, "inn_B", 2), free(page, "inn_B", 4))

    expect(dialog(page).get_by_role("link", name="New booking")).to_be_visible()
    expect(dialog(page).get_by_role("button", name="Block")).to_have_count(0)


@pytest.mark.parametrize("arrives", [False, True])
def test_blocks_once_when_the_connection_is_lost(open_desk: OpenDesk, arrives: bool) -> None:
    visitor = open_desk()
    visitor.expect_complaint("ERR_CONNECTION_RESET")
    page = visitor.page
    by_mouse(page, free(page, "inn_B", 2), free(page, "inn_B", 4))
    press(page, "Block")
    fill_block(page)

    with losing(page, arrives=arrives):
        press(page, "Block")
        expect(dialog(page).locator("#desk-dialog-news")).to_have_text(f"{LOST}.")
    press(page, LOST)

    expect(page.locator("tr[data-room=inn_B] .bar.block")).to_have_count(1)
    assert len(stored()) == 1


# --- Details and dates --------------------------------------------------------------------------


def test_shows_a_stay_in_short_to_mouse_keyboard_and_finger(open_desk: OpenDesk) -> None:
    sell("Ada", "inn_A", 1, 3, notes="Comes late")
    page = open_desk(has_touch=True).page
    details = page.locator("#bar-details")

    bar(page).hover()
    expect(details).to_contain_text("2 nights")
    expect(details).to_contain_text("EUR\xa0200.00")
    expect(details).to_contain_text("Comes late")
    page.mouse.move(5, 5)
    expect(details).to_be_hidden()
    free(page, "inn_A", 0).focus()
    page.keyboard.press("ArrowRight")
    expect(details).to_be_visible()
    expect(bar(page)).to_have_attribute("aria-describedby", "bar-details")
    page.keyboard.press("Tab")
    expect(details.get_by_role("link", name="Open")).to_be_focused()
    page.keyboard.press("Escape")
    expect(details).to_be_hidden()
    expect(bar(page)).to_be_focused()
    bar(page).tap()
    expect(details).to_be_visible()
    details.get_by_role("link", name="Move…").tap()

    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(1))


def test_shows_other_dates_by_keys(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk().page
    caption = page.locator("#grid-caption")
    bar(page).focus()

    page.keyboard.press("PageDown")
    expect(caption).to_contain_text(f"nights of {day_text(night(14))}")
    expect(page).to_have_url(re.compile(f"start={night(14)}"))
    page.keyboard.press("t")
    expect(caption).to_contain_text(f"nights of {day_text(night(0))}")
    page.keyboard.press("g")
    expect(page.get_by_label("From")).to_be_focused()
    page.get_by_label("From").fill(night(40))
    page.keyboard.press("Enter")

    expect(caption).to_contain_text(f"nights of {day_text(night(40))}")


def test_books_a_free_night_at_a_click(open_desk: OpenDesk) -> None:
    page = open_desk().page

    page.get_by_role("link", name=free_night("Room B", 2)).click()

    expect(page.get_by_label("Room:", exact=True)).to_have_value("inn_B")


# --- For everyone -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_accessible_with_dialog_and_details_from_360_to_1440_pixels(
    open_desk: OpenDesk, scheme: str
) -> None:
    fill_inn()
    visitor = open_desk("other", color_scheme=scheme, has_touch=True)
    allow_axe(visitor)
    page = visitor.page
    found: list[str] = []

    def look(what: str) -> None:
        found.extend(find_faults(page, what, within="#content"))

    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        visitor.go(CALENDAR)
        look(f"grid, {width}")
        bar(page, "Ada Lovelace").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#bar-details")).to_be_visible()
        look(f"details, {width}")
        page.keyboard.press("m")
        page.keyboard.press("ArrowDown")
        look(f"on its way, {width}")
        page.keyboard.press("Enter")
        expect(dialog(page).get_by_label("Check-in")).to_be_visible()
        look(f"move, {width}")
        page.keyboard.press("Escape")
        page.keyboard.press("Shift+ArrowRight")
        look(f"end on its way, {width}")
        page.keyboard.press("Escape")
        bar(page, "Ada Lovelace").tap()
        expect(page.locator(".desk-handle")).to_have_count(2)
        look(f"handles, {width}")
        free(page, "inn_B", 5).focus()
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
        press(page, "Block")
        expect(dialog(page).get_by_label("Reason")).to_be_visible()
        look(f"block, {width}")
        page.keyboard.press("Escape")

    assert found == [], "\n".join(found)
