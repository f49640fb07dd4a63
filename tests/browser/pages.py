"""Every page of the site in every state that looks different, by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from tests.browser.visitor import Visitor
from tests.conftest import night
from tests.mongo.conftest import let_hold_end, put_night

Open = Callable[[Visitor], object]


def _offers(visitor: Visitor) -> None:
    visitor.look_for(hotel="grand", guests=1)


def _no_offers(visitor: Visitor) -> None:
    """Closed on one night, so that reasons and the nearest dates are shown."""
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
    visitor.expect_text("Write an e-mail address")


def _confirmed(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()
    visitor.page.get_by_text("Cancel this booking").click()


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


def _wrong_login(visitor: Visitor) -> None:
    visitor.go("/login")
    visitor.page.get_by_label("Username").fill("nobody")
    visitor.page.get_by_label("Password").fill("wrong")
    visitor.page.get_by_role("main").get_by_role("button", name="Log in").click()
    visitor.expect_text("Please enter a correct username")


def _not_found(visitor: Visitor) -> None:
    visitor.expect_complaint("404")
    visitor.go("/no-such-page")


def _no_cookies(visitor: Visitor) -> None:
    """The refusal of a form from before a login, or from a browser without cookies."""
    visitor.expect_complaint("403")
    visitor.look_for()
    visitor.page.context.clear_cookies()
    visitor.hold_button().click()
    visitor.expect_heading("Open the page again")


PAGES: dict[str, Open] = {
    "home": lambda visitor: visitor.go("/"),
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
    "cancelled": _cancelled,
    "bookings": _bookings,
    "no bookings": lambda visitor: visitor.go("/bookings"),
    "login": lambda visitor: visitor.go("/login"),
    "wrong login": _wrong_login,
    "not found": _not_found,
    "no cookies": _no_cookies,
}
