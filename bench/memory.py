"""Measures web's memory at its worst: `python -m bench.memory`.

Starts its own MongoDB, Redis and gunicorn, with as many processes and threads as the image. A
stranger sends every method to every URL, since each series that this creates stays, and /metrics is
read. Then crowds send requests at once: logins, logins to accounts with a hash by Django's own
parameters, and the largest files of nights that staff may import. For each it prints the most that
all processes took together and what they keep afterwards: the sum of `Pss` in
/proc/PID/smaps_rollup, which counts shared memory once. A container's limit counts the same, except
for files that the kernel can drop. Finally it prints the most that the site's other processes take,
their `VmHWM`.
"""

import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import requests
from django.urls import URLResolver, get_resolver

from bench.http_workers import start
from bench.night_files import NIGHTS_A_CATEGORY, make_file
from bench.own_servers import own_servers

# For an account that ends with the site.
PASSWORD = "correct horse battery"

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")

LOG_IN, IMPORT = "/login", "/admin/bookings/nightsfile/"

# As many requests as the threads of all processes serve at once, and more than that.
CROWDS = (8, 18)

HIDDEN = re.compile(r'<input type="hidden" name="(key)" value="([^"]*)"')
TOKEN = re.compile(r'name="(csrfmiddlewaretoken)" value="([^"]*)"')

WRITE_NIGHTS = "from bookings.catalogue import night_jobs; night_jobs.work_on_jobs()"

PATIENCE_S = 120

# Short, since a hash takes only several times as long.
SAMPLE_EVERY_S = 0.005


def main() -> None:
    import django

    django.setup()
    from django.contrib.auth.hashers import Argon2PasswordHasher
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("seed_demo", verbosity=0)
    User.objects.create_superuser("staff", password=PASSWORD)
    earlier = Argon2PasswordHasher()
    for number in range(max(CROWDS)):
        stored = earlier.encode(PASSWORD, earlier.salt())
        User.objects.create(username=f"earlier-{number}", password=stored)
    content = largest_file()
    with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as name:
        web, url = start("bookingsite.http_worker.Worker", Path(name))
        try:
            # By the last of these, each process has served some.
            for path in ("/", LOG_IN, "/api/schema", "/metrics") * 16:
                requests.get(url + path, timeout=60)
            master, *serving = (f"{size:.0f}" for size in read_each_mib(web.pid))
            said = f"{master} of the master, {' and '.join(serving)} of those that serve"
            print(f"{read_mib(web.pid):6.0f} MiB idle: {said}")  # noqa: T201
            sent, answer = send_every_method(url)
            master, *serving = (f"{size:.0f}" for size in read_each_mib(web.pid))
            said = f"{master} of the master, {' and '.join(serving)} of those that serve"
            print(f"{read_mib(web.pid):6.0f} MiB after {sent} requests, {said}")  # noqa: T201
            size_kb, took_s = len(answer.content) / 1e3, answer.elapsed.total_seconds()
            print(f"       and /metrics has {size_kb:.0f} kB, in {took_s:.2f} s")  # noqa: T201
            for crowd in CROWDS:
                measure(
                    web.pid,
                    f"{crowd} logins at once, to accounts that do not exist",
                    [Visitor(url, f"none-{number}").log_in for number in range(crowd)],
                )
            for crowd in CROWDS:
                measure(
                    web.pid,
                    f"{crowd} wrong logins at once, to accounts with Django's own hash",
                    [Visitor(url, f"earlier-{number}").log_in for number in range(crowd)],
                )
            staff = [Visitor(url, "staff", PASSWORD) for _ in range(max(CROWDS))]
            for one in staff:
                one.log_in()
            for crowd in CROWDS:
                measure(
                    web.pid,
                    f"{crowd} files of {len(content) / 1e6:.1f} MB at once",
                    [partial(one.import_nights, content) for one in staff[:crowd]],
                )
        finally:
            web.kill()
        add_import(content)
        for what, words in (
            ("a worker that writes such a file", ("shell", "--command", WRITE_NIGHTS)),
            ("a backup", ("backup", "--to", name)),
            ("the doctor", ("doctor",)),
        ):
            print(f"{run_mib(words):6.0f} MiB: {what}")  # noqa: T201


def send_every_method(url: str) -> tuple[int, requests.Response]:
    """Returns how many requests it sent, and the answer of /metrics after all of them."""
    asked = [(method, path) for path in paths() for method in METHODS]
    with ThreadPoolExecutor(max(CROWDS)) as pool:
        # Twice, since the first may all go to one process.
        for _ in range(2):
            deque(
                pool.map(lambda one: requests.request(one[0], url + one[1], timeout=60), asked), 0
            )
    for _ in range(16):
        answer = requests.get(url + "/metrics", timeout=60)
    return 2 * len(asked), answer


def paths(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[str]:
    """Every path of the site, with a stand-in for each parameter."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + re.sub(r"<[^>]+>", "0" * 24, str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from paths(entry, path)
        else:
            yield re.sub(r"\(\?P.*|[\^$]", "x", path)


def largest_file() -> bytes:
    """A file with as many rows as one may have, and the room categories that it names."""
    from bookings.catalogue.nights import MAX_ROWS
    from bookings.infrastructure import clock
    from bookings.models import Hotel, RoomCategory

    Hotel.objects.create(id="bench", code="BENCH", name="Bench")
    ids = [f"bench_{number:03}" for number in range(-(-MAX_ROWS // NIGHTS_A_CATEGORY))]
    for name in ids:
        RoomCategory.objects.create(id=name, hotel_id="bench", name=name)
    return make_file(ids, clock.now().date(), MAX_ROWS, 0)


def add_import(content: bytes) -> None:
    """Adds the job that imports the file, for a worker to do."""
    from bson import ObjectId

    from bookings.catalogue import night_files, night_jobs
    from bookings.catalogue.inventory import find_hotel

    hotel = find_hotel("bench")
    assert hotel is not None
    night_jobs.add_job(
        job_id=ObjectId(),
        kind=night_jobs.IMPORT,
        hotel_id="bench",
        rows=night_files.judge_file(content, hotel),
        summary="",
        user_id=None,
    )


def run_mib(words: Sequence[str]) -> float:
    """The most MiB that a `manage.py` command takes by itself."""
    command = [sys.executable, "manage.py", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most_kib = 0
    while process.poll() is None:
        # VmHWM is the peak so far; a process that has ended has none.
        said = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        most_kib = max(most_kib, int(said[1]) if said else 0)
        time.sleep(SAMPLE_EVERY_S)
    return most_kib / 1024


class Visitor:
    """A browser."""

    def __init__(self, url: str, name: str, password: str = "wrong") -> None:
        self.url, self.name, self.password = url, name, password
        self._session = requests.Session()

    def log_in(self) -> int:
        return self.send_form(LOG_IN, {"username": self.name, "password": self.password})

    def send_form(self, path: str, fields: dict[str, str], file: bytes | None = None) -> int:
        """The status of the answer; the page's hidden fields are sent along."""
        page = self._session.get(self.url + path, timeout=PATIENCE_S).text
        hidden = dict(HIDDEN.findall(page)) | dict(TOKEN.findall(page))
        answer = self._session.post(
            self.url + path,
            {**hidden, **fields},
            files={"file": ("nights.csv", file, "text/csv")} if file else None,
            headers={"Referer": self.url + path},
            timeout=PATIENCE_S,
            allow_redirects=False,
        )
        return answer.status_code

    def import_nights(self, file: bytes) -> int:
        return self.send_form(IMPORT, {"hotel": "bench"}, file)


def measure(pid: int, what: str, calls: Sequence[Callable[[], int]]) -> None:
    """Makes the calls at once; prints what the processes take during and after them."""
    most_mib, is_over = [0.0], threading.Event()

    def watch() -> None:
        while not is_over.wait(SAMPLE_EVERY_S):
            most_mib.append(read_mib(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began_at_s = time.perf_counter()
    with ThreadPoolExecutor(len(calls)) as pool:
        statuses = Counter(future.result() for future in [pool.submit(call) for call in calls])
    took_s = time.perf_counter() - began_at_s
    is_over.set()
    watcher.join()
    said = f"{max(most_mib):6.0f} MiB, {read_mib(pid):4.0f} MiB afterwards, in {took_s:4.1f} s"
    print(f"{said}: {what}, answered {dict(statuses)}")  # noqa: T201


def read_mib(pid: int) -> float:
    """The MiB that gunicorn and its workers take together."""
    return sum(read_each_mib(pid))


def read_each_mib(pid: int) -> list[float]:
    """The MiB of the master, then of each worker."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    sizes_mib = []
    for process in (str(pid), *children):
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        size = re.search(r"^Pss: +(\d+)", rollup, re.MULTILINE)
        assert size, rollup
        sizes_mib.append(int(size[1]) / 1024)
    return sizes_mib


if __name__ == "__main__":
    with own_servers():
        main()
