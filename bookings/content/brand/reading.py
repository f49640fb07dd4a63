"""The brand as pages and mails read it, kept for up to two seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError

from bookings.content.wording import Texts
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.recent_reads import RecentReads

# There is one brand, and this is its id.
SITE = "site"

# The name of a site whose owner has chosen none.
UNNAMED = "Bookingsite"

# The bytes of the pictures, which no page needs.
WITHOUT_PICTURES = {"logo.content": 0, "icon.pictures": 0}


@dataclass(frozen=True)
class Logo:
    """A logo's address and size in pixels, twice what pages show.

    `tone` is `dark` or `light` if it needs a ground of its own on pages of that kind, else empty.
    """

    digest: str
    format: str
    width: int
    height: int
    tone: str


@dataclass(frozen=True)
class Link:
    """A link of the footer: its text by language, and where it leads."""

    texts: Texts
    url: str


@dataclass(frozen=True)
class BrandFacts:
    """The brand; everything is empty that the owner did not choose.

    `version` is 0 if nothing was ever chosen. `accent` is `#rrggbb`, and `icon` the digest of the
    icon's pictures. `origins` are the websites that may show pages in a frame.
    """

    version: int = 0
    chosen_name: str = ""
    chosen_sender: str = ""
    accent: str = ""
    links: tuple[Link, ...] = ()
    logo: Logo | None = None
    icon: str = ""
    origins: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the site is called on its pages."""
        return self.chosen_name or UNNAMED

    @property
    def sender(self) -> str:
        """Whose name mails are sent under; empty if the settings decide."""
        return self.chosen_sender or self.chosen_name


def read_brand() -> BrandFacts:
    """The brand as it is now. Takes one round trip."""
    found = collection("brands").find_one({"_id": SITE}, WITHOUT_PICTURES)
    return brand_of(found or {})


def brand_of(document: Mapping[str, Any]) -> BrandFacts:
    """The brand that a document says. Another release may have written it."""
    logo, icon = document.get("logo"), document.get("icon")
    return BrandFacts(
        version=document.get("version", 0),
        chosen_name=document.get("name", ""),
        chosen_sender=document.get("sender_name", ""),
        accent=document.get("accent", ""),
        links=tuple(Link(each["texts"], each["url"]) for each in document.get("links", ())),
        logo=Logo(logo["digest"], logo["format"], logo["width"], logo["height"], logo["tone"])
        if logo
        else None,
        icon=icon["digest"] if icon else "",
        origins=tuple(document.get("origins", ())),
    )


def recent_brand() -> BrandFacts:
    """As `read_brand`, but what it says may be two seconds old.

    Pages that say that something failed need it too, so it raises nothing: while MongoDB is away
    it is the brand that this process read last.
    """
    if outage.is_away():
        return _last
    try:
        return _brands.get(SITE) or BrandFacts()
    except PyMongoError as error:
        outage.report(error)
        return _last


def known_brand() -> BrandFacts:
    """The brand that this process knows. It asks no server, and may be old."""
    return _brands.peek(SITE) or _last


def read_picture(use: str, digest: str) -> Mapping[str, Any] | None:
    """The part `logo` or `icon` of the brand with its bytes; None if another one took its place."""
    found = collection("brands").find_one({"_id": SITE, f"{use}.digest": digest}, {use: 1})
    part: Mapping[str, Any] | None = found[use] if found else None
    return part


def _read(_site: str) -> BrandFacts:
    global _last
    _last = read_brand()
    return _last


_last = BrandFacts()
_brands: RecentReads[str, BrandFacts] = RecentReads("content", _read, most=1)
