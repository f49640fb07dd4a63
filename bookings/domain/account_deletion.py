"""Where a person's writes meet the deletion of their account.

Deleting an account puts a pseudonym wherever the person stands. What a request of theirs writes
after that would name a person that no later run looks for. A read before the write cannot prevent
it: a request may stand still for any time between the two. So whatever is written in the name of
an account changes the document that the account has here, in the same transaction, and its
deletion begins with a mark in that document. One of the two is first: either the write was
committed before the mark, and is found by what comes after it, or it meets the mark and is
undone. docs/decisions/0030 tells more.

The document stays when the account is gone. Partners and guests have none.
"""

import secrets
from collections.abc import Callable, Iterable
from typing import TypeVar

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.refusals import NotAuthenticated

Result = TypeVar("Result")

COLLECTION = "people"


def let_write(callers: Iterable[str], session: ClientSession) -> None:
    """Has this transaction write in the name of these callers, of whatever kind.

    Raises NotAuthenticated, which must leave the transaction, for an account that is being
    deleted or was. The count is what makes it a write, for the deletion to meet.
    """
    # In one order, so that two transactions with the same people do not wait for each other.
    for person in sorted(with_accounts(callers)):
        found = collection(COLLECTION).find_one_and_update(
            {"_id": person},
            {"$inc": {"writes": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        assert found is not None, "an upsert finds or makes it"
        if "pseudonym" in found:
            # Staff may be writing for another person, so it says whose account is gone.
            raise NotAuthenticated(f"The account {person} was deleted; use another one.")


def with_accounts(callers: Iterable[str]) -> set[str]:
    """Those of the callers that are people with an account."""
    return {caller for caller in callers if caller.startswith("user:")}


def write_as(person: str, write: Callable[[ClientSession], Result]) -> Result:
    """A transaction in the name of one person. Raises what `let_write` raises."""

    def run(session: ClientSession) -> Result:
        let_write([person], session)
        return write(session)

    return in_transaction(run)


def is_closed(person: str) -> bool:
    """Whether the person's deletion has begun; it may have come to its end."""
    begun = {"_id": person, "pseudonym": {"$exists": True}}
    return collection(COLLECTION).find_one(begun, {"_id": 1}) is not None


def begin_deletion(person: str, session: ClientSession | None = None) -> str:
    """Ends what the person may write; returns the pseudonym that stands for them from now on.

    Safe to repeat: a deletion that was cut short goes on with the pseudonym it began with. In a
    transaction it begins if that is committed: what the transaction reads after it has all that the
    person wrote.
    """
    chosen = f"gone:{secrets.token_hex(12)}"
    marked = collection(COLLECTION).find_one_and_update(
        {"_id": person},
        [{"$set": {"pseudonym": {"$ifNull": ["$pseudonym", chosen]}}}],
        upsert=True,
        return_document=ReturnDocument.AFTER,
        session=session,
    )
    assert marked is not None, "an upsert finds or makes it"
    pseudonym: str = marked["pseudonym"]
    return pseudonym
