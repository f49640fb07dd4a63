"""A Redis primary and its replica, watched by three Sentinels, on loopback."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from local.servers import Server, free_port, redis_binary, start_redis
from tests.servers import start_throwaway

SERVICE = "bookings"
PASSWORD = "pass word/@"
SENTINEL_PASSWORD = "watch me"

# How long a primary is silent before the Sentinels replace it.
DOWN_AFTER_MS = 500


@dataclass
class Watch:
    """Two servers, one of them primary, and the Sentinels that decide which."""

    servers: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return (
            f"redis+sentinel://:pass%20word%2F%40@{hosts}/{SERVICE}/0?sentinel_password=watch%20me"
        )

    @property
    def primary(self) -> Server:
        """The server that the Sentinels consider the primary."""
        port = self._ask("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)[1]
        return next(server for server in self.servers if server.port == int(port))

    def fail_over(self) -> None:
        """Makes the replica take over while the primary lives, as for maintenance."""
        self._ask("SENTINEL FAILOVER", SERVICE)

    def wait_for_another(self, old: Server) -> None:
        deadline_s = time.monotonic() + 20
        while self.primary is old:
            assert time.monotonic() < deadline_s, "nobody took over"
            time.sleep(0.05)

    def _ask(self, *command: str) -> Any:
        with Redis(port=self.sentinels[0].port, password=SENTINEL_PASSWORD) as client:
            return client.execute_command(*command)


@contextmanager
def watched_redis() -> Iterator[Watch]:
    """Yields servers that are ready to fail over; removes them, with their files, at the end."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["TEST_SERVERS_FOLDER"]))
    watch = Watch([], [])
    try:
        for name in ("one", "two"):
            watch.servers.append(
                start_throwaway(
                    _start,
                    folder / name,
                )
            )
        one, two = watch.servers
        with Redis(port=two.port, password=PASSWORD) as client:
            client.replicaof("127.0.0.1", one.port)
        for index in range(3):
            watch.sentinels.append(_start_sentinel(folder / f"sentinel{index}", one.port))
        _wait_until_ready(watch)
        yield watch
    finally:
        for server in (*watch.sentinels, *watch.servers):
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _start(port: int, data: Path, log: Path, **options: Any) -> Server:
    server = start_redis(port, data, log, appendonly=False, **options)
    with Redis(port=port) as client:
        client.config_set("masterauth", PASSWORD)
        client.config_set("repl-diskless-sync-delay", 0)
        client.config_set("requirepass", PASSWORD)
    return server


def _start_sentinel(folder: Path, primary_port: int) -> Server:
    folder.mkdir(parents=True)
    port = free_port()
    settings = folder / "sentinel.conf"
    settings.write_text(
        f"""port {port}
bind 127.0.0.1
dir {folder}
requirepass "{SENTINEL_PASSWORD}"
sentinel sentinel-pass "{SENTINEL_PASSWORD}"
sentinel monitor {SERVICE} 127.0.0.1 {primary_port} 2
sentinel auth-pass {SERVICE} "{PASSWORD}"
sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}
sentinel failover-timeout {SERVICE} 3000
"""
    )
    binary, _ = redis_binary()
    sentinel = Server(
        name="Sentinel",
        argv=[str(binary), str(settings), "--sentinel"],
        port=port,
        uri=f"redis://127.0.0.1:{port}",
        data_dir=folder / "data",
        log_path=folder / "log",
        answers=_answers,
    )
    sentinel.start()
    return sentinel


def _answers(sentinel: Server) -> bool:
    with Redis(port=sentinel.port, password=SENTINEL_PASSWORD, socket_timeout=1.0) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def _wait_until_ready(watch: Watch) -> None:
    """Waits until each Sentinel knows the replica and the other two; only then can they agree."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        known = []
        for sentinel in watch.sentinels:
            with Redis(port=sentinel.port, password=SENTINEL_PASSWORD) as client:
                state = client.sentinel_masters()[SERVICE]
                known.append((state["num-slaves"], state["num-other-sentinels"]))
        if set(known) == {(1, 2)}:
            return
        time.sleep(0.05)
    raise AssertionError(f"the Sentinels did not find each other: {known}")
