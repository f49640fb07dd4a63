"""The clock that measures holds: MongoDB's, read now and then and carried on in between.

Still, a process may be wrong about it: after a slow reading, or after it was stopped. Nothing that
is kept for a day may depend on that.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pymongo
import pytest

from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from local.servers import Server, start_mongod
from tests.calls import book, let_hold_end, stored
from tests.servers import start_throwaway

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

RIVAL = Caller("client", "rival")
HOUR = timedelta(hours=1)


def off_by(read: datetime) -> timedelta:
    """Returns how far the last reading is from MongoDB's time, which here is this machine's."""
    return abs(datetime.now(UTC) - read)


def put_clock(patch: Patch, by: timedelta) -> None:
    """Makes this process wrong about the time."""
    right = clock.now
    patch.setattr(clock, "now", lambda: right() + by)


# --- How it is read -------------------------------------------------------------------------


class Asked(pymongo.monitoring.CommandListener):
    """Reports that a command has been sent."""

    def __init__(self) -> None:
        self.has_been = threading.Event()

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        self.has_been.set()

    def succeeded(self, event: pymongo.monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: pymongo.monitoring.CommandFailedEvent) -> None: ...


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture(scope="module")
def own_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_throwaway(start_mongod, tmp_path_factory.mktemp("mongod"))
    yield server
    server.kill()


@pytest.fixture
def slow_mongod(own_mongod: Server, asked: Asked, monkeypatch: Patch) -> Iterator[Server]:
    """A MongoDB to freeze, which gives the time."""
    with pymongo.MongoClient(own_mongod.uri, event_listeners=[asked]) as client:
        client.admin.command("ping")
        monkeypatch.setattr(clock, "database", lambda: client.admin)
        yield own_mongod
        own_mongod.thaw()


def stall(mongod: Server, seconds: float) -> None:
    """Makes the next question wait this long."""
    mongod.freeze()
    threading.Timer(seconds, mongod.thaw).start()


@pytest.mark.parametrize("look", [1, 2])
def test_never_puts_two_readings_together(monkeypatch: Patch, look: int) -> None:
    """A thread is stopped in the middle of its reading and continues after another has asked."""
    read = clock._MongoClock()
    read.now()
    elapsed_s = clock._elapsed_s
    reader = threading.current_thread()
    looks = itertools.count(1)

    def be_stopped() -> float:
        moment_s = elapsed_s()
        if threading.current_thread() is reader and next(looks) == look:
            asking = threading.Thread(target=read.ask)
            asking.start()
            asking.join()
        return moment_s

    time.sleep(0.3)  # the first reading is this old by then
    monkeypatch.setattr(clock, "_elapsed_s", be_stopped)

    assert off_by(read.now()) < timedelta(seconds=0.2)


def test_leaves_a_slow_reading_out(slow_mongod: Server) -> None:
    read = clock._MongoClock()
    read.now()

    stall(slow_mongod, 0.8)
    read.ask()

    assert off_by(read.now()) < timedelta(seconds=0.1), "half of what it took would be 0.4 s"


def test_asks_again_when_the_first_reading_is_slow(slow_mongod: Server) -> None:
    read = clock._MongoClock()

    stall(slow_mongod, 0.8)

    assert off_by(read.now()) < timedelta(seconds=0.1)


def test_lets_no_other_thread_wait_while_one_asks(
    slow_mongod: Server, asked: Asked, monkeypatch: Patch
) -> None:
    read = clock._MongoClock()
    monkeypatch.setattr(clock, "RESYNC_S", 0.0)
    read.ask()
    asked.has_been.clear()
    slow_mongod.freeze()
    asking = threading.Thread(target=read.now)
    asking.start()
    assert asked.has_been.wait(5)

    told = read.now()
    is_still_asking = asking.is_alive()
    slow_mongod.thaw()
    asking.join()

    assert is_still_asking
    assert off_by(told) < timedelta(seconds=0.1)


def test_follows_a_server_whose_clock_was_set(slow_mongod: Server) -> None:
    """However slow the reading is: both cannot be right, and the later one is newer."""
    read = clock._MongoClock()
    read.now()
    assert read.reading is not None
    read.reading = dataclasses.replace(read.reading, server_time=read.reading.server_time - HOUR)

    stall(slow_mongod, 0.3)
    read.ask()

    assert off_by(read.now()) < timedelta(seconds=0.3)


def test_asks_a_new_primary_at_once(slow_mongod: Server) -> None:
    read = clock._MongoClock()
    read.now()
    assert read.reading is not None
    read.reading = dataclasses.replace(
        read.reading, server_time=read.reading.server_time - HOUR, server=("fallen.example", 27017)
    )

    assert off_by(read.now()) < timedelta(seconds=0.1)


def test_asks_a_new_primary_once(slow_mongod: Server, asked: Asked) -> None:
    """Even if the fallen primary's time was read more precisely."""
    read = clock._MongoClock()
    read.now()
    assert read.reading is not None
    read.reading = dataclasses.replace(read.reading, server=("fallen.example", 27017), error_s=0.0)
    read.now()
    asked.has_been.clear()

    read.now()

    assert not asked.has_been.is_set()


# --- MongoDB's own look at its clock decides what is kept for a day ---------------------------


@pytest.mark.parametrize("which", [{"resourceId": "inn_S"}, {"categoryId": "inn_single"}])
def test_sells_what_a_dead_hold_had_by_a_clock_that_is_behind(
    monkeypatch: Patch, inn: None, which: dict[str, str]
) -> None:
    book(hold=True, **which)
    let_hold_end()  # 6 s ago
    put_clock(monkeypatch, timedelta(seconds=-30))

    rival = book("rival", caller=RIVAL, **which)

    assert rival.code is None
    assert sorted(booking["status"] for booking in stored()) == ["confirmed", "expired"]


@pytest.mark.parametrize("which", [{"resourceId": "inn_S"}, {"categoryId": "inn_single"}])
def test_refuses_what_a_live_hold_has_by_a_clock_that_is_ahead(
    monkeypatch: Patch, inn: None, which: dict[str, str]
) -> None:
    book(hold=True, **which)
    put_clock(monkeypatch, HOUR)

    rival = book("rival", caller=RIVAL, **which)

    # RESOURCE_LOCKED needs no certainty, and nothing is wrong: the key may try again.
    assert rival.code == ("ALREADY_BOOKED" if "resourceId" in which else "SOLD_OUT")


def test_gives_the_holder_their_last_room_by_a_clock_that_is_ahead(
    monkeypatch: Patch, inn: None
) -> None:
    held = book(hold=True, categoryId="inn_single")
    put_clock(monkeypatch, HOUR)

    again = book("again", hold=True, categoryId="inn_single")

    assert again.code is None
    assert again.content["booking"]["id"] == held.content["booking"]["id"]
