"""The one door to a booking that is there: compare the version, and move it with every change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from bookings.domain import account_deletion
from bookings.domain.booking import VERSION, Seen
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction

# For a pipeline, by which MongoDB makes of each booking what follows from how it is at that moment:
# nothing was read before, so nothing that was read can be out of date.
AS_IT_IS: Literal["as it is"] = "as it is"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Write:
    """What becomes of a booking that has this condition and still is as it was seen; with
    AS_IT_IS, of every one that has the condition."""

    condition: Mapping[str, Any]
    seen: Seen | Literal["as it is"]
    update: Mapping[str, Any] | Sequence[Mapping[str, Any]]


def write_versioned(
    *writes: Write,
    session: ClientSession | None = None,
) -> int:
    """The one door to a booking that is there; returns how many were changed.

    Whatever is changed, its version moves, so that nobody acts on what they read before. Raises
    DuplicateKeyError where a slot is not free. What is no history has no length; such a document
    is left to the doctor.
    """
    bookings = collection("bookings")
    versioned = [_versioned(write) for write in writes]
    if len(writes) > 1:
        updates = [UpdateOne(*each) for each in versioned]
        return bookings.bulk_write(updates, ordered=False, session=session).modified_count
    update = bookings.update_many if writes[0].seen == AS_IT_IS else bookings.update_one
    return update(*versioned[0], session=session).modified_count


def with_one_line_more(seen: Seen) -> Seen:
    """What a change that leaves a line makes of it."""
    return Seen(seen.version + 1, seen.lines + 1)


def _versioned(write: Write) -> tuple[Mapping[str, Any], Any]:
    """Filter and update, which compare the version and move it."""
    if not isinstance(write.seen, Seen):
        assert isinstance(write.update, Sequence), "MongoDB computes it from the booking as it is"
        return write.condition, [{"$set": {"version": {"$add": [VERSION, 1]}}}, *write.update]
    assert isinstance(write.update, Mapping)
    is_unchanged = {
        "history": {"$size": write.seen.lines},
        "$expr": {"$eq": [VERSION, write.seen.version]},
    }
    changed = {**write.update.get("$set", {}), "version": write.seen.version + 1}
    return {"$and": [write.condition, is_unchanged]}, {**write.update, "$set": changed}


def in_transaction_of(
    callback: Callable[[ClientSession], Result], *, named: Iterable[str] = ()
) -> Result:
    """A transaction (bookings/infrastructure/mongodb/transactions.py) that names these callers.

    Those of them with an account must still have it. Raises NotAuthenticated otherwise.
    """

    def run(session: ClientSession) -> Result:
        account_deletion.let_write(named, session)
        return callback(session)

    return in_transaction(run)
