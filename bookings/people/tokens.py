"""The tokens of API clients: issuing them, finding a request's client, revoking them at once.

Only a token's digest is stored, so no dump and no backup shows one.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from bson import ObjectId

from bookings.domain.callers import ACT_FOR_OTHERS, BOOK, READ, SCOPES, Caller
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import RecentReads, announce_change

# 256 bits: no one guesses it, so a plain digest protects it and looking it up stays cheap.
TOKEN_BYTES = 32
TOKEN_PREFIX = "bks_"

# The condition that a token has not ended, by MongoDB's clock.
_GOES_ON = {"$or": [{"ends_at": None}, {"$expr": {"$gt": ["$ends_at", "$$NOW"]}}]}


def find_caller(token: str) -> Caller | None:
    """The client whose live token this is, or None. It may be two seconds old
    (bookings/infrastructure/recent_reads.py)."""
    return _callers.get(digest_of_token(token))


def is_kept(token: str) -> bool:
    """Whether this process read a moment ago whose token this is, so `find_caller` asks no one."""
    return _callers.peek(digest_of_token(token)) is not None


def _read_caller(digest: str) -> Caller | None:
    record = collection("api_tokens").find_one({"_id": digest, "revoked_at": None, **_GOES_ON})
    if record is None:
        return None
    client = collection("api_clients").find_one({"_id": record["client_id"], "is_active": True})
    if client is None:
        return None
    # A token of a release before has neither field, and may do everything.
    scopes, hotels = record.get("scopes"), record.get("hotels")
    may = frozenset(SCOPES if scopes is None else scopes)
    return Caller(
        "client",
        str(client["_id"]),
        bool(client["act_for_others"]) and ACT_FOR_OTHERS in may,
        scopes=may & {READ, BOOK},
        hotels=None if hotels is None else frozenset(hotels),
    )


# A partner rarely has more than a few tokens, and a site rarely more than some hundred partners.
_callers: RecentReads[str, Caller] = RecentReads("callers", _read_caller, most=1_000)


@dataclass(frozen=True)
class Allowed:
    """What a token may do. `hotels` are ids, None means all, also later ones. The token ends
    at `ends_at`, or with its revocation."""

    scopes: tuple[str, ...] = SCOPES
    hotels: tuple[str, ...] | None = None
    ends_at: datetime | None = None


def judge_scopes(scopes: Collection[str]) -> str:
    """What is wrong with the choice, in a sentence for staff; empty if nothing is."""
    if ACT_FOR_OTHERS in scopes and BOOK not in scopes:
        return "A token can act for others only if it may book; allow it to book, too."
    return ""


def end_of(last_day: date | None) -> datetime | None:
    """The moment at which this day ends by UTC; None if there is none."""
    if last_day is None:
        return None
    return datetime.combine(last_day + timedelta(days=1), time.min, tzinfo=UTC)


def issue_token(client_id: ObjectId, allowed: Allowed = Allowed()) -> str:  # noqa: B008
    """Makes a token for the client and returns it; only its digest is stored."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    collection("api_tokens").insert_one(
        {
            "_id": digest_of_token(token),
            "client_id": client_id,
            "hint": token[-4:],
            "created_at": clock.now(),
            "revoked_at": None,
            "scopes": list(allowed.scopes),
            "hotels": None if allowed.hotels is None else list(allowed.hotels),
            "ends_at": allowed.ends_at,
        }
    )
    return token


def revoke_tokens(client_id: ObjectId) -> int:
    """Revokes every live token of the client at once; returns how many there were."""
    try:
        ended = collection("api_tokens").update_many(
            {"client_id": client_id, "revoked_at": None}, {"$set": {"revoked_at": clock.now()}}
        )
    finally:
        announce_change()
    return ended.modified_count


def revoke_token(digest: str) -> bool:
    """Revokes one live token at once; False if it was revoked already."""
    try:
        ended = collection("api_tokens").update_one(
            {"_id": digest, "revoked_at": None}, {"$set": {"revoked_at": clock.now()}}
        )
    finally:
        announce_change()
    return ended.modified_count == 1


def digest_of_token(token: str) -> str:
    """The token's SHA-256 in hex, the only form in which it is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
