"""The document in which a person's writes and the deletion of their account conflict.

The deletion of an account replaces the person with a pseudonym everywhere. If a request of that
person wrote afterwards, it would leave a name that no later run looks for. A check before the write
cannot prevent that: the request may pause for any time in between. So each write in the name of an
account also changes the account's document here, in the same transaction, and a deletion begins
with a mark in that document. One of the two comes first. Either the write commits before the mark,
and the deletion finds it; or the write meets the mark and is undone. docs/decisions/0030 has the
details.

The document stays after the account is gone. Partners and guests have none.
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
    """Notes that this transaction writes in the name of these callers, of any kind.

    Raises NotAuthenticated if the account of one is being deleted or was; the exception must leave
    the transaction. The counter makes sure that this is a write, which conflicts with a deletion.
    """
    # Sorted, so that two transactions with the same people do not wait for each other.
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
            # Staff may write for another person, so the sentence names the account.
            raise NotAuthenticated(f"The account {person} was deleted; use another one.")


def with_accounts(callers: Iterable[str]) -> set[str]:
    """Those callers that are people with an account."""
    return {caller for caller in callers if caller.startswith("user:")}


def write_as(person: str, write: Callable[[ClientSession], Result]) -> Result:
    """Runs `write` in a transaction in the name of one person. Raises NotAuthenticated as
    `let_write` does."""

    def run(session: ClientSession) -> Result:
        let_write([person], session)
        return write(session)

    return in_transaction(run)


def is_closed(person: str) -> bool:
    """Whether the deletion of the person's account has begun; it may also have ended."""
    begun = {"_id": person, "pseudonym": {"$exists": True}}
    return collection(COLLECTION).find_one(begun, {"_id": 1}) is not None


def begin_deletion(person: str, session: ClientSession | None = None) -> str:
    """Ends all writes in the name of the person; returns the pseudonym that replaces them.

    Safe to repeat: an interrupted deletion continues with its first pseudonym. Inside a transaction
    the deletion begins with the commit. Later reads of that transaction then see everything that
    the person wrote.
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
