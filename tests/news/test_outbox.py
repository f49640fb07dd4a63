"""News in the booking's own document, and how it becomes deliveries: none lost, none twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from bookings import points, tasks
from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.queues import failed_work
from bookings.news import deliveries, relay
from bookings.operations import sweep
from bookings.stays import lifecycle
from bookings.stays.notices import REMINDED_BEFORE_END
from bookings.stays.writing import changes
from tests.calls import (
    CUSTOMER,
    PARTNER,
    book,
    cancel,
    change_stay,
    confirm,
    extend,
    let_hold_end,
    stored,
)
from tests.conftest import night, says

pytestmark = pytest.mark.mongo

GUEST = {"name": "Ada", "email": "ada@example.org"}


def told() -> list[tuple[str, int]]:
    """The notices in the outbox of the only booking."""
    (booking,) = stored()
    return [(notice["event"], notice["version"]) for notice in booking["outbox"]]


def delivered() -> list[dict[str, Any]]:
    return list(collection("deliveries").find({}).sort([("version", 1), ("channel", 1)]))


def passed_on() -> list[tuple[str, str]]:
    return [(delivery["event"], delivery["channel"]) for delivery in delivered()]


def move(outcome: Any, room: str = "room_B") -> None:
    lifecycle.move_booking(
        actor=Caller("user", "desk"),
        booking_id=outcome.content["booking"]["id"],
        key_header=f"move-{room}",
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=clock.today("Europe/Berlin") + timedelta(days=30),
        check_out=clock.today("Europe/Berlin") + timedelta(days=31),
    )


def let_reminders_be_due() -> None:
    """Brings the end of the hold nearer, and its reminder with it."""
    collection("bookings").update_many(
        {"status": "pending"}, [{"$set": {"expires_at": {"$add": ["$$NOW", 60_000]}}}]
    )
    for booking in collection("bookings").find({"status": "pending"}):
        collection("bookings").update_one(
            {"_id": booking["_id"], "outbox.event": "expiring"},
            {
                "$set": {
                    "outbox.$[].ends_at": booking["expires_at"],
                    "outbox.$[].due_at": booking["expires_at"] - REMINDED_BEFORE_END,
                }
            },
        )


# --- What is written with each change ---------------------------------------------------------


def test_tells_of_a_booking_in_the_insert_that_makes_it() -> None:
    outcome = book(guest=GUEST, caller=CUSTOMER)

    (booking,) = stored()
    assert booking["outbox"] == [
        {
            "id": f"{outcome.content['booking']['id']}-1-confirmed",
            "event": "confirmed",
            "at": booking["created_at"],
            "due_at": booking["created_at"],
            "version": 1,
        }
    ]


def test_tells_nobody_where_nobody_can_be_told() -> None:
    outcome = book(caller=CUSTOMER)
    cancel(outcome, actor=CUSTOMER)

    assert told() == []


def test_tells_a_partner_without_an_address_of_the_guest() -> None:
    cancel(book())

    assert told() == [("confirmed", 1), ("cancelled", 2)]


def test_tells_of_every_change_with_the_length_of_its_history() -> None:
    held = book(hold=True, guest=GUEST)
    extend(held)
    confirm(held)
    move(held)
    cancel(held)

    assert told() == [
        ("expiring", 1), ("expiring", 2), ("confirmed", 3), ("moved", 4), ("cancelled", 5),
    ]  # fmt: skip
    assert len(stored()[0]["history"]) == 5


def test_reminds_nobody_of_a_hold_that_is_short() -> None:
    collection("hotels").update_one({"_id": "demo"}, {"$set": {"hold_minutes": 9}})
    try:
        book(hold=True, guest=GUEST)
    finally:
        collection("hotels").update_one({"_id": "demo"}, {"$set": {"hold_minutes": 15}})

    assert told() == []


@pytest.mark.parametrize("expire", [sweep.expire_holds, lambda: book("rival", caller=PARTNER)])
def test_tells_of_a_hold_that_ran_out_whoever_expires_it(expire: Any) -> None:
    book(hold=True, guest=GUEST, caller=CUSTOMER)
    let_hold_end()

    expire()

    hold = stored()[0]
    assert hold["status"] == "expired"
    assert [notice["event"] for notice in hold["outbox"]] == ["expiring", "expired"]
    assert hold["outbox"][-1]["id"] == f"{hold['_id']}-2-expired"


def test_tells_nothing_of_a_retry() -> None:
    held = book(hold=True)
    for _ in range(3):
        confirm(held)
        cancel(held)

    assert told() == [("expiring", 1), ("confirmed", 2), ("cancelled", 3)]


# --- Passing it on ----------------------------------------------------------------------------


def test_passes_news_on_once_and_empties_the_outbox() -> None:
    book(guest=GUEST, caller=CUSTOMER)

    assert [tasks.pass_on_news() for _ in range(3)] == [1, 0, 0]

    assert told() == []
    (delivery,) = delivered()
    assert delivery["_id"] == f"{stored()[0]['_id']}-1-confirmed:mail"
    assert (delivery["state"], delivery["tries"], delivery["to"]) == ("waiting", 0, "")
    assert delivery["payload"]["status"] == "confirmed"
    assert not says(str(delivery), "ada")


def test_shows_the_booking_as_it_was_at_each_change() -> None:
    held = book(hold=True, guest=GUEST, caller=CUSTOMER)
    confirm(held, actor=CUSTOMER)
    move(held)
    cancel(held, actor=CUSTOMER)

    relay.pass_on_news()

    seen = [(d["event"], d["payload"]["resourceId"], d["payload"]["status"]) for d in delivered()]
    assert seen == [
        ("confirmed", "room_A", "confirmed"),
        ("moved", "room_B", "confirmed"),
        ("cancelled", "room_B", "cancelled"),
    ]


def test_shows_the_stay_as_it_was_after_each_change_by_its_owner() -> None:
    made = book(guest=GUEST, caller=CUSTOMER)
    change_stay(made, "one", actor=CUSTOMER, first=30, last=32, total=24_000)
    change_stay(made, "two", actor=CUSTOMER, first=30, last=33, total=36_000)

    relay.pass_on_news()

    seen = [(d["event"], d["version"], d["payload"]["checkOut"]) for d in delivered()]
    assert seen == [
        ("confirmed", 1, night(31)),
        ("moved", 2, night(32)),
        ("moved", 3, night(33)),
    ]


def test_shows_a_hold_that_ran_out_as_expired_though_it_was_revived() -> None:
    held = book(hold=True, guest=GUEST, caller=CUSTOMER)
    let_hold_end()
    sweep.expire_holds()
    confirm(held, actor=CUSTOMER)

    relay.pass_on_news()

    seen = [(delivery["event"], delivery["payload"]["status"]) for delivery in delivered()]
    assert seen == [("expired", "expired"), ("confirmed", "confirmed")]


def test_keeps_a_reminder_until_it_is_due() -> None:
    book(hold=True, guest=GUEST, caller=CUSTOMER)

    assert relay.pass_on_news() == 0
    let_reminders_be_due()
    assert relay.pass_on_news() == 1

    assert passed_on() == [("expiring", "mail")]
    assert told() == []


def test_reminds_of_no_end_that_was_put_off_or_is_over() -> None:
    held = book(hold=True, guest=GUEST, caller=CUSTOMER)
    extend(held, actor=CUSTOMER)
    let_reminders_be_due()
    collection("bookings").update_one({}, {"$set": {"outbox.0.ends_at": clock.now()}})

    assert relay.pass_on_news() == 1

    assert [delivery["version"] for delivery in delivered()] == [2]
    assert told() == []


def test_loses_and_doubles_nothing_when_killed_between_the_two_writes() -> None:
    book(guest=GUEST, caller=CUSTOMER)

    class Killed(Exception):
        pass

    def kill(point: str) -> None:
        if point == "after_deliveries":
            raise Killed

    points.install(kill)
    try:
        with pytest.raises(Killed):
            relay.pass_on_news()
    finally:
        points.install(None)
    assert (passed_on(), told()) == ([("confirmed", "mail")], [("confirmed", 1)])
    collection("deliveries").update_one({}, {"$set": {"state": "sent"}})

    assert relay.pass_on_news() == 0

    assert told() == []
    assert [delivery["state"] for delivery in delivered()] == ["sent"]


def test_passes_on_once_though_several_workers_do_it() -> None:
    for days in range(20):
        book(f"key-{days}", guest=GUEST, caller=CUSTOMER, date=night(30 + days))

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: relay.pass_on_news(), range(4)))

    assert sum(counts) == 20
    assert len(delivered()) == 20
    assert all(booking["outbox"] == [] for booking in stored())


def test_goes_on_until_every_outbox_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "BATCH_SIZE", 3)
    for days in range(7):
        book(f"key-{days}", guest=GUEST, caller=CUSTOMER, date=night(30 + days))

    assert relay.pass_on_news() == 7


def test_does_not_keep_a_change_from_being_made() -> None:
    """The relay writes to the booking, but does not change it."""
    outcome = book(guest=GUEST, caller=CUSTOMER)
    before = changes.change_booking

    def change(*arguments: Any, **options: Any) -> bool:
        relay.pass_on_news()
        return before(*arguments, **options)

    changes.change_booking = change
    try:
        cancel(outcome, actor=CUSTOMER)
    finally:
        changes.change_booking = before

    assert stored()[0]["status"] == "cancelled"
    assert told() == [("cancelled", 2)]


# --- Deliveries -------------------------------------------------------------------------------


def waiting() -> deliveries.Delivery:
    relay.pass_on_news()
    delivery = deliveries.take_mail()
    assert delivery is not None
    return delivery


def let_time_pass(ms: int) -> None:
    collection("deliveries").update_many(
        {"next_try_at": {"$type": "date"}},
        [{"$set": {"next_try_at": {"$subtract": ["$next_try_at", ms]}}}],
    )


def test_is_taken_by_one_and_again_only_after_a_while() -> None:
    book(guest=GUEST, caller=CUSTOMER)
    relay.pass_on_news()

    with ThreadPoolExecutor(8) as pool:
        taken = [d for d in pool.map(lambda _: deliveries.take_mail(), range(8)) if d]

    assert len(taken) == 1
    let_time_pass(deliveries.RETRIES.first_wait_ms - 5_000)
    assert deliveries.take_mail() is None
    let_time_pass(5_001)
    again = deliveries.take_mail()
    assert again is not None
    assert (again.event_id, again.tries) == (taken[0].event_id, 2)


def test_waits_longer_after_each_failure_but_an_hour_at_the_most() -> None:
    book(guest=GUEST, caller=CUSTOMER)
    relay.pass_on_news()
    pauses = []
    for _ in range(9):
        let_time_pass(deliveries.RETRIES.longest_wait_ms)
        taken = deliveries.take_mail()
        assert taken is not None
        deliveries.fail(taken, "no")
        (document,) = delivered()
        pauses.append(round((document["next_try_at"] - clock.now()).total_seconds() / 60))

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert document["last_error"] == "no"


def fail_once(reason: str = "no") -> bool:
    """One try that the mail server refuses, once the mail is due; whether it was the last."""
    let_time_pass(deliveries.RETRIES.longest_wait_ms)
    taken = deliveries.take_mail()
    assert taken is not None
    return deliveries.fail(taken, reason)


def let_worker_be_away() -> None:
    """Lets a day and a half pass, in which no mail is tried."""
    away_ms = 36 * 3_600_000
    times = ("created_at", "at", "next_try_at", "tried_from")
    for time in times:
        collection("deliveries").update_many(
            {time: {"$type": "date"}}, [{"$set": {time: {"$subtract": [f"${time}", away_ms]}}}]
        )


def test_gives_up_after_a_day_of_tries_and_begins_anew_when_told_to() -> None:
    book(guest=GUEST, caller=CUSTOMER)
    relay.pass_on_news()

    given_up = [fail_once() for _ in range(deliveries.RETRIES.max_tries)]

    assert given_up == [False] * (deliveries.RETRIES.max_tries - 1) + [True]
    assert deliveries.take_mail() is None
    (document,) = delivered()
    assert document["state"] == "given_up"

    assert deliveries.send_again(document["_id"]) is True
    assert fail_once() is False


def test_tries_as_often_as_there_is_time_for_in_a_day() -> None:
    pauses = [
        min(deliveries.RETRIES.first_wait_ms * 2**number, deliveries.RETRIES.longest_wait_ms)
        for number in range(deliveries.RETRIES.max_tries - 1)
    ]

    assert sum(pauses[:-1]) < 24 * 3_600_000 <= sum(pauses)


def test_tries_a_mail_that_waited_for_a_worker_as_often_as_any_other() -> None:
    """However long it waits, before its first try or between two."""
    book(guest=GUEST, caller=CUSTOMER)
    relay.pass_on_news()

    let_worker_be_away()
    assert fail_once() is False
    let_worker_be_away()
    assert fail_once() is False

    assert delivered()[0]["state"] == "waiting"
    taken = [fail_once() for _ in range(deliveries.RETRIES.max_tries - 2)]
    assert taken[-2:] == [False, True]


def test_settles_only_the_try_that_was_made() -> None:
    """A worker that comes back after its lease must not end another one's try."""
    book(guest=GUEST, caller=CUSTOMER)
    late = waiting()
    let_time_pass(deliveries.RETRIES.first_wait_ms + 1)
    assert deliveries.take_mail() is not None

    deliveries.fail(late, "late")
    deliveries.settle(late, "given_up")

    assert (delivered()[0]["state"], delivered()[0]["last_error"]) == ("waiting", "")


def test_sends_nothing_again_that_was_sent() -> None:
    book(guest=GUEST, caller=CUSTOMER)
    delivery = waiting()
    deliveries.settle(delivery, deliveries.SENT)

    assert deliveries.send_again(delivery.id) is False
    assert deliveries.send_again("nothing") is False
    assert deliveries.read_figures("mail").waiting == 0


def test_counts_what_waits() -> None:
    for days in range(3):
        book(f"key-{days}", guest=GUEST, caller=CUSTOMER, date=night(30 + days))
    relay.pass_on_news()
    let_time_pass(90_000)

    figures = deliveries.read_figures("mail")

    assert figures.waiting == 3
    assert 90 <= figures.oldest_due_age_s < 100


def let_pause_end() -> None:
    collection("failed_work").update_many(
        {"next_try_at": {"$type": "date"}}, [{"$set": {"next_try_at": "$$NOW"}}]
    )


# --- Unreadable bookings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        {"outbox.0.colour": "blue"},
        {"guest.title": "Dr"},
        {"price": None},
    ],
)
def test_holds_up_nobodys_news_by_a_booking_that_it_cannot_read(
    damage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A booking that a newer version of the site has written."""
    for days in range(3):
        book(f"key-{days}", guest=GUEST, caller=CUSTOMER, date=night(30 + days))
    broken = stored()[1]
    collection("bookings").update_one({"_id": broken["_id"]}, {"$set": damage})

    assert [relay.pass_on_news(), relay.pass_on_news()] == [2, 0]

    assert caplog.text.count("news_unreadable") == 1
    restored = {name: broken[name] for name in ("guest", "price", "outbox")}
    collection("bookings").update_one({"_id": broken["_id"]}, {"$set": restored})
    let_pause_end()
    assert relay.pass_on_news() == 1


def test_looks_again_after_a_while_at_what_it_could_not_read() -> None:
    book(guest=GUEST, caller=CUSTOMER)
    collection("bookings").update_one({}, {"$set": {"guest.title": "Dr"}})
    relay.pass_on_news()
    collection("bookings").update_one({}, {"$unset": {"guest.title": ""}})
    assert relay.pass_on_news() == 0

    (line,) = collection("failed_work").find({})
    pause = timedelta(milliseconds=failed_work.RETRIES.first_wait_ms)
    assert pause - timedelta(seconds=10) < line["next_try_at"] - clock.now() <= pause
    let_pause_end()
    assert relay.pass_on_news() == 1
    assert not list(collection("failed_work").find({}))


def test_tells_of_the_coming_end_as_of_what_happens_then() -> None:
    """Between the hold and its reminder something else may have happened."""
    held = book(hold=True, guest=GUEST, caller=CUSTOMER)
    move(held)
    let_reminders_be_due()
    due_at = stored()[0]["outbox"][0]["due_at"]

    relay.pass_on_news()

    (expiring,) = [delivery for delivery in delivered() if delivery["event"] == "expiring"]
    assert [delivery["version"] for delivery in delivered()] == [2, 2]
    assert expiring["at"] == due_at
    assert expiring["payload"]["resourceId"] == "room_B"


def test_reminds_who_gives_an_address_when_coming_back_to_the_hold() -> None:
    book("first", hold=True, caller=CUSTOMER)
    book("second", hold=True, caller=CUSTOMER, guest=GUEST)

    assert told() == [("expiring", 2)]
    book("third", hold=True, caller=CUSTOMER, guest=GUEST)
    assert told() == [("expiring", 2)]
