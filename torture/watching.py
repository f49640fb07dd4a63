"""Looks at the bookings all the time, in snapshots, also while everything breaks."""

from __future__ import annotations

import threading
import time
import traceback
from typing import Any

import pymongo
import pymongo.errors
from pymongo.read_concern import ReadConcern

from torture.judging.documents import Versions, judge_fields, judge_slots
from torture.judging.invariants import NO_CLIENT_FAILS
from torture.judging.violations import Violation
from torture.stack import DATABASE, Stack

LOOK_EVERY_S = 1.0


class Watcher:
    """A thread that reads every booking that may be active, or has changed since the last look.

    What a snapshot shows is on a majority, so it can never be rolled back.
    """

    def __init__(self, stack: Stack) -> None:
        self._client: pymongo.MongoClient[Any] = pymongo.MongoClient(
            stack.mongodb_uri,
            tz_aware=True,
            serverSelectionTimeoutMS=1_000,
            timeoutMS=4_000,
            heartbeatFrequencyMS=1_000,
        )
        self.bookings = self._client[DATABASE]["bookings"]
        self.versions = Versions()
        self.violations: list[Violation] = []
        self.looks = 0
        # When each booking, and each key's effect, was seen first, on a majority.
        self.seen_at_s: dict[str, float] = {}
        # An old look that comes after a newer one would seem to go back.
        self._looking = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def snapshot(self, condition: dict[str, Any]) -> list[dict[str, Any]]:
        """The bookings that meet a condition, all at one moment. Raises the driver's errors."""
        with self._client.start_session(snapshot=True) as session:
            return list(self.bookings.find(condition, session=session))

    def everything(self) -> list[dict[str, Any]]:
        """All bookings, as a majority has them."""
        majority = self.bookings.with_options(read_concern=ReadConcern("majority"))
        return list(majority.find({}))

    def look_at_everything(self) -> list[dict[str, Any]]:
        """Judges all bookings, and returns them. Raises the driver's errors."""
        with self._looking:
            found = self.everything()
            self._judge(found)
        return found

    def take_violations(self) -> list[Violation]:
        """Those that were found since this was called last."""
        found, self.violations = self.violations, []
        return found

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            try:
                with self._looking:
                    self._judge(self.snapshot({"status": {"$in": ["pending", "confirmed"]}}))
            except pymongo.errors.PyMongoError:
                continue
            except Exception:
                # A watcher that is gone must be missed.
                story = f"The watcher:\n{traceback.format_exc()}"
                self.violations.append(Violation(NO_CLIENT_FAILS, story))
                return
            self.looks += 1

    def _judge(self, found: list[dict[str, Any]]) -> None:
        self.violations += judge_slots(found)
        now_s = time.time()
        for document in found:
            keys = [each["digest"] for each in document.get("keys", ())]
            keys += [line["key"] for line in document["history"] if "key" in line]
            for each in (str(document["_id"]), *keys):
                self.seen_at_s.setdefault(each, now_s)
            self.violations += judge_fields(document)
            self.violations += self.versions.look(document)
