"""The lease under which one process at a time migrates a database.

The lease is a document. Its holder renews it; when the holder is gone, however it ended, the lease
expires by MongoDB's clock. A process that stalls for longer loses the lease and stops at its next
step. Two processes may then have overlapped, but every step may run twice, so this does no harm.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymongo
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from bookings.infrastructure.connections import collection

COLLECTION = "migration_lease"

# A killed process keeps others waiting for this long. Several renewals may fail within it.
LEASE_MS = 15_000
RENEWAL_INTERVAL_S = 3.0
RENEWAL_TIMEOUT_S = 3.0

# How often a waiting process asks for the lease.
ASKING_INTERVAL_S = 0.5

_ID = {"_id": "migrate"}


class LeaseLost(Exception):
    """Another process migrates now; this one must stop."""


class Lease:
    """The lease that this process holds, until it is `lost`."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._lost = threading.Event()
        self._over = threading.Event()

    def check(self) -> None:
        """Raises LeaseLost if another process has the lease."""
        if self._lost.is_set():
            raise LeaseLost

    def _keep(self) -> None:
        while not self._over.wait(RENEWAL_INTERVAL_S):
            # The next renewal makes up for one that fails.
            with suppress(PyMongoError), pymongo.timeout(RENEWAL_TIMEOUT_S):
                renewed = collection(COLLECTION).update_one(
                    {**_ID, "owner": self._owner}, [{"$set": {"until": _end()}}]
                )
                if not renewed.matched_count:
                    self._lost.set()
                    return


@contextmanager
def held(*, on_waiting: Callable[[], None]) -> Iterator[Lease]:
    """Waits until no other process migrates, and keeps others out inside the `with`.

    `on_waiting` is called once if it has to wait.
    """
    owner = secrets.token_hex(16)
    if not _take(owner):
        on_waiting()
        asking = threading.Event()
        while not _take(owner):
            asking.wait(ASKING_INTERVAL_S)
    lease = Lease(owner)
    keeper = threading.Thread(target=lease._keep, name="migration-lease", daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        lease._over.set()
        keeper.join()
        # A lease that cannot be given back expires by itself.
        with suppress(PyMongoError), pymongo.timeout(RENEWAL_TIMEOUT_S):
            collection(COLLECTION).delete_one({**_ID, "owner": owner})


def _take(owner: str) -> bool:
    """Takes the lease if it is free, and says whether this owner has it."""
    # A missing lease has no `until`, which MongoDB sorts before every date.
    is_free = {"$lt": ["$until", "$$NOW"]}
    mine = {
        "owner": {"$cond": [is_free, owner, "$owner"]},
        "until": {"$cond": [is_free, _end(), "$until"]},
    }
    try:
        lease = collection(COLLECTION).find_one_and_update(
            _ID, [{"$set": mine}], upsert=True, return_document=ReturnDocument.AFTER
        )
    except DuplicateKeyError:  # another process made it at the same moment
        return False
    return lease is not None and lease["owner"] == owner


def _end() -> dict[str, Any]:
    """The end of a lease that starts now by MongoDB's clock, for a pipeline."""
    return {"$add": ["$$NOW", LEASE_MS]}
