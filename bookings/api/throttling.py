"""How often a remote address or a caller may ask the API: bookings/infrastructure/throttles.py."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from bookings.infrastructure import throttles

if TYPE_CHECKING:  # at run time the two would import each other
    from rest_framework.views import APIView


class WindowThrottle(SimpleRateThrottle):
    """So many requests in each minute (or second, hour, day) of the clock, from settings.

    The framework's own list of times is read and written back, and so loses what concurrent
    requests add.
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
    """One budget for everybody behind a remote address, checked whoever they are."""

    scope = "address"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"address:{throttles.remote_address_of(request)}"


class CallerThrottle(WindowThrottle):
    """One budget for each caller, wherever they call from."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return f"caller:{request.user}" if request.user else None
