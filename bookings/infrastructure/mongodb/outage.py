"""Whether MongoDB is known to be away, so that requests fail at once instead of one by one.

A request that waits for a frozen MongoDB keeps its thread for its whole budget. With eight threads,
the ninth request would wait for the first, and the thirtieth for a minute. So after a failure one
request a second briefly asks whether MongoDB is back, and all others are answered at once. Requests
that need no MongoDB are served as usual.
"""

import logging
import threading
import time

import pymongo
from pymongo.errors import ConnectionFailure, PyMongoError

from bookings.infrastructure.connections import database
from bookings.infrastructure.mongodb.errors import driver_error, is_passing

logger = logging.getLogger(__name__)

# A healthy server answers a ping in a millisecond; this allows for a loaded one.
PROBE_TIMEOUT_S = 0.2

PROBE_INTERVAL_S = 1.0

# A worker can wait longer, since no visitor waits for it.
WORKER_PROBE_TIMEOUT_S = 2.0

_is_away = threading.Event()
_probing = threading.Lock()
_next_probe_at_s = 0.0


def report(error: PyMongoError) -> None:
    """Notes an error that a request has met. Only time-outs and lost connections are an outage."""
    if (error.timeout or isinstance(error, ConnectionFailure)) and not _is_away.is_set():
        _is_away.set()
        logger.warning("mongodb_away")


def is_away() -> bool:
    """Whether to answer TRY_AGAIN at once; asks MongoDB itself, briefly, once a second."""
    if _is_away.is_set():
        with _probing:  # requests that wait here get the result of the one that asks
            if _is_away.is_set() and time.monotonic() >= _next_probe_at_s:
                _probe()
    return _is_away.is_set()


def is_to_blame(error: BaseException) -> bool:
    """Whether an error of a worker comes from an outage of MongoDB, and not from the item.

    An item may take too long by itself, so after a time-out this asks whether MongoDB answers.
    """
    failure = driver_error(error)
    if failure is None:
        return False
    if failure.timeout:
        return not _answers(WORKER_PROBE_TIMEOUT_S)
    return is_passing(failure)


def _answers(timeout_s: float) -> bool:
    try:
        with pymongo.timeout(timeout_s):
            database().command("ping")
    except PyMongoError:
        return False
    return True


def _probe() -> None:
    global _next_probe_at_s
    if _answers(PROBE_TIMEOUT_S):
        _is_away.clear()
        logger.warning("mongodb_back")
    else:
        _next_probe_at_s = time.monotonic() + PROBE_INTERVAL_S
