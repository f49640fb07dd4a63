"""What the booking flow counts, for Prometheus; docs/operations/metrics.md says what each tells.

Each is moved by one line where the flow decides. Every process counts for itself: in memory, or
under gunicorn in files that whichever process is asked adds up (bookingsite/worker_files.py).
Labels take few values, all known here; what a request brings is never one.
"""

from itertools import product
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

# Times of creation are not exported under several processes, and so nowhere.
disable_created_metrics()

REGISTRY = CollectorRegistry()

# What can be done under a key, and the steps that it takes.
Operation = Literal["create", "confirm", "extend", "cancel", "move", "block", "mark"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
Step = Literal["claim", "lock", "txn", "finish"]

# From one round trip to Redis to a request's deadline, 10 s.
STEP_BUCKETS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

step_duration = Histogram(
    "bookingsite_step_duration_seconds",
    "How long a step of the flow took.",
    ["operation", "step"],
    buckets=STEP_BUCKETS_S,
    registry=REGISTRY,
)
claims = Counter(
    "bookingsite_claims",
    "Claims on idempotency keys, by what came of them.",
    ["operation", "result"],
    registry=REGISTRY,
)
outcomes = Counter(
    "bookingsite_outcomes",
    "What requests under a key came to: success, a refusal's code, or an error.",
    ["operation", "code", "replayed"],
    registry=REGISTRY,
)
locks = Counter(
    "bookingsite_locks",
    "Tries to lock the slots of a stay, and locks that ran out before the write.",
    ["result"],
    registry=REGISTRY,
)
conflicts = Counter(
    "bookingsite_conflicts",
    "Duplicate keys that a write met, by what was found in its way.",
    ["cause"],
    registry=REGISTRY,
)
transaction_retries = Counter(
    "bookingsite_transaction_retries",
    "Times that a transaction was run again after a write conflict.",
    registry=REGISTRY,
)
holds_refused = Counter(
    "bookingsite_holds_refused",
    "Holds that were refused because too much was held, by whose limit it was.",
    ["limit"],
    registry=REGISTRY,
)
mongodb_errors = Counter(
    "bookingsite_mongodb_errors",
    "Errors of MongoDB that requests ended in: passing, answered 503; or other, answered 500.",
    ["kind"],
    registry=REGISTRY,
)
breaker_opened = Counter(
    "bookingsite_redis_breaker_opened",
    "Times that a process stopped asking a Redis which had failed.",
    ["server"],
    registry=REGISTRY,
)
# Processes come and go, so they are added up rather than told apart by their ids.
breaker_open = Gauge(
    "bookingsite_redis_breaker_open_processes",
    "Processes that do not ask this Redis now, save for one probe a second.",
    ["server"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)


def note_breaker(server: str, is_open: bool) -> None:
    """For `locks.connection.watch_breakers`."""
    breaker_opened.labels(server).inc(is_open)
    breaker_open.labels(server).set(is_open)


CLAIM_RESULTS = ("won", "replayed", "recovered", "in_progress", "unknown")
LOCK_RESULTS = ("acquired", "busy", "lost", "unknown")
CONFLICT_CAUSES = (
    *("twin", "adopted", "taken", "dead_holds", "retired_key"),
    *("gone", "overtaken", "stale"),
)

# Of one visitor their holds or their room-nights; of a remote address; of a partner; of all guests.
HOLD_LIMITS = ("holds", "visitor", "address", "partner", "crowd")

# What never happened yet is 0, not missing, or its first time would be no increase.
for _operation, _result in product(OPERATIONS, CLAIM_RESULTS):
    claims.labels(_operation, _result)
for _operation, _replayed in product(OPERATIONS, ("false", "true")):
    outcomes.labels(_operation, "success", _replayed)
for _result in LOCK_RESULTS:
    locks.labels(_result)
for _limit in HOLD_LIMITS:
    holds_refused.labels(_limit)
for _cause in CONFLICT_CAUSES:
    conflicts.labels(_cause)
for _kind in ("passing", "other"):
    mongodb_errors.labels(_kind)
