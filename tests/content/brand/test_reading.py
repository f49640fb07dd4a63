"""What processes keep of the brand, and what stays of it while MongoDB is away."""

from __future__ import annotations

import pytest
from pymongo.errors import ServerSelectionTimeoutError
from pytest_django import Settings

from bookings.content.brand import changes, reading
from bookings.content.brand.pictures import convert
from bookings.content.brand.reading import BrandFacts, Link, recent_brand
from bookings.infrastructure import recent_reads
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb import outage
from tests.brands import set_brand
from tests.content.photos.pictures import photo

pytestmark = pytest.mark.mongo


def test_has_no_brand_at_first() -> None:
    assert recent_brand() == BrandFacts()
    assert (recent_brand().name, recent_brand().sender) == ("Bookingsite", "")


def test_reads_what_was_chosen() -> None:
    set_brand(
        name="Seaside",
        accent="#123456",
        links=[{"texts": {"en": "Home"}, "url": "/"}],
        logo=convert(photo(60, 30, "PNG"), "logo"),
    )

    brand = recent_brand()

    assert (brand.name, brand.sender, brand.version) == ("Seaside", "Seaside", 1)
    assert brand.links == (Link({"en": "Home"}, "/"),)
    assert brand.logo
    assert (brand.logo.width, brand.logo.format) == (60, "png")


def test_keeps_it_for_two_seconds_and_hears_of_a_change() -> None:
    set_brand(name="Seaside")
    assert recent_brand().name == "Seaside"

    collection("brands").update_one({}, {"$set": {"name": "Elsewhere"}})
    assert recent_brand().name == "Elsewhere", "a test's own write is announced for it"
    assert set_brand(name="Harbour", version=1)
    assert recent_brand().name == "Harbour"


def test_asks_once_even_while_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[None] = []
    read = reading.read_brand
    monkeypatch.setattr(reading, "read_brand", lambda: (reads.append(None), read())[1])
    recent_reads.announce_change()

    for _ in range(5):
        recent_brand()

    assert len(reads) == 1


def test_reads_none_of_the_pictures_bytes() -> None:
    set_brand(
        logo=convert(photo(60, 30, "PNG"), "logo"), icon=convert(photo(60, 60, "PNG"), "icon")
    )

    found = collection("brands").find_one({}, reading.WITHOUT_PICTURES)

    assert found
    assert "content" not in found["logo"]
    assert "pictures" not in found["icon"]


def test_reads_a_document_of_another_release() -> None:
    assert reading.brand_of({"name": "Seaside", "of_later": 1}).name == "Seaside"
    assert reading.brand_of({"logo": None, "icon": None}) == BrandFacts()


def test_remembers_the_brand_while_mongodb_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    set_brand(name="Seaside")
    assert recent_brand().name == "Seaside"
    recent_reads.announce_change()

    def fail() -> BrandFacts:
        raise ServerSelectionTimeoutError

    monkeypatch.setattr(reading, "read_brand", fail)
    monkeypatch.setattr(outage, "report", lambda error: None)
    assert recent_brand().name == "Seaside"

    monkeypatch.setattr(outage, "is_away", lambda: True)
    monkeypatch.setattr(reading, "_brands", None)
    assert recent_brand().name == "Seaside"


def test_lets_only_one_of_two_changes_win() -> None:
    assert set_brand(name="First")

    assert not set_brand(name="Second", version=0)
    assert set_brand(name="Third", version=1)
    assert not set_brand(name="Fourth", version=1)

    assert recent_brand().name == "Third"


def test_keeps_the_pictures_unless_they_are_taken_away() -> None:
    logo, icon = convert(photo(60, 30, "PNG"), "logo"), convert(photo(60, 60, "PNG"), "icon")
    set_brand(logo=logo, icon=icon)

    set_brand(name="Seaside", version=1)
    assert recent_brand().logo
    assert recent_brand().icon == icon.digest

    set_brand(without_logo=True, without_icon=True, version=2)
    assert (recent_brand().logo, recent_brand().icon) == (None, "")


def test_finds_a_picture_by_its_digest_alone() -> None:
    old, new = convert(photo(60, 30, "PNG"), "logo"), convert(photo(80, 30, "PNG"), "logo")
    set_brand(logo=old)
    set_brand(logo=new, version=1)

    part = reading.read_picture("logo", new.digest)

    assert part
    assert part["content"] == new.pictures[0].content
    assert reading.read_picture("logo", old.digest) is None
    assert reading.read_picture("icon", new.digest) is None


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://www.seaside.example", "https://www.seaside.example"),
        (" HTTPS://WWW.Seaside.Example/ ", "https://www.seaside.example"),
        ("https://seaside.example:443", "https://seaside.example"),
        ("https://seaside.example:8443/", "https://seaside.example:8443"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
    ],
)
def test_spells_a_website_as_browsers_do(text: str, origin: str, settings: Settings) -> None:
    settings.DEMO = True

    assert changes.read_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "seaside.example",
            "http://seaside.example",
            "https://*.seaside.example",
            "*",
            "'self'",
        ),
        *("https://seaside.example/page", "https://seaside.example?x", "https://seaside.example#x"),
        *(
            "https://user@seaside.example",
            "https://seaside.example:99999",
            "https://seaside.example:0",
            "https://a_b.example",
        ),
        *("https://seaside.example; script-src *", "https://a.example https://b.example", "null"),
        *("https://-a.example", "https://[::1]", "data:text/html,x", "https://", "https://a..b"),
        *("https://sea\tside.example", "https://sea\nside.example", "https://sea\rside.example"),
        *("https://seaside.example\\", "https://\\seaside.example", "ht\ttps://seaside.example"),
        *("https://seaside.example.", "https://seaside.example..", "https://.example"),
        *("https://seaside\x00.example", "https://se%61side.example", "https://sea side.example"),
        *("https://seaside.example\nhttps://b.example", "https://" + "a." * 130 + "example"),
    ],
)
def test_refuses_what_is_no_website(text: str, settings: Settings) -> None:
    settings.DEMO = True

    with pytest.raises(ValueError, match="is not the address of a website"):
        changes.read_origin(text)


@pytest.mark.parametrize("text", ["http://localhost:8080", "http://127.0.0.1"])
def test_lets_this_machine_frame_a_demo_alone(text: str) -> None:
    with pytest.raises(ValueError, match="is not the address"):
        changes.read_origin(text)


def test_keeps_the_websites_when_the_brand_changes() -> None:
    assert changes.set_origins(0, ["https://seaside.example"])
    assert set_brand(version=1, name="Seaside")
    assert recent_brand().origins == ("https://seaside.example",)

    assert not changes.set_origins(1, [])
    assert changes.set_origins(2, [])
    assert (recent_brand().name, recent_brand().origins) == ("Seaside", ())


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (" https://example.org/a?b=c#d ", "https://example.org/a?b=c#d"),
        ("https://example.org:8443", "https://example.org:8443"),
        ("/hotels/demo/terms", "/hotels/demo/terms"),
        ("/", "/"),
        ("mailto:Desk@Example.org", "mailto:desk@example.org"),
        ("MAILTO:desk@example.org", "mailto:desk@example.org"),
        ("mailto:a?subject=x@example.org", "mailto:a%3Fsubject%3Dx@example.org"),
    ],
)
def test_accepts_addresses_that_lead_somewhere_harmless(text: str, url: str) -> None:
    assert changes.read_link_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.org", "http://example.org", "javascript:alert(1)", "java\nscript:1"),
        *("data:text/html,x", "//evil.example/", "/\\evil.example", "\\evil", "https://"),
        *("https:///x", "https://user@evil.example/", "https://a b.example", "https://a:b/"),
        *("https://[::1", "https:\\\\evil.example", "mailto:", "mailto:nothing", "/a\nb", "/ a"),
        *("https://\\evil", "https://example.org\\.evil.example/", "https://example.org/\\x"),
        *(
            "https://exa%6dple.org/",
            "https://exa\tmple.org",
            "https://example.org/\x7f",
            "https://^",
        ),
        *("vbscript:1", "https://exa\u202emple.org", " //evil.example"),
    ],
)
def test_refuses_every_other_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"https://|mailto:"):
        changes.read_link_url(text)
