"""A request's body is decoded once, however often the flow asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bookings.api import parsing
from tests.conftest import night
from tests.site_fixtures import issue_token

pytestmark = pytest.mark.mongo


@pytest.mark.parametrize("key", ["key", None])
def test_decodes_a_body_once(
    database: None, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    decoded: list[bytes] = []
    original = parsing.parse_json

    def parse(body: bytes) -> Any:
        decoded.append(body)
        return original(body)

    monkeypatch.setattr(parsing, "parse_json", parse)
    headers = {"Authorization": f"Bearer {issue_token('partner')}"}
    wish = {"resourceId": "room_A", "date": night(), "userId": "ada"}
    client = Client(headers=headers | ({"Idempotency-Key": key} if key else {}))

    statuses = [
        client.post("/api/bookings", each, content_type="application/json").status_code
        for each in (wish, wish, wish | {"date": "never"})
    ]

    assert statuses[:2] == [201, 201]
    assert len(decoded) == 3
