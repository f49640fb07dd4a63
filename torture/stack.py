"""The real site as processes on loopback: three members of MongoDB, Redis, two web servers of two
processes each, worker and beat, with proxies between them and the servers, and the world outside.

Start and stop processes from the main thread only: Linux ends a child when the thread that forked
it ends (local/children.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymongo
import pymongo.errors
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.children import Child
from local.servers import (
    REPLICA_SET,
    Server,
    free_port,
    plan_mongod,
    plan_redis,
    port_is_free,
    redis_binary,
)
from tests.faults import Faults
from torture import guards
from torture.options import ROOT, Options
from torture.proxies import SITE
from torture.world import Prepared

MEMBERS = 3
DATABASE = "torture"

START_TIMEOUT_S = 90.0

# MongoDB's default is 10 s. With less, a run of the same length sees more elections.
ELECTION_TIMEOUT_MS = 3_000
HEARTBEAT_MS = 500

WEB_PROCESSES = 2

_UNLIMITED = "1000000000/minute"

# Nanoseconds, as torture/clock.c reads them.
_CLOCK = struct.Struct("=q")


class NotStarted(Exception):
    """A part did not start; the message says what to read."""


class Stack:
    """All processes of a run, and what faults do to them. `close` ends them all."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = options.folder
        self.logs = self.folder / "logs"
        for name in ("logs", "points/web", "points/worker", "clocks", "outside"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.children: list[Child] = []
        # The one in use, the next one, which every process accepts already, and the earlier ones.
        self.secret_keys = [secrets.token_urlsafe(60), secrets.token_urlsafe(60)]
        self.ports = {
            name: free_port()
            for name in (
                *(f"mongod{number}" for number in range(MEMBERS)),
                *("redis", "mail", "hooks", "web_a", "web_b"),
                *(f"lock{number}" for number in range(3)),
                *(f"sentinel{number}" for number in range(3)),
                "replica",
            )
        }
        self._links: dict[str, tuple[int, int]] = {}
        self.members: list[Server] = []
        # Why the clocks of members cannot be moved.
        self.no_member_clocks = ""
        self.redis_servers: list[Server] = []
        self.sentinels: list[Child] = []
        self.webs: dict[str, Child] = {}
        self.outside: Child
        self.worker: Child
        self.beat: Child
        self.prepared: Prepared

    # --- Starting -------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts everything and returns once both web servers are ready. Raises NotStarted."""
        self._plan_servers()
        self._start_proxies()
        self._start_members()
        self._start_redis()
        ports = [str(self.ports[name]) for name in ("mail", "hooks")]
        self.outside = self._begin(
            "outside", ["-m", "torture.outside", *ports, str(self.folder / "outside")]
        )
        if self.options.release_before:
            self.run(
                *("manage.py", "collectstatic", "--noinput", "--verbosity", "0"),
                folder=self.options.release_before,
            )
        self.manage("migrate", "--verbosity", "0")
        self.manage("collectstatic", "--noinput", "--verbosity", "0")
        said = self.run("-m", "torture.prepare", f"http://127.0.0.1:{self.ports['hooks']}")
        self.prepared = Prepared.read(json.loads(said.splitlines()[-1]))
        client: pymongo.MongoClient[Any]
        with pymongo.MongoClient(self.mongodb_uri) as client:
            for guard in guards.find(self.options.without):
                guard.in_database(client[DATABASE])
        for name in ("web_a", "web_b"):
            self.start_web(name)
        self.worker = self.start_worker("worker")
        self.beat = self.start_beat("beat")
        for name in self.webs:
            self.wait_for_web(name)

    def close(self) -> None:
        """Kills all processes, the newest first."""
        while self.children:
            self.children.pop().kill()

    def _plan_servers(self) -> None:
        moved_clock = self._build_clock()
        for number in range(MEMBERS):
            name = f"mongod{number}"
            plan = plan_mongod(
                free_port(),
                self.folder / "data" / name,
                self.logs / f"{name}.log",
                parameters={"enableTestCommands": True},
                death_signal=signal.SIGKILL,
            )
            env = dict(plan.env)
            if moved_clock:
                self._member_clock(name).write_bytes(_CLOCK.pack(0))
                env |= {
                    "LD_PRELOAD": str(moved_clock),
                    "TORTURE_CLOCK": str(self._member_clock(name)),
                }
            self.members.append(replace(plan, name=name, env=env))
            self._links[name] = (self.ports[name], plan.port)
        servers = {"redis": free_port()}
        if self.options.variant == "redlock":
            servers |= {f"lock{number}": free_port() for number in range(3)}
        if self.options.variant == "sentinel":
            servers["replica"] = free_port()
        for name, port in servers.items():
            plan = plan_redis(
                port,
                self.folder / "data" / name,
                self.logs / f"{name}.log",
                appendonly=False,
                extra=self._redis_extra(name),
                death_signal=signal.SIGKILL,
            )
            self.redis_servers.append(replace(plan, name=name))
            self._links[name] = (self.ports[name], port)

    def _build_clock(self) -> Path | None:
        """What moves the clocks of members; None, and the reason, if it cannot be built here."""
        library = self.folder / "clock.so"
        try:
            built = subprocess.run(
                ["cc", "-O2", "-shared", "-fPIC", "-o", library, ROOT / "torture/clock.c", "-ldl"],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            self.no_member_clocks = "the clocks of members need a C compiler (cc)"
            return None
        if built.returncode:
            self.no_member_clocks = f"torture/clock.c cannot be built: {built.stderr.strip()}"
            return None
        return library

    def _member_clock(self, name: str) -> Path:
        return self.folder / "clocks" / name

    def _redis_extra(self, name: str) -> list[str]:
        if self.options.variant != "sentinel":
            return ["--enable-debug-command", "local"]
        # Sentinels and replicas know each server by its link.
        announced = ["--replica-announce-ip", "127.0.0.1", "--replica-announce-port"]
        follows = ["--replicaof", f"127.0.0.1 {self.ports['redis']}"] if name == "replica" else []
        return ["--enable-debug-command", "local", *announced, str(self.ports[name]), *follows]

    def _start_proxies(self) -> None:
        links = [(name, *ports) for name, ports in self._links.items()]
        log = (self.logs / "proxies.log").open("wb")
        self._proxies = subprocess.Popen(
            [sys.executable, "-m", "torture.proxies", json.dumps(links)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        self._tell_proxies(None)

    def _tell_proxies(self, command: dict[str, Any] | None) -> None:
        """Has the proxies obey a command; None waits until they listen. They end with their input,
        so they need no signal."""
        assert self._proxies.stdin
        assert self._proxies.stdout
        if command is not None:
            self._proxies.stdin.write(json.dumps(command) + "\n")
            self._proxies.stdin.flush()
        if not self._proxies.stdout.readline():
            raise NotStarted(f"The proxies ended: read {self.logs / 'proxies.log'}.")

    def _start_members(self) -> None:
        client: pymongo.MongoClient[Any]
        for member in self.members:
            self.start_member(member)
        config = {
            "_id": REPLICA_SET,
            "members": [
                {"_id": number, "host": f"127.0.0.1:{self.ports[member.name]}"}
                for number, member in enumerate(self.members)
            ],
            "settings": {
                "electionTimeoutMillis": ELECTION_TIMEOUT_MS,
                "heartbeatIntervalMillis": HEARTBEAT_MS,
            },
        }
        deadline_s = time.monotonic() + START_TIMEOUT_S
        initiated = False
        while time.monotonic() < deadline_s:
            with contextlib.suppress(pymongo.errors.PyMongoError):
                with self.direct(self.members[0]) as client:
                    if not initiated:
                        client.admin.command("replSetInitiate", config)
                        initiated = True
                with pymongo.MongoClient(
                    self.mongodb_uri, serverSelectionTimeoutMS=2_000
                ) as client:
                    client.admin.command(
                        "appendOplogNote",
                        data={"note": "ready"},
                        writeConcern={"w": MEMBERS, "wtimeout": 5_000},
                    )
                    return
            time.sleep(0.2)
        raise NotStarted(f"The replica set has no primary: read {self.members[0].log_path}.")

    def start_member(self, member: Server, *, within: Sequence[str] = ()) -> None:
        """Starts a member, also again on its data. It has no primary to wait for.

        `within` is a command that runs another one in its own place.
        """
        member.data_dir.mkdir(parents=True, exist_ok=True)
        argv = member.argv
        member.argv = [*within, *argv]
        try:
            Child.start(member)
        finally:
            member.argv = argv
        if member not in self.children:
            self.children.append(member)
        self._tell_proxies({"pids": {member.name: member.pid}})

    def _start_redis(self) -> None:
        for server in self.redis_servers:
            self.children.append(server)
            server.start()
        if self.options.variant == "sentinel":
            self._start_sentinels()

    def _start_sentinels(self) -> None:
        binary, _ = redis_binary()
        for number in range(3):
            folder = self.folder / "data" / f"sentinel{number}"
            folder.mkdir(parents=True, exist_ok=True)
            config = folder / "sentinel.conf"
            config.write_text(
                f"port {self.ports[f'sentinel{number}']}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor main 127.0.0.1 {self.ports['redis']} 2\n"
                "sentinel down-after-milliseconds main 1000\n"
                "sentinel failover-timeout main 3000\n"
            )
            child = Child(
                name=f"sentinel{number}",
                argv=[str(binary), str(config), "--sentinel"],
                log_path=self.logs / f"sentinel{number}.log",
                death_signal=signal.SIGKILL,
            )
            self.children.append(child)
            child.start()
            self.sentinels.append(child)

    # --- Where things are -----------------------------------------------------------------------

    @property
    def mongodb_uri(self) -> str:
        hosts = ",".join(f"127.0.0.1:{self.ports[f'mongod{n}']}" for n in range(MEMBERS))
        return f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    def direct(self, member: Server, *, timeout_ms: int = 5_000) -> pymongo.MongoClient[Any]:
        """A client of one member alone, past its proxy. Each of its commands takes no longer."""
        return pymongo.MongoClient(
            "127.0.0.1",
            member.port,
            directConnection=True,
            serverSelectionTimeoutMS=min(timeout_ms, 1_000),
            connectTimeoutMS=min(timeout_ms, 1_000),
            timeoutMS=timeout_ms,
        )

    def hello(self, member: Server, *, timeout_ms: int = 1_000) -> dict[str, Any]:
        """What a member says about its role; nothing if it does not answer."""
        # The driver would wait for half a second for a member that does not listen yet.
        if member.is_running and not port_is_free(member.port):
            with (
                contextlib.suppress(pymongo.errors.PyMongoError),
                self.direct(member, timeout_ms=timeout_ms) as client,
            ):
                return dict(client.admin.command("hello"))
        return {}

    def primary(self, *, timeout_ms: int = 1_000) -> Server | None:
        """The member that takes writes at the moment, if one says so."""
        for member in self.members:
            if self.hello(member, timeout_ms=timeout_ms).get("isWritablePrimary"):
                return member
        return None

    @property
    def redis(self) -> Server:
        """The Redis of claims and locks. With Sentinels it is the first one, whatever its role."""
        return self.redis_servers[0]

    def direct_redis(self, server: Server) -> Redis:
        """A client of one Redis, past its proxy. It asks once and does not wait for long."""
        return Redis(port=server.port, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))

    def redis_master(self) -> Server:
        """The Redis of claims and locks that takes writes: with Sentinels, the one they name."""
        by_link = {self.ports[server.name]: server for server in self.redis_servers}
        for sentinel in self.sentinels:
            with (
                contextlib.suppress(RedisError, KeyError),
                Redis(
                    port=self.ports[sentinel.name],
                    socket_timeout=0.1,
                    retry=Retry(NoBackoff(), 0),
                    decode_responses=True,
                ) as client,
            ):
                named: Any = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", "main")
                return by_link[int(named[1])]
        return self.redis

    def start_redis_server(self, server: Server) -> None:
        """Starts a Redis again, empty. With Sentinels it follows the master of now, as the
        configuration that Sentinel rewrites would have it."""
        if self.sentinels:
            argv = [*server.argv]
            if "--replicaof" in argv:
                at = argv.index("--replicaof")
                del argv[at : at + 2]
            master = self.redis_master()
            if master is not server:
                argv += ["--replicaof", f"127.0.0.1 {self.ports[master.name]}"]
            server.argv = argv
        server.start()

    def web_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    # --- The site -------------------------------------------------------------------------------

    def environment(self, part: str) -> dict[str, str]:
        redis_url = f"redis://127.0.0.1:{self.ports['redis']}/0"
        if self.options.variant == "sentinel":
            hosts = ",".join(f"127.0.0.1:{self.ports[f'sentinel{n}']}" for n in range(3))
            redis_url = f"redis+sentinel://{hosts}/main/0"
        locks = [f"redis://127.0.0.1:{self.ports[f'lock{n}']}/0" for n in range(3)]
        return {
            "DJANGO_SETTINGS_MODULE": "torture.site_settings",
            "PYTHONPATH": str(ROOT),
            "TORTURE_FOLDER": str(self.folder),
            "TORTURE_PART": part,
            "TORTURE_WITHOUT": ",".join(self.options.without),
            "BOOKINGSITE_ENV": "production",
            "SECRET_KEY": self.secret_keys[0],
            "SECRET_KEY_FALLBACKS": ",".join(self.secret_keys[1:]),
            "MONGODB_URI": self.mongodb_uri,
            "MONGODB_NAME": DATABASE,
            "REDIS_URL": redis_url,
            "LOCK_REDIS_URLS": ",".join(locks) if self.options.variant == "redlock" else "",
            "ALLOWED_HOSTS": "127.0.0.1",
            "SITE_URL": "https://127.0.0.1",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(self.ports["mail"]),
            "EMAIL_SECURITY": "none",
            "EMAIL_FROM": "bookings@bookings.example",
            "TRUST_FORWARDED_PROTO": "yes",
            "TRUSTED_PROXIES": "1",
            "API_THROTTLE": "on",
            "API_RATE_PER_ADDRESS": _UNLIMITED,
            "API_RATE_PER_CALLER": _UNLIMITED,
            "MAX_LIVE_HOLDS": "100000",
            "MAX_HELD_ROOM_NIGHTS": "100000",
            "MAX_HELD_ROOM_NIGHTS_PER_ADDRESS": "100000",
            "MAX_HELD_ROOM_NIGHTS_PER_PARTNER": "100000",
            "WEBHOOK_PRIVATE_ADDRESSES": "yes",
            "EXPIRY_INTERVAL_S": "5",
            "DEFAULT_HOTEL": "east",
            "PHOTOS_FOLDER": "",
            "LETTERS_FOLDER": "",
            "DEMO": "0",
            "LOG_LEVEL": "INFO",
            "PROMETHEUS_MULTIPROC_DIR": "",
            "PYTHONUNBUFFERED": "1",
        }

    def start_web(self, name: str, *, release: Path | None = None) -> Child:
        """Starts a web server, of this release or of one in another folder, and does not wait."""
        web = Child(
            name=name,
            argv=[
                *("env", "--chdir", str(release or ROOT)),
                *(sys.executable, "-m", "gunicorn", "bookingsite.wsgi:application"),
                *("--config", "gunicorn.conf.py", "--workers", str(WEB_PROCESSES)),
                *("--bind", f"127.0.0.1:{self.ports[name]}"),
            ],
            log_path=self.logs / f"{name}.log",
            death_signal=signal.SIGKILL,
            env=self.environment("web"),
        )
        self.webs[name] = web
        self.children.append(web)
        web.start()
        return web

    def start_worker(self, name: str, *, release: Path | None = None) -> Child:
        argv = ["-m", "celery", "-A", "bookingsite", "worker", "--pool", "threads"]
        argv += ["--concurrency", "4", "-l", "INFO", "-n", f"{name}@site"]
        return self._begin(name, argv, folder=release or ROOT)

    def start_beat(self, name: str) -> Child:
        schedule = str(self.folder / f"{name}-schedule")
        return self._begin(
            name, ["-m", "celery", "-A", "bookingsite", "beat", "--schedule", schedule]
        )

    def _begin(self, name: str, argv: list[str], *, folder: Path = ROOT) -> Child:
        child = Child(
            name=name,
            argv=["env", "--chdir", str(folder), sys.executable, *argv],
            log_path=self.logs / f"{name}.log",
            death_signal=signal.SIGKILL,
            env=self.environment("worker" if name.startswith("worker") else name.rstrip("2")),
        )
        self.children.append(child)
        child.start()
        return child

    def end(self, child: Child) -> None:
        """Kills a part at once and forgets it."""
        child.kill()
        if child in self.children:
            self.children.remove(child)

    def wait_for_web(self, name: str, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Returns once this web server is ready to take bookings. Raises NotStarted."""
        web = self.webs[name]
        deadline_s = time.monotonic() + timeout_s
        while web.is_running and time.monotonic() < deadline_s:
            if self.is_ready(name):
                return
            time.sleep(0.1)
        raise NotStarted(f"{name} does not answer: read {web.log_path}.")

    def is_ready(self, name: str, *, timeout_s: float = 5.0) -> bool:
        url = f"{self.web_url(name)}/api/ready"
        try:
            with urllib.request.urlopen(url, timeout=timeout_s) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def web_pids(self) -> list[int]:
        """The ids of the processes that answer requests."""
        pids = []
        for web in self.webs.values():
            with contextlib.suppress(OSError):
                for each in Path(f"/proc/{web.pid}/task").glob("*/children"):
                    pids += [int(pid) for pid in each.read_text().split()]
        return pids

    def manage(self, *arguments: str) -> str:
        """The output of a management command. Raises NotStarted if it fails."""
        return self.run("manage.py", *arguments)

    def run(self, *argv: str, folder: Path = ROOT) -> str:
        """The output of a Python program of the site. Raises NotStarted if it fails."""
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=folder,
            env={**os.environ, **self.environment("command")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotStarted(f"{' '.join(argv)} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def rotate_secret_keys(self) -> None:
        """Has the processes that start from now on use the next SECRET_KEY, and accept one more."""
        used, upcoming, *earlier = self.secret_keys
        self.secret_keys = [upcoming, secrets.token_urlsafe(60), used, *earlier]

    # --- Links, points and clocks ---------------------------------------------------------------

    def set_link(
        self,
        name: str,
        mode: str,
        *,
        of: tuple[str, ...] | None = None,
        delay_s: float = 0.0,
        share: float = 1.0,
    ) -> None:
        """How the link to a server treats the site and the members (`of`; all of them if None)."""
        everyone = (SITE, *(member.name for member in self.members))
        rule = {"mode": mode, "delay_s": delay_s, "share": share}
        self._tell_proxies({"link": name, "of": list(of or everyone), **rule})

    def heal_links(self) -> None:
        for name in self._links:
            self.set_link(name, "pass")

    def start_again(self, part: str) -> None:
        """Starts `worker` or `beat` again if it has ended."""
        if part == "worker" and not self.worker.is_running:
            self.end(self.worker)
            self.worker = self.start_worker("worker")
        if part == "beat" and not self.beat.is_running:
            self.end(self.beat)
            self.beat = self.start_beat("beat")

    def heal(self) -> None:
        """Waits until the site takes bookings again after its faults have ended.

        What ended by itself is started again, as what runs containers does. Raises NotStarted if a
        web server does not come back, which no fault may cause.
        """
        self.heal_links()
        self.start_again("worker")
        self.start_again("beat")
        for member in self.members:
            if not member.is_running:
                self.start_member(member)
        for name in self.webs:
            self.wait_for_web(name)

    def points(self, part: str) -> Faults:
        """The points of `web` or `worker`, to be armed."""
        return Faults(self.folder / "points" / part)

    def set_clock(self, part: str, offset_s: float) -> None:
        """How far the clocks of `web`, `worker` or `beat` are off."""
        written = self.folder / "clocks" / f"{part}.new"
        written.write_text(str(offset_s))
        written.rename(self.folder / "clocks" / part)

    def set_member_clock(self, member: Server, offset_s: float) -> None:
        """How far the clock of a member is off, from now on."""
        # The member has mapped this very file.
        with self._member_clock(member.name).open("r+b") as clock:
            clock.write(_CLOCK.pack(int(offset_s * 1e9)))
