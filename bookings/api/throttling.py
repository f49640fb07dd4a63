"""Limits how often a remote address or a caller may call the API.

bookings/infrastructure/throttles.py counts the requests.
"""

import math

from django.conf import settings
from rest_framework.throttling import SimpleRateThrottle

from bookings.infrastructure import throttles
from bookings.infrastructure.opening import Opening
from bookings.infrastructure.throttles import WindowCount
from bookings.refusals import Throttled


class WindowThrottle(SimpleRateThrottle):
    """Allows as many requests in each minute (or second, hour, day) of the clock as settings say.

    The framework's own throttle reads a list of times and writes it back, and so loses the entries
    of concurrent requests.
    """

    duration: int  # seconds of a window, read from the rate by the framework
    num_requests: int

    def queue(self, opening: Opening, whom: object) -> None:
        """Counts a request of `whom` when the opening is sent, which raises Throttled over the
        limit."""
        if settings.API_THROTTLE == "off":
            return

        def judge(counted: WindowCount) -> None:
            if counted.number > self.num_requests:
                raise Throttled(retry_after_s=math.ceil(counted.left_s))

        throttles.queue_count(
            opening, f"{self.scope}:{whom}", window_s=self.duration, counted=judge
        )


class RemoteAddressThrottle(WindowThrottle):
    """One budget for all callers behind a remote address."""

    scope = "address"


class CallerThrottle(WindowThrottle):
    """One budget for each caller, from whatever remote address."""

    scope = "caller"
