"""Judges the URLs that owners type: links of the footer, the link to a map, websites with frames.

Python and browsers read the same text as different URLs. Browsers take a backslash for a slash,
leave out tabs and line breaks, and decode the host (https://url.spec.whatwg.org/#url-parsing). So
`https://\\evil.example` has the host `evil.example` for one and `\\evil.example` for the other.
What is accepted here is the same URL for both.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import idna

# What browsers leave out, or take for something else.
_UNCLEAR = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f]")

# A name of a website, in the letters that browsers send.
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True)
class WebUrl:
    """A URL as browsers read it. Only a bare one has neither path nor query nor fragment."""

    scheme: str
    host: str
    port: int | None
    is_bare: bool


def read_web_url(text: str) -> WebUrl:
    """Takes apart a URL that begins with https:// or http:// and names no user.

    Raises ValueError, without a sentence for people, if it is none or if browsers could read
    another one.
    """
    if _UNCLEAR.search(text):
        raise ValueError("unclear")
    parts = urlsplit(text)
    try:
        host = idna.encode(parts.hostname or "", uts46=True).decode().lower()
    except idna.IDNAError as error:
        raise ValueError("no host") from error
    port = parts.port  # raises if it is no number
    if parts.scheme not in ("https", "http") or "@" in parts.netloc or port == 0:
        raise ValueError("no address of a website")
    if not _HOST.fullmatch(host):
        raise ValueError("no host")
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment)
    return WebUrl(parts.scheme, host, port, is_bare)
