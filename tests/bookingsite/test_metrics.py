"""`GET /metrics`: the results of every sweep, for Prometheus, without anything about guests."""

from __future__ import annotations

import math
import re
from datetime import timedelta

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from bookings.infrastructure import clock, connections
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.mongodb.members import STATES
from bookings.infrastructure.queues import failed_work
from bookings.models import NightsJob
from bookings.news import guest_mails, relay
from bookings.operations import sweep
from bookings.people import account_letters
from bookingsite import __version__
from bookingsite import metrics as http_metrics
from tests.bookingsite.test_private_answers import paths
from tests.calls import CUSTOMER, book, let_hold_end
from tests.conftest import night, says

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch


# A path with an answer, a path without one, and something that is no method.
SENT_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


def samples(text: str) -> dict[str, float]:
    """Returns each sample's value by name and labels, as Prometheus' own parser reads them."""
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
    found = scrape(client)

    kept = (
        "expiry",
        "dead_holds",
        "letters",
        "outbox",
        "deliveries",
        "webhook",
        "nights_jobs",
        "photos",
        "failed_work",
    )
    assert {
        name: value
        for name, value in found.items()
        if name.startswith(tuple(f"bookingsite_{word}" for word in kept))
    } == {
        "bookingsite_expiry_found_total": 0,
        "bookingsite_expiry_expired_total": 0,
        "bookingsite_expiry_races_lost_total": 0,
        "bookingsite_expiry_last_run_oldest_seconds": 0,
        "bookingsite_expiry_late_after_seconds": 190,
        "bookingsite_dead_holds": 0,
        "bookingsite_dead_holds_oldest_seconds": 0,
        "bookingsite_letters_total result=sent": 0,
        "bookingsite_letters_total result=not_needed": 0,
        "bookingsite_letters_total result=not_sent": 0,
        "bookingsite_letters_total result=given_up": 0,
        "bookingsite_letters_waiting": 0,
        "bookingsite_letters_oldest_waiting_seconds": 0,
        "bookingsite_letters_oldest_due_seconds": 0,
        "bookingsite_outbox_oldest_due_seconds": 0,
        "bookingsite_deliveries_total channel=mail result=sent": 0,
        "bookingsite_deliveries_total channel=mail result=not_needed": 0,
        "bookingsite_deliveries_total channel=mail result=not_sent": 0,
        "bookingsite_deliveries_total channel=mail result=given_up": 0,
        "bookingsite_deliveries_total channel=webhook result=sent": 0,
        "bookingsite_deliveries_total channel=webhook result=not_needed": 0,
        "bookingsite_deliveries_total channel=webhook result=not_sent": 0,
        "bookingsite_deliveries_total channel=webhook result=given_up": 0,
        "bookingsite_deliveries_waiting channel=mail": 0,
        "bookingsite_deliveries_waiting channel=webhook": 0,
        "bookingsite_deliveries_oldest_due_seconds channel=mail": 0,
        "bookingsite_deliveries_oldest_due_seconds channel=webhook": 0,
        "bookingsite_webhook_endpoints_failing": 0,
        "bookingsite_webhook_endpoints_disabled": 0,
        "bookingsite_nights_jobs_open": 0,
        "bookingsite_nights_jobs_oldest_seconds": 0,
        "bookingsite_photos_waiting": 0,
        "bookingsite_photos_oldest_waiting_seconds": 0,
        "bookingsite_photos_failed": 0,
        **{f"bookingsite_failed_work queue={queue}": 0 for queue in failed_work.QUEUES},
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


def test_tells_what_became_of_letters(client: Client, settings: Settings) -> None:
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address="ada@example.org")
    account_letters.send_letters()
    settings.EMAIL_BACKEND = "tests.people.test_account_letters.Failing"
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address="bob@example.org")
    account_letters.send_letters()
    collection("letters").update_many(
        {"address": "bob@example.org"},
        [{"$set": {"next_try_at": "$created_at", "tries": account_letters.RETRIES.max_tries - 1}}],
    )
    account_letters.send_letters()

    found = scrape(client)

    assert {
        name: found[f"bookingsite_letters_total result={name}"] for name in account_letters.RESULTS
    } == {
        "sent": 1,
        "not_needed": 0,
        "not_sent": 1,
        "given_up": 1,
    }
    assert found["bookingsite_letters_waiting"] == 0


def test_tells_what_became_of_news(client: Client, settings: Settings) -> None:
    for days in range(3):
        guest = {"email": "ada@example.org"}
        book(f"k{days}", caller=CUSTOMER, guest=guest, date=night(30 + days))
    collection("bookings").update_many(
        {}, [{"$set": {"outbox": {"$map": {"input": "$outbox", "as": "notice", "in": {
            "$mergeObjects": ["$$notice", {"due_at": {"$subtract": ["$$NOW", 90_000]}}]
        }}}}}],
    )  # fmt: skip
    found = scrape(client)
    assert 90 <= found["bookingsite_outbox_oldest_due_seconds"] < 100
    relay.pass_on_news()
    settings.EMAIL_BACKEND = "tests.people.test_account_letters.Failing"
    guest_mails.send_notifications()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    collection("deliveries").update_one(
        {}, [{"$set": {"next_try_at": {"$subtract": ["$$NOW", 60_000]}}}]
    )

    found = scrape(client)

    assert found["bookingsite_outbox_oldest_due_seconds"] == 0
    assert found["bookingsite_deliveries_total channel=mail result=not_sent"] == 3
    assert found["bookingsite_deliveries_waiting channel=mail"] == 3
    assert 60 <= found["bookingsite_deliveries_oldest_due_seconds channel=mail"] < 70
    assert found["bookingsite_deliveries_waiting channel=webhook"] == 0


def test_tells_which_letters_wait_and_which_are_late(client: Client) -> None:
    for asked_s, due_in_s in ((600, 30), (300, -120)):
        account_letters.ask_for_letter(purpose=account_letters.FIND, address="ada@example.org")
        collection("letters").update_one(
            {"tries": 0},
            [
                {
                    "$set": {
                        "tries": 1,
                        "created_at": {"$subtract": ["$$NOW", asked_s * 1000]},
                        "next_try_at": {"$add": ["$$NOW", due_in_s * 1000]},
                    }
                }
            ],
        )

    found = scrape(client)

    assert found["bookingsite_letters_waiting"] == 2
    assert 600 <= found["bookingsite_letters_oldest_waiting_seconds"] < 610
    assert 120 <= found["bookingsite_letters_oldest_due_seconds"] < 130


def test_takes_no_letter_for_late_that_waits_for_its_next_try(client: Client) -> None:
    account_letters.ask_for_letter(purpose=account_letters.FIND, address="ada@example.org")
    collection("letters").update_one({}, [{"$set": {"next_try_at": {"$add": ["$$NOW", 60_000]}}}])

    found = scrape(client)

    assert found["bookingsite_letters_waiting"] == 1
    assert found["bookingsite_letters_oldest_due_seconds"] == 0


def test_tells_which_nights_jobs_are_open(client: Client) -> None:
    for state, added_s in ((NightsJob.State.DONE, 900), (NightsJob.State.RUNNING, 300)):
        collection("nights_jobs").insert_one(
            {
                "state": state.value,
                "created_at": clock.now() - timedelta(seconds=added_s),
            }
        )

    found = scrape(client)

    assert found["bookingsite_nights_jobs_open"] == 1
    assert 300 <= found["bookingsite_nights_jobs_oldest_seconds"] < 310


def test_tells_which_photos_wait_and_which_failed(client: Client) -> None:
    for state, is_due, added_s in (
        ("ready", False, 900),
        ("ready", True, 800),
        ("failed", False, 700),
        ("waiting", True, 300),
    ):
        added_at = clock.now() - timedelta(seconds=added_s)
        row = {"state": state, "is_due": is_due, "created_at": added_at}
        collection("photos").insert_one(row)

    found = scrape(client)

    assert (found["bookingsite_photos_waiting"], found["bookingsite_photos_failed"]) == (1, 1)
    assert 300 <= found["bookingsite_photos_oldest_waiting_seconds"] < 310


def test_tells_which_members_serve_and_how_full_a_disk_is(client: Client) -> None:
    found = scrape(client)

    assert {state: found[f"bookingsite_mongodb_members state={state}"] for state in STATES} == {
        **dict.fromkeys(STATES, 0),
        "primary": 1,
    }
    free_bytes = found["bookingsite_mongodb_disk_free_bytes"]
    assert 0 < free_bytes < found["bookingsite_mongodb_disk_size_bytes"]


def test_says_which_version_runs(client: Client) -> None:
    assert scrape(client)[f"bookingsite_build_info version={__version__}"] == 1


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("GET", "/api/bookings/0123456789ab0123456789ab", "api/bookings/<str:booking_id>"),
        ("POST", "/api/bookings", "api/bookings"),
        ("GET", "/wp-login.php", "unmatched"),
        ("GET", "/admin/no/such/page", "admin/(?P<url>.*)$"),
        ("GET", "/static/no-such-file.css", "static"),
        ("BREW", "/api/health", "api/health"),
        ("HEAD", "/api/health", "api/health"),
        ("POST", "/api/health", "api/health"),
    ],
)
def test_counts_a_request_by_its_route_never_by_its_path(
    client: Client, method: str, path: str, label: str
) -> None:
    before = scrape(client)

    status = client.generic(method, path).status_code

    called = method if method in http_metrics.METHODS and status != 405 else "other"
    requests = f"bookingsite_http_requests_total method={called} route={label} status={status}"
    timed = f"bookingsite_http_request_duration_seconds_count route={label}"
    after = scrape(client)
    for name in (requests, timed):
        assert after[name] - before.get(name, 0) == 1
    # The earlier scrape counts as well.
    assert {
        name
        for name, value in after.items()
        if name.startswith("bookingsite_http_requests_total") and value != before.get(name)
    } == {requests, "bookingsite_http_requests_total method=GET route=metrics status=200"}


def test_keeps_few_series_whatever_a_stranger_sends_to_every_path(database: None) -> None:
    # All of them take a minute, and each adds as much as the others.
    walked = list(paths())[::8]
    # Every visitor knows the secret of its forms, so requests with it and without it count.
    knows_secret, guesses = Client(), Client(enforce_csrf_checks=True)
    http_metrics.requests.clear()
    http_metrics.request_duration.clear()

    for path in walked:
        for method in SENT_METHODS:
            knows_secret.generic(method, path)
        for method in ("GET", "POST", "PUT"):
            knows_secret.generic(method, path, headers={"Host": "elsewhere.example"})
        guesses.post(path)

    counted = [name for name in scrape(knows_secret) if name.startswith("bookingsite_http_")]
    routes = {re.findall(r" route=(\S*)", name)[0] for name in counted}
    assert len(routes) > 15
    timed = [name for name in counted if "_duration_seconds" in name]
    # Each bucket, one of them without an end, the sum and the number of all.
    assert len(timed) <= (len(http_metrics.REQUEST_BUCKETS_S) + 3) * len(routes)
    assert len(counted) - len(timed) <= 7 * len(routes)


def test_counts_by_its_route_what_is_refused_while_mongodb_is_away(
    client: Client, monkeypatch: Patch
) -> None:
    before = scrape(client)
    monkeypatch.setattr(outage, "_next_probe_at_s", math.inf)
    outage._is_away.set()

    refused = client.get("/api/bookings")
    outage._is_away.clear()

    assert refused.status_code == 503
    name = "bookingsite_http_requests_total method=GET route=api/bookings status=503"
    assert scrape(client)[name] - before.get(name, 0) == 1


def test_says_nothing_about_guests(client: Client) -> None:
    guest = {"name": "Ada Lovelace", "email": "ada@example.org"}
    book("dead", hold=True, guest=guest, userId="ada")
    let_hold_end()
    sweep.expire_holds()

    text = client.get("/metrics").content.decode()

    assert not says(text, "ada")
    assert "room_A" not in text


def test_is_served_inside_over_plain_http(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    # The redirect's exceptions are read when the middleware is created.
    assert Client().get("/metrics").status_code == 200
    assert Client().get("/metrics/more").status_code == 301


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_is_not_there_for_who_comes_through_a_proxy(client: Client, header: str) -> None:
    assert client.get("/metrics", headers={header: "for=203.0.113.7"}).status_code == 404


def test_is_served_under_the_ip_address_of_each_process(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["bookings.example"]
    by_ip_address = Client(headers={"host": "10.1.2.3:8000"})

    statuses = [by_ip_address.get(path).status_code for path in ("/metrics", "/api/ready", "/")]

    assert statuses == [200, 200, 400]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_is_only_read(client: Client, method: str) -> None:
    assert getattr(client, method)("/metrics").status_code == 405
