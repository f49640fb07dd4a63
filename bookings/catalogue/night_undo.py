"""Takes a person's last change of nights back, as far as its nights are still as it left them.

A change is remembered in the transaction that adds its job, so there is no change without its way
back. What its nights were is known from the rows: the job writes a night only if it still is as it
was seen. The transaction that writes nights also stores which, and only those are put back: others
may have the same values since a colleague set them. A night that the change made is deleted again.

An undo runs in batches. The transaction that puts a batch back also stores how far the undo has
come. So an undo that is asked for twice, at once or after a crash, puts each night back once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bson import Binary, ObjectId
from pymongo.client_session import ClientSession

from bookings.catalogue.night_jobs import DONE, FAILED, MAX_ROWS_AT_ONCE, pack, unpack
from bookings.catalogue.nights import ROWS_A_BATCH, NightRow, new_night, night_id
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.infrastructure.recent_reads import announce_change
from bookings.refusals import Fault, ValidationFailed

# A larger change is left to a worker, and cannot be undone.
MAX_ROWS_TO_UNDO = MAX_ROWS_AT_ONCE

# Per hotel and person. The newest may still wait for a worker, so an earlier one is the last made.
KEPT_CHANGES = 5

# A message names at most this many nights.
MAX_NAMED_NIGHTS = 10


@dataclass(frozen=True)
class LastChange:
    """The change that a person made last at a hotel; `id` is that of its job."""

    id: str
    summary: str
    is_undone: bool


@dataclass(frozen=True)
class Undone:
    """The result of an undo: how many nights were put back, and how many were not since they had
    changed again, with the first of them as (category, day).

    `is_new` is true for the one call that ended the undo.
    """

    summary: str
    restored: int
    kept: int
    kept_nights: tuple[tuple[str, str], ...]
    is_new: bool


def remember_change(
    *,
    change_id: ObjectId,
    hotel_id: str,
    user_id: Any,
    rows: Sequence[NightRow],
    summary: str,
    session: ClientSession,
) -> None:
    """Call it in the transaction that adds the job with this id and these rows."""
    if len(rows) > MAX_ROWS_TO_UNDO:
        return
    changes = collection("night_changes")
    changes.insert_one(
        {
            "_id": change_id,
            "hotel_id": hotel_id,
            "user_id": user_id,
            "created_at": clock.now(),
            "summary": summary,
            "rows": Binary(pack(rows)),
            # The positions of the rows that the job made or changed.
            "written": [],
            "done": 0,
            "total": len(rows),
            "restored": 0,
            "kept": 0,
            "kept_nights": [],
        },
        session=session,
    )
    found = _newest_first(hotel_id, user_id, session)
    if surplus := [change["_id"] for change in found][KEPT_CHANGES:]:
        changes.delete_many({"_id": {"$in": surplus}}, session=session)


def find_last_change(*, hotel_id: str, user_id: Any) -> LastChange | None:
    """The person's newest change of this hotel that was made, undone or not; None if there is none.

    A job that has not ended, or that ended before its first night, has made no change.
    """
    found = list(_newest_first(hotel_id, user_id))
    if not found:
        return None
    made = _find_made([change["_id"] for change in found])
    for change in found:
        if change["_id"] in made:
            is_undone = change["done"] == change["total"]
            return LastChange(str(change["_id"]), change["summary"], is_undone)
    return None


def undo_change(*, change_id: str, hotel_id: str, user_id: Any) -> Undone:
    """Puts back the nights of the person's change that still are as the change left them.

    If the change is undone already, returns what that undo did. Raises ValidationFailed if there is
    no such change of this person at this hotel, or if it was not made.
    """
    if not ObjectId.is_valid(change_id):
        raise _too_late()
    key = ObjectId(change_id)
    own = {"_id": key, "hotel_id": hotel_id, "user_id": user_id}
    change = collection("night_changes").find_one(own)
    if change is None:
        raise _too_late()
    if not _find_made([key]):
        text = "This change has not been made yet, or was refused; see Nights jobs."
        raise ValidationFailed([Fault("undo", text)])
    rows = unpack(change["rows"])
    is_new = False
    while change["done"] < change["total"]:
        try:
            change, is_new = in_transaction(lambda session: _undo_batch(own, rows, session))
        finally:
            # Even after an error: the commit may have been made all the same.
            announce_change()
    return Undone(
        summary=change["summary"],
        restored=change["restored"],
        kept=change["kept"],
        kept_nights=tuple((category, day) for category, day in change["kept_nights"]),
        is_new=is_new,
    )


def _too_late() -> ValidationFailed:
    text = "This change can no longer be undone: only your last changes of a day can."
    return ValidationFailed([Fault("undo", text)])


def _newest_first(hotel_id: str, user_id: Any, session: ClientSession | None = None) -> Any:
    fields = {"summary": 1, "done": 1, "total": 1}
    own = {"hotel_id": hotel_id, "user_id": user_id}
    found = collection("night_changes").find(own, fields, session=session)
    return found.sort([("created_at", -1), ("_id", -1)])


def _find_made(ids: list[ObjectId]) -> set[ObjectId]:
    """Those of the jobs that have ended and written nights."""
    ended = {"_id": {"$in": ids}, "state": {"$in": [DONE, FAILED]}}
    jobs = collection("nights_jobs").find(ended, {"progress.made": 1, "progress.changed": 1})
    return {job["_id"] for job in jobs if any(job.get("progress", {}).values())}


def _undo_batch(
    own: dict[str, Any], rows: Sequence[NightRow], session: ClientSession
) -> tuple[dict[str, Any], bool]:
    """Puts the next batch back; returns the change as it is then, and whether this ended it."""
    changes = collection("night_changes")
    change = changes.find_one(own, session=session)
    if change is None:
        raise _too_late()
    done = change["done"]
    end = min(done + ROWS_A_BATCH, len(rows))
    if done == end:
        return change, False
    written = [rows[place] for place in change["written"] if done <= place < end]
    kept = _put_back(written, session)
    named = [*change["kept_nights"], *([row.category, row.day] for row in kept)]
    after = {
        "done": end,
        "restored": change["restored"] + len(written) - len(kept),
        "kept": change["kept"] + len(kept),
        "kept_nights": named[:MAX_NAMED_NIGHTS],
    }
    # If another undo has done the same batch, this conflicts with it and is run again.
    changes.update_one(own, {"$set": after}, session=session)
    return {**change, **after}, after["done"] == change["total"]


def _put_back(rows: Sequence[NightRow], session: ClientSession) -> list[NightRow]:
    """Puts the nights back that are as the rows left them; returns the rows of the others."""
    nights = collection("nights")
    by_id = {night_id(row.category, row.day): row for row in rows}
    found = nights.find({"_id": {"$in": list(by_id)}}, session=session)
    there = {night["_id"]: night for night in found}
    kept, made = [], []
    before: dict[tuple[Any, ...], list[str]] = {}
    for id_, row in by_id.items():
        if not _is_as_left(row, there.get(id_)):
            kept.append(row)
        elif row.seen:
            before.setdefault(tuple(row.seen.items()), []).append(id_)
        else:
            made.append(id_)
    if made:
        nights.delete_many({"_id": {"$in": made}}, session=session)
    for values, ids in before.items():
        nights.update_many({"_id": {"$in": ids}}, {"$set": dict(values)}, session=session)
    return kept


def _is_as_left(row: NightRow, night: dict[str, Any] | None) -> bool:
    """Whether the night has the values that the row set; all of its values if the row made it."""
    if night is None:
        return False
    if row.seen:
        return all(night[name] == value for name, value in row.values.items())
    return night == {**new_night(row.category, row.day, row.base_price), **row.values}
