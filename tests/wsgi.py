"""The site as the tests serve it: real, with faults to arm and, if a test asks, without locks."""

import os
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

from bookingsite.wsgi import application  # noqa: E402

__all__ = ["application"]

from bookings import points  # noqa: E402
from bookings.infrastructure import connections  # noqa: E402
from locks.redis_lock import Lock, RedisLocks  # noqa: E402
from tests.faults import Faults  # noqa: E402

if folder := os.environ.get("TEST_FAULTS"):
    points.install(Faults(Path(folder)))

if os.environ.get("TEST_WITHOUT_LOCKS"):

    def acquire(self: RedisLocks, names: list[str], *, ttl_ms: int) -> Lock:
        """Grants every lock to every caller, so that only the indexes are left."""
        return Lock(tuple(names), "nobody", ends_at_s=float("inf"))

    RedisLocks.acquire = acquire  # type: ignore[method-assign,assignment]
    RedisLocks.queue_release = lambda *_: None  # type: ignore[method-assign,assignment]
    connections.locks.cache_clear()
