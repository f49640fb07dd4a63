"""Webhooks: receivers, order and number of tries; with receivers that are slow, down or wrong."""

from __future__ import annotations

import json
import random
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import time_machine
from bson import ObjectId
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from standardwebhooks import Webhook, WebhookVerificationError

from bookings import points, tasks
from bookings.domain.callers import Caller
from bookings.infrastructure import clock, seals
from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues import single_run
from bookings.models import ApiClient, WebhookEndpoint
from bookings.news import deliveries, relay
from bookings.news.deliveries import WEBHOOK, Delivery
from bookings.news.webhooks import backlog, endpoints, notes, sending
from bookings.people import erasure
from tests.calls import CUSTOMER, book, cancel, confirm, stored
from tests.receivers import Receiver, receiving, unused_port
from tests.servers import ROOT

pytestmark = pytest.mark.mongo

DAY_MS = 24 * 3_600_000


@pytest.fixture(autouse=True)
def inside(settings: Any) -> None:
    """Lets posts go to the tests' receivers, which are on loopback."""
    settings.WEBHOOK_PRIVATE_ADDRESSES = True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


class Partner:
    """An API client with an endpoint, and the present contents of its documents."""

    def __init__(self, name: str, url: str) -> None:
        self.client = ApiClient.objects.create(name=name, act_for_others=True)
        self.secret, fields = endpoints.new_secret()
        self.client_id = str(self.client.pk)
        self.id = WebhookEndpoint.objects.create(client=self.client, url=url, **fields).pk

    @property
    def caller(self) -> Caller:
        return Caller("client", self.client_id, may_act_for_others=True)

    @property
    def endpoint(self) -> dict[str, Any]:
        found = collection("webhook_endpoints").find_one({"_id": self.id})
        assert found is not None
        return found

    def tell(self, count: int = 1) -> list[str]:
        """Leaves this many events for the partner, each of another booking; their ids in order."""
        return self._record([(ObjectId(), 1) for _ in range(count)])

    def tell_of(self, booking: ObjectId, *versions: int) -> list[str]:
        """Leaves events of one booking for the partner; returns their ids."""
        return self._record([(booking, version) for version in versions])

    def _record(self, told: list[tuple[ObjectId, int]]) -> list[str]:
        now = clock.now()
        made = [
            Delivery(
                channel=WEBHOOK,
                to=self.client_id,
                event_id=f"{booking}-{version}-confirmed",
                event="confirmed",
                at=now + timedelta(milliseconds=number),
                booking=booking,
                reference="DEMO-1",
                version=version,
                payload={"number": number},
                created_at=now,
            )
            for number, (booking, version) in enumerate(told)
        ]
        deliveries.record(made)
        return [delivery.event_id for delivery in made]

    def deliveries(self) -> list[dict[str, Any]]:
        return list(collection("deliveries").find({"to": self.client_id}).sort("at"))

    def states(self) -> list[str]:
        return [delivery["state"] for delivery in self.deliveries()]


@pytest.fixture
def partner(receiver: Receiver) -> Partner:
    return Partner("partner", receiver.url)


def let_time_pass(ms: int) -> None:
    """Moves every time that is being waited for far into the past."""
    for name, fields in (
        ("webhook_endpoints", ("next_try_at", "failing_since", "lease_until", "note_due_at")),
        ("deliveries", ("next_try_at", "refused_since")),
    ):
        times = {field: earlier(field, ms) for field in fields}
        collection(name).update_many({}, [{"$set": times}])


def earlier(field: str, ms: int) -> dict[str, Any]:
    """The time in this field so much earlier, or its other contents, if any."""
    value = f"${field}"
    is_time = {"$eq": [{"$type": value}, "date"]}
    return {"$cond": [is_time, {"$subtract": [value, ms]}, value]}


def until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def fail_often() -> None:
    """As if the endpoint had been tried as often as in a day, except for one time."""
    almost = endpoints.RETRIES.max_tries - 1
    collection("webhook_endpoints").update_one({}, {"$set": {"failures": almost}})


def send_for(hours: float) -> None:
    """Lets workers run until so much time has passed, however long they pause."""
    step_ms = 3 * 60_000
    for _ in range(int(hours * 3_600_000 / step_ms)):
        let_time_pass(step_ms)
        sending.send_webhooks()


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

    found = endpoints.clients_with_endpoint([partner.client_id, str(without.pk), "partner"])

    assert found == {partner.client_id}


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


# --- One event that is refused ----------------------------------------------------------------


def refuse_numbers(refused: Container[int], receiver: Receiver) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        post = receiver.received[-1]
        number = json.loads(post.body)["data"]["booking"]["number"]
        status = 400 if number in refused else 204
        if status == 204:
            receiver.taken.append(post.id)
        handler.send_response(status)
        handler.end_headers()

    receiver.answer = answer


def test_lets_later_events_pass_one_that_alone_is_refused(
    partner: Partner, receiver: Receiver
) -> None:
    told = partner.tell(4)
    refuse_numbers([1], receiver)

    send_for(hours=0.5)

    assert receiver.taken == [told[0], told[2], told[3]]
    assert partner.states() == ["sent", "waiting", "sent", "sent"]
    assert partner.endpoint["failing_since"] is None
    later = partner.tell(1)
    send_for(hours=0.1)
    assert receiver.taken[-1:] == later


def test_gives_up_an_event_that_alone_was_refused_for_a_day(
    partner: Partner, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    partner.tell(2)
    refuse_numbers([0], receiver)
    send_for(hours=0.5)

    send_for(hours=22)
    assert partner.states() == ["waiting", "sent"]
    send_for(hours=4)

    assert partner.states() == ["given_up", "sent"]
    assert partner.endpoint["is_active"]
    assert "next_try_at" not in partner.deliveries()[0]
    assert [record.message for record in caplog.records][-1] == "webhook_given_up"
    assert deliveries.read_figures(WEBHOOK).results["given_up"] == 1

    receiver.answer = 204
    assert backlog.send_again(partner.client_id, partner.deliveries()[0]["_id"])
    assert sending.send_webhooks() == 1
    assert partner.states() == ["sent", "sent"]


@pytest.mark.parametrize("refused", [5, 6, 30])
def test_lets_no_number_of_refused_events_hold_up_later_ones(
    partner: Partner, receiver: Receiver, refused: int
) -> None:
    told = partner.tell(refused + 4)
    refuse_numbers(range(refused), receiver)

    send_for(hours=1)

    assert receiver.taken == told[refused:]
    assert partner.states() == ["waiting"] * refused + ["sent"] * 4
    assert partner.endpoint["failing_since"] is None
    collection("deliveries").update_many(
        {"refusals": {"$gt": 0}}, {"$set": {"refusals": backlog.RETRIES.max_tries - 1}}
    )
    let_time_pass(DAY_MS)
    sending.send_webhooks()
    assert partner.states() == ["given_up"] * refused + ["sent"] * 4
    assert partner.endpoint["is_active"]


def serve(partner: Partner) -> None:
    """Serves the endpoint for one turn."""
    taken = endpoints.take(partner.id)
    assert taken is not None
    sending._serve(taken)


def change_deliveries(event_ids: list[str], changed: dict[str, Any]) -> None:
    collection("deliveries").update_many({"event_id": {"$in": event_ids}}, [{"$set": changed}])


def test_sends_what_stands_aside_after_everything_else(
    partner: Partner, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise many that are refused slowly would leave no time for the others."""
    monkeypatch.setattr(sending, "TURN_S", 0.0)
    told = partner.tell(4)
    change_deliveries(told[:2], {"refused_since": "$$NOW"})

    for _ in range(3):
        serve(partner)

    assert receiver.taken == [*told[2:], told[0]]


def test_leaves_alone_what_stands_aside_while_the_receiver_may_be_down(
    partner: Partner, receiver: Receiver
) -> None:
    """Otherwise it would be given up for a fault that is not its own."""
    told = partner.tell(3)
    change_deliveries(told[:1], {"refused_since": "$$NOW"})
    change_deliveries(told, {"tries": sending.TRIES_IN_ORDER})
    receiver.answer = 500

    serve(partner)

    assert [post.id for post in receiver.received] == told[1:]
    assert partner.endpoint["failures"] == 1


def test_keeps_the_order_of_what_is_refused_for_the_first_time(
    partner: Partner, receiver: Receiver
) -> None:
    """The receiver fails again after it accepted one, as when it is being started."""
    told = partner.tell(4)
    change_deliveries(told[:1], {"tries": sending.TRIES_IN_ORDER})
    refuse_numbers([0, 2], receiver)

    serve(partner)

    assert [post.id for post in receiver.received] == [told[0], told[1], told[0], told[2]]
    assert ["refused_since" in delivery for delivery in partner.deliveries()] == [
        True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(("turn_s", "asked"), [(0.0, 2), (60.0, sending.MAX_REFUSED)])
def test_asks_a_receiver_that_takes_nothing_for_few_events_in_a_turn(
    partner: Partner,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    turn_s: float,
    asked: int,
) -> None:
    """A slow one is asked for two, since each may take a whole try, and the lease must hold."""
    monkeypatch.setattr(sending, "TURN_S", turn_s)
    told = partner.tell(2 * sending.MAX_REFUSED)
    change_deliveries(told, {"tries": sending.TRIES_IN_ORDER})
    receiver.answer = 500

    serve(partner)

    assert [post.id for post in receiver.received] == told[:asked]
    let_time_pass(DAY_MS)
    fail_often()
    serve(partner)
    assert not partner.endpoint["is_active"]


def test_does_not_count_the_time_in_which_an_event_that_stands_aside_is_not_tried(
    partner: Partner, receiver: Receiver
) -> None:
    """While no worker runs, or the endpoint is disabled."""
    partner.tell(2)
    refuse_numbers([0], receiver)
    send_for(hours=0.5)

    for _ in range(2):
        let_time_pass(2 * DAY_MS)
        sending.send_webhooks()

    assert partner.states() == ["waiting", "sent"]
    send_for(hours=26)
    assert partner.states() == ["given_up", "sent"]


# --- The events of one booking ----------------------------------------------------------------


def send_again(partner: Partner, event_id: str) -> None:
    """Sends again, as the button in the admin does."""
    assert backlog.send_again(partner.client_id, f"{event_id}:{WEBHOOK}")
    endpoints.try_now(partner.id)


def fail_in_order(partner: Partner, receiver: Receiver, times: int) -> None:
    """Keeps the receiver down until its oldest event was refused this often."""
    receiver.answer = 500
    for _ in range(times):
        let_time_pass(3_600_000)
        serve(partner)


def refuse_events(refused: Container[str], receiver: Receiver) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        post = receiver.received[-1]
        is_taken = post.id not in refused
        if is_taken:
            receiver.taken.append(post.id)
        handler.send_response(204 if is_taken else 400)
        handler.end_headers()

    receiver.answer = answer


def test_sends_what_was_refused_before_what_came_after_it_when_a_pause_is_ended(
    partner: Partner, receiver: Receiver
) -> None:
    told = partner.tell_of(ObjectId(), 1, 2, 3)
    fail_in_order(partner, receiver, 2)
    receiver.answer = 204

    endpoints.try_now(partner.id)
    sending.send_webhooks()

    assert receiver.taken == told


@pytest.mark.parametrize("again", [0, 1, 2])
def test_keeps_a_bookings_order_when_one_is_sent_again_in_a_pause(
    partner: Partner, receiver: Receiver, again: int
) -> None:
    told = partner.tell_of(ObjectId(), 1, 2, 3)
    fail_in_order(partner, receiver, 2)
    receiver.answer = 204

    send_again(partner, told[again])
    sending.send_webhooks()

    assert receiver.taken == told


def test_probes_no_later_event_of_the_same_booking(partner: Partner, receiver: Receiver) -> None:
    told = partner.tell_of(ObjectId(), 1, 2, 3)
    fail_in_order(partner, receiver, sending.TRIES_IN_ORDER + 3)
    assert {post.id for post in receiver.received} == {told[0]}

    receiver.answer = 204
    let_time_pass(3_600_000)
    sending.send_webhooks()

    assert receiver.taken == told


def test_asks_once_more_for_what_was_refused_when_a_probe_is_taken(
    partner: Partner, receiver: Receiver
) -> None:
    """The receiver came back between the fifth failure and the probe: it refuses nothing."""
    first, second = ObjectId(), ObjectId()
    told = [
        *partner.tell_of(first, 1),
        *partner.tell_of(second, 1),
        *partner.tell_of(first, 2),
        *partner.tell_of(second, 2),
    ]
    fail_in_order(partner, receiver, sending.TRIES_IN_ORDER - 1)
    received = len(receiver.received)

    def come_back(handler: BaseHTTPRequestHandler) -> None:
        receiver.answer = 204
        handler.send_response(503)
        handler.end_headers()

    receiver.answer = come_back
    let_time_pass(3_600_000)
    sending.send_webhooks()

    asked = [post.id for post in receiver.received[received:]]
    assert asked == [told[0], told[1], told[0], told[2], told[3]]
    assert set(partner.states()) == {"sent"}


def test_lets_the_events_of_a_booking_wait_for_the_one_that_is_refused(
    partner: Partner, receiver: Receiver
) -> None:
    refused, other = ObjectId(), ObjectId()
    told = partner.tell_of(refused, 1, 2)
    others = partner.tell_of(other, 1, 2)
    refuse_events({told[0]}, receiver)

    send_for(hours=3)
    told += partner.tell_of(refused, 3)
    others += partner.tell_of(other, 3)
    send_for(hours=1)

    assert receiver.taken == others
    assert partner.endpoint["failing_since"] is None
    assert sending.oldest_due_age_s() == 0
    receiver.answer = 204
    send_for(hours=1.1)
    assert receiver.taken == [*others, *told]


def test_sends_the_events_behind_one_that_was_given_up(
    partner: Partner, receiver: Receiver
) -> None:
    told = partner.tell_of(ObjectId(), 1, 2, 3)
    others = partner.tell()
    refuse_events({told[0]}, receiver)

    send_for(hours=27)

    assert receiver.taken == [*others, *told[1:]]
    # If it is sent again after that, it is an old one; receivers drop it by its version.
    receiver.answer = 204
    send_again(partner, told[0])
    sending.send_webhooks()
    assert receiver.taken == [*others, *told[1:], told[0]]
    assert receiver.received[-1].verify(partner.secret)["data"]["version"] == 1


def test_sends_one_that_was_given_up_before_what_still_waits(
    partner: Partner, receiver: Receiver
) -> None:
    told = partner.tell_of(ObjectId(), 1, 2)
    others = partner.tell()
    collection("deliveries").update_one(
        {"event_id": told[0]}, {"$set": {"state": "given_up"}, "$unset": {"next_try_at": ""}}
    )
    change_deliveries(
        told[1:], {"refused_since": "$$NOW", "next_try_at": {"$add": ["$$NOW", DAY_MS]}}
    )

    send_again(partner, told[0])
    sending.send_webhooks()

    assert sorted(receiver.taken) == sorted([*others, *told])
    assert receiver.taken.index(told[0]) < receiver.taken.index(told[1])


def test_lets_nothing_stand_aside_any_more_when_an_endpoint_is_enabled_again(
    partner: Partner, receiver: Receiver
) -> None:
    told = partner.tell_of(ObjectId(), 1, 2)
    others = partner.tell()
    refuse_events({told[0]}, receiver)
    send_for(hours=1)
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=False)
    late = partner.tell()

    receiver.answer = 204
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=True)
    backlog.make_due(partner.client_id)
    sending.send_webhooks()

    assert receiver.taken == [*others, *told, *late]


def test_orders_a_bookings_events_by_version_whatever_their_times_say(
    partner: Partner, receiver: Receiver
) -> None:
    """Two processes may differ by some milliseconds about MongoDB's time."""
    booking = ObjectId()
    told = [partner.tell_of(booking, version)[0] for version in (2, 1, 3)]

    sending.send_webhooks()

    assert receiver.taken == [told[1], told[0], told[2]]


def test_passes_on_what_has_happened_even_if_its_time_seems_to_come(
    partner: Partner, receiver: Receiver
) -> None:
    made = book(caller=partner.caller)
    cancel(made, actor=partner.caller)
    (booking,) = stored()
    soon = booking["outbox"][0]["at"] + timedelta(seconds=5)
    collection("bookings").update_one({}, {"$set": {"outbox.0.at": soon, "outbox.0.due_at": soon}})

    relay.pass_on_news()
    sending.send_webhooks()

    types = [post.verify(partner.secret)["type"] for post in receiver.received]
    assert types == ["booking.confirmed", "booking.cancelled"]


@pytest.mark.parametrize("change", [confirm, cancel])
def test_tells_of_no_coming_end_after_what_a_quicker_relay_told(
    partner: Partner, receiver: Receiver, change: Callable[..., Any]
) -> None:
    """A relay writes what it has read after the other has reported the event that came then."""
    held = book(hold=True, caller=partner.caller)
    collection("bookings").update_one({}, [{"$set": {"expires_at": {"$add": ["$$NOW", 60_000]}}}])
    ends_at = stored()[0]["expires_at"]
    due = {"outbox.0.ends_at": ends_at, "outbox.0.due_at": clock.now()}
    collection("bookings").update_one({}, {"$set": due})
    has_read, is_to_go_on = threading.Event(), threading.Event()

    def stop_the_slow_one(point: str) -> None:
        if point == "before_deliveries" and threading.current_thread() is slow:
            has_read.set()
            is_to_go_on.wait(20)

    slow = threading.Thread(target=relay.pass_on_news)
    points.install(stop_the_slow_one)
    try:
        slow.start()
        assert has_read.wait(10)
        change(held, actor=partner.caller)
        relay.pass_on_news()
        sending.send_webhooks()
        is_to_go_on.set()
        slow.join()
    finally:
        is_to_go_on.set()
        points.install(None)

    assert sending.send_webhooks() == 0

    (told,) = receiver.received
    assert told.verify(partner.secret)["data"]["version"] == 2
    assert sorted(partner.states()) == ["not_needed", "sent"]


def test_tells_of_a_coming_end_before_what_came_then(partner: Partner, receiver: Receiver) -> None:
    booking = ObjectId()
    partner.tell_of(booking, 1, 2)
    collection("deliveries").update_one({"version": 1}, {"$set": {"event": "expiring"}})

    assert sending.send_webhooks() == 2

    assert [post.verify(partner.secret)["data"]["version"] for post in receiver.received] == [1, 2]


def test_sends_a_coming_end_again_for_whoever_wishes_it(
    partner: Partner, receiver: Receiver
) -> None:
    booking = ObjectId()
    first, second = partner.tell_of(booking, 1, 2)
    collection("deliveries").update_one({"version": 1}, {"$set": {"event": "expiring"}})
    sending.send_webhooks()

    backlog.send_again(partner.client_id, f"{first}:webhook")
    sending.send_webhooks()

    assert receiver.taken == [first, second, first]


class Killed(BaseException):
    """Ends a worker between a post and the write of its result."""


@pytest.mark.parametrize("seed", range(8))
def test_keeps_each_bookings_order_through_whatever_happens(
    partner: Partner, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """No event is sent while an earlier one of its booking waits; and in the end none waits."""
    dice = random.Random(seed)
    bookings = [ObjectId() for _ in range(3)]
    versions = dict.fromkeys(bookings, 0)
    told: list[str] = []
    overtaken: list[tuple[str, list[str]]] = []
    mood: dict[str, Any] = {"down": False, "refused": set()}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        event_id = receiver.received[-1].id
        sent = collection("deliveries").find_one({"event_id": event_id})
        assert sent is not None
        before = collection("deliveries").find(
            {"booking": sent["booking"], "version": {"$lt": sent["version"]}, "state": "waiting"}
        )
        if passed := [delivery["event_id"] for delivery in before]:
            overtaken.append((event_id, passed))
        is_taken = not mood["down"] and event_id not in mood["refused"]
        handler.send_response(204 if is_taken else 500)
        handler.end_headers()
        # Like a receiver that is started or stopped between two events.
        mood["down"] ^= dice.random() < 0.15

    def tell() -> None:
        for booking in dice.choices(bookings, k=3):
            versions[booking] += 1
            told.extend(partner.tell_of(booking, versions[booking]))

    def refuse() -> None:
        mood["refused"] = set(dice.sample(told, min(len(told), 2)))

    def press_send_again() -> None:
        if told:
            send_again(partner, dice.choice(told))

    def disable_or_enable() -> None:
        is_active = not partner.endpoint["is_active"]
        endpoints.change_endpoint(partner.id, url=receiver.url, is_active=is_active)
        backlog.make_due(partner.client_id)

    def kill_worker() -> None:
        def die(name: str) -> None:
            if name == "after_post" and dice.random() < 0.5:
                raise Killed

        monkeypatch.setattr(points, "_handler", die)
        with suppress(Killed):
            sending.send_webhooks()
        monkeypatch.setattr(points, "_handler", None)

    def work() -> None:
        let_time_pass(dice.choice([0, 60_000, 3_600_000]))
        sending.send_webhooks()

    receiver.answer = answer
    actions = [tell, tell, refuse, press_send_again, disable_or_enable, kill_worker, *[work] * 6]
    for _ in range(40):
        dice.choice(actions)()
        if not partner.endpoint["is_active"] and dice.random() < 0.5:
            disable_or_enable()

    assert overtaken == []
    mood.update(down=False, refused=set())
    dice.random = lambda: 1.0  # type: ignore[method-assign]
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=True)
    for _ in range(3):
        let_time_pass(3_600_000)
        sending.send_webhooks()
    assert "waiting" not in partner.states()
    assert overtaken == []


# --- Endpoints that are down for good ---------------------------------------------------------


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("manager", "manager@example.org")


def disable(partner: Partner, receiver: Receiver) -> list[str]:
    """Lets it fail for a day; returns the ids of the waiting events."""
    told = partner.tell(3)
    receiver.answer = 503
    sending.send_webhooks()
    let_time_pass(DAY_MS - 60_000)
    sending.send_webhooks()
    fail_often()
    assert partner.endpoint["is_active"]
    let_time_pass(3 * 3_600_000)
    sending.send_webhooks()
    assert not partner.endpoint["is_active"]
    return told


def test_disables_an_endpoint_that_took_nothing_for_a_day_and_notes_it_once(
    partner: Partner, receiver: Receiver, staff: User
) -> None:
    told = disable(partner, receiver)
    asked = len(receiver.received)

    let_time_pass(DAY_MS)
    assert sending.send_webhooks() == 0
    assert len(receiver.received) == asked
    assert [tasks.note_disabled_webhooks() for _ in range(3)] == [1, 0, 0]
    let_time_pass(notes.RETRIES.first_wait_ms)
    assert tasks.note_disabled_webhooks() == 0

    (note,) = mail.outbox
    assert note.to == ["manager@example.org"]
    assert note.subject == "Webhooks of partner are disabled"
    assert receiver.url in note.body
    assert "Answered 503" in note.body
    assert f"http://127.0.0.1:8000/admin/bookings/webhookendpoint/{partner.id}/change/" in note.body
    assert partner.states() == ["waiting"] * 3

    receiver.answer = 204
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=True)
    backlog.make_due(partner.client_id)
    told += partner.tell()
    assert sending.send_webhooks() == 4
    assert receiver.taken == told


def test_does_not_disable_an_endpoint_for_the_time_in_which_no_worker_asked_it(
    partner: Partner, receiver: Receiver
) -> None:
    partner.tell()
    receiver.answer = 503
    for _ in range(2):
        sending.send_webhooks()
        let_time_pass(2 * DAY_MS)

    sending.send_webhooks()

    assert partner.endpoint["is_active"]
    assert partner.endpoint["failures"] == 3
    send_for(hours=16)
    assert not partner.endpoint["is_active"]


def test_disables_at_once_an_endpoint_that_says_it_is_gone(
    partner: Partner, receiver: Receiver
) -> None:
    """The specification defines this meaning of status 410."""
    partner.tell()
    receiver.answer = 410

    sending.send_webhooks()

    assert not partner.endpoint["is_active"]
    assert partner.endpoint["disabled_at"]
    assert partner.states() == ["waiting"]


def test_writes_to_those_alone_who_can_enable_it(
    partner: Partner, receiver: Receiver, staff: User
) -> None:
    allowed = User.objects.create_user("allowed", "allowed@example.org", is_staff=True)
    allowed.user_permissions.add(Permission.objects.get(codename="change_webhookendpoint"))
    User.objects.create_user("other", "other@example.org", is_staff=True)
    User.objects.create_superuser("gone", "gone@example.org", is_active=False)
    User.objects.create_superuser("silent", "")
    customer = User.objects.create_user("customer", "customer@example.org")
    customer.user_permissions.add(Permission.objects.get(codename="change_webhookendpoint"))
    disable(partner, receiver)

    notes.send_notes()

    assert sorted(note.to[0] for note in mail.outbox) == [
        "allowed@example.org",
        "manager@example.org",
    ]


class OneBad(EmailBackend):
    """Knows no mailbox `gone@`, and is busy for `busy@`."""

    def send_messages(self, messages: Any) -> int:
        ((to,),) = [message.to for message in messages]
        codes = {"gone@example.org": 550, "busy@example.org": 451}
        if to in codes:
            asked.append(to)
            raise smtplib.SMTPRecipientsRefused({to: (codes[to], b"not here")})
        return super().send_messages(messages)


asked: list[str] = []


def test_writes_to_each_reader_once_whoever_cannot_be_reached(
    partner: Partner, receiver: Receiver, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.OneBad"
    asked.clear()
    for name in ("first", "gone", "busy", "last"):
        User.objects.create_superuser(name, f"{name}@example.org")
    disable(partner, receiver)

    for _ in range(notes.RETRIES.max_tries + 1):
        assert notes.send_notes() == 0
        let_time_pass(DAY_MS)

    # A server that may be back is tried again, though not for ever.
    assert [note.to for note in mail.outbox] == [["first@example.org"], ["last@example.org"]]
    assert asked.count("busy@example.org") == notes.RETRIES.max_tries
    # A missing mailbox is no reason to wait.
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=True)
    receiver.answer = 410
    backlog.make_due(partner.client_id)
    sending.send_webhooks()
    User.objects.filter(username="busy").delete()
    assert notes.send_notes() == 1
    assert [note.to for note in mail.outbox[2:]] == [["first@example.org"], ["last@example.org"]]


def test_says_so_when_no_reader_has_a_mailbox(
    partner: Partner, receiver: Receiver, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.OneBad"
    User.objects.create_superuser("gone", "gone@example.org")
    disable(partner, receiver)

    assert [notes.send_notes() for _ in range(2)] == [0, 0]

    assert caplog.records[-1].message == "webhook_note_not_sent"
    assert caplog.records[-1].reason == "NobodyToWriteTo"  # type: ignore[attr-defined]


class Refusing(EmailBackend):
    def send_messages(self, messages: Any) -> int:
        super().send_messages(messages)
        raise ConnectionResetError


def test_sends_a_note_again_under_the_same_id(
    partner: Partner, receiver: Receiver, staff: User, settings: Any
) -> None:
    disable(partner, receiver)
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    assert notes.send_notes() == 0
    assert notes.send_notes() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    let_time_pass(notes.RETRIES.first_wait_ms)
    assert notes.send_notes() == 1

    first, second = (note.message()["Message-ID"] for note in mail.outbox)
    assert first == second


def test_writes_no_note_where_staff_were_quicker(
    partner: Partner, receiver: Receiver, staff: User
) -> None:
    disable(partner, receiver)
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=True)

    assert [notes.send_notes() for _ in range(2)] == [0, 0]
    assert not mail.outbox


# --- Workers that meet, die, or come late ------------------------------------------------------


def test_gives_each_endpoint_to_one_worker_at_a_time(
    partner: Partner, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TURN_S", 0.0)
    told = partner.tell(20)
    receiver.delay_s = 0.01

    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: sending.send_webhooks.__wrapped__(), range(4)))
    sent.append(sending.send_webhooks())

    assert sum(sent) == 20
    assert [post.id for post in receiver.received] == told
    assert receiver.most_at_once == 1


DIES_AFTER_POST = """
import os, signal, django
django.setup()
from bookings import points
from bookings.news.webhooks import sending
points.install(lambda name: name == "after_post" and os.kill(os.getpid(), signal.SIGKILL))
sending.send_webhooks()
"""


def test_sends_again_with_the_same_id_what_a_killed_worker_had_sent(
    partner: Partner, receiver: Receiver, environment: dict[str, str]
) -> None:
    told = partner.tell(2)

    died = subprocess.run(
        [sys.executable, "-c", DIES_AFTER_POST],
        env={**environment, "WEBHOOK_PRIVATE_ADDRESSES": "yes"},
        cwd=ROOT,
        check=False,
    )

    assert died.returncode == -9
    assert [post.id for post in receiver.received] == told[:1]
    assert sending.send_webhooks() == 0
    let_time_pass(endpoints.LEASE_MS)
    assert sending.send_webhooks() == 2
    assert [post.id for post in receiver.received] == [told[0], *told]
    assert receiver.received[0].body == receiver.received[1].body


def test_puts_nothing_down_to_an_address_that_staff_changed_meanwhile(
    partner: Partner, receiver: Receiver
) -> None:
    partner.tell()

    def change(handler: BaseHTTPRequestHandler) -> None:
        endpoints.change_endpoint(partner.id, url="http://127.0.0.1:1/new", is_active=True)
        handler.send_response(500)
        handler.end_headers()

    receiver.answer = change
    taken = endpoints.take(partner.id)
    assert taken is not None
    sending._serve(taken)

    assert partner.endpoint["failing_since"] is None
    assert partner.endpoint["taken_by"] == ""


# --- Secrets -----------------------------------------------------------------------------------


def accepts(secret: str, post: Any) -> bool:
    try:
        Webhook(secret).verify(post.body, post.headers)
    except WebhookVerificationError:
        return False
    return True


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
    assert endpoints.seal_anew() == 0


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
    endpoints.seal_anew()

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
    endpoints.order_test(partner.id)

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
    endpoints.order_test(partner.id)

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
