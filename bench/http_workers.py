"""Compares gunicorn's worker classes: `python -m bench.http_workers CLASS [CLASS ...]`.

Starts its own MongoDB and Redis, and one site for each class. wrk sends each site three kinds of
requests, in three rounds: the health of a process, one answer replayed by its key, and bookings of
free rooms and nights. It prints the median rate of each, and its ratio to the first class. wrk,
gunicorn, MongoDB and Redis share the processors, so only the ratios mean something.
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import date, timedelta
from pathlib import Path

from bench.own_servers import own_servers
from local.children import Child
from local.servers import free_port

ROOT = Path(__file__).resolve().parent.parent

ROUNDS, SECONDS, CONNECTIONS = 3, 5, 16

ROOMS = 1_000

HEALTH = 'request = function() return wrk.format("GET", "/api/health") end'

# The same request each time: the first one books, the others get its answer.
REPLAY = """
wrk.headers["Idempotency-Key"] = "{run}"
local body = '{{"resourceId": "bench_00001", "date": "{first_night}"}}'
request = function() return wrk.format("POST", "/api/bookings", nil, body) end
"""

# Another room or night each time, in one sequence over all runs.
CREATE = """
local n = 0
request = function()
  n = n + 1
  local room = string.format("bench_%05d", n % {rooms} + 1)
  local night = os.date("!%Y-%m-%d", {first_night_s} + 86400 * math.floor(n / {rooms}))
  local body = '{{"resourceId": "' .. room .. '", "date": "' .. night .. '"}}'
  wrk.headers["Idempotency-Key"] = "{run}-" .. n
  return wrk.format("POST", "/api/bookings", nil, body)
end
"""

SCRIPTS = {"health": HEALTH, "replay": REPLAY, "create": CREATE}

NIGHTS_FOR_A_RUN = 20


def main(classes: list[str]) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from bookings.models import ApiClient
    from bookings.people import tokens

    call_command("migrate", verbosity=0)
    call_command("seed_demo", rooms=ROOMS, verbosity=0)
    token = tokens.issue_token(ApiClient.objects.create(name="bench").pk)
    rates: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as name:
        folder = Path(name)
        runs = 0
        for _ in range(ROUNDS):
            for worker_class in classes:
                web, url = start(worker_class, folder)
                try:
                    for what, script in SCRIPTS.items():
                        runs += 1
                        first_night = date.today() + timedelta(2 + NIGHTS_FOR_A_RUN * runs)  # noqa: DTZ011
                        script = script.format(
                            run=f"run-{runs}",
                            rooms=ROOMS,
                            first_night=first_night,
                            first_night_s=int(time.mktime(first_night.timetuple())) + 43_200,
                        )
                        rate = ask(url, token, script, folder)
                        rates.setdefault((what, worker_class), []).append(rate)
                finally:
                    web.kill()
    for (what, worker_class), measured in rates.items():
        rate = statistics.median(measured)
        ratio = rate / statistics.median(rates[what, classes[0]])
        print(f"{what} {worker_class:40} {rate:7.0f} a second, {ratio:.2f}")  # noqa: T201


def start(worker_class: str, folder: Path) -> tuple[Child, str]:
    """Starts a web server with this class; returns it and its URL once it is ready."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    web = Child(
        name="web",
        argv=[
            *(sys.executable, "-m", "gunicorn", "bookingsite.wsgi:application"),
            *("--bind", f"127.0.0.1:{port}", "--workers", "2", "--worker-class", worker_class),
        ],
        log_path=folder / "web.log",
        death_signal=signal.SIGKILL,
        env=os.environ,
    )
    web.start()
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{url}/api/ready", timeout=5):
                return web, url
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"{url} did not answer:\n{(folder / 'web.log').read_text()[-2000:]}")


def ask(url: str, token: str, script: str, folder: Path) -> float:
    """Requests a second, as wrk counted them; refusals are printed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("Install wrk first: sudo apt-get install wrk")
    (folder / "wrk.lua").write_text(
        f'wrk.headers["Authorization"] = "Bearer {token}"\n'
        f'wrk.headers["Content-Type"] = "application/json"\n{script}'
    )
    said = subprocess.run(
        [
            *(wrk, "-t", "1", "-c", str(CONNECTIONS), "-d", f"{SECONDS}s"),
            *("-s", str(folder / "wrk.lua"), url),
        ],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if refused := re.search(r"(Non-2xx or 3xx responses|Socket errors): .*", said):
        print(f"  {refused[0]}")  # noqa: T201
    match = re.search(r"Requests/sec: +([\d.]+)", said)
    assert match, said
    return float(match[1])


if __name__ == "__main__":
    with own_servers():
        main(sys.argv[1:])
