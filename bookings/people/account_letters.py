"""Letters that prove who owns an address. A request asks for them; a worker writes and sends them.

A request only stores for which address a letter is, and why. It does the same work for every
address, so neither its answer nor its time shows whether an account has the address. The worker
decides what the letter says. It takes a letter by compare-and-set, and takes it again later if it
could not send it: a letter may arrive twice, but is never lost, and one that fails does not hold up
the others. Links are signed when the letter is written, are stored nowhere, and expire with their
letter.
"""

import logging
import smtplib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.core.signing import BadSignature, Signer
from django.utils import translation
from django.utils.translation import gettext as _
from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from bookings.catalogue.inventory import find_hotel
from bookings.content.brand.reading import recent_brand
from bookings.indexes import LETTER_LIFE
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.mail import link_to, make_mail, render_text
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.failed_work import LETTERS, NeverFinished
from bookings.infrastructure.queues.retries import Schedule, counted
from bookings.infrastructure.queues.single_run import RunTime, one_at_a_time
from bookings.people import accounts
from bookings.stays import manage_links, queries

logger = logging.getLogger(__name__)

REGISTER, RESET, FIND, HOLD = "register", "reset", "find", "hold"

# The first wait is longer than a mail server may take over all steps of one letter. The last of
# eight tries comes after two hours; by then a person who waits for the letter has asked again.
RETRIES = Schedule(first_wait_ms=60_000, longest_wait_ms=128 * 60_000, max_tries=8)

# A letter states, to the nearest hour, how long its link still works. It is not sent if that would
# be fewer hours than this, which means less than an hour and a half.
SHORTEST_LIFE_HOURS = 2

# More bookings than any guest has ahead of them.
MAX_LISTED = 50


class UnknownPurpose(Exception):
    """A newer version of the site stored this letter; a newer worker can write it."""


@dataclass(frozen=True)
class OpenedLetter:
    """What a letter's link stands for: the address it was sent to, and the account.

    For a letter to register, `account` is set once its link was used, so a second click finds the
    account. Only a letter to hold a room has a `stay`: the one that was asked for.
    """

    address: str
    account: User | None = None
    stay: dict[str, Any] | None = None


# The outcomes of a try. If a worker dies after a try, that try stays uncounted.
RESULTS = ("sent", "not_needed", "not_sent", "given_up")
_TALLY = {"_id": "letters"}

# Monitoring needs to know soon that there are many, rather than exactly how many.
MAX_COUNTED = 10_000


@dataclass(frozen=True)
class LetterFigures:
    """The outcomes of letters since the database was made, and how many letters wait.

    `oldest_due_age_s` says for how long the letter that is next in turn has been due.
    """

    results: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    waiting: int = 0
    oldest_waiting_age_s: float = 0.0
    oldest_due_age_s: float = 0.0


def ask_for_letter(*, purpose: str, address: str, stay: dict[str, Any] | None = None) -> None:
    """Stores that a letter shall go to this normalised address, in a single write.

    Only a letter to hold a room has a `stay`: `hotel`, `arrival`, `departure`, `guests`, `rooms`.
    """
    letter = _new_letter(purpose, address)
    letter["next_try_at"] = letter["created_at"]
    if stay:
        letter["stay"] = stay
    collection("letters").insert_one(letter)


def _new_letter(purpose: str, address: str) -> dict[str, Any]:
    """A letter that no worker sends, until it has the time of its next try."""
    return {
        "purpose": purpose,
        "address": address,
        "language": translation.get_language() or settings.LANGUAGE_CODE,
        "created_at": clock.now(),
        "tries": 0,
    }


def ask_for_invitation(address: str) -> None:
    """Stores that the new account with this normalised address shall get an invitation.

    It is a letter to choose a password: a worker of the release before writes it as one.
    """
    letter = _new_letter(RESET, address)
    due = {"next_try_at": letter["created_at"], "is_invitation": True}
    collection("letters").insert_one({**letter, **due})


def make_password_link(account: User) -> str:
    """A link with which the account's owner chooses a password, for an operator to pass on.

    It works once, and for LETTER_LIFE. No letter is sent.
    """
    letter = collection("letters").insert_one(_new_letter(RESET, account.email))
    return _password_link(letter.inserted_id, account)


def open_letter(*, purpose: str, token: str) -> OpenedLetter | None:
    """What the token of a letter's link stands for; None if it is forged or has expired.

    A token to choose a password expires with its use; after a use, one to register has an account.
    """
    try:
        letter_id, _, secret = _signer(purpose).unsign(token).partition(".")
        letter = collection("letters").find_one(
            {
                "_id": ObjectId(letter_id),
                "purpose": purpose,
                "created_at": {"$gt": clock.now() - LETTER_LIFE},
            }
        )
    except (BadSignature, InvalidId):
        return None
    if letter is None:
        return None
    if purpose == HOLD:
        return OpenedLetter(letter["address"], stay=letter["stay"])
    account = accounts.find_account(letter["address"])
    if purpose == REGISTER:
        return OpenedLetter(letter["address"], account)
    if account is None or not account.is_active:
        return None
    if not default_token_generator.check_token(account, secret):
        return None
    return OpenedLetter(letter["address"], account)


def count_letters(spellings: list[str]) -> int:
    """How many letters these addresses have."""
    return collection("letters").count_documents({"address": {"$in": spellings}})


def list_sent(spellings: list[str]) -> list[dict[str, str]]:
    """What letters to these addresses are about, and when they were asked for; not their links."""
    found = collection("letters").find({"address": {"$in": spellings}})
    return [
        {"purpose": each["purpose"], "at": each["created_at"].isoformat(timespec="seconds")}
        for each in found
    ]


def forget_letters(spellings: list[str]) -> int:
    """Deletes the letters to these addresses, which ends their links; returns how many."""
    gone = collection("letters").delete_many({"address": {"$in": spellings}})
    return gone.deleted_count


@one_at_a_time
def send_letters() -> int:
    """Sends due letters, the oldest first, until its time is up; returns how many were sent."""
    run_time = RunTime()
    sent = 0
    while letter := _take_oldest():
        sent += _send(letter)
        if run_time.is_up:
            break
    return sent


def read_figures() -> LetterFigures:
    """The current figures; every process reads the same."""
    tally = collection("letter_tally").find_one(_TALLY) or {}
    results = {result: tally.get(result, 0) for result in RESULTS}
    found = list(
        collection("letters").aggregate(
            [
                {"$match": {"next_try_at": {"$type": "date"}}},
                {"$sort": {"next_try_at": 1}},
                {"$limit": MAX_COUNTED},
                {
                    "$group": {
                        "_id": None,
                        "count": {"$sum": 1},
                        "asked": {"$min": "$created_at"},
                        "due": {"$min": "$next_try_at"},
                    }
                },
                {
                    "$project": {
                        "count": 1,
                        "waiting_ms": {"$subtract": ["$$NOW", "$asked"]},
                        "due_ms": {"$subtract": ["$$NOW", "$due"]},
                    }
                },
            ]
        )
    )
    if not found:
        return LetterFigures(results)
    counted = found[0]
    return LetterFigures(
        results,
        counted["count"],
        max(0.0, counted["waiting_ms"] / 1000),
        max(0.0, counted["due_ms"] / 1000),
    )


def _take_oldest() -> dict[str, Any] | None:
    """A letter that is due. No other process takes it before its next try."""
    wait_ms = RETRIES.wait_ms(earlier_failures={"$subtract": ["$tries", 1]})
    with request_limits():
        return collection("letters").find_one_and_update(
            {"next_try_at": {"$type": "date"}, "$expr": {"$lte": ["$next_try_at", "$$NOW"]}},
            [
                # Works on a damaged letter, too: one that cannot be taken would block all others.
                {"$set": {"tries": {"$add": [counted("$tries"), 1]}}},
                {"$set": {"next_try_at": {"$add": ["$$NOW", wait_ms]}}},
            ],
            sort=[("next_try_at", 1)],
            return_document=ReturnDocument.AFTER,
        )


def _send(letter: dict[str, Any]) -> bool:
    """Writes the letter and hands it to the mail server. No log line has the address."""
    about = {
        "letter": str(letter["_id"]),
        "purpose": letter.get("purpose"),
        "tries": letter["tries"],
    }
    try:
        if letter["tries"] > RETRIES.max_tries:
            raise NeverFinished
        # The letter may be late already, and has to be true at the time when it is sent.
        with request_limits():
            message = _write(letter)
        if message:
            message.send()
    except Exception as error:
        if outage.is_to_blame(error):
            _give_back(letter)
            raise
        _fail(letter, error, about)
        return False
    _settle(letter)
    _count("sent" if message else "not_needed")
    if letter["tries"] > 1:
        failed_work.forget(LETTERS, [letter["_id"]])
    logger.info("letter_sent" if message else "letter_not_needed", extra=about)
    return message is not None


def _fail(letter: dict[str, Any], error: Exception, about: dict[str, Any]) -> None:
    """Counts a failed try, the last of which gives the letter up. Staff see unexpected errors."""
    is_last = RETRIES.is_last(letter["tries"])
    said = {"reason": type(error).__name__}
    if is_last:
        _settle(letter)
    if not isinstance(error, (smtplib.SMTPException, OSError)):
        failure = failed_work.note(LETTERS, letter["_id"], error, is_over=is_last)
        if failure.is_new:
            said = failed_work.describe(error)
    _count("given_up" if is_last else "not_sent")
    logger.warning("letter_given_up" if is_last else "letter_not_sent", extra={**about, **said})


def _give_back(letter: dict[str, Any]) -> None:
    """Takes back the count of a try that failed in an outage, if MongoDB accepts that write."""
    with suppress(PyMongoError), request_limits():
        collection("letters").update_one(
            {"_id": letter["_id"], "tries": letter["tries"]}, {"$inc": {"tries": -1}}
        )


def _settle(letter: dict[str, Any]) -> None:
    """Ends the tries. The letter stays until it is too old, since its link needs it."""
    with request_limits():
        collection("letters").update_one({"_id": letter["_id"]}, {"$unset": {"next_try_at": ""}})


def _count(result: str) -> None:
    with request_limits():
        collection("letter_tally").update_one(_TALLY, {"$inc": {result: 1}}, upsert=True)


def _write(letter: dict[str, Any]) -> EmailMessage | None:
    """The letter as of now; None if this address may get none, or if it is too late for one.

    Raises UnknownPurpose, and any other error that keeps the letter from being written.
    """
    if letter["purpose"] not in WRITERS:
        raise UnknownPurpose(letter["purpose"])
    left = letter["created_at"] + LETTER_LIFE - clock.now()
    hours = round(left / timedelta(hours=1))
    if hours < SHORTEST_LIFE_HOURS:
        return None
    with translation.override(letter["language"]):
        written = WRITERS[letter["purpose"]](letter)
        if written is None:
            return None
        to, subject, template, context = written
        text = render_text(template, {**context, "hours": hours})
    return make_mail(
        str(letter["_id"]), to=to, subject=subject, text=text, sender=recent_brand().sender
    )


# Recipient, subject, template and its values. A letter about an account goes to the account's own
# address, never to the one that was typed.
LetterParts = tuple[str, str, str, dict[str, Any]]


def _write_register(letter: dict[str, Any]) -> LetterParts | None:
    account = accounts.find_account(letter["address"])
    if account is None:
        link = link_to("open_register", _signer(REGISTER).sign(str(letter["_id"])))
        return letter["address"], _("Your account: one more step"), "register", {"link": link}
    if not account.is_active:
        return None
    return (
        account.email,
        _("You already have an account"),
        "register_known",
        {"login": link_to("login"), "reset": link_to("password")},
    )


def _write_reset(letter: dict[str, Any]) -> LetterParts | None:
    account = accounts.find_account(letter["address"])
    if account is None:
        return (
            letter["address"],
            _("There’s no account for this address"),
            "reset_unknown",
            {"register": link_to("register")},
        )
    if not account.is_active:
        return None
    context = {"link": _password_link(letter["_id"], account), "login": link_to("admin:index")}
    if letter.get("is_invitation"):
        return account.email, _("You’re invited to Bookingsite"), "invitation", context
    return account.email, _("Your new password"), "reset", context


def _password_link(letter_id: ObjectId, account: User) -> str:
    secret = default_token_generator.make_token(account)
    return link_to("open_password", _signer(RESET).sign(f"{letter_id}.{secret}"))


def _write_find(letter: dict[str, Any]) -> LetterParts:
    # No hotel's date is earlier than this, in any time zone.
    yesterday = clock.today("UTC") - timedelta(days=1)
    bookings = queries.list_guest_bookings(letter["address"], from_day=yesterday, limit=MAX_LISTED)
    rows = [
        {
            "booking": booking,
            "hotel": hotel.name if (hotel := find_hotel(booking.hotel)) else "",
            "link": link_to(
                "manage", manage_links.make_link_token(str(booking.id), booking.check_out)
            ),
        }
        for booking in bookings
    ]
    return letter["address"], _("Your bookings"), "find", {"rows": rows}


def _write_hold(letter: dict[str, Any]) -> LetterParts:
    stay = letter["stay"]
    hotel = find_hotel(stay["hotel"])
    context = {
        "link": link_to("open_hold_address", _signer(HOLD).sign(str(letter["_id"]))),
        "hotel": hotel.name if hotel else "",
        "arrival": date.fromisoformat(stay["arrival"]),
        "departure": date.fromisoformat(stay["departure"]),
    }
    return letter["address"], _("Your room: one more step"), "hold", context


WRITERS = {
    REGISTER: _write_register,
    RESET: _write_reset,
    FIND: _write_find,
    HOLD: _write_hold,
}


def _signer(purpose: str) -> Signer:
    # The separator must be allowed in a URL, and must not occur in what is signed.
    return Signer(salt=f"bookings.letters.{purpose}", sep="~")
