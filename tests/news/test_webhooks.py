"""Webhooks: receivers, order and number of tries; with receivers that are slow, down or wrong."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import time_machine
from bson import ObjectId

from bookings.domain.callers import READ, Caller
from bookings.infrastructure import clock, seals
from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues import single_run
from bookings.models import ApiClient
from bookings.news import deliveries, relay
from bookings.news.deliveries import WEBHOOK
from bookings.news.webhooks import backlog, endpoints, sending
from bookings.people import erasure, tokens
from bookings.people.tokens import Allowed
from tests.calls import CUSTOMER, book, cancel
from tests.news.partners import (
    Partner,
    accepts,
    let_time_pass,
    send_for,
    until,
)
from tests.receivers import Receiver, receiving, unused_port

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inside")]


# --- Events and their receivers --------------------------------------------------------------


def test_tells_a_partner_what_becomes_of_its_booking(partner: Partner, receiver: Receiver) -> None:
    guest = {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 1234"}
    made = book(caller=partner.caller, userId="u-1", guest=guest, notes="A quiet room, please.")
    cancel(made, actor=partner.caller)

    relay.pass_on_news()
    assert sending.send_webhooks() == 2

    first, second = (post.verify(partner.secret) for post in receiver.received)
    assert [first["type"], second["type"]] == ["booking.confirmed", "booking.cancelled"]
    assert first["data"]["booking"] == made.content["booking"]
    assert second["data"]["booking"] == {**made.content["booking"], "status": "cancelled"}
    assert second["data"]["version"] > first["data"]["version"] >= 1
    assert [first["id"], second["id"]] == [post.id for post in receiver.received]
    assert datetime.fromisoformat(first["timestamp"]) <= datetime.now(UTC)
    assert receiver.received[0].headers["user-agent"].startswith("Bookingsite/")
    # Compact, as the specification recommends, and without the guest's details.
    assert receiver.received[0].body.startswith(b'{"type":"booking.confirmed","id":"')
    for word in ("Ada", "ada@example.org", "+44", "quiet"):
        assert word.encode() not in receiver.received[0].body
    assert partner.states() == ["sent", "sent"]


def test_leaves_nothing_of_a_guest_in_a_delivery(partner: Partner) -> None:
    guest = {"name": "Ada Lovelace", "email": "ada@example.org"}
    book(caller=partner.caller, guest=guest)
    relay.pass_on_news()

    erasure.erase_guest("ada@example.org", including_upcoming=True)

    assert "lovelace" not in str(partner.deliveries()).lower()
    assert sending.send_webhooks() == 1


def test_tells_nobody_what_is_not_theirs(partner: Partner, receiver: Receiver) -> None:
    with receiving() as other_receiver:
        other = Partner("other", other_receiver.url)
        without = ApiClient.objects.create(name="without")
        book("1", caller=other.caller)
        book("2", caller=CUSTOMER, resourceId="room_B")
        book("3", caller=Caller("client", str(without.pk)), resourceId="room_C")

        relay.pass_on_news()
        sending.send_webhooks()

        assert not receiver.received
        assert len(other_receiver.received) == 1
    assert collection("deliveries").count_documents({"channel": WEBHOOK}) == 1


def test_knows_which_clients_have_an_endpoint(partner: Partner) -> None:
    without = ApiClient.objects.create(name="without")
    collection("webhook_endpoints").update_one({}, {"$set": {"is_active": False}})

    found = endpoints.hotels_by_receiver([partner.client_id, str(without.pk), "partner"])

    assert found == {partner.client_id: None}


DEMO, INN = Allowed(hotels=("demo",)), Allowed(hotels=("inn",))
ENDED = Allowed(hotels=("demo",), ends_at=datetime(2026, 1, 1, tzinfo=UTC))
READER = Allowed(scopes=(READ,))


@pytest.mark.parametrize(
    ("issued", "hotels"),
    [
        ([], None),
        ([Allowed()], None),
        ([INN], {"inn"}),
        ([INN, DEMO], {"inn", "demo"}),
        ([INN, Allowed()], None),
        # What has ended counts no more, unless there is nothing else.
        ([ENDED, INN], {"inn"}),
        ([INN, ENDED], {"inn"}),
        ([ENDED], {"demo"}),
        # A token that may not read bookings is not for their news.
        ([INN, READER], {"inn"}),
        ([READER, INN], {"inn"}),
    ],
)
def test_tells_a_partner_only_of_hotels_where_a_token_of_it_may_read_bookings(
    partner: Partner, inn: None, issued: list[Allowed], hotels: set[str] | None
) -> None:
    for allowed in issued:
        tokens.issue_token(ObjectId(partner.client_id), allowed)

    found = endpoints.hotels_by_receiver([partner.client_id])

    assert found == {partner.client_id: hotels}
    book("demo", caller=partner.caller)
    book("inn", caller=partner.caller, resourceId="inn_A")
    relay.pass_on_news()
    told = {news["payload"]["hotelId"] for news in collection("deliveries").find()}
    assert told == ({"demo", "inn"} if hotels is None else hotels)


def test_tells_a_partner_of_no_more_hotels_once_its_tokens_are_revoked(partner: Partner) -> None:
    client = ObjectId(partner.client_id)
    tokens.issue_token(client, DEMO)
    tokens.issue_token(client, INN)

    tokens.revoke_tokens(client)

    assert endpoints.hotels_by_receiver([partner.client_id]) == {partner.client_id: {"inn"}}
    tokens.issue_token(client, Allowed())
    assert endpoints.hotels_by_receiver([partner.client_id]) == {partner.client_id: None}


def test_tells_a_partner_of_no_more_hotels_for_a_token_that_ended_before(partner: Partner) -> None:
    client = ObjectId(partner.client_id)
    lasting = tokens.issue_token(client, INN)
    for allowed in (Allowed(), ENDED):
        tokens.revoke_token(tokens.digest_of_token(tokens.issue_token(client, allowed)))

    tokens.revoke_token(tokens.digest_of_token(lasting))

    assert endpoints.hotels_by_receiver([partner.client_id]) == {partner.client_id: {"inn"}}


def test_sends_nothing_to_a_client_that_was_deactivated(
    partner: Partner, receiver: Receiver
) -> None:
    partner.tell()
    ApiClient.objects.update(is_active=False)
    assert sending.send_webhooks() == 0

    ApiClient.objects.update(is_active=True)

    assert sending.send_webhooks() == 1


def test_signs_with_the_time_of_mongodb(partner: Partner, receiver: Receiver) -> None:
    partner.tell()

    with time_machine.travel(datetime.now(UTC) - timedelta(hours=3)):
        sending.send_webhooks()

    receiver.received[0].verify(partner.secret)


# --- Order, and receivers that fail -----------------------------------------------------------


def test_sends_events_in_their_order_one_at_a_time(partner: Partner, receiver: Receiver) -> None:
    told = partner.tell(12)

    assert sending.send_webhooks() == 12
    assert [post.id for post in receiver.received] == told
    assert receiver.most_at_once == 1
    assert sending.send_webhooks() == 0


@pytest.mark.parametrize("trouble", ["500", "down"])
def test_brings_a_receiver_that_failed_for_hours_everything_in_order(
    partner: Partner, receiver: Receiver, trouble: str
) -> None:
    told = partner.tell(15)
    if trouble == "500":
        receiver.answer = 500
    else:
        endpoints.change_endpoint(
            partner.id, url=f"http://127.0.0.1:{unused_port()}/", is_active=True
        )
    send_for(hours=3)
    assert partner.endpoint["failures"] > 5
    told += partner.tell(2)

    receiver.answer = 204
    if trouble == "down":
        collection("webhook_endpoints").update_one({}, {"$set": {"url": receiver.url}})
    send_for(hours=1.5)

    assert receiver.taken == told
    assert set(partner.states()) == {"sent"}
    assert partner.endpoint["failing_since"] is None
    bodies = {post.id: post.body for post in receiver.received}
    for post in receiver.received:
        assert post.body == bodies[post.id]
        assert json.loads(post.body)["id"] == post.id


def test_asks_a_receiver_that_fails_less_and_less(partner: Partner, receiver: Receiver) -> None:
    partner.tell(2)
    receiver.answer = 500
    pauses = []

    for _ in range(12):
        sending.send_webhooks()
        assert sending.send_webhooks() == 0
        pauses.append((partner.endpoint["next_try_at"] - clock.now()).total_seconds())
        let_time_pass(int(pauses[-1] * 1000) + 50)

    for number, pause in enumerate(pauses):
        expected = min(10 * 2**number, 3600)
        assert expected * 0.95 <= pause <= expected * 1.21
    # Every event of the endpoint waits with it; the test only checks whether it is one event.
    tries = [delivery["tries"] for delivery in partner.deliveries()]
    assert tries[0] == 12
    assert tries[1] == 12 - sending.TRIES_IN_ORDER + 1


def test_keeps_what_the_receiver_said(partner: Partner, receiver: Receiver) -> None:
    def refuse(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(422)
        handler.end_headers()
        handler.wfile.write(b"$no such room")

    receiver.answer = refuse
    partner.tell()

    sending.send_webhooks()

    (delivery,) = partner.deliveries()
    assert delivery["last_error"] == "Answered 422: $no such room"
    assert partner.endpoint["last_error"] == delivery["last_error"]
    assert delivery["state"] == "waiting"


def test_lets_a_slow_receiver_hold_up_nobody(partner: Partner, receiver: Receiver) -> None:
    receiver.delay_s = 1.6
    partner.tell()
    with receiving() as quick_receiver:
        quick = Partner("quick", quick_receiver.url)
        quick.tell(5)
        run = threading.Thread(target=sending.send_webhooks)
        run.start()
        until(lambda: bool(receiver.received))
        until(lambda: len(quick_receiver.taken) == 5 and quick.endpoint["taken_by"] == "")
        # While the run waits for the slow one, it sees new events.
        late = quick.tell(2)
        until(lambda: len(quick_receiver.received) == 7)

        assert not receiver.taken
        run.join()
        assert quick_receiver.taken[-2:] == late
    assert len(receiver.taken) == 1


def test_keeps_to_itself_so_that_other_tasks_find_a_thread(
    partner: Partner, receiver: Receiver
) -> None:
    """Beat asks every few seconds; a worker has few threads, and letters need one as well."""
    receiver.delay_s = 0.5
    partner.tell()
    run = threading.Thread(target=sending.send_webhooks)
    run.start()
    until(lambda: bool(receiver.received))

    began_s = time.monotonic()
    assert sending.send_webhooks() == 0

    assert time.monotonic() - began_s < 0.3
    run.join()
    assert sending.send_webhooks() == 0


def test_serves_every_endpoint_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one post at a time, one partner's many events are not all sent first."""
    monkeypatch.setattr(sending, "MAX_PARALLEL", 1)
    monkeypatch.setattr(sending, "TURN_S", 0.0)
    with ExitStack() as open_receivers:
        receivers = [open_receivers.enter_context(receiving()) for _ in range(3)]
        partners = [Partner(f"p{number}", one.url) for number, one in enumerate(receivers)]
        order: list[int] = []
        for number, one in enumerate(receivers):
            one.answer = lambda handler, number=number: (
                order.append(number),
                handler.send_response(204),
                handler.end_headers(),
            )
            partners[number].tell(3)

        sending.send_webhooks()

    assert order == [0, 1, 2] * 3


def test_starts_no_post_when_the_time_of_a_run_is_up(
    partner: Partner, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.delay_s = 0.1
    monkeypatch.setattr(single_run, "RUN_LIMIT_S", 0.05)
    monkeypatch.setattr(sending, "TURN_S", 0.0)
    partner.tell(3)

    assert [sending.send_webhooks() for _ in range(4)] == [1, 1, 1, 0]


# --- Secrets -----------------------------------------------------------------------------------


def test_signs_with_both_secrets_until_the_overlap_is_over(
    partner: Partner, receiver: Receiver
) -> None:
    new = endpoints.rotate_secret(partner.id)
    newest = endpoints.rotate_secret(partner.id)
    assert new
    assert newest
    for _ in range(2):
        partner.tell()
        sending.send_webhooks()
        collection("webhook_endpoints").update_one(
            {}, [{"$set": {"previous.until": {"$subtract": ["$$NOW", 1]}}}]
        )

    during, after = receiver.received
    secrets = (partner.secret, new, newest)
    assert [accepts(secret, during) for secret in secrets] == [True, True, True]
    assert [accepts(secret, after) for secret in secrets] == [False, False, True]


def test_ends_an_earlier_secret_at_once_when_asked(partner: Partner, receiver: Receiver) -> None:
    new = endpoints.rotate_secret(partner.id)
    endpoints.end_earlier_secrets(partner.id)
    partner.tell()

    sending.send_webhooks()

    assert not accepts(partner.secret, receiver.received[0])
    assert accepts(new or "", receiver.received[0])


def test_shows_no_secret_to_who_reads_the_database(partner: Partner) -> None:
    new = endpoints.rotate_secret(partner.id) or ""

    stored = str(partner.endpoint)

    for secret in (partner.secret, new):
        assert secret not in stored
        assert secret.removeprefix("whsec_")[:12] not in stored


def test_seals_anew_what_an_earlier_secret_key_sealed(
    partner: Partner, receiver: Receiver, settings: Any
) -> None:
    new = endpoints.rotate_secret(partner.id) or ""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the key that comes after"
    sending.send_webhooks()
    settings.SECRET_KEY_FALLBACKS = []
    partner.tell()

    assert sending.send_webhooks() == 1

    assert accepts(partner.secret, receiver.received[0])
    assert accepts(new, receiver.received[0])
    assert endpoints.seal_again() == 0


def test_leaves_a_secret_alone_that_staff_made_while_it_was_sealed_anew(
    partner: Partner, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the key that comes after"
    made: list[str | None] = []
    open_seal = seals.open_seal

    def meanwhile(sealed: str) -> str:
        if not made:
            made.append(None)
            made[0] = endpoints.rotate_secret(partner.id)
        return open_seal(sealed)

    monkeypatch.setattr(seals, "open_seal", meanwhile)
    endpoints.seal_again()

    assert endpoints.open_secrets(partner.endpoint) == [made[0], partner.secret]


def test_says_so_when_a_secret_cannot_be_read_any_more(
    partner: Partner, receiver: Receiver, settings: Any
) -> None:
    settings.SECRET_KEY = "another, and the earlier one is lost"
    partner.tell()

    assert sending.send_webhooks() == 0

    assert not receiver.received
    assert "make a new secret" in partner.endpoint["last_error"]
    assert partner.states() == ["waiting"]
    new = endpoints.rotate_secret(partner.id) or ""
    let_time_pass(60_000)
    assert sending.send_webhooks() == 1
    assert accepts(new, receiver.received[0])


# --- Tests, and endpoints that go away ---------------------------------------------------------


def test_sends_a_test_event_to_an_endpoint_that_is_disabled_too(
    partner: Partner, receiver: Receiver
) -> None:
    waiting = partner.tell()
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=False)
    endpoints.request_test(partner.id)

    sending.send_webhooks()

    (post,) = receiver.received
    body = post.verify(partner.secret)
    assert (body["type"], body["data"]) == ("webhook.test", {})
    assert post.id.startswith("test-")
    assert post.id not in waiting
    test = partner.endpoint["test"]
    assert (test["is_success"], test["status"], test["is_due"]) == (True, 204, False)
    sending.send_webhooks()
    assert len(receiver.received) == 1


def test_takes_a_failed_test_for_no_failure_of_the_endpoint(
    partner: Partner, receiver: Receiver
) -> None:
    receiver.answer = 500
    endpoints.request_test(partner.id)

    sending.send_webhooks()

    assert partner.endpoint["test"]["problem"] == "Answered 500."
    assert partner.endpoint["failures"] == 0
    assert partner.endpoint["is_active"]


def test_leaves_nothing_behind_of_a_deleted_client(partner: Partner, receiver: Receiver) -> None:
    partner.tell(2)

    partner.client.delete()
    sending.send_webhooks()

    assert collection("webhook_endpoints").count_documents({}) == 0
    assert not receiver.received
    assert partner.states() == ["not_needed"] * 2


# --- Figures -----------------------------------------------------------------------------------


def test_counts_what_waits_and_what_is_late(partner: Partner, receiver: Receiver) -> None:
    partner.tell(2)
    let_time_pass(120_000)
    assert 120 <= sending.oldest_due_age_s() < 130

    receiver.answer = 500
    sending.send_webhooks()

    # Both wait for their receiver, and not for a worker.
    assert sending.oldest_due_age_s() == 0
    figures = deliveries.read_figures(WEBHOOK)
    assert (figures.waiting, figures.results["not_sent"]) == (2, 1)
    assert (endpoints.count_failing(), endpoints.count_disabled()) == (1, 0)
    receiver.answer = 410
    let_time_pass(60_000)
    sending.send_webhooks()
    assert (endpoints.count_failing(), endpoints.count_disabled()) == (0, 1)


def test_finds_what_is_due_by_an_index(partner: Partner) -> None:
    partner.tell(5)

    plan = (
        collection("deliveries")
        .find({**backlog._DUE, "to": partner.client_id})
        .explain()["queryPlanner"]["winningPlan"]
    )

    assert "deliveries_to_make" in str(plan)
    assert "COLLSCAN" not in str(plan)
