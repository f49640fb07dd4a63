"""The times of a policy, and what they promise."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from idempotency import Claims, Idempotency, KeyPolicy, RedisAnswers


@pytest.mark.parametrize("name", ["remember_ms", "derived_ms", "refusal_ms", "cached_ms"])
@pytest.mark.parametrize("time_ms", [0, -1, 0.5 * 24 * 60 * 60 * 1000, "1000", True])
def test_takes_no_time_that_redis_cannot_keep(name: str, time_ms: Any) -> None:
    """Redis refuses it, or keeps the record for ever."""
    with pytest.raises(ValueError, match=f"{name} is .*: give whole milliseconds, at least 1"):
        KeyPolicy(**{name: time_ms})


def test_takes_no_store_that_cannot_remember_for_ever_if_keys_are() -> None:
    claims = Claims(Redis(socket_timeout=1))

    with pytest.raises(ValueError, match="Only a durable store keeps answers for ever"):
        Idempotency(claims, RedisAnswers())
    Idempotency(claims, RedisAnswers(), KeyPolicy(remember_ms=1))
