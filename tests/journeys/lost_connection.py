"""The connection of the admin's pages is lost during a press."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Route

# What the pages say then; a button says it without the full stop.
LOST = "Connection lost: press again"


@contextmanager
def losing(page: Page, *, arrives: bool) -> Iterator[None]:
    """Loses every press on its way there, or the answer to it on its way back."""

    def lose(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        if arrives:
            route.fetch(max_redirects=0)
        route.abort("connectionreset")

    page.route("**/admin/**", lose)
    yield
    page.unroute("**/admin/**", lose)
