"""One bad item in a queue: the good ones behind it succeed, and its failures are limited and
shown."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client

from bookings import tasks
from bookings.catalogue import night_jobs
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues import failed_work
from bookings.models import Hotel
from bookings.news import deliveries, guest_mails, relay
from bookings.news.webhooks import backlog, endpoints, notes, sending
from bookings.people import account_letters
from local.servers import start_mongod
from tests.bookingsite.test_metrics import scrape
from tests.calls import CUSTOMER, book, stored
from tests.catalogue.test_night_jobs import add_job
from tests.conftest import night
from tests.news.partners import Partner, inside, receiver  # noqa: F401
from tests.receivers import Receiver
from tests.servers import ROOT, start_throwaway

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inside")]

GOOD, BAD = "ada@example.org", "eve@example.org"

Damage = dict[str, Any]


def lines() -> list[dict[str, Any]]:
    return list(collection("failed_work").find({}))


def make_due(name: str, field: str = "next_try_at") -> None:
    collection(name).update_many(
        {field: {"$type": "date"}}, [{"$set": {field: {"$subtract": ["$$NOW", 1]}}}]
    )


def written_to() -> list[str]:
    return [message.to[0] for message in mail.outbox]


# --- Letters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        {"address": {"no": "address"}},
        {"address": "a@example.org\nBcc: b@example.org"},
        {"purpose": None},
        {"purpose": []},
        {"language": 5},
        {"tries": "many"},
        {"tries": float("nan")},
    ],
    ids=str,
)
def test_sends_the_letters_behind_a_bad_one(damage: Damage) -> None:
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address=BAD)
    collection("letters").update_one({}, {"$set": damage})
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address=GOOD)

    account_letters.send_letters()

    assert GOOD in written_to()
    assert collection("letters").count_documents({"next_try_at": {"$lte": clock.now()}}) == 0


def test_gives_up_a_bad_letter_after_its_tries(caplog: pytest.LogCaptureFixture) -> None:
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address=BAD)
    collection("letters").update_one({}, {"$unset": {"language": ""}})

    for _ in range(account_letters.RETRIES.max_tries + 3):
        account_letters.send_letters()
        make_due("letters")

    (line,) = lines()
    assert (line["queue"], line["tries"], line["is_over"]) == (
        "letters",
        account_letters.RETRIES.max_tries,
        True,
    )
    assert (line["error"], line["place"].partition(",")[0]) == ("KeyError", "account_letters.py")
    assert "next_try_at" not in collection("letters").find_one({})
    # The traceback once, the e-mail address never.
    assert sum("stack" in vars(record) for record in caplog.records) == 1
    assert BAD not in str([vars(record) for record in caplog.records])


def test_gives_up_a_letter_that_ends_its_worker_each_time() -> None:
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address=BAD)
    collection("letters").update_one({}, {"$set": {"tries": account_letters.RETRIES.max_tries}})

    assert account_letters.send_letters() == 0

    assert not mail.outbox
    assert "next_try_at" not in collection("letters").find_one({})
    assert lines()[0]["error"] == "NeverFinished"


def test_forgets_the_failure_of_a_letter_that_was_sent_after_all() -> None:
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address=GOOD)
    collection("letters").update_one({}, {"$rename": {"language": "lost"}})
    account_letters.send_letters()
    assert lines()
    collection("letters").update_one({}, {"$rename": {"lost": "language"}})
    make_due("letters")

    assert account_letters.send_letters() == 1
    assert not lines()


# --- News, and mails to guests ----------------------------------------------------------------


def book_two() -> tuple[dict[str, Any], dict[str, Any]]:
    """Makes two bookings; the first one is to be damaged."""
    for key, address, days in (("bad", BAD, 30), ("good", GOOD, 31)):
        book(key, caller=CUSTOMER, guest={"name": "A", "email": address}, date=night(days))
    bad, good = stored()
    return bad, good


@pytest.mark.parametrize(
    "damage",
    [
        {"outbox.0.colour": "blue"},
        {"guest.title": "Dr"},
        {"price": None},
        {"history": "lost"},
        {"keys.0.body": b"no JSON"},
        # Readable without a fault, and more than MongoDB can keep.
        {"keys.0.body": b'{"booking": {"number": 99999999999999999999}}'},
    ],
    ids=str,
)
def test_passes_on_the_news_behind_what_it_cannot_read_or_write(
    damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = book_two()
    collection("bookings").update_one({"_id": bad["_id"]}, {"$set": damage})

    for _ in range(failed_work.RETRIES.max_tries + 3):
        relay.pass_on_news()
        make_due("failed_work")

    (delivery,) = collection("deliveries").find({})
    assert delivery["booking"] == good["_id"]
    (line,) = lines()
    assert (line["queue"], line["item"]) == ("news", bad["_id"])
    assert (line["tries"], line["is_over"]) == (failed_work.RETRIES.max_tries, True)
    assert caplog.text.count("news_unreadable") == 1
    # It is not late: no worker will take it.
    assert relay.oldest_due_age_s() == 0


def test_passes_on_the_news_behind_an_outbox_that_is_none() -> None:
    bad, _ = book_two()
    outbox = {"due_at": clock.now() - timedelta(hours=1)}
    collection("bookings").update_one({"_id": bad["_id"]}, {"$set": {"outbox": outbox}})

    assert [relay.pass_on_news(), relay.pass_on_news()] == [1, 0]


@pytest.mark.parametrize(
    "damage",
    [
        {"$set": {"event": "unheard-of"}},
        {"$set": {"event": "moved"}},
        {"$set": {"tries": "many"}},
        {"$set": {"tries": 1e300}},
        {"$set": {"created_at": "long ago", "event": "unheard-of"}},
        {"$unset": {"payload": ""}},
        {"$unset": {"event_id": ""}},
    ],
    ids=str,
)
def test_sends_the_mails_behind_a_bad_one(damage: Damage) -> None:
    bad, _ = book_two()
    relay.pass_on_news()
    collection("deliveries").update_one({"booking": bad["_id"]}, damage)
    collection("deliveries").update_one(
        {"booking": bad["_id"]}, {"$set": {"next_try_at": clock.now()}}
    )

    guest_mails.send_notifications()

    assert GOOD in written_to()


def test_gives_up_a_bad_mail_after_a_day(client: Client) -> None:
    bad, _ = book_two()
    relay.pass_on_news()
    damage = {"event": "moved", "tries": deliveries.RETRIES.max_tries - 1}
    collection("deliveries").update_one({"booking": bad["_id"]}, {"$set": damage})

    guest_mails.send_notifications()

    delivery = collection("deliveries").find_one({"booking": bad["_id"]})
    assert (delivery["state"], "next_try_at" in delivery) == ("given_up", False)
    assert [(line["queue"], line["is_over"]) for line in lines()] == [("mails", True)]
    assert scrape(client)["bookingsite_failed_work queue=mails"] == 1


def test_gives_up_a_mail_that_ends_its_worker_each_time() -> None:
    book_two()
    relay.pass_on_news()
    collection("deliveries").update_many({}, {"$set": {"tries": deliveries.RETRIES.max_tries}})

    assert guest_mails.send_notifications() == 0

    assert collection("deliveries").distinct("state") == ["given_up"]
    assert {line["error"] for line in lines()} == {"NeverFinished"}


def test_sets_aside_at_once_a_mail_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    bad, _ = book_two()
    relay.pass_on_news()
    collection("deliveries").update_one({"booking": bad["_id"]}, {"$unset": {"version": ""}})

    assert [guest_mails.send_notifications() for _ in range(2)] == [1, 0]

    assert collection("deliveries").find_one({"booking": bad["_id"]})["state"] == "given_up"
    assert caplog.text.count("delivery_unreadable") == 1
    assert [line["queue"] for line in lines()] == ["mails"]


def test_forgets_the_failure_of_a_mail_that_staff_send_again() -> None:
    bad, _ = book_two()
    relay.pass_on_news()
    of_bad = {"booking": bad["_id"]}
    collection("deliveries").update_one(of_bad, {"$unset": {"version": ""}})
    guest_mails.send_notifications()
    assert [line["queue"] for line in lines()] == ["mails"]

    collection("deliveries").update_one(of_bad, {"$set": {"version": 1}})
    assert deliveries.send_again(collection("deliveries").find_one(of_bad)["_id"])

    assert lines() == []


# --- Webhooks ---------------------------------------------------------------------------------


def test_forgets_the_failure_of_an_event_that_staff_send_again(receiver: Receiver) -> None:  # noqa: F811
    partner = Partner("partner", receiver.url)
    (bad,) = partner.tell(1)
    collection("deliveries").update_one({"event_id": bad}, {"$set": {"at": "yesterday"}})
    sending.send_webhooks()
    assert [line["queue"] for line in lines()] == ["webhooks"]

    assert backlog.send_again(partner.client_id, partner.deliveries()[0]["_id"])

    assert lines() == []


@pytest.mark.parametrize(
    "damage",
    [
        {"payload": {"price": Decimal128("1")}},
        {"event_id": 5},
        {"event_id": "two\r\nlines"},
        {"at": "yesterday"},
        {"tries": "many"},
    ],
    ids=str,
)
def test_sends_the_events_behind_a_bad_one(receiver: Receiver, damage: Damage) -> None:  # noqa: F811
    partner = Partner("partner", receiver.url)
    bad, good = partner.tell(2)
    collection("deliveries").update_one({"event_id": bad}, {"$set": damage})

    assert sending.send_webhooks() == 1

    assert partner.states().count("sent") == 1
    assert partner.states().count("given_up") == 1
    assert [(line["queue"], line["is_over"]) for line in lines()] == [("webhooks", True)]
    assert partner.endpoint["failures"] == 0


@pytest.mark.parametrize(
    "damage",
    [
        {"$unset": {"secret": ""}},
        {"$unset": {"url": ""}},
        {"$set": {"secret": 5, "seal_key": "an earlier one"}},
        {"$set": {"previous": [5]}},
        {"$set": {"previous": 5, "seal_key": "an earlier one"}},
        {"$set": {"test": {"is_due": True}}},
        {"$set": {"test": "no test"}},
        {"$unset": {"secret": "", "failures": ""}, "$set": {"failing_since": "long ago"}},
    ],
    ids=str,
)
def test_serves_the_partners_behind_a_bad_endpoint(receiver: Receiver, damage: Damage) -> None:  # noqa: F811
    bad, good = Partner("bad", receiver.url), Partner("good", receiver.url)
    bad.tell()
    good.tell()
    collection("webhook_endpoints").update_one({"_id": bad.id}, damage)

    assert sending.send_webhooks() == 1

    assert (good.states(), bad.states()) == (["sent"], ["waiting"])
    assert bad.endpoint["failures"] == 1
    assert "worker's log" in bad.endpoint["last_error"]
    assert [(line["queue"], line["item"]) for line in lines()] == [("webhook_endpoints", bad.id)]


def test_disables_a_bad_endpoint_after_a_day(receiver: Receiver) -> None:  # noqa: F811
    bad = Partner("bad", receiver.url)
    bad.tell()
    long_ago = clock.now() - timedelta(days=2)
    failing = {"failing_since": long_ago, "failures": endpoints.RETRIES.max_tries}
    collection("webhook_endpoints").update_one(
        {"_id": bad.id}, {"$unset": {"secret": ""}, "$set": failing}
    )

    sending.send_webhooks()

    assert not bad.endpoint["is_active"]
    assert lines()[0]["is_over"]


def add_readers() -> None:
    for name in ("bad", "good"):
        reader = User.objects.create_user(name, email=f"{name}@example.org", is_staff=True)
        reader.user_permissions.add(Permission.objects.get(codename="change_webhookendpoint"))
    # No entrance would accept them; the good one is read second.
    User.objects.filter(username="bad").update(email="*a\n@evil.example")
    User.objects.filter(username="good").update(email=GOOD)


def disable(partner: Partner, **damage: Any) -> None:
    now = clock.now()
    disabled = {"is_active": False, "disabled_at": now, "note_due_at": now, "note_tries": 0}
    collection("webhook_endpoints").update_one(
        {"_id": partner.id}, {"$set": {**disabled, **damage}}
    )


def test_writes_to_the_readers_behind_a_bad_one() -> None:
    add_readers()
    partner = Partner("partner", "https://hooks.example")
    disable(partner)

    for _ in range(notes.RETRIES.max_tries + 3):
        notes.send_notes()
        make_due("webhook_endpoints", "note_due_at")

    assert written_to() == [GOOD]
    assert "note_due_at" not in partner.endpoint
    (line,) = lines()
    assert (line["queue"], line["tries"], line["is_over"]) == ("webhook_notes", 8, True)


@pytest.mark.parametrize(
    "damage",
    [{"note_tries": "many"}, {"disabled_at": "long ago"}, {"note_written_to": 5}],
    ids=str,
)
def test_sends_the_notes_behind_a_bad_one(damage: Damage) -> None:
    add_readers()
    User.objects.filter(username="bad").delete()
    bad, good = (Partner(name, "https://hooks.example") for name in ("bad", "good"))
    disable(bad, **damage)
    disable(good)

    notes.send_notes()

    assert any("good" in message.subject for message in mail.outbox)


# --- Nights jobs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        {"start": "no date"},
        {"kind": "of a newer release"},
        {"kind": "import", "rows": b"no rows"},
        {"weekdays": 7},
        {"created_at": None},
        {"hotel_id": ["chalet"]},
        {"tries": night_jobs.MAX_TRIES},
        {"tries": "many"},
    ],
    ids=str,
)
def test_does_the_jobs_behind_a_bad_one(chalet: Hotel, damage: Damage) -> None:
    bad = add_job(created_at=clock.now() - timedelta(minutes=1))
    collection("nights_jobs").update_one({"_id": bad.pk}, {"$set": damage})
    good = add_job()

    tasks.generate_nights()

    jobs = {job["_id"]: job for job in collection("nights_jobs").find({})}
    assert jobs[good.pk]["state"] == "done"
    is_harmless = set(damage) in ({"created_at"}, {"hotel_id"}) or damage.get("tries") == "many"
    if not is_harmless:
        assert jobs[bad.pk]["state"] == "failed"
        assert "see the worker's log" in jobs[bad.pk]["error"]
        assert [(line["queue"], line["is_over"]) for line in lines()] == [("nights_jobs", True)]


# --- MongoDB away -----------------------------------------------------------------------------

OUTAGE = """
import json
from contextlib import suppress
import django; django.setup()
from datetime import timedelta
from bson import ObjectId
from bookings.catalogue import night_jobs
from bookings.infrastructure import clock
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.connections import collection, database
from bookings.news import guest_mails
from bookings.news.deliveries import MAIL, Delivery, record
from bookings.people import account_letters

def fail(mode):
    # Reads fail with what the server itself calls passing, and writes are taken: only so could the
    # tries of one item after the other be used up. Where nothing is taken, no item is.
    database().client.admin.command("configureFailPoint", "failCommand", mode=mode,
        data={"failCommands": ["find", "aggregate"], "errorCode": 246,
            "errorLabels": ["TransientTransactionError"]})

for number in range(2):
    account_letters.ask_for_letter(
        purpose=account_letters.REGISTER, address=f"ada{number}@example.org"
    )
    now = clock.now()
    record([Delivery(channel=MAIL, to="", event_id=str(number), event="confirmed", at=now,
        booking=ObjectId(), reference="R", version=1, payload={}, created_at=now)])
collection("nights_jobs").insert_one({"hotel_id": "none", "state": "waiting",
    "start": "2030-01-01", "end": "2030-01-01", "exclude_end": False, "price": None,
    "weekdays": "tue", "overwrite": False, "created_at": now})
job = night_jobs._take_oldest()
fail("alwaysOn")
for _ in range(2):
    for run in (account_letters.send_letters, guest_mails.send_notifications,
                lambda: night_jobs._work_on_taken(job)):
        with suppress(Exception):
            run()
    for name in ("letters", "deliveries"):
        collection(name).update_many({"next_try_at": {"$type": "date"}},
            [{"$set": {"next_try_at": {"$subtract": ["$$NOW", 1]}}}])
fail("off")
print(json.dumps({
    "letters": [letter["tries"] for letter in collection("letters").find({})],
    "mails": [mail["tries"] for mail in collection("deliveries").find({})],
    "states": collection("deliveries").distinct("state")
        + collection("nights_jobs").distinct("state"),
    "failed": sum(failed_work.count().values()),
    "sent": account_letters.send_letters(),
}))
"""


@pytest.mark.slow
def test_uses_up_nobodys_tries_while_mongodb_is_away(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    server = start_throwaway(
        lambda *arguments, **options: start_mongod(
            *arguments, parameters={"enableTestCommands": True}, **options
        ),
        tmp_path,
    )
    variables = {"MONGODB_URI": server.uri, "MONGODB_NAME": "test_own"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", OUTAGE],
            cwd=ROOT,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        server.kill()

    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["letters"], found["mails"]) == ([0, 0], [0, 0])
    assert found["states"] == ["waiting", "running"]
    assert (found["failed"], found["sent"]) == (0, 2)


# --- The pages for staff ----------------------------------------------------------------------


def test_shows_failed_work_to_staff_and_lets_them_take_it_off(client: Client) -> None:
    bad, _ = book_two()
    collection("bookings").update_one({"_id": bad["_id"]}, {"$set": {"price": None}})
    relay.pass_on_news()
    client.force_login(User.objects.create_superuser("staff"))

    first_page = client.get("/admin/").content.decode()
    page = client.get("/admin/bookings/failedwork/").content.decode()
    selected = {
        "action": "delete_selected",
        "_selected_action": f"news:{bad['_id']}",
        "post": "yes",
    }
    client.post("/admin/bookings/failedwork/", selected)

    assert 'id="failed-work"' in first_page
    assert all(text in page for text in (str(bad["_id"]), "TypeError", "next try"))
    assert not lines()
    assert 'id="failed-work"' not in client.get("/admin/").content.decode()


def test_shows_it_to_nobody_else(client: Client) -> None:
    failed_work.note("letters", ObjectId(), KeyError(), is_over=True)
    client.force_login(User.objects.create_user("desk", is_staff=True))

    assert 'id="failed-work"' not in client.get("/admin/").content.decode()
    assert client.get("/admin/bookings/failedwork/").status_code == 403
