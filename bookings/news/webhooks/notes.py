"""The note that tells staff of a disabled endpoint, which accepted nothing for a day.

The update that disables the endpoint makes the note due, and a worker takes it by compare-and-set.
Each reader gets a mail of their own. Mails that fail are tried again, so a note may arrive twice,
always under the same Message-ID, but is never lost. A reader or a note that fails does not hold up
the others.
"""

import logging
import smtplib
from contextlib import suppress
from typing import Any

from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from bookings.content.brand.reading import recent_brand
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.mail import link_to, make_mail, render_text
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.failed_work import WEBHOOK_NOTES, NeverFinished
from bookings.infrastructure.queues.retries import Schedule, counted
from bookings.models import ApiClient

logger = logging.getLogger(__name__)

PERMISSION = "bookings.change_webhookendpoint"

# The last of eight tries comes after two hours. The admin shows the same information throughout.
RETRIES = Schedule(first_wait_ms=60_000, longest_wait_ms=128 * 60_000, max_tries=8)


def send_notes() -> int:
    """Sends the notes that are due; returns how many. A note that cannot be sent waits."""
    sent = 0
    while endpoint := _take():
        sent += _send(endpoint)
    return sent


def find_readers() -> list[User]:
    """The active staff who may change an endpoint and have an address."""
    staff = User.objects.filter(is_active=True, is_staff=True).exclude(email="")
    return [user for user in staff.order_by("pk") if user.has_perm(PERMISSION)]


def _take() -> dict[str, Any] | None:
    wait_ms = RETRIES.wait_ms(earlier_failures={"$subtract": ["$note_tries", 1]})
    with request_limits():
        return collection("webhook_endpoints").find_one_and_update(
            {"note_due_at": {"$type": "date"}, "$expr": {"$lte": ["$note_due_at", "$$NOW"]}},
            [
                {"$set": {"note_tries": {"$add": [counted("$note_tries"), 1]}}},
                {"$set": {"note_due_at": {"$add": ["$$NOW", wait_ms]}}},
            ],
            return_document=ReturnDocument.AFTER,
        )


def _send(endpoint: dict[str, Any]) -> bool:
    """Writes to every reader who has no mail yet; True if none is left and all went well."""
    try:
        if endpoint["note_tries"] > RETRIES.max_tries:
            raise NeverFinished
        return _write_to_all(endpoint)
    except Exception as error:
        if outage.is_to_blame(error):
            _give_back(endpoint)
            raise
        is_over = RETRIES.is_last(endpoint["note_tries"])
        if is_over:
            _settle(endpoint)
        _fail(endpoint, error, is_over=is_over)
        return False


def _write_to_all(endpoint: dict[str, Any]) -> bool:
    about = {"endpoint": str(endpoint["_id"]), "tries": endpoint["note_tries"]}
    with request_limits():
        readers = find_readers()
        client = ApiClient.objects.filter(pk=endpoint["client_id"]).first()
    if client is None or endpoint.get("disabled_at") is None:
        _settle(endpoint)
        logger.warning("webhook_note_not_sent", extra={**about, "reason": "EnabledAgain"})
        return False
    written = set(endpoint.get("note_written_to", []))
    is_left = False
    for reader in readers:
        if reader.pk in written:
            continue
        try:
            _write(endpoint, client, reader).send()
        except (smtplib.SMTPException, OSError) as error:
            is_left = is_left or not _is_no_mailbox(error)
            reason = {"reader": str(reader.pk), "reason": type(error).__name__}
            logger.warning("webhook_note_not_sent", extra={**about, **reason})
        except Exception as error:
            if outage.is_to_blame(error):
                raise
            is_left = True
            _fail(endpoint, error, is_over=RETRIES.is_last(endpoint["note_tries"]), reader=reader)
        else:
            _remember(endpoint, reader)
            written.add(reader.pk)
    if not is_left or RETRIES.is_last(endpoint["note_tries"]):
        _settle(endpoint)
    if is_left:
        return False
    if not written:
        logger.warning("webhook_note_not_sent", extra={**about, "reason": "NobodyToWriteTo"})
        return False
    if endpoint["note_tries"] > 1:
        failed_work.forget(WEBHOOK_NOTES, [endpoint["_id"]])
    logger.info("webhook_note_sent", extra=about)
    return True


def _fail(
    endpoint: dict[str, Any], error: Exception, *, is_over: bool, reader: User | None = None
) -> None:
    """Records an unexpected error, so that staff see it."""
    said = {"endpoint": str(endpoint["_id"]), "reason": type(error).__name__}
    if reader:
        said["reader"] = str(reader.pk)
    if failed_work.note(WEBHOOK_NOTES, endpoint["_id"], error, is_over=is_over).is_new:
        said |= failed_work.describe(error)
    logger.warning("webhook_note_not_sent", extra=said)


def _is_no_mailbox(error: Exception) -> bool:
    """Whether trying again is useless (RFC 5321, 4.2.1)."""
    return isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _text in error.recipients.values()
    )


def _write(endpoint: dict[str, Any], client: ApiClient, reader: User) -> EmailMessage:
    link = link_to("admin:bookings_webhookendpoint_change", str(endpoint["_id"]))
    disabled_ms = int(endpoint["disabled_at"].timestamp() * 1000)
    return make_mail(
        f"webhooks-{endpoint['_id']}-{disabled_ms}-{reader.pk}",
        to=reader.email,
        # A line break would start another header.
        subject=f"Webhooks of {' '.join(client.name.split())} are disabled",
        text=render_text(
            "webhooks_disabled", {"client": client, "endpoint": endpoint, "link": link}
        ),
        sender=recent_brand().sender,
    )


def _remember(endpoint: dict[str, Any], reader: User) -> None:
    """Notes that this reader has the mail, so that a try for others does not send it again."""
    with request_limits():
        collection("webhook_endpoints").update_one(
            {"_id": endpoint["_id"], "disabled_at": endpoint["disabled_at"]},
            {"$addToSet": {"note_written_to": reader.pk}},
        )


def _give_back(endpoint: dict[str, Any]) -> None:
    """Takes back the count of a try that failed in an outage, if MongoDB accepts that write."""
    with suppress(PyMongoError), request_limits():
        collection("webhook_endpoints").update_one(
            {"_id": endpoint["_id"], "note_tries": endpoint["note_tries"]},
            {"$inc": {"note_tries": -1}},
        )


def _settle(endpoint: dict[str, Any]) -> None:
    """Ends the tries, unless the endpoint was disabled again meanwhile."""
    with request_limits():
        collection("webhook_endpoints").update_one(
            {"_id": endpoint["_id"], "disabled_at": endpoint.get("disabled_at")},
            {"$unset": {"note_due_at": ""}},
        )
