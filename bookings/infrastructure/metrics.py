"""Metrics of the booking flow for Prometheus. docs/operations/metrics.md explains each.

One line counts each of them, where the flow decides. Every process counts for itself: in memory,
or under gunicorn in files, which the process that answers a scrape adds up
(bookingsite/worker_files.py). Labels have few values, all listed here; no value comes from a
request.
"""

from itertools import product
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

# Several processes cannot export times of creation, so no process does.
disable_created_metrics()

REGISTRY = CollectorRegistry()

# The operations that take a key, and their steps.
Operation = Literal[
    "create", "confirm", "extend", "cancel", "move", "change", "correct", "block", "mark"
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
Step = Literal["claim", "lock", "txn", "finish"]

# What a process keeps for two seconds.
RecentName = Literal[
    "callers", "hotels", "rooms", "nights", "pages", "content", "photos", "checklists"
]

# From one round trip to Redis to the deadline of a request (10 s).
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
    "Claims on idempotency keys, by result.",
    ["operation", "result"],
    registry=REGISTRY,
)
outcomes = Counter(
    "bookingsite_outcomes",
    "How requests under a key ended: success, a refusal's code, or an error.",
    ["operation", "code", "replayed"],
    registry=REGISTRY,
)
locks = Counter(
    "bookingsite_locks",
    "Tries to lock the slots of a stay, and locks that ended before the write.",
    ["result"],
    registry=REGISTRY,
)
conflicts = Counter(
    "bookingsite_conflicts",
    "Looks at what is in the way of a write, by what they found; nearly all follow an error.",
    ["cause"],
    registry=REGISTRY,
)
transaction_retries = Counter(
    "bookingsite_transaction_retries",
    "Transactions that ran again after a write conflict.",
    registry=REGISTRY,
)
holds_refused = Counter(
    "bookingsite_holds_refused",
    "Holds that were refused because of a limit on holds, by limit.",
    ["limit"],
    registry=REGISTRY,
)
recent_reads = Counter(
    "bookingsite_recent_reads",
    "Looks for what this process read from MongoDB a moment ago; a miss read it again.",
    ["what", "result"],
    registry=REGISTRY,
)
mongodb_errors = Counter(
    "bookingsite_mongodb_errors",
    "Errors of MongoDB that ended requests: passing, answered 503; or other, answered 500.",
    ["kind"],
    registry=REGISTRY,
)
breaker_opened = Counter(
    "bookingsite_redis_breaker_opened",
    "How often a process stopped asking a Redis that had failed.",
    ["server"],
    registry=REGISTRY,
)
# Processes come and go, so the metric adds them up and does not list them by id.
breaker_open = Gauge(
    "bookingsite_redis_breaker_open_processes",
    "Processes that do not ask this Redis now, except for one probe a second.",
    ["server"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)


def note_breaker(server: str, is_open: bool) -> None:
    """Counts a breaker that opens or closes; the watcher for `locks.connection.watch_breakers`."""
    breaker_opened.labels(server).inc(is_open)
    breaker_open.labels(server).set(is_open)


CLAIM_RESULTS = ("won", "replayed", "recovered", "in_progress", "unknown")
LOCK_RESULTS = ("acquired", "busy", "lost", "unknown")
CONFLICT_CAUSES = (
    *("twin", "adopted", "taken", "dead_holds", "retired_key"),
    *("gone", "overtaken", "stale", "sold"),
)

# The limit that was exceeded: a visitor's holds or room-nights, or the room-nights of a remote
# address, of a partner, or of all guests together.
HOLD_LIMITS = ("holds", "visitor", "address", "partner", "crowd")

# A series starts at 0: if it appeared with its first event, `increase` would miss that event.
for _operation, _result in product(OPERATIONS, CLAIM_RESULTS):
    claims.labels(_operation, _result)
for _operation, _replayed in product(OPERATIONS, ("false", "true")):
    outcomes.labels(_operation, "success", _replayed)
for _result in LOCK_RESULTS:
    locks.labels(_result)
for _limit in HOLD_LIMITS:
    holds_refused.labels(_limit)
for _what, _result in product(get_args(RecentName), ("hit", "miss")):
    recent_reads.labels(_what, _result)
for _cause in CONFLICT_CAUSES:
    conflicts.labels(_cause)
for _kind in ("passing", "other"):
    mongodb_errors.labels(_kind)
