"""Staff give partners endpoints, see their deliveries, test them, and renew their secrets."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from bookings.infrastructure.connections import collection
from bookings.models import ApiClient, WebhookEndpoint
from bookings.news.webhooks import endpoints, sending
from tests.news.partners import Partner, accepts, fail_often, let_time_pass
from tests.receivers import Receiver, receiving

pytestmark = pytest.mark.mongo

LIST = "/admin/bookings/webhookendpoint/"


@pytest.fixture(autouse=True)
def inside(settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_ADDRESSES = True


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def partner(receiver: Receiver) -> Partner:
    return Partner("partner", receiver.url)


def page_of(partner: Partner, name: str = "change") -> str:
    return f"{LIST}{partner.id}/{name}/"


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode()).replace("\xa0", " ")


def secret_on(response: Any) -> str:
    (secret,) = re.findall(r'<code id="secret">(whsec_\S+)</code>', text_of(response))
    return secret


def test_makes_an_endpoint_and_shows_its_secret_once(desk: Client, receiver: Receiver) -> None:
    partner = ApiClient.objects.create(name="partner")
    fields = {"client": str(partner.pk), "url": receiver.url, "is_active": "on"}

    response = desk.post(f"{LIST}add/", fields)

    secret = secret_on(response)
    endpoint = WebhookEndpoint.objects.get()
    pages = [desk.get(f"{LIST}{endpoint.pk}/{name}/") for name in ("change", "history")]
    for page in [*pages, desk.get(LIST), desk.get("/admin/")]:
        assert secret not in text_of(page)
        assert secret[6:20] not in text_of(page)
    assert endpoint.hint in text_of(pages[0])
    assert secret not in str(list(LogEntry.objects.values_list("change_message")))
    endpoints.request_test(endpoint.pk)
    sending.send_webhooks()
    assert accepts(secret, receiver.received[0])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://partner.example/", "must begin with"),
        ("https://user@partner.example/", "user or password"),
        ("https://partner.example/a b", "without spaces"),
    ],
)
def test_refuses_an_address_that_is_none(desk: Client, url: str, said: str) -> None:
    partner = ApiClient.objects.create(name="partner")

    response = desk.post(f"{LIST}add/", {"client": str(partner.pk), "url": url, "is_active": "on"})

    assert said in text_of(response)
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "0x7f.1", "localhost."]
)
def test_refuses_a_url_that_leads_inside(desk: Client, settings: Any, host: str) -> None:
    partner = ApiClient.objects.create(name="partner")
    fields = {"client": str(partner.pk), "url": f"https://{host}/hooks", "is_active": "on"}
    settings.WEBHOOK_PRIVATE_ADDRESSES = False

    response = desk.post(f"{LIST}add/", fields)

    assert "which is not a public IP address" in text_of(response)
    assert not WebhookEndpoint.objects.exists()


def test_lets_staff_switch_off_an_endpoint_whose_url_is_not_allowed_any_more(
    desk: Client, partner: Partner, settings: Any
) -> None:
    settings.WEBHOOK_PRIVATE_ADDRESSES = False

    desk.post(page_of(partner), {"url": partner.endpoint["url"]})

    assert not partner.endpoint["is_active"]


def test_gives_a_client_one_endpoint(desk: Client, partner: Partner) -> None:
    fields = {"client": partner.client_id, "url": "https://partner.example/", "is_active": "on"}

    response = desk.post(f"{LIST}add/", fields)

    assert "already exists" in text_of(response)
    assert WebhookEndpoint.objects.count() == 1


def test_shows_at_once_which_endpoints_fail(
    desk: Client, partner: Partner, receiver: Receiver
) -> None:
    partner.tell(1)
    sending.send_webhooks()
    assert ">working<" in text_of(desk.get(LIST))
    assert "disabled-webhooks" not in text_of(desk.get("/admin/"))
    partner.tell(2)
    receiver.answer = 500
    sending.send_webhooks()
    assert "FAILING for 0 minutes; next try " in text_of(desk.get(LIST))
    assert "partner" in text_of(desk.get(f"{LIST}?state=failing"))

    let_time_pass(25 * 3_600_000)
    fail_often()
    sending.send_webhooks()

    assert "DISABLED 0 minutes ago" in text_of(desk.get(LIST))
    assert receiver.url in text_of(desk.get(f"{LIST}?state=disabled"))
    assert receiver.url not in text_of(desk.get(f"{LIST}?state=failing"))
    assert "Webhooks of partner</a> have been disabled since" in text_of(desk.get("/admin/"))
    shown = text_of(desk.get(page_of(partner)))
    assert "Answered 500." in shown
    assert "Waiting: 2." in shown


def states_of(desk: Client, partner: Partner) -> set[str]:
    """The states that the list and the endpoint's page show."""
    in_list = re.findall(r'field-state">([^<]*)<', text_of(desk.get(LIST)))
    on_page = re.findall(
        r'field-state">.*?readonly">([^<]*)<', text_of(desk.get(page_of(partner))), re.DOTALL
    )
    assert in_list
    assert on_page
    return {*in_list, *on_page}


def test_says_that_an_endpoint_works_only_once_it_has_taken_something(
    desk: Client, partner: Partner, receiver: Receiver
) -> None:
    assert states_of(desk, partner) == {"not tried yet"}

    partner.tell()
    sending.send_webhooks()

    assert states_of(desk, partner) == {"working"}
    desk.post(page_of(partner), {"url": "http://127.0.0.1:1/new", "is_active": "on"})
    assert states_of(desk, partner) == {"not tried yet"}


def test_does_not_say_that_an_endpoint_works_because_it_was_switched_on(
    desk: Client, partner: Partner, receiver: Receiver
) -> None:
    partner.tell()
    sending.send_webhooks()

    desk.post(page_of(partner), {"url": receiver.url})
    assert partner.endpoint["last_sent_at"] is not None
    desk.post(page_of(partner), {"url": receiver.url, "is_active": "on"})

    assert states_of(desk, partner) == {"not tried yet"}


@pytest.mark.parametrize(("status", "state"), [(204, "working"), (500, "not tried yet")])
def test_takes_an_accepted_test_event_as_a_sign_that_it_works(
    desk: Client, partner: Partner, receiver: Receiver, status: int, state: str
) -> None:
    receiver.answer = status
    desk.post(page_of(partner, "request-test"))

    sending.send_webhooks()

    assert states_of(desk, partner) == {state}


def test_takes_a_test_event_as_no_sign_for_a_url_that_staff_entered_meanwhile(
    desk: Client, partner: Partner, receiver: Receiver
) -> None:
    def change(handler: Any) -> None:
        endpoints.change_endpoint(partner.id, url="http://127.0.0.1:1/new", is_active=True)
        handler.send_response(204)
        handler.end_headers()

    receiver.answer = change
    desk.post(page_of(partner, "request-test"))

    sending.send_webhooks()

    assert partner.endpoint["test"]["is_success"]
    assert states_of(desk, partner) == {"not tried yet"}


def test_sends_everything_once_staff_enable_an_endpoint_again(
    desk: Client, partner: Partner, receiver: Receiver
) -> None:
    told = partner.tell(2)
    receiver.answer = 410
    sending.send_webhooks()
    receiver.answer = 204

    desk.post(page_of(partner), {"url": receiver.url, "is_active": "on"})

    assert sending.send_webhooks() == 2
    assert receiver.taken == told
    assert partner.endpoint["disabled_at"] is None


def test_undoes_nothing_that_a_worker_wrote_meanwhile(desk: Client, partner: Partner) -> None:
    desk.get(page_of(partner))
    taken = endpoints.take(partner.id)
    assert taken is not None

    desk.post(page_of(partner), {"url": "http://127.0.0.1:1/new", "is_active": "on"})

    after = partner.endpoint
    assert after["url"] == "http://127.0.0.1:1/new"
    assert (after["taken_by"], after["secret"]) == (taken["taken_by"], taken["secret"])


def test_makes_a_new_secret_beside_the_earlier_one(
    desk: Client, partner: Partner, receiver: Receiver
) -> None:
    new = secret_on(desk.post(page_of(partner, "rotate-secret")))
    assert f"ends in <code>{partner.secret.rstrip('=')[-4:]}" in text_of(desk.get(page_of(partner)))
    partner.tell()
    sending.send_webhooks()

    desk.post(page_of(partner, "end-earlier-secrets"))
    partner.tell()
    sending.send_webhooks()

    during, after = receiver.received
    assert (accepts(partner.secret, during), accepts(new, during)) == (True, True)
    assert (accepts(partner.secret, after), accepts(new, after)) == (False, True)
    messages = list(LogEntry.objects.values_list("change_message", flat=True))
    assert any(new.rstrip("=")[-4:] in message for message in messages)


def test_sends_a_test_event_and_shows_what_came_of_it(
    desk: Client, partner: Partner, receiver: Receiver
) -> None:
    assert "No test event has been sent yet" in text_of(desk.get(page_of(partner, "test")))
    page = desk.post(page_of(partner, "request-test"), follow=True)
    assert "The event is being sent" in text_of(page)
    assert 'http-equiv="refresh"' in text_of(page)

    sending.send_webhooks()

    shown = text_of(desk.get(page_of(partner, "test")))
    assert re.search(r"The receiver accepted it with status 204 after \d+ ms\.", shown)
    assert "refresh" not in shown
    assert receiver.received[0].id in shown


def test_shows_why_a_test_event_was_not_taken(
    desk: Client, partner: Partner, receiver: Receiver
) -> None:
    def refuse(handler: Any) -> None:
        handler.send_response(401)
        handler.end_headers()
        handler.wfile.write(b"<b>bad signature</b>")

    receiver.answer = refuse
    desk.post(page_of(partner, "request-test"))
    sending.send_webhooks()

    response = desk.get(page_of(partner, "test"))

    assert b"Answered 401: &lt;b&gt;bad signature&lt;/b&gt;" in response.content


def test_says_when_no_worker_takes_a_test(desk: Client, partner: Partner) -> None:
    desk.post(page_of(partner, "request-test"))
    collection("webhook_endpoints").update_one(
        {}, [{"$set": {"test.ordered_at": {"$subtract": ["$$NOW", 61_000]}}}]
    )

    shown = text_of(desk.get(page_of(partner, "test")))

    assert "No worker has sent it" in shown
    assert "refresh" not in shown


def test_sends_again_at_once(desk: Client, partner: Partner, receiver: Receiver) -> None:
    told = partner.tell(2)
    receiver.answer = 500
    sending.send_webhooks()
    receiver.answer = 204
    assert sending.send_webhooks() == 0

    desk.post(page_of(partner, "send-again"))
    assert sending.send_webhooks() == 2
    desk.post(page_of(partner, "send-again"), {"delivery": f"{told[0]}:webhook"})
    assert sending.send_webhooks() == 1

    assert receiver.taken == [*told, told[0]]


def test_sends_again_nothing_of_another_client(desk: Client, partner: Partner) -> None:
    with receiving() as other_receiver:
        other = Partner("other", other_receiver.url)
        (told,) = other.tell()

        response = desk.post(page_of(partner, "send-again"), {"delivery": f"{told}:webhook"})

    assert response.status_code == 404


def test_deletes_an_endpoint_with_what_waits_for_it(desk: Client, partner: Partner) -> None:
    partner.tell(2)
    fields = {"action": "delete_selected", "_selected_action": [str(partner.id)], "post": "yes"}

    desk.post(LIST, fields)

    assert not WebhookEndpoint.objects.exists()
    assert partner.states() == ["not_needed"] * 2


@pytest.mark.parametrize(
    "lookup", ["secret__startswith", "secret", "secret__isnull", "seal_key", "seal_key__gt"]
)
def test_answers_no_guesses_at_a_secret(desk: Client, partner: Partner, lookup: str) -> None:
    assert desk.get(LIST, {lookup: "g"}).status_code == 400
    clients = desk.get("/admin/bookings/apiclient/", {f"webhook_endpoint__{lookup}": "g"})
    assert clients.status_code == 400
    assert desk.get(LIST, {"is_active": "True"}).status_code == 200


ACTIONS = ["rotate-secret", "end-earlier-secrets", "request-test", "send-again"]


@pytest.mark.parametrize("rights", [[], ["view_webhookendpoint"], ["change_webhookendpoint"]])
def test_lets_staff_do_what_their_permissions_say(
    client: Client, partner: Partner, rights: list[str]
) -> None:
    user = User.objects.create_user("newcomer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(user)
    before = partner.endpoint
    may_change = "change_webhookendpoint" in rights

    statuses = [client.post(page_of(partner, name)).status_code for name in ACTIONS]

    assert (403 not in statuses) == may_change
    assert may_change or set(statuses) == {403}
    assert (partner.endpoint != before) == may_change
    assert client.get(page_of(partner, "test")).status_code == (200 if may_change else 403)
    assert client.get(page_of(partner)).status_code == (200 if rights else 403)
    assert client.get(f"{LIST}add/").status_code == 403
    if rights == ["view_webhookendpoint"]:
        assert "Make a new secret" not in text_of(client.get(page_of(partner)))


@pytest.mark.parametrize("name", ACTIONS)
def test_changes_nothing_by_a_link(desk: Client, partner: Partner, name: str) -> None:
    before = partner.endpoint

    assert desk.get(page_of(partner, name)).status_code == 405
    assert partner.endpoint == before


def test_has_no_page_for_what_is_not_there(desk: Client, partner: Partner) -> None:
    partner.client.delete()

    for name in ACTIONS:
        assert desk.post(page_of(partner, name)).status_code == 404
