"""`GET /metrics` of a running site: complete in every process, whatever happened to the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bookings.operations import sweep
from bookingsite.worker_files import PREFIX
from local.servers import Server
from tests.bookingsite.test_metrics import samples
from tests.calls import book, let_hold_end
from tests.conftest import night
from tests.site import PROCESSES, ROOT, Site, all_at_once, start_site
from tests.site_fixtures import Starter, issue_token

pytestmark = pytest.mark.site

LISTED = "bookingsite_http_requests_total method=GET route=api/bookings status=200"
OPEN = "bookingsite_redis_breaker_open_processes"
OPENED = "bookingsite_redis_breaker_opened_total"


def scrape(site: Site) -> dict[str, float]:
    response = site.get("/metrics", token="")
    assert response.status_code == 200
    return samples(response.text)


def scrape_all(site: Site) -> list[dict[str, float]]:
    """Scrapes often enough for every process to have answered."""
    return [scrape(site) for _ in range(8)]


def wait_until(is_so: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def list_bookings(site: Site, times: int) -> None:
    answers = all_at_once([lambda: site.get("/api/bookings")] * times)
    assert {answer.status_code for answer in answers} == {200}


def workers_of(site: Site) -> set[int]:
    children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


def listed(site: Site) -> float:
    return scrape(site).get(LISTED, 0.0)


def own_folder_of(site: Site) -> Path:
    """Returns the folder in which the site's processes count, as one of them would learn it."""
    [pid, *_] = workers_of(site)
    variables = Path(f"/proc/{pid}/maps").read_text()
    [found] = {line.split()[-1] for line in variables.splitlines() if "/counter_" in line}
    return Path(found).parent


def folders_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*"))


def counting_files(folder: Path) -> dict[str, set[int]]:
    """Returns the owners of the files in the only site's folder, by what they count."""
    [shared] = folders_in(folder)
    found: dict[str, set[int]] = {}
    for file in shared.glob("*.db"):
        kind, _, pid = file.stem.rpartition("_")
        found.setdefault(kind, set()).add(int(pid))
    return found


@pytest.fixture(scope="module")
def shared(
    migrated: None, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Path]]:
    """A site, and a temporary folder that no one else uses."""
    folder = tmp_path_factory.mktemp("counts")
    site = start_site({**environment, "TMPDIR": str(folder)}, folder)
    yield site, folder
    site.stop()


@pytest.fixture
def counted(shared: tuple[Site, Path], database: None) -> Site:
    shared[0].token = issue_token("partner")
    return shared[0]


@pytest.fixture
def folder(shared: tuple[Site, Path]) -> Path:
    return shared[1]


def test_tells_of_sweeps_whichever_process_answers(site: Site) -> None:
    for number in range(1, 4):
        book(f"k{number}", hold=True)
        let_hold_end()
        # Not by the site: in this process, as a worker or cron would do it.
        sweep.expire_holds()

        answers = scrape_all(site)

        assert {answer["bookingsite_expiry_expired_total"] for answer in answers} == {number}


def test_adds_up_what_every_process_counted(counted: Site, folder: Path) -> None:
    before = listed(counted)

    list_bookings(counted, 30)

    # Both have worked, and neither has counted for the other.
    assert counting_files(folder)["counter"] >= workers_of(counted)
    answers = scrape_all(counted)
    assert [answer[LISTED] - before for answer in answers] == [30] * len(answers)
    assert {answer["bookingsite_processes"] for answer in answers} == {PROCESSES}
    durations = "bookingsite_http_request_duration_seconds_count route=api/bookings"
    assert {answer[durations] for answer in answers} == {listed(counted)}


@pytest.mark.slow
def test_keeps_what_killed_processes_counted_and_none_of_their_files(
    counted: Site, folder: Path
) -> None:
    list_bookings(counted, 20)
    before = listed(counted)

    for _ in range(2):
        working = workers_of(counted)
        os.kill(min(working), signal.SIGKILL)
        wait_until(lambda working=working: len(workers_of(counted) - working) == 1)
        wait_until(lambda: scrape(counted)["bookingsite_processes"] == PROCESSES)

        assert {answer[LISTED] for answer in scrape_all(counted)} == {before}

    list_bookings(counted, 5)
    assert {answer[LISTED] for answer in scrape_all(counted)} == {before + 5}
    alive = workers_of(counted)
    assert counting_files(folder) == {
        "counter": {0, *alive},
        "histogram": {0, *alive},
        "gauge_livesum": alive,
    }


def test_keeps_its_counts_when_it_is_reloaded(counted: Site, folder: Path) -> None:
    list_bookings(counted, 10)
    working, before = workers_of(counted), listed(counted)

    counted.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not workers_of(counted) & working and len(workers_of(counted)) == PROCESSES)
    wait_until(lambda: scrape(counted)["bookingsite_processes"] == PROCESSES)

    assert listed(counted) == before
    assert counting_files(folder)["counter"] == {0, *workers_of(counted)}


@pytest.mark.slow
def test_begins_anew_with_the_site_and_tidies_up_after_killed_ones(
    counted: Site, folder: Path, start: Starter
) -> None:
    killed = start(TMPDIR=str(folder))
    list_bookings(killed, 3)
    workers = workers_of(killed)
    [left] = set(folders_in(folder)) - {own_folder_of(counted)}
    killed.process.kill()
    killed.process.wait()
    # They notice before long that they no longer have a master.
    wait_until(lambda: not any(is_running(pid) for pid in workers), limit_s=30)
    for old in folders_in(folder):
        os.utime(old, (0, 0))

    site = start(TMPDIR=str(folder))

    assert LISTED not in scrape(site)
    # The killed site's folder is gone, and the one in use is not.
    assert left not in folders_in(folder)
    assert own_folder_of(counted) in folders_in(folder)
    site.stop()
    assert folders_in(folder) == [own_folder_of(counted)]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_tells_which_redis_is_not_asked_and_how_often_that_began(
    start: Starter, own_redis: Server
) -> None:
    site = start(REDIS_URL=own_redis.uri)
    site.book("before", userId="ada", resourceId="room_A", date=night())
    server = f" server={urlsplit(own_redis.uri).netloc}"
    before = scrape(site)

    own_redis.kill()
    all_at_once(
        [
            lambda number=number: site.book(
                f"k{number}", userId="ada", resourceId="room_B", date=night(31 + number)
            )
            for number in range(12)
        ]
    )
    during = scrape(site)
    own_redis.start()
    wait_until(lambda: is_closed_after_a_booking(site, server), limit_s=15)

    assert before[OPEN + server] == before[OPENED + server] == 0
    assert 1 <= during[OPEN + server] <= PROCESSES
    assert during[OPENED + server] >= during[OPEN + server]
    assert scrape(site)[OPENED + server] >= during[OPENED + server]


def is_closed_after_a_booking(site: Site, server: str) -> bool:
    all_at_once([lambda: site.get("/api/health-redis")] * 8)
    return scrape(site)[OPEN + server] == 0


def test_needs_no_token_and_is_never_throttled(start: Starter) -> None:
    site = start(API_THROTTLE="on", API_RATE_PER_ADDRESS="1/minute", API_RATE_PER_CALLER="1/minute")

    statuses = [site.get("/metrics", token="").status_code for _ in range(5)]

    assert statuses == [200] * 5


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "X-Forwarded-For: "]
)
def test_is_not_there_for_who_comes_through_a_proxy(site: Site, header: str) -> None:
    name, _, value = header.partition(": ")

    refused = site.get("/metrics", token="", headers={name: value})

    assert refused.status_code == 404
    assert "bookingsite_" not in refused.text


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/api/health", "/api/health-mongo", "/api/health-redis", "/api/ready"],
)
def test_answers_a_probe_that_knows_the_process_by_its_address_only(site: Site, path: str) -> None:
    probed = site.get(path, token="", headers={"Host": "10.244.3.17:8000"})

    assert probed.status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/bookings", "/metrics/", "/api/health/", "/login"])
def test_refuses_other_hosts_everywhere_else(site: Site, path: str) -> None:
    refused = site.get(path, headers={"Host": "10.244.3.17:8000"})

    assert refused.status_code == 400


@pytest.mark.slow
def test_says_that_mongodb_is_away_and_what_it_knows_without_it(
    start: Starter, own_mongod: Server
) -> None:
    site = start(MONGODB_URI=own_mongod.uri)
    before = scrape(site)
    own_mongod.freeze()
    # From here on the site knows, and answers pages without asking.
    assert site.get("/", token="").status_code == 503

    started_s = time.monotonic()
    during = scrape(site)
    took_s = time.monotonic() - started_s
    own_mongod.thaw()

    assert before["bookingsite_mongodb_up"] == 1
    assert during["bookingsite_mongodb_up"] == 0
    assert during["bookingsite_http_requests_total method=GET route= status=503"] == 1
    assert during["bookingsite_processes"] == PROCESSES
    assert not any(name.startswith("bookingsite_expiry") for name in during)
    # Less than a request may wait for MongoDB, with room for a busy machine.
    assert took_s < 5
    wait_until(lambda: scrape(site)["bookingsite_mongodb_up"] == 1)


def test_is_refused_a_start_that_would_count_wrong(environment: dict[str, str]) -> None:
    started = subprocess.run(
        [sys.executable, "-m", "gunicorn", "tests.wsgi:application"]
        + ["--bind", "127.0.0.1:0", "--preload"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert started.returncode != 0
    assert "Remove --preload" in started.stderr
