"""The price calendar: signs at a glance, changes in place, and undo of the last change."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.test import Client

from bookings.admin.manager.price_form import PriceWish, PriceWishField
from bookings.catalogue import night_jobs, night_undo
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, NightsJob, RoomCategory
from bookings.people.roles import FRONT_DESK, MANAGER
from bookings.people.staff_hotels import set_hotels
from bookings.presentation.days import day_text
from tests.admin.test_manager import log_in, noted, prices, said
from tests.conftest import night
from tests.hotels import put_night
from tests.pages import Page

pytestmark = pytest.mark.mongo

PRICES = "/admin/bookings/pricecalendar/?hotel=chalet"
DAY, NEXT_DAY = night(30), night(31)
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

# 20 categories for 31 days, with all that the page consists of, uncompressed.
MOST_BYTES = 200_000


@pytest.fixture
def manager(client: Client, chalet: Hotel) -> Client:
    return log_in(client, MANAGER)


def another_manager() -> Client:
    user = User.objects.create_user("ben", is_staff=True)
    user.groups.add(Group.objects.get(name=MANAGER))
    client = Client()
    client.force_login(user)
    return client


def wish(**changes: Any) -> dict[str, Any]:
    """What the editor in the grid sends for the attic's two nights."""
    return {
        "hotel": "chalet",
        "key": str(ObjectId()),
        "in_place": "1",
        "categories": ["chalet_attic"],
        "first": DAY,
        "last": NEXT_DAY,
        "weekdays": WEEKDAYS,
        "price": "99",
        **changes,
    }


def seen_in(response: Any) -> str:
    found = re.search('data-seen="([^"]+)"', response.content.decode())
    return found[1] if found else ""


def text_of(response: Any) -> str:
    return Page(response.content.decode()).text.replace("\xa0", " ")


def save(client: Client, asked: dict[str, Any]) -> Any:
    """Has the change shown, and saves it."""
    seen = seen_in(client.post(PRICES, asked))
    return client.post(PRICES, {**asked, "seen": seen, "apply": "1"}, follow=True)


def undo(client: Client, change_id: str, **fields: str) -> Any:
    sent = {"hotel": "chalet", "undo": change_id, **fields}
    return client.post(PRICES, sent, follow=True)


def offered(client: Client) -> str:
    """The change that the page offers to undo."""
    found = re.search('name="undo" value="([^"]+)"', client.get(PRICES).content.decode())
    return found[1] if found else ""


# --- What a person writes as a price ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", PriceWish()),
        ("120.00", PriceWish(price=12_000)),
        ("120,5", PriceWish(price=12_050)),
        ("+10 %", PriceWish(percent=Decimal(10))),
        ("-2,5%", PriceWish(percent=Decimal("-2.5"))),
        ("\N{MINUS SIGN}5 %", PriceWish(percent=Decimal(-5))),
        ("+5.00", PriceWish(amount=500)),
        ("- 5", PriceWish(amount=-500)),
    ],
)
def test_reads_a_price_or_a_change_of_it(text: str, meant: PriceWish) -> None:
    assert PriceWishField(currency="EUR", required=False).clean(text) == meant


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("10 %", "Write +10 % to raise"),
        ("+1.234 %", "Write a percentage like"),
        ("+", "Write the price in EUR as 120.00"),
        ("+5.001", "Write the price in EUR as 120.00"),
        ("+1,000.00", "Write the price in EUR as 120.00"),
        ("-99999999", "Give at most EUR"),
    ],
)
def test_says_how_to_write_a_price_or_a_change(text: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        PriceWishField(currency="EUR").clean(text)


def test_changes_prices_by_an_amount_and_says_so_in_words(manager: Client) -> None:
    response = save(manager, wish(price="-5.00"))

    assert prices() == [7_500, 7_500]
    text = f"Done. Set price -CHF 5.00 from {day_text(DAY)} to {day_text(NEXT_DAY)} for Attic: "
    assert said(response)[0].replace("\xa0", " ") == f"{text}2 nights, 2 of them new."


def test_names_the_price_if_it_changes_too_much(manager: Client) -> None:
    for price in ("+1000 %", "-90"):
        assert "Price: " in text_of(manager.post(PRICES, wish(price=price)))


# --- At a glance --------------------------------------------------------------------------------


def test_writes_each_sign_in_words(manager: Client) -> None:
    RoomCategory.objects.filter(id="chalet_suite").update(sell_by_default=False)
    put_night(
        "chalet_attic",
        DAY,
        closed=True,
        min_stay=3,
        closed_to_arrival=True,
        closed_to_departure=True,
    )

    page = Page(manager.get(f"{PRICES}&month={DAY[:7]}").content.decode())

    assert "111.00 closed min 3 no arrival no departure" in page.text
    assert "80.00 default" in page.text
    assert "– not sold" in page.text


def test_keeps_the_month_of_a_big_hotel_small(manager: Client, chalet: Hotel) -> None:
    for number in range(18):
        RoomCategory.objects.create(
            id=f"chalet_category_{number:02}",
            hotel=chalet,
            name=f"Category number {number}",
            default_price=10_000,
        )
    month = date.fromisoformat(DAY).replace(day=1)
    while monthrange(month.year, month.month)[1] < 31:
        month = (month + timedelta(days=31)).replace(day=1)
    for category in RoomCategory.objects.filter(hotel=chalet):
        for number in range(31):
            day = (month + timedelta(days=number)).isoformat()
            restricted = {"closed": True, "closed_to_arrival": True, "closed_to_departure": True}
            put_night(category.pk, day, price=10_000 + number, min_stay=14, **restricted)

    response = manager.get(f"{PRICES}&month={month:%Y-%m}")

    assert len(response.context["grid"]) == 20
    assert response.content.decode().count("min 14") == 620
    assert len(response.content) < MOST_BYTES


def test_gives_who_may_only_look_no_editor_and_no_undo(client: Client, chalet: Hotel) -> None:
    desk = log_in(client, FRONT_DESK)

    page = desk.get(PRICES).content.decode()

    assert "80.00" in page
    for part in ("<dialog", "prices.js", 'name="undo"', 'method="post" novalidate'):
        assert part not in page
    assert desk.post(PRICES, wish()).status_code == 403
    assert undo(desk, str(ObjectId())).status_code == 403


# --- In place -----------------------------------------------------------------------------------


def test_shows_the_effect_alone_and_changes_nothing(manager: Client) -> None:
    put_night("chalet_attic", DAY, price=9_000)

    response = manager.post(PRICES, wish())

    text = text_of(response)
    assert f"{day_text(DAY)} Attic CHF 90.00 CHF 99.00" in text
    assert f"{day_text(NEXT_DAY)} Attic CHF 80.00 (by default) CHF 99.00" in text
    assert "<html" not in response.content.decode()
    assert prices() == [9_000]


def test_saves_what_was_shown_once(manager: Client) -> None:
    asked = wish(price="+10 %")
    asked |= {"seen": seen_in(manager.post(PRICES, asked)), "apply": "1"}

    first, second = (manager.post(PRICES, asked, follow=True) for _ in range(2))

    assert prices() == [8_800, 8_800]
    assert said(first)[0].startswith("Done. Set price +10 %")
    assert said(second)[0].startswith("This form has already changed nights")
    assert len(noted()) == 1


def test_shows_again_what_another_manager_has_changed_in_between(manager: Client) -> None:
    put_night("chalet_attic", DAY, price=9_000)
    asked = wish(price="+10 %")
    seen = seen_in(manager.post(PRICES, asked))
    save(another_manager(), wish(price="50", last=DAY))

    response = manager.post(PRICES, {**asked, "seen": seen, "apply": "1"})

    assert "have changed since; see below what would change now" in text_of(response)
    assert "CHF 50.00 CHF 55.00" in text_of(response)
    assert seen_in(response) not in ("", seen)
    assert prices() == [5_000]
    # The sentence is in the window, and does not come once more with the next page.
    assert said(manager.get(PRICES)) == []


def test_asks_in_the_window_before_nights_become_free_of_charge(manager: Client) -> None:
    asked = wish(price="0")

    refused = save(manager, asked)
    before = prices()
    save(manager, {**asked, "allow_free": "on"})

    assert "2 nights would be free of charge" in refused.content.decode()
    assert 'name="allow_free"' in refused.content.decode()
    assert (before, prices()) == ([], [0, 0])


def test_says_in_the_window_what_is_wrong(manager: Client) -> None:
    response = manager.post(PRICES, wish(price="1,000.00", min_stay="91"))

    assert "Price: Write the price in CHF" in text_of(response)
    assert seen_in(response) == ""


def test_changes_no_hotel_that_the_page_does_not_show(manager: Client) -> None:
    response = manager.post(PRICES, wish(hotel="demo"))

    assert "The page now shows another hotel" in text_of(response)


# --- Undo ---------------------------------------------------------------------------------------


def test_undoes_the_last_change_and_writes_down_who_did(manager: Client) -> None:
    put_night("chalet_attic", DAY, price=9_000)
    save(manager, wish())

    response = undo(manager, offered(manager))

    assert prices() == [9_000]
    assert said(response) == ["Undone. 2 nights are as before the change."]
    assert len(noted()) == 2
    who, text = noted()[1]
    assert who == "manager"
    assert text.startswith("Undid a change of prices. 2 nights are as before the change. ")
    assert "The change was: Set price CHF\xa099.00" in text
    assert offered(manager) == ""


def test_names_the_nights_that_were_changed_since(manager: Client) -> None:
    save(manager, wish())
    save(another_manager(), wish(price="50", last=DAY))

    response = undo(manager, offered(manager))

    assert said(response) == [
        "Undone. 1 night is as before the change. 1 night was changed since and stays: "
        f"Attic on {day_text(DAY)}."
    ]
    assert prices() == [5_000]


def test_counts_the_nights_that_it_does_not_name(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night_undo, "MAX_NAMED_NIGHTS", 1)
    save(manager, wish())
    save(another_manager(), wish(price="50"))

    response = undo(manager, offered(manager))

    assert said(response)[0].endswith(
        f"2 nights were changed since and stay: Attic on {day_text(DAY)}, 1 more."
    )


def test_says_that_an_undo_undid_nothing(manager: Client) -> None:
    save(manager, wish())
    save(another_manager(), wish(price="50"))

    response = undo(manager, offered(manager))

    assert said(response)[0].startswith(
        "Nothing was undone. No night is as before the change. 2 nights were changed since and stay"
    )
    assert noted()[-1][1].startswith("Could undo nothing of a change of prices. No night ")
    assert prices() == [5_000, 5_000]


def test_leaves_out_counts_of_nothing(manager: Client) -> None:
    put_night("chalet_attic", DAY, price=9_000)
    put_night("chalet_attic", NEXT_DAY, price=9_000)

    text = text_of(manager.post(PRICES, wish()))
    saved = said(save(manager, wish()))[0]

    assert "2 nights would change. Bookings keep their price." in text
    assert saved.endswith("2 nights.")


def test_undoes_once_if_pressed_twice(manager: Client) -> None:
    save(manager, wish())
    change_id = offered(manager)

    undo(manager, change_id)
    again = undo(manager, change_id)

    assert said(again) == ["This change is undone already. 2 nights are as before the change."]
    assert len(noted()) == 2


def test_offers_each_person_their_own_change(manager: Client) -> None:
    save(manager, wish())
    other = another_manager()

    assert offered(other) == ""
    assert "can no longer be undone" in said(undo(other, offered(manager)))[0]
    assert prices() == [9_900, 9_900]


def test_offers_no_change_of_another_hotel(manager: Client) -> None:
    save(manager, wish())
    change_id = offered(manager)

    page = manager.get("/admin/bookings/pricecalendar/?hotel=demo").content.decode()
    elsewhere = manager.post(
        "/admin/bookings/pricecalendar/?hotel=demo",
        {"hotel": "demo", "undo": change_id},
        follow=True,
    )

    assert change_id not in page
    assert "can no longer be undone" in said(elsewhere)[0]
    assert "another hotel" in said(undo(manager, change_id, hotel="demo"))[0]
    assert prices() == [9_900, 9_900]


def test_undoes_nothing_at_a_hotel_that_the_person_no_longer_belongs_to(manager: Client) -> None:
    save(manager, wish())
    change_id = offered(manager)
    set_hotels(User.objects.get(username="manager").pk, frozenset({"demo"}), before=None)

    undo(manager, change_id)

    assert prices() == [9_900, 9_900]


def test_offers_no_change_that_still_waits_for_a_worker(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night_jobs, "MAX_ROWS_AT_ONCE", 1)
    save(manager, wish())
    waiting = NightsJob.objects.get().pk

    before = offered(manager)
    refused = undo(manager, str(waiting))
    night_jobs.work_on_jobs()

    assert before == ""
    assert "has not been made yet" in said(refused)[0]
    assert offered(manager) == str(waiting)


def test_offers_to_undo_a_change_by_the_form_below_the_grid(manager: Client) -> None:
    asked = wish()
    del asked["in_place"]
    shown = manager.post(PRICES, asked)
    seen = shown.context["form"]["seen"].value()
    manager.post(PRICES, {**asked, "seen": seen, "apply": "Apply"})

    undo(manager, offered(manager))

    assert collection("nights").count_documents({}) == 0
