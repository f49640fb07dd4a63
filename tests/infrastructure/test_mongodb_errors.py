"""The site's reaction to every error that MongoDB may return, from a MongoDB that returns it.

`failCommand` makes a server fail at a command with any existing code. The errors have no labels, so
the code alone has to decide; the driver adds its own labels to codes that it knows.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pymongo
import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.db import DatabaseError, connection, connections
from django.test import Client
from pymongo.errors import BulkWriteError, PyMongoError

from bookings import tasks
from bookings.infrastructure import clock, deadlines, metrics, recent_reads
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.mongodb.errors import CATEGORIES, PASSING_CODES
from bookings.models import ApiClient, Hotel, NightsJob
from bookings.operations import demo_data
from bookings.people import tokens
from local.servers import start_mongod
from tests.browsing import ADA, confirm_form, open_page, stays_path
from tests.calls import CUSTOMER, book, stored
from tests.conftest import empty_database, night
from tests.news.test_outbox import let_time_pass
from tests.pages import Page
from tests.servers import start_throwaway

pytestmark = pytest.mark.mongo

# The driver itself retries these for as long as it has time, mostly after another look for the
# primary; if the error has passed by then, the client does not see it.
RETRIED = sorted({6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
TOLD = sorted(PASSING_CODES.difference(RETRIED))

COMMANDS = ("find", "aggregate", "insert", "update", "findAndModify", "delete", "commitTransaction")

# The write is done, and may not stay.
NO_MAJORITY = {"writeConcernError": {"code": 11601, "errmsg": "interrupted"}}

# In none of the categories: UnknownError.
OTHER_CODE = 8

Fail = Callable[..., Any]


@pytest.fixture(scope="module")
def failing_mongod(migrated: None) -> Iterator[pymongo.MongoClient]:
    """A MongoDB that can be told to fail; meanwhile this whole process uses it."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["TEST_SERVERS_FOLDER"]))
    start = partial(start_mongod, parameters={"enableTestCommands": True})
    server = start_throwaway(start, folder)
    before = connections["default"]
    # The backend keeps one client for each name of a connection.
    client_before = before._connection_pools.pop("default")
    other = before.copy()
    other.settings_dict["HOST"] = server.uri
    connections["default"] = other
    call_command("migrate", verbosity=0)
    demo_data.seed()
    with pymongo.MongoClient(server.uri) as client:
        yield client
    other.close_pool()
    before._connection_pools["default"] = client_before
    connections["default"] = before
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fail(failing_mongod: pymongo.MongoClient) -> Iterator[Fail]:
    """`with fail("insert", errorCode=11601):` makes these commands fail; not the first few if
    `skip` says so, and only a few if `times` does."""
    empty_database()

    @contextmanager
    def failing(*commands: str, times: int = 0, skip: int = 0, **how: Any) -> Iterator[None]:
        mode: Any = {"times": times} if times else {"skip": skip} if skip else "alwaysOn"
        data = {"failCommands": commands, "errorLabels": [], **how}
        failing_mongod.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
        try:
            yield
        finally:
            failing_mongod.admin.command("configureFailPoint", "failCommand", mode="off")
            # No request of a test may wait for the next probe.
            outage._is_away.clear()

    yield failing
    failing_mongod.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.fixture
def use_database(fail: Fail) -> None:
    """Instead of the shared one."""


@pytest.fixture
def api(fail: Fail) -> Client:
    partner = ApiClient.objects.create(name="partner", act_for_others=True)
    token = tokens.issue_token(partner.pk)
    return Client(headers={"authorization": f"Bearer {token}"}, raise_request_exception=False)


@pytest.fixture
def staff(fail: Fail) -> Client:
    User.objects.create_superuser("staff", password="correct horse")
    browser = Client(raise_request_exception=False)
    assert browser.login(username="staff", password="correct horse")
    return browser


def post(api: Client, path: str, key: str, **body: Any) -> Any:
    return api.post(path, body, content_type="application/json", headers={"idempotency-key": key})


def post_booking(api: Client, number: int, code: int) -> Any:
    # Otherwise a process that knows the caller already would not ask.
    recent_reads.announce_change()
    wish = {"userId": f"guest-{number}", "resourceId": "room_A", "date": night(30 + number)}
    return post(api, "/api/bookings", f"order-{code}", **wish)


def says_try_again(answer: Any) -> bool:
    told = (answer.status_code, answer.headers.get("Retry-After"))
    return told == (503, "2") and answer.json()["code"] == "TRY_AGAIN"


def shows_try_again(page: Any) -> bool:
    told = (page.status_code, page.headers.get("Retry-After"))
    return told == (503, "2") and "Please try again" in page.content.decode()


def counted(kind: str) -> float:
    value = metrics.REGISTRY.get_sample_value("bookingsite_mongodb_errors_total", {"kind": kind})
    assert value is not None
    return value


def test_takes_the_categories_as_they_are_published() -> None:
    names = [pair for codes in CATEGORIES.values() for pair in codes.items()]

    # One name for each code, and one code for each name.
    assert len(set(names)) == len(dict(names)) == len({name for _, name in names})
    assert {6, 246, 290, 11601} <= PASSING_CODES
    assert not {2, OTHER_CODE, 11000} & PASSING_CODES


@pytest.mark.parametrize("command", ["find", "aggregate", "insert", "commitTransaction"])
def test_books_after_any_error_that_passes_with_the_same_key(
    api: Client, fail: Fail, command: str
) -> None:
    before = counted("passing")
    for number, code in enumerate(TOLD):
        with fail(command, errorCode=code):
            failed = post_booking(api, number, code)

        assert says_try_again(failed), (code, failed.content)
        assert post_booking(api, number, code).status_code == 201

    assert counted("passing") - before == len(TOLD)
    assert [len(booking["slots"]) for booking in stored()] == [1] * len(TOLD)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["find", "aggregate", "insert", "commitTransaction"])
def test_books_at_once_or_with_the_same_key_after_what_the_driver_tries_again(
    api: Client, fail: Fail, command: str
) -> None:
    for number, code in enumerate(RETRIED):
        with fail(command, times=1, errorCode=code):
            failed = post_booking(api, number, code)

        assert failed.status_code == 201 or says_try_again(failed), (code, failed.content)
        assert post_booking(api, number, code).status_code == 201
    assert len(stored()) == len(RETRIED)


@pytest.mark.slow
def test_says_to_try_again_once_the_driver_has_no_time_left(
    api: Client, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "MONGODB_TIMEOUT_S", 0.2)
    for number, code in enumerate(RETRIED):
        with fail("find", errorCode=code):
            failed = post_booking(api, number, code)

        assert says_try_again(failed), (code, failed.content)


@pytest.mark.parametrize("is_concern", [False, True], ids=["command", "write_concern"])
def test_changes_a_booking_after_any_error_that_passes_with_the_same_key(
    api: Client, fail: Fail, is_concern: bool
) -> None:
    for number, code in enumerate(TOLD):
        booking = post_booking(api, number, code).json()["booking"]
        path, key = f"/api/bookings/{booking['id']}/cancel", f"cancel-{code}"
        concern = {"writeConcernError": {"code": code, "errmsg": "no majority"}}
        with fail("update", **(concern if is_concern else {"errorCode": code})):
            failed = post(api, path, key)

        assert says_try_again(failed), (code, failed.content)
        assert post(api, path, key).json()["booking"]["status"] == "cancelled"
    assert {len(booking["history"]) for booking in stored()} == {2}


def test_shows_a_page_to_try_again_after_any_error_that_passes(fail: Fail) -> None:
    User.objects.create_user("ada", password="correct horse")
    browser = Client(raise_request_exception=False)
    assert browser.login(username="ada", password="correct horse")
    for code in TOLD:
        # The offers, and before them the owner of the session.
        for command in ("find", "aggregate"):
            with fail(command, errorCode=code):
                page = browser.get(stays_path())
            assert shows_try_again(page), (command, code)


@pytest.mark.parametrize("command", ["find", "aggregate", "insert", "update", "commitTransaction"])
def test_holds_and_confirms_on_the_pages_with_the_same_form(fail: Fail, command: str) -> None:
    browser = Client(raise_request_exception=False)
    form = open_page(browser, stays_path()).hold_form("demo_double")
    with fail(command, errorCode=246):
        failed = browser.post(form.action, form.fields)
    held = browser.post(form.action, form.fields, follow=True)
    confirm = confirm_form(Page(held.content.decode()))
    with fail(command, errorCode=246):
        failed_again = browser.post(confirm.action, {**confirm.fields, **ADA})
    booked = browser.post(confirm.action, {**confirm.fields, **ADA}, follow=True)

    assert shows_try_again(failed)
    # Confirming takes no insert and no transaction.
    assert shows_try_again(failed_again) or command in ("insert", "commitTransaction")
    assert "Your room is booked" in booked.content.decode()
    assert len(stored()) == 1


def test_shows_staff_a_page_to_try_again_after_any_error_that_passes(
    staff: Client, fail: Fail
) -> None:
    for code in TOLD:
        with fail("find", "aggregate", errorCode=code):
            page = staff.get("/admin/bookings/bookingrecord/")
        assert shows_try_again(page), code


@pytest.mark.parametrize("command", ["insert", "update"])
@pytest.mark.parametrize("how", [{"errorCode": 246}, NO_MAJORITY], ids=["command", "write_concern"])
def test_saves_in_the_admin_what_was_sent_again(
    staff: Client, fail: Fail, command: str, how: dict[str, Any]
) -> None:
    path = "/admin/bookings/hotel/demo/change/"
    (form,) = [
        form for form in Page(staff.get(path).content.decode()).forms if "name" in form.fields
    ]
    fields = {**form.fields, "name": "New"}
    with fail(command, **how):
        failed = staff.post(path, fields)
    saved = staff.post(path, fields)
    name = Hotel.objects.get(pk="demo").name
    Hotel.objects.filter(pk="demo").update(name="Demo Hotel")

    assert shows_try_again(failed)
    assert saved.status_code == 302
    assert name == "New"


def test_says_to_try_again_where_only_the_session_could_not_be_written(fail: Fail) -> None:
    User.objects.create_superuser("staff", password="correct horse")
    browser = Client(raise_request_exception=False)
    login = {"username": "staff", "password": "correct horse", "next": "/admin/"}
    sessions = f"{connection.settings_dict['NAME']}.django_session"
    # The session is made before the log-in, and written once more on the way out. To Django an
    # update that fails is a session that is gone, and so a bad request.
    with fail("update", namespace=sessions, errorCode=246):
        failed = browser.post("/admin/login/", login)

    assert shows_try_again(failed), failed.status_code
    assert browser.post("/admin/login/", login).status_code == 302


@pytest.mark.parametrize("path", ["/login", "/admin/login/"])
def test_says_to_try_again_where_a_right_password_could_not_be_hashed_once_more(
    fail: Fail, settings: Any, path: str
) -> None:
    User.objects.create_superuser("staff", password="correct horse")
    settings.PASSWORD_HASHERS = ["bookingsite.passwords.PasswordHasher", *settings.PASSWORD_HASHERS]
    browser = Client(raise_request_exception=False)
    login = {"username": "staff", "password": "correct horse", "next": "/admin/"}
    accounts = f"{connection.settings_dict['NAME']}.auth_user"
    with fail("update", namespace=accounts, errorCode=246):
        failed = browser.post(path, login)

    assert shows_try_again(failed), failed.status_code
    assert browser.post(path, login).status_code == 302


def run_worker() -> None:
    """Runs the tasks that beat asks for; a failure there is in the log."""
    for task in (
        tasks.expire_holds,
        tasks.generate_nights,
        tasks.send_letters,
        tasks.pass_on_news,
        tasks.send_notifications,
        tasks.send_webhooks,
        tasks.note_disabled_webhooks,
        tasks.clear_sessions,
    ):
        try:
            task()
        except (PyMongoError, DatabaseError):
            continue


def test_loses_nothing_in_the_worker(fail: Fail) -> None:
    for number, code in enumerate(TOLD):
        guest = {"name": "Ada", "email": f"guest-{number}@example.org"}
        book(f"order-{code}", caller=CUSTOMER, guest=guest, date=night(30 + number))
        # At its first command, at its second, and so on.
        with fail(*COMMANDS, skip=number, errorCode=code):
            run_worker()
        let_leases_end()
    for _ in range(3):
        run_worker()
        let_leases_end()

    assert {message.to[0] for message in mail.outbox} == {
        f"guest-{number}@example.org" for number in range(len(TOLD))
    }
    assert {delivery["state"] for delivery in collection("deliveries").find()} == {"sent"}
    assert not any(booking["outbox"] for booking in stored())


def test_makes_the_nights_that_were_ordered_in_the_end(fail: Fail) -> None:
    job = NightsJob.objects.create(
        hotel_id="demo",
        start="2027-03-01",
        end="2027-03-02",
        weekdays="mon,tue,wed,thu,fri,sat,sun",
        total=2,
        created_at=clock.now(),
    )
    for number, code in enumerate(TOLD[:12]):
        with fail(*COMMANDS, skip=number, errorCode=code):
            run_worker()
        let_leases_end()
    run_worker()

    assert NightsJob.objects.get(pk=job.pk).state == "done"


def test_does_not_take_news_for_passed_on_that_may_not_stay(fail: Fail) -> None:
    book(caller=CUSTOMER, guest={"name": "Ada", "email": "ada@example.org"})

    with fail("insert", **NO_MAJORITY), pytest.raises(BulkWriteError):
        tasks.pass_on_news()

    assert stored()[0]["outbox"]
    tasks.pass_on_news()
    assert not stored()[0]["outbox"]
    assert collection("deliveries").count_documents({}) == 1


def let_leases_end() -> None:
    let_time_pass(3_600_000)
    collection("nights_jobs").update_many(
        {"lease_until": {"$ne": None}}, [{"$set": {"lease_until": {"$subtract": ["$$NOW", 1]}}}]
    )


def test_calls_any_other_error_by_its_name_and_counts_it(
    api: Client, fail: Fail, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted("other")
    with fail("find", errorCode=OTHER_CODE, errorLabels=["Strange"]), caplog.at_level(logging.INFO):
        failed = post_booking(api, 0, OTHER_CODE)

    assert (failed.status_code, failed.json()["code"]) == (500, "SERVER_ERROR")
    (line,) = [record for record in caplog.records if record.message == "unexpected_error"]
    assert (line.error_class, line.error_codes, line.error_labels) == (
        "OperationFailure",
        [OTHER_CODE],
        ["Strange"],
    )
    assert counted("other") - before == 1
    assert post_booking(api, 0, OTHER_CODE).status_code == 201


def test_calls_an_error_in_a_task_by_its_name(fail: Fail, caplog: pytest.LogCaptureFixture) -> None:
    with fail("find", errorCode=246):
        tasks.expire_holds.apply()

    (line,) = [record for record in caplog.records if record.message == "task_failed_at_mongodb"]
    assert (line.error_class, line.error_codes) == ("OperationFailure", [246])
