"""The scheduler of beat: it asks for nothing that waits already.

While no worker fetches, one message waits for each task of the schedule and no more, so that a
worker which comes back finds a handful of runs to do, not those of a night. A time after which a
message is worth nothing would be judged by the worker's clock and made by beat's: a worker some
seconds ahead would do nothing at all. All of them wait in Celery's own queue, from which workers of
every release take: while a release is rolled out or back, either may be older than the other.
"""

import json
import logging
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry
from django.conf import settings
from redis.exceptions import RedisError

from bookings.infrastructure import connections

logger = logging.getLogger(__name__)

# Beat lets less than a dozen wait. Where a release before left many, or another program does, it
# adds one in so many at most.
NEWEST = 100


class Scheduler(PersistentScheduler):
    def apply_async(self, entry: ScheduleEntry, *arguments: Any, **options: Any) -> Any:
        if _is_waiting(entry.task):
            return None
        return super().apply_async(entry, *arguments, **options)


def _is_waiting(task: str) -> bool:
    """Whether a message of it waits: Celery keeps a queue in Redis as a list, the newest first."""
    try:
        messages = connections.redis().lrange(settings.CELERY_TASK_DEFAULT_QUEUE, 0, NEWEST - 1)
    except RedisError as error:
        # Sending meets the same Redis, and knows how long to try and what to log.
        logger.debug("queue_not_read", extra={"reason": type(error).__name__})
        return False
    return any(_task_of(message) == task for message in messages)


def _task_of(message: bytes | str) -> Any:
    try:
        return json.loads(message)["headers"]["task"]
    except (ValueError, KeyError, TypeError):
        return None  # It is not beat's.
