"""Makes the calendar that a hotel sells: the nights of all its categories, in bulk.

A night's id is made of its category and day, so a run may be interrupted, repeated and doubled:
existing nights stay, missing ones are made, and if two runs make the same night the index accepts
one.

Nights are written with inserts and one update for each category, not with an upsert for each night:
73,000 nights took 1.5 s this way, but 10 s with upserts, or 48 s if nights had just been deleted.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from pymongo import UpdateMany
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from bookings.catalogue.inventory import HORIZON_DAYS
from bookings.infrastructure.connections import DURABLE, collection, database
from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.quantities import quantity
from bookings.infrastructure.recent_reads import announce_change
from bookings.models import MAX_NIGHT_PRICE
from bookings.refusals import Fault, ValidationFailed

# In the order of `date.weekday()`.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# The most nights that one job may set: a worker writes them in a few seconds, and they fit into
# one document.
MAX_ROWS = 100_000

# One transaction writes this many rows in a few tenths of a second; MongoDB ends it after 5 s.
ROWS_A_BATCH = 1_000

# How often a batch is tried if another worker makes one of its nights at the same moment.
WRITE_ATTEMPTS = 3

# From today to the last day on sale, both included.
MAX_NIGHTS_A_RUN = HORIZON_DAYS + 1

# The field of forms and refusals with which staff confirm that nights will cost nothing.
ALLOW_FREE = "allow_free"

# MongoDB's error code for a second document with the same id.
DUPLICATE_KEY = 11000


@dataclass(frozen=True)
class NightsPlan:
    """The nights to make: every date in every category, at the category's price."""

    prices: tuple[tuple[str, int], ...]
    dates: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.prices) * len(self.dates)

    @property
    def free(self) -> int:
        """How many of the nights cost nothing."""
        return sum(price == 0 for _, price in self.prices) * len(self.dates)


@dataclass(frozen=True)
class NightRow:
    """The values to set for one night, by field name; `price` is in minor units.

    A missing night is made with `base_price` unless `values` has a price. `seen` holds the values
    that these fields had when staff decided on the change; it is empty if the night did not exist
    then. If it is None, the values are set whatever the night is by now.
    """

    category: str
    day: str
    values: dict[str, Any]
    base_price: int
    seen: dict[str, Any] | None = None


@dataclass(frozen=True)
class Progress:
    """How many nights there are to write, and what happened to those processed so far.

    `left` nights already had the values, and `refused` ones are no longer as they were seen.
    `categories` are the categories whose nights are all generated.
    """

    total: int
    made: int = 0
    changed: int = 0
    left: int = 0
    refused: int = 0
    categories: tuple[str, ...] = field(default=(), compare=False)

    @property
    def done(self) -> int:
        """How many nights have been processed, written or not."""
        return self.made + self.changed + self.left + self.refused


# Stores the progress of a job in the transaction that makes it: a worker that resumes the job
# knows what was done, whatever has happened to those nights since.
Record = Callable[[Progress, ClientSession], object]

# As Record, and with the positions of the rows that the batch made or changed, for an undo.
RecordWritten = Callable[[Progress, Sequence[int], ClientSession], object]


def _nothing(*_: object) -> None:
    """Used if no progress is stored or reported."""


def generate_nights(
    *,
    hotel_id: str,
    start: date,
    end: date,
    exclude_end: bool = False,
    price: int | None = None,
    weekdays: Collection[str] = WEEKDAYS,
    overwrite: bool = False,
    allow_free: bool = False,
    on_progress: Callable[[Progress], object] = _nothing,
    begun: Progress | None = None,
    record: Record = _nothing,
) -> Progress:
    """Makes the nights from start to end for all the hotel's categories; see `plan_nights`.

    Existing nights stay as they are; with `overwrite` their price is set, and nothing else.
    `on_progress` is called before each category is written and at the end. It shares the time limit
    of the write, and an error that it raises stops the run there. Each category is one transaction,
    and `record` is called in it. The run continues from `begun`.
    """
    with request_limits():
        plan = plan_nights(
            hotel_id=hotel_id,
            start=start,
            end=end,
            exclude_end=exclude_end,
            price=price,
            weekdays=weekdays,
            allow_free=allow_free,
        )
    progress = replace(begun or Progress(0), total=plan.total)
    for category, night_price in plan.prices:
        if category in progress.categories:
            continue

        def write(
            session: ClientSession,
            before: Progress = progress,
            category: str = category,
            price: int = night_price,
        ) -> Progress:
            made, changed = _write_nights(
                category, plan.dates, price, overwrite=overwrite, session=session
            )
            after = replace(
                before,
                made=before.made + made,
                changed=before.changed + changed,
                left=before.left + len(plan.dates) - made - changed,
                categories=(*before.categories, category),
            )
            record(after, session)
            return after

        with request_limits():
            on_progress(progress)
            progress = _in_transaction(write)
    with request_limits():
        on_progress(progress)
    return progress


def plan_nights(
    *,
    hotel_id: str,
    start: date,
    end: date,
    exclude_end: bool = False,
    price: int | None = None,
    weekdays: Collection[str] = WEEKDAYS,
    allow_free: bool = False,
) -> NightsPlan:
    """Checks a wish and lists its nights. Raises ValidationFailed with a sentence for each fault.

    Both ends are included unless `exclude_end`. Only dates on one of the `weekdays` are taken.
    `price` is in minor units; without it each category's default price is used. Nights that cost
    nothing are a fault of the field ALLOW_FREE unless `allow_free`.
    """
    dates, faults = _choose_dates(start, end, exclude_end, weekdays)
    if price is not None and not 0 <= price <= MAX_NIGHT_PRICE:
        text = f"Give a price from 0 to {MAX_NIGHT_PRICE} minor units (cents)."
        faults.append(Fault("price", text))
    if faults:
        raise ValidationFailed(faults)
    prices = [
        (category["_id"], category["default_price"] if price is None else price)
        for category in collection("room_categories").find({"hotel_id": hotel_id}).sort("_id")
    ]
    if not prices:
        raise ValidationFailed([Fault("hotel", _why_no_categories(hotel_id))])
    plan = NightsPlan(tuple(prices), tuple(dates))
    if plan.free and not allow_free:
        raise ValidationFailed([Fault(ALLOW_FREE, tell_free(plan.free))])
    return plan


def _choose_dates(
    start: date, end: date, exclude_end: bool, weekdays: Collection[str]
) -> tuple[list[str], list[Fault]]:
    """The dates to make, and what is wrong with the choice of them."""
    count = (end - start).days + (0 if exclude_end else 1)
    faults = []
    if start > end:
        faults.append(Fault("end", "Choose an end that is not before the start."))
    elif count == 0:
        faults.append(Fault("end", "Choose an end after the start, or include the end."))
    elif count > MAX_NIGHTS_A_RUN:
        faults.append(Fault("end", f"Make at most {MAX_NIGHTS_A_RUN} nights at a time."))
    if not weekdays or not set(weekdays) <= set(WEEKDAYS):
        faults.append(Fault("weekdays", f"Choose some of the weekdays {', '.join(WEEKDAYS)}."))
    if faults:
        return [], faults
    days = [start + timedelta(days=number) for number in range(count)]
    dates = [day.isoformat() for day in days if WEEKDAYS[day.weekday()] in weekdays]
    if not dates:
        faults.append(Fault("weekdays", "Choose weekdays that occur between start and end."))
    return dates, faults


def _why_no_categories(hotel_id: str) -> str:
    if collection("hotels").find_one({"_id": hotel_id}, {"_id": 1}) is None:
        return "There is no such hotel; its id is in the admin's list."
    return "This hotel has no room categories; add one first."


def _write_nights(
    category: str,
    dates: Collection[str],
    price: int,
    *,
    overwrite: bool,
    session: ClientSession,
) -> tuple[int, int]:
    """Makes what is missing of these nights; returns how many it made and how many it changed."""
    nights = collection("nights")
    there = {
        night["date"]
        for night in nights.find(
            {"category_id": category, "date": {"$gte": min(dates), "$lte": max(dates)}},
            {"_id": 0, "date": 1},
            session=session,
        )
    }
    missing = [new_night(category, day, price) for day in dates if day not in there]
    if missing:
        nights.insert_many(missing, ordered=False, session=session)
    made = len(missing)
    if not overwrite:
        return made, 0
    ids = [night_id(category, day) for day in dates]
    update = {"$set": {"price": price}}
    result = nights.update_many({"_id": {"$in": ids}}, update, session=session)
    return made, result.modified_count


def judge_rows(
    rows: Sequence[NightRow], *, on_progress: Callable[[Progress], object] = _nothing
) -> None:
    """Raises ValidationFailed if a category no longer exists, or a night is not as it was seen.

    Call it before the first night is written, since the job's own writes change the nights.
    `on_progress` is called before each batch and shares the time limit of its read.
    """
    with request_limits():
        _check_categories({row.category for row in rows})
    rows = [row for row in rows if row.seen is not None]
    stale = 0
    for start in range(0, len(rows), ROWS_A_BATCH):
        with request_limits():
            on_progress(Progress(len(rows)))
            stale += _count_stale(rows[start : start + ROWS_A_BATCH])
    if stale:
        text = (
            f"{_count(stale)} changed meanwhile, so no part of the job was written; "
            "check the prices again."
        )
        raise ValidationFailed([Fault("", text)])


def set_nights(
    rows: Sequence[NightRow], *, begun: Progress | None = None, record: RecordWritten = _nothing
) -> Progress:
    """Sets the values of the rows and leaves all else about each night.

    A night that has neither the values seen nor the values to set is left as it is, and counted as
    refused. Rows are written in their order, in batches. Each batch is one transaction, and
    `record` is called in it. The run continues from `begun`.
    """
    progress = replace(begun or Progress(0), total=len(rows))
    while progress.done < len(rows):
        batch = rows[progress.done : progress.done + ROWS_A_BATCH]

        def write(
            session: ClientSession, before: Progress = progress, batch: Sequence[NightRow] = batch
        ) -> Progress:
            made, changed, refused = _write_rows(batch, session)
            after = replace(
                before,
                made=before.made + len(made),
                changed=before.changed + len(changed),
                left=before.left + len(batch) - len(made) - len(changed) - refused,
                refused=before.refused + refused,
            )
            record(after, [before.done + place for place in (*made, *changed)], session)
            return after

        with request_limits():
            progress = _in_transaction(write)
    return progress


def _in_transaction(write: Callable[[ClientSession], Progress]) -> Progress:
    """Returns what `write` returns, once a majority has committed it.

    If someone else changes one of the nights at the same time, the driver runs `write` again, which
    then sees that change.
    """
    for attempt in range(1, WRITE_ATTEMPTS + 1):
        try:
            with database().client.start_session() as session:
                return session.with_transaction(
                    write, read_concern=ReadConcern("snapshot"), write_concern=DURABLE
                )
        except BulkWriteError as error:
            codes = {fault["code"] for fault in error.details["writeErrors"]}
            if codes != {DUPLICATE_KEY} or attempt == WRITE_ATTEMPTS:
                raise
        finally:
            # Even after an error: the commit may have been made all the same.
            announce_change()
    raise AssertionError("the last attempt returns or raises")


def count_free(rows: Sequence[NightRow]) -> int:
    """How many nights the rows would make free of charge, or open at a price of 0."""
    rows = [
        row
        for row in rows
        if row.values.get("price", row.base_price) == 0
        # A night that the row opens may cost nothing already.
        or ("price" not in row.values and row.values.get("closed") is False)
    ]
    count = 0
    for start in range(0, len(rows), ROWS_A_BATCH):
        batch = {night_id(row.category, row.day): row for row in rows[start : start + ROWS_A_BATCH]}
        found = collection("nights").find({"_id": {"$in": list(batch)}}, {"price": 1, "closed": 1})
        there = {night["_id"]: night for night in found}
        count += sum(_becomes_free(row, there.get(id_)) for id_, row in batch.items())
    return count


def tell_free(count: int = 0) -> str:
    """The sentence that this many nights, or those of the form, would cost nothing."""
    nights = quantity(count, "night") if count else "Nights"
    return f"{nights} would be free of charge, at a price of 0."


def _becomes_free(row: NightRow, night: dict[str, Any] | None) -> bool:
    if night is None:
        return row.values.get("price", row.base_price) == 0
    price = row.values.get("price", night["price"])
    is_opened = night["closed"] and row.values.get("closed") is False
    return price == 0 and (night["price"] != 0 or is_opened)


def tell_refused(count: int) -> str:
    """The sentence on the result of a job if this many of its nights were refused."""
    are = "it is" if count == 1 else "they are"
    return (
        f"{_count(count)} changed meanwhile and left as {are}; the others are set. "
        "Check the prices again."
    )


def _count(nights: int) -> str:
    return f"{quantity(nights, 'night')} {'was' if nights == 1 else 'were'}"


def _check_categories(ids: set[str]) -> None:
    there = collection("room_categories").distinct("_id", {"_id": {"$in": sorted(ids)}})
    if gone := sorted(ids.difference(there)):
        text = f"The category {gone[0]} no longer exists; no part of the job was written."
        raise ValidationFailed([Fault("category", text)])


def _count_stale(rows: Sequence[NightRow]) -> int:
    """How many of the nights no longer have the values that were seen."""
    ids = [night_id(row.category, row.day) for row in rows]
    there = {night["_id"]: night for night in collection("nights").find({"_id": {"$in": ids}})}
    return sum(
        any(night.get(name) != value for name, value in row.seen.items())
        if (night := there.get(id_)) and row.seen
        else bool(night) != bool(row.seen)
        for row, id_ in zip(rows, ids, strict=True)
    )


def _write_rows(
    rows: Sequence[NightRow], session: ClientSession
) -> tuple[list[int], list[int], int]:
    """Returns the positions of the nights it made and of those it changed, and how many it refused.

    A night that changes after this transaction has read it conflicts with the write. So what is
    judged here is what is written.
    """
    nights = collection("nights")
    ids = [night_id(row.category, row.day) for row in rows]
    there = {night["_id"]: night for night in nights.find({"_id": {"$in": ids}}, session=session)}
    made, changed, refused = [], [], 0
    for place, (row, id_) in enumerate(zip(rows, ids, strict=True)):
        night = there.get(id_)
        if night is None and not row.seen:
            made.append(place)
        elif night is None:
            # A change must not bring back a night that was seen and has been deleted since.
            refused += 1
        elif _has(night, row.values):
            continue
        elif row.seen is None or (row.seen and _has(night, row.seen)):
            changed.append(place)
        else:
            refused += 1
    if made:
        missing = [
            {**new_night(row.category, row.day, row.base_price), **row.values}
            for row in (rows[place] for place in made)
        ]
        nights.insert_many(missing, ordered=False, session=session)
    if changed:
        updates = _group_by_values(rows[place] for place in changed)
        nights.bulk_write(updates, ordered=False, session=session)
    return made, changed, refused


def _has(night: dict[str, Any], values: dict[str, Any]) -> bool:
    return all(night.get(name) == value for name, value in values.items())


def _group_by_values(rows: Iterable[NightRow]) -> list[UpdateMany]:
    """One update for all nights that get the same values, as many do."""
    ids: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        ids.setdefault(tuple(row.values.items()), []).append(night_id(row.category, row.day))
    return [
        UpdateMany({"_id": {"$in": alike}}, {"$set": dict(values)}) for values, alike in ids.items()
    ]


def new_night(category: str, day: str, price: int) -> dict[str, Any]:
    """The document of a night that is sold at this price, without restrictions."""
    return {
        "_id": night_id(category, day),
        "category_id": category,
        "date": day,
        "price": price,
        "closed": False,
        "min_stay": 1,
        "closed_to_arrival": False,
        "closed_to_departure": False,
    }


def night_id(category: str, day: str) -> str:
    """The id of a night. It is the same however often the night is made, so there is only one."""
    return f"{category}|{day}"
