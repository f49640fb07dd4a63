"""Mails to guests in HTML and text: the same facts, in both languages, whatever the values are."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import translation
from icalendar import Calendar

from bookings import tasks
from bookings.domain.booking import from_document
from bookings.domain.stay_request import Guest
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel, HotelContent
from bookings.news import deliveries
from bookings.operations import sweep
from bookings.stays import answers, corrections
from tests.calls import CUSTOMER, book, cancel, change_stay, confirm, let_hold_end
from tests.hotels import content_of_demo
from tests.news.partners import Partner
from tests.news.test_outbox import let_reminders_be_due, move

pytestmark = pytest.mark.mongo

GUEST = {"name": "Ada Love", "email": "ada@example.org", "phone": "+49 30 1234567"}
WRITTEN: dict[str, Any] = {
    "street": "Lindenstrasse 12",
    "postal_code": "10969",
    "city": "Berlin",
    "country": "DE",
    "map_url": "https://maps.example/12?a=b&c=d",
    "directions": {"en": "Take bus 100 to Linden.", "de": "Bus 100 bis Linden."},
    "phone": "+49 30 7654321",
    "email": "desk@hotel.example",
    "arrival": {"en": "The key is in the box.", "de": "Der Schlüssel ist im Kasten."},
    "terms": {"en": "You pay at the hotel.", "de": "Sie zahlen im Hotel."},
}


@pytest.fixture
def content(database: None) -> Any:
    """What the demo's owner has written."""
    with content_of_demo(**WRITTEN):
        yield


def sent() -> list[EmailMultiAlternatives]:
    tasks.pass_on_news()
    tasks.send_notifications()
    return mail.outbox  # type: ignore[return-value]


OF_THE_EVENT = (
    *("Your stay is near", "Ihr Aufenthalt steht bevor"),
    *("The e-mail address was changed", "Die E-Mail-Adresse wurde geändert"),
)


def newest(messages: list[EmailMultiAlternatives]) -> EmailMultiAlternatives:
    """The mail of the event itself, which may have been written before that of the booking."""
    return next(
        (each for each in messages if each.subject.startswith(OF_THE_EVENT)),
        messages[-1],
    )


def html_of(message: EmailMultiAlternatives) -> str:
    ((content, kind),) = message.alternatives
    assert kind == "text/html"
    return str(content)


def words_of(markup: str) -> str:
    """What a mail program shows of it."""
    body = re.sub(r"<(title|style)>.*?</\1>", "", markup, flags=re.DOTALL)
    shown = html.unescape(re.sub(r"<[^>]+>", " ", body))
    return re.sub(r" +([:,.])", r"\1", " ".join(shown.split()))


def booked() -> Any:
    return book(caller=CUSTOMER, guest=GUEST, notes="A cot, please.")


def confirmed() -> None:
    booked()


def moved() -> None:
    move(booked())


def changed() -> None:
    change_stay(booked(), actor=CUSTOMER, first=30, last=32, total=24_000)


def corrected() -> None:
    corrections.correct_guest(
        actor=CUSTOMER,
        booking_id=booked().content["booking"]["id"],
        key_header="correct",
        deadline=Deadline.after(10),
        seen=(Guest(**GUEST), "A cot, please."),
        guest=Guest(**GUEST),
        notes="Two cots.",
    )


def readdressed() -> None:
    corrections.correct_guest(
        actor=CUSTOMER,
        booking_id=booked().content["booking"]["id"],
        key_header="correct",
        deadline=Deadline.after(10),
        seen=(Guest(**GUEST), "A cot, please."),
        guest=Guest(**{**GUEST, "email": "ada@example.com"}),
        notes="A cot, please.",
    )


def cancelled() -> None:
    cancel(booked(), actor=CUSTOMER)


def held() -> Any:
    return book(caller=CUSTOMER, guest=GUEST, hold=True)


def released() -> None:
    cancel(held(), actor=CUSTOMER)


def expiring() -> None:
    held()
    let_reminders_be_due()


def expired() -> None:
    held()
    let_hold_end()
    sweep.expire_holds()


def arriving() -> None:
    """As the task writes it once the arrival is near."""
    booked()
    (document,) = collection("bookings").find({})
    booking, now = from_document(document), clock.now()
    deliveries.record(
        [
            deliveries.Delivery(
                channel=deliveries.MAIL,
                to="",
                event_id=f"{booking.id}-near",
                event="arriving",
                at=now,
                booking=booking.id,
                reference=booking.reference,
                version=1,
                payload=answers.describe(booking, now=now),
                created_at=now,
            )
        ]
    )


EVENTS: list[Callable[[], None]] = [
    *(confirmed, moved, changed, corrected, readdressed, cancelled, released),
    *(expiring, expired, arriving),
]


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_says_the_same_in_html_and_text(event: Callable[[], None], language: str) -> None:
    with translation.override(language):
        event()

    message = newest(sent())

    text = str(message.body)
    shown = words_of(html_of(message))
    left = shown
    for line in text.splitlines():
        said = " ".join(line.split())
        assert said in shown, said
        left = left.replace(said, "", 1)
    if event is readdressed:
        assert not left.replace("Demo Hotel", "", 1).split(), left
        return
    # Besides, the HTML has a heading with the hotel's name, and the name of its button.
    assert " ".join(left.replace("Demo Hotel", "", 1).split()) in BUTTONS[language], left
    assert f'<html lang="{language}">' in html_of(message)


BUTTONS = {
    "en": ("Open your booking", "Open your hold", "Search for another room"),
    "de": ("Buchung öffnen", "Reservierung öffnen", "Einen anderen Aufenthalt suchen"),
}


@pytest.mark.usefixtures("content")
def test_writes_where_the_hotel_is_into_the_calendar() -> None:
    confirmed()

    (message,) = sent()

    (file,) = (each[1] for each in message.attachments if each[0].endswith(".ics"))
    (event,) = Calendar.from_ical(file).walk("VEVENT")
    assert event["location"] == "Demo Hotel, Lindenstrasse 12, 10969 Berlin, Germany"


@pytest.mark.usefixtures("content")
def test_names_the_country_in_the_guests_language() -> None:
    with translation.override("de"):
        confirmed()

    (message,) = sent()

    (file,) = (each[1] for each in message.attachments if each[0].endswith(".ics"))
    (event,) = Calendar.from_ical(file).walk("VEVENT")
    place = "Lindenstrasse 12, 10969 Berlin, Deutschland"
    assert f"Adresse: {place}\n" in str(message.body)
    assert event["location"] == f"Demo Hotel, {place}"


@pytest.mark.usefixtures("content")
def test_shows_no_marks_of_the_owners_texts() -> None:
    marked = {"directions": {"en": "# By bus\n- **100**\n- [200](https://bus.example/)"}}
    HotelContent.objects.filter(hotel_id="demo").update(
        **marked, arrival={"en": "The key is *in* the box."}
    )
    confirmed()

    (message,) = sent()

    text = str(message.body)
    assert "How to find us: By bus\n\n- 100\n- 200 (https://bus.example/)\n" in text
    assert "Arrival and departure: The key is in the box.\n" in text
    assert "<strong>100</strong>" in html_of(message)


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize(
    "event", [confirmed, moved, changed, corrected, arriving], ids=lambda e: e.__name__
)
def test_has_all_that_a_guest_needs(event: Callable[[], None]) -> None:
    event()

    text = str(newest(sent()).body)

    (booking,) = collection("bookings").find({})
    for part in (
        "Hello Ada Love,",
        f"Reference: {booking['reference']}",
        "Name: Ada Love",
        "Phone: +49 30 1234567",
        "Hotel: Demo Hotel",
        "from 15:00",
        "until 11:00",
        "Guests: 1",
        "Price: EUR\xa0",
        "Your requests: ",
        "Cancellation: Free cancellation until 15:00 on",
        "Address: Lindenstrasse 12, 10969 Berlin, Germany",
        "Map: https://maps.example/12?a=b&c=d",
        "How to find us: Take bus 100 to Linden.",
        "Arrival and departure: The key is in the box.",
        "Telephone: +49 30 7654321",
        "E-mail: desk@hotel.example",
        "Terms and conditions: http://127.0.0.1:8000/hotels/demo/terms",
        "http://127.0.0.1:8000/manage/",
    ):
        assert part in text, part


@pytest.mark.usefixtures("content")
def test_comes_in_the_hotels_name_and_is_answered_to_the_hotel() -> None:
    booked()

    message = sent()[-1].message()

    assert message["From"] == "Demo Hotel <bookings@localhost>"
    assert message["Reply-To"] == "desk@hotel.example"


HOSTILE = "<b>\"Inn\" & 'Co'</b>, <evil@example.org>"


@pytest.mark.usefixtures("content")
def test_escapes_every_value_and_keeps_its_headers_safe() -> None:
    HotelContent.objects.filter(hotel_id="demo").update(
        street=HOSTILE, directions={"en": f"{HOSTILE} [here](javascript:x) **now**"}
    )
    before = Hotel.objects.get(id="demo").name
    Hotel.objects.filter(id="demo").update(name=f"{HOSTILE}\r\nBcc: eve@example.org")
    try:
        book(caller=CUSTOMER, guest={**GUEST, "name": HOSTILE}, notes=f"{HOSTILE}\n</td>")
        message = sent()[-1]
    finally:
        Hotel.objects.filter(id="demo").update(name=before)

    markup = html_of(message)
    assert "<b>" not in markup
    assert "</td>" not in markup.split("Your requests")[1].split("Cancellation")[0].replace(
        "</td>\n", ""
    ).replace(":</td>", "")
    assert "<strong>now</strong>" in markup
    assert "javascript:" not in re.sub(r">[^<]*<", "><", markup)
    received = message_from_bytes(message.message().as_bytes(), policy=policy.default)
    assert received["To"] == "ada@example.org"
    assert received["Bcc"] is None
    (sender,) = received["From"].addresses
    assert sender.addr_spec == "bookings@localhost"
    assert sender.display_name.startswith('<b>"Inn" & ')


@pytest.mark.usefixtures("content")
def test_loads_nothing() -> None:
    booked()

    markup = html_of(sent()[-1])

    assert not re.search(r"<(img|script|link|iframe|object)|src=|url\(|@import", markup)
    # Links lead elsewhere; nothing else does.
    assert not re.search(r"https?://", re.sub(r'href="[^"]*"|>[^<]*<', "", markup))


def test_needs_nothing_that_the_owner_may_leave_out(database: None) -> None:
    with content_of_demo():
        booked()
        message = sent()[-1]

    assert "Address" not in str(message.body)
    assert message.message()["Reply-To"] is None


def test_keeps_the_file_for_the_calendar(database: None) -> None:
    booked()

    kinds = [part.get_content_type() for part in sent()[-1].message().walk()]

    assert kinds == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html"),
        "text/calendar",
    ]


def test_tells_partners_nothing_of_a_correction(database: None) -> None:
    """Their events never say who the guest is."""
    partner = Partner("with-endpoint", "https://partner.example/hook")
    made = book(caller=partner.caller, guest=GUEST)

    corrections.correct_guest(
        actor=partner.caller,
        booking_id=made.content["booking"]["id"],
        key_header="correct",
        deadline=Deadline.after(10),
        seen=(Guest(**GUEST), ""),
        guest=Guest(**GUEST),
        notes="Two cots.",
    )
    tasks.pass_on_news()

    news = {(each["event"], each["channel"]) for each in collection("deliveries").find({})}
    assert news == {("confirmed", "mail"), ("confirmed", "webhook"), ("corrected", "mail")}


def test_writes_no_hold_again_that_was_confirmed(database: None) -> None:
    confirm(held(), actor=CUSTOMER)

    assert [message.subject.partition(":")[0] for message in sent()] == ["Booked"]
