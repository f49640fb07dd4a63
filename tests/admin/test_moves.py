"""The admin's page that moves a booking to other rooms or dates."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.presentation.days import stay_text
from bookings.stays.create import Outcome
from tests.admin.test_bookings import LIST, sent_messages
from tests.calls import book, cancel, let_hold_end, stored
from tests.conftest import night
from tests.hotels import put_night

RIVAL = Caller("client", "rival")

# The fields in which the form keeps the price that it showed.
PRICE = ("quoted", "currency")

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def stay(key: str = "key", room: str = "inn_A", **more: Any) -> Outcome:
    """A booking of two nights, ten days ahead."""
    return book(key, resourceId=room, checkIn=night(10), checkOut=night(12), **more)


def page_of(made: Outcome, action: str = "move") -> str:
    return f"{LIST}{made.content['booking']['id']}/{action}/"


def form(page: Client, made: Outcome, **changes: str) -> dict[str, str]:
    """The form with the typed values, and with the price that it shows for them."""
    opened = page.get(page_of(made)).context["form"]
    typed = {name: str(opened[name].value()) for name in opened.fields} | changes
    shown = page.post(page_of(made), {**typed, "show": "1"}).context["form"]
    return typed | {name: str(shown[name].value()) for name in PRICE}


def test_is_opened_with_where_the_booking_is_and_a_key_of_its_own(desk: Client) -> None:
    wish = {"rooms": [{"categoryId": "inn_double"}, {"categoryId": "inn_single"}]}
    made = book(**wish, checkIn=night(10), checkOut=night(12))

    page = desk.get(page_of(made))
    other = desk.get(page_of(made))

    for shown in (
        '<option value="inn_A" selected>Room A, current room</option>',
        '<option value="inn_S" selected>Room S, current room</option>',
        f'value="{night(10)}"',
        f'value="{night(12)}"',
    ):
        assert shown in page.content.decode()
    assert page.context["form"]["key"].value() != other.context["form"]["key"].value()
    assert f'href="{page_of(made)}"' in desk.get(page_of(made, "change")).content.decode()


def test_moves_and_says_from_where_to_where_and_at_what_price(desk: Client, staff: User) -> None:
    made = stay()
    put_night("inn_double", night(12), price=15_000)
    sent = form(desk, made, rooms="inn_B", check_in=night(11), check_out=night(13))

    response = desk.post(page_of(made), sent, follow=True)

    old = f"Room A ({stay_text(night(10), night(12))}, EUR\xa0200.00)"
    new = f"Room B ({stay_text(night(11), night(13))}, EUR\xa0250.00)"
    reference = made.content["booking"]["reference"]
    assert sent_messages(response) == [f"{reference}: Moved from {old} to {new}."]
    assert response.redirect_chain[-1][0] == page_of(made, "change")
    told = [place.replace(" (", ", ").rstrip(")") for place in (old, new)]
    assert "staff (staff) moved it from {} to {}</li>".format(*told) in response.content.decode()
    assert stored()[0]["slots"] == [f"{night(11)}|inn_B", f"{night(12)}|inn_B"]
    assert LogEntry.objects.filter(user_id=staff.pk, action_flag=2).count() == 1


@pytest.mark.parametrize(
    "rooms", ["inn_C,inn_S", "inn_C, inn_S", " inn_C \r\ninn_S\r\n", "inn_C inn_S"]
)
def test_reads_rooms_in_their_order_however_they_are_separated(desk: Client, rooms: str) -> None:
    wish = {"rooms": [{"categoryId": "inn_double"}, {"categoryId": "inn_single"}]}
    made = book(**wish, checkIn=night(10), checkOut=night(12))

    desk.post(page_of(made), form(desk, made, rooms=rooms))

    assert [booked["room"] for booked in stored()[0]["rooms"]] == ["inn_C", "inn_S"]


def test_moves_once_when_sent_twice(desk: Client) -> None:
    made = stay()
    there = form(desk, made, rooms="inn_B")
    desk.post(page_of(made), there)
    desk.post(page_of(made), form(desk, made, rooms="inn_A"))
    connections.redis().flushdb()

    response = desk.post(page_of(made), there, follow=True)

    assert "nothing was moved again" in sent_messages(response)[-1]
    assert stored()[0]["rooms"][0]["room"] == "inn_A"
    assert [change["event"] for change in stored()[0]["history"]] == ["created", "moved", "moved"]


def test_moves_nothing_that_was_changed_since_the_form_was_opened(desk: Client) -> None:
    made = stay()
    stale = form(desk, made, rooms="inn_C")
    elsewhere = form(desk, made, rooms="inn_B", check_in=night(20), check_out=night(23))
    desk.post(page_of(made), elsewhere)

    refused = desk.post(page_of(made), stale)

    assert "was changed since this form was opened" in refused.content.decode()
    shown = refused.context["form"]
    where = {name: shown[name].value() for name in ("rooms", "check_in", "check_out")}
    assert where == {name: elsewhere[name] for name in where}
    assert stored()[0]["slots"] == [f"{night(n)}|inn_B" for n in (20, 21, 22)]
    # The page shown then is up to date, and moves the booking.
    again = {name: str(shown[name].value()) for name in shown.fields}
    desk.post(page_of(made), again | {"rooms": "inn_C"})
    assert stored()[0]["slots"] == [f"{night(n)}|inn_C" for n in (20, 21, 22)]


@pytest.mark.parametrize("version", ["", "x", "0"])
def test_moves_nothing_by_a_form_that_tells_not_what_it_was_opened_on(
    desk: Client, version: str
) -> None:
    made = stay()

    refused = desk.post(page_of(made), form(desk, made, rooms="inn_B", version=version))

    assert list(refused.context["form"].errors) == ["version"]
    assert stored()[0]["rooms"][0]["room"] == "inn_A"


def test_says_that_the_booking_is_there_already(desk: Client) -> None:
    made = stay()

    response = desk.post(page_of(made), form(desk, made), follow=True)

    assert sent_messages(response)[0].endswith("The booking is there already.")
    assert not LogEntry.objects.filter(object_id=made.content["booking"]["id"]).exists()


def test_keeps_what_was_typed_and_changes_the_key_when_the_room_is_taken(desk: Client) -> None:
    made = stay()
    sent = form(desk, made, rooms="inn_B", check_out=night(13))
    stay("other", "inn_B", caller=RIVAL)

    refused = desk.post(page_of(made), sent)

    shown = refused.context["form"]
    assert "This room is already booked for these dates" in refused.content.decode()
    assert (shown["rooms"].value(), shown["check_out"].value()) == ("inn_B", night(13))
    assert shown["key"].value() != sent["key"]
    assert stored()[0]["rooms"][0]["room"] == "inn_A"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rooms": ""}, "rooms"),
        ({"rooms": ", ,"}, "rooms"),
        ({"rooms": "inn_A inn_B"}, "rooms"),
        ({"rooms": "room_A"}, "rooms"),
        ({"rooms": "nowhere"}, "rooms"),
        ({"rooms": "inn_S"}, "rooms"),
        ({"rooms": "x" * 801}, "rooms"),
        ({"check_in": "2031-02-29"}, "check_in"),
        ({"check_in": "2001-01-01", "check_out": "2001-01-03"}, "check_in"),
        ({"check_out": night(10)}, "check_out"),
        ({"check_in": night(729), "check_out": night(731)}, "check_out"),
        ({"key": ""}, "key"),
        ({"key": "auto:abc"}, "__all__"),
    ],
)
def test_shows_a_fault_beside_its_field_and_keeps_key_and_text(
    desk: Client, changes: dict[str, str], field: str
) -> None:
    made = stay(guests=2)
    sent = form(desk, made) | changes

    refused = desk.post(page_of(made), sent)

    shown = refused.context["form"]
    assert list(shown.errors) == [field]
    assert {name: shown[name].value() for name in sent if name not in PRICE} == {
        name: value for name, value in sent.items() if name not in PRICE
    }
    assert len(stored()[0]["history"]) == 1


@pytest.mark.parametrize("end", ["cancelled", "dead"])
def test_does_not_move_what_is_over(desk: Client, end: str) -> None:
    made = stay(hold=end == "dead")
    sent = form(desk, made, rooms="inn_B")
    if end == "dead":
        let_hold_end()
    else:
        cancel(made)

    refused = desk.post(page_of(made), sent)

    assert "Only an active booking can be moved." in refused.content.decode()
    assert page_of(made) not in desk.get(page_of(made, "change")).content.decode()
    assert stored()[0]["rooms"][0]["room"] == "inn_A"


@pytest.mark.parametrize(
    "codename", ["view_bookingrecord", "add_bookingrecord", "change_roomblock"]
)
def test_is_not_for_who_may_not_change_bookings(client: Client, codename: str) -> None:
    made = stay()
    limited = User.objects.create_user("limited", is_staff=True)
    limited.user_permissions.set(Permission.objects.filter(codename=codename))
    client.force_login(limited)
    sent = {"key": "k", "rooms": "inn_B", "check_in": night(10), "check_out": night(12)}

    assert client.get(page_of(made)).status_code == 403
    assert client.post(page_of(made), sent).status_code == 403
    assert page_of(made) not in client.get(page_of(made, "change")).content.decode()
    assert stored()[0]["rooms"][0]["room"] == "inn_A"


def test_is_for_who_may_change_bookings(client: Client) -> None:
    made = stay()
    limited = User.objects.create_user("limited", is_staff=True)
    limited.user_permissions.set(Permission.objects.filter(codename="change_bookingrecord"))
    client.force_login(limited)

    client.post(page_of(made), form(client, made, rooms="inn_B"))

    assert stored()[0]["rooms"][0]["room"] == "inn_B"


def test_wants_a_csrf_token(desk: Client, staff: User) -> None:
    made = stay()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(staff)

    assert strict.post(page_of(made), form(desk, made, rooms="inn_B")).status_code == 403
    assert stored()[0]["rooms"][0]["room"] == "inn_A"


@pytest.mark.parametrize("booking_id", ["zzz", "0" * 24])
def test_says_that_there_is_no_such_booking(desk: Client, booking_id: str) -> None:
    assert desk.get(f"{LIST}{booking_id}/move/").status_code == 404


# --- The price that was shown -------------------------------------------------------------------


def raise_price() -> None:
    put_night("inn_double", night(12), price=15_000)


def test_moves_at_no_price_but_the_one_that_the_form_showed(desk: Client) -> None:
    made = stay()
    sent = form(desk, made, rooms="inn_B", check_in=night(11), check_out=night(13))
    raise_price()

    refused = desk.post(page_of(made), sent)

    text, shown = refused.content.decode(), refused.context["form"]
    assert "The price is no longer the one that was shown." in text
    assert "Price now EUR\xa0200.00, then EUR\xa0250.00 (EUR\xa050.00 more)." in shown.offered
    assert [change["event"] for change in stored()[0]["history"]] == ["created"]
    # The page shown then moves at the present price.
    desk.post(page_of(made), {name: str(shown[name].value()) for name in shown.fields})
    assert (stored()[0]["price"]["total"], stored()[0]["check_in"]) == (25_000, night(11))


def test_shows_the_price_of_dates_that_were_typed_without_asking_for_it(desk: Client) -> None:
    made = stay()
    opened = form(desk, made)

    refused = desk.post(page_of(made), {**opened, "check_out": night(13)})

    shown = refused.context["form"]
    assert "The price is no longer the one that was shown." in refused.content.decode()
    assert (sent_of(shown), stored()[0]["check_out"]) == (("30000", "EUR"), night(12))


@pytest.mark.parametrize("missing", [{"quoted": ""}, {"quoted": "", "currency": ""}])
def test_shows_a_price_before_it_moves(desk: Client, missing: dict[str, str]) -> None:
    made = stay()
    sent = form(desk, made, rooms="inn_B")

    refused = desk.post(page_of(made), sent | missing)

    assert "Nothing is moved yet." in refused.content.decode()
    assert sent_of(refused.context["form"]) == ("20000", "EUR")
    assert stored()[0]["rooms"][0]["room"] == "inn_A"


@pytest.mark.parametrize(
    "wrong",
    [
        {"quoted": "x"},
        {"quoted": "-1"},
        {"quoted": "9" * 30},
        {"quoted": "0"},
        {"currency": "CHF"},
        {"currency": ""},
    ],
)
def test_moves_nothing_at_a_price_that_is_none_or_another(
    desk: Client, wrong: dict[str, str]
) -> None:
    made = stay()

    refused = desk.post(page_of(made), form(desk, made, rooms="inn_B") | wrong)

    assert refused.status_code == 200
    assert sent_of(refused.context["form"]) == ("20000", "EUR")
    assert stored()[0]["rooms"][0]["room"] == "inn_A"


def test_keeps_no_price_of_a_place_that_it_does_not_offer(desk: Client) -> None:
    made = stay()
    stay("other", "inn_B", caller=RIVAL)
    sent = form(desk, made) | {"rooms": "inn_B", "show": "1"}

    shown = desk.post(page_of(made), sent).context["form"]

    assert sent_of(shown) == ("", "")


def sent_of(shown: Any) -> tuple[str, str]:
    """The price that the form sends when it is sent as it is shown."""
    total, currency = (str(shown[name].value()) for name in PRICE)
    return total, currency


# --- From the calendar --------------------------------------------------------------------------

CALENDAR = "/admin/desk/occupancy/"


def test_opens_where_a_bar_was_dropped(desk: Client) -> None:
    made = stay()
    asked = {"version": "1", "from": "inn_A", "to": "inn_B", "shift": "-3"}

    shown = desk.get(page_of(made), asked).context["form"]

    assert (str(shown["check_in"].value()), str(shown["check_out"].value())) == (night(7), night(9))
    assert shown["rooms"].value() == "inn_B"
    assert shown["version"].value() == 1


def test_moves_only_the_room_of_the_bar_that_was_dropped(desk: Client) -> None:
    wish = {"rooms": [{"categoryId": "inn_double"}, {"categoryId": "inn_double"}]}
    made = book(**wish, checkIn=night(10), checkOut=night(12))

    form = desk.get(page_of(made), {"from": "inn_B", "to": "inn_C", "shift": "1"}).context["form"]

    assert form["rooms"].value() == "inn_A\ninn_C"
    assert "All 2 rooms of this booking get these dates." in form.offered


@pytest.mark.parametrize(
    "asked",
    [{"shift": "9" * 9}, {"shift": "--1"}, {"shift": "x"}, {"version": "²"}, {"version": "-1"}],
)
def test_takes_what_is_no_move_for_none(desk: Client, asked: dict[str, str]) -> None:
    made = stay()

    shown = desk.get(page_of(made), asked).context["form"]

    assert str(shown["check_in"].value()) == night(10)
    assert shown["version"].value() == 1


def test_shows_the_price_before_and_after(desk: Client) -> None:
    made = stay()
    put_night("inn_double", night(12), price=15_000)

    same = desk.get(page_of(made)).context["form"].offered
    dearer = desk.get(page_of(made), {"shift": "1"}).context["form"].offered
    single = desk.get(page_of(made), {"from": "inn_A", "to": "inn_S"}).context["form"].offered

    assert "Price now EUR\xa0200.00, then EUR\xa0200.00 (same price)." in same
    assert "Price now EUR\xa0200.00, then EUR\xa0250.00 (EUR\xa050.00 more)." in dearer
    # Booked nights keep their price in a room of another category, too.
    assert "(same price)" in single


def test_shows_which_room_is_not_free(desk: Client) -> None:
    made = stay()
    stay("other", "inn_B")

    offered = desk.get(page_of(made), {"from": "inn_A", "to": "inn_B"}).context["form"].offered

    assert "Not free or not possible for these dates: Room B." in offered
    assert "Price" not in offered


def test_refuses_a_bar_that_was_shown_before_the_latest_change(desk: Client) -> None:
    made = stay()
    desk.post(page_of(made), form(desk, made, rooms="inn_B"))
    dropped = {"version": "1", "from": "inn_A", "to": "inn_C"}
    shown = desk.get(page_of(made), dropped).context["form"]
    sent = {name: str(shown[name].value()) for name in shown.fields}

    refused = desk.post(page_of(made), {**sent, "back": CALENDAR})

    assert "was changed since" in str(refused.context["form"].errors)
    assert stored()[0]["rooms"][0]["room"] == "inn_B"


def test_leads_back_to_the_calendar_that_it_was_sent_from(desk: Client) -> None:
    made = stay()
    back = f"{CALENDAR}?hotel=inn&start={night(9)}"

    there = desk.post(page_of(made), form(desk, made, rooms="inn_B", back=back))

    assert there.url == back


@pytest.mark.parametrize(
    "back",
    ["https://evil.example/", "//evil.example/admin/desk/occupancy/", "/admin/logout/", "x"],
)
def test_leads_nowhere_else(desk: Client, back: str) -> None:
    made = stay()

    there = desk.post(page_of(made), form(desk, made, rooms="inn_B", back=back))

    assert there.url == page_of(made, "change")
