"""How often something may be done: counted in Redis, in the process when it is down.

Counted by an atomic increment, so that no concurrent request is lost: in windows of the clock, or
under a name that is used once. A dead Redis makes a limit one for each process, never a refusal.
"""

import ipaddress
import math
import re
import time
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from redis.exceptions import RedisError
from rest_framework.throttling import BaseThrottle

# What a provider gives to one customer, at least: whoever has an IPv6 address has all of these.
IPV6_PREFIX = 64

# `192.0.2.1:4711` or `[2001:db8::1]:4711`, as some proxies write it.
_WITH_PORT = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]+)?")


@dataclass(frozen=True)
class WindowCount:
    """How many there have been in the present window, and how long that still lasts."""

    number: int
    left_s: float


def count(name: str, *, window_s: int) -> WindowCount:
    """Counts one more under this name; the windows follow the clock."""
    now_s = time.time()
    window = int(now_s // window_s)
    number = _increment(f"{name}:{window}", 1, window_s)
    return WindowCount(number, (window + 1) * window_s - now_s)


def count_in_all(name: str, *, times: int = 1, kept_s: int) -> int:
    """Counts so many more under a name that nothing else uses, and says how many that makes.

    No window ends in between: the count is kept for `kept_s` from the first on.
    """
    return _increment(name, times, kept_s)


@dataclass(frozen=True)
class Limit:
    """So many in each window. The name says what is counted, and begins its entries in Redis."""

    name: str
    number: int
    window_s: int


def wait_s(limit: Limit, whom: str) -> int | None:
    """Counts one more for `whom`; None if it may be done, else the seconds until it may be."""
    if settings.API_THROTTLE == "off":
        return None
    counted = count(f"{limit.name}:{whom}", window_s=limit.window_s)
    return math.ceil(counted.left_s) if counted.number > limit.number else None


def remote_address_of(request: HttpRequest) -> str:
    """The IP address that a request comes from, as it is counted: an IPv6 one by its network.

    Of what proxies say of it only what TRUSTED_PROXIES allows.
    """
    # It reads META alone.
    told = BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]
    bare = _WITH_PORT.fullmatch(told)
    try:
        address = ipaddress.ip_address((bare[1] or bare[2]) if bare else told)
    except ValueError:
        return told
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        # A socket that listens for both writes IPv4 so.
        return str(address.ipv4_mapped)
    # By its number, since a link-local address may name an interface, which no network does.
    return str(ipaddress.IPv6Network((int(address), IPV6_PREFIX), strict=False))


def _increment(entry: str, times: int, kept_s: int) -> int:
    try:
        return _increment_in("throttle", entry, times, kept_s)
    except RedisError:
        return _increment_in("process", entry, times, kept_s)


def _increment_in(cache_name: str, entry: str, times: int, kept_s: int) -> int:
    cache = caches[cache_name]
    if cache.add(entry, times, timeout=kept_s + 1):
        return times
    try:
        return cache.incr(entry, times)
    except (ValueError, TypeError):
        # It ended this very moment, or something that is no number was put there.
        cache.set(entry, times, timeout=kept_s + 1)
        return times
