"""How long each hotel keeps guests' data. Writes `retention_rules`.

A rule says in how many years after a stay the guest's details are erased (GDPR, article 5, 1 e: no
longer than necessary). Without a rule they stay.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection

# The shortest and longest time that a rule can say. Commercial books are kept for up to ten years.
MIN_YEARS, MAX_YEARS = 1, 30


@dataclass(frozen=True)
class Rule:
    """A hotel's rule. `kept_at` is when the last whole run began; None before the first."""

    hotel: str
    years: int
    since: datetime
    kept_at: datetime | None


def list_rules() -> dict[str, Rule]:
    """The rules by hotel."""
    return {each["_id"]: _rule_of(each) for each in collection("retention_rules").find()}


def set_rule(hotel_id: str, years: int | None, *, before: int | None, by: Caller) -> bool:
    """Sets the hotel's rule, None for no rule. False if the rule is not that of `before`."""
    assert years is None or MIN_YEARS <= years <= MAX_YEARS
    rules = collection("retention_rules")
    if before is None:
        return years is None or _insert(hotel_id, years, by)
    seen = {"_id": hotel_id, "years": before}
    if years is None:
        return rules.delete_one(seen).deleted_count == 1
    return rules.replace_one(seen, _new(hotel_id, years, by)).matched_count == 1


def forget_hotel(hotel_id: str) -> None:
    """Deletes the rule of a deleted hotel, since a new hotel may get its id."""
    collection("retention_rules").delete_one({"_id": hotel_id})


def replace_author(person: str, pseudonym: str) -> None:
    """Replaces the label of a deleted account; safe to repeat."""
    collection("retention_rules").update_many({"by": person}, {"$set": {"by": pseudonym}})


def _new(hotel_id: str, years: int, by: Caller) -> dict[str, Any]:
    return {"_id": hotel_id, "years": years, "by": str(by), "since": clock.now(), "kept_at": None}


def _insert(hotel_id: str, years: int, by: Caller) -> bool:
    try:
        collection("retention_rules").insert_one(_new(hotel_id, years, by))
    except DuplicateKeyError:
        return False
    return True


def _rule_of(document: dict[str, Any]) -> Rule:
    return Rule(document["_id"], document["years"], document["since"], document["kept_at"])
