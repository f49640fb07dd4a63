"""Which URLs and IP addresses a webhook may reach: the public internet, and nothing internal.

Otherwise a partner could name a URL that has the worker ask its neighbours: MongoDB, a router, a
cloud's metadata. Every try resolves the host and connects to the very IP address that was checked,
so a name that resolves to another IP address a moment later changes nothing.
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
_MAX_HOST = 253  # the most that the name service can carry (RFC 1035, 2.3.4)

# Special IP addresses in the registries that `is_global` misses in some of the versions of Python
# that this runs on. https://www.iana.org/assignments/iana-ipv4-special-registry and
# https://www.iana.org/assignments/iana-ipv6-special-registry
_INSIDE = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        # The host of a virtual machine in Azure, which looks like a public IP address.
        # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
        "168.63.129.16/32",
        # Teredo and others; 6to4, which carries any IPv4 address; documentation.
        "2001::/23",
        "2002::/16",
        "3fff::/20",
    )
]
_WORLD = ipaddress.ip_network("2000::/3")

# A network without IPv4 translates to it here (RFC 6052): the last four bytes are the IPv4 address.
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class UrlRefused(Exception):
    """The message is one sentence that says what is wrong with the URL."""


@dataclass(frozen=True)
class UrlParts:
    """A URL taken apart. `netloc` goes into the Host header, and `path` includes the query."""

    is_tls: bool
    host: str
    port: int
    netloc: str
    path: str


def read_url(url: str) -> UrlParts:
    """Takes the URL apart without resolving its host. Raises UrlRefused."""
    if len(url) > MAX_URL:
        raise UrlRefused(f"The URL has more than {MAX_URL} characters.")
    if not _VISIBLE_ASCII.fullmatch(url):
        raise UrlRefused(
            "Write the URL in ASCII, without spaces (a name in other letters as xn--...)."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("This is not a URL.") from None
    schemes = ("https", "http") if _may_be_plain() else ("https",)
    if parts.scheme not in schemes:
        raise UrlRefused(f"The URL must begin with {' or '.join(schemes)}://.")
    if "@" in parts.netloc:
        raise UrlRefused("The URL must not have a user or password in it.")
    if parts.fragment:
        raise UrlRefused("The URL must not have a # in it.")
    host = parts.hostname or ""
    if not _NETLOC.fullmatch(parts.netloc) or not _is_host(host):
        raise UrlRefused("The URL has no valid host name.")
    if port == 0:
        raise UrlRefused("This is not a URL.")
    is_tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return UrlParts(is_tls, host, port or (443 if is_tls else 80), parts.netloc, path)


def check_unresolved(url: str) -> None:
    """Judges a URL by how it is written: a number in any spelling, or `localhost`, can be private
    without being resolved. Other names are resolved at each try. Raises UrlRefused."""
    host = read_url(url).host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
        check_ip_addresses(["127.0.0.1"])
        return
    try:
        # The parser of `resolve`, which asks no name server here.
        answers = socket.getaddrinfo(
            host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except socket.gaierror:
        return
    check_ip_addresses([str(answer[4][0]) for answer in answers])


def resolve(host: str, port: int, timeout_s: float) -> list[str]:
    """The IP addresses of a host name, or of a number in any spelling. Raises OSError.

    The system's resolver knows no time limit, so another thread waits for it.
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


def check_ip_addresses(found: list[str]) -> None:
    """Raises UrlRefused unless all may be reached: the connection could go to any of them."""
    if settings.WEBHOOK_PRIVATE_ADDRESSES:
        return
    for text in found:
        if not is_outside(ipaddress.ip_address(text)):
            raise UrlRefused(f"The URL leads to {text}, which is not a public IP address.")


def is_outside(ip_address: IpAddress) -> bool:
    """Whether this is a public IP address of one host, which anyone can reach."""
    if isinstance(ip_address, ipaddress.IPv6Address):
        if ip_address in _TRANSLATED:
            return is_outside(ipaddress.IPv4Address(ip_address.packed[-4:]))
        # This excludes those of this link or site, and all others that carry an IPv4 address.
        if ip_address not in _WORLD:
            return False
    return (
        ip_address.is_global
        and not ip_address.is_multicast
        and not ip_address.is_unspecified
        and not ip_address.is_reserved
        and not any(ip_address in network for network in _INSIDE)
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
