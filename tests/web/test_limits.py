"""How often forms may be sent, and what a page says after too many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from rest_framework.settings import api_settings

from bookings.api.throttling import RemoteAddressThrottle
from bookings.infrastructure import connections, throttles
from bookings.infrastructure.throttles import Limit
from bookings.web import limits
from tests.browsing import ADA, ask, booking_path, confirm_form, hold, open_page, stays_path, stored
from tests.pages import Page

pytestmark = pytest.mark.mongo

THREE = Limit("three", 3, 60)


@pytest.fixture(autouse=True)
def throttled(settings: Any) -> Iterator[None]:
    """Throttles are on, and the clock is at the beginning of a window."""
    settings.API_THROTTLE = "on"
    caches["process"].clear()
    with time_machine.travel(datetime(2026, 11, 22, 9, 0, tzinfo=UTC), tick=False):
        yield


@limits.limit_posts
def form_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


def post(address: str = "192.0.2.1", **fields: str) -> HttpResponse:
    return form_page(RequestFactory().post("/book?x=1", fields, REMOTE_ADDR=address))


def test_counts_each_name_for_itself_in_windows_of_the_clock() -> None:
    waits = [throttles.wait_s(THREE, "a") for _ in range(5)]

    assert waits == [None, None, None, 60, 60]
    assert throttles.wait_s(THREE, "b") is None
    with time_machine.travel(datetime(2026, 11, 22, 9, 1, tzinfo=UTC), tick=False):
        assert throttles.wait_s(THREE, "a") is None


def test_counts_what_is_counted_in_all_over_every_window() -> None:
    counted = [throttles.count_in_all("a", kept_s=60) for _ in range(2)]

    with time_machine.travel(datetime(2026, 11, 22, 9, 1, 30, tzinfo=UTC), tick=False):
        assert throttles.count_in_all("a", times=50, kept_s=60) == 52
    assert throttles.count_in_all("b", times=50, kept_s=60) == 50
    assert counted == [1, 2]
    (kept,) = connections.redis().keys("*:a")
    assert 0 < connections.redis().ttl(kept) <= 61


def test_counts_in_the_process_when_redis_is_down(settings: Any) -> None:
    settings.CACHES = {
        **settings.CACHES,
        "throttle": {**settings.CACHES["throttle"], "LOCATION": "redis://127.0.0.1:1/0"},
    }

    waits = [throttles.wait_s(THREE, "a") for _ in range(4)]

    assert waits == [None, None, None, 60]
    assert connections.redis().keys("*three*") == []


def test_lets_everything_through_while_it_is_off(settings: Any) -> None:
    settings.API_THROTTLE = "off"

    assert [throttles.wait_s(THREE, "a") for _ in range(5)] == [None] * 5


def test_says_how_long_to_wait_and_keeps_what_was_typed() -> None:
    statuses = [post().status_code for _ in range(limits.POSTS.number)]

    refused = post(room="room_A", name='A"<b')

    assert set(statuses) == {200}
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    page = Page(refused.content.decode())
    assert "Wait 60 seconds, then try again." in page.text
    (form,) = page.forms_to("/book?x=1")
    assert form.fields.pop("csrfmiddlewaretoken")
    assert form.fields == {"room": "room_A", "name": 'A"<b'}
    assert post("192.0.2.2").status_code == 200


def test_never_sends_a_password_back() -> None:
    for _ in range(limits.POSTS.number):
        post()

    refused = post(username="ada", new_password1="s3cret")

    html = refused.content.decode()
    assert refused.status_code == 429
    assert "s3cret" not in html
    assert Page(html).links["Back to the form"] == "/book?x=1"


@pytest.mark.parametrize(("proxies", "reached"), [(0, 200), (1, 429)])
def test_believes_only_the_trusted_proxies(settings: Any, proxies: int, reached: int) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    assert proxies == api_settings.NUM_PROXIES

    def forwarded(remote: str) -> HttpResponse:
        request = RequestFactory().post("/book", HTTP_X_FORWARDED_FOR="203.0.113.9")
        request.META["REMOTE_ADDR"] = remote
        return form_page(request)

    for _ in range(limits.POSTS.number):
        forwarded("192.0.2.1")

    # Through another proxy, but for the same client.
    assert forwarded("192.0.2.2").status_code == reached


# The IP addresses of one household or server, however they are written, and those of others.
ONE_AND_ANOTHER = [
    ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"),
    ("2001:DB8:1:2:0:0:0:1", "2001:db8:1:2::1", "2001:db8:1:1::1"),
    ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
    ("::ffff:c000:201", "192.0.2.1", "192.0.2.2"),
    ("fe80::1%eth0", "fe80::2", "2001:db8::1"),
]


@pytest.mark.parametrize(("one", "same", "other"), ONE_AND_ANOTHER)
def test_counts_a_64_as_one_address_and_a_mapped_one_as_ipv4(
    one: str, same: str, other: str
) -> None:
    for _ in range(limits.POSTS.number):
        post(one)

    assert post(same).status_code == 429
    assert post(other).status_code == 200


@pytest.mark.parametrize(("one", "same", "other"), ONE_AND_ANOTHER)
def test_counts_the_addresses_of_the_api_alike(
    monkeypatch: pytest.MonkeyPatch, one: str, same: str, other: str
) -> None:
    monkeypatch.setattr(RemoteAddressThrottle, "rate", "2/minute", raising=False)
    statuses = [
        Client(REMOTE_ADDR=address).get("/api/bookings").status_code
        for address in (one, one, same, other)
    ]

    assert statuses == [401, 401, 429, 401]


@pytest.mark.parametrize(
    ("forwarded", "counted"),
    [
        ("198.51.100.9, 2001:db8:1:2::1", "2001:db8:1:2::/64"),
        # Some proxies write the port as well.
        ("[2001:db8:1:2::1]:4711", "2001:db8:1:2::/64"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[::ffff:192.0.2.1]", "192.0.2.1"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_counts_what_a_proxy_says_alike(settings: Any, forwarded: str, counted: str) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded)

    assert throttles.remote_address_of(request) == counted


def test_limits_holds_of_an_address_however_many_guests_it_is() -> None:
    """Each without a cookie, and so a new guest with no holds yet."""
    form = open_page(Client(), stays_path()).hold_form("demo_double")
    over = limits.HOLDS.number

    tried = [Client().post("/hold", {**form.fields, "rooms": "x"}) for _ in range(over)]
    refused = Client().post("/hold", form.fields)
    told = ask(Client(), form)

    assert {response.status_code for response in tried} == {302}
    assert refused.status_code == told.status_code == 429
    assert Page(refused.content.decode()).form_to("/hold").fields["key"] == form.fields["key"]
    assert told.json()["code"] == "THROTTLED"
    assert int(told["Retry-After"]) <= limits.HOLDS.window_s
    assert stored() == []


@pytest.mark.parametrize("action", ["confirm", "extend", "cancel"])
def test_limits_every_form_of_a_booking(action: str) -> None:
    browser = Client()
    page = hold(browser)
    path = booking_path(stored()[0])
    for _ in range(limits.POSTS.number):
        browser.post("/bookings/1/cancel")

    response = browser.post(f"{path}/{action}", {**confirm_form(page).fields, **ADA})

    assert response.status_code == 429
    assert Page(response.content.decode()).form_to(f"{path}/{action}").fields["name"] == "Ada"
    assert [change["event"] for change in stored()[0]["history"]] == ["created"]
