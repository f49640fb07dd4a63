"""Every page of the site, in every state that looks different, by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

from django.core import mail
from playwright.sync_api import expect

from bookings.content.brand import changes
from bookings.people import account_letters, accounts
from tests.calls import let_hold_end
from tests.conftest import night
from tests.hotels import put_night
from tests.journeys.visitor import EMAIL, NAME, Visitor

PASSWORD = "correct horse battery"

Open = Callable[[Visitor], object]


def _offers(visitor: Visitor) -> None:
    visitor.look_for(hotel="grand", guests=1)


def _no_offers(visitor: Visitor) -> None:
    """Closes one night, so that reasons and the nearest dates are shown."""
    put_night("demo_double", night(31), closed=True)
    visitor.look_for()


def _wrong_search(visitor: Visitor) -> None:
    visitor.expect_complaint("400")
    visitor.go(f"/stays?hotel=demo&arrival={night(30)}&departure={night(29)}&guests=0")


def _month(visitor: Visitor) -> None:
    soon = date.fromisoformat(night(40)).replace(day=1)
    put_night("demo_double", (soon + timedelta(days=9)).isoformat(), closed=True)
    visitor.go(f"/calendar/demo_double?month={soon:%Y-%m}")


def _wrong_month(visitor: Visitor) -> None:
    visitor.expect_complaint("400")
    visitor.go("/calendar/demo_double?month=2020-01")


def _hold(visitor: Visitor) -> None:
    visitor.hold()


def _hold_ending(visitor: Visitor) -> None:
    visitor.hold()
    let_hold_end(-1.5)
    visitor.page.reload()


def _hold_over(visitor: Visitor) -> None:
    visitor.hold()
    let_hold_end()
    visitor.page.reload()


def _wrong_details(visitor: Visitor) -> None:
    visitor.expect_complaint("400")
    visitor.hold()
    visitor.type_details(email="nobody")
    visitor.confirm_button.click()
    visitor.expect_text("Enter an e-mail address")


def _confirmed(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()
    visitor.page.get_by_text("Cancel this booking").click()


def _change(visitor: Visitor) -> None:
    """The preview of a longer stay."""
    visitor.hold()
    visitor.confirm()
    _show_change(visitor, 33)
    visitor.expect_text("more than now")


def _details(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()
    visitor.page.get_by_role("link", name="Correct your details").click()
    visitor.expect_heading("Your details")


def _no_change(visitor: Visitor) -> None:
    """The reasons why another stay is not for sale, and what is near."""
    put_night("demo_double", night(32), closed=True)
    visitor.hold()
    visitor.confirm()
    _show_change(visitor, 33)
    visitor.expect_text("Nearest available dates")


def _show_change(visitor: Visitor, last: int) -> None:
    visitor.page.get_by_role("link", name="Change dates or room").click()
    visitor.expect_heading("Change dates or room")
    visitor.page.get_by_label("Departure").fill(night(last))
    visitor.press("Show the new price")


def _cancelled(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()
    visitor.cancel()
    visitor.expect_heading("This booking is cancelled")


def _bookings(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()
    visitor.hold(nights=3)
    visitor.go("/bookings")


def _account(visitor: Visitor) -> None:
    """The list of a person with an account."""
    accounts.make_account(address=EMAIL, name=NAME, password=PASSWORD)
    visitor.hold()
    visitor.confirm()
    visitor.go("/login")
    visitor.page.get_by_label("E-mail").fill(EMAIL)
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.press_in_main("Log in")
    visitor.go("/bookings")
    visitor.expect_heading("My bookings")


def _wrong_login(visitor: Visitor) -> None:
    visitor.expect_complaint("400")
    visitor.go("/login")
    visitor.page.get_by_label("E-mail").fill("nobody@example.org")
    visitor.page.get_by_label("Password").fill("wrong")
    visitor.press_in_main("Log in")
    expect(visitor.page.get_by_role("alert")).to_be_visible()


def _letter_sent(visitor: Visitor) -> None:
    visitor.go("/find")
    visitor.page.get_by_label("E-mail").fill(EMAIL)
    visitor.press_in_main("E-mail me a link")
    visitor.expect_heading("Check your inbox")


def _follow_letter(visitor: Visitor, path: str) -> None:
    """Asks for a letter and opens the page of its link."""
    visitor.go(path)
    visitor.page.get_by_label("E-mail").fill(EMAIL)
    visitor.press_in_main("E-mail me a link")
    visitor.expect_heading("Check your inbox")
    account_letters.send_letters()
    (link,) = re.findall(rf"^http://[^/]+({path}/\S+)$", mail.outbox[-1].body, re.M)
    visitor.go(link)


def _finish_register(visitor: Visitor) -> None:
    _follow_letter(visitor, "/register")
    visitor.expect_heading("Your name and password")


def _wrong_register(visitor: Visitor) -> None:
    visitor.expect_complaint("400")
    _follow_letter(visitor, "/register")
    visitor.page.get_by_label("Name").fill(NAME)
    for field in visitor.page.locator("[type=password]").all():
        field.fill("12345")
    visitor.press_in_main("Create account")
    expect(visitor.page.locator(".fault").first).to_be_visible()


def _new_password(visitor: Visitor) -> None:
    accounts.make_account(address=EMAIL, name=NAME, password=PASSWORD)
    _follow_letter(visitor, "/password")
    visitor.expect_heading("Choose a new password")
    visitor.expect_text(EMAIL)


def _link_ended(visitor: Visitor) -> None:
    visitor.expect_complaint("410")
    visitor.go("/register/forged")


def _lesson(visitor: Visitor) -> None:
    visitor.go("/how-it-works")
    if visitor.javascript:
        visitor.press("Move client 1")
        visitor.press("Move client 2")
        expect(visitor.page.locator("#log li").nth(1)).to_be_visible()


def _tried_live(visitor: Visitor) -> None:
    """The chart of real requests, and the table beneath it."""
    visitor.expect_complaint("409")
    visitor.go("/how-it-works")
    visitor.page.get_by_label("Requests (1 to 50)").fill("6")
    visitor.press("Send requests")
    expect(visitor.page.locator("#live-chart")).to_be_visible()
    visitor.page.get_by_text("Show as a table").click()
    expect(visitor.page.locator("#live-chart tbody tr")).to_have_count(6)


def _not_found(visitor: Visitor) -> None:
    visitor.expect_complaint("404")
    visitor.go("/no-such-page")


def _no_cookies(visitor: Visitor) -> None:
    """The refusal of a form from before a login, or from a browser without cookies."""
    visitor.expect_complaint("403")
    visitor.look_for()
    visitor.page.context.clear_cookies()
    visitor.hold_button().click()
    visitor.expect_heading("Reload the page")


def _framed(visitor: Visitor) -> None:
    """A page as a frame shows it."""
    changes.set_origins(0, ["https://seaside.example"])
    visitor.go("/embedded/hotels/demo")


def _no_cookies_in_a_frame(visitor: Visitor) -> None:
    """The refusal of a room in a frame whose browser keeps no cookies there."""
    changes.set_origins(0, ["https://seaside.example"])
    visitor.expect_complaint("403")
    visitor.go(f"/embedded/book/demo?arrival={night(30)}&departure={night(32)}")
    visitor.page.context.clear_cookies()
    visitor.hold_button().click()
    visitor.expect_heading("Go on in a new tab")


PAGES: dict[str, Open] = {
    "home": lambda visitor: visitor.go("/"),
    "hotel": lambda visitor: visitor.go("/hotels/demo"),
    "legal": lambda visitor: visitor.go("/hotels/demo/terms"),
    "offers": _offers,
    "no offers": _no_offers,
    "wrong search": _wrong_search,
    "month": _month,
    "wrong month": _wrong_month,
    "hold": _hold,
    "hold ending": _hold_ending,
    "hold over": _hold_over,
    "wrong details": _wrong_details,
    "confirmed": _confirmed,
    "change": _change,
    "no change": _no_change,
    "details": _details,
    "cancelled": _cancelled,
    "bookings": _bookings,
    "no bookings": lambda visitor: visitor.go("/bookings"),
    "account": _account,
    "login": lambda visitor: visitor.go("/login"),
    "wrong login": _wrong_login,
    "register": lambda visitor: visitor.go("/register"),
    "finish register": _finish_register,
    "wrong register": _wrong_register,
    "password": lambda visitor: visitor.go("/password"),
    "new password": _new_password,
    "find": lambda visitor: visitor.go("/find"),
    "letter sent": _letter_sent,
    "link ended": _link_ended,
    "how it works": _lesson,
    "tried live": _tried_live,
    "not found": _not_found,
    "framed": _framed,
    "no cookies in a frame": _no_cookies_in_a_frame,
    "no cookies": _no_cookies,
}
