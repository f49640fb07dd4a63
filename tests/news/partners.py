"""A partner with an endpoint, and what tests do with it and with time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from standardwebhooks import Webhook, WebhookVerificationError

from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.models import ApiClient, WebhookEndpoint
from bookings.news import deliveries
from bookings.news.deliveries import WEBHOOK, Delivery
from bookings.news.webhooks import backlog, endpoints, sending
from tests.receivers import Receiver, receiving

DAY_MS = 24 * 3_600_000


@pytest.fixture
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


def accepts(secret: str, post: Any) -> bool:
    try:
        Webhook(secret).verify(post.body, post.headers)
    except WebhookVerificationError:
        return False
    return True


def serve(partner: Partner) -> None:
    """Serves the endpoint for one turn."""
    taken = endpoints.take(partner.id)
    assert taken is not None
    sending._serve(taken)


def change_deliveries(event_ids: list[str], changed: dict[str, Any]) -> None:
    collection("deliveries").update_many({"event_id": {"$in": event_ids}}, [{"$set": changed}])


def send_again(partner: Partner, event_id: str) -> None:
    """Sends again, as the button in the admin does."""
    assert backlog.send_again(partner.client_id, f"{event_id}:{WEBHOOK}")
    endpoints.try_now(partner.id)
