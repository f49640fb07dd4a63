"""Transactions, for writes that must happen together or not at all."""

from collections.abc import Callable
from typing import TypeVar

from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from bookings.infrastructure import connections, metrics
from bookings.infrastructure.connections import DURABLE

Result = TypeVar("Result")


def in_transaction(callback: Callable[[ClientSession], Result]) -> Result:
    """Runs the callback in a snapshot transaction, and commits on a majority.

    The driver runs the callback again after a write conflict, so it must have no effect outside the
    transaction. It must let a DuplicateKeyError pass, since MongoDB has aborted the transaction.
    """
    runs = 0

    def run(session: ClientSession) -> Result:
        nonlocal runs
        runs += 1
        if runs > 1:
            metrics.transaction_retries.inc()
        return callback(session)

    with connections.database().client.start_session() as session:
        return session.with_transaction(
            run, read_concern=ReadConcern("snapshot"), write_concern=DURABLE
        )
