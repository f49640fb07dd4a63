"""The form for a new booking: nights, the price that is shown or agreed, earlier guests."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from bookings.infrastructure.connections import collection
from bookings.models import Hotel
from bookings.people import erasure, staff_hotels
from bookings.people.roles import FRONT_DESK, MANAGER
from tests.admin.test_bookings import ADD, LIST, sent_messages
from tests.calls import book, cancel, stored
from tests.conftest import night
from tests.hotels import put_night

GUESTS = f"{ADD}guests/"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def of_role(client: Client, role: str, *hotels: str) -> Client:
    """Logs in a member of staff with this role, at all hotels or at these."""
    user = User.objects.create_user(f"of {role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    if hotels:
        staff_hotels.set_hotels(user.pk, frozenset(hotels), before=None)
    client.force_login(user)
    return client


def opened(page: Client, **query: str) -> Any:
    dates = {"check_in": night(10), "check_out": night(12)}
    return page.get(ADD, {"hotel": "inn", **dates, **query}).context["form"]


def sent_from(page: Client, **changes: Any) -> dict[str, Any]:
    """What a browser sends of a form that was opened for room A, with these changes."""
    form = opened(page, room=changes.pop("opened_for", "inn_A"))
    typed = {name: form[name].value() or "" for name in form.fields}
    return {**typed, **changes}


def faults(response: Any) -> dict[str, list[str]]:
    return {name: list(messages) for name, messages in response.context["form"].errors.items()}


# --- Days and nights ----------------------------------------------------------------------------


def test_books_to_the_end_of_the_nights_that_were_given_instead_of_a_day(desk: Client) -> None:
    desk.post(ADD, sent_from(desk, check_out="", nights="3", quoted=30_000))

    assert stored()[0]["check_out"] == night(13)


def test_shows_prices_for_nights_that_were_given_instead_of_a_day(desk: Client) -> None:
    sent = sent_from(desk, check_out="", nights="3")

    form = desk.post(ADD, {**sent, "show": "1"}).context["form"]

    assert form.price_lines == ("Double, 3 nights: EUR\xa0300.00",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"check_out": "", "nights": ""}, "Choose the day of check-out"),
        ({"check_out": night(12), "nights": "3"}, "it is 2 nights, not 3"),
    ],
)
def test_asks_for_one_end_of_the_stay(desk: Client, given: dict[str, str], said: str) -> None:
    response = desk.post(ADD, sent_from(desk, **given))

    assert said in faults(response)["check_out"][0]
    assert stored() == []


# --- The price that is shown --------------------------------------------------------------------


def test_shows_the_price_of_the_room_that_a_link_names(desk: Client) -> None:
    form = opened(desk, room="inn_A")

    assert form.price_lines == ("Double, 2 nights: EUR\xa0200.00",)
    assert form["quoted"].value() == 20_000


def test_shows_the_price_of_each_room_and_of_all_together(desk: Client) -> None:
    sent = sent_from(desk, room="", category="inn_double", rooms="3")

    form = desk.post(ADD, {**sent, "show": "1"}).context["form"]

    assert form.price_lines == (
        "Double, 2 nights: EUR\xa0200.00 for each room",
        "3 rooms together: EUR\xa0600.00",
    )
    assert form["quoted"].value() == 60_000


def test_says_how_many_rooms_are_left_if_too_few_are(desk: Client) -> None:
    sent = sent_from(desk, room="", category="inn_double", rooms="4")

    form = desk.post(ADD, {**sent, "show": "1"}).context["form"]

    assert form.price_lines == ("Only 3 rooms of Double can be had.",)
    assert form["quoted"].value() == ""


def test_quotes_nothing_for_a_room_that_is_not_free(desk: Client) -> None:
    book("other", resourceId="inn_A", checkIn=night(10), checkOut=night(12))

    form = opened(desk, room="inn_A")

    assert (form.price_lines, form["quoted"].value()) == ((), "")


def test_sells_at_no_price_that_was_not_shown(desk: Client) -> None:
    sent = sent_from(desk)
    put_night("inn_double", night(10), price=12_000)

    refused = desk.post(ADD, sent)
    form = refused.context["form"]
    desk.post(ADD, {name: form[name].value() or "" for name in form.fields})

    assert "no longer the one that was shown" in faults(refused)["__all__"][0]
    assert form.price_lines == ("Double, 2 nights: EUR\xa0220.00",)
    assert stored()[0]["price"]["total"] == 22_000


def sent_again(response: Any) -> dict[str, Any]:
    """What a browser sends of the form in this response."""
    form = response.context["form"]
    return {name: form[name].value() or "" for name in form.fields}


def test_shows_a_price_before_it_sells_from_a_form_that_showed_none(desk: Client) -> None:
    """The room was taken when the form was opened, and is free and dearer when it is sent."""
    other = book("other", resourceId="inn_A", checkIn=night(10), checkOut=night(12))
    sent = sent_from(desk)
    taken = desk.post(ADD, sent)
    cancel(other)
    put_night("inn_double", night(10), price=90_000)

    asked = desk.post(ADD, sent)
    sold = [each for each in stored() if each["status"] == "confirmed"]
    desk.post(ADD, sent_again(asked))

    assert sent["quoted"] == ""
    assert faults(taken)["__all__"] == [
        "What you chose is not free on these dates, so nothing was booked."
    ]
    assert faults(asked)["__all__"] == [
        "No price was shown yet. It is below; press Book to sell at it."
    ]
    assert sold == []
    assert asked.context["form"].price_lines == ("Double, 2 nights: EUR\xa01,000.00",)
    assert [each["price"]["total"] for each in stored()][1:] == [100_000]


def test_says_of_a_room_that_is_taken_meanwhile_that_it_is_not_free(desk: Client) -> None:
    sent = sent_from(desk)
    book("other", resourceId="inn_A", checkIn=night(10), checkOut=night(12))
    put_night("inn_double", night(10), price=12_000)

    refused = desk.post(ADD, sent)

    assert "not free on these dates" in faults(refused)["__all__"][0]
    assert len(stored()) == 1


def test_still_says_that_a_form_has_booked_if_it_has_no_price_by_now(desk: Client) -> None:
    """The script asks again what is free, and the room that the form itself has booked is not."""
    sent = sent_from(desk)
    desk.post(ADD, sent)

    again = desk.post(ADD, {**sent, "quoted": ""}, follow=True)

    assert "nothing new was booked" in sent_messages(again)[-1]


def test_asks_before_it_sells_at_the_same_number_of_another_currency(desk: Client) -> None:
    sent = sent_from(desk)
    Hotel.objects.filter(pk="inn").update(currency="JPY")

    asked = desk.post(ADD, sent)
    sold = stored()
    desk.post(ADD, sent_again(asked))

    assert (sent["quoted"], sent["currency"]) == (20_000, "EUR")
    assert sold == []
    assert stored()[0]["price"]["currency"] == "JPY"


# --- Another price ------------------------------------------------------------------------------

AGREED = {"price": "150,01", "price_reason": "A long stay"}


def test_sells_at_another_price_and_says_so_wherever_staff_look(desk: Client) -> None:
    sent = sent_from(desk, **AGREED)

    response = desk.post(ADD, sent, follow=True)

    assert stored()[0]["price"]["total"] == 15_001
    assert stored()[0]["history"][0]["reason"] == "A long stay"
    assert "EUR\xa0150.01, an agreed price: A long stay" in response.content.decode()
    assert LogEntry.objects.get().change_message == (
        "The room is booked. Another price was agreed: EUR\xa0150.01."
    )


def test_keeps_no_reason_of_a_price_after_the_guest_is_erased(desk: Client) -> None:
    guest = {"guest_name": ADA["name"], "guest_email": ADA["email"]}
    desk.post(ADD, sent_from(desk, **guest, price="150", price_reason="Our chef’s sister"))
    reason = stored()[0]["history"][0]["reason"]

    erasure.erase_guest(ADA["email"], including_upcoming=True)

    assert reason == "Our chef’s sister"
    assert "chef" not in repr(stored())
    assert "chef" not in repr(list(LogEntry.objects.values()))


def test_names_the_own_hold_that_has_another_price(desk: Client) -> None:
    desk.post(ADD, sent_from(desk, hold="on"))
    (hold,) = stored()

    refused = desk.post(ADD, sent_from(desk, hold="on", **AGREED))

    assert faults(refused)["__all__"] == [
        f"You hold this already for EUR\xa0200.00: {hold['reference']}. Confirm that hold, or "
        "cancel it and book again."
    ]
    assert [each["price"]["total"] for each in stored()] == [20_000]


def test_does_not_hide_that_the_reason_of_an_own_hold_stays(desk: Client) -> None:
    desk.post(ADD, sent_from(desk, hold="on", **AGREED))
    other = {"price": "150.01", "price_reason": "Our mistake"}

    told = desk.post(ADD, sent_from(desk, hold="on", **other), follow=True)

    assert len(stored()) == 1
    assert stored()[0]["history"][0]["reason"] == "A long stay"
    assert "what was noted about its price then stays" in sent_messages(told)[-1]


def test_sells_several_rooms_at_one_price(desk: Client) -> None:
    several = {"room": "", "category": "inn_double", "rooms": "3"}

    desk.post(ADD, sent_from(desk, **AGREED, **several))

    assert len(stored()[0]["rooms"]) == 3
    assert stored()[0]["price"]["total"] == 15_001


def test_does_not_judge_another_price_by_the_calendar(desk: Client) -> None:
    sent = sent_from(desk, **AGREED)
    put_night("inn_double", night(10), price=12_000)

    desk.post(ADD, sent)

    assert stored()[0]["price"]["total"] == 15_001


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"price": "150"}, "price_reason"),
        ({"price_reason": "A long stay"}, "price"),
        ({**AGREED, "price": "much"}, "price"),
        ({**AGREED, "price": "-5"}, "price"),
        ({**AGREED, "price": "1.234"}, "price"),
        ({**AGREED, "currency": ""}, "price"),
    ],
)
def test_asks_for_a_price_and_its_reason(desk: Client, typed: dict[str, str], field: str) -> None:
    response = desk.post(ADD, sent_from(desk, **typed))

    assert list(faults(response)) == [field]
    assert stored() == []


def test_says_in_which_currency_the_hotel_sells_by_now(desk: Client) -> None:
    sent = sent_from(desk, **AGREED)
    Hotel.objects.filter(pk="inn").update(currency="USD")

    response = desk.post(ADD, sent)

    assert faults(response)["price"] == ["The hotel sells in USD; give the price in USD."]
    assert "together, in USD, such as 120.00" in response.content.decode()
    assert response.context["form"]["currency"].value() == "USD"


def test_gives_a_stay_away_only_after_asking(desk: Client) -> None:
    sent = sent_from(desk, price="0", price_reason="Our mistake")

    asked = desk.post(ADD, sent)
    page = asked.content.decode()
    desk.post(ADD, {**sent, "allow_free": "on"})

    assert "This stay would be free of charge." in faults(asked)["allow_free"][0]
    assert '<input type="checkbox" name="allow_free"' in page
    assert [each["price"]["total"] for each in stored()] == [0]


@pytest.mark.parametrize(("role", "may"), [(FRONT_DESK, False), (MANAGER, True)])
def test_lets_managers_sell_at_another_price(client: Client, role: str, may: bool) -> None:
    staff = of_role(client, role, "inn")
    page = staff.get(ADD).content.decode()

    response = staff.post(ADD, sent_from(staff, **AGREED))

    assert ('name="price"' in page) == may
    assert len(stored()) == may
    if not may:
        assert faults(response)["price"] == ["You may not sell at another price."]
        assert 'value="150,01"' in response.content.decode()


# --- Earlier guests -----------------------------------------------------------------------------

ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+49 30 123456"}


def known(page: Client, typed: str) -> list[dict[str, str]]:
    return page.get(GUESTS, {"q": typed}).json()["guests"]


def stay(key: str, guest: dict[str, str], room: str = "inn_A", day: int = 10) -> Any:
    return book(key, resourceId=room, date=night(day), guest=guest)


@pytest.mark.parametrize(
    "typed", ["ada", "lov", "ADA LOVE", "lovelace, ada", "ada@", "ada@example.org", "030 1234"]
)
def test_finds_a_guest_by_the_beginning_of_what_they_say(desk: Client, typed: str) -> None:
    stay("one", ADA)
    stay("two", {"name": "Grace Hopper"}, "inn_B")
    collection("bookings").update_many({}, {"$set": {"language": "de"}})

    (found,) = known(desk, typed)

    assert {name: found[name] for name in ADA} == ADA
    assert found["language"] == "de"
    assert found["reached"] == "ada@example.org · +49 30 123456"
    assert found["stay"].startswith("Inn, ")


@pytest.mark.parametrize("typed", ["", "ad", "a d", "a b c", "a@", "12", "   ", "\x00", "%%%"])
def test_finds_no_one_before_three_letters(desk: Client, typed: str) -> None:
    stay("one", ADA)

    assert known(desk, typed) == []


def test_offers_each_guest_once_as_their_newest_stay_has_them(desk: Client) -> None:
    cancel(stay("one", ADA))
    stay("two", ADA, day=12)
    stay("three", {**ADA, "phone": ""}, day=14)

    assert [each["phone"] for each in known(desk, "ada")] == ["", "+49 30 123456"]


def test_finds_guests_of_ones_own_hotels_alone(client: Client) -> None:
    staff = of_role(client, FRONT_DESK, "inn")
    stay("one", ADA)
    book("two", guest={"name": "Ada Elsewhere", "email": "ada@elsewhere.example"})

    assert [each["name"] for each in known(staff, "ada")] == ["Ada Lovelace"]
    assert [each["name"] for each in known(staff, "ada@")] == ["Ada Lovelace"]


def test_keeps_what_it_finds_out_of_every_cache(desk: Client) -> None:
    assert "no-store" in desk.get(GUESTS, {"q": "ada"})["Cache-Control"]


@pytest.mark.parametrize(
    ("rights", "status"), [(("add",), 403), (("view",), 403), (("add", "view"), 200)]
)
def test_shows_guests_to_those_who_may_book_and_may_see_bookings(
    client: Client, rights: tuple[str, ...], status: int
) -> None:
    user = User.objects.create_user("limited", is_staff=True)
    names = [f"{right}_bookingrecord" for right in rights]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)

    assert client.get(GUESTS, {"q": "ada"}).status_code == status
    if "add" in rights:
        assert ("data-guests" in client.get(ADD).content.decode()) == (status == 200)


# --- Links and answers --------------------------------------------------------------------------


def test_begins_with_the_guest_where_a_link_says_the_rest(desk: Client) -> None:
    assert "autofocus" in opened(desk, room="inn_A")["guest_name"].as_widget()
    assert "autofocus" in opened(desk, category="inn_double")["guest_name"].as_widget()
    assert "autofocus" not in opened(desk)["guest_name"].as_widget()


def test_tells_a_script_where_the_booking_is_and_leaves_its_message(desk: Client) -> None:
    answer = desk.post(ADD, sent_from(desk), headers={"Accept": "application/json"})

    address = answer.json()["location"]
    assert address == f"{LIST}{stored()[0]['_id']}/change/"
    assert "The room is booked." in desk.get(address).content.decode()


def test_answers_a_script_with_the_page_if_something_is_wrong(desk: Client) -> None:
    answer = desk.post(ADD, sent_from(desk, room=""), headers={"Accept": "application/json"})

    assert "Choose either a room or a category." in answer.content.decode()
