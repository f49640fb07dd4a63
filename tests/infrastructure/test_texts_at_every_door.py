"""Every entrance for a text applies the rules of bookings/infrastructure/texts.py to it."""

from __future__ import annotations

from datetime import date
from io import StringIO
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from icalendar import Calendar

from bookings.admin.blocks import BlockForm
from bookings.admin.booking_form import BookingForm
from bookings.admin.records import RecordAdmin
from bookings.catalogue.inventory import find_hotel
from bookings.domain.callers import caller_of_user
from bookings.domain.stay_request import Guest
from bookings.front_desk import blocks
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.mail import make_mail
from bookings.infrastructure.texts import LineField, LinesField
from bookings.models import ApiClient, Hotel
from bookings.refusals import ValidationFailed
from bookings.stays import lifecycle, queries
from bookings.stays.calendar_file import write_stay_file
from bookings.web.account_forms import NewAccountForm
from bookings.web.forms import GuestForm
from tests.browsing import ADA, booking_path, confirm_form, hold, open_page, press, stored
from tests.calls import PARTNER, book
from tests.conftest import night

pytestmark = pytest.mark.mongo

# Django's validators judge the texts of these fields.
JUDGED_OTHERWISE = {
    *("user.username", "user.email"),
    # Amounts, of which a regular expression takes digits and one mark.
    *("roomcategory.default_price", "night.price", "nightsjob.price"),
}


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


# --- The API --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("userId", {"userId": "ada\nbob"}),
        ("userId", {"userId": "ada\tbob"}),
        ("userId", {"userId": "ada\u202ebob"}),
        ("userId", {"userId": "ada\u200b"}),
        ("guest.name", {"guest": {"name": "Ada\r\nBcc: eve@evil.example"}}),
        ("guest.name", {"guest": {"name": "Ada\x9b2J"}}),
        ("guest.phone", {"guest": {"phone": "1\n2"}}),
        ("guest.email", {"guest": {"email": '"a\x01"@ex.org'}}),
        ("notes", {"notes": "\x85"}),
    ],
)
def test_refuses_by_api_what_is_no_line_or_controls_a_terminal(
    field: str, fields: dict[str, Any]
) -> None:
    refused = book(**fields)

    assert refused.code == "VALIDATION_ERROR"
    assert [fault["field"] for fault in refused.content["errors"]] == [field]
    assert stored() == []


def test_keeps_by_api_what_was_meant() -> None:
    book(guest={"name": "Ada\u202e", "phone": "\u202a+49 170\u202c"}, notes="Late.\r\nA\tdog.\r")

    (booking,) = stored()
    assert booking["guest"] == {"name": "Ada", "email": "", "phone": "+49 170"}
    assert booking["notes"] == "Late.\nA\tdog.\n"


def test_refuses_to_look_for_a_label_that_no_booking_can_have() -> None:
    from bookings.api.filters import Filters

    class Asked:
        query_params = {"userId": "ada\nbob"}

    with pytest.raises(ValidationFailed):
        Filters(Asked(), "userId").text("userId")  # type: ignore[arg-type]


# --- Pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [{"name": "Ada\nEve"}, {"phone": "1\t2"}, {"notes": "\x1b[2J"}])
def test_refuses_on_pages_what_is_no_line_or_controls_a_terminal(typed: dict[str, str]) -> None:
    browser = Client()

    press(browser, confirm_form(hold(browser)), expect=400, **{**ADA, **typed})

    assert stored()[0]["status"] == "pending"


def test_keeps_on_pages_what_was_meant() -> None:
    browser = Client()

    press(
        browser,
        confirm_form(hold(browser)),
        **{**ADA, "phone": "\u202a+49 170\u202c", "notes": "Late.\r\nWith a dog."},
    )

    (booking,) = stored()
    assert (booking["guest"]["phone"], booking["notes"]) == ("+49 170", "Late.\nWith a dog.")


def test_judges_a_guest_in_the_service_too_whatever_entrance_comes_next() -> None:
    held = book(hold=True)

    for guest, notes in ((Guest(name="Ada\nEve"), None), (None, "\x07")):
        with pytest.raises(ValidationFailed):
            lifecycle.confirm_booking(
                actor=PARTNER,
                booking_id=held.content["booking"]["id"],
                key_header="key",
                deadline=Deadline.after(10),
                guest=guest,
                notes=notes,
            )

    assert stored()[0]["status"] == "pending"


# --- Staff ----------------------------------------------------------------------------------


def test_gives_every_text_of_every_form_a_rule(staff: User) -> None:
    """Forms of the admin that Django makes from models, and forms that are written here."""
    request = RequestFactory().get("/admin/")
    request.user = staff
    made = {
        f"{model._meta.model_name}.{name}": field
        for model, model_admin in admin.site._registry.items()
        if not isinstance(model_admin, RecordAdmin)  # their forms are written here
        and (model_admin.has_add_permission(request) or model_admin.has_change_permission(request))
        for which in (None, model())  # to add one, and to change one
        for name, field in model_admin.get_form(request, which).base_fields.items()
    }
    written = {
        f"{form.__name__}.{name}": field
        for form in (GuestForm, NewAccountForm, BlockForm, BookingForm)
        for name, field in form.base_fields.items()
        if name in ("name", "phone", "notes", "reason", "guest_name", "guest_phone", "price_reason")
    }
    texts = {
        name: field
        for name, field in {**made, **written}.items()
        if isinstance(field, forms.CharField)
        and not isinstance(field.widget, forms.HiddenInput | forms.PasswordInput)
    }

    without = {
        name for name, field in texts.items() if not isinstance(field, LineField | LinesField)
    }

    assert {"hotel.name", "apiclient.name", "user.first_name", "group.name"} <= texts.keys()
    assert without - JUDGED_OTHERWISE == set()


def test_refuses_names_of_two_lines_in_the_admin(desk: Client) -> None:
    group = Group.objects.create(name="night shift")

    answers = [
        desk.post("/admin/bookings/apiclient/add/", {"name": "Acme\nEve"}),
        desk.post(f"/admin/auth/group/{group.pk}/change/", {"name": "night\tshift"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert not ApiClient.objects.exists()
    assert Group.objects.get(pk=group.pk).name == "night shift"
    group.delete()


@pytest.mark.parametrize("reason", ["Ada\nEve", "\x1b[2J", "Ada\tEve"])
def test_refuses_a_reason_for_cancelling_that_is_no_line(staff: User, reason: str) -> None:
    made = book()

    with pytest.raises(ValidationFailed):
        lifecycle.cancel_booking(
            actor=caller_of_user(staff.pk),
            booking_id=made.content["booking"]["id"],
            key_header=None,
            deadline=Deadline.after(10),
            staff_reason=reason,
        )


def test_keeps_the_lines_of_a_blocks_reason(staff: User) -> None:
    def block(reason: str, key: str) -> Any:
        return blocks.block_rooms(
            actor=caller_of_user(staff.pk),
            room_ids=("room_A",),
            first=date.fromisoformat(night(30)),
            end=date.fromisoformat(night(31)),
            reason=reason,
            key_header=key,
            deadline=Deadline.after(10),
        )

    refused, made = block("Carpet\x07", "one"), block("Carpet,\r\nnew.\u202e\r\n", "two")

    assert (refused.code, made.answer.status) == ("VALIDATION_ERROR", 201)
    assert stored()[0]["notes"] == "Carpet,\nnew."


def test_refuses_a_clients_name_that_is_no_line() -> None:
    for name in ("Acme\nEve", "Acme\x9b", "\u200b"):
        with pytest.raises(CommandError, match="name"):
            call_command("issue_token", name, stdout=StringIO())

    call_command("issue_token", "Acme\u200b", stdout=StringIO())
    assert [client.name for client in ApiClient.objects.all()] == ["Acme"]


# --- Outgoing texts -------------------------------------------------------------------------


@pytest.fixture
def old_name() -> Any:
    """A hotel's name from before there was a rule."""
    hotel = Hotel.objects.get(pk="demo")
    Hotel.objects.filter(pk="demo").update(name="Demo\r\nBcc: eve@evil.example\u202e\x0b\u2028X")
    yield "Demo Bcc: eve@evil.example X"
    hotel.save()


def test_sends_a_letter_whose_hotel_has_an_old_name(old_name: str) -> None:
    hotel = find_hotel("demo")
    assert hotel is not None

    make_mail(
        "1", to="ada@example.org", subject=f"Booked: {hotel.name}", text="Text\n", sender=""
    ).send()

    (sent,) = mail.outbox
    assert sent.subject == f"Booked: {old_name}"
    assert sent.message()["Bcc"] is None


def test_writes_a_calendar_file_whose_hotel_has_an_old_name(old_name: str) -> None:
    book()
    booking = queries.find_booking(str(stored()[0]["_id"]), owners=None)
    hotel = find_hotel("demo")
    assert booking is not None
    assert hotel is not None

    written = write_stay_file(booking, hotel=hotel, address="", rooms=["Room\nEND:VEVENT"])

    (event,) = Calendar.from_ical(written).walk("VEVENT")
    assert event["location"] == old_name
    assert event["description"].endswith(": Room END:VEVENT")
    lines = written.decode().replace("\r\n ", "").split("\r\n")
    assert not any(sign in line for line in lines for sign in "\n\r\x0b\u2028\u202e")


def test_shows_a_page_of_a_hotel_with_an_old_name(old_name: str) -> None:
    browser = Client()
    press(browser, confirm_form(hold(browser)), **ADA)

    assert open_page(browser, booking_path(stored()[0])).text
    assert night()
