"""Each guard of the locks is switched off once, and a case of `locks.conformance` fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import RedisError

from local.servers import Server
from locks import conformance
from locks.errors import LockError
from tests.locks.guards import CASES, GUARDS, Guard
from tests.locks.kinds import KINDS

pytestmark = pytest.mark.redis

# Cases that no single guard makes true.
WITHOUT_A_GUARD = {
    # The token is a field of the lock, which extending does not touch.
    "test_keeps_its_token_when_extended",
}


@pytest.fixture
def kit(guard: Guard, request: pytest.FixtureRequest) -> dict[str, Any]:
    number, make_kit = KINDS[guard.kind]
    servers: list[Server] = request.getfixturevalue({1: "one_server", 5: "five_servers"}[number])
    return make_kit(servers)


def run(guard: Guard, kit: dict[str, Any]) -> None:
    case: Callable[..., None] = getattr(CASES[guard.kind](), guard.case)
    taken = inspect.signature(case).parameters
    # The only parameter that is no fixture.
    values = {"wait_ms": 100, **kit}
    case(**{name: values[name] for name in taken})


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_fails_a_case_without_it(
    guard: Guard, kit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Twice as long as a breaker waits before it probes.
    monkeypatch.setattr(conformance, "PATIENCE_S", 2)
    with monkeypatch.context() as patch:
        guard.switch_off(patch)

        with pytest.raises((AssertionError, pytest.fail.Exception, LockError, RedisError)):
            run(guard, kit)


def test_has_a_guard_for_every_case() -> None:
    cases = {
        name for name in dir(conformance.QuorumConformance) if name.startswith("test_")
    } - WITHOUT_A_GUARD

    assert cases == {guard.case for guard in GUARDS}
