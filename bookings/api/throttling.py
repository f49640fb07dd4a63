"""Limits how often a remote address or a caller may call the API.

bookings/infrastructure/throttles.py counts the requests.
"""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from bookings.infrastructure import throttles

if TYPE_CHECKING:  # at run time the two would import each other
    from rest_framework.views import APIView


class WindowThrottle(SimpleRateThrottle):
    """Allows as many requests in each minute (or second, hour, day) of the clock as settings say.

    The framework's own throttle reads a list of times and writes it back, and so loses the entries
    of concurrent requests.
    """

    duration: int  # seconds of a window, read from the rate by the framework
    num_requests: int
    retry_after_s = 0.0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        name = self.get_cache_key(request, view)
        if settings.API_THROTTLE == "off" or name is None:
            return True
        counted = throttles.count(name, window_s=self.duration)
        self.retry_after_s = counted.left_s
        return counted.number <= self.num_requests

    def wait(self) -> float:
        return self.retry_after_s


class RemoteAddressThrottle(WindowThrottle):
    """One budget for all callers behind a remote address."""

    scope = "address"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"address:{throttles.remote_address_of(request)}"


class CallerThrottle(WindowThrottle):
    """One budget for each caller, from whatever address they call."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return f"caller:{request.user}" if request.user else None
