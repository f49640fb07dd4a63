"""The scheduler of beat: it asks for nothing that waits already.

Each task of the schedule has a queue of its own. While no worker fetches, one message waits in each
and no more, so that a worker which comes back finds a handful of runs to do, not those of a night.
A time after which a message is worth nothing would be judged by the worker's clock and made by
beat's: a worker some seconds ahead would do nothing at all.
"""

import logging
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry
from redis.exceptions import RedisError

from bookings import connections

logger = logging.getLogger(__name__)


class Scheduler(PersistentScheduler):
    def apply_async(self, entry: ScheduleEntry, *arguments: Any, **options: Any) -> Any:
        if _is_waiting(entry.options["queue"]):
            return None
        return super().apply_async(entry, *arguments, **options)


def _is_waiting(queue: str) -> bool:
    """Whether a message waits there: Celery keeps a queue in Redis as a list of that name."""
    try:
        return bool(connections.redis().llen(queue))
    except RedisError as error:
        # Sending meets the same Redis, and knows how long to try and what to log.
        logger.debug("queue_not_read", extra={"reason": type(error).__name__})
        return False
