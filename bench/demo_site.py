"""A site with demo data and its own servers, and a browser's way through it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from playwright.sync_api import Page, expect

from local.children import Child
from local.servers import free_port, start_mongod, start_redis

ROOT = Path(__file__).resolve().parent.parent

# In a container we are root, which may not use the sandbox. Only our own pages are opened.
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]

# For logins that end with the site.
STAFF_PASSWORD = "correct horse battery"

# What the worker would do within some minutes.
CONVERT_PHOTOS = """
import django
django.setup()
from bookings.content.photos import conversion
while conversion.read_figures().waiting:
    conversion.work_on_photos()
"""


def find_chromium() -> str:
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("Install chromium first: sudo apt-get install chromium")
    return path


@contextmanager
def run_demo_site() -> Iterator[str]:
    """Yields the URL of a site set up as in `make run`; everything is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as name:
        folder = Path(name)
        children: list[Child] = []
        try:
            for start in (start_mongod, start_redis):
                data, log = folder / start.__name__, folder / f"{start.__name__}.log"
                children.append(start(free_port(), data, log, death_signal=signal.SIGKILL))
            mongod, redis = children
            environment = {
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "bookingsite.settings",
                "BOOKINGSITE_ENV": "development",
                "SECRET_KEY": "bench",
                "DEMO_STAFF_PASSWORD": STAFF_PASSWORD,
                "DEMO_CUSTOMER_PASSWORD": STAFF_PASSWORD,
                "MONGODB_URI": mongod.uri,  # type: ignore[attr-defined]
                "REDIS_URL": redis.uri,  # type: ignore[attr-defined]
                "PHOTOS_FOLDER": str(folder / "photos"),
            }
            for arguments in (
                ["manage.py", "migrate"],
                ["manage.py", "seed_demo", "--users", "--showcase"],
                ["-c", CONVERT_PHOTOS],
            ):
                argv = [sys.executable, *arguments]
                subprocess.run(
                    argv, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
                )
            port = free_port()
            gunicorn = Child(
                name="web",
                argv=[
                    *(sys.executable, "-m", "gunicorn", "bookingsite.wsgi:application"),
                    *("--bind", f"127.0.0.1:{port}"),
                ],
                log_path=folder / "web.log",
                death_signal=signal.SIGKILL,
                env=environment,
            )
            gunicorn.start()
            children.append(gunicorn)
            _wait_for(f"http://127.0.0.1:{port}/api/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            for child in reversed(children):
                child.kill()


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"{url} did not answer.")


# --- A journey --------------------------------------------------------------------------------


def stays_url(site: str, *, hotel: str = "seaside", days_ahead: int = 30, nights: int = 3) -> str:
    arrival = date.today() + timedelta(days=days_ahead)  # noqa: DTZ011
    departure = arrival + timedelta(days=nights)
    return f"{site}/stays?hotel={hotel}&arrival={arrival}&departure={departure}&guests=2&rooms=1"


def hold_a_room(page: Page, url: str) -> None:
    """Holds a double room from the results at this URL, and ends on the page of the hold."""
    page.goto(url)
    page.get_by_role("button", name=re.compile("^Book Double")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your room is held")


def type_details(page: Page) -> None:
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("E-mail").fill("ada@example.org")


def confirm(page: Page) -> None:
    page.get_by_role("button", name="Confirm booking").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your room is booked")
