"""A person with a browser: their steps on the pages, and the browser's complaints."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Response, expect

from bookings.infrastructure import connections
from tests.conftest import night

NAME, EMAIL = "Ada Lovelace", "ada@example.org"


class Visitor:
    """A page of a separate browser, with the steps of the journey as verbs."""

    def __init__(self, page: Page, *, javascript: bool, origin: str) -> None:
        self.page = page
        self.javascript = javascript
        self.origin = origin
        self._complaints: list[str] = []
        self._strangers: list[str] = []
        self._expected: list[str] = []
        self.posted: list[Request] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complaints.append(f"page error: {error}"))
        page.on("request", self._see_request)

    def another_tab(self) -> Visitor:
        """The same browser, and so the same person, in a second tab."""
        page = self.page.context.new_page()
        tab = Visitor(page, javascript=self.javascript, origin=self.origin)
        # Errors in any tab are reported at the end.
        tab._complaints, tab._strangers = self._complaints, self._strangers
        tab._expected, tab.posted = self._expected, self.posted
        return tab

    # --- The steps ------------------------------------------------------------------------------

    def log_in(self, user: User) -> None:
        """Is logged in, without the form of the login."""
        client = Client()
        client.force_login(user)
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
        self.page.context.add_cookies([{**session, "url": self.origin}])

    def go(self, path: str) -> Response | None:
        return self.page.goto(path)

    def look_for(
        self, *, hotel: str = "demo", nights: int = 2, guests: int = 2, rooms: int = 1
    ) -> None:
        """Opens the results for a stay a month ahead."""
        self.go(
            f"/stays?hotel={hotel}&arrival={night(30)}&departure={night(30 + nights)}"
            f"&guests={guests}&rooms={rooms}"
        )

    def hold_button(self, category: str = "Double") -> Locator:
        return self.page.get_by_role("button", name=re.compile(f"^Book {category}"))

    def hold(self, category: str = "Double", **stay: Any) -> None:
        """Looks for a stay and holds a room; the page of the hold is open then."""
        self.look_for(**stay)
        self.hold_button(category).click()
        self.expect_heading("Your room is held")

    def press_again_if_told(self, button: Locator, *, until: str) -> None:
        """Without JavaScript the second of two clicks may hear that the first is still in
        progress."""
        if self.javascript:
            return
        self.expect_text(re.compile(f"still being processed|{until}"))
        if self.page.get_by_text("still being processed").count():
            button.first.click()

    def type_details(self, *, name: str = NAME, email: str = EMAIL, note: str = "") -> None:
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("E-mail").fill(email)
        if note:
            self.page.get_by_label("Anything we should know?").fill(note)

    @property
    def confirm_button(self) -> Locator:
        return self.page.get_by_role("button", name="Confirm booking")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def press_in_main(self, name: str) -> None:
        """The page's own button, where the navigation has one of the same name."""
        self.page.get_by_role("main").get_by_role("button", name=name, exact=True).click()

    def confirm(self) -> None:
        """Types the guest's details and confirms; the page of the booking is open then."""
        self.type_details()
        self.confirm_button.click()
        self.expect_heading("Your room is booked")

    def cancel(self) -> None:
        self.page.get_by_text("Cancel this booking").click()
        self.press("Yes, cancel it")

    def let_the_device_pass(self, time: str) -> None:
        """Moves the device's clock on, `mm:ss`, once the page counts: what passes before its
        script has started would not be noticed."""
        expect(self.page.locator("#held-left")).to_be_visible()
        self.page.clock.fast_forward(time)

    def lose_the_network(self) -> None:
        self.page.context.set_offline(True)
        self.expect_complaint("ERR_INTERNET_DISCONNECTED")

    def find_the_network(self) -> None:
        self.page.context.set_offline(False)

    # --- What the visitor sees ------------------------------------------------------------------

    def let_requests_begin(self) -> None:
        """What the page has asked for before this has begun when this is answered."""
        self.page.evaluate("fetch('/admin/jsi18n/')")

    def expect_heading(self, text: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    def expect_text(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text)

    def expect_details(self, *, name: str = NAME, email: str = EMAIL, note: str = "") -> None:
        """The typed details are still there."""
        expect(self.page.get_by_label("Name")).to_have_value(name)
        expect(self.page.get_by_label("E-mail")).to_have_value(email)
        expect(self.page.get_by_label("Anything we should know?")).to_have_value(note)

    @property
    def posted_keys(self) -> set[str]:
        """The idempotency keys that this browser's forms sent."""
        found = (
            re.search("(?:^|&)key=([^&]+)", request.post_data or "") for request in self.posted
        )
        return {match[1] for match in found if match}

    # --- The browser's complaints ---------------------------------------------------------------

    def expect_complaint(self, part: str) -> None:
        """Allows the console to say this: a browser logs each answer that is not a success."""
        self._expected.append(part)

    def check_quiet(self) -> None:
        """Checks that only expected errors came (a breach of a policy is one), and no other
        requests."""
        surprises = [
            complaint
            for complaint in self._complaints
            if not any(part in complaint for part in self._expected)
        ]
        assert surprises == []
        assert self._strangers == []

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _see_request(self, request: Request) -> None:
        if not request.url.startswith(f"{self.origin}/"):
            self._strangers.append(request.url)
        if request.method == "POST":
            self.posted.append(request)


def stored() -> list[dict[str, Any]]:
    """Every booking, oldest first; ids that two processes made in one second are in no order."""
    return list(connections.collection("bookings").find({}).sort("created_at"))


def statuses() -> list[str]:
    return [booking["status"] for booking in stored()]
