"""Erasing everything that identifies a guest, at their request (GDPR, article 17).

The bookings stay: their nights, prices and history are the hotel's books, and promises 1 to 3
depend on them. Every step finds its work by the address, so it may be stopped and run again; a
second run also finds what a guest's request wrote meanwhile. The account, by which later steps find
the rest, is closed first and deleted last; in between it writes nothing.
"""

import json
import logging
from collections.abc import Collection, Iterable, Mapping
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
from bookings.stays import queries, remarks
from bookings.stays.notices import FORMER
from bookings.stays.writing import guest_details
from bookings.stays.writing.outboxes import forget_former_addresses
from idempotency.claims import Claims

logger = logging.getLogger(__name__)

# One batch takes some tenths of a second.
ERASED_AT_ONCE = 1_000

# The admin's log shows this in place of an account whose name was the address.
_ERASED = "erased"


class ErasureRefused(Exception):
    """Nothing was changed; the message says what to do first."""


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


def erase_guest(address: str, *, including_upcoming: bool = False) -> Traces:
    """Erases name, address, telephone and notes, letters, sessions and the account; counts them.

    Raises ValidationError if `address` is none, and ErasureRefused for an address of staff. Also
    refuses stays that have not ended, unless `including_upcoming`: the hotel expects the guest.
    """
    spellings = spellings_of(address)
    bookings, users = in_transaction(
        lambda session: _close_and_judge(spellings, including_upcoming, session)
    )
    condition: dict[str, Any] = {"guest.email": {"$in": spellings}}
    if not including_upcoming:
        condition["$nor"] = [queries.may_be_expected(_yesterday())]
    forget_former_addresses(spellings)
    erased = erase_bookings(condition)
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


def erase_without_address(
    booking_ids: Collection[ObjectId], *, including_upcoming: bool = False
) -> int:
    """Erases the guest's details in those of these bookings that have no e-mail address, by which
    `erase_guest` would find them; returns how many.

    Raises ErasureRefused for stays that have not ended, unless `including_upcoming`.
    """
    condition = {"_id": {"$in": list(booking_ids)}, "guest.email": "", **guest_details.HAS_DETAILS}
    if not including_upcoming:
        expected = queries.may_be_expected(_yesterday())
        _refuse_upcoming(queries.list_all({"$and": [condition, expected]}))
        condition["$nor"] = [expected]
    bookings = queries.list_all(condition)
    erased = erase_bookings(condition)
    _forget_keys(bookings)
    logger.info("guest_erased", extra={"bookings": erased, "accounts": 0, "letters": 0})
    return erased


def erase_bookings(condition: Mapping[str, Any]) -> int:
    """Removes the guest's details from all bookings that meet the condition, and what staff noted
    about them beside; returns how many. Bookings without details must not meet the condition.

    The notes go first: once a booking has no details, nothing finds them.
    """
    erased = 0
    while found := queries.find_ids(condition, limit=ERASED_AT_ONCE):
        guest_links.forget_links(found)
        remarks.forget_remarks(found)
        done = guest_details.erase_guests({"_id": {"$in": found}, **condition})
        if not done:
            break
        erased += done
    return erased


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
            "This address belongs to an account of staff; delete that in the admin first. Nothing "
            "was changed."
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
        raise ErasureRefused(
            f"Stays that have not ended: {named}. Cancel them, wait until they end, or give "
            "--including-upcoming. Nothing was changed."
        )


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
