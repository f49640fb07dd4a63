"""Who may do what: tokens, sessions, rights, throttles; and what a log line never says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command

from bookings.infrastructure import connections
from local.servers import Server
from tests.conftest import night
from tests.site import Site
from tests.site_fixtures import Starter, issue_token, make_user
from tests.stays.test_redis_lost import until_healthy

pytestmark = pytest.mark.site

WISH: dict[str, Any] = {"resourceId": "room_A", "date": night()}


def log_in(user: User) -> dict[str, str]:
    """Returns the headers of a browser in which the user is logged in, CSRF token included."""
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.create()
    csrf = "a" * 32
    return {
        "Cookie": f"sessionid={session.session_key}; csrftoken={csrf}",
        "X-CSRFToken": csrf,
    }


def test_keeps_only_the_digest_of_a_token(site: Site) -> None:
    stored = list(connections.database()["api_tokens"].find({}))

    assert len(stored) == 1
    assert site.token not in json.dumps(stored, default=str)
    assert stored[0]["hint"] == site.token[-4:]


def test_refuses_a_revoked_token_at_once(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.get("/api/bookings").status_code == 200

    call_command("issue_token", "partner", "--revoke")

    assert site.get("/api/bookings").json()["code"] == "NOT_AUTHENTICATED"


def test_gives_a_partner_with_a_second_token_the_same_bookings(site: Site) -> None:
    made = site.book("key", **WISH)
    second_token = issue_token("partner")

    again = site.book("key", token=second_token, **WISH)

    assert again.content == made.content


def test_lets_only_a_partner_with_the_right_name_its_guests(site: Site) -> None:
    plain = issue_token("plain partner", act_for_others=False)

    refused = site.book("key", token=plain, **WISH, userId="ada")
    for_itself = site.book("key", token=plain, **WISH)

    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    assert for_itself.status_code == 201


def test_lets_a_customer_book_for_nobody_else(site: Site) -> None:
    headers = log_in(make_user("ada"))
    other = make_user("bob")

    refused = site.request(
        "POST", "/api/bookings", json_body={**WISH, "userId": str(other.pk)},
        token="", headers=headers,
    )  # fmt: skip
    made = site.request("POST", "/api/bookings", json_body=WISH, token="", headers=headers)
    seen = site.get("/api/bookings", token="", headers=headers).json()["bookings"]

    assert refused.json()["code"] == "PERMISSION_DENIED"
    assert made.status_code == 201
    assert [booking["id"] for booking in seen] == [made.json()["booking"]["id"]]


def test_shows_a_customer_only_their_own_bookings(site: Site) -> None:
    ada, bob = log_in(make_user("ada")), log_in(make_user("bob"))
    made = site.request("POST", "/api/bookings", json_body=WISH, token="", headers=ada).json()

    path = f"/api/bookings/{made['booking']['id']}"

    assert site.get(path, token="", headers=ada).status_code == 200
    assert site.get(path, token="", headers=bob).status_code == 404
    assert site.get(path).status_code == 404
    assert site.get("/api/bookings", token="", headers=bob).json()["bookings"] == []


def test_asks_a_session_for_its_csrf_token(site: Site) -> None:
    headers = log_in(make_user("ada"))
    del headers["X-CSRFToken"]

    answer = site.request("POST", "/api/bookings", json_body=WISH, token="", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")


def test_throttles_each_caller_and_says_how_long_to_wait(start: Starter) -> None:
    site = start(API_THROTTLE="on", API_RATE_PER_CALLER="5/minute")
    other = issue_token("other partner")

    statuses = [site.get("/api/bookings").status_code for _ in range(7)]
    refused = site.get("/api/bookings")

    assert statuses == [200] * 5 + [429] * 2
    assert refused.json()["code"] == "THROTTLED"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert site.get("/api/bookings", token=other).status_code == 200
    assert site.get("/api/health").status_code == 200


def test_throttles_an_address_whoever_asks(start: Starter) -> None:
    site = start(API_THROTTLE="on", API_RATE_PER_ADDRESS="5/minute")

    statuses = [site.get("/api/bookings").status_code for _ in range(3)]
    statuses += [
        site.get("/api/bookings", token=issue_token("other")).status_code for _ in range(3)
    ]

    assert statuses == [200] * 5 + [429]


def test_throttles_in_the_process_while_redis_is_down(start: Starter, own_redis: Server) -> None:
    # By the day, so that no window ends in the middle.
    site = start(API_THROTTLE="on", API_RATE_PER_CALLER="5/day", REDIS_URL=own_redis.uri)
    own_redis.kill()

    statuses = [site.get("/api/bookings").status_code for _ in range(20)]

    # Two processes count separately, so between five and ten get through.
    assert 5 <= statuses.count(200) <= 10
    assert set(statuses) == {200, 429}


def test_stays_logged_in_when_redis_is_lost(start: Starter, own_redis: Server) -> None:
    site = start(REDIS_URL=own_redis.uri)
    headers = log_in(make_user("ada"))
    assert site.get("/api/bookings", token="", headers=headers).status_code == 200

    own_redis.kill()

    assert site.get("/api/bookings", token="", headers=headers).status_code == 200


@pytest.mark.slow
def test_stays_logged_out_when_redis_comes_back(start: Starter, own_redis: Server) -> None:
    site = start(REDIS_URL=own_redis.uri)
    headers = log_in(make_user("ada"))
    assert site.get("/api/bookings", token="", headers=headers).status_code == 200
    own_redis.freeze()
    site.post("/logout", token="", headers=headers)
    own_redis.thaw()

    until_healthy(site, "/api/health-redis")

    assert site.get("/api/bookings", token="", headers=headers).status_code == 401


def test_writes_json_logs_without_tokens_names_or_addresses(start: Starter) -> None:
    site = start()
    private = {
        "name": "Zebulon Quastel",
        "email": "zebulon@quastel.example",
        "phone": "+49 171 5550199",
    }
    made = site.book("log-key", **WISH, userId="zebulon-id", guest=private, notes="allergic to z")
    site.book("log-key-2", **WISH, guest=private)
    site.get("/api/bookings?userId=zebulon-id")
    site.request("GET", "/nowhere?email=zebulon@quastel.example")

    lines = site.log_path.read_text().splitlines()
    assert [line for line in lines if not line.startswith("{")] == []
    entries = [json.loads(line) for line in lines]

    text = "\n".join(lines)
    for secret in (site.token, *private.values(), "zebulon", "allergic", "127.0.0.1, "):
        assert secret not in text
    request_id = made.headers["X-Request-ID"]
    mine = [entry for entry in entries if entry.get("request_id") == request_id]
    assert [(entry["event"], entry["status"]) for entry in mine] == [("request", 201)]
    assert mine[0]["route"] == "api/bookings"


def test_takes_a_plain_request_id_and_replaces_any_other(site: Site) -> None:
    plain = site.get("/api/health", headers={"X-Request-ID": "from-the-proxy.1"})
    odd = site.get("/api/health", headers={"X-Request-ID": 'a" forged="yes'})

    assert plain.headers["X-Request-ID"] == "from-the-proxy.1"
    assert len(odd.headers["X-Request-ID"]) == 32
