"""A worker that is stuck at photos still does its other work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from bson import ObjectId

from bookings.content.photos import changes, files
from bookings.content.photos.rows import WAITING
from bookings.infrastructure.connections import collection
from bookingsite.celery import app
from tests.calls import book, let_hold_end
from tests.calls import stored as bookings
from tests.content.photos.pictures import photo
from tests.site import ROOT

pytestmark = [pytest.mark.site, pytest.mark.slow]

# As many photos and tasks as the worker has threads, and one more.
STUCK = 5


@pytest.fixture
def worker(
    database: None, environment: dict[str, str], photo_folder: Path, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The worker as Compose starts it."""
    app.control.purge()
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *services["worker"]["command"]],
            cwd=ROOT,
            env={**environment, "PHOTOS_FOLDER": str(photo_folder)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    app.control.purge()


def add_endless_photo(folder: Path) -> None:
    """A photo whose file never ends, since no one writes into the pipe."""
    photo_id = ObjectId()
    assert changes.add_photo(
        photo_id=photo_id, hotel_id="demo", category_id="demo_double", content=photo()
    )
    row = collection("photos").find_one({"_id": photo_id})
    assert row is not None
    original = folder / files.original(row)
    original.unlink()
    os.mkfifo(original)


def test_expires_holds_while_photos_take_for_ever(
    worker: subprocess.Popen[bytes], photo_folder: Path
) -> None:
    for _ in range(STUCK):
        add_endless_photo(photo_folder)
        app.send_task("bookings.convert_photos")
    wait_until(lambda: bool(collection("photos").find_one({"tries": 1})))
    book(hold=True)
    let_hold_end()

    app.send_task("bookings.expire_holds")

    wait_until(lambda: bookings()[0]["status"] == "expired")
    assert collection("photos").count_documents({"state": WAITING}) == STUCK
    # One thread is stuck, and no other one began with the next photo.
    assert collection("photos").count_documents({"tries": 1}) == 1


def wait_until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 40
    while not happened():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
