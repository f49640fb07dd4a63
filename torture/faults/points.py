"""A process dies or stands still at a named point of the flow: one fault for each point.

The next thread to reach the point meets it. If none does, the point is disarmed at the end, and the
fault says so.
"""

from __future__ import annotations

import random

from torture.faults import Break, Phases, fault
from torture.stack import Stack

# In the order in which a booking reaches them.
WEB = (
    *("after_claim", "after_lock", "in_transaction", "after_commit", "before_refusal"),
    "before_answer",
)
WORKER = (
    *("after_sweep_read", "after_sweep_write", "before_deliveries", "after_deliveries"),
    *("before_mail", "after_mail", "after_post"),
)

# Longer than any of these faults lasts. They end a pause by themselves.
LONGEST_PAUSE_S = 40.0


def _killed_at(part: str, point: str) -> Break:
    def killed(stack: Stack, _: random.Random) -> Phases:
        points = stack.points(part)
        try:
            points.arm(point, "kill")
            yield None
        finally:
            was_met = not points.disarm(point)
            # gunicorn starts another process by itself.
            if part == "worker":
                stack.start_again("worker")
        return None if was_met else f"no process met {point}"

    return killed


def _paused_at(point: str) -> Break:
    def paused(stack: Stack, _: random.Random) -> Phases:
        points = stack.points("web")
        # The thread of the pause before this one may not have seen yet that it may go.
        yield 0.5
        try:
            points.stay()
            points.arm(point, f"pause {LONGEST_PAUSE_S}")
            yield None
        finally:
            was_met = not points.disarm(point)
            points.go()
        return None if was_met else f"no process met {point}"

    return paused


for _point in WEB:
    fault(
        *("points", f"web_killed_{_point}"),
        lasts_s=(2, 6),
        touches=(f"web_{_point}",),
    )(_killed_at("web", _point))
    # Past a lock (12 s) and a claim's lease (13 s), and on with the request.
    fault(
        *("points", f"web_paused_{_point}"),
        lasts_s=(16, 35),
        touches=("web_paused", f"web_{_point}"),
    )(_paused_at(_point))

for _point in WORKER:
    fault(
        *("points", f"worker_killed_{_point}"),
        lasts_s=(6, 12),
        touches=("worker",),
    )(_killed_at("worker", _point))
