"""A MongoDB and a Redis for one benchmark, set up as in `make run`."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.servers import free_port, start_mongod, start_redis


@contextmanager
def own_servers() -> Iterator[dict[str, list[int]]]:
    """Runs both and points the environment at them; removes them and their files at the end.

    Yields the ids of their processes, by name.

    Read settings only inside. Counts go to files, as they do with several processes.
    """
    with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as name:
        folder = Path(name)
        servers = []
        (folder / "counts").mkdir()
        try:
            for what, start in (("mongod", start_mongod), ("redis", start_redis)):
                log = folder / f"{what}.log"
                servers.append(start(free_port(), folder / what, log, death_signal=signal.SIGKILL))
            os.environ.update(
                BOOKINGSITE_ENV="development",
                SECRET_KEY="bench",
                MONGODB_URI=servers[0].uri,
                MONGODB_NAME="bench",
                REDIS_URL=servers[1].uri,
                API_THROTTLE="off",
                LOG_LEVEL="ERROR",
                PROMETHEUS_MULTIPROC_DIR=str(folder / "counts"),
                DJANGO_SETTINGS_MODULE="bookingsite.settings",
            )
            yield {server.name: [server.pid] for server in servers}
        finally:
            for server in servers:
                server.kill()
