"""Rate limits, counted in Redis, or in the process while Redis is down.

The count is an atomic increment, so no concurrent request is missed. It counts in windows that
follow the clock, or under a name that is used once. With Redis down each process has the limit for
itself; no request is refused because Redis is down.
"""

import ipaddress
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import default_key_func
from django.http import HttpRequest
from redis.exceptions import RedisError
from rest_framework.throttling import BaseThrottle

from bookings.infrastructure.opening import Opening

# The smallest network that a provider gives to a customer, who can use all its IP addresses.
IPV6_PREFIX = 64

# One command in place of two, since each request of the API counts twice.
_COUNT = """
local number = redis.call('INCR', KEYS[1])
if number == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return number
"""

# `192.0.2.1:4711` or `[2001:db8::1]:4711`, as some proxies write an IP address.
_WITH_PORT = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]+)?")


@dataclass(frozen=True)
class WindowCount:
    """The count in the present window, and the seconds that are left of it."""

    number: int
    left_s: float


def count(name: str, *, window_s: int) -> WindowCount:
    """Adds one under this name in the present window. Windows follow the clock."""
    now_s = time.time()
    window = int(now_s // window_s)
    number = _increment(f"{name}:{window}", 1, window_s)
    return WindowCount(number, (window + 1) * window_s - now_s)


def queue_count(
    opening: Opening, name: str, *, window_s: int, counted: Callable[[WindowCount], None]
) -> None:
    """Adds one, as `count` does, when the opening is sent; `counted` gets the result."""
    now_s = time.time()
    window = int(now_s // window_s)
    entry = f"{name}:{window}"
    left_s = (window + 1) * window_s - now_s
    key = default_key_func(entry, "throttle", 1)  # as the cache of this name does
    opening.add(
        ("EVAL", _COUNT, 1, key, window_s + 1),
        answered=lambda results: counted(WindowCount(int(results[0]), left_s)),
        failed=lambda: counted(WindowCount(_increment_in("process", entry, 1, window_s), left_s)),
    )


def count_in_all(name: str, *, times: int = 1, kept_s: int) -> int:
    """Adds `times` under a name that nothing else uses; returns the total.

    There are no windows: the count is kept for `kept_s` seconds after the first addition.
    """
    return _increment(name, times, kept_s)


def total_of(names: Iterable[str]) -> int:
    """The sum of what `count_in_all` counted under these names; 0 while Redis is down."""
    try:
        return sum(caches["throttle"].get_many(names).values())
    except RedisError:
        return 0


@dataclass(frozen=True)
class Limit:
    """A limit for each window. The name says what it counts, and begins its entries in Redis."""

    name: str
    number: int
    window_s: int


def wait_s(limit: Limit, whom: str) -> int | None:
    """Adds one for `whom`. Returns None if it is within the limit, else the seconds to wait."""
    if settings.API_THROTTLE == "off":
        return None
    counted = count(f"{limit.name}:{whom}", window_s=limit.window_s)
    return math.ceil(counted.left_s) if counted.number > limit.number else None


def remote_address_of(request: HttpRequest) -> str:
    """The remote address of the client: its IP address as limits count it, IPv6 as its /64 network.

    TRUSTED_PROXIES says how many proxies are believed.
    """
    # `get_ident` reads only META.
    return _counted_as(BaseThrottle().get_ident(request) or "")  # type: ignore[arg-type]


@lru_cache(maxsize=1_000)
def _counted_as(told: str) -> str:
    """The address in what a proxy or the socket told."""
    bare = _WITH_PORT.fullmatch(told)
    try:
        ip_address = ipaddress.ip_address((bare[1] or bare[2]) if bare else told)
    except ValueError:
        return told
    if isinstance(ip_address, ipaddress.IPv4Address):
        return str(ip_address)
    if ip_address.ipv4_mapped:
        # A dual-stack socket writes IPv4 addresses like this.
        return str(ip_address.ipv4_mapped)
    # From the number, since a link-local address may name an interface, and a network cannot.
    return str(ipaddress.IPv6Network((int(ip_address), IPV6_PREFIX), strict=False))


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
        # The entry has just expired, or its value is not a number.
        cache.set(entry, times, timeout=kept_s + 1)
        return times
