"""Runs the whole site on this machine until it is told to stop: `make run`.

MongoDB and Redis (unless the environment names others), the web server, a Celery worker and beat
are children of this process, which stops them in order. They write their logs to `var/log` and
their data to `var/`.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from local.binaries import ServerMissing, mongod_binary, mongod_version, redis_binary
from local.children import Child, ask_for_death_signal, spawn
from local.files import (
    ROOT,
    VAR,
    AlreadyRunning,
    PidFile,
    make_private_folder,
    open_private,
    read_variables,
    write_private,
    write_variables,
)
from local.preflight import (
    ENDING_SIGNALS,
    NotReady,
    check_ports,
    handle_ending_signals,
    read_ports,
)
from local.servers import ServerFailed, plan_mongod, plan_redis

LOGS = VAR / "log"
MAILS = VAR / "letters"

# Before the first page, Django and its apps are imported twice, possibly on a busy machine.
WEB_START_TIMEOUT_S = 60.0

# A stopped command gives back what it has taken, and asks MongoDB to do so for up to 3 s.
COMMAND_STOP_TIMEOUT_S = 5.0

# A part that died is started again, later each time. If it dies more often than that, it is broken,
# unless it ran well in between.
RESTART_DELAYS_S = (1.0, 5.0, 15.0)
RUNS_WELL_AFTER_S = 300.0

# Who sets up the empty site, and the database in which it begins.
OWNER, EMPTY_DATABASE = "owner@example.org", "bookingsite_own"

# From the edge to the truth: no part may get requests from one that stops after it.
STOP_ORDER = ("web", "worker", "beat", "Redis", "mongod")


class ChildFailed(Exception):
    """A part of the site ended or refused; the message names the log to read."""


class StopRequested(BaseException):
    """The run was asked to stop; a BaseException, so that no `except Exception` swallows it."""


class Run:
    """A run of the site: its children, and how they end."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ
        # `make run DEMO=0` starts an empty site, with a database of its own beside the demo's.
        self.is_demo = environ.get("DEMO", "1") != "0"
        self.children: list[Child] = []
        self.pid_file = PidFile(VAR / "run.pid")
        self.is_stopping = False
        self.deaths: dict[str, list[float]] = {}
        self.restarts_at_s: dict[str, float] = {}
        self.told_mails: set[str] = set()

    def stay(self) -> int:
        """Start everything, wait for a signal or a failure, then stop everything."""
        handle_ending_signals(self._on_signal)
        if "MAKELEVEL" in os.environ:
            # A killed `make` cannot pass its signal on.
            ask_for_death_signal(signal.SIGTERM)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
            self.pid_file.take()
            self.start()
            while True:
                self.tend_children()
                self.tell_mails()
                time.sleep(0.3)
        except StopRequested:
            return 0
        except (AlreadyRunning, ChildFailed, NotReady, ServerFailed, ServerMissing) as error:
            say(str(error), file=sys.stderr)
            return 1
        finally:
            self.stop()

    def start(self) -> None:
        """Start the parts in the order in which they need each other."""
        ports = read_ports(self.environ)
        check_ports(ports, self.environ)
        _keep_previous_logs()
        make_private_folder(MAILS)
        self.told_mails = mails_in(MAILS)
        say("Starting ...")
        self._start_servers(ports)
        variables = self._variables(ports)
        self.environ.update(variables)
        write_variables(VAR / "run.env", variables)
        if not self.is_demo:
            self._manage("migrate", "--no-input")
            guide = self._manage("setup", "--email", OWNER)
            self._start_site(ports["PORT"])
            self._wait_for_web(ports["PORT"])
            say(welcome_owner(ports["PORT"], guide))
            return
        demo = self._prepare()
        self._start_site(ports["PORT"])
        self._wait_for_web(ports["PORT"])
        if not self._token_works(ports["PORT"], demo["DEMO_TOKEN"]):
            # The token was made for another database.
            demo["DEMO_TOKEN"] = self._issue_token()
            write_variables(VAR / "demo.env", demo)
        say(welcome(ports["PORT"], demo, today=datetime.date.today()))  # noqa: DTZ011

    def _start_servers(self, ports: dict[str, int]) -> None:
        fds = [self.pid_file.fd]
        if not self.environ.get("MONGODB_URI"):
            release = ".".join(map(str, mongod_version(mongod_binary())))
            mongod = plan_mongod(
                ports["MONGO_PORT"], VAR / f"mongodb-{release}", LOGS / "mongod.log", keep_fds=fds
            )
            self._begin(mongod)
            self.environ["MONGODB_URI"] = mongod.uri
        if not self.environ.get("REDIS_URL"):
            _, kind = redis_binary()
            redis = plan_redis(ports["REDIS_PORT"], VAR / kind, LOGS / "redis.log", keep_fds=fds)
            self._begin(redis)
            self.environ["REDIS_URL"] = redis.uri

    def _variables(self, ports: dict[str, int]) -> dict[str, str]:
        """Name the settings of the site's processes, and of `manage.py` in another terminal."""
        secret_path = VAR / "secret"
        if not secret_path.exists():
            write_private(secret_path, secrets.token_urlsafe(64))
        variables = {
            "DJANGO_SETTINGS_MODULE": "bookingsite.settings",
            "BOOKINGSITE_ENV": "development",
            "DEMO": "1" if self.is_demo else "0",
            "DEFAULT_HOTEL": "demo" if self.is_demo else "",
            "SECRET_KEY": secret_path.read_text(encoding="utf-8").strip(),
            "MONGODB_URI": self.environ["MONGODB_URI"],
            "REDIS_URL": self.environ["REDIS_URL"],
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "PORT": str(ports["PORT"]),
            "SITE_URL": f"http://127.0.0.1:{ports['PORT']}",
            "LETTERS_FOLDER": str(MAILS),
        }
        if self.environ.get("MONGODB_NAME"):
            variables["MONGODB_NAME"] = self.environ["MONGODB_NAME"]
        elif not self.is_demo:
            variables["MONGODB_NAME"] = EMPTY_DATABASE
        return variables

    def _prepare(self) -> dict[str, str]:
        """Bring the database up to date and return the demo's passwords and token."""
        path = VAR / "demo.env"
        demo = read_variables(path)
        for name in ("DEMO_STAFF_PASSWORD", "DEMO_CUSTOMER_PASSWORD"):
            demo.setdefault(name, secrets.token_urlsafe(12))
        # Written before they are used, so that a run stopped here finds them next time.
        write_variables(path, demo)
        self._manage("migrate", "--no-input")
        self._manage("seed_demo", "--users", "--showcase", env=demo)
        if "DEMO_TOKEN" not in demo:
            demo["DEMO_TOKEN"] = self._issue_token()
            write_variables(path, demo)
        return demo

    def _issue_token(self) -> str:
        return self._manage("issue_token", "demo-partner", "--act-for-others").split()[-1]

    def _manage(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run a management command to its end and return its output."""
        log_path = LOGS / "manage.log"
        with open_private(log_path) as log:
            process = spawn(
                [sys.executable, str(ROOT / "manage.py"), *arguments],
                output=subprocess.PIPE,
                errors=log,
                death_signal=signal.SIGKILL,
                env={**self.environ, **(env or {})},
                keep_fds=[self.pid_file.fd],
            )
            try:
                output, _ = process.communicate()
            finally:
                _end(process)
        if process.returncode:
            raise ChildFailed(f"manage.py {arguments[0]} failed: read {log_path}.")
        return output.decode()

    def _start_site(self, port: int) -> None:
        python = sys.executable
        celery = [python, "-m", "celery", "-A", "bookingsite"]
        web = [
            *(python, "-m", "gunicorn", "bookingsite.wsgi:application"),
            *("--bind", f"127.0.0.1:{port}", "--no-control-socket"),
            # gunicorn.conf.py has the rest, as in production.
            *("--workers", "2", "--graceful-timeout", "5"),
        ]
        # With threads the worker is one process, so that nothing of it outlives its end.
        worker = [*celery, "worker", "--pool", "threads", "--concurrency", "4", "-l", "INFO"]
        beat = [*celery, "beat", "--schedule", str(VAR / "celerybeat-schedule"), "-l", "INFO"]
        self._begin(self._part("web", web, signal.SIGTERM))
        # If this process is killed its broker goes too, and without one a clean end takes long.
        # SIGKILL is safe, since every task may run twice.
        self._begin(self._part("worker", worker, signal.SIGKILL))
        self._begin(self._part("beat", beat, signal.SIGTERM))

    def _part(self, name: str, argv: Sequence[str], death_signal: signal.Signals) -> Child:
        return Child(
            name=name,
            argv=argv,
            log_path=LOGS / f"{name}.log",
            death_signal=death_signal,
            env={**self.environ, "PYTHONUNBUFFERED": "1"},
            keep_fds=[self.pid_file.fd],
        )

    def _begin(self, child: Child) -> None:
        # Added before it starts, since a signal may come at any moment after that.
        self.children.append(child)
        child.start()

    def _wait_for_web(self, port: int) -> None:
        deadline = time.monotonic() + WEB_START_TIMEOUT_S
        while _get(port, "/api/health") != 200:
            self.check_children()
            if time.monotonic() > deadline:
                raise ChildFailed(
                    f"web did not answer in {WEB_START_TIMEOUT_S:.0f} s: read {LOGS / 'web.log'}."
                )
            time.sleep(0.1)

    def _token_works(self, port: int, token: str) -> bool:
        return _get(port, "/api/bookings?limit=1", {"Authorization": f"Bearer {token}"}) != 401

    def check_children(self) -> None:
        """Raise ChildFailed if a child has ended by itself."""
        for child in self.children:
            if child.process is not None and (status := child.process.poll()) is not None:
                raise ChildFailed(
                    f"{child.name} ended with status {status}, so everything stops: "
                    f"read {child.log_path}."
                )

    def tend_children(self) -> None:
        """Restart children that ended by themselves; raise ChildFailed if that does not help."""
        now_s = time.monotonic()
        for child in self.children:
            if child.is_running:
                continue
            if child.name not in self.restarts_at_s:
                self.restarts_at_s[child.name] = now_s + self._note_death(child, now_s)
            elif now_s >= self.restarts_at_s[child.name]:
                del self.restarts_at_s[child.name]
                child.start()

    def _note_death(self, child: Child, now_s: float) -> float:
        """Return how long to wait before the child is started again."""
        before = [
            at_s for at_s in self.deaths.get(child.name, []) if now_s - at_s < RUNS_WELL_AFTER_S
        ]
        status = child.process.poll() if child.process else None
        if len(before) >= len(RESTART_DELAYS_S):
            raise ChildFailed(
                f"{child.name} ended with status {status} once more after {len(before)} restarts, "
                f"so everything stops: read {child.log_path}."
            )
        self.deaths[child.name] = [*before, now_s]
        delay_s = RESTART_DELAYS_S[len(before)]
        say(
            f"{child.name} ended with status {status} and is started again in {delay_s:g} s: "
            f"read {child.log_path}."
        )
        return delay_s

    def tell_mails(self) -> None:
        """Name each mail that was written since the last look."""
        for name in sorted(mails_in(MAILS) - self.told_mails):
            self.told_mails.add(name)
            say(f"Mail: {MAILS / name}")

    def stop(self) -> None:
        """Stop the children one after the other, and remove the marks of a run in progress."""
        self.is_stopping = True
        if self.pid_file.fd < 0:
            return
        say("Stopping ...")
        (VAR / "run.env").unlink(missing_ok=True)
        for child in sorted(self.children, key=lambda child: STOP_ORDER.index(child.name)):
            child.stop()
        self.pid_file.release()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if not self.is_stopping:
            self.is_stopping = True
            raise StopRequested
        # A closing terminal may send several signals; only a second Ctrl-C means impatience.
        if number == signal.SIGINT:
            for child in self.children:
                child.send_kill()


def welcome(port: int, demo: dict[str, str], *, today: datetime.date) -> str:
    """Return the greeting: where the site is, who may log in, and a booking to paste."""
    site = f"http://127.0.0.1:{port}"
    body = {
        "userId": "ada",
        "resourceId": "room_A",
        # A night that the documents' examples leave free.
        "date": str(today + datetime.timedelta(days=20)),
    }
    curl = (
        f"curl -sS -X POST {site}/api/bookings "
        f'-H "Authorization: Bearer {demo["DEMO_TOKEN"]}" '
        f"-H \"Content-Type: application/json\" -d '{json.dumps(body)}'"
    )
    return f"""
Bookingsite runs at {site}/

  staff     {site}/admin/  staff  {demo["DEMO_STAFF_PASSWORD"]}  (or manager, or desk)
  customer  {site}/login  guest  {demo["DEMO_CUSTOMER_PASSWORD"]}

{curl}

Passwords and token are in var/demo.env, logs in var/log, mails to customers in var/letters; each
mail is named here when it is written. Ctrl-C stops everything.
"""


def welcome_owner(port: int, guide: str) -> str:
    """Return the greeting of a site without a demo: what to do, as `manage.py setup` says it."""
    return f"""
Bookingsite runs at http://127.0.0.1:{port}/ without demo data.

{guide.strip()}

Logs are in var/log, mails in var/letters; each mail is named here when it is written.
Ctrl-C stops everything.
"""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the process tidy up if it has not ended. A migration, for example, gives its lease back,
    so that the next run need not wait for the lease to expire."""
    process.terminate()
    try:
        process.wait(COMMAND_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _get(port: int, path: str, headers: dict[str, str] | None = None) -> int | None:
    """Return the status of the web server's answer, or None if it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path, headers=headers or {})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None


def _keep_previous_logs() -> None:
    """Start new logs, and keep those of the previous run under another name."""
    make_private_folder(LOGS)
    for log in LOGS.glob("*.log"):
        log.replace(log.with_name(f"{log.name}.1"))


def mails_in(folder: Path) -> set[str]:
    """Return the names of the mails in the folder."""
    return {mail.name for mail in folder.glob("*.eml")}


def say(text: str, *, file: TextIO | None = None) -> None:
    """Write to the terminal, which may already be gone."""
    out = file or sys.stdout
    with contextlib.suppress(OSError):
        out.write(f"{text}\n")
        out.flush()


if __name__ == "__main__":
    sys.exit(Run(dict(os.environ)).stay())
