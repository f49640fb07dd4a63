"""Names that earlier releases have written somewhere stay, wherever the code that uses them moves.

A salt is part of every link and cookie in use, a digest or a sealed secret is stored, and a task
waits in a queue under its name. So the tests sign each under its name, letter by letter, and the
code opens it. A name here is never changed, only added.
"""

from __future__ import annotations

import base64
import dataclasses
from datetime import date
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.core import signing
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.crypto import salted_hmac

from bookings import tasks
from bookings.domain.callers import Caller
from bookings.indexes import indexes_by_collection
from bookings.infrastructure import seals
from bookings.people import account_letters
from bookings.stays import hold_limits, manage_links
from bookings.web import how_it_works, intents, limits, visitors

GUEST = Caller("guest", "0123456789abcdef")


def test_opens_a_link_to_a_booking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookings.infrastructure.clock.today", lambda zone: date(2030, 1, 1))
    token = signing.dumps(["6650", "2030-01-01"], salt="bookings.manage_links")

    assert manage_links.read_link_token(token) == "6650"


@pytest.mark.parametrize("purpose", ["register", "reset", "find", "hold"])
def test_opens_the_link_of_a_letter(purpose: str) -> None:
    token = signing.Signer(salt=f"bookings.letters.{purpose}", sep="~").sign("6650")

    assert account_letters._signer(purpose).unsign(token) == "6650"
    assert purpose in account_letters.WRITERS


def test_goes_on_with_a_run_of_how_it_works() -> None:
    run = how_it_works.Run(name="demo-1", room="room_A", night="2030-01-01")
    token = signing.dumps(dataclasses.asdict(run), salt="bookings.web.lesson")

    assert how_it_works._read_run(token, max_age_s=60) == run


def test_knows_a_guest_by_the_cookie() -> None:
    request = RequestFactory().get("/")
    request.COOKIES["guest"] = signed_cookie("guest", GUEST.id, salt="bookings.web.visitors")

    assert visitors.guest_of(request) == GUEST


def test_knows_a_browser_by_the_cookie() -> None:
    response = HttpResponse()

    limits.know_browser(response, "ada")

    request = RequestFactory().get("/")
    request.COOKIES["known"] = response.cookies["known"].value
    known = request.get_signed_cookie("known", salt="bookings.web.limits")
    name = salted_hmac("bookings.web.limits", b"ada", algorithm="sha256").hexdigest()[:32]
    assert known.startswith(f"{name}:")


def test_makes_the_keys_of_the_pages_by_the_same_names() -> None:
    intent = intents.Intent(
        "demo", "demo_double", date(2030, 1, 1), date(2030, 1, 2), guests=2, rooms=1
    )
    nonce = salted_hmac("bookings.web.intents", str(GUEST)).hexdigest()[:32]
    signer = signing.Signer(salt=f"bookings.web.intents|{GUEST}|{intent}", sep=".")

    first, second, *_ = intents._chain_from(GUEST, intent, settings.SECRET_KEY)

    assert first == signer.sign(nonce)
    assert second == signer.sign(salted_hmac("bookings.web.intents.next", nonce).hexdigest()[:32])


def test_counts_holds_by_the_digests_that_are_stored() -> None:
    stored = salted_hmac("bookings.hold_limits", "address:192.0.2.1", algorithm="sha256")

    assert hold_limits.digest_of("address:192.0.2.1") == stored.hexdigest()[:32]


def test_opens_a_sealed_secret() -> None:
    key = derive(b"bookings.webhooks: secrets")
    sealed = Fernet(base64.urlsafe_b64encode(key)).encrypt(b"whsec_1").decode()

    assert seals.open_seal(sealed) == "whsec_1"
    assert seals.name_of_key() == derive(b"bookings.webhooks: name of a key").hex()[:16]


def test_keeps_the_names_of_the_tasks() -> None:
    names = {
        task.name
        for task in vars(tasks).values()
        if getattr(task, "__module__", "") == tasks.__name__
    }

    assert names == {
        "bookings.clear_sessions",
        "bookings.expire_holds",
        "bookings.generate_nights",
        "bookings.note_disabled_webhooks",
        "bookings.pass_on_news",
        "bookings.send_letters",
        "bookings.send_notifications",
        "bookings.send_webhooks",
    }
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} == names


def test_keeps_the_prefixes_in_redis() -> None:
    prefixes = {name: cache.get("KEY_PREFIX") for name, cache in settings.CACHES.items()}

    assert prefixes == {"default": "cache", "throttle": "throttle", "process": None}


def test_keeps_the_names_of_models_and_their_collections() -> None:
    models = apps.get_app_config("bookings").get_models()

    assert {model._meta.label: model._meta.db_table for model in models} == {
        "bookings.Hotel": "hotels",
        "bookings.RoomCategory": "room_categories",
        "bookings.Room": "rooms",
        "bookings.Night": "nights",
        "bookings.NightsJob": "nights_jobs",
        "bookings.PriceCalendar": "bookings_pricecalendar",
        "bookings.NightsFile": "bookings_nightsfile",
        "bookings.Figures": "bookings_figures",
        "bookings.VerifiedAddress": "verified_addresses",
        "bookings.ApiClient": "api_clients",
        "bookings.ApiToken": "api_tokens",
        "bookings.WebhookEndpoint": "webhook_endpoints",
        "bookings.BookingRecord": "bookings",
        "bookings.RoomBlock": "bookings",
        "bookings.DeliveryRecord": "deliveries",
        "bookings.FailedWork": "failed_work",
    }


def test_keeps_the_names_of_indexes() -> None:
    indexes = indexes_by_collection()

    assert {name: {index.document["name"] for index in made} for name, made in indexes.items()} == {
        "bookings": {
            "one_active_booking_per_slot",
            "one_booking_per_key",
            "one_booking_per_reference",
            "bookings_of_an_owner",
            "holds_by_end",
            "holds_of_an_owner",
            "guests_holds_of_a_category",
            "blocks",
            "bookings_by_guest_address",
            "guests_by_terms",
            "outboxes",
        },
        "holders": {"forgotten_later"},
        "auth_user": {"one_account_per_address"},
        "letters": {"letters_to_send", "forgotten_later"},
        "django_admin_log": {
            "newest_actions",
            "newest_actions_of_a_user",
            "newest_actions_of_a_kind",
        },
        "deliveries": {
            "deliveries_to_make",
            "deliveries_by_state",
            "deliveries_of_a_booking",
            "forgotten_later",
        },
        "failed_work": {"failed_work_of_a_queue", "forgotten_later"},
    }


def test_keeps_the_names_of_migrations() -> None:
    """Each database records the migrations that a release has run by their names."""
    folder = Path(settings.BASE_DIR, "bookings", "migrations")

    assert [path.stem for path in sorted(folder.glob("0*.py"))][:18] == [
        "0001_initial",
        "0002_booking_indexes",
        "0003_price_limit",
        "0004_holders",
        "0005_nights",
        "0006_room_blocks",
        "0007_accounts",
        "0008_outbox",
        "0009_webhook_endpoints",
        "0010_finding_guests",
        "0011_back_office",
        "0012_account_addresses",
        "0013_anonymous_holds",
        "0014_search_terms",
        "0015_desk_day",
        "0016_failed_work",
        "0017_off_sale_since",
        "0018_people",
    ]


def signed_cookie(cookie: str, content: str, *, salt: str) -> str:
    response = HttpResponse()
    response.set_signed_cookie(cookie, content, salt=salt)
    return response.cookies[cookie].value


def derive(purpose: bytes) -> bytes:
    key = settings.SECRET_KEY.encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key)
