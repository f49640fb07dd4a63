"""Names that earlier releases have written somewhere stay, wherever the code that uses them moves.

A salt is part of every link and cookie in use, a digest or a sealed secret is stored, and a task
waits in a queue under its name. So the tests sign each under its name, letter by letter, and the
code opens it. A name here is never changed, only added.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from datetime import date
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils.crypto import salted_hmac
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from bookings import points, tasks
from bookings.admin import second_factor as admin_second_factor
from bookings.content.brand import snippets
from bookings.domain.callers import Caller
from bookings.indexes import indexes_by_collection
from bookings.infrastructure import connections, embedding, metrics, seals
from bookings.models import ApiClient
from bookings.operations import sweep
from bookings.people import account_letters, second_factor, tokens
from bookings.stays import hold_limits, manage_links
from bookings.web import how_it_works, intents, limits, visitors
from tests.calls import book
from tests.conftest import night

GUEST = Caller("guest", "0123456789abcdef")

# How limits and cookies write the name of an account, or the address of a mailbox.
ADA = salted_hmac("bookings.web.limits", b"ada", algorithm="sha256").hexdigest()[:32]


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
    run = how_it_works.LiveRun(name="demo-1", room="room_A", night="2030-01-01")
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
    assert known.startswith(f"{ADA}:")


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
        "bookings.convert_photos",
        "bookings.expire_holds",
        "bookings.generate_nights",
        "bookings.note_disabled_webhooks",
        "bookings.pass_on_news",
        "bookings.keep_retention_rules",
        "bookings.remind_of_arrivals",
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
        "bookings.HotelContent": "hotel_contents",
        "bookings.CategoryContent": "category_contents",
        "bookings.RoomCategory": "room_categories",
        "bookings.Room": "rooms",
        "bookings.Night": "nights",
        "bookings.NightsJob": "nights_jobs",
        "bookings.PriceCalendar": "bookings_pricecalendar",
        "bookings.NightsFile": "bookings_nightsfile",
        "bookings.Photo": "photos",
        "bookings.Brand": "brands",
        "bookings.Figures": "bookings_figures",
        "bookings.VerifiedAddress": "verified_addresses",
        "bookings.ApiClient": "api_clients",
        "bookings.ApiToken": "api_tokens",
        "bookings.StaffHotels": "staff_hotels",
        "bookings.SessionStamp": "session_stamps",
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
            "bookings_of_an_owner_by_user",
            "bookings_of_an_owner_by_room",
            "bookings_of_an_owner_by_slot",
            "bookings_of_an_owner_by_status",
            "changes_of_a_partner",
            "released_nights_of_an_owner",
            "holds_by_end",
            "holds_of_an_owner",
            "guests_holds_of_a_category",
            "blocks",
            "bookings_by_guest_address",
            "guests_by_terms",
            "outboxes",
        },
        "holders": {"forgotten_later"},
        "auth_user": {"one_account_per_address", "accounts_by_name", "accounts_of_staff"},
        "django_session": {"sessions_by_key"},
        "letters": {"letters_to_send", "forgotten_later"},
        "django_admin_log": {
            "newest_actions",
            "newest_actions_of_a_user",
            "newest_actions_of_a_kind",
            "newest_actions_on_an_object",
        },
        "deliveries": {
            "deliveries_to_make",
            "deliveries_by_state",
            "newest_deliveries_of_a_partner",
            "deliveries_of_a_booking",
            "forgotten_later",
        },
        "failed_work": {"failed_work_of_a_queue", "forgotten_later"},
        "rooms": {"one_room_per_name"},
        "guest_links": {"links_of_a_booking"},
        "night_changes": {"newest_changes_of_a_person", "forgotten_later"},
    }


def test_keeps_what_other_websites_have_in_their_pages() -> None:
    """Hotels paste these into their own pages (docs/book-now.md, docs/embedding.md)."""
    static = Path(settings.BASE_DIR, "static")
    scripts = [(static / name).read_text() for name in ("embed.js", "embedded.js")]

    assert snippets.book_now_url("demo") == f"{settings.SITE_URL}/book/demo"
    assert embedding.inside("book_now", "demo") == "/embedded/book/demo"
    assert snippets.EMBED_SCRIPT == "/static/embed.js"
    # A page of one release may have the script of another around it.
    for script in scripts:
        assert {"bookingsite:hello", "bookingsite:height"} == set(
            re.findall(r"bookingsite:[a-z]+", script)
        )


def test_keeps_the_names_of_migrations() -> None:
    """Each database records the migrations that a release has run by their names."""
    folder = Path(settings.BASE_DIR, "bookings", "migrations")

    assert [path.stem for path in sorted(folder.glob("0*.py"))][:35] == [
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
        "0019_help_texts",
        "0020_partners_lists",
        "0021_missing_indexes",
        "0022_content",
        "0023_photos",
        "0024_brand",
        "0025_room_names",
        "0026_reminders",
        "0027_changes_of_a_partner",
        "0028_what_tokens_may",
        "0029_category_names",
        "0030_staff_hotels",
        "0031_team",
        "0032_remarks",
        "0033_undoing_prices",
        "0034_guests",
        "0035_agreed_prices",
    ]


# --- What other releases find in Redis, in sessions and in Prometheus -----------------------


def names_in_redis() -> set[str]:
    """The names of all entries, with # in place of the number of a window."""
    found = connections.redis().keys()
    return {re.sub(r":[0-9]{5,}$", ":#", name.decode()) for name in found}


@pytest.mark.mongo
def test_claims_and_locks_by_the_names_that_other_releases_look_for() -> None:
    """While one release replaces another, both must see each other's claims and locks."""
    told = b'["client:partner","create","","key"]'
    claim = f"idempotency:{hashlib.sha256(told).hexdigest()}"
    found: list[set[str]] = []
    points.install(lambda point: found.append(names_in_redis()) if point == "after_lock" else None)

    try:
        book("key")
    finally:
        points.install(None)

    assert found == [{claim, f"lock:demo|{night()}|room_A"}]
    assert names_in_redis() == {claim}


@pytest.mark.mongo
def test_counts_by_the_names_that_other_releases_count_by(settings: Settings) -> None:
    settings.API_THROTTLE = "on"
    request = RequestFactory().post("/", REMOTE_ADDR="192.0.2.1")
    known = RequestFactory().post("/", REMOTE_ADDR="192.0.2.1")
    known.COOKIES["known"] = signed_cookie("known", f"{ADA}:b", salt="bookings.web.limits")
    run = how_it_works.LiveRun(name="demo-1", room="room_A", night="2030-01-01")
    partner = ApiClient.objects.create(name="partner")
    token = tokens.issue_token(partner.pk)

    limits.limit_posts(lambda request: HttpResponse())(request)
    limits.limit_holds(lambda request: HttpResponse())(request)
    limits.login_wait_s(request, lambda: "ada")
    limits.login_wait_s(known, lambda: "ada")
    limits.letter_wait_s(request, "reset", "ada")
    how_it_works._begin(request)
    how_it_works._count_requests(run, 1)
    how_it_works._end(request, run)
    second_factor._count_guess(7)
    Client().get("/api/bookings", headers={"Authorization": f"Bearer {token}"})
    caches["default"].set("any", 1)

    assert names_in_redis() == {
        "cache:1:any",
        "throttle:1:posts:192.0.2.1:#",
        "throttle:1:holds:192.0.2.1:#",
        "throttle:1:login-address:192.0.2.1:#",
        f"throttle:1:login-account:{ADA}:#",
        f"throttle:1:login-browser:{ADA}:b:#",
        "throttle:1:letters-address:192.0.2.1:#",
        f"throttle:1:letters-mailbox:reset:{ADA}:#",
        "throttle:1:demo-runs:192.0.2.1:#",
        "throttle:1:demo-requests:demo-1",
        "throttle:1:demo-ends:demo-1",
        "throttle:1:second-factor:7:#",
        "throttle:1:address:127.0.0.1:#",
        f"throttle:1:caller:client:{partner.pk}:#",
        "generation",
    }


@pytest.mark.mongo
def test_keeps_the_names_in_sessions() -> None:
    """A session lasts two weeks, so it is read by the next release."""
    request = RequestFactory().get("/")
    request.session = SessionStore()
    request.user = User.objects.create_user("ada")
    intent = intents.Intent(
        "demo", "demo_double", date(2030, 1, 1), date(2030, 1, 2), guests=2, rooms=1
    )
    wishes = intents.IntentKeys(request.session, GUEST, None)

    user_logged_in.send(User, request=request, user=request.user)
    visitors.join_guest(request)
    visitors.let_manage(request, "6650")
    visitors.confirm_mailbox(request, "ada@example.org")
    visitors.keep_typed(request, {"name": "Ada"})
    wishes.settle(intent, wishes.current(intent))
    admin_second_factor._begun(request)
    admin_second_factor._remember(request, "device")
    request.session.save()

    kept = Session.objects.get(pk=request.session.session_key).get_decoded()
    mailbox = salted_hmac("bookings.hold_limits", "mailbox:ada@example.org", algorithm="sha256")
    assert set(kept) == {
        "booking_nonces",
        "confirmed_mailbox",
        "guest_until",
        "logged_in_at",
        "managed_bookings",
        "second_factor",
        "second_factor_begun",
        "typed_guest",
    }
    assert kept["confirmed_mailbox"][0] == mailbox.hexdigest()[:32]
    assert kept["managed_bookings"] == ["6650"]
    assert kept["second_factor"] == "device"


def test_knows_a_form_that_an_earlier_release_showed() -> None:
    """A form of the admin has a digest of what it showed, and may be sent after an upgrade."""
    shown = json.dumps(["auth.Group", "None", {"name": "", "permissions": []}])
    form_of = admin.site.get_model_admin(Group)
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)

    digest = form_of._digest_of(request, Group())  # type: ignore[attr-defined]

    made = salted_hmac("bookingsite.admin_site", shown, algorithm="sha256")
    assert digest == made.hexdigest()


@pytest.mark.mongo
def test_keeps_the_names_and_labels_of_metrics() -> None:
    """Dashboards and alerts of operators ask for them."""
    book()
    sweep.expire_holds()
    metrics.note_breaker("redis", is_open=False)
    Client().get("/metrics")
    text = Client().get("/metrics").content.decode()

    found = {
        family.name: {name for sample in family.samples for name in sample.labels} - {"le"}
        for family in text_string_to_metric_families(text)
    }

    assert {name: " ".join(sorted(labels)) for name, labels in found.items()} == {
        "bookingsite_build_info": "version",
        "bookingsite_claims": "operation result",
        "bookingsite_conflicts": "cause",
        "bookingsite_dead_holds": "",
        "bookingsite_dead_holds_oldest_seconds": "",
        "bookingsite_deliveries": "channel result",
        "bookingsite_deliveries_oldest_due_seconds": "channel",
        "bookingsite_deliveries_waiting": "channel",
        "bookingsite_expiry_expired": "",
        "bookingsite_expiry_found": "",
        "bookingsite_expiry_last_run_age_seconds": "started_by",
        "bookingsite_expiry_last_run_oldest_seconds": "",
        "bookingsite_expiry_late_after_seconds": "",
        "bookingsite_expiry_races_lost": "",
        "bookingsite_failed_work": "queue",
        "bookingsite_holds_refused": "limit",
        "bookingsite_http_request_duration_seconds": "route",
        "bookingsite_http_requests": "method route status",
        "bookingsite_letters": "result",
        "bookingsite_letters_oldest_due_seconds": "",
        "bookingsite_letters_oldest_waiting_seconds": "",
        "bookingsite_letters_waiting": "",
        "bookingsite_locks": "result",
        "bookingsite_mongodb_disk_free_bytes": "",
        "bookingsite_mongodb_disk_size_bytes": "",
        "bookingsite_mongodb_errors": "kind",
        "bookingsite_mongodb_members": "state",
        "bookingsite_mongodb_up": "",
        "bookingsite_nights_jobs_oldest_seconds": "",
        "bookingsite_nights_jobs_open": "",
        "bookingsite_outbox_oldest_due_seconds": "",
        "bookingsite_outcomes": "code operation replayed",
        "bookingsite_photos_failed": "",
        "bookingsite_photos_oldest_waiting_seconds": "",
        "bookingsite_photos_waiting": "",
        "bookingsite_processes": "",
        "bookingsite_redis_breaker_open_processes": "server",
        "bookingsite_redis_breaker_opened": "server",
        "bookingsite_recent_reads": "result what",
        "bookingsite_step_duration_seconds": "operation step",
        "bookingsite_transaction_retries": "",
        "bookingsite_webhook_endpoints_disabled": "",
        "bookingsite_webhook_endpoints_failing": "",
        "bookingsite_worker_clock_skew_seconds": "",
    }


def signed_cookie(cookie: str, content: str, *, salt: str) -> str:
    response = HttpResponse()
    response.set_signed_cookie(cookie, content, salt=salt)
    return response.cookies[cookie].value


def derive(purpose: bytes) -> bytes:
    key = settings.SECRET_KEY.encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key)
