"""An auditor that changes what processes keep, and asks whether they go on with the old.

A token that was revoked, or a price that was raised, must count everywhere within the time that is
promised, even if the change was not announced.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import threading
import time
import traceback
from datetime import UTC, datetime
from typing import Any

import pymongo
import pymongo.errors

from torture import world
from torture.clients.sending import Connection, Reply
from torture.judging.invariants import FRESH, NO_CLIENT_FAILS, NO_ERRORS
from torture.judging.violations import Violation
from torture.stack import DATABASE, Stack

# bookings/infrastructure/recent_reads.py promises two seconds. A request that began within them may
# still be on its way.
MAX_AGE_S = 2.0
ROOM_S = 0.5

EVERY_S = 3.0
# Enough to reach every process of both web servers.
ASKS = 12


class Auditor:
    """A thread that works until it is stopped; `violations` are what it found."""

    def __init__(self, stack: Stack) -> None:
        self._ports = (stack.ports["web_a"], stack.ports["web_b"])
        self._client_id = stack.prepared.client_ids[0]
        self._token = stack.prepared.tokens[0]
        self._client: pymongo.MongoClient[Any] = pymongo.MongoClient(
            stack.mongodb_uri, w="majority", timeoutMS=4_000, serverSelectionTimeoutMS=1_000
        )
        self._database = self._client[DATABASE]
        self.violations: list[Violation] = []
        self.audits = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="auditor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def take_violations(self) -> list[Violation]:
        """Those that were found since this was called last."""
        found, self.violations = self.violations, []
        return found

    def _live(self) -> None:
        while not self._is_over.wait(EVERY_S):
            for audit in (self._audit_token, self._audit_price):
                try:
                    self.audits += audit()
                except pymongo.errors.PyMongoError:
                    continue
                except Exception:
                    # An auditor that is gone must be missed.
                    story = f"The auditor:\n{traceback.format_exc()}"
                    self.violations.append(Violation(NO_CLIENT_FAILS, story))
                    return

    def _ask_everyone(self, path: str, token: str) -> list[Reply]:
        replies = []
        for number in range(ASKS):
            connection = Connection((self._ports[number % 2],), random.Random())
            reply = connection.ask(
                "GET", path, headers={"Authorization": f"Bearer {token}"}, patience_s=12.0
            )
            connection.close()
            if reply is not None and reply.status < 500:
                replies.append(reply)
            elif reply is not None and reply.status != 503:
                story = f"The auditor: GET {path} answered {reply.status}"
                self.violations.append(Violation(NO_ERRORS, story))
        return replies

    def _audit_token(self) -> bool:
        """A new token works, and works nowhere once it was revoked. Returns whether it worked, and
        its end could be seen."""
        token = "bks_" + secrets.token_urlsafe(32)
        digest = hashlib.sha256(token.encode()).hexdigest()
        pattern = self._database["api_tokens"].find_one({"revoked_at": None})
        if pattern is None:
            return False
        self._database["api_tokens"].insert_one({**pattern, "_id": digest, "hint": "torture"})
        before = self._ask_everyone("/api/bookings?limit=1", token)
        self._database["api_tokens"].update_one(
            {"_id": digest}, {"$set": {"revoked_at": datetime.now(UTC)}}
        )
        time.sleep(MAX_AGE_S + ROOM_S)
        after = self._ask_everyone("/api/bookings?limit=1", token)
        for reply in after:
            if reply.status != 401:
                self.violations.append(
                    Violation(FRESH, f"A token works {MAX_AGE_S} s after it was revoked.")
                )

        return bool(after) and any(reply.status == 200 for reply in before)

    def _audit_price(self) -> bool:
        """A new price is everywhere the price. Returns whether any price was shown."""
        is_shown = False
        price = world.PRICE + random.randrange(1, world.PRICE)
        self._database["room_categories"].update_one(
            {"_id": "east_audit"}, {"$set": {"default_price": price}}
        )
        time.sleep(MAX_AGE_S + ROOM_S)
        night = world.night(0)
        path = f"/api/resources/available?hotelId=east&date={night}"
        for reply in self._ask_everyone(path, self._token):
            said = json.loads(reply.body)
            shown = {each["resourceId"]: each["price"] for each in said.get("resources", [])}
            told = shown.get(world.AUDIT_ROOM)
            is_shown = is_shown or told is not None
            if told is not None and price not in (told, *_amounts(told)):
                self.violations.append(
                    Violation(FRESH, f"The price is {price}, and {told} is shown for it.")
                )
        return is_shown


def _amounts(told: Any) -> list[Any]:
    """The numbers in a price as the API shows it."""
    return list(told.values()) if isinstance(told, dict) else []
