"""Pickles that a stranger put into Redis do not run, and do no harm."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

from bookings.infrastructure import throttles
from bookings.infrastructure.throttles import Limit
from bookingsite.celery import app
from tests.pickles import Bomb

pytestmark = pytest.mark.mongo

ONE = Limit("one", 1, 3600)


@pytest.fixture
def exploded(tmp_path: Path) -> Path:
    return tmp_path / "exploded"


@pytest.mark.parametrize("name", ["default", "throttle"])
def test_takes_a_pickle_in_the_cache_for_nothing(name: str, exploded: Path) -> None:
    cache = caches[name]
    cache.client.get_client().set(cache.make_key("entry"), pickle.dumps(Bomb(exploded)))

    assert cache.get("entry") is None
    assert cache.get("entry", "nothing") in (None, "nothing")
    assert not exploded.exists()


@pytest.mark.parametrize("value", [b"[1]", b'"a"', b"\xff", b"[" * 100_000, None])
def test_counts_on_where_something_else_stands_than_a_number(
    value: bytes | None, exploded: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_THROTTLE = "on"
    monkeypatch.setattr(throttles.time, "time", lambda: 3600.0 * 500_000)
    cache = caches["throttle"]
    entry = cache.make_key("one:somebody:500000")
    cache.client.get_client().set(entry, value or pickle.dumps(Bomb(exploded)))

    waits = [throttles.wait_s(ONE, "somebody") for _ in range(3)]

    assert waits == [None, 3600, 3600]
    assert not exploded.exists()
    cache.client.get_client().delete(entry)


def test_keeps_what_is_cached_as_json() -> None:
    for name in ("default", "throttle"):
        caches[name].set("entry", {"a": [1, "b", None]}, timeout=5)

        raw = caches[name].client.get_client().get(caches[name].make_key("entry"))

        assert raw == b'{"a": [1, "b", null]}'


def test_lets_the_worker_read_json_alone() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
