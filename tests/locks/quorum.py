"""Several Redis servers that tests kill, freeze and wake again."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.servers import Server
from tests.servers import start_redis_in_memory, start_throwaway


@contextmanager
def redis_servers(number: int) -> Iterator[list[Server]]:
    """Starts so many servers on their own ports; removes them, with their files, at the end."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["TEST_SERVERS_FOLDER"]))
    servers: list[Server] = []
    try:
        for index in range(number):
            servers.append(start_throwaway(start_redis_in_memory, folder / str(index)))
        yield servers
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
