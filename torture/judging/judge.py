"""Judges a run at every quiet moment, and at its end."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from typing import Any

import redis

from torture import counting, world
from torture.clients.sending import Connection
from torture.faults.mongodb.disks_and_clocks import MOST_APART_S
from torture.history import Attempt, History
from torture.judging.answers import judge_answers, judge_hotels
from torture.judging.free_slots import Walker
from torture.judging.freshness import Auditor
from torture.judging.invariants import OTHERS
from torture.judging.ledger import CLOCKS_S, judge_ledger, judge_refused_holds
from torture.judging.leftovers import judge_redis
from torture.judging.news import judge_news, read_hooks
from torture.judging.recount import judge_figures
from torture.judging.slots import judge_slot_histories
from torture.judging.violations import Violation, tell
from torture.nemesis import Happened
from torture.stack import Stack
from torture.watching import Watcher

# This one may act at both hotels, and hears of nothing.
WALKER = world.PARTNERS - 1

# For what waits at the end. After a failure an endpoint pauses, so that it is told to go on.
NEWS_WITHIN_S = 120.0

# The groups of faults in which processes of the site end or stand still.
ENDING_GROUPS = ("site", "points", "deployments")

# A process that starts again takes so long to answer.
AFTERMATH_S = 15.0


class Judge:
    """Judges the history and the database of one run."""

    def __init__(
        self, stack: Stack, history: History, watcher: Watcher, happened: list[Happened]
    ) -> None:
        self._stack = stack
        self._history = history
        self._watcher = watcher
        self._auditor = Auditor(stack)
        dice = random.Random(stack.options.seed)
        self._walker = Walker(
            Connection((stack.ports["web_a"], stack.ports["web_b"]), dice),
            token=stack.prepared.tokens[WALKER],
            caller=f"client:{stack.prepared.client_ids[WALKER]}",
            history=history,
            dice=dice,
        )
        self._happened = happened
        # The callers that may act at one hotel only.
        self._hotels = {
            f"client:{stack.prepared.client_ids[number]}": hotel
            for number, hotel in world.BOUND.items()
        }
        self.counts: dict[str, float] = {}

    def at_a_quiet_moment(self, clients: list[Any]) -> list[Violation]:
        """All of it; every operation is final by now, or is a violation."""
        began_s = time.monotonic()
        documents = self._watcher.look_at_everything()
        operations = self._history.all()
        found = self._watcher.take_violations()
        bookings = {str(document["_id"]): document for document in documents}
        found += judge_ledger(
            operations, bookings, self._watcher.seen_at_s, apart_s=self._apart_s()
        )
        found += judge_refused_holds(operations, bookings, apart_s=self._apart_s())
        found += judge_answers(
            operations,
            may_have_forgotten=self._may_have_forgotten,
            may_be_silent=self._may_be_silent,
        )
        found += judge_hotels(operations, self._hotels)
        found += self._judge_lists(clients, bookings)
        found += self._auditor.take_violations()
        for each in clients:
            found += each.found
            each.found.clear()
        # Locks may be on servers of their own, and a replica may be the master by now.
        for server in self._stack.redis_servers:
            with redis.Redis(port=server.port) as connection:
                found += judge_redis(
                    connection, beside_earlier=self._stack.options.release_before is not None
                )
        refused, longest_s = self._walker.judge(documents)
        found += refused
        self.counts["longest booking of a free slot, s"] = max(
            round(longest_s, 3), self.counts.get("longest booking of a free slot, s", 0.0)
        )
        self.counts["looks of the watcher"] = self._watcher.looks
        self.counts["bookings"] = len(documents)
        self.counts["seconds of the last judging"] = round(time.monotonic() - began_s)
        others = [booking for booking in bookings if bookings[booking]["kind"] == "stay"]
        for each in clients:
            mine = {booking for booking in others if bookings[booking]["caller"] == each.caller}
            each.others[:] = [booking for booking in others[-200:] if booking not in mine]
        self._count()
        return self._numbered(found)

    def at_the_end(self, clients: list[Any]) -> list[Violation]:
        """What only the end of a run shows: the news, once there was time for all of it."""
        self._auditor.stop()
        self._watcher.stop()
        self.counts["audits of caches"] = self._auditor.audits
        hooks_path = self._stack.folder / "outside" / "hooks.jsonl"
        receivers = self._stack.prepared.webhook_secrets
        until_s = time.monotonic() + NEWS_WITHIN_S
        while True:
            # A worker that lost Redis with tasks in its hands may end some seconds later.
            self._stack.start_again("worker")
            self._stack.start_again("beat")
            self._stack.run("-m", "torture.send_news")
            hooks = read_hooks(hooks_path)
            # Holds still end, which is news as well.
            bookings = {str(each["_id"]): each for each in self._watcher.everything()}
            found = judge_news(hooks, bookings, receivers)
            if not found or time.monotonic() > until_s:
                break
            time.sleep(2.0)
        self.counts["events received"] = len(hooks)
        figures = json.loads(self._stack.run("-m", "torture.read_figures"))
        found += judge_figures(figures, bookings.values())
        found += judge_slot_histories(self._history.all(), bookings, skew_s=self._apart_s())
        self._count()
        return self._numbered(
            found + self._watcher.take_violations() + self._auditor.take_violations()
        )

    def _count(self) -> None:
        urls = [self._stack.web_url(name) for name in self._stack.webs]
        self.counts.update(counting.count(urls))

    def _numbered(self, found: list[Violation]) -> list[Violation]:
        """Each once, with the number of operations so far, and told to the end."""
        operations = self._history.all()
        whole = []
        for violation in {each.story: each for each in found}.values():
            about = [each for each in operations if each.booking in violation.bookings]
            told = f"\n{tell(about)}" if about else ""
            whole.append(
                replace(violation, story=violation.story + told, after_operations=len(operations))
            )
        return whole

    def _apart_s(self) -> float:
        """How far the clocks are apart by which holds end: those of members, one after the other
        the primary."""
        were_apart = any(each.name == "mongodb.clocks_apart" for each in self._happened)
        return CLOCKS_S + (MOST_APART_S if were_apart else 0.0)

    def _may_have_forgotten(self, from_s: float, to_s: float) -> bool:
        """Whether Redis may have lost an answer, or not been told of it, within this time."""
        return any(
            each.name.startswith("redis.")
            # One that failed may have broken something before.
            and (not each.problem or each.problem.startswith("failed"))
            and self._touched(each, from_s, to_s)
            for each in self._happened
        )

    def _may_be_silent(self, attempt: Attempt) -> bool:
        """Whether a fault of the site's own processes touched the time of this attempt."""
        return any(
            each.name.partition(".")[0] in ENDING_GROUPS
            and self._touched(each, attempt.began_s, attempt.ended_s)
            for each in self._happened
        )

    @staticmethod
    def _touched(fault: Happened, from_s: float, to_s: float) -> bool:
        """Whether a fault, or what came after it, lay within this time."""
        return fault.began_s < to_s and from_s < (fault.ended_s or float("inf")) + AFTERMATH_S

    def _judge_lists(
        self, clients: list[Any], bookings: dict[str, dict[str, Any]]
    ) -> list[Violation]:
        found = []
        for client in clients:
            for _, listed in client.seen_lists:
                found += [
                    Violation(OTHERS, f"{client.name} saw {booking} in its list.")
                    for booking in listed
                    if booking in bookings
                    and (
                        bookings[booking]["caller"] != client.caller
                        or bookings[booking]["hotel"]
                        != self._hotels.get(client.caller, bookings[booking]["hotel"])
                    )
                ]
            client.seen_lists.clear()
        return found
