"""The time of MongoDB's primary.

One process makes a hold and another expires it, so both must use one clock: MongoDB's and not this
machine's. `now` reads it from `hello` and carries it on with a clock that no one sets, so a step of
the local clock changes nothing. In a filter use `$$NOW`. A decision that is kept, such as a
definite refusal, must come from `$$NOW`, since a process may be suspended between its look at the
clock and its decision.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from pymongo import MongoClient

from bookings.infrastructure.connections import database

HostAndPort = tuple[str, int | None]

# Long enough to cost nothing. In the meantime a good reading drifts by DRIFT at most.
RESYNC_S = 30.0

# The rate at which two clocks may drift apart: each may be slewed by 500 ppm.
DRIFT = 0.001

# A reading with a larger error is slow, and the clock asks again: at the start a few times at once,
# later after a pause.
SLOW_S = 0.05
FIRST_ASKS = 3
PAUSE_S = 1.0

# The clock of time.monotonic(); if the system has it, the one that also counts sleep.
_UNSET_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _elapsed_s() -> float:
    return time.clock_gettime(_UNSET_CLOCK)


@dataclass(frozen=True)
class _Reading:
    """The time that a server's clock showed at one moment, give or take `error_s`.

    The moment is half-way between question and answer. So the error is half of the round trip, and
    the millisecond to which the server cuts its time.
    """

    server: HostAndPort | None
    server_time: datetime
    read_at_s: float
    error_s: float

    def time_at(self, moment_s: float) -> datetime:
        """The server's time at a moment of `_elapsed_s`, carried on from this reading."""
        return self.server_time + timedelta(seconds=moment_s - self.read_at_s)

    def error_at(self, moment_s: float) -> float:
        """The most, in seconds, by which `time_at` may be off."""
        return self.error_s + DRIFT * abs(moment_s - self.read_at_s)

    def agrees_with(self, other: "_Reading") -> bool:
        """Whether one clock may have shown both readings."""
        apart = other.time_at(self.read_at_s) - self.server_time
        return abs(apart.total_seconds()) <= self.error_s + other.error_at(self.read_at_s)


class _MongoClock:
    """Carries on the best reading: of two readings that agree, the one with the smaller error.

    Readings are immutable and are replaced as a whole, so no thread sees parts of two. A new
    reading that contradicts the old one wins, because the server's clock was set. Another primary
    has its own clock, so the first reading of it wins, too.

    So the error is half of the quickest round trip, and DRIFT since then. However slow MongoDB is,
    it is never more than half of MongoDB's share of a request.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self.reading: _Reading | None = None
        self._ask_at_s = 0.0

    def now(self) -> datetime:
        """MongoDB's time. Asks MongoDB first if the reading is old, slow or of another primary."""
        reading = self.reading
        if reading is None or _is_of_another_primary(reading):
            reading = self._begin()
        elif _elapsed_s() >= self._ask_at_s:
            # Only this thread asks. The others go on with the reading that there is.
            self._ask_at_s = _elapsed_s() + PAUSE_S
            reading = self.ask()
        return reading.time_at(_elapsed_s())

    def ask(self) -> _Reading:
        """Asks MongoDB once, and returns the best reading so far."""
        asked = _ask()
        with self._mutex:
            kept = self.reading
            if (
                kept is None
                or kept.server != asked.server
                or not asked.agrees_with(kept)
                or asked.error_s <= kept.error_at(asked.read_at_s)
            ):
                self.reading = kept = asked
            is_slow = kept.error_at(asked.read_at_s) > SLOW_S
            self._ask_at_s = asked.read_at_s + (PAUSE_S if is_slow else RESYNC_S)
            return kept

    def _begin(self) -> _Reading:
        """The first reading of a server. Its first round trip may include a new connection."""
        for _ in range(FIRST_ASKS):
            reading = self.ask()
            if reading.error_s <= SLOW_S:
                break
        return reading


def _ask() -> _Reading:
    client = database().client
    server = _primary_of(client)
    before_s = _elapsed_s()
    local_time = client.admin.command("hello")["localTime"]
    after_s = _elapsed_s()
    return _Reading(
        server=server,
        server_time=local_time.replace(tzinfo=UTC),
        read_at_s=(before_s + after_s) / 2,
        error_s=(after_s - before_s) / 2 + 0.001,
    )


def _is_of_another_primary(reading: _Reading) -> bool:
    """Whether the driver knows of another primary now."""
    primary = _primary_of(database().client)
    return primary is not None and primary != reading.server


def _primary_of(client: MongoClient) -> HostAndPort | None:
    """The primary that the driver knows already. `client.primary` takes four times as long."""
    servers = client.topology_description.server_descriptions()
    return next((address for address, server in servers.items() if server.is_writable), None)


_clock = _MongoClock()


def now() -> datetime:
    """MongoDB's time in UTC, aware, cut to the milliseconds that MongoDB can store."""
    return cut_to_ms(_clock.now())


def cut_to_ms(moment: datetime) -> datetime:
    """The moment without the microseconds that BSON cannot store."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def today(time_zone: str) -> date:
    """The hotel's calendar day."""
    return now().astimezone(ZoneInfo(time_zone)).date()


def desk_day(time_zone: str, ends_at: time_of_day) -> date:
    """The day at the hotel's desk, where each day goes on until `ends_at` the next morning."""
    return desk_day_at(now(), time_zone, ends_at)


def desk_day_at(moment: datetime, time_zone: str, ends_at: time_of_day) -> date:
    """The day at the hotel's desk at a moment."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return local.date() - timedelta(days=local.time() < ends_at)


def local_moment(day: date, at: time_of_day, time_zone: str) -> datetime:
    """The moment, in UTC, when the hotel's clocks show `at` on `day`.

    If they show it twice, it is the first time. If they skip it, it moves forward (PEP 495).
    """
    zone = ZoneInfo(time_zone)
    return datetime.combine(day, at, tzinfo=zone).replace(fold=0).astimezone(UTC)
