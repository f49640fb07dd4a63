"""The hotels whose news a partner may get: those where its tokens may read its bookings."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bson import ObjectId

from bookings.domain.callers import BOOK
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection


def hotels_of_clients(client_ids: Iterable[ObjectId]) -> dict[ObjectId, frozenset[str] | None]:
    """The ids of the hotels by client; None means all.

    Those of the client's live tokens count, or if none is live, those of the token that was live
    last: a partner whose tokens end or are revoked learns of no more hotels by that. A client that
    never had a token for bookings is missing.
    """
    by_client: dict[ObjectId, list[dict[str, Any]]] = {}
    for token in collection("api_tokens").find({"client_id": {"$in": list(client_ids)}}):
        # A token of a release before has no scopes and no hotels, and may do everything.
        if token.get("scopes") is None or BOOK in token["scopes"]:
            by_client.setdefault(token["client_id"], []).append(token)
    now = clock.now()
    return {client_id: _hotels_of(tokens, now) for client_id, tokens in by_client.items()}


def _hotels_of(tokens: list[dict[str, Any]], now: datetime) -> frozenset[str] | None:
    live = [token for token in tokens if _is_live(token, now)]
    known: set[str] = set()
    for token in live or [max(tokens, key=_last)]:
        hotels = token.get("hotels")
        if hotels is None:
            return None
        known.update(hotels)
    return frozenset(known)


def _is_live(token: dict[str, Any], now: datetime) -> bool:
    ended_at = _ended_at(token)
    return ended_at is None or ended_at > now


def _ended_at(token: dict[str, Any]) -> datetime | None:
    """When the token ended or ends, by its last day or its revocation; None if it does not."""
    known = [at for at in (token["revoked_at"], token.get("ends_at")) if at is not None]
    return min(known, default=None)


def _last(token: dict[str, Any]) -> tuple[datetime, datetime]:
    """The order in which tokens ended; of those that ended together, the newest is the last."""
    ended_at = _ended_at(token)
    assert ended_at is not None, "it is not live"
    return ended_at, token["created_at"]
