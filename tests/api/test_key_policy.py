"""What clients may rely on about their keys: the page, the API's description and the code agree."""

from __future__ import annotations

import dataclasses

import pytest
from drf_spectacular.generators import SchemaGenerator
from pytest_django import Settings

from bookings.refusals import AlreadyBooked, PriceChanged
from bookings.stays import outcomes
from bookings.stays.outcomes import POLICY, describe_policy
from idempotency.policy import DAY_MS, MINUTE_MS, KeyPolicy
from tests.site import ROOT

PAGE = (ROOT / "docs" / "idempotency" / "key-policy.md").read_text(encoding="utf-8")


def described() -> str:
    """The section on keys in the API's description."""
    [tag] = [
        tag
        for tag in SchemaGenerator().get_schema(request=None, public=True)["tags"]
        if tag["name"] == "Idempotency-Key"
    ]
    return tag["description"]


@pytest.mark.parametrize("on_mismatch", ["replay", "reject"])
def test_is_published_as_it_is(on_mismatch: str, settings: Settings) -> None:
    settings.IDEMPOTENCY_ON_MISMATCH = on_mismatch
    sentences = described().splitlines()

    assert sentences == describe_policy().splitlines()
    assert len(sentences) == 7
    assert [line for line in sentences if line not in PAGE.splitlines()] == []


def test_says_how_long_a_key_is_in_use() -> None:
    assert f"for {outcomes.CLAIM_LEASE_MS // 1000} seconds at most" in PAGE


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"refusal_ms": 7 * MINUTE_MS}, "is repeated for 7 minutes"),
        ({"derived_ms": 3 * MINUTE_MS}, "is repeated for 3 minutes at most"),
        ({"remember_ms": 2 * DAY_MS}, "A success is repeated for 48 hours"),
    ],
)
def test_says_what_the_code_does(
    change: dict[str, int], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "POLICY", dataclasses.replace(POLICY, **change))

    assert sentence in described()
    assert sentence not in PAGE


def test_names_the_refusals_that_are_kept_and_no_others() -> None:
    assert AlreadyBooked.code in described()
    assert PriceChanged.code not in described()


def test_is_described_for_other_services_by_its_statuses() -> None:
    kept = KeyPolicy(kept_refusals=frozenset({410, 409}), on_mismatch="reject").describe()
    none = KeyPolicy(remember_ms=90 * 1000).describe()

    assert "A final refusal (409, 410) is repeated for 24 hours." in kept
    assert "gets 422" in kept
    assert "auto:" not in kept
    assert "After a refusal the key is free for another try." in none
    assert "for 90 seconds" in none
