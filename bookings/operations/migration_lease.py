"""The lease under which one process at a time migrates a database.

It is a document, kept alive by the process that holds it, and ends by MongoDB's clock when that one
is gone, however it went. A process that loses it, by standing still for longer, stops at its next
step; since every step may be done again, the two that may have overlapped do no harm.
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

# A process that was killed keeps others waiting for so long. Several renewals may fail meanwhile.
LEASE_MS = 15_000
RENEWAL_INTERVAL_S = 3.0
RENEWAL_TIMEOUT_S = 3.0

# How often one that waits asks whether it is its turn.
ASKING_INTERVAL_S = 0.5

_ID = {"_id": "migrate"}


class LeaseLost(Exception):
    """Another process migrates now."""


class Lease:
    """Ours, until it is `lost`."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._lost = threading.Event()
        self._over = threading.Event()

    def check(self) -> None:
        """Raises LeaseLost if another process has it."""
        if self._lost.is_set():
            raise LeaseLost

    def _keep(self) -> None:
        while not self._over.wait(RENEWAL_INTERVAL_S):
            # One that fails is made up for by the next.
            with suppress(PyMongoError), pymongo.timeout(RENEWAL_TIMEOUT_S):
                renewed = collection(COLLECTION).update_one(
                    {**_ID, "owner": self._owner}, [{"$set": {"until": _end()}}]
                )
                if not renewed.matched_count:
                    self._lost.set()
                    return


@contextmanager
def held(*, on_waiting: Callable[[], None]) -> Iterator[Lease]:
    """Waits until no other process migrates, and keeps others waiting inside a `with`.

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
        # What cannot be given back ends by itself.
        with suppress(PyMongoError), pymongo.timeout(RENEWAL_TIMEOUT_S):
            collection(COLLECTION).delete_one({**_ID, "owner": owner})


def _take(owner: str) -> bool:
    """Whether the lease is this owner's from now on; it is if no other one's lasts."""
    # A lease that is not there has no end, and nothing is less than any moment.
    is_free = {"$lt": ["$until", "$$NOW"]}
    mine = {
        "owner": {"$cond": [is_free, owner, "$owner"]},
        "until": {"$cond": [is_free, _end(), "$until"]},
    }
    try:
        lease = collection(COLLECTION).find_one_and_update(
            _ID, [{"$set": mine}], upsert=True, return_document=ReturnDocument.AFTER
        )
    except DuplicateKeyError:  # another one made it in the same moment
        return False
    return lease is not None and lease["owner"] == owner


def _end() -> dict[str, Any]:
    """By MongoDB's clock, for a pipeline."""
    return {"$add": ["$$NOW", LEASE_MS]}
