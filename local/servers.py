"""Real MongoDB and Redis servers as child processes, for `make run` and for the tests.

Every server listens on 127.0.0.1 only. `local.children` says how it lives and dies.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymongo
import pymongo.errors
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.binaries import ServerMissing, mongod_binary, mongod_version, redis_binary
from local.children import Child
from local.ports import free_port, port_is_free

__all__ = [
    "Server",
    "ServerFailed",
    "ServerMissing",
    "free_port",
    "mongod_binary",
    "mongod_version",
    "plan_mongod",
    "plan_redis",
    "port_is_free",
    "redis_binary",
    "start_mongod",
    "start_redis",
]

REPLICA_SET = "rs0"

# A cold mongod on a slow disk needs some seconds to create its journal files. After a minute,
# something is wrong.
START_TIMEOUT_S = 60.0

# redis-py's own retries would spend seconds on a server that is still starting.
ONE_TRY = Retry(NoBackoff(), 0)

# mongod's error code for a replica set that was never initiated.
NOT_YET_INITIALIZED = 94


class ServerFailed(Exception):
    """A server did not start; the message names the log to read."""


@dataclass(kw_only=True)
class Server(Child):
    """A child that listens on a port of 127.0.0.1.

    After `stop` or `kill`, `start` starts it again with the same port and data.
    """

    port: int
    uri: str
    data_dir: Path
    answers: Callable[[Server], bool]

    def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Run the server and return once it works; call this from the main thread."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        super().start()
        deadline = time.monotonic() + timeout_s
        try:
            while not self.answers(self):
                if not self.is_running:
                    raise ServerFailed(f"{self.name} stopped while starting: read {self.log_path}.")
                if time.monotonic() > deadline:
                    raise ServerFailed(
                        f"{self.name} did not get ready in {timeout_s:.0f} s: read {self.log_path}."
                    )
                time.sleep(0.02)
        except BaseException:
            self.kill()
            raise


def start_mongod(
    port: int,
    data_dir: Path,
    log_path: Path,
    *,
    parameters: Mapping[str, str | int | bool] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> Server:
    """Start a replica set of one mongod and return once it has taken a majority write.

    `parameters` are further server parameters (`--setParameter`). For throw-away data, pass SIGKILL
    as the `death_signal`: it also ends a frozen server.
    """
    server = plan_mongod(port, data_dir, log_path, parameters=parameters, death_signal=death_signal)
    server.start()
    return server


def plan_mongod(
    port: int,
    data_dir: Path,
    log_path: Path,
    *,
    parameters: Mapping[str, str | int | bool] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    keep_fds: Sequence[int] = (),
) -> Server:
    """Describe the server that `start_mongod` would start."""
    server_parameters: dict[str, str | int | bool] = {
        # A process killed between insert and commit blocks its nights no longer than this.
        "transactionLifetimeLimitSeconds": 5,
        "diagnosticDataCollectionEnabled": False,
        **(parameters or {}),
    }
    argv = [
        str(mongod_binary()),
        *("--port", str(port), "--bind_ip", "127.0.0.1"),
        # A socket file that another user left in /tmp would keep this mongod from starting.
        "--nounixsocket",
        *("--dbpath", str(data_dir), "--replSet", REPLICA_SET),
        *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "128"),
    ]
    for name, value in server_parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        argv += ["--setParameter", f"{name}={text}"]
    return Server(
        name="mongod",
        argv=argv,
        port=port,
        uri=f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}",
        data_dir=data_dir,
        log_path=log_path,
        death_signal=death_signal,
        keep_fds=keep_fds,
        # mongod stops at a locale that the system does not have.
        env={"LC_ALL": "C"},
        answers=_is_primary,
    )


def _is_primary(server: Server) -> bool:
    """Bring the replica set closer to taking writes; return true once it takes a majority write."""
    client: pymongo.MongoClient = pymongo.MongoClient(
        "127.0.0.1",
        server.port,
        directConnection=True,
        serverSelectionTimeoutMS=500,
        connectTimeoutMS=500,
        socketTimeoutMS=5000,
    )
    with client:
        try:
            # Another server may have got the port first; ours is then about to give up.
            if client.admin.command("serverStatus")["pid"] != server.pid:
                return False
            hello = client.admin.command("hello")
            if not hello.get("isWritablePrimary"):
                _configure_replica_set(client, host=f"127.0.0.1:{server.port}")
                return False
            if hello["me"] != f"127.0.0.1:{server.port}":
                return False
            # A note in the oplog is a write that leaves no trace in any database.
            client.admin.command(
                "appendOplogNote",
                data={"note": "ready"},
                writeConcern={"w": "majority", "wtimeout": 5000},
            )
        except pymongo.errors.PyMongoError:
            return False
        return True


def _configure_replica_set(client: pymongo.MongoClient, *, host: str) -> None:
    """Give a new mongod its replica set, or data from another port the new port."""
    members = [{"_id": 0, "host": host}]
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except pymongo.errors.OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    if [member["host"] for member in config["members"]] != [host]:
        config = {**config, "members": members, "version": config["version"] + 1}
        client.admin.command("replSetReconfig", config, force=True)


def start_redis(
    port: int,
    data_dir: Path,
    log_path: Path,
    *,
    appendonly: bool = True,
    extra: Sequence[str] = (),
    death_signal: signal.Signals = signal.SIGTERM,
) -> Server:
    """Start a Redis (or Valkey) and return once it answers; `extra` are further arguments."""
    server = plan_redis(
        port, data_dir, log_path, appendonly=appendonly, extra=extra, death_signal=death_signal
    )
    server.start()
    return server


def plan_redis(
    port: int,
    data_dir: Path,
    log_path: Path,
    *,
    appendonly: bool = True,
    extra: Sequence[str] = (),
    death_signal: signal.Signals = signal.SIGTERM,
    keep_fds: Sequence[int] = (),
) -> Server:
    """Describe the server that `start_redis` would start."""
    binary, _ = redis_binary()
    argv = [
        str(binary),
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(data_dir)),
        *("--daemonize", "no", "--databases", "64"),
        # Silently losing a claim to memory pressure is worse than an error that the site can see.
        *("--maxmemory-policy", "noeviction"),
        *("--save", "", "--appendonly", "yes" if appendonly else "no"),
        *extra,
    ]
    return Server(
        name="Redis",
        argv=argv,
        port=port,
        uri=f"redis://127.0.0.1:{port}/0",
        data_dir=data_dir,
        log_path=log_path,
        death_signal=death_signal,
        keep_fds=keep_fds,
        answers=_answers_ping,
    )


def _answers_ping(server: Server) -> bool:
    with redis.Redis(port=server.port, socket_timeout=1.0, retry=ONE_TRY) as client:
        try:
            # INFO answers while the data is still loading, PING does not.
            return client.ping() and client.info("server")["process_id"] == server.pid
        except redis.RedisError:
            return False
