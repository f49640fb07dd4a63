"""Ways to press a button or a link."""

from __future__ import annotations

from playwright.sync_api import Locator


def by_mouse(target: Locator) -> None:
    target.click()


def by_keyboard(target: Locator) -> None:
    target.focus()
    target.press("Enter")


def by_touch(target: Locator) -> None:
    target.tap()
