"""The events of one booking reach a partner in their order, whatever fails in between."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Container
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from bson import ObjectId

from bookings import points
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.news import relay
from bookings.news.webhooks import backlog, endpoints, sending
from tests.calls import book, cancel, confirm, stored
from tests.news.partners import (
    DAY_MS,
    Partner,
    change_deliveries,
    let_time_pass,
    send_again,
    send_for,
    serve,
)
from tests.receivers import Receiver

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inside")]


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


@pytest.mark.slow
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
