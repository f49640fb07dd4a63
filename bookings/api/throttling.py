"""How often an address or a caller may ask. Counted in Redis, in the process when it is down."""

import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import caches
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:  # at run time the two would import each other
    from rest_framework.views import APIView


class WindowThrottle(SimpleRateThrottle):
    """So many requests in each minute (or second, hour, day) of the clock, from settings.

    Counted by an atomic increment, where the framework's own list of times is read and written
    back and so loses what concurrent requests add. A dead Redis makes it a rate for each
    process, never a refusal.
    """

    duration: int  # seconds of a window, read from the rate by the framework
    num_requests: int
    retry_after_s = 0.0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        name = self.get_cache_key(request, view)
        if settings.API_THROTTLE == "off" or name is None:
            return True
        now_s = time.time()
        window = int(now_s // self.duration)
        self.retry_after_s = (window + 1) * self.duration - now_s
        try:
            count = self._count("throttle", f"{name}:{window}")
        except RedisError:
            count = self._count("process", f"{name}:{window}")
        return count <= self.num_requests

    def wait(self) -> float:
        return self.retry_after_s

    def _count(self, cache_name: str, window_name: str) -> int:
        """How many there have been in this window, this one included."""
        cache = caches[cache_name]
        if cache.add(window_name, 1, timeout=int(self.duration) + 1):
            return 1
        return cache.incr(window_name)


class AddressThrottle(WindowThrottle):
    """One budget for everybody behind an address, checked whoever they are."""

    scope = "address"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"address:{self.get_ident(request)}"


class CallerThrottle(WindowThrottle):
    """One budget for each caller, wherever they call from."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return f"caller:{request.user}" if request.user else None
