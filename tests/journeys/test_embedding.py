"""Pages in a frame of a hotel's own website, which is another site, in a browser that blocks the
cookies of third parties."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import (
    Browser,
    BrowserContext,
    FrameLocator,
    Page,
    expect,
)

from bookings.content.brand import changes
from tests.conftest import night
from tests.journeys.conftest import ARGUMENTS, PATIENCE_MS
from tests.journeys.elsewhere import Website, website
from tests.journeys.visitor import EMAIL, NAME, statuses, stored
from tests.site import Site
from tests.site_fixtures import Starter

pytestmark = pytest.mark.browser

# https://developers.google.com/privacy-sandbox/cookies/prepare/test-for-breakage
BLOCKING = "--test-third-party-cookie-phaseout"

# A name of this machine that browsers do not trust without TLS.
PLAIN = "--host-resolver-rules=MAP booking.test 127.0.0.1"

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def blocking(chromium: Browser) -> Iterator[Browser]:
    """The same browser, but it keeps no cookies of third parties unless they are partitioned."""
    browser = launch(chromium, BLOCKING, PLAIN)
    yield browser
    browser.close()


def launch(chromium: Browser, *arguments: str) -> Browser:
    """Another browser like this one, with further arguments."""
    return chromium.browser_type.launch(
        executable_path=shutil.which("chromium"), args=[*ARGUMENTS, *arguments]
    )


@pytest.fixture
def hotel() -> Iterator[Website]:
    with website() as own:
        yield own


@pytest.fixture
def context(blocking: Browser, javascript: bool) -> Iterator[BrowserContext]:
    made = blocking.new_context(locale="en-GB", java_script_enabled=javascript)
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


def put_frame(hotel: Website, site_url: str, path: str, *, script: bool = True) -> None:
    """Gives the hotel's website a frame, as the admin shows it."""
    hotel.put(
        f'<h1>Our hotel</h1><iframe src="{site_url}{path}" title="Book" '
        'style="width: 100%; height: 300px; border: 0"></iframe>'
        + (f'<script src="{site_url}/static/embed.js" async></script>' if script else "")
    )


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe:not(.advert)")


def heading(page: Page, text: str) -> None:
    expect(frame_of(page).get_by_role("heading", level=1)).to_have_text(text)


STAYS = f"/embedded/book/demo?arrival={night(30)}&departure={night(32)}&guests=2"


# --- What the tests rest on ---------------------------------------------------------------------


def test_blocks_the_cookies_of_third_parties_unless_they_are_partitioned(
    blocking: Browser, hotel: Website
) -> None:
    """Without this the other tests would prove nothing."""
    context = blocking.new_context()
    with website("127.0.0.1") as other:
        other.sets = (
            "plain=1; SameSite=None; Secure; Path=/",
            "own=1; SameSite=None; Secure; Partitioned; Path=/",
            "lax=1; SameSite=Lax; Path=/",
        )
        other.put("framed", "/framed")
        hotel.put(f'<iframe src="{other.url}/framed"></iframe>')
        page = context.new_page()
        for _ in range(2):
            page.goto(f"{other.url}/framed")
        for _ in range(2):
            page.goto(hotel.url)
            expect(frame_of(page).get_by_text("framed")).to_be_visible()
        _, as_a_tab, first, second = (
            set(filter(None, header.split("; "))) for header in other.cookies["/framed"]
        )
    context.close()

    assert as_a_tab == {"plain=1", "own=1", "lax=1"}
    assert first == set()
    assert second == {"own=1"}


# --- A guest ------------------------------------------------------------------------------------


def test_books_sees_and_cancels_inside_of_the_frame(
    context: BrowserContext, site: Site, hotel: Website, javascript: bool
) -> None:
    changes.set_origins(0, [hotel.url])
    put_frame(hotel, site.url, "/embedded/hotels/demo")
    page = context.new_page()
    page.goto(hotel.url)
    frame = frame_of(page)
    heading(page, "Demo Hotel")

    frame.get_by_label("Arrival").fill(night(30))
    frame.get_by_label("Departure").fill(night(32))
    frame.get_by_role("button", name="Show rooms").click()
    frame.get_by_role("button", name=re.compile("^Book Double")).click()
    heading(page, "Your room is held")
    frame.get_by_label("Name").fill(NAME)
    frame.get_by_label("E-mail").fill(EMAIL)
    frame.get_by_role("button", name="Confirm booking").click()
    heading(page, "Your room is booked")
    frame.get_by_role("link", name="My bookings").click()
    heading(page, "My bookings")
    frame.get_by_role("link", name=re.compile("Demo Hotel")).click()
    heading(page, "Your room is booked")
    frame.get_by_text("Cancel this booking").click()
    frame.get_by_role("button", name="Yes, cancel it").click()
    heading(page, "This booking is cancelled")

    assert statuses() == ["cancelled"]
    assert page.url == f"{hotel.url}/"
    cookies = [cookie for cookie in context.cookies() if cookie["domain"] == "127.0.0.1"]
    assert {cookie["name"] for cookie in cookies} >= {"embedded-guest", "embedded-csrftoken"}
    for cookie in cookies:
        assert cookie["path"] == "/embedded/"
        assert cookie["partitionKey"] == "http://localhost"
    # Another tab of the same browser is another guest.
    tab = context.new_page()
    tab.goto(f"{site.url}/bookings/{stored()[0]['_id']}")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Page not found")
    assert not [cookie for cookie in cookies if cookie["path"] == "/"]


def test_does_not_know_who_is_logged_in_beside(
    context: BrowserContext, site: Site, hotel: Website
) -> None:
    changes.set_origins(0, [hotel.url])
    User.objects.create_user(EMAIL, password="correct horse", email=EMAIL)
    tab = context.new_page()
    tab.goto(f"{site.url}/login")
    tab.get_by_label("E-mail").fill(EMAIL)
    tab.get_by_label("Password").fill("correct horse")
    tab.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(tab.get_by_role("button", name="Log out")).to_be_visible()
    put_frame(hotel, site.url, "/embedded/bookings")

    page = context.new_page()
    page.goto(hotel.url)
    heading(page, "My bookings")

    expect(frame_of(page).get_by_role("link", name="Log in", exact=True)).to_be_visible()
    expect(frame_of(page).get_by_role("button", name="Log out")).to_have_count(0)
    with context.expect_page() as opened:
        frame_of(page).get_by_role("link", name="Log in", exact=True).click()
    # The person of the tab, who is logged in already.
    opened.value.wait_for_load_state()
    expect(opened.value.get_by_role("button", name="Log out")).to_be_visible()
    heading(page, "My bookings")


# --- Who may not --------------------------------------------------------------------------------


def check_refused(page: Page, around: Website) -> None:
    """Checks that the browser shows nothing in the frame, and why."""
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.goto(around.url)
    expect(frame_of(page).locator(".bar")).to_have_count(0)
    (frame,) = page.frames[1:]
    assert frame.url in ("", "chrome-error://chromewebdata/")


@pytest.mark.parametrize("javascript", [True])
def test_shows_nothing_to_a_website_that_is_not_listed(
    context: BrowserContext, site: Site, hotel: Website
) -> None:
    changes.set_origins(0, [hotel.url])
    with website() as stranger:
        put_frame(stranger, site.url, STAYS)
        check_refused(context.new_page(), stranger)


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize(
    "path", ["/login", "/register", "/", "/bookings", "/admin/login/", "/how-it-works", "/api/docs"]
)
def test_frames_nothing_beside_the_prefix(
    context: BrowserContext, site: Site, hotel: Website, path: str
) -> None:
    changes.set_origins(0, [hotel.url])
    put_frame(hotel, site.url, path)
    check_refused(context.new_page(), hotel)


@pytest.mark.parametrize("javascript", [True])
def test_has_no_login_in_a_frame(context: BrowserContext, site: Site, hotel: Website) -> None:
    changes.set_origins(0, [hotel.url])
    put_frame(hotel, site.url, "/embedded/login")
    page = context.new_page()
    page.goto(hotel.url)

    heading(page, "Page not found")
    expect(frame_of(page).get_by_label("Password")).to_have_count(0)


# --- Without cookies ----------------------------------------------------------------------------


def test_goes_on_in_a_tab_where_the_frame_keeps_no_cookies(
    context: BrowserContext, start: Starter, hotel: Website
) -> None:
    """Over plain HTTP, browsers keep no cookie that is partitioned."""
    site = start(DEMO="1", ALLOWED_HOSTS="127.0.0.1,booking.test")
    changes.set_origins(0, [hotel.url])
    put_frame(hotel, site.url.replace("127.0.0.1", "booking.test"), STAYS)
    page = context.new_page()
    page.goto(hotel.url)
    frame = frame_of(page)

    # Right away, with nothing typed but the dates.
    frame.get_by_role("button", name=re.compile("^Book Double")).click()
    heading(page, "Go on in a new tab")
    with context.expect_page() as opened:
        frame.get_by_role("link", name="Go on in a new tab").click()
    tab = opened.value
    tab.wait_for_load_state()
    expect(tab.get_by_label("Arrival")).to_have_value(night(30))
    tab.get_by_role("button", name=re.compile("^Book Double")).click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Your room is held")

    assert statuses() == ["pending"]


def test_says_so_on_the_second_page_already(
    context: BrowserContext, start: Starter, hotel: Website
) -> None:
    site = start(DEMO="1", ALLOWED_HOSTS="127.0.0.1,booking.test")
    changes.set_origins(0, [hotel.url])
    url = site.url.replace("127.0.0.1", "booking.test")
    put_frame(hotel, url, "/embedded/hotels/demo")
    page = context.new_page()
    page.goto(hotel.url)
    heading(page, "Demo Hotel")
    expect(frame_of(page).get_by_text("keeps no cookies")).to_have_count(0)

    frame_of(page).get_by_role("button", name="Show rooms").click()

    expect(frame_of(page).get_by_text("keeps no cookies")).to_be_visible()


# --- The height ---------------------------------------------------------------------------------


@pytest.mark.parametrize("javascript", [True])
def test_is_as_high_as_its_page(context: BrowserContext, site: Site, hotel: Website) -> None:
    changes.set_origins(0, [hotel.url, "https://other.example"])
    put_frame(hotel, site.url, "/embedded/hotels/demo")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.goto(hotel.url)
    heading(page, "Demo Hotel")
    page.wait_for_function(FITS)
    before = page.evaluate(HEIGHT)

    frame_of(page).get_by_role("link", name="My bookings").click()
    heading(page, "My bookings")
    page.wait_for_function("before => parseFloat(frame.style.height) < before - 100", arg=before)

    assert before > 600
    assert complaints == []


HEIGHT = "() => { window.frame = document.querySelector('iframe'); return frame.clientHeight; }"
FITS = "() => document.querySelector('iframe').style.height !== '300px'"


@pytest.mark.parametrize("javascript", [True])
def test_keeps_its_height_without_the_script(
    context: BrowserContext, site: Site, hotel: Website
) -> None:
    changes.set_origins(0, [hotel.url])
    put_frame(hotel, site.url, "/embedded/hotels/demo", script=False)
    page = context.new_page()
    heard = "window.heard = []; addEventListener('message', (event) => heard.push(event.data))"
    page.add_init_script(heard)
    page.goto(hotel.url)
    heading(page, "Demo Hotel")
    frame_of(page).get_by_role("link", name="My bookings").click()
    heading(page, "My bookings")

    assert page.evaluate("window.heard") == []
    assert page.evaluate(HEIGHT) == 300


@pytest.mark.parametrize("javascript", [True])
def test_hears_no_one_else(context: BrowserContext, site: Site, hotel: Website) -> None:
    """Neither does the website hear another frame, nor the frame another window."""
    changes.set_origins(0, [hotel.url])
    put_frame(hotel, site.url, "/embedded/hotels/demo")
    page = context.new_page()
    page.goto(hotel.url)
    page.wait_for_function(FITS)
    before = page.evaluate(HEIGHT)

    # The page itself, and a frame of its own origin, claim another height.
    page.evaluate(
        """async () => {
          const claim = { type: "bookingsite:height", height: 777 };
          window.postMessage(claim, "*");
          const other = document.createElement("iframe");
          document.body.append(other);
          other.contentWindow.eval(`parent.postMessage(${JSON.stringify(claim)}, "*")`);
          await new Promise((resolve) => setTimeout(resolve, 0));
        }"""
    )
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(resolve))")

    assert page.evaluate(HEIGHT) == before


@pytest.mark.parametrize("javascript", [True])
def test_tells_its_height_to_nothing_but_the_website_around_it(
    context: BrowserContext, site: Site, hotel: Website
) -> None:
    """Another frame of the same page greets ours, and gets no answer."""
    changes.set_origins(0, [hotel.url])
    with website("127.0.0.1") as advertiser:
        advertiser.put(
            "<script>parent.frames[0].postMessage({ type: 'bookingsite:hello' }, '*')</script>"
            "<p>Greeted</p>",
            "/advert",
        )
        put_frame(hotel, site.url, "/embedded/hotels/demo", script=False)
        page = context.new_page()
        page.goto(hotel.url)
        heading(page, "Demo Hotel")
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.evaluate(
            """(url) => {
              const advert = document.createElement("iframe");
              advert.className = "advert";
              advert.src = url;
              document.body.append(advert);
            }""",
            f"{advertiser.url}/advert",
        )
        expect(page.frame_locator(".advert").get_by_text("Greeted")).to_be_visible()
        # An answer would have been refused by the browser, which says so: it was to another origin.
        page.frames[1].evaluate("() => new Promise((done) => setTimeout(done, 0))")
        page.frames[1].evaluate("() => new Promise(requestAnimationFrame)")

    assert complaints == []
