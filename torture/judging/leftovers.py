"""What must not stay behind: keys and locks past their lease, and slots without an owner."""

from __future__ import annotations

import redis

from torture.judging.invariants import NOT_STUCK
from torture.judging.violations import Violation

# Leases end by the clock of Redis. The longest are those of a claim, which Redis also keeps as an
# answer for a day; the lock's is shorter.
LEASE_MS, LOCK_MS = 13_000, 12_000
# Those of the release before.
LEASE_BEFORE_MS = 30_000
ROUNDING_MS = 1_000


def judge_redis(client: redis.Redis, *, beside_earlier: bool) -> list[Violation]:
    """Guarded by the expiry that each claim and lock is written with. `beside_earlier` says that an
    earlier release took part."""
    found = []
    for key in client.scan_iter("*", count=1000):
        name = key.decode()
        kind = name.partition(":")[0]
        if kind not in ("lock", "idempotency"):
            continue
        left_ms = client.pttl(key)
        is_claim = kind == "idempotency" and client.hget(key, "state") == b"in_progress"
        longest_ms = LEASE_MS if is_claim else LOCK_MS
        longest_ms = (LEASE_BEFORE_MS if beside_earlier else longest_ms) + ROUNDING_MS
        if left_ms == -1 or ((is_claim or kind == "lock") and left_ms > longest_ms):
            found.append(Violation(NOT_STUCK, f"{name} ends in {left_ms} ms."))
    return found
