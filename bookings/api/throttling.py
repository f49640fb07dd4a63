"""How often an address or a caller may ask. Counted in Redis, in the process when it is down."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import caches
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:  # at run time the two would import each other
    from rest_framework.views import APIView


class FailOpenThrottle(SimpleRateThrottle):
    """A rate from settings; a dead Redis makes it a rate for each process, never a refusal."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if settings.API_THROTTLE == "off":
            return True
        self.cache = caches["throttle"]
        try:
            return super().allow_request(request, view)
        except RedisError:
            self.cache = caches["process"]
            return super().allow_request(request, view)


class AddressThrottle(FailOpenThrottle):
    """One budget for everybody behind an address, checked whoever they are."""

    scope = "address"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"address:{self.get_ident(request)}"


class CallerThrottle(FailOpenThrottle):
    """One budget for each caller, wherever they call from."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return f"caller:{request.user}" if request.user else None
