"""What staff do with the brand: one document, changed as a whole by compare-and-set."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import ValidationError
from pymongo.errors import DuplicateKeyError

from bookings.content.brand.pictures import Artwork
from bookings.content.brand.reading import SITE
from bookings.content.web_urls import read_web_url
from bookings.domain.email_addresses import normalise_address
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change

MAX_NAME = 40
MAX_LINKS = 8
MAX_LINK_TEXT = 40
MAX_URL = 500
MAX_ORIGINS = 10

NO_ORIGIN = (
    "“{text}” is not the address of a website; write https:// and its name, such as "
    "https://www.seaside.example."
)

# What an address on this site may begin with: a slash, and no second one, which names a server.
_OF_THE_SITE = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", re.ASCII)
_PLAIN = re.compile(r"[\x21-\x7e]+", re.ASCII)


def change_brand(
    version: int,
    *,
    name: str,
    sender_name: str,
    accent: str,
    links: Sequence[Mapping[str, Any]],
    logo: Artwork | None = None,
    icon: Artwork | None = None,
    without_logo: bool = False,
    without_icon: bool = False,
) -> bool:
    """Writes the brand; False if it is no longer the one with this version, and nothing was done.

    The pictures stay as they are unless new ones are given, or they are taken away.
    """
    values: dict[str, Any] = {
        "version": version + 1,
        "name": name,
        "sender_name": sender_name,
        "accent": accent,
        "links": [dict(link) for link in links],
    }
    if logo:
        (picture,) = logo.pictures
        values["logo"] = {
            "digest": logo.digest,
            "format": picture.format,
            "width": picture.width,
            "height": picture.height,
            "tone": logo.tone,
            "content": picture.content,
        }
    elif without_logo:
        values["logo"] = None
    if icon:
        values["icon"] = {
            "digest": icon.digest,
            "pictures": {str(each.width): each.content for each in icon.pictures},
        }
    elif without_icon:
        values["icon"] = None
    return write_if_unchanged(version, values)


def write_if_unchanged(version: int, values: Mapping[str, Any]) -> bool:
    """Sets these values if the document has this version; the first one makes it."""
    brands = collection("brands")
    try:
        if version:
            done = brands.update_one({"_id": SITE, "version": version}, {"$set": dict(values)})
            return done.matched_count == 1
        try:
            brands.insert_one({"_id": SITE, **values})
        except DuplicateKeyError:
            return False
        return True
    finally:
        announce_change()


def set_origins(version: int, origins: Sequence[str]) -> bool:
    """Says which websites may show pages in a frame; the result is as for `change_brand`."""
    return write_if_unchanged(version, {"version": version + 1, "origins": list(origins)})


def read_origin(text: str) -> str:
    """The origin of a website, as browsers spell it: `https://seaside.example`.

    Raises ValueError with a sentence for staff. On a demo, pages of this machine count too.
    """
    try:
        url = read_web_url(text.strip())
    except ValueError:
        raise ValueError(NO_ORIGIN.format(text=text.strip())) from None
    is_local = settings.DEMO and url.scheme == "http" and url.host in ("localhost", "127.0.0.1")
    if not (url.is_bare and (url.scheme == "https" or is_local)):
        raise ValueError(NO_ORIGIN.format(text=text.strip()))
    usual = 443 if url.scheme == "https" else 80
    return f"{url.scheme}://{url.host}" + (f":{url.port}" if url.port not in (None, usual) else "")


def read_link_url(text: str) -> str:
    """Where a link of the footer leads: https, mailto, or a path of this site.

    Raises ValueError with a sentence for staff.
    """
    text = text.strip()
    if _OF_THE_SITE.fullmatch(text):
        return text
    scheme, _, rest = text.partition(":")
    if scheme.lower() == "mailto" and rest:
        try:
            # What comes behind a question mark would fill in the mail.
            return f"mailto:{quote(normalise_address(rest), safe='@')}"
        except ValidationError:
            raise ValueError(
                "Write an e-mail address behind mailto:, such as mailto:desk@example.org."
            ) from None
    if _PLAIN.fullmatch(text):
        with suppress(ValueError):
            if read_web_url(text).scheme == "https":
                return text
    raise ValueError("Begin with https://, mailto: or / for a page of this site.")
