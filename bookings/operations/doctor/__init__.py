"""Whether this site can keep its promises, and has kept them: `manage.py doctor`.

Every check is a function that reads, writes nothing into MongoDB, and stops at its time limit. The
doctor does not ask a server again that failed to answer. The members of MongoDB's set are the
exception: it asks each one by itself, since they matter most when there is no primary. What
Prometheus watches is in `observability`. Modules here may import the other modules of `operations`,
and every layer below.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pymongo
from django.conf import settings
from django.db import DatabaseError
from kombu.exceptions import OperationalError
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bookings.infrastructure.connections import database, looking_into
from bookings.infrastructure.mongodb import errors
from bookings.operations.backups.writing import WINDOW_PARAMETER, ask_window_s
from bookings.operations.doctor import (
    background,
    clocks,
    members,
    mongodb,
    people,
    photos,
    recount,
    redis_server,
)
from bookings.operations.doctor.findings import Finding, fail, warn
from locks import sentinel
from locks.connection import GuardedRedis, breaker_of, connect

__all__ = ["Finding", "examine", "examine_data"]

# A healthy server answers each of these questions within milliseconds.
CHECK_TIMEOUT_S = 3.0

# A recount reads every booking as of one moment. It gives up before MongoDB drops that snapshot.
RECOUNT_SHARE = 0.8

MONGODB_AWAY = "MongoDB does not answer, or has no primary; start it, or fix MONGODB_URI."

# MongoDB no longer has the snapshot, or does not have it yet.
SNAPSHOT_CODES = frozenset({239, 246})


@dataclass(frozen=True)
class Check:
    """`away` says that the check's server does not answer, and what to do about it."""

    name: str
    away: str
    ask: Callable[[], Finding]
    is_recount: bool = False
    # True for a check that finds its servers by itself: it runs even if MongoDB did not answer.
    is_asked_always: bool = False


def examine() -> Iterator[tuple[str, Finding]]:
    """Yields each check's name and finding as soon as it is known."""
    return _ask(_checks())


def examine_data(name: str, *, is_older: bool = False) -> list[tuple[str, Finding]]:
    """Runs the checks of stored data on the database of this name.

    If `is_older`, the data is of an older version and may lack what migrations will bring.
    """
    with looking_into(name):
        return list(_ask(_data_checks(is_older=is_older)))


def _ask(checks: Iterable[Check]) -> Iterator[tuple[str, Finding]]:
    silent: set[str] = set()
    for check in checks:
        if check.away in silent and not check.is_asked_always:
            yield check.name, fail(check.away)
            continue
        timeout_s = CHECK_TIMEOUT_S
        try:
            if check.is_recount:
                with pymongo.timeout(CHECK_TIMEOUT_S):
                    timeout_s = RECOUNT_SHARE * ask_window_s(database())
            with pymongo.timeout(timeout_s):
                finding = check.ask()
        except (PyMongoError, DatabaseError, RedisError, OperationalError) as error:
            finding = _explain(check, error, timeout_s)
            if finding.text == check.away:
                silent.add(check.away)
        yield check.name, finding


def _checks() -> Iterator[Check]:
    away = MONGODB_AWAY
    yield Check("replica set", away, mongodb.replica_set)
    yield Check("members", away, members.members, is_asked_always=True)
    yield Check("write concern", away, mongodb.write_concern)
    yield Check("transaction lifetime", away, mongodb.transaction_lifetime)
    yield Check("restore", away, mongodb.restore)
    yield Check("clock of MongoDB", away, clocks.mongodb)

    redis = connect(settings.REDIS_URL)
    redis_away = (
        f"No Sentinel names a primary of {_address(redis)} that answers; check the Sentinels, or "
        "fix REDIS_URL."
        if sentinel.is_watched(settings.REDIS_URL)
        else f"Redis at {_address(redis)} does not answer; start it, or fix REDIS_URL."
    )
    yield Check("Redis", redis_away, lambda: redis_server.server(redis))
    yield Check("Redis persistence", redis_away, lambda: redis_server.persistence(redis))
    yield Check("Redis eviction", redis_away, lambda: redis_server.eviction(redis))
    yield Check("clock of Redis", redis_away, lambda: clocks.redis(redis))
    for url in settings.LOCK_REDIS_URLS:
        yield _lock_server_check(connect(url))

    yield Check("worker", redis_away, background.worker)
    yield Check("beat", away, background.beat)
    yield Check("clocks of workers", away, clocks.workers)
    yield Check("stale holds", away, background.stale_holds)
    yield Check("late work", away, background.late_work)
    yield Check("photos", away, photos.photos)
    yield Check("guest data", away, people.guest_data)
    yield from _data_checks()


def _data_checks(*, is_older: bool = False) -> Iterator[Check]:
    away = MONGODB_AWAY
    indexes, accounts = mongodb.indexes, people.accounts
    if is_older:
        indexes, accounts = _before_migrating(indexes), _before_migrating(accounts)
    yield Check("indexes", away, indexes)
    yield Check("accounts", away, accounts)
    yield Check("remarks", away, people.remarks)
    yield Check("nights sold once", away, recount.slots, is_recount=True)
    yield Check("keys used once", away, recount.keys, is_recount=True)
    yield Check("documents", away, recount.documents, is_recount=True)
    yield Check("search terms", away, recount.search_terms, is_recount=True)


def _before_migrating(ask: Callable[[], Finding]) -> Callable[[], Finding]:
    """A check of what migrations bring: they may still fix it, so FAIL becomes warn."""

    def asked() -> Finding:
        finding = ask()
        if finding.level != "FAIL":
            return finding
        return warn(
            "The backup is of an older version: run manage.py migrate first. "
            f"Until then: {finding.text}"
        )

    return asked


def _lock_server_check(client: GuardedRedis) -> Check:
    address = _address(client)
    away = f"Redis at {address} does not answer; start it, or fix LOCK_REDIS_URLS."
    return Check(f"lock server {address}", away, lambda: redis_server.lock_server(client))


def _address(client: GuardedRedis) -> str:
    """Host and port; the URL may hold a password."""
    return breaker_of(client).address


def _explain(check: Check, error: Exception, timeout_s: float) -> Finding:
    """The finding for a server's silence or refusal: the check did not see the promise hold."""
    if isinstance(error, DatabaseError) and isinstance(error.__cause__, PyMongoError):
        error = error.__cause__
    code = error.code if isinstance(error, OperationFailure) else None
    # A connection that fails is no slow answer, even if it is one of those errors, too.
    is_silent = isinstance(error, (ConnectionFailure, RedisConnectionError, RedisTimeoutError))
    is_late = isinstance(error, PyMongoError) and error.timeout
    if check.is_recount and (is_late or code in SNAPSHOT_CODES):
        return fail(
            f"Not finished within {timeout_s:.0f} s, so nothing is proven; run it again when the "
            f"site is quieter, or start every member of MongoDB with a higher {WINDOW_PARAMETER}."
        )
    if is_silent or is_late or isinstance(error, OperationalError):
        return fail(check.away)
    if code == errors.AUTHENTICATION_FAILED:
        return fail(errors.UNKNOWN_LOGIN)
    if code == errors.FORBIDDEN:
        return fail("MongoDB does not let this user ask; grant it clusterMonitor and readWrite.")
    return fail(f"The server answers with an error ({type(error).__name__}); read its log.")
