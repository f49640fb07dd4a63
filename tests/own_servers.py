"""A MongoDB and a Redis for a program that plays the service in its own process."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.servers import free_port, start_mongod, start_redis
from tests.servers import quickest_place
from tests.sweeper import sweep_when_killed


@contextmanager
def own_servers(name: str, *, log_level: str) -> Iterator[None]:
    """Starts both, names them to the settings, and takes them away at the end.

    `name` is that of the database. The settings must not have been loaded before.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"bookingsite-{name}-", dir=quickest_place()))
    remove_folder = sweep_when_killed(folder)
    try:
        mongod = start_mongod(
            free_port(), folder / "mongod", folder / "mongod.log", death_signal=signal.SIGKILL
        )
        try:
            redis = start_redis(
                free_port(),
                folder / "redis",
                folder / "redis.log",
                appendonly=False,
                death_signal=signal.SIGKILL,
            )
            try:
                os.environ.update(
                    BOOKINGSITE_ENV="development",
                    SECRET_KEY=name,
                    MONGODB_URI=mongod.uri,
                    MONGODB_NAME=name,
                    REDIS_URL=redis.uri,
                    LOCK_REDIS_URLS="",
                    LOG_LEVEL=log_level,
                    DJANGO_SETTINGS_MODULE="bookingsite.settings",
                )
                yield
            finally:
                redis.kill()
        finally:
            mongod.kill()
    finally:
        remove_folder()
