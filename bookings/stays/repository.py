"""The only writer of the `bookings` collection.

Nothing here trusts a lock. Two unique indexes decide (see bookings/indexes.py), and every
change of a booking that is there goes through `_write`, which compares and moves its version.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeVar

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError

from bookings.catalogue import inventory
from bookings.domain import account_deletion
from bookings.domain.booking import (
    CANCELLED,
    CONFIRMED,
    DEAD,
    EXPIRED,
    LINES,
    MAX_HISTORY,
    PENDING,
    VERSION,
    Booking,
    Change,
    Key,
    Seen,
    change_document,
    from_document,
    guest_document,
    key_document,
    notice_document,
    stay_document,
    to_document,
)
from bookings.domain.callers import Caller
from bookings.domain.email_addresses import respell_address
from bookings.domain.search_terms import terms_of
from bookings.domain.stay_request import Guest
from bookings.indexes import guests_with_address
from bookings.infrastructure import clock, metrics
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.points import reached
from bookings.refusals import AlreadyBooked, ResourceLocked
from bookings.stays import lookups, notices
from bookings.stays.hold_limits import HoldLimits, judge_hold, may_take_over
from idempotency.claims import Answer

# For a pipeline, by which MongoDB makes of each booking what follows from how it is at that moment:
# nothing was read before, so nothing that was read can be out of date.
AS_IT_IS: Literal["as it is"] = "as it is"

Result = TypeVar("Result")
AnswerFor = Callable[[Booking, datetime], Answer]

# How often a booking whose rivals vanished between its two transactions is tried again. A
# fourth time has never been needed; giving up then is a refusal that may be retried.
WRITE_ATTEMPTS = 3


# Of so many bookings the terms are looked at in one go, some tenths of a second.
TERMS_BATCH = 1_000

# What is or was more than a hold. One that was booked at once never had an end.
_WAS_BOOKED: dict[str, Any] = {
    "$or": [
        {"status": CONFIRMED},
        {"status": CANCELLED, "expires_at": None},
        {"status": CANCELLED, "history.event": "confirmed"},
    ]
}


@dataclass(frozen=True)
class Written:
    """What came of writing a booking: ours is `booked`, or this key's answer was found.

    `twin` is the key's own booking, `adopted` the caller's hold that took the key in. `key` is as
    it is stored, with the answer to send. `over` is what was in the way of one that was booked at
    the second try.
    """

    outcome: Literal["booked", "twin", "adopted"]
    key: Key
    over: Literal["dead_holds", "retired_key"] | None = None


@dataclass(frozen=True)
class _Write:
    """What becomes of a booking that has this condition and still is as it was seen; with
    AS_IT_IS, of every one that has the condition."""

    condition: Mapping[str, Any]
    seen: Seen | Literal["as it is"]
    update: Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Batch:
    """What one batch of a sweep came to. Who was found, but not expired, was quicker: it was
    confirmed, extended, cancelled or expired by somebody else in between. `failed` has those apart
    that cannot be expired as they are, by id, each with what went wrong."""

    found: int = 0
    expired: int = 0
    oldest_age_s: float = 0.0
    failed: Mapping[Any, Exception] = field(default_factory=dict)


class DamagedHold(Exception):
    """The document of a hold is not as this site writes them; manage.py doctor tells more."""


class QuoteIsOver(Exception):
    """The booking that rooms or price were taken from is not there any more as it was seen."""


def write_booking(
    booking: Booking,
    *,
    key: Key,
    limits: HoldLimits | None = None,
    answer_for: AnswerFor | None = None,
    only_as: Booking | None = None,
) -> Written:
    """Writes a new booking under its first key, which carries its answer.

    `limits` and `answer_for` are for holds: how much may be held with it (None for anything), and
    how the answer is worded for a hold that the caller has already, and which then takes the key.
    What `answer_for` raises undoes the whole transaction and is raised here.

    `only_as` is the booking that rooms or price were taken from, as it was seen. No calendar was
    asked about them, so nothing new is made of them: this is its twin, or is adopted by it.

    Raises AlreadyBooked if somebody has one of its slots, what `judge_hold` raises if it is more
    than the limits allow, QuoteIsOver if it cannot be `only_as`, ResourceLocked if rivals kept
    coming and going, NotAuthenticated if it is in the name of an account that was deleted
    meanwhile. Whatever it returns is durable.
    """
    named = (booking.caller, booking.owner)
    for _ in range(WRITE_ATTEMPTS):
        try:
            if only_as is None:
                _in_transaction(lambda session: _insert(booking, key, limits, session), named=named)
                return Written("booked", key)
        except DuplicateKeyError:
            pass
        try:
            written = _in_transaction(
                lambda session: _resolve_conflict(
                    booking, key, limits, answer_for, only_as, session
                ),
                named=named,
            )
        except DuplicateKeyError:
            # Another rival came between our look and our insert.
            metrics.conflicts.labels("overtaken").inc()
            continue
        if isinstance(written, Written):
            metrics.conflicts.labels(written.over or written.outcome).inc()
            return written
        metrics.conflicts.labels(written).inc()
        if written == "taken":
            raise AlreadyBooked
        if written == "stale":
            raise QuoteIsOver
    raise ResourceLocked


def _insert(booking: Booking, key: Key, limits: HoldLimits | None, session: ClientSession) -> None:
    news = notices.notices_of(booking, booking.history[0], seen=booking.seen)
    # One insert: what is booked, the key that it is booked under, and who is to be told.
    document = to_document(booking) | {
        "keys": [key_document(key)],
        "outbox": [notice_document(notice) for notice in news],
    }
    collection("bookings").insert_one(document, session=session)
    if booking.status == PENDING and limits is not None:
        judge_hold(booking, limits, session)
    reached("in_transaction")


def _resolve_conflict(
    booking: Booking,
    key: Key,
    limits: HoldLimits | None,
    answer_for: AnswerFor | None,
    only_as: Booking | None,
    session: ClientSession,
) -> Written | Literal["taken", "gone", "stale"]:
    """Looks up the key first, then every active rival, and decides; one snapshot for all.

    It returns its verdict rather than raising it, so that the transaction commits: only the
    commit makes sure that what was read here cannot be rolled back.
    """
    bookings = collection("bookings")
    now = clock.now()

    twin_document = bookings.find_one({"keys.digest": key.digest}, session=session)
    if twin_document is not None:
        twin = from_document(twin_document)
        found = twin.key_for(key.digest)
        assert found is not None
        if lookups.still_replays(found, twin, now):
            return Written("twin", found)
        # From here on the key means the new wish, but what it has made can still be confirmed.
        retire = {
            "$pull": {"keys": {"digest": key.digest}},
            "$addToSet": {"retired_keys": key.digest},
            "$set": {f"retired_answers.{key.digest}": found.body},
        }
        _write(_Write({"_id": twin.id}, twin.seen, retire), session=session)

    live, dead = lookups.find_rivals(booking, session)

    if [rival.is_same_stay(booking) for rival in live] == [True]:
        hold = live[0]
        # Only who wants to hold: a 201 to who wants to book must mean that it is booked.
        may_adopt = hold.status == booking.status == PENDING and len(hold.keys) < lookups.MAX_KEYS
        is_as_seen = only_as is None or (hold.id, hold.seen) == (only_as.id, only_as.seen)
        if may_adopt and is_as_seen and answer_for:
            return _adopt(booking, key, hold, answer_for, now, session)
    if only_as is not None:
        return "stale"
    if live:
        return "taken"
    if not dead and twin_document is None:
        return "gone"
    for hold in dead:
        _expire(hold, session=session)
    _insert(booking, key, limits, session)
    return Written("booked", key, over="dead_holds" if dead else "retired_key")


def _adopt(
    booking: Booking,
    key: Key,
    hold: Booking,
    answer_for: AnswerFor,
    now: datetime,
    session: ClientSession,
) -> Written:
    """Gives the caller who came back their own hold, under the key they came with.

    Who comes may be told otherwise this time: guests, and what is said of them, are taken over.
    """
    before = hold
    guests = {booked.room: booked.guests for booked in booking.rooms}
    hold = dataclasses.replace(
        hold,
        version=before.version + 1,
        # They were priced as what they were then, whatever category they are sold in by now.
        rooms=tuple(
            dataclasses.replace(booked, guests=guests[booked.room]) for booked in hold.rooms
        ),
        guests=booking.guests,
        guest=hold.guest if booking.guest == Guest() else booking.guest,
        notes=booking.notes or hold.notes,
        language=booking.language,
    )
    answer = answer_for(hold, now)
    key = dataclasses.replace(key, status=answer.status, body=answer.body)
    document = to_document(hold)
    pushed: dict[str, Any] = {"keys": key_document(key)}
    if not _has_reader(before):
        # Nobody was to be reminded of it until now.
        news = notices.notices_of(hold, hold.history[0], seen=hold.seen)
        pushed["outbox"] = {"$each": [notice_document(notice) for notice in news]}
    taken_over = ("rooms", "guests", "notes", "language")
    fields = {name: document[name] for name in taken_over} | guest_document(hold)
    # It was read in this transaction's snapshot, so a change in between undoes all of it.
    _write(
        _Write({"_id": hold.id}, before.seen, {"$push": pushed, "$set": fields}), session=session
    )
    return Written("adopted", key)


def change_booking(
    booking: Booking, changed: Booking, change: Change, *, only_before: timedelta | None = None
) -> bool:
    """Makes `booking` what `changed` is, if nobody changed it since it was read.

    With `only_before` the change is made only until that long after `expires_at`, measured by
    MongoDB's own clock. Returns False if it was not made; raises AlreadyBooked if somebody
    else has a slot that it needs, NotAuthenticated if who makes it had an account that was deleted
    meanwhile. Dead holds in its way are expired. Every change moves the version that is compared,
    so a retry that did not see its first try in the history cannot act.

    What is moved relies on the catalogue as it was read, which may not be long ago when it is
    written: see bookings/catalogue/withdrawal.py. One update has its time looked at before it is
    sent, and a transaction once more before it commits.
    """
    named = (change.actor,)
    is_one_update = _is_where_it_was(booking, changed) and not account_deletion.with_accounts(named)

    def apply(session: ClientSession | None = None) -> bool:
        return _change(booking, changed, change, only_before=only_before, session=session)

    try:
        return apply() if is_one_update else _in_transaction(apply, named=named)
    except DuplicateKeyError:
        pass
    for _ in range(WRITE_ATTEMPTS):
        try:
            verdict = _in_transaction(
                lambda session: _change_over_dead_holds(
                    booking, changed, change, only_before, session
                ),
                named=named,
            )
        except DuplicateKeyError:
            # A rival came between our look and our change.
            metrics.conflicts.labels("overtaken").inc()
            continue
        metrics.conflicts.labels(verdict).inc()
        if verdict == "taken":
            raise AlreadyBooked
        return verdict != "stale"
    raise ResourceLocked


def _is_where_it_was(booking: Booking, changed: Booking) -> bool:
    return stay_document(changed) == stay_document(booking)


def _change(
    booking: Booking,
    changed: Booking,
    change: Change,
    *,
    only_before: timedelta | None,
    session: ClientSession | None = None,
) -> bool:
    """The compare-and-set itself. Raises DuplicateKeyError where a slot is not free."""
    condition: dict[str, Any] = {"_id": booking.id, "status": booking.status}
    if only_before is not None:
        ends_at = {"$add": ["$expires_at", int(only_before.total_seconds() * 1000)]}
        condition["$expr"] = {"$gt": [ends_at, "$$NOW"]}
    fields: dict[str, Any] = {"status": changed.status, "updated_at": change.at}
    if changed.expires_at != booking.expires_at:
        fields["expires_at"] = changed.expires_at
    if not _is_where_it_was(booking, changed):
        fields.update(stay_document(changed))
    if (changed.guest, changed.notes) != (booking.guest, booking.notes):
        fields.update({**guest_document(changed), "notes": changed.notes})
    if changed.language != booking.language:
        fields["language"] = changed.language
    if changed.presence != booking.presence:
        fields["presence"] = changed.presence
    if changed.released_from != booking.released_from:
        released_from = changed.released_from
        fields["released_from"] = released_from.isoformat() if released_from else None
    pushed: dict[str, Any] = {"history": change_document(change)}
    if news := notices.notices_of(changed, change, seen=_with_one_line_more(booking.seen)):
        pushed["outbox"] = {"$each": [notice_document(notice) for notice in news]}
    write = _Write(condition, booking.seen, {"$set": fields, "$push": pushed})
    done = _write(write, session=session) == 1
    if session is not None:
        reached("in_transaction")
    return done


def _change_over_dead_holds(
    booking: Booking,
    changed: Booking,
    change: Change,
    only_before: timedelta | None,
    session: ClientSession,
) -> Literal["dead_holds", "gone", "stale", "taken"]:
    """Looks who is in the way, and changes the booking if they are all dead; one snapshot."""
    live, dead = lookups.find_rivals(changed, session)
    if live:
        return "taken"
    for hold in dead:
        _expire(hold, session=session)
    done = _change(booking, changed, change, only_before=only_before, session=session)
    if not done:
        return "stale"
    return "dead_holds" if dead else "gone"


def expire_dead_holds(*, limit: int, besides: Sequence[Any] = ()) -> Batch:
    """Tidies up to `limit` holds that ran out, those that have been dead longest first, other than
    those with these ids.

    Late, twice or beside another sweep it changes nothing that was not dead already. Nobody
    needs more of a hold here than its version, so its answers and guests stay where they are.
    """
    found = list(
        collection("bookings")
        .find(
            {**DEAD, "_id": {"$nin": list(besides)}},
            {
                # What is no history has no length, and is met by no update.
                "version": VERSION,
                "lines": LINES,
                "has_history": {"$isArray": "$history"},
                "age_ms": {"$subtract": ["$$NOW", "$expires_at"]},
                "kind": 1,
                "owner": 1,
                "address": "$guest.email",
            },
        )
        .sort("expires_at")
        .limit(limit)
    )
    reached("after_sweep_read")
    if not found:
        return Batch()
    now = clock.now()
    failed: dict[Any, Exception] = {
        hold["_id"]: DamagedHold() for hold in found if not hold["has_history"]
    }
    expiries = [
        _expiry(
            hold["_id"],
            Seen(int(hold["version"]), hold["lines"]),
            now,
            # A document that lacks them is left to the doctor.
            has_reader=notices.has_reader(
                kind=hold.get("kind", ""),
                owner=str(hold.get("owner", "")),
                address=hold.get("address", ""),
            ),
        )
        for hold in found
    ]
    try:
        expired = _write(*expiries)
    except WriteError as error:
        expired = 0
        failed[found[0]["_id"]] = error
    except BulkWriteError as error:
        if error.details["writeConcernErrors"]:
            raise
        # All the others were written.
        expired = error.details["nModified"]
        for refused in error.details["writeErrors"]:
            hold_id = found[refused["index"]]["_id"]
            failed[hold_id] = WriteError(refused["errmsg"], refused["code"])
    reached("after_sweep_write")
    return Batch(len(found), expired, found[0]["age_ms"] / 1000, failed)


def _expire(hold: Booking, *, session: ClientSession) -> None:
    """Marks one dead hold, together with whatever else the session's transaction does."""
    expiry = _expiry(hold.id, hold.seen, clock.now(), has_reader=_has_reader(hold))
    _write(expiry, session=session)


def _has_reader(booking: Booking) -> bool:
    return notices.has_reader(kind=booking.kind, owner=booking.owner, address=booking.guest.email)


def _expiry(booking_id: ObjectId, seen: Seen, now: datetime, *, has_reader: bool) -> _Write:
    """What marks a dead hold, unless it was confirmed, extended or cancelled since it was
    `seen`."""
    change = Change(at=now, event="expired", actor="system")
    pushed = {"history": change_document(change)}
    if has_reader:
        news = notices.notice(
            booking_id, notices.NEWS_EXPIRED, at=now, seen=_with_one_line_more(seen)
        )
        pushed["outbox"] = notice_document(news)
    return _Write(
        {"_id": booking_id, **DEAD},
        seen,
        {"$set": {"status": EXPIRED, "updated_at": change.at}, "$push": pushed},
    )


def empty_outboxes(passed_on: Mapping[ObjectId, list[str]]) -> None:
    """Takes the news with these ids, by booking, out of the outboxes; safe to repeat.

    The version stays: it is no change of the booking, and must not make one fail.
    """
    pulled = [
        UpdateOne({"_id": booking_id}, {"$pull": {"outbox": {"id": {"$in": ids}}}})
        for booking_id, ids in passed_on.items()
    ]
    if pulled:
        collection("bookings").bulk_write(pulled, ordered=False)


def replace_person(person: str, pseudonym: str) -> int:
    """Writes the pseudonym wherever the person stands; returns in how many bookings.

    It misses none once `people.begin_deletion` has marked the person. Answers that were given keep
    their bytes, and what the hotel knows of the guest stays. It reads every booking, since no index
    is worth having for it. Safe to repeat.
    """

    def swapped(field: str) -> dict[str, Any]:
        return {"$cond": [{"$eq": [field, person]}, pseudonym, field]}

    change = {"$mergeObjects": ["$$change", {"actor": swapped("$$change.actor")}]}
    stands_in = {"$or": [{"owner": person}, {"caller": person}, {"history.actor": person}]}
    replaced = {
        "caller": swapped("$caller"),
        "owner": swapped("$owner"),
        # A person's own bookings carry the id of their account here.
        "user_id": {"$cond": [{"$eq": ["$owner", person]}, pseudonym, "$user_id"]},
        "history": {"$map": {"input": "$history", "as": "change", "in": change}},
    }
    return _write(_Write(stands_in, AS_IT_IS, [{"$set": replaced}]))


def erase_guest(spellings: list[str], *, only_over_by: date | None) -> int:
    """Takes out who the guest was, wherever one of these addresses stands; in how many bookings.

    With a day only of what is over by it. What was answered keeps its bytes, in which no guest is;
    the digest of what was sent goes, since who knows the rest could try names on it. Safe to
    repeat.
    """
    condition: dict[str, Any] = {"guest.email": {"$in": spellings}}
    if only_over_by is not None:
        condition["$nor"] = [lookups.may_be_expected(only_over_by)]
    without_reason = {"$unsetField": {"field": "reason", "input": "$$change"}}
    without_digest = {"$mergeObjects": ["$$key", {"fingerprint": ""}]}
    line = {"at": "$$NOW", "event": "erased", "actor": "system"}
    erased = {
        "guest": {"$literal": vars(Guest())},
        "search_terms": "$$REMOVE",
        "notes": "",
        "updated_at": "$$NOW",
        "keys": {"$map": {"input": "$keys", "as": "key", "in": without_digest}},
        "history": {
            "$concatArrays": [
                {"$map": {"input": "$history", "as": "change", "in": without_reason}},
                [line],
            ]
        },
    }
    return _write(_Write(condition, AS_IT_IS, [{"$set": erased}]))


def refresh_search_terms() -> int:
    """Makes what guests are found by, their terms and how their address is spelled, what it would
    be for a new booking; returns for how many it was not.

    In batches by id, so it may be stopped and run again. Guests that are written meanwhile are
    left as they are written. The version stays: it says of nobody else anything, and a migration
    that moved it would have an earlier release, which counts lines alone, fall behind.
    """
    countries = inventory.hotel_countries()
    fields = dict.fromkeys(("hotel", "guest", "search_terms"), 1)
    changed, after = 0, ObjectId(bytes(12))
    while True:
        found = list(
            collection("bookings")
            .find({"_id": {"$gt": after}}, fields)
            .sort("_id")
            .limit(TERMS_BATCH)
        )
        if not found:
            return changed
        after = found[-1]["_id"]
        refreshed = [
            UpdateOne({"_id": document["_id"], "guest": document["guest"]}, update)
            for document in found
            if (update := _refreshing(document, countries.get(document.get("hotel"), "")))
        ]
        if refreshed:
            changed += collection("bookings").bulk_write(refreshed, ordered=False).modified_count
        reached("after_terms_batch")


def _refreshing(document: dict[str, Any], country: str) -> dict[str, Any] | None:
    """The update for a document that its guest is not found by, in this country; None if it is."""
    try:
        guest = Guest(**document["guest"])
        address = respell_address(guest.email)
        terms = terms_of(guest, country=country)
    except (AttributeError, KeyError, TypeError):
        return None  # A guest that cannot be read is left to the doctor.
    if (document.get("search_terms", []), guest.email) == (terms, address):
        return None
    if terms:
        return {"$set": {"guest.email": address, "country": country, "search_terms": terms}}
    return {"$set": {"guest.email": address}, "$unset": {"search_terms": ""}}


def adopt_bookings_of(guest: str, new_owner: Caller, *, limits: HoldLimits) -> int:
    """Gives everything that this guest owns to a user; returns how many bookings.

    Holds stay the guest's if both together hold more than the limits allow: else a person who logs
    in with one browser after the other would hold what they like. Raises NotAuthenticated if the
    user's account was deleted meanwhile.
    """
    holder = {"owner": str(new_owner), "user_id": new_owner.id}

    def adopt(session: ClientSession) -> int:
        with_holds = may_take_over(guest, holder, limits, session)
        condition = {"owner": guest, **({} if with_holds else {"status": {"$ne": PENDING}})}
        return _write(_Write(condition, AS_IT_IS, _adoption(new_owner)), session=session)

    return _in_transaction(adopt, named=[str(new_owner)])


def adopt_bookings_for(address: str, new_owner: Caller) -> int:
    """Gives what guests have booked with this address to a user; returns how many bookings.

    Only what was booked, be it cancelled since. A hold can be made with anybody's address, would
    count among the new owner's, and could not be confirmed by them. Raises NotAuthenticated if the
    user's account was deleted meanwhile.
    """
    adoption = _Write(
        {**guests_with_address(address), **_WAS_BOOKED}, AS_IT_IS, _adoption(new_owner)
    )
    return _in_transaction(
        lambda session: _write(adoption, session=session), named=[str(new_owner)]
    )


def _adoption(new_owner: Caller) -> list[dict[str, Any]]:
    """The owner changes and nothing else; a history that is full stays as it is."""
    line = {"at": "$$NOW", "event": "adopted", "actor": str(new_owner)}
    has_room = {"$lt": [{"$size": "$history"}, MAX_HISTORY]}
    return [
        {
            "$set": {
                "owner": str(new_owner),
                "user_id": new_owner.id,
                "history": {
                    "$cond": [has_room, {"$concatArrays": ["$history", [line]]}, "$history"]
                },
            }
        }
    ]


def _write(
    *writes: _Write,
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


def _with_one_line_more(seen: Seen) -> Seen:
    """What a change that leaves a line makes of it."""
    return Seen(seen.version + 1, seen.lines + 1)


def _versioned(write: _Write) -> tuple[Mapping[str, Any], Any]:
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


def _in_transaction(
    callback: Callable[[ClientSession], Result], *, named: Iterable[str] = ()
) -> Result:
    """A transaction (bookings/infrastructure/mongodb/transactions.py) that names these callers.

    Those of them with an account must still have it. Raises NotAuthenticated otherwise.
    """

    def run(session: ClientSession) -> Result:
        account_deletion.let_write(named, session)
        return callback(session)

    return in_transaction(run)
