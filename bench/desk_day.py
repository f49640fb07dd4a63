"""Walks through ten daily jobs at the front desk: `python -m bench.desk_day`.

Each job begins on the first page of the admin. It prints how often the clerk presses a button or
drags, how many keys are typed, how long the site makes the clerk wait, and the seconds that all of
it takes a practised person. Those are the times of the keystroke-level model (Card, Moran, Newell,
Communications of the ACM 23, 1980): 1.35 s for a decision, 1.1 s for pointing, 0.2 s for a press,
0.28 s for a key, 0.4 s for a hand that changes between mouse and keyboard.
"""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from playwright.sync_api import Locator, Page, expect, sync_playwright

from bench.demo_site import CHROMIUM_ARGUMENTS, find_chromium, run_demo_site
from bench.screenshots import fill_grid, log_in, open_page

DECIDE_S, POINT_S, PRESS_S, KEY_S, CHANGE_HANDS_S = 1.35, 1.1, 0.2, 0.28, 0.4

HOME = "/admin/?hotel=demo"


@dataclass
class Clerk:
    """A person with one hand on the mouse, who counts what the job takes."""

    page: Page
    presses: int = 0
    keys: int = 0
    waited_s: float = 0.0
    thought_s: float = 0.0
    is_at_keyboard: bool = field(default=False, repr=False)

    @property
    def seconds(self) -> float:
        return self.thought_s + self.waited_s

    def press(self, target: Locator, shows: Locator) -> None:
        """Presses it, and waits until what it leads to is there."""
        self._take(keyboard=False)
        self.presses += 1
        self.thought_s += DECIDE_S + POINT_S + PRESS_S
        self._wait(target.click, shows)

    def choose(self, chooser: Locator, option: str) -> None:
        """Opens a list, and presses one of its lines."""
        self._take(keyboard=False)
        self.presses += 2
        self.thought_s += 2 * (DECIDE_S + POINT_S + PRESS_S)
        self._wait(lambda: chooser.select_option(option), chooser)

    def double_press(self, target: Locator, shows: Locator) -> None:
        self._take(keyboard=False)
        self.presses += 2
        self.thought_s += DECIDE_S + POINT_S + 2 * PRESS_S
        self._wait(target.dblclick, shows)

    def drag(self, start: Locator, end: Locator, shows: Locator) -> None:
        self._take(keyboard=False)
        self.presses += 1
        self.thought_s += DECIDE_S + 2 * POINT_S + PRESS_S
        (x, y), (to_x, to_y) = middle(start), middle(end)

        def move() -> None:
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            self.page.mouse.move(x + 8, y)
            self.page.mouse.move(to_x, to_y, steps=4)
            self.page.mouse.up()

        self._wait(move, shows)

    def type(self, text: str, shows: Locator) -> None:
        """Types into what has the focus."""
        self._take(keyboard=True)
        self.keys += len(text)
        self.thought_s += DECIDE_S + KEY_S * len(text)
        self._wait(lambda: self.page.keyboard.type(text), shows)

    def key(self, name: str, shows: Locator) -> None:
        self._take(keyboard=True)
        self.keys += 1
        self.thought_s += KEY_S
        self._wait(lambda: self.page.keyboard.press(name), shows)

    def _take(self, *, keyboard: bool) -> None:
        if keyboard != self.is_at_keyboard:
            self.thought_s += CHANGE_HANDS_S
            self.is_at_keyboard = keyboard

    def _wait(self, act: Callable[[], object], shows: Locator) -> None:
        began_s = time.monotonic()
        act()
        expect(shows).to_be_visible()
        self.waited_s += time.monotonic() - began_s


def middle(place: Locator) -> tuple[float, float]:
    """The middle of the first night of a cell."""
    box = place.bounding_box()
    assert box is not None
    return box["x"] + 15, box["y"] + box["height"] / 2


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("navigation", name="Sections").get_by_role("link", name=name).first


def day(ahead: int) -> str:
    return (date.today() + timedelta(days=ahead)).isoformat()  # noqa: DTZ011


def said(page: Page, text: str) -> Locator:
    return page.locator(".messagelist li", has_text=text)


def row(page: Page, guest: str) -> Locator:
    return page.locator("tr[data-stay]", has_text=guest)


# --- The jobs -----------------------------------------------------------------------------------


def check_in(clerk: Clerk, page: Page) -> None:
    button = row(page, "Kurt Gödel").get_by_role("button", name="Check in")
    clerk.press(section(page, "Today"), button)
    clerk.press(button, said(page, "checked in"))


def take_back(clerk: Clerk, page: Page) -> None:
    """Checks the wrong guest in first."""
    check_in(clerk, page)
    undo = page.locator(".messagelist").get_by_role("button", name="Undo")
    clerk.press(undo, said(page, "undone"))


def check_out(clerk: Clerk, page: Page) -> None:
    button = row(page, "Ada Lovelace").get_by_role("button", name="Check out")
    clerk.press(section(page, "Today"), button)
    clerk.press(button, said(page, "checked out"))


def book_again(clerk: Clerk, page: Page) -> None:
    night = page.locator(f'#grid a[href="room_B/{day(7)}/"]')
    clerk.press(section(page, "Calendar"), night)
    clerk.press(night, page.get_by_label("Guest name"))
    choice = page.get_by_role("option", name="Emmy Noether").first
    clerk.type("noet", choice)
    clerk.press(choice, page.get_by_role("button", name="Book", exact=True))
    clerk.press(page.get_by_role("button", name="Book", exact=True), said(page, "is booked"))


def move(clerk: Clerk, page: Page) -> None:
    # The last of her bars, in Room C: the one above it was booked a moment ago, for another day.
    bar = page.locator("#grid td.bar a", has_text="Emmy Noether").last
    clerk.press(section(page, "Calendar"), bar)
    button = page.get_by_role("dialog").get_by_role("button", name="Move", exact=True)
    clerk.drag(bar, page.locator(f'#grid a[href="room_D/{day(2)}/"]'), button)
    clerk.press(button, page.locator("#calendar-news", has_text=re.compile(r"moved", re.I)))


def block(clerk: Clerk, page: Page) -> None:
    first, last = (page.locator(f'#grid a[href="room_D/{day(n)}/"]') for n in (6, 7))
    clerk.press(section(page, "Calendar"), first)
    button = page.get_by_role("dialog").get_by_role("button", name="Block", exact=True)
    clerk.drag(first, last, button)
    reason = page.get_by_role("dialog").get_by_label("Reason")
    clerk.press(button, reason)
    clerk.choose(reason, "Repair")
    clerk.press(button, page.locator("#calendar-news", has_text="blocked"))


def correct(clerk: Clerk, page: Page) -> None:
    open_booking(clerk, page, "hopp", "Grace Hopper")
    field = page.get_by_label("Telephone")
    clerk.press(page.get_by_role("link", name="Edit the guest…"), field)
    clerk.press(field, field)
    clerk.type("+49 30 1234567", field)
    clerk.press(page.get_by_role("button", name="Save"), said(page, "changed"))


def leave_remark(clerk: Clerk, page: Page) -> None:
    open_booking(clerk, page, "noet", "Emmy Noether")
    text = page.get_by_label("New remark")
    clerk.press(text, text)
    clerk.type("Arrives late.", text)
    button = page.get_by_role("button", name="Add the remark")
    clerk.press(button, page.get_by_role("paragraph").filter(has_text="Arrives late."))


def raise_price(clerk: Clerk, page: Page) -> None:
    cell = page.locator("#price-grid tbody tr").first.locator("td").last
    clerk.press(section(page, "Prices"), cell)
    editor = page.locator("#editor")
    clerk.double_press(cell, editor.get_by_label("Price"))
    clerk.type("199.00", editor)
    clerk.key("Enter", editor.get_by_role("button", name="Save"))
    clerk.key("Enter", said(page, ""))


def find_all_stays(clerk: Clerk, page: Page) -> None:
    search(clerk, page, "noet")
    clerk.press(page.get_by_role("link", name="Emmy Noether").first, page.get_by_text("2 stays, "))


def search(clerk: Clerk, page: Page, typed: str) -> None:
    clerk.key("/", page.locator("#find:focus"))
    clerk.type(typed, page.locator("#find"))
    clerk.key("Enter", page.get_by_text("found."))


def open_booking(clerk: Clerk, page: Page, typed: str, guest: str) -> None:
    search(clerk, page, typed)
    found = page.get_by_role("row", name=guest).get_by_role("link", name=re.compile(r"^DEMO-"))
    clerk.press(found.first, page.get_by_role("heading", level=1, name=guest))


JOBS = {
    "check the wrong guest in, and take it back": take_back,
    "check a guest in": check_in,
    "check a guest out": check_out,
    "book a free night for a guest who has stayed before": book_again,
    "move a stay to another room": move,
    "block a room for two nights": block,
    "correct a telephone number": correct,
    "leave a remark for a colleague": leave_remark,
    "change the price of a night": raise_price,
    "find all stays of a guest": find_all_stays,
}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    with run_demo_site() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS
        )
        page = open_page(browser, site, size={"width": 1280, "height": 900})
        log_in(page)
        fill_grid(page)
        say(f"{'job':<52}{'presses':>8}{'keys':>6}{'waited':>9}{'all':>8}")
        for name, job in JOBS.items():
            page.goto(HOME)
            clerk = Clerk(page)
            job(clerk, page)
            counted = f"{clerk.presses:>8}{clerk.keys:>6}"
            say(f"{name:<52}{counted}{clerk.waited_s:>7.1f} s{clerk.seconds:>6.1f} s")
        browser.close()


if __name__ == "__main__":
    main()
