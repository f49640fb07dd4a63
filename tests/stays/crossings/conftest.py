"""A race for each test, in processes whose clocks are slightly wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bookings import points
from bookings.infrastructure import clock
from tests.stays.crossings.race import BASE_ROUNDS, Race


@pytest.fixture
def race(
    rounds: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Race]:
    name = request.node.name.removeprefix("test_").replace("_", " ")
    race = Race(name, BASE_ROUNDS * rounds)
    right = clock.now
    monkeypatch.setattr(clock, "now", lambda: race.put_clock(right()))
    yield race
    race.stop()


@pytest.fixture(autouse=True)
def _uninstall() -> Iterator[None]:
    yield
    points.install(None)
