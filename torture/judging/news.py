"""The news that partners received, against the histories of their bookings."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torture.judging.invariants import DELIVERED, OTHERS
from torture.judging.violations import Violation

# Which line of the history makes which news for a partner.
NEWS_OF = {
    "confirmed": "confirmed",
    "cancelled": "cancelled",
    "expired": "expired",
    "changed": "moved",
    "moved": "moved",
}


def read_hooks(path: Path) -> list[dict[str, Any]]:
    """What the receivers took, in the order in which it came."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def judge_news(
    hooks: Iterable[dict[str, Any]],
    bookings: Mapping[str, dict[str, Any]],
    receivers: Iterable[str],
) -> list[Violation]:
    """Guarded by the outbox in the booking's own write, by the stable id of each delivery, and by
    sending only the first that waits for a booking. `receivers` are the ids of clients."""
    first_ids: dict[str, list[str]] = defaultdict(list)
    bodies: dict[str, str] = {}
    found = []
    for hook in hooks:
        booking, body = hook["id"].partition("-")[0], json.dumps(hook["body"], sort_keys=True)
        if hook["id"] not in first_ids[booking]:
            first_ids[booking].append(hook["id"])
        if bodies.setdefault(hook["id"], body) != body:
            found.append(Violation(DELIVERED, f"{hook['id']} came with two bodies."))
        owner = bookings[booking]["owner"] if booking in bookings else ""
        if owner and owner != f"client:{hook['to']}":
            found.append(Violation(OTHERS, f"{hook['id']} of {owner} came to {hook['to']}."))
    for booking, ids in first_ids.items():
        versions = [int(each.split("-")[1]) for each in ids]
        if versions != sorted(versions):
            found.append(Violation(DELIVERED, f"The news of {booking} came as {ids}."))
        known = news_of(bookings[booking]) if booking in bookings else []
        if unknown := [each for each in ids if each not in known]:
            found.append(Violation(DELIVERED, f"{unknown} came, and are news of no change."))
    owners = {f"client:{receiver}" for receiver in receivers}
    for booking, document in bookings.items():
        if document["owner"] in owners:
            missing = [each for each in news_of(document) if each not in first_ids[booking]]
            if missing:
                came = ", ".join(first_ids[booking]) or "nothing"
                found.append(Violation(DELIVERED, f"{missing} never came; {came} did."))
    return found


def news_of(document: dict[str, Any]) -> list[str]:
    """The ids of the news of a partner's booking, by its history: each has its line's number."""
    return [
        f"{document['_id']}-{number}-{event}"
        for number, line in enumerate(document["history"], start=1)
        if (event := _news_of_line(line, document))
    ]


def _news_of_line(line: dict[str, Any], document: dict[str, Any]) -> str:
    if line["event"] == "created":
        # A booking without a hold never had an end.
        return "" if document["expires_at"] else "confirmed"
    return NEWS_OF.get(line["event"], "")
