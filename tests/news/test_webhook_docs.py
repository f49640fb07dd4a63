"""The page for partners about webhooks is true, and its example works."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from bookings.news.webhooks import endpoints, posting, sending, signing
from bookings.stays.notices import NEWS
from tests.servers import ROOT

PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]  # type: ignore[index]


@pytest.fixture
def is_genuine() -> Any:
    names: dict[str, Any] = {}
    exec(EXAMPLE, names)
    return names["is_genuine"]


def sign(*secrets: str, seconds_ago: int = 0) -> dict[str, str]:
    return signing.headers_of(
        webhook_id="1", timestamp_s=int(time.time()) - seconds_ago, body=b"{}", secrets=secrets
    )


def test_shows_an_example_that_knows_what_is_genuine(is_genuine: Any) -> None:
    secret, other = signing.make_secret(), signing.make_secret()

    assert is_genuine(secret, sign(secret), b"{}")
    assert is_genuine(secret, sign(other, secret), b"{}")
    assert not is_genuine(secret, sign(other), b"{}")
    assert not is_genuine(secret, sign(secret), b"{ }")
    assert not is_genuine(secret, sign(secret, seconds_ago=301), b"{}")
    assert not is_genuine(secret, {**sign(secret), "webhook-id": "2"}, b"{}")
    assert not is_genuine(secret, {**sign(secret), "webhook-signature": "v1,ö v2,x"}, b"{}")


def test_shows_staff_the_same_example() -> None:
    folder = ROOT / "templates" / "admin" / "bookings" / "webhookendpoint"

    assert (folder / "verify.txt").read_text(encoding="utf-8") == EXAMPLE


def test_names_every_type_of_event() -> None:
    named = re.findall(r"^\| `(\w+\.\w+)` \|", PAGE, re.MULTILINE)

    assert set(named) == {f"booking.{event}" for event in NEWS} | {"webhook.test"}


def test_names_the_limits_that_hold() -> None:
    words = {3: "three", 5: "five", 10: "ten"}
    assert f"within {words[int(posting.TIMEOUT_S)]} seconds" in PAGE
    assert f"for {endpoints.RETRIES.first_wait_ms // 1000} s, then twice as long" in PAGE
    assert endpoints.RETRIES.longest_wait_ms == 3_600_000
    assert f"refused {words[sending.TRIES_IN_ORDER]} times" in PAGE
    assert f"first {posting.MAX_READ} bytes" in PAGE
    assert f"For {endpoints.OVERLAP.total_seconds() / 3600:g} hours we sign with both" in PAGE
    assert endpoints.DISABLED_AFTER.total_seconds() == 24 * 3600
