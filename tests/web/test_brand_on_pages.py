"""The brand on pages, in mails, and at the addresses of its parts."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from bookings.content.brand import colours, reading
from bookings.content.brand.pictures import Artwork, convert
from bookings.content.brand.reading import UNNAMED
from bookings.infrastructure import connections, recent_reads
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mail import make_mail
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.recent_reads import GENERATION
from bookings.news import guest_mails, relay
from bookings.people import account_letters
from tests.announced import announced
from tests.brands import set_brand
from tests.browsing import book, open_page, press, stays_path
from tests.content.photos.pictures import photo

pytestmark = pytest.mark.mongo

MONTH = "/calendar/demo_double"
KEPT = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def logo() -> Artwork:
    return convert(photo(120, 60, "PNG"), "logo")


@pytest.fixture(scope="module")
def icon() -> Artwork:
    return convert(photo(60, 60, "PNG"), "icon")


def html(path: str, *, status: int = 200) -> str:
    answer = Client().get(path)
    assert answer.status_code == status
    return answer.content.decode()


PAGES = ("/", "/hotels/demo", stays_path(), MONTH, "/bookings", "/login", "/find")


@pytest.mark.parametrize("path", PAGES)
def test_changes_nothing_without_a_brand(path: str) -> None:
    page = html(path)

    assert '<a class="brand" href="/">Bookingsite</a>' in page
    assert "– Bookingsite</title>" in page
    assert 'href="/static/icon.svg"' in page
    assert "/brand/" not in page


@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_shows_the_brand_on_every_page(path: str, logo: Artwork, icon: Artwork) -> None:
    set_brand(name="Sea <side>", accent="#ffff00", logo=logo, icon=icon)

    page = html(path, status=404 if path == "/nothing" else 200)

    assert "– Sea &lt;side&gt;</title>" in page
    assert "Bookingsite" not in page
    assert (
        f'<img class="" src="/brand/logo-{logo.digest}.png" width="60" height="30" '
        'alt="Sea &lt;side&gt;">'
    ) in page
    assert f'href="/brand/icon-{icon.digest}-32.png"' in page
    assert f'href="/brand/icon-{icon.digest}-180.png"' in page
    assert f'href="/brand/style/ffff00-{colours.style_digest("#ffff00")}.css"' in page
    assert "icon.svg" not in page


def test_costs_a_page_no_round_trip_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    set_brand(name="Seaside", accent="#ffff00", links=[{"texts": {"en": "Home"}, "url": "/"}])
    reads: list[None] = []
    read = reading.read_brand
    # A busy machine takes longer than two seconds for all of these.
    monkeypatch.setattr(recent_reads, "MAX_AGE_S", 60.0)
    monkeypatch.setattr(reading, "read_brand", lambda: (reads.append(None), read())[1])
    browser = Client()
    browser.get("/")

    for path in PAGES:
        assert "Seaside" in browser.get(path).content.decode()

    assert len(reads) == 1


def test_writes_the_name_into_no_template() -> None:
    """It is the owner's to choose, also on pages that only a guest with a booking sees."""
    folder = settings.BASE_DIR / "templates"
    pages = [path for path in folder.rglob("*.*") if "admin" not in path.relative_to(folder).parts]

    assert len(pages) > 40
    assert [path.name for path in pages if UNNAMED in path.read_text()] == []


def test_names_the_site_to_others() -> None:
    assert 'og:site_name" content="' not in html("/")
    assert '<meta property="og:site_name" content="Demo' in html("/hotels/demo")

    set_brand(name="Seaside")

    for path in ("/", "/hotels/demo"):
        assert '<meta property="og:site_name" content="Seaside">' in html(path)


def test_shows_the_links_in_the_readers_language() -> None:
    set_brand(
        links=[
            {"texts": {"en": "Imprint", "de": "Impressum"}, "url": "https://seaside.example/i"},
            {"texts": {"de": "Haus & Hof"}, "url": "/hotels/demo"},
        ]
    )

    english = html("/bookings")
    german = html("/bookings?lang=de")

    assert '<a href="https://seaside.example/i" rel="noopener">Imprint</a>' in english
    assert '<a href="/hotels/demo" lang="de" rel="noopener">Haus &amp; Hof</a>' in english
    assert '<a href="https://seaside.example/i" rel="noopener">Impressum</a>' in german


@pytest.fixture
def elsewhere(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another process makes the changes, so this one only hears of them if it asks Redis."""
    set_brand(name="Before")
    monkeypatch.setattr(recent_reads, "announce_change", lambda: None)
    yield
    monkeypatch.undo()
    recent_reads.announce_change()
    announced.unannounced()


@pytest.mark.parametrize("path", ["/", "/hotels/demo", stays_path(), MONTH])
def test_counts_at_once_in_every_process(elsewhere: None, path: str) -> None:
    assert "– Before</title>" in html(path)

    collection("brands").update_one({}, {"$set": {"name": "After", "version": 2}})
    assert "– Before</title>" in html(path), "it was kept"
    connections.redis().set(GENERATION, secrets.token_hex(8))

    assert "– After</title>" in html(path)


def test_says_that_mongodb_is_away_under_the_brand(monkeypatch: pytest.MonkeyPatch) -> None:
    set_brand(name="Seaside", accent="#ffff00")
    html("/")
    monkeypatch.setattr(outage, "is_away", lambda: True)

    page = html("/", status=503)

    assert "– Seaside</title>" in page
    (style,) = re.findall(r'href="(/brand/style/[^"]+)"', page)
    assert Client().get(style).status_code == 200


# --- The parts ----------------------------------------------------------------------------------


def test_serves_the_style_sheet_for_ever() -> None:
    answer = Client().get(f"/brand/style/ffff00-{colours.style_digest('#ffff00')}.css")

    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert answer["Cache-Control"] == KEPT
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "Vary" not in answer
    assert "Set-Cookie" not in answer
    assert answer.content.decode() == colours.write_style("#ffff00")


def test_keeps_no_style_sheet_under_the_address_of_another_release() -> None:
    answer = Client().get(f"/brand/style/ffff00-{'0' * 16}.css")

    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")


def test_serves_the_pictures_for_ever(logo: Artwork, icon: Artwork) -> None:
    set_brand(logo=logo, icon=icon)

    for path, content in (
        (f"/brand/logo-{logo.digest}.png", logo.pictures[0].content),
        (f"/brand/icon-{icon.digest}-32.png", icon.pictures[0].content),
        (f"/brand/icon-{icon.digest}-180.png", icon.pictures[1].content),
    ):
        answer = Client().get(path)
        assert answer.content == content
        assert answer["Content-Type"] == "image/png"
        assert answer["Cache-Control"] == KEPT
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "Vary" not in answer


def test_serves_no_other_picture_at_an_old_address(logo: Artwork, icon: Artwork) -> None:
    set_brand(logo=logo, icon=icon)
    other = convert(photo(100, 60, "PNG"), "logo")
    set_brand(logo=other, without_icon=True, version=1)

    for path in (
        f"/brand/logo-{logo.digest}.png",
        f"/brand/logo-{other.digest}.webp",
        f"/brand/icon-{icon.digest}-32.png",
    ):
        answer = Client().get(path)
        assert (answer.status_code, answer["Cache-Control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "path",
    [
        *("/brand/", "/brand/style/ffff0-0000000000000000.css", "/brand/logo-1.png"),
        f"/brand/icon-{'0' * 32}-64.png",
        f"/brand/style/FFFF00-{'0' * 16}.css",
    ],
)
def test_knows_no_other_address(path: str) -> None:
    assert Client().get(path).status_code == 404


# --- Mails --------------------------------------------------------------------------------------


def sent_mail() -> Any:
    """A mail about a booking."""
    mail.outbox.clear()
    book(Client())
    relay.pass_on_news()
    guest_mails.send_notifications()
    (sent,) = mail.outbox
    return sent


def sent_letter() -> Any:
    """A letter about an account, which is of no hotel."""
    mail.outbox.clear()
    browser = Client()
    (form,) = [form for form in open_page(browser, "/register").forms if "email" in form.fields]
    press(browser, form, email="ada@example.org")
    account_letters.send_letters()
    (sent,) = mail.outbox
    return sent


def test_sends_mails_under_the_name_of_the_hotel_or_of_the_settings_without_a_brand() -> None:
    letter = sent_letter()

    assert letter.message()["From"] == "Bookingsite <bookings@localhost>"
    assert letter.body.endswith("\n\nhttp://127.0.0.1:8000/\n")
    assert sent_mail().message()["From"] == "Demo Hotel <bookings@localhost>"


def test_sends_mails_under_the_owners_name() -> None:
    set_brand(name="Seaside Hotel")
    letter = sent_letter()

    assert letter.message()["From"] == "Seaside Hotel <bookings@localhost>"
    assert letter.body.endswith("\n\nSeaside Hotel\nhttp://127.0.0.1:8000/\n")
    assert sent_mail().message()["From"] == "Demo Hotel <bookings@localhost>"

    set_brand(name="Seaside Hotel", sender_name="Reception", version=1)
    assert sent_mail().message()["From"] == "Reception <bookings@localhost>"


def read_from(sender: str) -> tuple[str, str]:
    """The name and the address as a mailbox reads them."""
    made = make_mail("1", to="ada@example.org", subject="S", text="T\n", sender=sender)
    read: Any = message_from_bytes(made.message().as_bytes(), policy=policy.default)
    assert set(read.keys()) == {
        *("Content-Type", "MIME-Version", "Content-Transfer-Encoding"),
        *("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"),
    }
    (address,) = read["From"].addresses
    return address.display_name, address.addr_spec


@pytest.mark.parametrize(
    "sender", ['Haus "Zur Linde", Berlin', "Hôtel d’Été", "A <b@c.example>", "(a) @ b; c:", "宿"]
)
def test_spells_any_name_as_one_name(sender: str) -> None:
    assert read_from(sender) == (sender, "bookings@localhost")


@given(st.text(min_size=1, max_size=40))
@rules(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lets_no_name_become_a_header_or_an_address(sender: str) -> None:
    assert read_from(sender)[1] == "bookings@localhost"


def test_lets_a_stored_line_break_start_no_header() -> None:
    assert read_from("A\r\nBcc: eve@evil.example") == (
        "A Bcc: eve@evil.example",
        "bookings@localhost",
    )
