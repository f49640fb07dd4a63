"""Guests' and partners' notifications, as staff see them and send them again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client

from bookings.infrastructure.connections import collection
from bookings.news import guest_mails, relay
from bookings.stays import queries
from tests.calls import CUSTOMER, book, stored
from tests.conftest import night
from tests.news.test_outbox import delivered

pytestmark = pytest.mark.mongo

LIST = "/admin/bookings/deliveryrecord/"
GUEST = {"name": "Ada", "email": "ada@example.org"}
SKIPPED = "Skipped, since they were sent or are not needed, or another copy was sent or waits:"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def send_again(desk: Client) -> Any:
    ids = [delivery["_id"] for delivery in delivered()]
    return desk.post(LIST, {"action": "send_again", "_selected_action": ids}, follow=True)


@pytest.fixture
def two_told() -> None:
    """One mail was sent, one given up."""
    for days in (30, 31):
        book(f"key-{days}", caller=CUSTOMER, guest=GUEST, date=night(days))
    relay.pass_on_news()
    guest_mails.send_notifications()
    mail.outbox.clear()
    collection("deliveries").update_one(
        {"booking": stored()[0]["_id"]},
        {"$set": {"state": "given_up", "last_error": "The mail server answered 554."}},
    )


def test_lists_what_was_told_and_what_went_wrong(desk: Client, two_told: None) -> None:
    page = desk.get(LIST).content.decode()

    assert "given up" in page
    for column in ("Attempts", "Happened at"):
        assert f"<span>{column}</span>" in page
    assert "The mail server answered 554." in page
    assert page.count("the guest") == 2
    assert "ada@example.org" not in page
    assert f"/admin/bookings/bookingrecord/{stored()[0]['_id']}/change/" in page


def test_names_the_receiver_of_a_mail_to_a_former_address(desk: Client, two_told: None) -> None:
    fields = {"to": "former", "address": "ada@example.org"}
    collection("deliveries").update_one({"state": "given_up"}, {"$set": fields})

    page = desk.get(LIST).content.decode()

    assert page.count("the guest’s former address") == 1
    assert "ada@example.org" not in page


@pytest.mark.parametrize(
    ("query", "count"),
    [("state=given_up", 1), ("state=sent", 1), ("state=failing", 0), ("channel=webhook", 0)],
)
def test_narrows_the_list(desk: Client, two_told: None, query: str, count: int) -> None:
    response = desk.get(f"{LIST}?{query}")

    assert len(response.context["cl"].result_list) == count


def test_lists_the_newest_without_reading_all(
    desk: Client, two_told: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = delivered()
    monkeypatch.setattr("bookings.admin.notifications.MAX_LISTED", 0)
    monkeypatch.setattr("bookings.admin.notifications.LOOKED_THROUGH", 0)
    collection("deliveries").update_one(
        {"_id": first["_id"]}, [{"$set": {"created_at": {"$subtract": ["$created_at", 60_000]}}}]
    )

    listed = [
        [record.pk for record in desk.get(LIST + query).context["cl"].result_list]
        for query in ("", "?state=given_up", "?state=sent", f"?q={first['reference']}")
    ]

    assert listed == [[second["_id"]], [first["_id"]], [second["_id"]], [first["_id"]]]


def test_finds_what_was_told_of_a_booking(desk: Client, two_told: None) -> None:
    reference = stored()[0]["reference"]

    found = [desk.get(LIST, {"q": text}) for text in (f" {reference.lower()} ", "INN-XXXXXXXX")]

    assert [len(response.context["cl"].result_list) for response in found] == [1, 0]


def test_shows_it_on_the_page_of_the_booking(desk: Client, two_told: None) -> None:
    page = desk.get(f"/admin/bookings/bookingrecord/{stored()[0]['_id']}/change/")

    assert "The mail server answered 554." in page.content.decode()


def test_sends_again_what_was_given_up_and_nothing_else(desk: Client, two_told: None) -> None:
    page = send_again(desk)

    assert [str(message) for message in page.context["messages"]] == [
        "Due now: 1. A worker sends them within seconds.",
        f"{SKIPPED} 1.",
    ]
    assert guest_mails.send_notifications() == 1
    assert len(mail.outbox) == 1
    assert LogEntry.objects.get().change_message == "Sent again."


@pytest.fixture
def given_up() -> dict[str, Any]:
    """A mail that was given up."""
    book("key", caller=CUSTOMER, guest=GUEST, date=night(30))
    relay.pass_on_news()
    return give_up()


def give_up() -> dict[str, Any]:
    """Gives up the newest mail."""
    (*_, newest) = delivered()
    settled = {"$set": {"state": "given_up", "last_error": "554"}, "$unset": {"next_try_at": ""}}
    collection("deliveries").update_one({"_id": newest["_id"]}, settled)
    return newest


def ask_for_a_copy(of: dict[str, Any], key: str = "key") -> None:
    """Has it sent again as on the page of the booking."""
    booking = queries.find_booking(str(of["booking"]))
    assert booking is not None
    assert guest_mails.send_again(booking, of["_id"], key=key)


@pytest.mark.parametrize("is_sent", [False, True])
def test_sends_one_copy_of_a_mail_that_was_given_up(
    desk: Client, given_up: dict[str, Any], is_sent: bool
) -> None:
    ask_for_a_copy(given_up)
    if is_sent:
        assert guest_mails.send_notifications() == 1

    page = desk.post(
        LIST, {"action": "send_again", "_selected_action": [given_up["_id"]]}, follow=True
    )

    assert [str(message) for message in page.context["messages"]] == [f"{SKIPPED} 1."]
    guest_mails.send_notifications()
    assert len(mail.outbox) == 1


def test_sends_one_of_several_copies_that_were_given_up(
    desk: Client, given_up: dict[str, Any]
) -> None:
    ask_for_a_copy(given_up)
    give_up()

    send_again(desk)

    assert guest_mails.send_notifications() == 1
    assert len(mail.outbox) == 1


def test_sends_a_copy_that_was_given_up_though_the_first_mail_was_sent(
    desk: Client, given_up: dict[str, Any]
) -> None:
    collection("deliveries").update_one({"_id": given_up["_id"]}, {"$set": {"state": "sent"}})
    ask_for_a_copy(given_up)
    give_up()

    send_again(desk)

    assert guest_mails.send_notifications() == 1


def test_changes_nothing_for_who_may_only_look(client: Client, two_told: None) -> None:
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_deliveryrecord"))
    client.force_login(user)

    assert client.get(LIST).status_code == 200
    send_again(client)

    assert guest_mails.send_notifications() == 0
    (record,) = [delivery for delivery in delivered() if delivery["state"] == "given_up"]
    assert client.get(f"{LIST}{record['_id'].replace(':', '_3A')}/delete/").status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403


def test_shows_a_notification_of_its_own_page(desk: Client, two_told: None) -> None:
    page = desk.get(f"{LIST}{delivered()[0]['_id'].replace(':', '_3A')}/change/")

    assert page.status_code == 200
