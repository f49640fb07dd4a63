"""A text that is expensive to process, sent to every door that accepts one: it costs little there.

Python sorts the marks of a letter in a time that grows with the square of their number, and
meanwhile no other thread of the process runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.browsing import ADA, confirm_form, hold
from tests.calls import book
from tests.conftest import night

# Just small enough for a body. Normalising it takes several seconds.
MARKS = "a" + "\u0300" * 15_000 + "\u0316" * 15_000

# The most that it may cost. A page takes less than a tenth.
MOST_S = 0.5

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@contextmanager
def cheap() -> Iterator[None]:
    """Measures processor time, not the clock's: another process may have the processor
    meanwhile."""
    started_s = time.process_time()
    yield
    assert time.process_time() - started_s < MOST_S


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


@pytest.mark.parametrize("text", [MARKS, f"ada@{MARKS}.example"], ids=["a name", "an address"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/login", "username"),
        ("/login", "password"),
        ("/login", "next"),
        ("/admin/login/", "username"),
        ("/admin/login/", "next"),
        ("/register", "email"),
        ("/password", "email"),
        ("/find", "email"),
        ("/hold", "hotel"),
        ("/hold", "category"),
        ("/hold", "arrival"),
        ("/hold", "guests"),
        ("/hold", "key"),
        ("/hold/address", "email"),
        ("/how-it-works/try", "key"),
        ("/language", "next"),
        ("/language", "language"),
    ],
)
def test_reads_a_strangers_text_cheaply(path: str, field: str, text: str) -> None:
    browser, typed = Client(), {"username": "ada", "password": "guess", "email": ADA["email"]}
    browser.post(path, typed)  # loads the page's template

    with cheap():
        answer = browser.post(path, {**typed, field: text})

    assert answer.status_code < 500


@pytest.mark.parametrize("field", ADA)
@pytest.mark.parametrize("text", [MARKS, f"ada@{MARKS}.example"], ids=["a name", "an address"])
def test_reads_a_guests_text_cheaply(field: str, text: str) -> None:
    browser = Client()
    form = confirm_form(hold(browser))

    with cheap():
        answer = browser.post(form.action, {**form.fields, **ADA, field: text})

    assert answer.status_code == 400


@pytest.mark.parametrize("field", ADA)
def test_reads_a_partners_text_cheaply(field: str) -> None:
    wish: dict[str, Any] = {"resourceId": "inn_A", "date": night(), "guest": {}}
    (wish if field == "notes" else wish["guest"])[field] = MARKS

    with cheap():
        outcome = book("key", **wish)

    assert outcome.code == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "path",
    [
        "/admin/desk/guests/",
        "/admin/bookings/bookingrecord/",
        "/admin/bookings/notification/",
    ],
)
def test_searches_for_a_text_cheaply(desk: Client, path: str) -> None:
    desk.get(path)

    with cheap():
        desk.get(path, {"q": MARKS})


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/admin/bookings/bookingrecord/add/", "guest_name"),
        ("/admin/bookings/bookingrecord/add/", "guest_email"),
        ("/admin/bookings/bookingrecord/add/", "guest_phone"),
        ("/admin/bookings/bookingrecord/add/", "notes"),
        ("/admin/bookings/hotel/add/", "name"),
        ("/admin/bookings/hotel/add/", "id"),
        ("/admin/bookings/roomblock/add/", "rooms"),
        ("/admin/bookings/roomblock/add/", "details"),
        ("/admin/bookings/roomblock/add/", "seen"),
        ("/admin/bookings/webhookendpoint/add/", "url"),
        ("/admin/second-factor/", "code"),
        ("/admin/auth/user/add/", "username"),
        ("/admin/auth/user/add/", "email"),
        ("/admin/auth/group/add/", "name"),
    ],
)
def test_reads_a_text_of_staff_cheaply(desk: Client, path: str, field: str) -> None:
    desk.post(path)

    with cheap():
        answer = desk.post(path, {field: MARKS})

    assert answer.status_code in (200, 302, 400)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{MARKS}\ninn_double\n", "column"),
        (f"hotel,category,date,closed\ninn,inn_double,{night()},{MARKS}\n", "Write yes or no"),
    ],
    ids=["a heading", "a cell"],
)
def test_reads_a_file_cheaply(desk: Client, content: str, said: str) -> None:
    def upload(text: str) -> Any:
        file = SimpleUploadedFile("nights.csv", text.encode())
        fields = {"hotel": "inn", "key": str(ObjectId()), "file": file}
        return desk.post("/admin/bookings/nightsfile/", fields)

    upload("category")

    with cheap():
        answer = upload(content)

    assert said in answer.content.decode()
