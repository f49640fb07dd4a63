"""Erasing everything that identifies a guest, at their request (GDPR, article 17).

The bookings stay: their nights, prices and history are the hotel's books, and promises 1 to 3
depend on them. Every step finds its work by the address, so it may be stopped and run again; a
second run also finds what a guest's request wrote meanwhile. The account, by which later steps find
the rest, is closed first and deleted last; in between it writes nothing.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bson import ObjectId
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import Q
from pymongo.client_session import ClientSession
from redis.exceptions import RedisError

from bookings.domain.booking import Booking
from bookings.domain.email_addresses import mentions, spellings_of
from bookings.infrastructure import clock, connections
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.people import account_letters, accounts, guest_links
from bookings.people.guest_links import Person
from bookings.points import reached
from bookings.stays import queries, remarks
from bookings.stays.notices import FORMER
from bookings.stays.writing import guest_details
from bookings.stays.writing.outboxes import forget_former_addresses
from idempotency.claims import Claims

logger = logging.getLogger(__name__)

# A batch is one transaction, which takes some hundredths of a second.
ERASED_AT_ONCE = 200

# The admin's log shows this in place of an account whose name was the address.
_ERASED = "erased"


class ErasureRefused(Exception):
    """Nothing was erased; the message says what is in the way. With `is_upcoming` it is stays that
    have not ended, which may be erased if that is wanted."""

    def __init__(self, sentence: str, *, is_upcoming: bool = False) -> None:
        super().__init__(sentence)
        self.is_upcoming = is_upcoming


@dataclass(frozen=True)
class Traces:
    """What is stored of an address. `redis_answers` is False if keys could not be forgotten."""

    bookings: int
    accounts: int
    letters: int
    sessions: int
    redis_answers: bool = True

    def __bool__(self) -> bool:
        return any((self.bookings, self.accounts, self.letters, self.sessions))


def find_traces(address: str, *, including_upcoming: bool = False) -> Traces:
    """What `erase_guest` would erase. Raises the same errors, and changes nothing."""
    spellings = spellings_of(address)
    users = _find_accounts(spellings)
    bookings = _judge(spellings, including_upcoming)
    return Traces(
        len(bookings),
        len(users),
        account_letters.count_letters(spellings),
        len(_sessions_of(spellings, users)),
    )


def erase_guest(
    address: str,
    *,
    including_upcoming: bool = False,
    keep_links_among: Collection[ObjectId] = (),
) -> Traces:
    """Erases name, address, telephone and notes, letters, sessions and the account; counts them.

    Raises ValidationError if `address` is none, and ErasureRefused for an address of staff. Also
    refuses stays that have not ended, unless `including_upcoming`: the hotel expects the guest.
    Links between these bookings stay for the caller to delete.
    """
    spellings = spellings_of(address)
    bookings, users = in_transaction(
        lambda session: _close_and_judge(spellings, including_upcoming, session)
    )
    condition: dict[str, Any] = {"guest.email": {"$in": spellings}}
    if not including_upcoming:
        condition["$nor"] = [queries.may_be_expected(_yesterday())]
    erased = erase_bookings(condition, keep_links_among=keep_links_among)
    # Afterwards, since until then staff may have replaced the address in one of the bookings.
    forget_former_addresses(spellings)
    redis_answers = _forget_keys(bookings)
    _forget_mails(spellings)
    sent = account_letters.forget_letters(spellings)
    sessions = _sessions_of(spellings, users)
    Session.objects.filter(pk__in=[session.pk for session in sessions]).delete()
    _blank_log(spellings, users)
    accounts.forget_verified(spellings)
    for user in users:
        user.delete()
    traces = Traces(erased, len(users), sent, len(sessions), redis_answers)
    logger.info(
        "guest_erased",
        extra={"bookings": erased, "accounts": len(users), "letters": sent},
    )
    return traces


@dataclass(frozen=True)
class ErasedPerson:
    """What was erased of a person. `left` has references of stays that a colleague changed in the
    middle: look at the person again."""

    bookings: int
    accounts: int
    left: tuple[str, ...]


def erase_person(person: Person, *, including_upcoming: bool = False) -> ErasedPerson:
    """Erases all stays of the person, and everything with their e-mail addresses.

    Raises what `erase_guest` raises, before it erases anything. The links between the stays go
    last: if this is stopped half-way, they lead to the rest, and it can be run again.
    """
    ids = [stay.id for stay in person.stays]
    nameless: dict[str, Any] = {
        "_id": {"$in": ids},
        "guest.email": "",
        **guest_details.IS_NOT_ERASED,
    }
    for address in person.addresses:
        find_traces(address, including_upcoming=including_upcoming)
    if not including_upcoming:
        expected = queries.may_be_expected(_yesterday())
        _refuse_upcoming(queries.list_all({"$and": [nameless, expected]}))
        nameless["$nor"] = [expected]
    bookings = queries.list_all(nameless)
    erased, closed = erase_bookings(nameless, keep_links_among=ids), 0
    _forget_keys(bookings)
    for address in person.addresses:
        traces = erase_guest(address, including_upcoming=including_upcoming, keep_links_among=ids)
        erased += traces.bookings
        closed += traces.accounts
    reached("before_links_go")
    guest_links.forget_links(ids)
    left = queries.list_all({"_id": {"$in": ids}, **guest_details.IS_NOT_ERASED})
    logger.info("person_erased", extra={"bookings": erased, "accounts": closed})
    return ErasedPerson(erased, closed, tuple(stay.reference for stay in left))


def erase_bookings(
    condition: Mapping[str, Any],
    *,
    still: Callable[[ClientSession], bool] | None = None,
    keep_links_among: Collection[ObjectId] = (),
) -> int:
    """Removes the guest's details from all bookings that meet the condition, and what staff noted
    about them beside; returns how many. Erased bookings must not meet the condition.

    Works in batches, each of them a transaction: of someone who changes one of these bookings, or
    notes something about it, at the same moment, one sees what the other did. It stops before a
    batch for which `still` is false.
    """
    erased = 0
    while done := in_transaction(
        lambda session: _erase_batch(condition, still, keep_links_among, session)
    ):
        erased += done
    return erased


def _erase_batch(
    condition: Mapping[str, Any],
    still: Callable[[ClientSession], bool] | None,
    keep_links_among: Collection[ObjectId],
    session: ClientSession,
) -> int:
    if still is not None and not still(session):
        return 0
    found = queries.find_ids(condition, limit=ERASED_AT_ONCE, session=session)
    if not found:
        return 0
    reached("in_erasure")
    guest_links.forget_links(found, besides_among=keep_links_among, session=session)
    remarks.forget_remarks(found, session=session)
    connections.collection("deliveries").delete_many(
        {"booking": {"$in": found}, "channel": "mail", "to": FORMER}, session=session
    )
    return guest_details.erase_guests({"_id": {"$in": found}}, session=session)


def _close_and_judge(
    spellings: list[str], including_upcoming: bool, session: ClientSession
) -> tuple[list[Booking], list[User]]:
    """Closes the accounts and lists the bookings in one transaction. Otherwise a request under way
    could write again what is to be erased. The list has all that the accounts wrote: if a stay was
    booked a moment ago, the erasure is refused, and no account is closed."""
    # Always in the same order, so that two erasures do not wait for each other.
    users = sorted(_find_accounts(spellings), key=lambda user: str(user.pk))
    for user in users:
        accounts.close_account(user, session)
    return _judge(spellings, including_upcoming, session), users


def _find_accounts(spellings: list[str]) -> list[User]:
    users = accounts.find_accounts(spellings)
    if any(user.is_staff for user in users):
        raise ErasureRefused(
            "This address belongs to an account of staff; delete that in the admin first."
        )
    return users


def _judge(
    spellings: list[str], including_upcoming: bool, session: ClientSession | None = None
) -> list[Booking]:
    bookings = queries.list_bookings_with_address(spellings, session=session)
    if not including_upcoming:
        upcoming = queries.list_bookings_with_address(
            spellings, not_over_on=_yesterday(), session=session
        )
        _refuse_upcoming(upcoming)
    return bookings


def _refuse_upcoming(upcoming: Collection[Booking]) -> None:
    if upcoming:
        named = ", ".join(booking.reference for booking in upcoming)
        raise ErasureRefused(f"Stays that have not ended: {named}.", is_upcoming=True)


def _blank_log(spellings: list[str], users: list[User]) -> None:
    """Removes the names of these people from the admin's log. Staff may have renamed an account,
    and a log entry's message may quote the fields' earlier values."""
    named = Q(object_id__in=[str(user.pk) for user in users])
    for user in users:
        named |= Q(object_repr__iexact=user.get_username())
    about = Q(content_type=ContentType.objects.get_for_model(User)) & named
    perhaps_mentioned = Q()
    for spelling in spellings:
        about |= Q(object_repr__iexact=spelling)
        perhaps_mentioned |= Q(change_message__icontains=spelling)
    for entry in LogEntry.objects.filter(perhaps_mentioned):
        if mentions(entry.change_message, spellings):
            about |= Q(pk=entry.pk)
    LogEntry.objects.filter(about).update(object_repr=_ERASED, change_message="")


def _yesterday() -> date:
    # No hotel's date is earlier than this, in any time zone.
    return clock.today("UTC") - timedelta(days=1)


def _sessions_of(spellings: list[str], users: Iterable[User]) -> list[Session]:
    """These people's sessions, and those in which the address was typed; no index finds them."""
    ids = {str(user.pk) for user in users}
    found = []
    for session in Session.objects.iterator():
        data = session.get_decoded()
        text = json.dumps(data, ensure_ascii=False, default=str)
        if data.get("_auth_user_id") in ids or mentions(text, spellings):
            found.append(session)
    return found


def _forget_mails(spellings: list[str]) -> None:
    """Deletes the mails about corrections that are still to be sent to this address."""
    connections.collection("deliveries").delete_many(
        {"channel": "mail", "to": FORMER, "address": {"$in": spellings}}
    )


def _forget_keys(bookings: list[Booking]) -> bool:
    """Has Redis forget the digests of the guest's requests; False if it does not answer."""
    claims = Claims(connections.redis())
    try:
        for booking in bookings:
            for key in booking.keys:
                claims.forget(key.digest)
    except RedisError:
        return False
    return True
