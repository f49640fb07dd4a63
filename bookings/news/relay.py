"""Passes on the news in bookings' outboxes: one delivery for each receiver of each piece of news.

It first writes the deliveries, then empties the outbox. If the process is killed in between, the
next run passes the same news on again, and finds that its deliveries exist. A booking whose news
cannot be read or written is left alone for a while, and does not hold up the others.
"""

import dataclasses
import json
import logging
from datetime import datetime
from typing import Any

from bson import ObjectId

from bookings.domain.booking import (
    CHANGED,
    CORRECTIONS_TOLD,
    EXPIRED,
    PENDING,
    Booking,
    Notice,
    from_document,
)
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.failed_work import NEWS
from bookings.infrastructure.queues.single_run import RunTime
from bookings.news import deliveries
from bookings.news.deliveries import MAIL, WEBHOOK, Delivery
from bookings.news.webhooks.endpoints import hotels_by_receiver
from bookings.points import reached
from bookings.stays import answers, due_work
from bookings.stays.notices import (
    FORMER,
    NEWS_CONFIRMED,
    NEWS_CORRECTED,
    NEWS_EXPIRED,
    NEWS_EXPIRING,
    NEWS_MOVED,
    NEWS_READDRESSED,
)
from bookings.stays.writing import outboxes

logger = logging.getLogger(__name__)

# As many bookings as a batch reads and writes in well under a second.
BATCH_SIZE = 200


def pass_on_news() -> int:
    """Empties the outboxes that have due news; returns how many deliveries were new."""
    run_time = RunTime()
    recorded = 0
    while True:
        with request_limits():
            found = due_work.list_outboxes(limit=BATCH_SIZE, besides=failed_work.left_alone(NEWS))
            if not found:
                return recorded
            recorded += _pass_on(found)
        if len(found) < BATCH_SIZE or run_time.is_up:
            return recorded


def oldest_due_age_s() -> float:
    """How long the oldest news that no worker has passed on has been due; 0 if there is none."""
    return due_work.oldest_due_news_age_s(besides=failed_work.left_alone(NEWS))


def _pass_on(documents: list[dict[str, Any]]) -> int:
    now = clock.now()
    owners = (str(document.get("owner")).partition(":") for document in documents)
    partners = hotels_by_receiver(owner_id for kind, _, owner_id in owners if kind == "client")
    made: dict[ObjectId, list[Delivery]] = {}
    passed_on: dict[ObjectId, list[str]] = {}
    for document in documents:
        try:
            booking = from_document(document)
            due = [notice for notice in booking.outbox if _is_due(notice, now)]
            news = [each for notice in due for each in _deliveries(booking, notice, partners, now)]
        except Exception as error:
            # Perhaps a newer version wrote it.
            _put_off(document["_id"], error)
        else:
            made[booking.id] = news
            passed_on[booking.id] = [notice.id for notice in due]
    reached("before_deliveries")
    recorded = _record(made)
    reached("after_deliveries")
    outboxes.empty_outboxes({each: passed_on[each] for each in made})
    failed_work.forget(NEWS, made)
    return recorded


def _is_due(notice: Notice, now: datetime) -> bool:
    """Past news is always due, even if another process is a moment ahead of this one in its idea of
    MongoDB's time. Otherwise later news could be passed on before it."""
    return notice.due_at <= max(now, notice.at)


def _record(made: dict[ObjectId, list[Delivery]]) -> int:
    """Writes all deliveries at once; if that fails, the deliveries of each booking by themselves.

    Drops from `made` the bookings whose news cannot be written.
    """
    try:
        return deliveries.record([each for news in made.values() for each in news])
    except Exception as error:
        if outage.is_to_blame(error):
            raise
    recorded = 0
    for booking_id, news in list(made.items()):
        try:
            recorded += deliveries.record(news)
        except Exception as error:
            if outage.is_to_blame(error):
                raise
            del made[booking_id]
            _put_off(booking_id, error)
    return recorded


def _put_off(booking_id: Any, error: Exception) -> None:
    """Logs the booking once. Later runs look at it again, once an hour for a day."""
    if failed_work.put_off(NEWS, booking_id, error).is_new:
        said = {"booking": str(booking_id), **failed_work.describe(error)}
        logger.error("news_unreadable", extra=said)


def _deliveries(
    booking: Booking,
    notice: Notice,
    partners: dict[str, frozenset[str] | None],
    now: datetime,
) -> list[Delivery]:
    if notice.event == NEWS_EXPIRING and not is_about_to_end(booking, notice.ends_at, now):
        return []
    # The news of a coming end happens when it is due, and describes the booking as it is then.
    is_coming = notice.event == NEWS_EXPIRING
    delivery = Delivery(
        channel=MAIL,
        to="",
        event_id=notice.id,
        event=notice.event,
        at=notice.due_at if is_coming else notice.at,
        booking=booking.id,
        reference=booking.reference,
        version=booking.version if is_coming else notice.version,
        payload=_describe(booking, notice, now),
        created_at=now,
        ends_at=notice.ends_at,
    )
    made = [delivery] if booking.guest.email else []
    made += [
        dataclasses.replace(
            delivery,
            to=FORMER,
            event_id=f"{notice.id}-{NEWS_READDRESSED}",
            event=NEWS_READDRESSED,
            address=former.email,
        )
        for former in booking.former_addresses
        if former.notice == notice.id
    ]
    kind, _, owner_id = booking.owner.partition(":")
    if kind == "client" and owner_id in partners and notice.event != NEWS_CORRECTED:
        hotels = partners[owner_id]
        if hotels is None or booking.hotel in hotels:
            made.append(dataclasses.replace(delivery, channel=WEBHOOK, to=owner_id))
    return made


def is_about_to_end(booking: Booking, ends_at: datetime | None, now: datetime) -> bool:
    """Whether the booking is still a hold, and still has the end that was to be announced."""
    return booking.status_at(now) == PENDING and booking.expires_at == ends_at


def _describe(booking: Booking, notice: Notice, now: datetime) -> dict[str, Any]:
    """The booking as the API answered the change, if it has that answer; otherwise as of now."""
    body = _answer_of(booking, notice)
    if body is not None:
        described: dict[str, Any] = json.loads(body)["booking"]
        return described
    if notice.event == NEWS_EXPIRED:
        # It may have been confirmed late since; that has its own news.
        booking = dataclasses.replace(booking, status=EXPIRED)
    return answers.describe(booking, now=now)


# The lines of the history that made a piece of news, where they are not called like it.
_LINES = {
    NEWS_CONFIRMED: (NEWS_CONFIRMED, "created"),
    NEWS_MOVED: (NEWS_MOVED, CHANGED),
    NEWS_CORRECTED: CORRECTIONS_TOLD,
}


def _answer_of(booking: Booking, notice: Notice) -> bytes | None:
    """The answer to the request that made this news; None if no request made it."""
    events = _LINES.get(notice.event, (notice.event,))
    for change in reversed(booking.history):
        # One write made both, and nothing else of this kind happens in that millisecond.
        if change.at == notice.at and change.event in events:
            made = booking.key_for(change.key) if change.event == "created" and change.key else None
            return made.body if made else change.body
    return None
