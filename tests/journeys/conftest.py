"""A real browser: one headless Chromium for each worker, and a new profile for each visitor."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect, sync_playwright

from tests.journeys.desk import fill_inn
from tests.journeys.visitor import Visitor
from tests.site import Site, start_site

Visit = Callable[..., Visitor]

only_with_scripts = pytest.mark.parametrize("javascript", [True])

# Longer than the page waits before it asks again, and than a process takes to restart, on a busy
# machine.
PATIENCE_MS = 30_000

ARGUMENTS = [
    # Root, as in a container, may not use the sandbox; only our own pages are opened.
    "--no-sandbox",
    "--disable-gpu",
    # The browser must not ask any server but the site.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        sentence = "Install chromium (sudo apt-get install chromium) to run the browser tests."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    # Playwright keeps an event loop running in this thread while it is open, and Django takes that
    # for asynchronous code. That is why it closes with the last test of this folder.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "yes")
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def running_site(
    migrated: None, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The site that all browsers of this worker share, with the pages that only a demo shows."""
    site = start_site({**environment, "DEMO": "1"}, tmp_path_factory.mktemp("site"))
    yield site
    site.stop()


@pytest.fixture(
    params=[pytest.param(True, id="js"), pytest.param(False, id="no-js", marks=pytest.mark.slow)]
)
def javascript(request: pytest.FixtureRequest) -> bool:
    """Runs each story with JavaScript and without, unless the test says which.

    For the site's answers to a form of such a page, see tests/mongo, which checks them in every
    run.
    """
    return request.param


@pytest.fixture
def visit(chromium: Browser, site: Site, javascript: bool) -> Iterator[Visit]:
    """Opens the site in a separate browser; the test fails if that browser complained."""
    visitors: list[Visitor] = []

    def open_browser(**options: object) -> Visitor:
        context = chromium.new_context(
            base_url=site.url,
            java_script_enabled=javascript,
            **{"locale": "en-GB", **options},  # type: ignore[arg-type]
        )
        context.set_default_timeout(PATIENCE_MS)
        visitor = Visitor(context.new_page(), javascript=javascript, origin=site.url)
        visitors.append(visitor)
        return visitor

    yield open_browser
    for visitor in visitors:
        visitor.page.context.close()
    for visitor in visitors:
        visitor.check_quiet()


@pytest.fixture
def visitor(visit: Visit) -> Visitor:
    return visit()


@pytest.fixture
def visit_as_staff(visit: Visit) -> Visit:
    """Opens the site in another browser, for another member of staff, who is logged in."""

    def open_browser(name: str = "staff", **options: object) -> Visitor:
        visitor = visit(**options)
        visitor.log_in(User.objects.create_superuser(name))
        return visitor

    return open_browser


@pytest.fixture
def desk(visit: Visit) -> Visitor:
    """A person at the desk, with bookings of every look around today."""
    staff = fill_inn()
    visitor = visit()
    visitor.log_in(staff)
    return visitor
