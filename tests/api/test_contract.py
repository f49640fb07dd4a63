"""The API changes only as docs/api-changes.md says, so that clients need not change with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.api.contract import PATH, Contract, breaches, contract_of


@pytest.fixture(scope="module")
def now() -> Contract:
    return contract_of(SchemaGenerator().get_schema(request=None, public=True))


def test_keeps_what_clients_rely_on(now: Contract) -> None:
    assert breaches(json.loads(PATH.read_text()), now) == []


def test_is_written_down_as_it_is(now: Contract) -> None:
    """What is new is promised from its first release on: `python -m tests.api.contract`."""
    assert json.loads(PATH.read_text()) == now


def put(operation: str, name: str, kind: str) -> Callable[[Contract], Any]:
    return lambda contract: contract[operation].update({name: kind})


def take(operation: str, name: str) -> Callable[[Contract], Any]:
    return lambda contract: contract[operation].pop(name)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda contract: contract.pop("GET /api/hotels"), "GET /api/hotels is gone"),
        (take("POST /api/bookings", "send notes"), "send notes was string, and is now None"),
        (put("POST /api/bookings", "send night", "string, required"), "night is new, and required"),
        (put("POST /api/bookings", "send notes", "string, required"), "now string, required"),
        (take("POST /api/bookings", "get 201 booking.id"), "get 201 booking.id was string"),
        (put("GET /api/rooms", "get 200 rooms[].name", "integer"), "and is now integer"),
        (put("GET /api/rooms", "get 200 rooms[].name", "string or null"), "now string or null"),
    ],
)
def test_sees_what_would_break_a_client(
    now: Contract, change: Callable[[Contract], Any], sentence: str
) -> None:
    changed = copy.deepcopy(now)
    change(changed)

    (breach,) = breaches(now, changed)

    assert sentence in breach


@pytest.mark.parametrize(
    "change",
    [
        put("GET /api/rooms", "get 200 rooms[].floor", "integer"),
        put("POST /api/bookings", "send colour", "string"),
        put("GET /api/rooms", "send colour", "string"),
        lambda contract: contract.update({"GET /api/floors": {"send hotelId": "string, required"}}),
        lambda contract: [
            told.update({name: kind.removesuffix(", required") for name, kind in told.items()})
            for told in contract.values()
        ],
    ],
)
def test_lets_it_grow(now: Contract, change: Callable[[Contract], Any]) -> None:
    changed = copy.deepcopy(now)
    change(changed)

    assert breaches(now, changed) == []
