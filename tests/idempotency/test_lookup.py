"""Looking a key up and purging it: `manage.py idempotency`, and the same page in the admin."""

from __future__ import annotations

import json
import os
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command, load_command_class
from django.test import Client
from django.urls import reverse
from django_redis import get_redis_connection
from pytest_django import Settings

from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import ApiClient
from bookings.people.caller_names import read_caller
from bookings.people.tokens import find_caller
from bookings.stays import create, lifecycle
from bookings.stays.create import Outcome
from idempotency.claims import Claims, Record
from idempotency.django.lookup import FoundKey
from idempotency.keys import digest_of
from local.servers import free_port
from locks.connection import GuardedRedis, connect
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("database")]

# The client named "partner", and another.
PARTNER = Caller("client", "65cdd1a0f1d2c3b4a5968778")
OTHER = "client:65cdd1a0f1d2c3b4a5968779"


@pytest.fixture(autouse=True)
def clients(database: None) -> None:
    for caller, name in ((str(PARTNER), "partner"), (OTHER, "other")):
        ApiClient.objects.create(pk=caller.removeprefix("client:"), name=name)


def book(
    key: str, *, caller: Caller = PARTNER, room: str = "room_A", hold: bool = False
) -> Outcome:
    payload = {"resourceId": room, "date": night(), "hold": hold}
    return create.create_booking(
        caller=caller, key_header=key, read_payload=lambda: payload, deadline=Deadline.after(10)
    )


def digest(key: str, operation: str = "create", target: str = "") -> str:
    return digest_of(caller=str(PARTNER), operation=operation, target=target, key=key)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("idempotency", *arguments, stdout=out)
    return out.getvalue()


def show(key: str, *arguments: str) -> str:
    return run("show", key, "--caller", str(PARTNER), *arguments)


@pytest.fixture
def dead_redis(settings: Settings) -> None:
    """The site's settings with the address of a missing Redis."""
    cache = {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}
    settings.CACHES = {**settings.CACHES, "default": cache}


def test_asks_the_same_guarded_redis_as_the_flow() -> None:
    client = get_redis_connection()

    assert isinstance(client, GuardedRedis)
    assert client.connection_pool.connection_kwargs["socket_timeout"] == 0.25
    ours, theirs = (
        each.connection_pool.connection_kwargs for each in (client, connections.redis())
    )
    assert all(ours[name] == theirs[name] for name in ("host", "port", "db"))


def test_shows_a_success_with_its_booking() -> None:
    made = book("k1")

    shown = show("k1")

    booking = made.content["booking"]
    assert f"Digest: {digest('k1')}\n" in shown
    assert "Completed with a success, which Redis forgets in 24 hours." in shown
    assert f"Stored in bookings.bookingrecord {booking['id']}: " in shown
    assert f"{booking['reference']}, room_A, {booking['checkIn']} to " in shown
    assert "Answer: 201 application/json\n" in shown
    assert json.loads(shown[shown.index("{") :]) == made.content
    assert '\n  "success": true,\n' in shown, "indented for reading"


def test_shows_by_the_digest_too() -> None:
    book("k1")

    assert run("show", digest("k1")) == show("k1")
    assert show('"k1"') == show("k1"), "the key as the header may carry it"


def test_shows_a_success_that_redis_forgot() -> None:
    made = book("k1")
    connections.redis().flushdb()

    shown = show("k1")

    assert "Redis has no record of this key.\n" in shown
    assert made.content["booking"]["reference"] in shown
    assert json.loads(shown[shown.index("{") :]) == made.content


def test_shows_a_refusal() -> None:
    book("k1")
    refused = book("k2")

    shown = show("k2")

    assert "Completed with a refusal, which Redis forgets in 24 hours." in shown
    assert "Nothing is stored under this key.\n" in shown
    assert "Answer: 409 application/problem+json\n" in shown
    assert json.loads(shown[shown.index("{") :]) == refused.content


def test_shows_a_key_that_is_being_worked_on() -> None:
    from idempotency.django.lookup import claims

    with claims().claim(digest("k1"), recover=lambda _: None):
        shown = show("k1")

    assert "A request with this key is in progress; its lease ends in 30 seconds.\n" in shown
    assert "Answer" not in shown


@pytest.mark.parametrize(
    ("left_ms", "said"),
    [
        (400, "0 seconds"),
        (1_000, "1 second"),
        (119_000, "119 seconds"),
        (120_000, "2 minutes"),
        (7_199_000, "120 minutes"),
        (86_399_000, "24 hours"),
    ],
)
def test_says_how_long_redis_remembers_in_a_unit_that_people_grasp(left_ms: int, said: str) -> None:
    record = Record("completed", "success", left_ms, answer=None)

    state = FoundKey("digest", record, effect=None, redis_answers=True).state

    assert state == f"Completed with a success, which Redis forgets in {said}."


def test_shows_a_change_by_the_booking_it_was_made_to() -> None:
    made = book("k1", hold=True)
    booking_id = made.content["booking"]["id"]
    confirmed = lifecycle.confirm_booking(
        actor=PARTNER, booking_id=booking_id, key_header="k1", deadline=Deadline.after(10)
    )
    connections.redis().flushdb()

    shown = show("k1", "--operation", "confirm", "--target", booking_id)

    assert f"Digest: {digest('k1', 'confirm', booking_id)}\n" in shown
    assert f"bookings.bookingrecord {booking_id}: " in shown
    assert json.loads(shown[shown.index("{") :]) == confirmed.content


@pytest.mark.parametrize("caller", ["client:partner", str(PARTNER)])
def test_shows_a_clients_key_by_its_name_and_by_its_id(caller: str) -> None:
    made = book("k1")

    shown = run("show", "k1", "--caller", caller)

    assert made.content["booking"]["reference"] in shown


def test_shows_a_users_key_by_their_name_and_by_their_id() -> None:
    user = User.objects.create_user("ada@example.org")
    made = book("k1", caller=Caller("user", str(user.pk)))

    for caller in ("user:ada@example.org", f"user:{user.pk}"):
        assert made.content["booking"]["reference"] in run("show", "k1", "--caller", caller)


def test_shows_a_guests_key_by_the_id_of_their_browser() -> None:
    guest = Caller("guest", "0123456789abcdef" * 2)
    made = book("k1", caller=guest)

    assert made.content["booking"]["reference"] in run("show", "k1", "--caller", str(guest))


def test_takes_a_name_that_looks_like_an_id_for_an_id_first() -> None:
    ApiClient.objects.create(name=PARTNER.id)
    only_a_name = ApiClient.objects.create(name="f" * 24)

    assert read_caller(f"client:{PARTNER.id}") == str(PARTNER)
    assert read_caller(f"client:{'f' * 24}") == f"client:{only_a_name.pk}"


@pytest.mark.parametrize(
    "caller",
    [
        "client:unknown",
        "client:0123456789abcdef01234567",
        "client:",
        "user:unknown",
        "user:partner",
        "guest:ada",
        "partner",
        ":partner",
        "staff:partner",
    ],
)
@pytest.mark.parametrize("action", ["show", "purge"])
def test_says_that_there_is_no_such_caller(action: str, caller: str) -> None:
    book("k1")

    with pytest.raises(
        CommandError, match="^There is no caller .*; write client:NAME.*\\.$"
    ) as said:
        run(action, "k1", "--caller", caller)

    assert said.value.returncode == 1


def test_tells_a_new_clients_id_beside_its_token() -> None:
    out = StringIO()

    call_command("issue_token", "Acme", stdout=out)

    client = ApiClient.objects.get(name="Acme")
    *before, token = out.getvalue().splitlines()
    assert f"client:{client.pk}" in "".join(before)
    assert find_caller(token) == Caller("client", str(client.pk))


def test_shows_nothing_of_another_callers_key() -> None:
    book("k1")

    shown = run("show", "k1", "--caller", OTHER)

    assert "Redis has no record of this key.\n" in shown
    assert "Nothing is stored under this key.\n" in shown


@pytest.mark.parametrize("arguments", [("k1",), ("z" * 64,), ("a b", "--caller", "client:x")])
def test_says_what_is_wrong_with_the_key(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"^(Name the caller|Send one Idempotency-Key) .*\.$"):
        run("show", *arguments)


@pytest.mark.usefixtures("dead_redis")
def test_shows_what_is_written_down_while_redis_is_down() -> None:
    made = book("k1")

    shown = show("k1")

    assert "Redis does not answer, so what it remembers is unknown.\n" in shown
    assert made.content["booking"]["reference"] in shown


def test_purges_what_redis_remembers_and_no_success() -> None:
    made = book("k1")
    book("k2")
    book("k3")
    connections.redis().set("other", "stays")

    said = run("purge", "k1", "k2", "never-used", "--caller", str(PARTNER))

    assert said.startswith("Redis forgot 2 of its records. Successes stay final where a durable")
    assert "If only Redis kept an answer, its effect may happen again." in said
    assert "Redis has no record" in show("k1")
    assert "Redis has no record" in show("k2")
    assert "Completed with a refusal" in show("k3")
    assert book("k1").answer == made.answer
    assert connections.redis().get("other") == b"stays"


def test_purges_everything() -> None:
    for number in range(3):
        book(f"k{number}")

    assert run("purge", "--all").startswith("Redis forgot 3 of its records.")

    assert connections.redis().keys("idempotency:*") == []


@pytest.mark.parametrize("arguments", [(), ("0" * 64, "--all")])
def test_purges_either_some_or_all(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="^Name the keys to purge, or pass --all.$"):
        run("purge", *arguments)


@pytest.mark.usefixtures("dead_redis")
def test_says_what_to_do_when_nothing_can_be_purged() -> None:
    with pytest.raises(CommandError, match="^Start Redis; it does not answer.$"):
        run("purge", "--all")


# --- In the admin -----------------------------------------------------------------------------

URL = "/admin/idempotency/idempotencykey/"


def log_in(*, is_staff: bool = True, may_view: bool = True) -> Client:
    user = User.objects.create_user("staff", password="secret", is_staff=is_staff)
    if may_view:
        user.user_permissions.add(
            Permission.objects.get(
                content_type__app_label="idempotency", codename="view_idempotencykey"
            )
        )
    client = Client()
    client.force_login(user)
    return client


def look_up(client: Client, **fields: str) -> Any:
    response = client.get(URL, fields)
    assert response.status_code == 200
    return response


def test_is_listed_for_staff_with_the_right() -> None:
    staff = log_in()

    assert URL in staff.get("/admin/").content.decode()
    page = staff.get(URL).content.decode()
    assert "<h1>Look up an idempotency key</h1>" in page
    assert f"{URL}add/" not in page


def test_is_hidden_from_staff_without_the_right() -> None:
    client = log_in(may_view=False)

    assert URL not in client.get("/admin/").content.decode()
    assert client.get(URL, {"key": "k1"}).status_code == 403


def test_sends_customers_to_the_login() -> None:
    response = log_in(is_staff=False).get(URL)

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_finds_a_booking_by_its_key() -> None:
    made = book("k1")

    response = look_up(log_in(), key="k1", caller=str(PARTNER), operation="create")

    assert response.context["finding"].effect.pk == made.content["booking"]["id"]
    page = response.content.decode()
    assert digest("k1") in page
    assert "Completed with a success" in page
    assert made.content["booking"]["reference"] in page
    assert "&quot;success&quot;: true" in page


def test_finds_a_refusal_by_its_digest() -> None:
    book("k1")
    book("k2")

    page = look_up(log_in(), key=digest("k2")).content.decode()

    assert "Completed with a refusal" in page
    assert "Nothing is stored under this key." in page
    assert "ALREADY_BOOKED" in page


# --- In a project that sets none of its settings ----------------------------------------------


@pytest.fixture
def bare(settings: Settings) -> None:
    for name in ("FIND_EFFECT", "READ_CALLER", "DEFAULT_OPERATION", "HELP"):
        delattr(settings, f"IDEMPOTENCY_{name}")


OTHER_CLAIMS = Claims(connect(os.environ["REDIS_URL"]), prefix="shop:")


@pytest.mark.usefixtures("bare")
def test_looks_at_redis_alone_without_settings() -> None:
    digest = digest_of(caller="till 4", operation="issue", target="", key="k1")
    shown = ("show", "k1", "--caller", "till 4", "--operation", "issue")
    with Claims(connections.redis()).claim(digest, recover=lambda _: None):
        said = run(*shown)

    assert f"Digest: {digest}\nA request with this key is in progress" in said
    assert "Only Redis was asked" in said
    assert "Nothing is stored" not in said
    assert "Redis has no record" in run("show", digest)


@pytest.mark.usefixtures("bare")
def test_asks_for_the_operation_if_there_is_no_default() -> None:
    with pytest.raises(CommandError, match=r"^Name the operation of this key, too"):
        run("show", "k1", "--caller", "till 4")


@pytest.mark.usefixtures("bare")
def test_speaks_of_no_bookings_elsewhere() -> None:
    client = log_in()
    page = look_up(client, key="d" * 64).content.decode().split("content-main")[1]
    printed = load_command_class("idempotency.django", "idempotency").create_parser("manage.py", "")
    helps = [page, *(each.format_help() for each in printed._actions[-1].choices.values())]

    for text in helps:
        assert "booking" not in text
        assert "client:NAME" not in text
    assert "Only Redis was asked" in page


def test_asks_the_claims_that_a_setting_names(settings: Settings) -> None:
    settings.IDEMPOTENCY_CLAIMS = f"{__name__}.OTHER_CLAIMS"

    with OTHER_CLAIMS.claim("e" * 64, recover=lambda _: None):
        said = run("show", "e" * 64)

    assert "A request with this key is in progress" in said


def test_says_on_the_page_what_is_wrong_with_the_key() -> None:
    client = log_in()

    assert "Name the caller of this key" in look_up(client, key="k1").content.decode()
    assert "This field is required." in look_up(client, caller="client:x").content.decode()
    unknown = look_up(client, key="k1", caller="client:unknown").content.decode()
    assert "There is no caller &#x27;client:unknown&#x27;; write" in unknown
    assert "<h2>" not in look_up(client).content.decode().split("content-main")[1]


def test_shows_what_somebody_sent_as_text() -> None:
    page = look_up(log_in(), key="<script>alert(1)</script>", caller="client:x").content.decode()

    assert "<script>alert" not in page


def test_links_what_the_admin_shows() -> None:
    from idempotency.django.admin import _admin_url
    from idempotency.django.lookup import Effect

    assert _admin_url(Effect("staff", "auth.user", "0" * 24, None)) == reverse(
        "admin:auth_user_change", args=["0" * 24]
    )
    assert _admin_url(Effect("nowhere", "no.such", "1", None)) == ""
    assert _admin_url(None) == ""
