"""One event that a receiver refuses: later events pass it, and it is given up after a day."""

from __future__ import annotations

import json
from collections.abc import Container
from http.server import BaseHTTPRequestHandler

import pytest

from bookings.infrastructure.connections import collection
from bookings.news import deliveries
from bookings.news.deliveries import WEBHOOK
from bookings.news.webhooks import backlog, sending
from tests.news.partners import (
    DAY_MS,
    Partner,
    change_deliveries,
    fail_often,
    let_time_pass,
    send_for,
    serve,
)
from tests.receivers import Receiver

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inside")]


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
