"""`GET /metrics`: what every sweep did, for Prometheus, without anything about guests."""

from __future__ import annotations

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from bookings import connections, sweep
from tests.mongo.conftest import book, let_hold_end

Patch = pytest.MonkeyPatch


def samples(text: str) -> dict[str, float]:
    """Each sample's value, under its name and labels, as Prometheus' own parser reads them."""
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sample.labels.items()): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(client: Client) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(response.content.decode())


def test_begins_with_nothing(client: Client) -> None:
    assert scrape(client) == {
        "bookingsite_expiry_found_total": 0,
        "bookingsite_expiry_expired_total": 0,
        "bookingsite_expiry_races_lost_total": 0,
        "bookingsite_expiry_last_run_oldest_seconds": 0,
        "bookingsite_dead_holds": 0,
        "bookingsite_dead_holds_oldest_seconds": 0,
    }


def test_adds_up_what_sweeps_did(client: Client) -> None:
    for number in range(2):
        book(f"k{number}", hold=True)
        let_hold_end()
        sweep.expire_holds(started_by="beat")

    found = scrape(client)

    assert found["bookingsite_expiry_found_total"] == 2
    assert found["bookingsite_expiry_expired_total"] == 2
    assert found["bookingsite_expiry_races_lost_total"] == 0
    assert 6 <= found["bookingsite_expiry_last_run_oldest_seconds"] < 16
    assert 0 <= found["bookingsite_expiry_last_run_age_seconds started_by=beat"] < 10
    assert "bookingsite_expiry_last_run_age_seconds started_by=command" not in found


def test_tells_who_lost_a_race(client: Client) -> None:
    connections.collection("sweeps").update_one(
        {"_id": "expiry"}, {"$set": {"found": 5, "expired": 3, "races_lost": 2}}, upsert=True
    )

    found = scrape(client)

    assert [
        found[f"bookingsite_expiry_{name}_total"] for name in ("found", "expired", "races_lost")
    ] == [5, 3, 2]


def test_tells_what_waits_for_the_next_sweep(client: Client) -> None:
    book("dead", hold=True)
    let_hold_end(minutes_ago=2)
    book("alive", hold=True, resourceId="room_B")

    found = scrape(client)

    assert found["bookingsite_dead_holds"] == 1
    assert 120 <= found["bookingsite_dead_holds_oldest_seconds"] < 130


def test_says_nothing_about_guests(client: Client) -> None:
    guest = {"name": "Ada Lovelace", "email": "ada@example.org"}
    book("dead", hold=True, guest=guest, userId="ada")
    let_hold_end()
    sweep.expire_holds()

    text = client.get("/metrics").content.decode()

    assert "ada" not in text.lower()
    assert "room_A" not in text


def test_is_served_inside_over_plain_http(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    # The redirect's exceptions are read when the middleware is made.
    assert Client().get("/metrics").status_code == 200
    assert Client().get("/metrics/more").status_code == 301


def test_is_served_under_the_address_of_each_process(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["bookings.example"]
    by_address = Client(headers={"host": "10.1.2.3:8000"})

    statuses = [by_address.get(path).status_code for path in ("/metrics", "/api/ready", "/")]

    assert statuses == [200, 200, 400]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_is_only_read(client: Client, method: str) -> None:
    assert getattr(client, method)("/metrics").status_code == 405
