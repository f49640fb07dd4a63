"""What all sweeps did together, kept in one document.

Sweeps run in a worker or under cron, and other processes ask for the figures, so no process can
keep them in its memory.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.stays.writing.expiry import Batch

StartedBy = Literal["beat", "command"]

_ID = {"_id": "expiry"}


@dataclass(frozen=True)
class Tally:
    """Totals since the database was made, and how long ago the last runs ended.

    `last_run_age_s` has an entry for each kind of starter that has ever run.
    """

    found: int = 0
    expired: int = 0
    races_lost: int = 0
    last_oldest_age_s: float = 0.0
    last_run_age_s: dict[str, float] = field(default_factory=dict)


def add(batch: Batch) -> None:
    """Counts a batch. If the process is killed before this, its batch stays uncounted."""
    _update(
        {
            "$inc": {
                "found": batch.found,
                "expired": batch.expired,
                "races_lost": batch.found - batch.expired - len(batch.failed),
            }
        }
    )


def end_run(*, started_by: StartedBy, oldest_age_s: float) -> None:
    """Notes, by MongoDB's clock, that a run ended, and who started it."""
    _update(
        {
            "$set": {"last_oldest_age_s": oldest_age_s},
            "$currentDate": {f"last_run_at.{started_by}": True},
        }
    )


def read() -> Tally:
    """The current figures."""
    document = collection("sweeps").find_one(_ID) or {}
    now = clock.now()
    return Tally(
        found=document.get("found", 0),
        expired=document.get("expired", 0),
        races_lost=document.get("races_lost", 0),
        last_oldest_age_s=document.get("last_oldest_age_s", 0.0),
        last_run_age_s={
            started_by: max(0.0, (now - ended_at).total_seconds())
            for started_by, ended_at in document.get("last_run_at", {}).items()
        },
    )


def _update(update: dict[str, Any]) -> None:
    collection("sweeps").update_one(_ID, update, upsert=True)
