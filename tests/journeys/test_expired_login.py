"""A member of staff whose login has ended while a page of the admin was open: no script shows the
login's form as its own, and what was typed stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from bookings.infrastructure.connections import collection
from tests.calls import book
from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.test_calendar import CALENDAR, bar, by_mouse, dialog, events, free, press
from tests.journeys.visitor import Visitor

ENDED = "Your login has ended."
PASSWORD = "sea-gulls-at-noon"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("inn"),
    pytest.mark.parametrize("javascript", [True]),
]

OpenDesk = Callable[[str], Visitor]


@pytest.fixture
def ada() -> Any:
    guest = {"name": "Ada"}
    return book(resourceId="inn_A", checkIn=night(0), checkOut=night(3), guest=guest)


@pytest.fixture
def open_desk(visit: Visit) -> OpenDesk:
    def open_page(path: str) -> Visitor:
        visitor = visit(viewport={"width": 1280, "height": 900})
        visitor.log_in(User.objects.create_superuser("staff", password=PASSWORD))
        visitor.page.clock.install()
        visitor.go(path)
        return visitor

    return open_page


def end_login(page: Page) -> None:
    page.context.clear_cookies(name="sessionid")


def log_in(page: Page) -> None:
    page.get_by_label("Username").fill("staff")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def log_in_on_another_tab(page: Page) -> None:
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Log in on another tab").click()
    log_in(opened.value)
    opened.value.close()


def pick_up(page: Page) -> None:
    bar(page).focus()
    for key in ("m", "ArrowRight", "Enter"):
        page.keyboard.press(key)


def test_leads_to_the_login_instead_of_showing_it_in_the_dialog(
    open_desk: OpenDesk, ada: Any
) -> None:
    visitor = open_desk(CALENDAR)
    page = visitor.page
    end_login(page)

    pick_up(page)

    expect(dialog(page)).to_contain_text(ENDED)
    expect(page.get_by_label("Password")).to_have_count(0)
    dialog(page).get_by_role("link", name="Log in").click()
    log_in(page)
    expect(bar(page)).to_be_visible()
    assert page.url.endswith(CALENDAR)
    assert [asked.url for asked in visitor.posted if "/admin/login/" not in asked.url] == []


def test_keeps_the_form_in_the_dialog_while_the_clerk_logs_in_again(
    open_desk: OpenDesk, ada: Any
) -> None:
    visitor = open_desk(CALENDAR)
    visitor.expect_complaint("403")
    page = visitor.page
    by_mouse(page, bar(page), free(page, "inn_B", 4))
    expect(dialog(page).get_by_label("Check-in")).to_be_visible()
    end_login(page)

    press(page, "Move")
    expect(dialog(page)).to_contain_text(ENDED)
    expect(page.get_by_label("Password")).to_have_count(0)
    expect(dialog(page).get_by_label("Check-in")).to_have_value(night(4))
    log_in_on_another_tab(page)
    press(page, "Move")

    expect(page.locator("tr[data-room=inn_B] .bar a")).to_have_text("Ada")
    assert events() == ["moved"]


def test_says_so_in_place_of_a_stay_in_short(open_desk: OpenDesk, ada: Any) -> None:
    page = open_desk(CALENDAR).page
    end_login(page)

    bar(page).hover()
    page.clock.fast_forward(1000)

    expect(page.locator("#bar-details")).to_contain_text(ENDED)
    expect(page.get_by_label("Password")).to_have_count(0)


@pytest.mark.parametrize("how", ["press", "refresh"])
def test_says_so_on_the_page_of_the_day(open_desk: OpenDesk, ada: Any, how: str) -> None:
    page = open_desk("/admin/desk/today/?hotel=inn").page
    end_login(page)

    if how == "press":
        page.get_by_role("button", name="Check in").click()
    else:
        page.clock.fast_forward("00:31")

    expect(page.locator("#today-news")).to_contain_text(ENDED)
    expect(page.locator("#today-news a")).to_be_visible()
    expect(page.get_by_role("button", name="Check in")).to_be_visible()
    assert events() == []


def test_checks_in_by_one_press_after_a_login_on_another_tab(open_desk: OpenDesk, ada: Any) -> None:
    visitor = open_desk("/admin/desk/today/?hotel=inn")
    visitor.expect_complaint("403")
    page = visitor.page
    end_login(page)
    tab = visitor.another_tab()
    tab.go("/admin/login/")
    log_in(tab.page)

    page.get_by_role("button", name="Check in").click()

    expect(page.locator(".messagelist")).to_contain_text("The guest is checked in.")
    assert events() == ["checked_in"]


def test_keeps_the_form_whose_rooms_it_cannot_look_up(open_desk: OpenDesk) -> None:
    page = open_desk(f"/admin/bookings/roomblock/add/?hotel=inn&first={night(1)}").page
    page.get_by_label("Details").fill("New carpet")
    end_login(page)

    page.get_by_label("Free from").fill(night(4))
    page.get_by_label("Free from").blur()

    expect(page.locator("#offered")).to_contain_text(ENDED)
    expect(page.get_by_label("Details")).to_have_value("New carpet")


def test_keeps_a_remark_and_adds_it_once_after_the_login(open_desk: OpenDesk, ada: Any) -> None:
    booking = ada.content["booking"]["id"]
    visitor = open_desk(f"/admin/bookings/bookingrecord/{booking}/change/")
    visitor.expect_complaint("403")
    page = visitor.page
    page.get_by_label("New remark").fill("Allergic to nuts.")
    end_login(page)

    page.get_by_role("button", name="Add the remark").click()
    expect(page.get_by_role("alert").get_by_text(ENDED)).to_be_visible()
    expect(page.get_by_label("New remark")).to_have_value("Allergic to nuts.")
    log_in_on_another_tab(page)
    page.get_by_role("button", name="Add the remark").click()

    expect(page.locator("#remarks .remark")).to_have_text("Allergic to nuts.")
    kept = [each["text"] for found in collection("remarks").find() for each in found["remarks"]]
    assert kept == ["Allergic to nuts."]
