"""The admin's room blocks: listed apart from bookings, made under a key, lifted with a reason."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings.catalogue import inventory
from bookings.domain.callers import caller_of_user
from bookings.front_desk import blocks, repeated_blocks
from bookings.front_desk.repeated_blocks import block_repeatedly
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Room, RoomBlock
from bookings.people import staff_hotels
from bookings.presentation.days import day_text, stay_text
from tests.admin.test_bookings import LIST as BOOKINGS
from tests.admin.test_bookings import sent_messages
from tests.calls import PARTNER, book, stored
from tests.conftest import night

LIST = "/admin/bookings/roomblock/"
ADD = f"{LIST}add/"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


@pytest.fixture
def allowed(client: Client) -> Any:
    """Logs in a member of staff who has only the named permissions."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user("limited", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return log_in


def block(owner: User, *rooms: str, reason: str = "New carpet", key: str = "block") -> str:
    """Makes a block of two nights, ten days ahead; returns its id."""
    outcome = blocks.block_rooms(
        actor=caller_of_user(owner.pk),
        room_ids=rooms or ("inn_A",),
        first=date.fromisoformat(night(10)),
        end=date.fromisoformat(night(12)),
        reason=reason,
        key_header=key,
        deadline=Deadline.after(10),
    )
    assert outcome.code is None
    return outcome.content["booking"]["id"]


def form(page: Client, **changes: Any) -> dict[str, Any]:
    return {
        "key": page.get(ADD).context["form"]["key"].value(),
        "hotel": "inn",
        "rooms": "inn_A\r\ninn_B",
        "first": night(10),
        "end": night(12),
        "reason": "Other",
        "details": "New carpet",
        **changes,
    }


def select(*ids: str, **more: str) -> dict[str, Any]:
    return {"action": "lift_selected", "_selected_action": ids, **more}


# --- Reading ------------------------------------------------------------------------------------


def test_lists_blocks_and_bookings_apart(desk: Client, staff: User) -> None:
    block(staff, "inn_A", "inn_B", reason="Wet <b>paint</b>")
    booked = book(resourceId="inn_C", date=night(10)).content["booking"]["reference"]
    blocked = stored()[0]["reference"]

    of_blocks, of_bookings = (desk.get(page).content.decode() for page in (LIST, BOOKINGS))

    assert (blocked in of_blocks, booked in of_blocks) == (True, False)
    assert (blocked in of_bookings, booked in of_bookings) == (False, True)
    days = [day_text(night(10)), day_text(night(12))]
    for text in ("in force", "Inn", "Room A, Room B", *days, "staff (staff)"):
        assert text in of_blocks
    assert "Wet &lt;b&gt;paint&lt;/b&gt;" in of_blocks


def test_shows_each_on_pages_of_its_own_kind_only(desk: Client, staff: User) -> None:
    blocked = block(staff)
    booked = book(resourceId="inn_C", date=night(10)).content["booking"]["id"]

    for wrong in (f"{LIST}{booked}/", f"{BOOKINGS}{blocked}/"):
        assert desk.get(f"{wrong}change/").status_code == 302
        assert desk.get(f"{wrong}cancel/").status_code == 404
        assert desk.post(f"{wrong}cancel/", {"reason": "Ill"}).status_code == 404
    for action in ("confirm", "move"):
        assert desk.post(f"{BOOKINGS}{blocked}/{action}/").status_code == 404
    desk.post(BOOKINGS, {**select(blocked, reason="Ill"), "action": "cancel_selected"})
    desk.post(LIST, select(booked, reason="Ill"))

    assert {booking["status"] for booking in stored()} == {"confirmed"}


def test_is_found_by_its_key_and_linked_to_its_page(desk: Client, staff: User) -> None:
    blocked = block(staff, key="k1")
    query = {"key": "k1", "caller": f"user:{staff.pk}", "operation": "block"}

    page = desk.get("/admin/idempotency/idempotencykey/", query).content.decode()

    assert f'href="{LIST}{blocked}/change/"' in page


def test_shows_a_block_with_its_history(desk: Client, staff: User) -> None:
    blocked = block(staff, "inn_A", "inn_B")
    desk.post(f"{LIST}{blocked}/cancel/", {"reason": "The carpet is in."})

    page = desk.get(f"{LIST}{blocked}/change/").content.decode()

    days = [day_text(night(10)), day_text(night(12))]
    for text in ("Room A, Room B", "New carpet", "lifted", *days):
        assert text in page
    assert f"staff (staff) blocked Room A, Room B, {stay_text(night(10), night(12))}</li>" in page
    assert "staff (staff) lifted it: The carpet is in.</li>" in page
    assert "EUR" not in page


def test_filters_and_finds_blocks(desk: Client, staff: User) -> None:
    lifted, kept = block(staff, "inn_A"), block(staff, "inn_B", reason="Paint", key="other")
    desk.post(f"{LIST}{lifted}/cancel/", {"reason": "Done"})

    def shown(**query: str) -> list[str]:
        page = desk.get(LIST, query).content.decode()
        return [blocked for blocked in (lifted, kept) if f"{LIST}{blocked}/change/" in page]

    assert shown(status="cancelled") == [lifted]
    assert shown(status="confirmed") == [kept]
    assert shown(q="paint") == [kept]
    assert shown(hotel="inn") == [lifted, kept]
    assert shown(hotel="demo") == []


def test_finds_the_blocks_among_many_bookings_by_an_index(staff: User) -> None:
    block(staff)
    request = HttpRequest()
    request.user = User(is_superuser=True)
    of_the_list = site.get_model_admin(RoomBlock).get_queryset(request)

    plan = of_the_list[:50].explain()

    assert '"indexName": "blocks"' in plan
    assert "COLLSCAN" not in plan


def test_asks_once_for_all_names_of_a_page(desk: Client, staff: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            desk.get(LIST)
        return len(asked)

    block(staff, "inn_A")
    of_one = queries()
    block(staff, "inn_B", key="b")
    block(staff, "inn_C", key="c")
    of_three = queries()

    assert 0 < of_one == of_three


def test_neither_edits_nor_deletes_a_block(desk: Client, staff: User) -> None:
    blocked = block(staff)

    changed = desk.post(f"{LIST}{blocked}/change/", {"status": "cancelled"})
    deleted = desk.post(f"{LIST}{blocked}/delete/", {"post": "yes"})
    selected = {"action": "delete_selected", "_selected_action": blocked, "post": "yes"}
    desk.post(LIST, selected)

    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert stored()[0]["status"] == "confirmed"


# --- Adding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rooms", ["inn_A\r\ninn_B", "inn_A,inn_B", "inn_A, inn_B\r\n"])
def test_blocks_rooms(desk: Client, staff: User, rooms: str) -> None:
    response = desk.post(ADD, form(desk, rooms=rooms), follow=True)

    (made,) = stored()
    assert [booked["room"] for booked in made["rooms"]] == ["inn_A", "inn_B"]
    assert (made["kind"], made["notes"]) == ("block", "New carpet")
    assert (made["check_in"], made["check_out"]) == (night(10), night(12))
    assert made["caller"] == f"user:{staff.pk}"
    assert sent_messages(response) == [
        f"Room A, Room B ({made['reference']}): The rooms are blocked."
    ]
    assert response.redirect_chain[-1][0] == f"{LIST}{made['_id']}/change/"
    assert LogEntry.objects.filter(action_flag=1, object_repr=made["reference"]).count() == 1


def test_blocks_once_when_sent_twice(desk: Client) -> None:
    sent = form(desk)
    first = desk.post(ADD, sent)
    connections.redis().flushdb()

    second = desk.post(ADD, {**sent, "rooms": "inn_C"}, follow=True)

    assert len(stored()) == 1
    assert second.redirect_chain[-1][0] == first.url
    assert "nothing new was blocked" in sent_messages(second)[-1]


def test_lists_the_bookings_in_the_way_and_loses_nothing_that_was_typed(desk: Client) -> None:
    first = book("1", resourceId="inn_A", date=night(11)).content["booking"]
    second = book("2", resourceId="inn_B", date=night(10)).content["booking"]
    sent = form(desk)

    refused = desk.post(ADD, sent)

    shown = refused.context["form"]
    for booking in (first, second):
        assert booking["reference"] in refused.content.decode()
    assert "Move or cancel these first." in refused.content.decode()
    assert shown["key"].value() != sent["key"]
    typed = {name: value for name, value in sent.items() if name != "key"}
    assert {name: shown[name].value() for name in typed} == typed
    assert len(stored()) == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rooms": ""}, "rooms"),
        ({"rooms": ",\r\n,"}, "rooms"),
        ({"rooms": "nowhere"}, "rooms"),
        ({"rooms": "inn_A, room_A"}, "rooms"),
        ({"rooms": " ".join(f"r{n}" for n in range(11))}, "rooms"),
        ({"rooms": "x" * 801}, "rooms"),
        ({"rooms": "room_A"}, "rooms"),
        ({"hotel": ""}, "hotel"),
        ({"hotel": "nowhere"}, "hotel"),
        ({"reason": ""}, "reason"),
        ({"reason": "Boredom"}, "reason"),
        ({"details": " "}, "details"),
        ({"details": "bell\x07"}, "details"),
        ({"details": "x" * 2001}, "details"),
        ({"every_weeks": "0"}, "every_weeks"),
        ({"weekdays": ["0"]}, "every_weeks"),
        ({"until": night(40)}, "every_weeks"),
        ({"every_weeks": "1"}, "until"),
        ({"every_weeks": "1", "until": night(9)}, "until"),
        ({"every_weeks": "1", "until": night(400)}, "until"),
        ({"every_weeks": "1", "until": night(40), "end": night(18)}, "end"),
        ({"every_weeks": "1", "until": night(40), "weekdays": ["7"]}, "weekdays"),
        ({"first": "2031-02-29"}, "first"),
        ({"first": "2001-01-01", "end": "2001-01-03"}, "first"),
        ({"end": night(10)}, "end"),
        ({"end": night(731), "first": night(729)}, "end"),
        ({"end": night(311)}, "end"),
        ({"key": ""}, "key"),
        ({"key": "auto:abc"}, "__all__"),
    ],
)
def test_shows_a_fault_beside_its_field_and_keeps_key_and_text(
    desk: Client, changes: dict[str, Any], field: str
) -> None:
    sent = form(desk, **changes)

    refused = desk.post(ADD, sent)

    shown = refused.context["form"]
    assert list(shown.errors) == [field]
    assert {name: shown[name].value() for name in sent} == sent
    assert stored() == []


def test_does_not_look_up_more_rooms_than_anybody_can_mean(desk: Client) -> None:
    refused = desk.post(ADD, form(desk, rooms="r1 " * 5000))

    (sentence,) = refused.context["form"].errors["rooms"]
    assert "at most 800 characters" in sentence


# --- Lifting ------------------------------------------------------------------------------------


def test_asks_why_before_it_lifts_a_block_from_its_page(desk: Client, staff: User) -> None:
    blocked = block(staff)
    page = desk.get(f"{LIST}{blocked}/change/").content.decode()
    address = f"{LIST}{blocked}/cancel/"

    asked = desk.get(address)
    before = stored()[0]["status"]
    response = desk.post(address, {"reason": "The carpet is in."}, follow=True)

    assert f'href="{address}"' in page
    assert "Lift this block?" in asked.content.decode()
    assert before == "confirmed"
    assert sent_messages(response) == [f"{stored()[0]['reference']}: The block is lifted."]
    assert response.redirect_chain[-1][0] == f"{LIST}{blocked}/change/"
    assert f'href="{address}"' not in response.content.decode()
    assert book(resourceId="inn_A", date=night(10)).code is None


def test_lifts_several_from_the_list(desk: Client, staff: User) -> None:
    ids = [block(staff, room, key=room) for room in ("inn_A", "inn_B")]

    asked = desk.post(LIST, select(*ids))
    unsaid = desk.post(LIST, select(*ids, reason=" "))
    before = {booking["status"] for booking in stored()}
    response = desk.post(LIST, select(*ids, reason="Done"), follow=True)

    assert 'name="action" value="lift_selected"' in asked.content.decode()
    assert unsaid.context["form"].errors == {"reason": ["Say why."]}
    assert before == {"confirmed"}
    assert {booking["status"] for booking in stored()} == {"cancelled"}
    assert len(sent_messages(response)) == 2


# --- Permissions --------------------------------------------------------------------------------


def test_is_not_for_who_may_do_all_with_bookings(allowed: Any, staff: User) -> None:
    blocked = block(staff)
    page = allowed(*(f"{what}_bookingrecord" for what in ("view", "add", "change", "delete")))

    refused = [
        page.get(LIST),
        page.get(ADD),
        page.post(ADD, {"key": "k"}),
        page.get(f"{LIST}{blocked}/change/"),
        page.post(f"{LIST}{blocked}/cancel/", {"reason": "Ill"}),
    ]
    page.post(LIST, select(blocked, reason="Ill"))

    assert {response.status_code for response in refused} == {403}
    assert LIST not in page.get("/admin/").content.decode()
    assert [booking["status"] for booking in stored()] == ["confirmed"]


def test_lets_viewers_only_view(allowed: Any, staff: User) -> None:
    blocked = block(staff)
    page = allowed("view_roomblock")

    refused = [page.get(ADD), page.post(f"{LIST}{blocked}/cancel/", {"reason": "Ill"})]
    page.post(LIST, select(blocked, reason="Ill"))

    assert page.get(f"{LIST}{blocked}/change/").context["may_lift"] is False
    assert "lift_selected" not in page.get(LIST).content.decode()
    assert {response.status_code for response in refused} == {403}
    assert stored()[0]["status"] == "confirmed"


def test_lets_the_permission_to_add_block_and_nothing_else(allowed: Any) -> None:
    page = allowed("add_roomblock")

    response = page.post(ADD, form(page), follow=True)

    (made,) = stored()
    assert response.redirect_chain[-1][0] == "/admin/"
    assert page.get(f"{LIST}{made['_id']}/change/").status_code == 403
    assert page.post(f"{LIST}{made['_id']}/cancel/", {"reason": "Ill"}).status_code == 403


def test_lets_the_permission_to_change_lift_and_nothing_else(allowed: Any, staff: User) -> None:
    blocked = block(staff)
    booked = book(resourceId="inn_C", date=night(10), caller=PARTNER).content["booking"]["id"]
    page = allowed("change_roomblock")

    page.post(f"{LIST}{blocked}/cancel/", {"reason": "Done"})

    assert [booking["status"] for booking in stored()] == ["cancelled", "confirmed"]
    assert page.get(ADD).status_code == 403
    assert page.post(f"{BOOKINGS}{booked}/cancel/", {"reason": "Ill"}).status_code == 403


def test_wants_a_csrf_token(staff: User) -> None:
    blocked = block(staff)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(staff)

    assert strict.post(ADD, form(strict)).status_code == 403
    assert strict.post(f"{LIST}{blocked}/cancel/", {"reason": "Ill"}).status_code == 403
    assert [booking["status"] for booking in stored()] == ["confirmed"]


# --- Choosing rooms and nights ------------------------------------------------------------------


def test_opens_with_the_rooms_and_nights_of_the_link(desk: Client) -> None:
    asked = {"rooms": "inn_B", "first": night(4), "end": night(7)}

    shown = desk.get(ADD, asked).context["form"]

    values = {name: str(shown[name].value()) for name in ("hotel", "rooms", "first", "end")}
    assert values == {"hotel": "inn", **asked}


@pytest.mark.parametrize(
    "asked", [{"first": "x", "end": "x"}, {"rooms": "nowhere"}, {"rooms": "\x00"}, {"hotel": "no"}]
)
def test_opens_for_tonight_if_the_link_says_nothing_of_use(
    desk: Client, asked: dict[str, str]
) -> None:
    shown = desk.get(ADD, {"hotel": "inn", **asked}).context["form"]

    # After midnight the desk's day goes on for some hours at a hotel that says so.
    hotel = inventory.find_hotel(shown["hotel"].value())
    assert hotel
    tonight = clock.desk_day(hotel.time_zone, hotel.end_of_day)
    nights = (str(tonight), str(tonight + timedelta(days=1)))
    assert (str(shown["first"].value()), str(shown["end"].value())) == nights


def test_shows_which_rooms_are_not_free(desk: Client) -> None:
    book(resourceId="inn_B", date=night(4))
    Room.objects.filter(id="inn_C").update(is_sold=False)

    page = desk.get(ADD, {"hotel": "inn", "first": night(4), "end": night(5)})

    assert "Room B <small>not free</small>" in page.content.decode()
    assert page.context["form"].offered == "Free for these nights: 3 rooms."
    assert "Room C" not in page.content.decode()


def test_shows_the_rooms_of_another_hotel_and_keeps_the_rest(desk: Client) -> None:
    sent = form(desk, hotel="demo", show="1")

    shown = desk.post(ADD, sent)

    assert 'value="room_A"' in shown.content.decode()
    assert 'value="inn_A"' not in shown.content.decode()
    assert "New carpet" in shown.content.decode()
    assert shown.context["form"]["key"].value() == sent["key"]
    assert stored() == []


def test_blocks_no_rooms_of_the_hotel_that_was_chosen_before(desk: Client) -> None:
    refused = desk.post(ADD, form(desk, hotel="demo"))

    assert "the list was of another one" in str(refused.context["form"].errors["rooms"])
    assert stored() == []


@pytest.mark.parametrize(
    ("reason", "details", "kept"),
    [
        ("Repair", "", "Repair"),
        ("Repair", "Tap drips", "Repair: Tap drips"),
        ("Other", "Film crew", "Film crew"),
    ],
)
def test_keeps_the_reason_in_words(desk: Client, reason: str, details: str, kept: str) -> None:
    desk.post(ADD, form(desk, reason=reason, details=details))

    assert stored()[0]["notes"] == kept


def test_is_linked_from_free_rooms_and_from_the_page_of_a_room(desk: Client, allowed: Any) -> None:
    query = {"hotel": "inn", "check_in": night(4), "check_out": night(6)}
    link = f"{ADD}?rooms=inn_A&amp;first={night(4)}&amp;end={night(6)}"
    of_room = "/admin/bookings/room/inn_A/change/"

    rooms = desk.get("/admin/desk/rooms/", query).content.decode()
    room = desk.get(of_room).content.decode()
    limited = allowed("add_bookingrecord", "view_room")

    assert f'href="{link}"' in rooms
    assert f'href="{ADD}?rooms=inn_A"' in room
    assert ADD not in limited.get("/admin/desk/rooms/", query).content.decode()
    assert ADD not in limited.get(of_room).content.decode()


# --- Blocks that come again ---------------------------------------------------------------------


def repeated(page: Client, **changes: Any) -> dict[str, Any]:
    """The form for three weeks, as it is after *Show rooms and dates*."""
    again = {"rooms": "inn_A", "every_weeks": "1", "until": night(24), "reason": "Cleaning"}
    sent = form(page, **again, **changes)
    shown = page.post(ADD, {**sent, "show": "1"}).context["form"]
    return {**sent, "seen": shown["seen"].value()}


def test_shows_each_date_with_what_is_in_the_way(desk: Client) -> None:
    made = book(resourceId="inn_A", date=night(18), guest={"name": "Ada"}).content["booking"]
    sent = form(desk, rooms="inn_A", every_weeks="1", until=night(24), show="1")

    shown = desk.post(ADD, sent).context["form"]

    place = f"{made['reference']} Ada (Room A, {stay_text(night(18), night(19))})"
    assert shown.offered_lines == [
        f"{stay_text(night(10), night(12))}: free",
        f"{stay_text(night(17), night(19))}: in the way: {place}",
        f"{stay_text(night(24), night(26))}: free",
    ]
    assert shown.offered == "3 blocks; on 2 of their dates the chosen rooms are free:"
    assert len(stored()) == 1


def test_blocks_nothing_before_the_dates_were_shown(desk: Client) -> None:
    sent = repeated(desk)

    unseen = desk.post(ADD, {**sent, "seen": ""})
    other = desk.post(ADD, {**sent, "until": night(17)})
    before = len(stored())
    desk.post(ADD, {**sent, "until": night(17), "seen": other.context["form"]["seen"].value()})

    for refused in (unseen, other):
        assert "Nothing is blocked yet." in refused.content.decode()
        assert refused.context["form"]["key"].value() == sent["key"]
        assert refused.context["form"].offered_lines
    assert before == 0
    assert len(stored()) == 2


def test_makes_those_that_are_free_says_which_are_not_and_leads_to_their_list(
    desk: Client,
) -> None:
    block_of_others = block(User.objects.create_user("other"), "inn_A", key="other")
    in_the_way = stored()[0]["reference"]

    response = desk.post(ADD, repeated(desk), follow=True)

    made = stored()[1:]
    assert [each["check_in"] for each in made] == [night(17), night(24)]
    first, second = sent_messages(response)
    assert first == f"2 blocks made, from: {day_text(night(17))}, {day_text(night(24))}."
    assert second.startswith(f"Not blocked, {stay_text(night(10), night(12))}: In the way: ")
    assert in_the_way in second
    page = response.content.decode()
    assert all(each["reference"] in page for each in made)
    assert f"{LIST}{block_of_others}/change/" not in page
    assert LogEntry.objects.filter(action_flag=1).count() == 2


def test_lifts_the_whole_series_from_its_list(desk: Client) -> None:
    listed = desk.post(ADD, repeated(desk), follow=True)
    block(User.objects.create_user("other"), "inn_B", key="other", reason="Cleaning")
    address = listed.redirect_chain[-1][0]
    shown = [str(record.pk) for record in desk.get(address).context["cl"].result_list]

    desk.post(address, select(*shown, reason="Done"))

    assert len(shown) == 3
    assert [each["status"] for each in stored()] == ["cancelled"] * 3 + ["confirmed"]


def test_makes_the_series_once_when_sent_twice(desk: Client) -> None:
    sent = repeated(desk)
    desk.post(ADD, sent)
    connections.redis().flushdb()

    response = desk.post(ADD, sent, follow=True)

    assert len(stored()) == 3
    assert "This form had already made 3 blocks" in sent_messages(response)[-1]
    assert LogEntry.objects.filter(action_flag=1).count() == 3


def test_makes_the_rest_of_a_series_that_was_cut_off(desk: Client, staff: User) -> None:
    sent = repeated(desk)
    block_repeatedly(
        actor=caller_of_user(staff.pk),
        room_ids=("inn_A",),
        dates=[(date.fromisoformat(night(10)), date.fromisoformat(night(12)))],
        reason="Cleaning",
        key_header=sent["key"],
        deadline=Deadline.after(10),
    )

    response = desk.post(ADD, sent, follow=True)

    assert [each["check_in"] for each in stored()] == [night(10), night(17), night(24)]
    new, before = sent_messages(response)
    assert new.startswith("2 blocks made")
    assert before == f"This form had already made 1 block, from: {day_text(night(10))}."


def test_says_what_is_in_the_way_if_a_room_is_added_to_a_form_that_has_acted(
    desk: Client,
) -> None:
    """The answer to the first press was lost."""
    sent = repeated(desk)
    desk.post(ADD, sent)

    refused = desk.post(ADD, {**sent, "rooms": "inn_A, inn_B"})

    text = refused.content.decode()
    assert len(stored()) == 3
    for block in stored():
        assert f"In the way: {block['reference']} (Room A" in text
    assert refused.context["form"]["key"].value() not in ("", sent["key"])


def test_keeps_the_form_with_a_new_key_if_no_date_is_free(desk: Client) -> None:
    book(resourceId="inn_A", checkIn=night(9), checkOut=night(30))
    sent = repeated(desk)

    refused = desk.post(ADD, sent)

    assert refused.content.decode().count("In the way: ") == 3
    assert refused.context["form"]["key"].value() not in ("", sent["key"])
    assert refused.context["form"]["until"].value() == night(24)


def test_sends_those_who_may_only_add_to_the_first_page(allowed: Any) -> None:
    page = allowed("add_roomblock")

    response = page.post(ADD, repeated(page), follow=True)

    assert response.redirect_chain[-1][0] == "/admin/"
    assert len(stored()) == 3


def test_blocks_no_room_of_another_hotel_again_and_again(client: Client) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="add_roomblock"))
    assert staff_hotels.set_hotels(clerk.pk, frozenset({"demo"}), before=None)
    client.force_login(clerk)

    for hotel in ("inn", "demo"):
        again = {"rooms": "inn_A", "every_weeks": "1", "until": night(24)}
        refused = client.post(ADD, form(client, hotel=hotel, **again))
        assert refused.status_code == 200
        assert "Room S" not in refused.content.decode()
    assert stored() == []


def test_names_no_guest_to_those_who_may_not_see_bookings(desk: Client, allowed: Any) -> None:
    book("k", resourceId="inn_A", guest={"name": "Ada"}, checkIn=night(10), checkOut=night(12))

    shown = []
    for log_in in (lambda: desk, lambda: allowed("add_roomblock")):
        page = log_in()
        asked = {**repeated(page), "show": "1"}
        shown.append(" ".join(page.post(ADD, asked).context["form"].offered_lines))

    assert ["in the way: INN-" in text for text in shown] == [True, True]
    assert ["Ada" in text for text in shown] == [True, False]


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"first": "1970-01-01", "end": "2105-12-31"}, "at most 300 nights"),
        ({"first": night(5), "end": night(5)}, "The end must be after the first night."),
        ({"first": night(5), "end": night(3)}, "The end must be after the first night."),
    ],
)
@pytest.mark.parametrize("again", [{}, {"every_weeks": "1", "until": night(90)}])
def test_looks_for_nothing_on_dates_that_no_block_has(
    desk: Client, wish: dict[str, str], sentence: str, again: dict[str, str]
) -> None:
    asked = {**form(desk, rooms="inn_A, inn_B", **wish), **again, "show": "1"}

    assert sentence in desk.post(ADD, asked).content.decode()


def test_looks_at_a_bounded_number_of_nights(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_blocks, "MAX_LOOKED", 10)
    again = {"every_weeks": "1", "until": night(24)}

    asked = {**form(desk, rooms="inn_A, inn_B", end=night(16)), **again, "show": "1"}

    assert "Choose fewer rooms, nights or weeks" in desk.post(ADD, asked).content.decode()
