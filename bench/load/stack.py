"""Everything that a benchmark measures, as processes of its own on free ports of 127.0.0.1.

The site runs with production's settings. Its limits are raised, but still counted. Worker and beat
do not run, except where a scenario measures them, since their work would be charged to whatever is
measured at that moment.
"""

import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pymongo

from local.children import Child
from local.servers import REPLICA_SET, Server, free_port, plan_mongod, start_mongod, start_redis

ROOT = Path(__file__).resolve().parents[2]

# In `bench_00001` and so on, besides the four rooms of the hotel `demo`.
ROOMS = 400

START_TIMEOUT_S = 60.0

_UNLIMITED = "1000000000/minute"


class NotStarted(Exception):
    """A process did not start; the message says what to read."""


Sender = Literal["partner", "staff", "guest"]


@dataclass(frozen=True)
class Target:
    """A server that is asked, and the processes that work on its answers, by name."""

    name: str
    url: str
    processes: Mapping[str, list[int]]
    headers: Mapping[str, str] = field(default_factory=dict)
    session: str = ""

    def headers_of(self, sender: Sender) -> dict[str, str]:
        """The headers of requests of a partner (its token), of staff (a session), or of a guest."""
        headers = dict(self.headers)
        if sender != "partner":
            headers.pop("Authorization", None)
        if sender == "staff":
            headers["Cookie"] = f"sessionid={self.session}"
        return headers


class Stack:
    """MongoDB, Redis and what is started beside them, until `close`."""

    def __init__(self, folder: Path, *, members: int = 1) -> None:
        self._folder = folder
        self._children = ExitStack()
        self.mongods = self._start_mongods(members)
        self.redis = self._add(
            start_redis(
                free_port(), folder / "redis", folder / "redis.log", death_signal=signal.SIGKILL
            )
        )
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.mongods)
        self.mongodb_uri = f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    def close(self) -> None:
        """Kills all processes, the newest first."""
        self._children.close()

    def start_site(self, folder: Path, name: str) -> "MeasuredSite":
        """Starts the site whose code is in this folder, with a database of its own."""
        return MeasuredSite(self, folder, name)

    def start_floor(self) -> Target:
        """Starts the floor under the same server as the site (bench/load/floor.py)."""
        port = free_port()
        child = self.start(
            "floor",
            [*gunicorn("bench.load.floor:application", port)],
            env={"MONGODB_URI": self.mongodb_uri, "REDIS_URL": self.redis.uri, **PRODUCTION},
        )
        return self._target("floor", port, child, "/constant")

    def start_peer(self, command: str, *, processes: int) -> Target:
        """Starts a service of someone else's that has the same API for making a booking."""
        port = free_port()
        name = "peer" if processes == 1 else f"peer, {processes} processes"
        child = self.start(
            name,
            shlex.split(command),
            env={
                "PORT": str(port),
                "WORKERS": str(processes),
                "MONGODB_URI": self.mongodb_uri.replace("/?", f"/peer{processes}?"),
                "REDIS_URL": f"{self.redis.uri.removesuffix('/0')}/{processes}",
                "NODE_ENV": "production",
            },
        )
        return self._target(name, port, child, "/api/health")

    def start(
        self, name: str, argv: list[str], *, env: Mapping[str, str], cwd: Path | None = None
    ) -> Child:
        """Starts a program that ends with the stack."""
        if cwd is not None:
            argv = ["env", "--chdir", str(cwd), *argv]
        log_path = self._folder / f"{name}.log"
        child = Child(name=name, argv=argv, log_path=log_path, death_signal=signal.SIGKILL, env=env)
        child.start()
        return self._add(child)

    def _add(self, child: Any) -> Any:
        self._children.callback(child.kill)
        return child

    def _target(self, name: str, port: int, child: Child, path: str) -> Target:
        url = f"http://127.0.0.1:{port}"
        wait_for(child, url + path)
        return Target(name, url, {"web": [child.pid], **self.servers()})

    def servers(self) -> dict[str, list[int]]:
        """The ids of the servers' processes, by name."""
        return {"mongod": [each.pid for each in self.mongods], "redis": [self.redis.pid]}

    def _start_mongods(self, members: int) -> list[Server]:
        if members == 1:
            server = start_mongod(
                free_port(),
                self._folder / "mongod",
                self._folder / "mongod.log",
                death_signal=signal.SIGKILL,
            )
            return [self._add(server)]
        servers = [
            plan_mongod(
                free_port(),
                self._folder / f"mongod{number}",
                self._folder / f"mongod{number}.log",
                death_signal=signal.SIGKILL,
            )
            for number in range(members)
        ]
        for server in servers:
            server.data_dir.mkdir()
            Child.start(server)
            self._add(server)
        _initiate(servers)
        return servers


class MeasuredSite:
    """A site: its settings, its database and its web server."""

    def __init__(self, stack: Stack, folder: Path, name: str) -> None:
        self._stack, self.folder, self._name = stack, folder, name
        self.port = free_port()
        self.database = "bench" if name == "site" else "bench_other"
        self.environment = {
            **PRODUCTION,
            "SECRET_KEY": secrets.token_urlsafe(60),
            "MONGODB_URI": stack.mongodb_uri,
            "MONGODB_NAME": self.database,
            "REDIS_URL": f"{stack.redis.uri.removesuffix('/0')}/{10 if name == 'site' else 11}",
            "DJANGO_SETTINGS_MODULE": "bookingsite.settings",
            "PYTHONPATH": str(folder),
        }
        self.manage("migrate", "--verbosity", "0")
        self.manage("collectstatic", "--noinput", "--verbosity", "0")
        self.manage("seed_demo", "--rooms", str(ROOMS))
        self.token = self.manage("issue_token", "bench", "--act-for-others").split()[-1]
        filled = self.run(str(ROOT / "bench" / "load" / "filling.py"))
        self._web = stack.start(
            name,
            [*gunicorn("bookingsite.wsgi:application", self.port)],
            env=self.environment,
            cwd=folder,
        )
        url = f"http://127.0.0.1:{self.port}"
        wait_for(self._web, f"{url}/api/ready")
        # As a proxy in front would say it.
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
        self.target = Target(
            name,
            url,
            {"web": [self._web.pid], **stack.servers()},
            headers={**forwarded, "Authorization": f"Bearer {self.token}"},
            session=json.loads(filled)["session"],
        )

    @property
    def master(self) -> int:
        """The id of the process that starts those that answer."""
        return self._web.pid

    def workers(self) -> list[int]:
        """The ids of the processes that answer."""
        children = Path(f"/proc/{self._web.pid}/task").glob("*/children")
        return [int(pid) for each in children for pid in each.read_text().split()]

    def log(self) -> str:
        """The end of what the web server has written."""
        return self._web.log_path.read_text()[-3000:]

    def manage(self, *arguments: str) -> str:
        """The output of a management command. Raises NotStarted if it fails."""
        return self.run("manage.py", *arguments)

    def run(self, *argv: str) -> str:
        """The output of a Python program in the site's folder. Raises NotStarted if it fails."""
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotStarted(f"{' '.join(argv)} failed in {self.folder}:\n{done.stderr[-2000:]}")
        return done.stdout

    def documents(self, collection: str) -> Any:
        """A collection of the site's database."""
        return pymongo.MongoClient(self._stack.mongodb_uri)[self.database][collection]


PRODUCTION = {
    "BOOKINGSITE_ENV": "production",
    "ALLOWED_HOSTS": "127.0.0.1",
    "SITE_URL": "https://127.0.0.1",
    "EMAIL_HOST": "127.0.0.1",
    "EMAIL_SECURITY": "none",
    "EMAIL_FROM": "bookings@bookings.example",
    "TRUST_FORWARDED_PROTO": "yes",
    "TRUSTED_PROXIES": "1",
    "API_RATE_PER_ADDRESS": _UNLIMITED,
    "API_RATE_PER_CALLER": _UNLIMITED,
    "MAX_HELD_ROOM_NIGHTS_PER_PARTNER": "1000000000",
    "WEBHOOK_PRIVATE_ADDRESSES": "yes",
    # The terminal's own variables must not change what is measured.
    "API_THROTTLE": "on",
    "LOG_LEVEL": "INFO",
    "DEMO": "0",
    "DEFAULT_HOTEL": "demo",
    "LETTERS_FOLDER": "",
    "LOCK_REDIS_URLS": "",
    "PROMETHEUS_MULTIPROC_DIR": "",
}


def gunicorn(application: str, port: int) -> list[str]:
    """The command that serves an application as `make run` does."""
    config = (
        str(ROOT / "gunicorn.conf.py") if application.startswith("bench") else "gunicorn.conf.py"
    )
    return [
        *(sys.executable, "-m", "gunicorn", application, "--config", config),
        *("--bind", f"127.0.0.1:{port}", "--workers", "2"),
    ]


def wait_for(child: Child, url: str) -> None:
    """Returns once the URL answers 200. Raises NotStarted if the process ends, or takes long."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while child.is_running and time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise NotStarted(f"{child.name} does not answer:\n{child.log_path.read_text()[-2000:]}")


def _initiate(servers: list[Server]) -> None:
    """Makes one replica set of the servers, and returns once the first takes majority writes."""
    members = [
        {"_id": number, "host": f"127.0.0.1:{server.port}", "priority": 2 if number == 0 else 1}
        for number, server in enumerate(servers)
    ]
    deadline_s = time.monotonic() + START_TIMEOUT_S
    initiated = False
    while time.monotonic() < deadline_s:
        try:
            client: pymongo.MongoClient[Any] = pymongo.MongoClient(
                "127.0.0.1", servers[0].port, directConnection=True, serverSelectionTimeoutMS=500
            )
            with client:
                if not initiated:
                    config = {"_id": REPLICA_SET, "members": members}
                    client.admin.command("replSetInitiate", config)
                    initiated = True
                client.admin.command(
                    "appendOplogNote",
                    data={"note": "ready"},
                    writeConcern={"w": len(servers), "wtimeout": 2000},
                )
                return
        except pymongo.errors.PyMongoError:
            time.sleep(0.1)
    raise NotStarted(f"The replica set has no primary: read {servers[0].log_path}.")
