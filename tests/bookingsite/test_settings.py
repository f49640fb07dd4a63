"""What the settings refuse when the site starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from bookingsite.beat import Scheduler
from bookingsite.celery import app

ROOT = Path(__file__).resolve().parents[2]

PRODUCTION = {
    "BOOKINGSITE_ENV": "production",
    "SECRET_KEY": "only-for-tests-0123456789-0123456789-0123456789-0123456789",
    "MONGODB_URI": "mongodb://127.0.0.1:1/",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "API_THROTTLE": "on",
    "SITE_URL": "https://bookings.example/",
    "EMAIL_HOST": "mail.example",
    "EMAIL_FROM": "bookings@bookings.example",
}


def start(*names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Reads the settings in a separate process, as every process of the site does."""
    shown = ", ".join(f"settings.{name}" for name in names or ["LOCK_REDIS_URLS"])
    return subprocess.run(
        [sys.executable, "-c", f"from bookingsite import settings; print({shown})"],
        env={**os.environ, "BOOKINGSITE_ENV": "development", "SECRET_KEY": "x", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("urls", ["", "redis://a/0,redis://b,redis://c:6379/"])
def test_takes_no_lock_servers_or_a_number_with_a_majority(urls: str) -> None:
    assert start(LOCK_REDIS_URLS=urls).stdout == f"{[url for url in urls.split(',') if url]}\n"


@pytest.mark.parametrize(
    "urls",
    [
        "redis://a/0",
        "redis://a/0,redis://b/0",
        "redis://a/0,redis://b/0,redis://c/0,redis://d/0",
        "redis://a/0,redis://b/0,redis://b/0",
    ],
)
def test_refuses_lock_servers_without_a_clear_majority(urls: str) -> None:
    said = start(LOCK_REDIS_URLS=urls).stderr

    assert "Set LOCK_REDIS_URLS to an odd number of at least 3 different servers" in said


def test_gives_out_cookies_in_production_over_tls_and_to_no_script() -> None:
    said = start(
        "SESSION_COOKIE_SECURE",
        "SESSION_COOKIE_HTTPONLY",
        "SESSION_COOKIE_SAMESITE",
        "CSRF_COOKIE_SECURE",
        "CSRF_COOKIE_SAMESITE",
        **PRODUCTION,
    )

    assert said.stdout == "True True Lax True Lax\n"


@pytest.mark.parametrize(
    ("security", "tls"),
    [("starttls", "True False"), ("tls", "False True"), ("none", "False False")],
)
def test_sends_letters_by_the_server_that_is_named(security: str, tls: str) -> None:
    said = start(
        *("EMAIL_BACKEND", "EMAIL_USE_TLS", "EMAIL_USE_SSL", "SITE_URL"),
        **PRODUCTION,
        EMAIL_SECURITY=security,
    )

    backend = "django.core.mail.backends.smtp.EmailBackend"
    assert said.stdout == f"{backend} {tls} https://bookings.example\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SITE_URL", "https://"),
        ("SITE_URL", "https://[bookings.example"),
        ("CSRF_TRUSTED_ORIGINS", "https://bookings.example,https://[bookings.example"),
        ("CSRF_TRUSTED_ORIGINS", "bookings.example"),
    ],
)
def test_refuses_an_address_of_the_site_that_every_letter_or_form_would_fail_at(
    name: str, value: str
) -> None:
    said = start(**{**PRODUCTION, name: value}).stderr.splitlines()[-1]

    assert f"Set {name} to" in said
    assert "https://bookings.example" in said


def test_takes_a_number_or_many_names_for_the_address_of_the_site() -> None:
    many = "https://*.bookings.example,https://[2001:db8::1]:8443"
    said = start("SITE_URL", SITE_URL="http://[::1]:8000", CSRF_TRUSTED_ORIGINS=many)

    assert said.stdout == "http://[::1]:8000\n", said.stderr


def test_prints_mails_in_development_unless_a_server_is_named() -> None:
    backends = [start("EMAIL_BACKEND", EMAIL_HOST=host).stdout.split(".")[-2] for host in ("", "m")]

    assert backends == ["console", "smtp"]


def test_take_what_earlier_keys_have_signed() -> None:
    said = start("SECRET_KEY_FALLBACKS", SECRET_KEY_FALLBACKS=" one,two ")

    assert said.stdout == "['one', 'two']\n"


def test_take_no_weak_earlier_key_in_production() -> None:
    said = start(**PRODUCTION, SECRET_KEY_FALLBACKS=f"{PRODUCTION['SECRET_KEY']},short").stderr

    assert "Set SECRET_KEY_FALLBACKS to earlier SECRET_KEYs, separated by commas" in said


# With a bracketed number after a comma, which not every Python's urlsplit parses.
WATCHED = "redis+sentinel://:pass@one:1,[::1]:2/bookings/3"


def test_finds_cache_and_broker_behind_the_same_sentinels() -> None:
    said = start("REDIS_URL", "CELERY_BROKER_URL", REDIS_URL=WATCHED).stdout

    assert said == f"{WATCHED} sentinel://:pass@one:1/3;sentinel://:pass@[::1]:2/3\n"


@pytest.mark.parametrize(
    "url",
    ["redis://:se#cret@h:1/0", "redis://:secret@h:abc/0", "h:6379", "redis://h:1/x"],
)
@pytest.mark.parametrize("name", ["REDIS_URL", "LOCK_REDIS_URLS"])
def test_refuses_an_address_of_redis_in_a_sentence_without_its_password(
    name: str, url: str
) -> None:
    said = start(**{name: url}).stderr

    assert f"Fix {name}: write it as redis://" in said.splitlines()[-1]
    assert "cret" not in said


def test_keeps_the_password_to_itself_where_sentinels_cannot_be_read() -> None:
    said = start(REDIS_URL="redis+sentinel://:sec/ret@one:26379/0").stderr

    assert "Fix REDIS_URL: write each Sentinel as host:port" in said.splitlines()[-1]
    assert "sec/" not in said
    assert ":sec" not in said


def test_refuses_an_address_of_sentinels_that_names_no_service() -> None:
    assert (
        "Fix REDIS_URL: write it as redis+sentinel://"
        in start(REDIS_URL="redis+sentinel://a").stderr
    )


def test_locks_on_servers_that_stand_alone() -> None:
    urls = "redis://a/0,redis://b/0,redis+sentinel://c/bookings"

    assert "servers that stand alone" in start(LOCK_REDIS_URLS=urls).stderr


def test_lets_no_address_of_mongodb_weaken_what_is_promised() -> None:
    weak = "readPreference=secondary&w=1&journal=false&retryWrites=false"
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from pymongo import MongoClient; from bookingsite.settings import DATABASES;"
            "one = DATABASES['default'];"
            "client = MongoClient(one['HOST'], connect=False, **one['OPTIONS']);"
            "written = client.write_concern.document;"
            "print(client.read_preference, written['w'], written['j'],"
            " client.options.retry_writes)",
        ],
        env={**os.environ, **PRODUCTION, "MONGODB_URI": f"mongodb://127.0.0.1:1/?{weak}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.stdout == "Primary() majority True True\n", said.stderr


HSTS = ("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({}, "31536000 False False"),
        ({"HSTS_INCLUDE_SUBDOMAINS": "yes"}, "31536000 True False"),
        ({"HSTS_INCLUDE_SUBDOMAINS": "yes", "HSTS_PRELOAD": "yes"}, "31536000 True True"),
    ],
)
def test_promises_tls_for_other_names_only_if_told_to(chosen: dict[str, str], told: str) -> None:
    assert start(*HSTS, **PRODUCTION, **chosen).stdout == f"{told}\n"


def test_refuses_a_place_in_browsers_lists_without_the_names_below() -> None:
    said = start(**PRODUCTION, HSTS_PRELOAD="yes").stderr

    assert "Set HSTS_INCLUDE_SUBDOMAINS to yes as well" in said


@pytest.mark.parametrize(
    ("proto", "proxies", "is_refused"),
    [("yes", "0", True), ("yes", "1", False), ("no", "0", False), ("no", "1", False)],
)
def test_refuses_to_deploy_with_one_limit_for_all_clients(
    proto: str, proxies: str, is_refused: bool
) -> None:
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--tag", "security"],
        env={
            **os.environ,
            **PRODUCTION,
            "TRUST_FORWARDED_PROTO": proto,
            "TRUSTED_PROXIES": proxies,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("Set TRUSTED_PROXIES to the number of proxies" in checked.stderr) == is_refused
    assert (checked.returncode != 0) == is_refused


def test_sends_no_task_with_a_time_that_another_clock_would_judge(tmp_path: Path) -> None:
    """A worker some seconds ahead of beat would do nothing."""
    asked = scheduler(tmp_path).schedule

    # Celery's own additions would be among them.
    assert asked.keys() == settings.CELERY_BEAT_SCHEDULE.keys()
    assert not any(entry.options for entry in asked.values())


def test_sends_every_task_where_workers_of_any_release_take_it(tmp_path: Path) -> None:
    routes = [
        app.amqp.router.route(entry.options, entry.task)
        for entry in scheduler(tmp_path).schedule.values()
    ]

    assert {route["queue"].name for route in routes} == {"celery"}
    assert set(app.amqp.queues.consume_from) == {"celery"}


def scheduler(folder: Path) -> Scheduler:
    """Beat's, with its schedule as it installs it."""
    return Scheduler(app=app, schedule_filename=str(folder / "schedule"))


@pytest.mark.parametrize("kind", ["off", "missing", "a file"])
def test_says_at_deployment_that_photos_cannot_be_written(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    if kind == "a file":
        folder.write_text("no folder")
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--tag", "files"],
        env={**os.environ, **PRODUCTION, "PHOTOS_FOLDER": "" if kind == "off" else str(folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    is_refused = f"Photos cannot be written into {folder}" in checked.stderr
    assert (is_refused, checked.returncode != 0) == ((kind == "a file",) * 2)
    if kind == "missing":
        assert list(folder.iterdir()) == []
