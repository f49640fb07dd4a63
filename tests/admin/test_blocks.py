"""The admin's room blocks: listed apart from bookings, made under a key, lifted with a reason."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings.domain.callers import caller_of_user
from bookings.front_desk import blocks
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import RoomBlock
from bookings.presentation.days import stay_text
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


def form(page: Client, **changes: str) -> dict[str, str]:
    return {
        "key": page.get(ADD).context["form"]["key"].value(),
        "rooms": "inn_A\r\ninn_B",
        "first": night(10),
        "end": night(12),
        "reason": "New carpet",
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
    for text in ("in force", "inn", "Room A, Room B", night(10), night(12), "staff (user)"):
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

    for text in ("Room A, Room B", "New carpet", "lifted", night(10), night(12)):
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
    assert sent_messages(response) == [f"{made['reference']}: The rooms are blocked."]
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
        ({"reason": " "}, "reason"),
        ({"reason": "bell\x07"}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
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
    desk: Client, changes: dict[str, str], field: str
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
