"""The admin's people, clients and catalogue, on MongoDB's keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from bookings.domain.callers import SCOPES, Caller, caller_of_user
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.queues import failed_work
from bookings.models import ApiClient, Hotel, Room, RoomCategory
from bookings.people import tokens
from bookings.presentation.days import day_text
from bookings.stays import create, lifecycle
from tests.conftest import night
from tests.url_patterns import patterns_of_site

pytestmark = pytest.mark.mongo

USERS = "/admin/auth/user/"
GROUPS = "/admin/auth/group/"
CLIENTS = "/admin/bookings/apiclient/"
HOTELS = "/admin/bookings/hotel/"
CATEGORIES = "/admin/bookings/roomcategory/"
ROOMS = "/admin/bookings/room/"


@pytest.fixture
def staff(database: None) -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


@pytest.fixture
def inn(database: None) -> Iterator[Hotel]:
    """A hotel for one test with two categories and a room, since the demo's hotels stay."""
    hotel = Hotel.objects.create(id="inn", code="INN", name="Inn")
    double = RoomCategory.objects.create(id="inn_double", hotel=hotel, name="Double")
    RoomCategory.objects.create(id="inn_single", hotel=hotel, name="Single")
    Room.objects.create(id="inn_1", category=double, name="Inn 1")
    yield hotel
    Room.objects.filter(id__startswith="inn").delete()
    RoomCategory.objects.filter(id__startswith="inn").delete()
    Hotel.objects.filter(id__startswith="inn").delete()


def book(caller: Caller, room: str = "room_A", **more: Any) -> dict[str, Any]:
    outcome = create.create_booking(
        caller=caller,
        key_header=None,
        read_payload=lambda: {"resourceId": room, "date": night()},
        deadline=Deadline.after(10),
        **more,
    )
    return outcome.content["booking"]


def document_of(booking: dict[str, Any]) -> dict[str, Any]:
    found = collection("bookings").find_one({"reference": booking["reference"]})
    assert found is not None
    return found


# --- The site -----------------------------------------------------------------------------------


def test_carries_the_name_of_the_site(desk: Client) -> None:
    page = desk.get("/admin/").content.decode()

    assert '<a href="/admin/">Bookingsite</a>' in page
    listed = desk.get("/admin/bookings/").content.decode()
    for name in ("API clients", "Hotels", "Room categories", "Rooms"):
        assert f">{name}</a>" in listed


@pytest.mark.parametrize("address", [USERS, GROUPS, CLIENTS, HOTELS, CATEGORIES, ROOMS])
def test_opens_every_list_and_form(desk: Client, address: str) -> None:
    assert desk.get(address).status_code == 200
    assert desk.get(address, {"q": "(x"}).status_code == 200
    assert desk.get(f"{address}add/").status_code == 200


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("/admin/bookings/failedwork/", "Failed work"),
        ("/admin/bookings/bookingrecord/", "Bookings"),
        (CLIENTS, "API clients"),
        (USERS, "Users"),
        (f"{ROOMS}?_popup=1", "Rooms"),
        ("/admin/admin/logentry/", "Who did what"),
        ("/admin/bookings/", "Bookings"),
        ("/admin/auth/", "Users and groups"),
        ("/admin/admin/", "History"),
    ],
)
def test_has_a_plain_title(desk: Client, address: str, title: str) -> None:
    page = desk.get(address).content.decode()

    assert f"<title>{title} | Bookingsite</title>" in page
    assert f"<h1>{title}</h1>" in page


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (CLIENTS, ("Active", "By active")),
        ("/admin/bookings/failedwork/", ("Attempts", "Last failed at")),
    ],
)
def test_names_columns_and_filters_in_plain_words(
    desk: Client, partner: ApiClient, address: str, words: tuple[str, ...]
) -> None:
    failed_work.note(failed_work.LETTERS, ObjectId(), ValueError(), is_over=True)

    text = " ".join(re.sub("<[^>]+>", " ", desk.get(address).content.decode()).split())

    for each in words:
        assert each in text
    for stock in ("Is active", "is active", "Tries"):
        assert stock not in text


def test_has_no_stock_title_on_any_page(desk: Client) -> None:
    answers = {
        pattern: desk.get(f"/{pattern}")
        for pattern in patterns_of_site()
        if pattern.startswith("admin/") and not set("<(") & set(pattern)
    }
    pages = {
        pattern: answer.content.decode()
        for pattern, answer in answers.items()
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
    }
    titles = [re.findall("<title>(.*?)</title>", page)[0] for page in pages.values()]

    stock = re.compile("^Select |administration|Authentication and")
    assert len(titles) > 25
    assert [title for title in titles if stock.search(title)] == []
    assert "Authentication and" not in pages["admin/"]


@pytest.mark.parametrize("address", [USERS, CLIENTS, HOTELS, CATEGORIES, ROOMS])
def test_refuses_staff_without_a_permission(client: Client, database: None, address: str) -> None:
    client.force_login(User.objects.create_user("newcomer", is_staff=True))

    assert client.get(address).status_code == 403
    assert client.get(f"{address}add/").status_code == 403


# --- Users and groups ---------------------------------------------------------------------------


def test_adds_a_user_who_can_log_in(desk: Client) -> None:
    password = "a-long-enough-one"
    fields = {"username": "new", "password1": password, "password2": password}

    response = desk.post(f"{USERS}add/", {**fields, "usable_password": "true"})

    user = User.objects.get(username="new")
    assert response.url == f"{USERS}{user.pk}/change/"
    assert Client().login(username="new", password=password)


def test_edits_a_user_with_groups_and_permissions(desk: Client) -> None:
    user = User.objects.create_user("old")
    group, _ = Group.objects.get_or_create(name="desk")
    permission = Permission.objects.get(codename="view_bookingrecord")
    fields = {
        "username": "renamed",
        "is_active": "on",
        "is_staff": "on",
        "all_hotels": "on",
        "groups": [str(group.pk)],
        "user_permissions": [str(permission.pk)],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "10:00:00",
    }

    desk.post(f"{USERS}{user.pk}/change/", fields)

    user = User.objects.get(pk=user.pk)
    assert (user.username, user.is_staff) == ("renamed", True)
    assert user.has_perm("bookings.view_bookingrecord")
    assert list(user.groups.all()) == [group]
    assert "renamed" in desk.get(f"{USERS}?groups__id__exact={group.pk}").content.decode()
    assert "Changed" in desk.get(f"{USERS}{user.pk}/history/").content.decode()


def test_gives_a_group_permissions(desk: Client) -> None:
    Group.objects.filter(name="viewers").delete()
    permission = Permission.objects.get(codename="view_bookingrecord")

    desk.post(f"{GROUPS}add/", {"name": "viewers", "permissions": [str(permission.pk)]})
    user = User.objects.create_user("viewer")
    user.groups.add(Group.objects.get(name="viewers"))

    assert user.has_perm("bookings.view_bookingrecord")


def test_changes_a_password(desk: Client) -> None:
    user = User.objects.create_user("forgetful", password="the-old-password")
    password = "the-new-password"
    fields = {"password1": password, "password2": password, "usable_password": "true"}

    assert desk.get(f"{USERS}{user.pk}/password/").status_code == 200
    desk.post(f"{USERS}{user.pk}/password/", {**fields, "set-password": "Change"})

    assert User.objects.get(pk=user.pk).check_password(password)


# --- Deleting a user ----------------------------------------------------------------------------


def test_leaves_nothing_of_a_deleted_user_in_their_bookings(desk: Client, staff: User) -> None:
    user = User.objects.create_user("leaver")
    caller = caller_of_user(user.pk)
    own, of_others = book(caller), book(caller_of_user(staff.pk), "room_B")
    made_for_staff = book(caller, "room_C", owner=caller_of_user(staff.pk))
    lifecycle.cancel_booking(
        actor=caller, booking_id=own["id"], key_header=None, deadline=Deadline.after(10)
    )
    before = document_of(of_others)

    response = desk.post(f"{USERS}{user.pk}/delete/", {"post": "yes"})

    after = document_of(own)
    pseudonym = after["owner"]
    assert response.url == USERS
    assert not User.objects.filter(pk=user.pk).exists()
    assert re.fullmatch(r"gone:[0-9a-f]{24}", pseudonym)
    assert (after["caller"], after["user_id"]) == (pseudonym, pseudonym)
    assert [change["actor"] for change in after["history"]] == [pseudonym, pseudonym]
    assert after["status"] == "cancelled"
    staffs = document_of(made_for_staff)
    assert (staffs["caller"], staffs["owner"]) == (pseudonym, f"user:{staff.pk}")
    assert staffs["user_id"] == str(staff.pk)
    assert document_of(of_others) == before


def test_shows_the_bookings_of_a_deleted_user(desk: Client) -> None:
    user = User.objects.create_user("leaver")
    booking = book(caller_of_user(user.pk))
    user.delete()

    page = desk.get(f"/admin/bookings/bookingrecord/{booking['id']}/change/")

    assert page.status_code == 200
    assert "gone:" in page.content.decode()


@pytest.mark.parametrize(
    ("address", "model", "titles"),
    [
        (USERS, User, ("Delete user", "Delete users")),
        (CLIENTS, ApiClient, ("Delete API client", "Delete API clients")),
    ],
)
def test_says_what_it_asks_to_delete(
    desk: Client, address: str, model: Any, titles: tuple[str, str]
) -> None:
    field = "username" if model is User else "name"
    made = [model.objects.create(**{field: f"gone{number}"}) for number in range(2)]
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in made]}

    one = desk.get(f"{address}{made[0].pk}/delete/").content.decode()
    several = desk.post(address, chosen).content.decode()

    for page, title in zip((one, several), titles, strict=True):
        assert f"<title>{title} | Bookingsite</title>" in page
        assert f"<h1>{title}</h1>" in page
        assert "multiple objects" not in page


def test_says_of_what_must_stay_that_it_cannot_be_deleted(desk: Client, inn: Hotel) -> None:
    chosen = {"action": "delete_selected", "_selected_action": ["inn"]}

    assert "<h1>Cannot delete hotel</h1>" in desk.post(HOTELS, chosen).content.decode()
    assert "<h1>Cannot delete hotel</h1>" in desk.get(f"{HOTELS}inn/delete/").content.decode()


def test_gives_each_deleted_user_a_pseudonym_of_their_own(desk: Client) -> None:
    users = [User.objects.create_user(name) for name in ("one", "two")]
    bookings = [
        book(caller_of_user(user.pk), room)
        for user, room in zip(users, ("room_A", "room_B"), strict=True)
    ]
    chosen = {"action": "delete_selected", "_selected_action": [str(u.pk) for u in users]}

    desk.post(USERS, {**chosen, "post": "yes"})

    owners = {document_of(booking)["owner"] for booking in bookings}
    assert User.objects.filter(username__in=["one", "two"]).count() == 0
    assert len(owners) == 2
    assert all(owner.startswith("gone:") for owner in owners)


def test_keeps_the_nights_of_a_deleted_user(desk: Client) -> None:
    user = User.objects.create_user("leaver")
    book(caller_of_user(user.pk))

    user.delete()
    rival = create.create_booking(
        caller=Caller("user", "somebody"),
        key_header=None,
        read_payload=lambda: {"resourceId": "room_A", "date": night()},
        deadline=Deadline.after(10),
    )

    assert rival.code == "ALREADY_BOOKED"


def test_keeps_the_account_when_its_bookings_cannot_be_cut_loose(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User.objects.create_user("leaver")

    def fail(person: str, pseudonym: str) -> int:
        raise RuntimeError("MongoDB is away")

    monkeypatch.setattr("bookings.stays.writing.ownership.replace_person", fail)
    with pytest.raises(RuntimeError, match="MongoDB is away"):
        desk.post(f"{USERS}{user.pk}/delete/", {"post": "yes"})

    assert User.objects.filter(pk=user.pk).exists()


# --- API clients and tokens ---------------------------------------------------------------------


@pytest.fixture
def partner(database: None) -> ApiClient:
    return ApiClient.objects.create(name="Partner")


@pytest.mark.parametrize(
    "lookup", ["tokens__digest__startswith", "tokens__hint", "webhook_endpoint__secret__contains"]
)
def test_finds_no_client_by_its_secrets(desk: Client, partner: ApiClient, lookup: str) -> None:
    assert desk.get(CLIENTS, {lookup: "a"}).status_code == 400
    assert desk.get(CLIENTS, {"is_active__exact": "1"}).status_code == 200


def issue(page: Client, partner: ApiClient) -> str:
    response = page.post(f"{CLIENTS}{partner.pk}/issue-token/", {"scopes": SCOPES})
    found = re.search(r'<code id="token">([^<]+)</code>', response.content.decode())
    assert found
    return found[1]


def test_shows_a_token_once_and_keeps_its_digest_alone(desk: Client, partner: ApiClient) -> None:
    response = desk.post(f"{CLIENTS}{partner.pk}/issue-token/", {"scopes": SCOPES})
    found = re.search(r'<code id="token">([^<]+)</code>', response.content.decode())
    assert found
    token = found[1]

    caller = tokens.find_caller(token)
    assert caller is not None
    assert caller.id == str(partner.pk)
    assert (response.status_code, response["Cache-Control"]) == (
        200,
        "max-age=0, no-cache, no-store, must-revalidate, private",
    )
    assert token not in str(response.cookies)
    assert "messages" not in response.cookies
    (stored,) = collection("api_tokens").find()
    assert token not in str(stored)
    page = desk.get(f"{CLIENTS}{partner.pk}/change/").content.decode()
    assert token not in page
    assert f"…{token[-4:]}" in page
    assert token not in str(list(LogEntry.objects.values_list("change_message", flat=True)))


def test_issues_a_token_that_may_do_what_was_chosen(desk: Client, partner: ApiClient) -> None:
    address, last_day = f"{CLIENTS}{partner.pk}/issue-token/", night(40)
    chosen = {"scopes": ["read"], "hotels": ["demo"], "last_day": last_day}

    page = desk.post(address, chosen).content.decode()

    caller = tokens.find_caller(re.findall(r'<code id="token">([^<]+)</code>', page)[0])
    assert caller is not None
    assert (caller.scopes, caller.hotels, caller.may_act_for_others) == ({"read"}, {"demo"}, False)
    shown = desk.get(f"{CLIENTS}{partner.pk}/change/").content.decode()
    table = shown.partition("<tbody>")[2].partition("</tbody>")[0]
    for words in ("Read hotels, prices", "Only at demo", f"Until the end of {day_text(last_day)}"):
        assert words in table
    assert "make and change" not in table


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({}, "Choose at least one thing that the token may do."),
        ({"scopes": ["admin"]}, "Select a valid choice."),
        ({"scopes": ["read", "act_for_others"]}, "A token can act for others only if it may book"),
        ({"scopes": ["read"], "hotels": ["nowhere"]}, "Select a valid choice."),
        ({"scopes": ["read"], "last_day": "2020-01-01"}, "This day has ended"),
    ],
)
def test_issues_no_token_for_a_wrong_choice(
    desk: Client, partner: ApiClient, chosen: dict[str, Any], sentence: str
) -> None:
    answer = desk.post(f"{CLIENTS}{partner.pk}/issue-token/", chosen, follow=True)

    assert "No token was issued. " in answer.content.decode()
    assert sentence in answer.content.decode()
    assert collection("api_tokens").count_documents({}) == 0


def test_revokes_one_token_and_leaves_the_others(desk: Client, partner: ApiClient) -> None:
    old, new = issue(desk, partner), issue(desk, partner)

    chosen = {"token": tokens.digest_of_token(old)}
    response = desk.post(f"{CLIENTS}{partner.pk}/revoke-token/", chosen, follow=True)

    assert tokens.find_caller(old) is None
    assert tokens.find_caller(new) is not None
    assert f"ends in {old[-4:]} is revoked" in response.content.decode()


def test_does_not_revoke_through_another_client(desk: Client, partner: ApiClient) -> None:
    other = ApiClient.objects.create(name="Other")
    token = issue(desk, other)

    chosen = {"token": tokens.digest_of_token(token)}
    response = desk.post(f"{CLIENTS}{partner.pk}/revoke-token/", chosen)

    assert response.status_code == 404
    assert tokens.find_caller(token) is not None


def test_issues_and_revokes_by_post_alone(desk: Client, partner: ApiClient) -> None:
    for action in ("issue-token", "revoke-token"):
        assert desk.get(f"{CLIENTS}{partner.pk}/{action}/").status_code == 405
    assert collection("api_tokens").count_documents({}) == 0


def test_ends_the_access_of_a_deactivated_client(desk: Client, partner: ApiClient) -> None:
    token = issue(desk, partner)

    desk.post(f"{CLIENTS}{partner.pk}/change/", {"name": "Partner"})

    assert not ApiClient.objects.get(pk=partner.pk).is_active
    assert tokens.find_caller(token) is None


def test_lets_who_may_only_edit_clients_make_no_tokens(
    client: Client, desk: Client, partner: ApiClient
) -> None:
    token = issue(desk, partner)
    editor = User.objects.create_user("editor", is_staff=True)
    editor.user_permissions.add(Permission.objects.get(codename="change_apiclient"))
    client.force_login(editor)

    page = client.get(f"{CLIENTS}{partner.pk}/change/").content.decode()
    issued = client.post(f"{CLIENTS}{partner.pk}/issue-token/")
    chosen = {"token": tokens.digest_of_token(token)}
    revoked = client.post(f"{CLIENTS}{partner.pk}/revoke-token/", chosen)

    assert f"…{token[-4:]}" in page
    assert "Issue a token" not in page
    assert (issued.status_code, revoked.status_code) == (403, 403)
    assert tokens.find_caller(token) is not None


def test_asks_for_a_login_before_it_issues(partner: ApiClient) -> None:
    response = Client().post(f"{CLIENTS}{partner.pk}/issue-token/")

    assert response.url.startswith("/admin/login/")
    assert collection("api_tokens").count_documents({}) == 0


def test_says_that_there_is_no_such_client(desk: Client) -> None:
    for client_id in ("zzz", "0" * 24):
        assert desk.post(f"{CLIENTS}{client_id}/issue-token/").status_code == 404
        assert desk.get(f"{CLIENTS}{client_id}/change/").url == "/admin/"


def test_deletes_a_client_only_without_bookings(desk: Client, partner: ApiClient) -> None:
    unused = ApiClient.objects.create(name="Unused")
    book(Caller("client", str(partner.pk)))

    refused = desk.post(f"{CLIENTS}{partner.pk}/delete/", {"post": "yes"}).content.decode()
    desk.post(f"{CLIENTS}{unused.pk}/delete/", {"post": "yes"})

    assert "Partner has bookings, so it cannot be deleted; deactivate it instead." in refused
    assert list(ApiClient.objects.all()) == [partner]


def test_deletes_a_client_only_when_none_of_its_requests_can_be_on_its_way(
    desk: Client, partner: ApiClient
) -> None:
    address = f"{CLIENTS}{partner.pk}/delete/"
    token = issue(desk, partner)
    digest = tokens.digest_of_token(token)

    with_token = desk.post(address, {"post": "yes"}).content.decode()
    tokens.revoke_token(digest)
    just_revoked = desk.post(address, {"post": "yes"}).content.decode()
    # Three minutes ago, by MongoDB's clock.
    ago = {"$subtract": ["$$NOW", 3 * 60_000]}
    collection("api_tokens").update_one({"_id": digest}, [{"$set": {"revoked_at": ago}}])
    desk.post(address, {"post": "yes"})

    for refused in (with_token, just_revoked):
        assert "Partner can be deleted 2 minutes after its last token is revoked." in refused
    assert not ApiClient.objects.exists()
    assert collection("api_tokens").count_documents({}) == 0


# --- The catalogue ------------------------------------------------------------------------------

HOTEL = {
    "code": "INNX",
    "name": "Inn X",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "check_in_time": "15:00",
    "check_out_time": "11:00",
    "hold_minutes": "15",
    "cancel_hours": "0",
    "reminder_days": "3",
    "anonymous_hold_percent": "50",
    "end_of_day": "05:00",
}


def test_makes_a_hotel_whose_room_can_be_booked(desk: Client, inn: Hotel) -> None:
    category = {"name": "X", "occupancy": "2", "default_price": "50.00", "sell_by_default": "on"}

    desk.post(f"{HOTELS}add/", {"id": "inn_x", **HOTEL})
    desk.post(f"{CATEGORIES}add/", {"id": "inn_x_double", "hotel": "inn_x", **category})
    room = {"category": "inn_x_double", "name": "X 1", "is_sold": "on"}
    desk.post(f"{ROOMS}add/", room)

    booking = book(Caller("user", "ada"), "inn_x-x-1")
    assert booking["hotelId"] == "inn_x"
    assert booking["reference"].startswith("INNX-")
    assert booking["price"]["total"] == 5000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "with space"),
        ("id", "a|b"),
        ("id", "inn"),
        ("code", "lower"),
        ("code", "INN"),
        ("time_zone", "Mars/Base"),
        ("currency", "euro"),
        ("hold_minutes", "4"),
        ("hold_minutes", "31"),
        ("cancel_hours", "-1"),
        ("end_of_day", "12:01"),
    ],
)
def test_refuses_a_hotel_with_a_fault(desk: Client, inn: Hotel, field: str, value: str) -> None:
    response = desk.post(f"{HOTELS}add/", {"id": "inn_y", **HOTEL, field: value})

    assert list(response.context["adminform"].form.errors) == [field]
    assert Hotel.objects.get(pk="inn").name == "Inn"
    assert not Hotel.objects.filter(pk="inn_y").exists()


def test_does_not_overwrite_what_got_the_same_id_meanwhile(
    desk: Client, inn: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the other one came between the check and the save.
    monkeypatch.setattr(Hotel, "validate_unique", lambda *_, **__: None)

    response = desk.post(f"{HOTELS}add/", {"id": "inn", **HOTEL}, follow=True)

    assert "Someone else has just added this" in response.content.decode()
    assert Hotel.objects.get(pk="inn").name == "Inn"


def test_never_changes_an_id(desk: Client, inn: Hotel) -> None:
    fields = {"id": "inn_2", "category": "inn_double", "name": "Renamed", "is_sold": "on"}

    response = desk.post(f"{ROOMS}inn_1/change/", fields)

    assert response.status_code == 302
    assert Room.objects.get(pk="inn_1").name == "Renamed"
    assert not Room.objects.filter(pk="inn_2").exists()


def take_off_sale_for_long(*rooms: str) -> None:
    """Moves the moment three minutes back."""
    since = {"$subtract": ["$$NOW", 3 * 60_000]}
    collection("rooms").update_many(
        {"_id": {"$in": rooms}}, [{"$set": {"is_sold": False, "off_sale_since": since}}]
    )


def test_moves_a_room_only_within_its_hotel(desk: Client, inn: Hotel) -> None:
    fields = {"name": "Inn 1", "is_sold": "on"}

    refused = desk.post(f"{ROOMS}inn_1/change/", {**fields, "category": "demo_double"})
    stayed = Room.objects.get(pk="inn_1").category_id
    take_off_sale_for_long("inn_1")
    desk.post(f"{ROOMS}inn_1/change/", {"name": "Inn 1", "category": "inn_single"})

    assert "A room stays in its hotel" in refused.content.decode()
    assert stayed == "inn_double"
    assert Room.objects.get(pk="inn_1").category_id == "inn_single"


def test_never_moves_a_category_to_another_hotel(desk: Client, inn: Hotel) -> None:
    fields = {"name": "Renamed", "occupancy": "2", "default_price": "100.00", "hotel": "demo"}

    desk.post(f"{CATEGORIES}inn_double/change/", fields)

    category = RoomCategory.objects.get(pk="inn_double")
    assert (category.name, category.hotel_id) == ("Renamed", "inn")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (f"{ROOMS}inn_1/", "Inn 1 (inn_1) has bookings, so it cannot be deleted"),
        (f"{CATEGORIES}inn_double/", "Double (inn_double) has rooms or bookings"),
        (f"{HOTELS}inn/", "Inn has room categories or bookings, so it cannot be deleted."),
    ],
)
def test_does_not_delete_what_bookings_refer_to(
    desk: Client, inn: Hotel, address: str, sentence: str
) -> None:
    booking = book(Caller("user", "somebody"), "inn_1")
    collection("bookings").update_one(
        {"reference": booking["reference"]}, {"$set": {"status": "cancelled"}}
    )

    asked = desk.get(f"{address}delete/").content.decode()
    refused = desk.post(f"{address}delete/", {"post": "yes"}).content.decode()

    assert sentence in asked
    assert sentence in refused
    assert Room.objects.filter(pk="inn_1").exists()
    assert RoomCategory.objects.filter(pk="inn_double").exists()
    assert Hotel.objects.filter(pk="inn").exists()


def test_does_not_delete_a_category_that_old_bookings_name(desk: Client, inn: Hotel) -> None:
    book(Caller("user", "somebody"), "inn_1")
    Room.objects.filter(pk="inn_1").update(category="inn_single")

    refused = desk.post(f"{CATEGORIES}inn_double/delete/", {"post": "yes"})

    assert "has rooms or bookings" in refused.content.decode()
    assert RoomCategory.objects.filter(pk="inn_double").exists()


def test_deletes_several_rooms_only_if_none_has_bookings(desk: Client, inn: Hotel) -> None:
    Room.objects.create(id="inn_2", category_id="inn_double", name="Inn 2")
    booking = book(Caller("user", "somebody"), "inn_1")
    chosen = {"action": "delete_selected", "_selected_action": ["inn_1", "inn_2"], "post": "yes"}
    take_off_sale_for_long("inn_1", "inn_2")

    refused = desk.post(ROOMS, chosen).content.decode()
    left = Room.objects.filter(id__startswith="inn").count()
    collection("bookings").delete_one({"reference": booking["reference"]})
    desk.post(ROOMS, chosen)

    assert "Inn 1 (inn_1) has bookings" in refused
    assert "Inn 2" not in refused
    assert left == 2
    assert Room.objects.filter(id__startswith="inn").count() == 0


def test_deletes_several_from_a_filtered_list(desk: Client, inn: Hotel) -> None:
    action = {"action": "delete_selected", "post": "yes"}
    rooms = {**action, "_selected_action": ["inn_1"]}
    categories = {**action, "_selected_action": ["inn_double", "inn_single"]}
    take_off_sale_for_long("inn_1")

    desk.post(f"{ROOMS}?category__hotel__id__exact=inn&q=inn", rooms)
    desk.post(f"{CATEGORIES}?hotel__id__exact=inn&q=inn", categories)
    desk.post(f"{HOTELS}?q=inn", {**action, "_selected_action": ["inn"]})

    assert not Room.objects.filter(pk="inn_1").exists()
    assert RoomCategory.objects.filter(hotel="inn").count() == 0
    assert not Hotel.objects.filter(pk="inn").exists()


def test_deletes_several_users_from_a_filtered_list(desk: Client) -> None:
    group, _ = Group.objects.get_or_create(name="desk")
    user = User.objects.create_user("leaver")
    user.groups.add(group)
    booking = book(caller_of_user(user.pk))
    chosen = {"action": "delete_selected", "_selected_action": [str(user.pk)], "post": "yes"}

    desk.post(f"{USERS}?groups__id__exact={group.pk}&q=leaver", chosen)

    assert not User.objects.filter(pk=user.pk).exists()
    assert document_of(booking)["owner"].startswith("gone:")


def test_deletes_several_clients(desk: Client, partner: ApiClient) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [str(partner.pk)], "post": "yes"}

    desk.post(f"{CLIENTS}?is_active__exact=1", chosen)

    assert not ApiClient.objects.exists()


def test_deletes_an_empty_hotel_from_the_rooms_up(desk: Client, inn: Hotel) -> None:
    take_off_sale_for_long("inn_1")
    for address in (
        f"{ROOMS}inn_1/",
        f"{CATEGORIES}inn_double/",
        f"{CATEGORIES}inn_single/",
        f"{HOTELS}inn/",
    ):
        desk.post(f"{address}delete/", {"post": "yes"})

    assert not Hotel.objects.filter(pk="inn").exists()


@pytest.mark.parametrize(
    ("address", "typed", "found"),
    [
        (ROOMS, "grand_101", "grand_101"),
        (ROOMS, "Suite", "grand_301"),
        (CATEGORIES, "grand_suite", "grand_suite"),
        (HOTELS, "Grand", "grand"),
    ],
)
def test_finds_in_the_catalogue(desk: Client, address: str, typed: str, found: str) -> None:
    page = desk.get(address, {"q": typed}).content.decode()

    assert f'<td data-label="Id" class="field-id">{found}</td>' in page


def test_filters_rooms_by_hotel(desk: Client) -> None:
    page = desk.get(f"{ROOMS}?category__hotel__id__exact=demo").content.decode()

    assert '<td data-label="Id" class="field-id">room_A</td>' in page
    assert "grand_101" not in page


def test_offers_categories_to_choose_from(desk: Client) -> None:
    query = {
        "app_label": "bookings",
        "model_name": "room",
        "field_name": "category",
        "term": "suite",
    }

    answer = desk.get("/admin/autocomplete/", query).json()

    assert [choice["id"] for choice in answer["results"]] == ["grand_suite"]
