"""The only way to change a stored booking: compare its version, and move it with every change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from bookings.domain import account_deletion
from bookings.domain.booking import VERSION, Seen
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction

# For an update that is a pipeline: MongoDB computes it from each booking as it is at that moment.
# Nothing was read before, so there is no version to compare.
AS_IT_IS: Literal["as it is"] = "as it is"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Write:
    """An update of the booking that meets the condition and is still as it was `seen`.

    With AS_IT_IS it updates every booking that meets the condition.
    """

    condition: Mapping[str, Any]
    seen: Seen | Literal["as it is"]
    update: Mapping[str, Any] | Sequence[Mapping[str, Any]]


def write_versioned(
    *writes: Write,
    session: ClientSession | None = None,
) -> int:
    """Applies the writes; returns how many bookings changed.

    The version of each changed booking moves, so no one can act on an earlier read. A write that
    compares a state skips a document whose `history` is no array; it is left to the doctor. Raises
    DuplicateKeyError if a slot is not free.
    """
    bookings = collection("bookings")
    versioned = [_versioned(write) for write in writes]
    if len(writes) > 1:
        updates = [UpdateOne(*each) for each in versioned]
        return bookings.bulk_write(updates, ordered=False, session=session).modified_count
    update = bookings.update_many if writes[0].seen == AS_IT_IS else bookings.update_one
    return update(*versioned[0], session=session).modified_count


def with_one_line_more(seen: Seen) -> Seen:
    """The state after a change that adds one line to the history."""
    return Seen(seen.version + 1, seen.lines + 1)


def _versioned(write: Write) -> tuple[Mapping[str, Any], Any]:
    """The filter, which compares the version, and the update, which moves it."""
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
    """Runs the callback in a transaction that writes in the name of these callers.

    Raises NotAuthenticated if one of them had an account that was deleted.
    """

    def run(session: ClientSession) -> Result:
        account_deletion.let_write(named, session)
        return callback(session)

    return in_transaction(run)
