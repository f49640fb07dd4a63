"""The beat scheduler. It sends no task that is already waiting in the queue, and goes on when its
machine's clock is set back.

While no worker fetches, at most one message waits for each scheduled task. A worker that comes back
after a night finds a handful of runs, not a night's worth. An expiry time on each message would not
do: beat's clock would set it and the worker's clock would judge it, so a worker some seconds ahead
would do nothing at all. All messages wait in Celery's own queue, from which workers of every
release take, since during a rollout or a rollback either side may be the older one.
"""

import json
import logging
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry
from django.conf import settings
from redis.exceptions import RedisError

from bookings.infrastructure import connections

logger = logging.getLogger(__name__)

# How many messages beat looks at, newest first. It leaves fewer than a dozen waiting itself. Where
# an earlier release or another program left more, it adds at most one of each task to this many.
NEWEST = 100


class Scheduler(PersistentScheduler):
    """Skips a task that already waits; the next tick of its schedule asks again.

    Celery asks for a task when so long has passed since the last time by the machine's clock. If
    that clock was an hour ahead and is set, no task would be asked for until the hour is over.
    """

    def tick(self, *arguments: Any, **options: Any) -> float:
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                entry.last_run_at = now
                # Celery makes it again, with the moments at which each task is due.
                self._heap = None
        return super().tick(*arguments, **options)

    def apply_async(self, entry: ScheduleEntry, *arguments: Any, **options: Any) -> Any:
        if _is_waiting(entry.task):
            return None
        return super().apply_async(entry, *arguments, **options)


def _is_waiting(task: str) -> bool:
    """Whether a message for this task waits. Celery's queue in Redis is a list, newest first."""
    try:
        messages = connections.redis().lrange(settings.CELERY_TASK_DEFAULT_QUEUE, 0, NEWEST - 1)
    except RedisError as error:
        # Sending will meet the same Redis, and knows how long to retry and what to log.
        logger.debug("queue_not_read", extra={"reason": type(error).__name__})
        return False
    return any(_task_of(message) == task for message in messages)


def _task_of(message: bytes | str) -> Any:
    try:
        return json.loads(message)["headers"]["task"]
    except (ValueError, KeyError, TypeError):
        return None  # beat did not send it
