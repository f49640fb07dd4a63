"""A guest logs in in one tab while their request from another tab is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings import points
from bookings.domain.callers import Caller, caller_of_user
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.stays import lifecycle
from bookings.stays.manage_links import make_link_token
from bookings.stays.writing import changes
from tests.browsing import (
    ADA,
    ask,
    booking_path,
    confirm_form,
    hold,
    open_page,
    press,
    stays_path,
    stored,
)
from tests.conftest import night
from tests.pages import Form, Page

pytestmark = pytest.mark.mongo

PASSWORD = "correct horse"


@pytest.fixture
def browser() -> Client:
    """The browser of a person without an account, until they log in."""
    return Client()


@pytest.fixture
def ada(database: None) -> User:
    return User.objects.create_user("ada", password=PASSWORD, email="ada@example.org")


@pytest.fixture(autouse=True)
def _uninstall() -> Iterator[None]:
    yield
    points.install(None)


def log_in(browser: Client) -> None:
    """In another tab, which has the same cookies."""
    tab = Client()
    tab.cookies = browser.cookies
    response = tab.post("/login", {"username": "ada", "password": PASSWORD})
    assert response.status_code == 302, response.content.decode()[:2000]


def log_out(browser: Client) -> None:
    tab = Client()
    tab.cookies = browser.cookies
    assert tab.post("/logout").status_code == 302


def at_point(wanted: str, act: Callable[[], None]) -> None:
    """Has this happen once, when the flow reaches the point."""

    def handler(point: str) -> None:
        if point == wanted:
            points.install(None)
            act()

    points.install(handler)


def hold_while(browser: Client, point: str, act: Callable[[Client], None]) -> Any:
    """Presses the button to hold; in the middle of that, something happens in another tab."""
    form = open_page(browser, stays_path()).hold_form("demo_double")
    at_point(point, lambda: act(browser))
    return browser.post(form.action, form.fields)


def owners() -> list[str]:
    return [booking["owner"] for booking in stored()]


def me(user: User) -> str:
    return str(caller_of_user(user.pk))


@pytest.mark.parametrize("point", ["after_claim", "after_lock", "after_commit", "before_answer"])
def test_shows_who_logs_in_the_hold_that_another_tab_makes(
    browser: Client, ada: User, point: str
) -> None:
    response = hold_while(browser, point, log_in)

    page = open_page(browser, response.url)
    assert response.url == booking_path(stored()[0])
    assert "Your room is held" in page.text
    assert owners() == [me(ada)]
    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text
    assert len(stored()) == 1


def test_tells_the_script_the_same(browser: Client, ada: User) -> None:
    form = open_page(browser, stays_path()).hold_form("demo_double")
    at_point("after_commit", lambda: log_in(browser))

    said = ask(browser, form)

    assert said.json()["location"] == booking_path(stored()[0])


def test_takes_the_guest_that_a_browser_became_on_the_way(browser: Client, ada: User) -> None:
    """The browser's first cookie comes with the answer, after the login."""
    form = open_page(Client(), stays_path()).hold_form("demo_double")
    at_point("after_lock", lambda: log_in(browser))

    response = browser.post(form.action, form.fields)

    assert "Your room is held" in open_page(browser, response.url).text
    assert owners() == [me(ada)]


@pytest.mark.parametrize("path", ["/bookings", "/bookings?status=pending"])
def test_lists_it_and_makes_it_the_accounts(browser: Client, ada: User, path: str) -> None:
    hold_while(browser, "after_lock", log_in)

    page = open_page(browser, path)

    assert stored()[0]["reference"] in page.text
    assert owners() == [me(ada)]
    # So it is there on any device.
    elsewhere = Client()
    log_in(elsewhere)
    assert stored()[0]["reference"] in open_page(elsewhere, "/bookings").text


def test_offers_to_go_on_with_it_among_the_results(browser: Client, ada: User) -> None:
    hold_while(browser, "after_lock", log_in)

    assert open_page(browser, stays_path()).links["Continue booking"] == booking_path(stored()[0])


@pytest.mark.parametrize("what", ["confirm", "extend", "cancel"])
def test_does_with_it_what_is_asked_from_the_answers_page(
    browser: Client, ada: User, what: str
) -> None:
    """No request looks at the page before the form is sent."""
    hold_while(browser, "after_lock", log_in)
    path = booking_path(stored()[0])
    key = Page(browser.get(path).content.decode())
    fields = {**confirm_form(key).fields, **ADA, "shown_end": "now"}
    take_back(stored()[0])

    response = browser.post(f"{path}/{what}", fields)

    (booking,) = stored()
    assert response.status_code in (200, 302)
    done = {"confirm": "confirmed", "extend": "extended", "cancel": "cancelled"}[what]
    assert (booking["history"][-1]["event"], booking["history"][-1]["actor"]) == (done, me(ada))
    assert owners() == [me(ada)]


def take_back(document: dict[str, Any]) -> None:
    """Restores the state before any look since the login."""
    connections.collection("bookings").update_one(
        {"_id": document["_id"]},
        {"$set": {"owner": document["caller"], "user_id": document["caller"].partition(":")[2]}},
    )


@pytest.fixture
def sell_only(database: None) -> Iterator[Callable[[str], None]]:
    """Takes all double rooms except this one off sale."""
    rooms = connections.collection("rooms")

    def sell(room: str) -> None:
        others = {"category_id": "demo_double", "_id": {"$ne": room}}
        rooms.update_many(others, {"$set": {"is_sold": False}})

    yield sell
    rooms.update_many({"category_id": "demo_double"}, {"$set": {"is_sold": True}})


def form_of_the_account(stays: str) -> Form:
    """Another session of hers shows the form, so its key is the account's and not the guest's."""
    other = Client()
    log_in(other)
    return open_page(other, stays).hold_form("demo_double")


def test_holds_again_for_the_account_what_nobody_has_looked_at(
    browser: Client, ada: User, sell_only: Callable[[str], None]
) -> None:
    form = form_of_the_account(stays_path())
    hold_while(browser, "after_lock", log_in)
    sell_only(stored()[0]["rooms"][0]["room"])

    page = press(browser, form)

    assert "Your room is held" in page.text
    assert owners() == [me(ada)]
    assert len(stored()[0]["keys"]) == 2
    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text
    assert len(stored()) == 1


# --- What the account may not take over ------------------------------------------------------


@pytest.fixture
def too_much(browser: Client, ada: User, settings: Any) -> dict[str, Any]:
    """A guest's hold that, with the account's holds, exceeds the limit of one person."""
    settings.MAX_HELD_ROOM_NIGHTS = 2
    elsewhere = Client()
    log_in(elsewhere)
    hold(elsewhere, stays_path(night(40), night(42)))
    hold(browser)
    document = stored()[1]
    log_in(browser)
    assert owners() == [me(ada), document["caller"]]
    return document


def test_shows_and_confirms_what_stays_the_guests(
    browser: Client, ada: User, too_much: dict[str, Any]
) -> None:
    page = open_page(browser, booking_path(too_much))

    assert "Your room is held" in page.text
    assert owners() == [me(ada), too_much["owner"]]
    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text
    # A booking does not count among holds.
    assert owners() == [me(ada)] * 2
    assert [booking["status"] for booking in stored()] == ["pending", "confirmed"]


@pytest.mark.parametrize("leave", ["/logout", "/admin/logout/", "/forget"])
def test_gives_the_account_what_was_booked_though_nobody_looks_before_the_log_out(
    browser: Client, ada: User, too_much: dict[str, Any], leave: str
) -> None:
    """The answer is lost, say, and the next button pressed is the log-out."""
    form = confirm_form(open_page(browser, booking_path(too_much)))
    browser.post(form.action, {**form.fields, **ADA})

    browser.post(leave)

    assert owners() == [me(ada)] * 2


@pytest.mark.parametrize("leave", ["/logout", "/admin/logout/", "/forget"])
def test_gives_it_to_the_account_at_the_log_out(
    browser: Client, ada: User, too_much: dict[str, Any], leave: str
) -> None:
    """Staff have confirmed it, and no page was opened since."""
    # The admin is only for staff.
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    confirm_as_staff(too_much)

    browser.post(leave)

    assert owners() == [me(ada)] * 2
    assert browser.cookies["guest"].value == ""


def test_gives_it_to_the_account_when_the_log_out_is_quicker_than_the_confirm(
    browser: Client, ada: User, too_much: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    form = confirm_form(open_page(browser, booking_path(too_much)))
    change = changes.change_booking

    def log_out_and_change(*args: Any, **kwargs: Any) -> bool:
        log_out(browser)
        return change(*args, **kwargs)

    monkeypatch.setattr(changes, "change_booking", log_out_and_change)

    browser.post(form.action, {**form.fields, **ADA})

    assert [booking["status"] for booking in stored()] == ["pending", "confirmed"]
    assert owners() == [me(ada)] * 2


def confirm_as_staff(document: dict[str, Any]) -> None:
    lifecycle.confirm_booking(
        actor=Caller("user", "staff"),
        booking_id=str(document["_id"]),
        key_header=None,
        deadline=Deadline.after(10),
        as_staff=True,
    )


def test_extends_and_cancels_what_stays_the_guests(
    browser: Client, too_much: dict[str, Any]
) -> None:
    path = booking_path(too_much)

    form = confirm_form(open_page(browser, path))
    extended = press(browser, form, to=f"{path}/extend", shown_end="then")
    press(browser, extended.form_to(f"{path}/cancel"))

    events = [change["event"] for change in stored()[1]["history"]]
    assert events[:3] == ["created", "extended", "cancelled"]


def test_leads_to_what_stays_the_guests_who_wishes_for_it_again(
    browser: Client, ada: User, too_much: dict[str, Any], sell_only: Callable[[str], None]
) -> None:
    form = form_of_the_account(stays_path())
    sell_only(too_much["rooms"][0]["room"])

    page = press(browser, form)

    assert "Your room is held" in page.text
    assert confirm_form(page).action.startswith(booking_path(too_much))
    assert page.status == ""
    assert owners() == [me(ada), too_much["owner"]]


def test_lists_both_and_gives_the_calendar_file(
    browser: Client, ada: User, too_much: dict[str, Any]
) -> None:
    page = open_page(browser, "/bookings?status=pending")

    assert all(booking["reference"] in page.text for booking in stored())
    path = booking_path(too_much)
    form = confirm_form(open_page(browser, path))
    browser.post(form.action, {**form.fields, **ADA})
    take_back(stored()[1])
    assert browser.get(f"{path}/stay.ics").status_code == 200
    assert owners() == [me(ada)] * 2


def test_shows_it_to_nobody_elsewhere_and_to_nobody_after_the_log_out(
    browser: Client, too_much: dict[str, Any]
) -> None:
    elsewhere = Client()
    log_in(elsewhere)
    open_page(elsewhere, booking_path(too_much), expect=404)
    assert too_much["reference"] not in open_page(elsewhere, "/bookings").text

    log_out(browser)

    open_page(browser, booking_path(too_much), expect=404)


def test_takes_nothing_that_the_guests_cookie_makes_long_after_the_login(
    browser: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another person at a shared computer may have kept its cookie."""
    hold(browser)
    elsewhere = Client()
    elsewhere.cookies["guest"] = browser.cookies["guest"].value
    monkeypatch.setattr("bookings.web.visitors.GUEST_LIFE", timedelta(0))
    log_in(browser)
    hold(elsewhere, stays_path(arrival=night(40), departure=night(42)))

    open_page(browser, "/bookings")

    assert [owner.partition(":")[0] for owner in owners()] == ["user", "guest"]


# --- The other direction ---------------------------------------------------------------------


@pytest.mark.parametrize("point", ["after_lock", "after_commit"])
def test_keeps_a_hold_for_who_logs_out_while_another_tab_makes_it(
    browser: Client, ada: User, point: str
) -> None:
    log_in(browser)

    response = hold_while(browser, point, log_out)

    # The next user of the browser is another person.
    open_page(browser, response.url, expect=404)
    assert owners() == [me(ada)]
    log_in(browser)
    page = open_page(browser, response.url)
    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text


def test_shows_a_guest_nothing_of_who_was_logged_in(browser: Client, ada: User) -> None:
    log_in(browser)
    hold(browser)
    path = booking_path(stored()[0])
    log_out(browser)

    open_page(browser, path, expect=404)
    assert stored()[0]["reference"] not in open_page(browser, "/bookings").text


# --- Links -----------------------------------------------------------------------------------


def test_opens_by_a_letters_link_what_is_anybodys(browser: Client, ada: User) -> None:
    """A link lets its reader look and change, and makes nothing their own."""
    other = Client()
    press(other, confirm_form(hold(other)), **ADA)
    token = make_link_token(str(stored()[0]["_id"]), date.fromisoformat(night(32)))
    log_in(browser)

    response = browser.get(f"/manage/{token}")

    assert stored()[0]["reference"] in open_page(browser, response.url).text
    assert owners() != [me(ada)]
