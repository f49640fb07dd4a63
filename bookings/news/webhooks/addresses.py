"""Which URLs and IP addresses a webhook may reach: the world, and nothing that is inside.

A partner who names a URL could otherwise have the worker ask what stands beside it: MongoDB, a
router, the metadata of a cloud. A host is resolved at each try, and the try goes to the very
IP address that was looked at, so that a name which means something else a moment later changes
nothing.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int, float], list[str]]

MAX_URL = 500

_VISIBLE_ASCII = re.compile(r"[!-~]+")
_LABEL = "[A-Za-z0-9_-]{1,63}"
_NETLOC = re.compile(rf"({_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
_MAX_HOST = 253  # of what the name service can carry (RFC 1035, 2.3.4)

# What the registries of special addresses hold besides what `is_global` knows in every version of
# Python that this runs on. https://www.iana.org/assignments/iana-ipv4-special-registry and
# https://www.iana.org/assignments/iana-ipv6-special-registry
_INSIDE = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        # The host of a virtual machine in Azure, which looks like any other address.
        # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
        "168.63.129.16/32",
        # Teredo and others; 6to4, which carries any IPv4 address; documentation.
        "2001::/23",
        "2002::/16",
        "3fff::/20",
    )
]
_WORLD = ipaddress.ip_network("2000::/3")

# Where a network without IPv4 translates to it (RFC 6052): the IPv4 address is the last four bytes.
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class UrlRefused(Exception):
    """The message is a sentence that says what is wrong with the URL."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart. `netloc` is what stands in the Host header, `path` has the query."""

    is_tls: bool
    host: str
    port: int
    netloc: str
    path: str


def read_url(url: str) -> Target:
    """Raises UrlRefused, without asking anybody for the name."""
    if len(url) > MAX_URL:
        raise UrlRefused(f"The address has more than {MAX_URL} characters.")
    if not _VISIBLE_ASCII.fullmatch(url):
        raise UrlRefused(
            "Write the address in ASCII, without spaces (a name in other letters as xn--...)."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("This is not an address.") from None
    schemes = ("https", "http") if _may_be_plain() else ("https",)
    if parts.scheme not in schemes:
        raise UrlRefused(f"The address must begin with {' or '.join(schemes)}://.")
    if "@" in parts.netloc:
        raise UrlRefused("The address must not have a user or password in it.")
    if parts.fragment:
        raise UrlRefused("The address must not have a # in it.")
    host = parts.hostname or ""
    if not _NETLOC.fullmatch(parts.netloc) or not _is_host(host):
        raise UrlRefused("This is no name of a host.")
    if port == 0:
        raise UrlRefused("This is not an address.")
    is_tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_tls, host, port or (443 if is_tls else 80), parts.netloc, path)


def resolve(host: str, port: int, timeout_s: float) -> list[str]:
    """The IP addresses of a host, or of a number however it is spelled. Raises OSError.

    The system's resolver cannot be told how long it may take, so somebody else waits for it.
    """
    found: list[str] = []
    errors: list[OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(str(answer[4][0]) for answer in answers)
        except OSError as error:
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    if errors:
        raise errors[0]
    if not found:
        raise TimeoutError
    return found


def check_ip_addresses(addresses: list[str]) -> None:
    """Raises UrlRefused unless every one may be reached: who answers with two may mean
    either."""
    if settings.WEBHOOK_PRIVATE_ADDRESSES:
        return
    for text in addresses:
        if not is_outside(ipaddress.ip_address(text)):
            raise UrlRefused(f"The name leads to {text}, which is not an address of the world.")


def is_outside(address: IpAddress) -> bool:
    """Whether anybody in the world could reach the IP address, and it is nobody's in particular."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _TRANSLATED:
            return is_outside(ipaddress.IPv4Address(address.packed[-4:]))
        # Whatever else carries an IPv4 address, or means this link or this site, is not in it.
        if address not in _WORLD:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_unspecified
        and not address.is_reserved
        and not any(address in network for network in _INSIDE)
    )


def _may_be_plain() -> bool:
    return not settings.IS_PRODUCTION or settings.WEBHOOK_PRIVATE_ADDRESSES


def _is_host(host: str) -> bool:
    if ":" not in host:
        return len(host.rstrip(".")) <= _MAX_HOST
    try:
        return bool(ipaddress.IPv6Address(host))
    except ValueError:
        return False
