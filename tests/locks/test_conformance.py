"""Both kinds of locks keep what `locks.conformance` asks of any."""

from __future__ import annotations

from typing import Any

import pytest

from local.servers import Server
from locks.conformance import LocksConformance, QuorumConformance
from tests.locks.kinds import one_redis, quorum

pytestmark = pytest.mark.redis


class FromKit:
    """What both kinds take from their kit; it comes before the suite, whose fixtures it gives."""

    @pytest.fixture
    def servers(self, kit: dict[str, Any]) -> Any:
        return kit["servers"]

    @pytest.fixture
    def make_locks(self, kit: dict[str, Any]) -> Any:
        return kit["make_locks"]

    @pytest.fixture
    def make_pipeline(self, kit: dict[str, Any]) -> Any:
        return kit["make_pipeline"]

    @pytest.fixture
    def lose_name(self, kit: dict[str, Any]) -> Any:
        return kit["lose_name"]


class TestRedisLocks(FromKit, LocksConformance):
    @pytest.fixture
    def kit(self, one_server: list[Server]) -> dict[str, Any]:
        return one_redis(one_server)


class TestRedlock(FromKit, QuorumConformance):
    @pytest.fixture
    def kit(self, five_servers: list[Server]) -> dict[str, Any]:
        return quorum(five_servers)

    @pytest.fixture
    def make_locks_around(self, kit: dict[str, Any]) -> Any:
        return kit["make_locks_around"]

    @pytest.fixture
    def put_ahead(self, kit: dict[str, Any]) -> Any:
        return kit["put_ahead"]

    @pytest.fixture
    def forget(self, kit: dict[str, Any]) -> Any:
        return kit["forget"]
