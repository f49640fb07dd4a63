"""Beat asks for each task in time, whatever happens to its machine's clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings

from bookings.infrastructure import connections
from bookingsite.beat import Scheduler
from bookingsite.celery import app

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHORTEST = timedelta(seconds=3)


@contextmanager
def beat(folder: Path) -> Iterator[Scheduler]:
    """Beat's scheduler, which keeps in a file when it asked for what."""
    scheduler = Scheduler(app=app, schedule_filename=str(folder / "schedule"))
    try:
        yield scheduler
    finally:
        scheduler.close()


def ask(scheduler: Scheduler) -> int:
    """How many tasks it asks for now. A worker takes them all at once."""
    while scheduler.tick() == 0:
        pass
    return int(connections.redis().delete(settings.CELERY_TASK_DEFAULT_QUEUE))


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(minutes=-1), timedelta(hours=1)])
def test_goes_on_when_its_clock_is_set(database: None, tmp_path: Path, step: timedelta) -> None:
    with time_machine.travel(NOON, tick=False) as now, beat(tmp_path) as scheduler:
        now.shift(HOUR)
        ask(scheduler)
        now.shift(SHORTEST)
        assert ask(scheduler)

        now.shift(step)
        ask(scheduler)

        now.shift(SHORTEST)
        assert ask(scheduler)


def test_goes_on_when_its_clock_was_set_while_it_was_away(database: None, tmp_path: Path) -> None:
    with time_machine.travel(NOON, tick=False) as now:
        with beat(tmp_path) as before:
            now.shift(HOUR)
            ask(before)
        now.shift(-HOUR)
        with beat(tmp_path) as after:
            ask(after)

            now.shift(SHORTEST)
            assert ask(after)
