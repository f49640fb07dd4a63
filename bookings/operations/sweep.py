"""Tidies holds that ran out.

It only tidies: a dead hold blocks no one, even if this never runs. Each hold is expired by its own
compare-and-set, so a run may come late, run twice or beside another one, or be killed half-way; the
next run finds the rest. A hold that cannot be expired does not hold up the others: the sweep leaves
it alone for an hour, and for good after a day.
"""

import logging
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.failed_work import DEAD_HOLDS
from bookings.infrastructure.queues.single_run import RunTime
from bookings.operations import sweep_tally
from bookings.operations.sweep_tally import StartedBy, Tally
from bookings.stays import due_work
from bookings.stays.writing import expiry

logger = logging.getLogger(__name__)

# A quarter of a second's work, so that a run ends soon after it is told to stop.
BATCH_SIZE = 500

# A run starts no batch after this long, or after half an interval if that is shorter: the last
# batch may take as long as a request on top, and the run should end before the next one starts.
# Longer than the runs of queues, which start every few seconds.
RUN_LIMIT_S = 30.0


@dataclass(frozen=True)
class Sweep:
    """What a run did. `is_complete` says that it left no dead hold, except to other sweeps."""

    found: int = 0
    expired: int = 0
    failed: int = 0
    oldest_age_s: float = 0.0
    is_complete: bool = False

    @property
    def races_lost(self) -> int:
        """Holds that another process had changed before this one could expire them."""
        return self.found - self.expired - self.failed


@dataclass(frozen=True)
class ExpiryFigures:
    """The figures of expiry: what sweeps did, and what waits for the next one."""

    tally: Tally
    dead_holds: int
    oldest_dead_hold_age_s: float


def expire_holds(*, started_by: StartedBy = "command") -> Sweep:
    """Expires dead holds, batch after batch, until none is left or its time is up."""
    run_time = RunTime(min(RUN_LIMIT_S, settings.EXPIRY_INTERVAL_S / 2))
    sweep = Sweep()
    try:
        while not sweep.is_complete:
            with request_limits():
                batch = expiry.expire_dead_holds(
                    limit=BATCH_SIZE, besides=failed_work.left_alone(DEAD_HOLDS)
                )
                sweep = Sweep(
                    found=sweep.found + batch.found,
                    expired=sweep.expired + batch.expired,
                    failed=sweep.failed + len(batch.failed),
                    oldest_age_s=max(sweep.oldest_age_s, batch.oldest_age_s),
                    # Another sweep took the whole batch from this one, and will go on.
                    is_complete=batch.found < BATCH_SIZE or not (batch.expired or batch.failed),
                )
                if batch.found:
                    sweep_tally.add(batch)
                for hold_id, error in batch.failed.items():
                    _put_off(hold_id, error)
            if run_time.is_up:
                break
        with request_limits():
            failed = failed_work.items_of(DEAD_HOLDS)
            # These were repaired, confirmed or cancelled meanwhile.
            failed_work.forget(DEAD_HOLDS, set(failed) - due_work.dead_among(failed))
            sweep_tally.end_run(started_by=started_by, oldest_age_s=sweep.oldest_age_s)
    except BaseException:
        # It was stopped, or lost MongoDB; what it did until then stays done.
        if sweep.found:
            _log(sweep, started_by)
        raise
    _log(sweep, started_by)
    return sweep


def _put_off(hold_id: Any, error: Exception) -> None:
    if failed_work.put_off(DEAD_HOLDS, hold_id, error).is_new:
        said = {"booking": str(hold_id), "reason": type(error).__name__}
        logger.error("hold_not_expired", extra=said)


def _log(sweep: Sweep, started_by: StartedBy) -> None:
    logger.info(
        "holds_expired",
        extra={
            "found": sweep.found,
            "expired": sweep.expired,
            "races_lost": sweep.races_lost,
            "failed": sweep.failed,
            "oldest_age_s": round(sweep.oldest_age_s, 3),
            "is_complete": sweep.is_complete,
            "started_by": started_by,
        },
    )


def read_figures() -> ExpiryFigures:
    """The figures of expiry; every process reads the same."""
    dead_holds, oldest_age_s = due_work.count_dead_holds()
    return ExpiryFigures(sweep_tally.read(), dead_holds, oldest_age_s)


def late_after_s() -> float:
    """Seconds after which a sweep is late: one runs every interval and may take half of it, and a
    worker that restarts may skip one."""
    return 3.0 * settings.EXPIRY_INTERVAL_S + 10.0
