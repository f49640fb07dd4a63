"""The admin's bookings: reading, adding under a key, confirming and cancelling through services."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from bookings import points
from bookings.domain.booking import new_id
from bookings.domain.callers import Caller, caller_of_user
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel
from bookings.presentation.days import day_text, stay_text
from bookings.stays import create, lifecycle, queries
from tests.conftest import night
from tests.pages import Page

pytestmark = pytest.mark.mongo

LIST = "/admin/bookings/bookingrecord/"
ADD = f"{LIST}add/"


def page_of(booking: dict[str, Any]) -> str:
    return f"{LIST}{booking['id']}/change/"


def book(owner: User, room: str = "room_A", *, days: int = 30, **payload: Any) -> dict[str, Any]:
    """A booking as the API describes it, made by its owner."""
    outcome = create.create_booking(
        caller=caller_of_user(owner.pk),
        key_header=None,
        read_payload=lambda: {"resourceId": room, "date": night(days), **payload},
        deadline=Deadline.after(10),
    )
    return outcome.content["booking"]


def end_hold(booking: dict[str, Any], *, ago: timedelta) -> None:
    collection("bookings").update_one(
        {"reference": booking["reference"]}, {"$set": {"expires_at": clock.now() - ago}}
    )


def status_of(booking: dict[str, Any]) -> str:
    found = queries.find_booking(booking["id"])
    assert found is not None
    return found.status


def form(key: str, **changes: Any) -> dict[str, Any]:
    return {
        "key": key,
        "room": "room_A",
        "check_in": night(30),
        "check_out": night(32),
        "guests": "2",
        "owner": "",
        "guest_name": "Ada Guest",
        "guest_email": "ada@example.org",
        "guest_phone": "+49 30 1",
        "notes": "Late arrival.",
        # As the form shows it to a browser.
        "quoted": 24_000,
        "currency": "EUR",
        **changes,
    }


def sent_messages(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def staff(database: None) -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def guest(database: None) -> User:
    return User.objects.create_user("guest")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


@pytest.fixture
def allowed(client: Client, database: None) -> Any:
    """Logs in a member of staff who has only the named permissions on bookings."""

    def log_in(*actions: str) -> Client:
        user = User.objects.create_user("limited", is_staff=True)
        user.user_permissions.set(
            Permission.objects.filter(codename__in=[f"{a}_bookingrecord" for a in actions])
        )
        client.force_login(user)
        return client

    return log_in


# --- Reading ------------------------------------------------------------------------------------


def test_lists_what_the_desk_needs_to_know(desk: Client, guest: User) -> None:
    booking = book(guest, guest={"name": "Ada Guest"})

    page = desk.get(LIST).content.decode()

    for text in (booking["reference"], "confirmed", "demo", "Room A", "Ada Guest", "EUR\xa0120.00"):
        assert text in page


def test_shows_a_dead_hold_as_expired_before_anybody_tidied_it(desk: Client, guest: User) -> None:
    hold = book(guest, hold=True)
    end_hold(hold, ago=timedelta(seconds=1))

    rows = desk.get(LIST).content.decode()
    pending = desk.get(f"{LIST}?status=pending").content.decode()
    expired = desk.get(f"{LIST}?status=expired").content.decode()

    assert status_of(hold) == "pending"
    assert '<td data-label="Status" class="field-state">expired</td>' in rows
    assert hold["reference"] not in pending
    assert hold["reference"] in expired


@pytest.mark.parametrize("status", ["pending", "confirmed", "cancelled", "expired"])
def test_filters_by_every_status(desk: Client, guest: User, status: str) -> None:
    references = {
        "pending": book(guest, "room_A", hold=True)["reference"],
        "confirmed": book(guest, "room_B")["reference"],
        "cancelled": book(guest, "room_C")["reference"],
        "expired": book(guest, "room_D", hold=True)["reference"],
    }
    for gone in ("cancelled", "expired"):
        collection("bookings").update_one(
            {"reference": references[gone]}, {"$set": {"status": gone}}
        )

    page = desk.get(f"{LIST}?status={status}").content.decode()

    assert [name for name, reference in references.items() if reference in page] == [status]


def test_filters_by_hotel(desk: Client, guest: User) -> None:
    demo, grand = book(guest, "room_A"), book(guest, "grand_101")

    page = desk.get(f"{LIST}?hotel=grand").content.decode()

    assert grand["reference"] in page
    assert demo["reference"] not in page


def test_filters_by_the_day_of_creation(desk: Client, guest: User) -> None:
    booking = book(guest)
    older = book(guest, "room_B")
    # An id begins with the moment of creation.
    document = collection("bookings").find_one_and_delete({"reference": older["reference"]})
    assert document is not None
    long_ago = clock.now() - timedelta(days=800)
    collection("bookings").insert_one({**document, "_id": new_id(long_ago)})
    today, then = clock.now().date().isoformat(), long_ago.date().isoformat()

    pages = [
        desk.get(LIST, days).content.decode()
        for days in ({"first": today, "last": today}, {"first": then, "last": then}, {"last": then})
    ]
    wrong = desk.get(LIST, {"first": "2031-02-29"})

    assert [booking["reference"] in page for page in pages] == [True, False, False]
    assert [older["reference"] in page for page in pages] == [False, True, True]
    assert wrong.status_code == 302


@pytest.mark.parametrize(
    "typed",
    # A reference may contain "ada" by chance, so the test looks for no name alone.
    [
        "ada o'",
        "O'Neil (Mrs",
        "o@example.org",
        "O@EXAMPLE",
        '"neil (mrs)"',
        "mrs ada",
    ],
)
def test_finds_by_name_and_email_whatever_signs_are_in_them(
    desk: Client, guest: User, typed: str
) -> None:
    found = book(guest, guest={"name": "Ada O'Neil (Mrs) [x]+", "email": "o@example.org"})
    other = book(guest, "room_B", guest={"name": "Bob", "email": "bob@example.net"})

    page = desk.get(LIST, {"q": typed}).content.decode()

    assert found["reference"] in page
    assert other["reference"] not in page


def test_finds_by_reference(desk: Client, guest: User) -> None:
    found, other = book(guest), book(guest, "room_B")

    page = desk.get(LIST, {"q": found["reference"].lower()}).content.decode()

    assert f">{found['reference']}</a>" in page
    assert other["reference"] not in page


@pytest.mark.parametrize("typed", [".*", "(", "\\", "$where", "^", "\x00", "a" * 3000])
def test_survives_what_means_something_to_a_database(desk: Client, guest: User, typed: str) -> None:
    book(guest, guest={"name": "Bob"})

    response = desk.get(LIST, {"q": typed})

    assert response.status_code == 200
    if typed != "\x00":  # Django refuses this one and lists everything
        assert "0 bookings" in response.content.decode()


def test_shows_the_whole_booking_with_price_and_history(
    desk: Client, staff: User, guest: User
) -> None:
    payload = {"guest": {"name": "Ada", "email": "ada@example.org", "phone": "+49 30 1"}}
    booking = book(guest, hold=True, notes="Late arrival.", **payload)
    desk.post(f"{LIST}{booking['id']}/confirm/")

    page = desk.get(page_of(booking)).content.decode()

    for text in (
        "Ada",
        "ada@example.org",
        "+49 30 1",
        "Late arrival.",
        "Room A",
        day_text(night(30)),
    ):
        assert text in page
    assert "EUR\xa0120.00" in page
    assert "guest (account) held Room A" in page
    assert "staff (staff) confirmed it</li>" in page


def test_tells_in_the_history_where_it_was_booked_and_why_it_was_cancelled(
    desk: Client, guest: User
) -> None:
    booking = book(guest)
    desk.post(f"{LIST}{booking['id']}/cancel/", {"reason": "Ill <b>again</b>"})

    page = desk.get(page_of(booking)).content.decode()

    place = f"Room A, {stay_text(night(30), night(31))}, EUR\xa0120.00"
    assert f"guest (account) booked {place}</li>" in page
    assert "staff (staff) cancelled it: Ill &lt;b&gt;again&lt;/b&gt;</li>" in page


def test_shows_neither_keys_nor_stored_answers(desk: Client, guest: User) -> None:
    booking = book(guest)
    stored = queries.find_booking(booking["id"])
    assert stored is not None

    page = desk.get(page_of(booking)).content.decode()

    assert stored.keys[0].digest not in page
    assert "idempotencyKey" not in page


def test_escapes_what_guests_typed(desk: Client, guest: User) -> None:
    booking = book(guest, guest={"name": "<script>alert(1)</script>"})

    for address in (LIST, page_of(booking), f"{LIST}{booking['id']}/cancel/"):
        assert "<script>alert(1)" not in desk.get(address).content.decode()


def test_neither_changes_nor_deletes_a_document(desk: Client, guest: User) -> None:
    booking = book(guest)

    changed = desk.post(page_of(booking), {"status": "cancelled"})
    deleted = desk.post(f"{LIST}{booking['id']}/delete/", {"post": "yes"})
    selected = {"action": "delete_selected", "_selected_action": booking["id"], "post": "yes"}
    desk.post(LIST, selected)

    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert status_of(booking) == "confirmed"


@pytest.mark.parametrize("booking_id", ["zzz", "0" * 24])
def test_says_that_there_is_no_such_booking(desk: Client, booking_id: str) -> None:
    response = desk.get(f"{LIST}{booking_id}/change/", follow=True)

    assert "doesn’t exist" in sent_messages(response)[0]
    assert desk.post(f"{LIST}{booking_id}/confirm/").status_code == 404
    assert desk.get(f"{LIST}{booking_id}/cancel/").status_code == 404


# --- Adding -------------------------------------------------------------------------------------


def shown_key(page: Client) -> str:
    return page.get(ADD).context["form"]["key"].value()


def test_books_for_somebody_else(desk: Client, staff: User, guest: User) -> None:
    response = desk.post(ADD, form(shown_key(desk), owner="guest"), follow=True)

    (document,) = collection("bookings").find()
    assert (document["caller"], document["owner"]) == (f"user:{staff.pk}", f"user:{guest.pk}")
    assert document["user_id"] == str(guest.pk)
    assert document["guest"]["email"] == "ada@example.org"
    assert (document["check_in"], document["check_out"]) == (night(30), night(32))
    assert response.redirect_chain[-1][0] == f"{LIST}{document['_id']}/change/"
    assert sent_messages(response) == [f"{document['reference']}: The room is booked."]


def test_books_for_oneself_when_no_owner_is_named(desk: Client, staff: User) -> None:
    desk.post(ADD, form(shown_key(desk)))

    (document,) = collection("bookings").find()
    assert document["owner"] == f"user:{staff.pk}"


@pytest.mark.parametrize(("chosen", "kept"), [("de", "de"), ("en", "en"), ("", "en")])
def test_writes_to_the_guest_in_the_language_that_was_chosen(
    desk: Client, chosen: str, kept: str
) -> None:
    response = desk.post(ADD, form(shown_key(desk), guest_language=chosen), follow=True)

    (document,) = collection("bookings").find()
    assert document["language"] == kept
    assert sent_messages(response) == [f"{document['reference']}: The room is booked."]


def test_holds_a_room(desk: Client) -> None:
    desk.post(ADD, form(shown_key(desk), hold="on"))

    (document,) = collection("bookings").find()
    assert document["status"] == "pending"


def by_category(key: str, category: str = "inn_double", **changes: Any) -> dict[str, Any]:
    each = {"inn_single": 14_000}.get(category, 20_000)
    quoted = each * int(changes.get("rooms", 1))
    return form(key, **{"room": "", "category": category, "quoted": quoted, **changes})


@pytest.mark.usefixtures("inn")
def test_books_any_room_of_a_category_and_names_the_one_it_chose(desk: Client, guest: User) -> None:
    book(guest, "inn_A")

    response = desk.post(ADD, by_category(shown_key(desk)), follow=True)

    made = collection("bookings").find_one({"guest.name": "Ada Guest"})
    assert made is not None
    assert [booked["room"] for booked in made["rooms"]] == ["inn_B"]
    said = f"{made['reference']}: The room is booked. Chosen: Room B."
    assert sent_messages(response) == [said]


@pytest.mark.usefixtures("inn")
def test_books_several_rooms_of_a_category_and_names_them(desk: Client) -> None:
    response = desk.post(ADD, by_category(shown_key(desk), rooms="3"), follow=True)

    (made,) = collection("bookings").find()
    assert [booked["guests"] for booked in made["rooms"]] == [2, 2, 2]
    assert sent_messages(response)[0].endswith("Chosen: Room A, Room B, Room C.")


@pytest.mark.usefixtures("inn")
def test_says_that_a_category_is_sold_out_and_changes_the_key(desk: Client, guest: User) -> None:
    single = book(guest, "inn_S")
    key = shown_key(desk)
    refused = desk.post(ADD, by_category(key, "inn_single", guests="1"))
    new_key = refused.context["form"]["key"].value()
    desk.post(f"{LIST}{single['id']}/cancel/", {"reason": "Ill"})

    desk.post(ADD, by_category(new_key, "inn_single", guests="1"))

    assert "Too few rooms of this kind are free" in refused.content.decode()
    assert new_key != key
    assert refused.context["form"]["category"].value() == "inn_single"
    assert collection("bookings").count_documents({"status": "confirmed"}) == 1


@pytest.mark.usefixtures("inn")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"room": "", "category": ""}, "room"),
        ({"room": "inn_A", "category": "inn_double"}, "room"),
        ({"room": "inn_A", "rooms": "2"}, "rooms"),
        ({"category": "inn_double", "rooms": "0"}, "rooms"),
        ({"category": "inn_double", "rooms": "11"}, "rooms"),
        ({"category": "inn_double", "rooms": "2", "guests": "3"}, "guests"),
        ({"category": "nowhere"}, "category"),
        ({"category": "{$ne: 1}", "rooms": "2"}, "category"),
        ({"category": "inn_cabin", "rooms": "2"}, "category"),
        ({"category": "inn_double", "rooms": "4", "check_out": night(110)}, "rooms"),
    ],
)
def test_shows_what_is_wrong_with_a_wish_for_rooms_once_and_beside_its_field(
    desk: Client, changes: dict[str, str], field: str
) -> None:
    response = desk.post(ADD, form(shown_key(desk), **{"room": "", **changes}))

    errors = response.context["form"].errors
    assert list(errors) == [field]
    assert len(errors[field]) == len(set(errors[field]))
    assert collection("bookings").count_documents({}) == 0


def test_speaks_of_no_keys_when_it_holds_a_room(desk: Client) -> None:
    response = desk.post(ADD, form(shown_key(desk), hold="on"), follow=True)

    assert "The room is held. Confirm the booking" in sent_messages(response)[0]
    assert "Key" not in sent_messages(response)[0]


def test_books_once_when_sent_twice(desk: Client) -> None:
    key = shown_key(desk)

    first = desk.post(ADD, form(key))
    second = desk.post(ADD, form(key), follow=True)

    assert collection("bookings").count_documents({}) == 1
    assert second.redirect_chain[-1][0] == first.url
    assert "nothing new was booked" in sent_messages(second)[-1]


def test_says_that_nothing_new_was_booked_when_sent_again_with_other_details(
    desk: Client,
) -> None:
    key = shown_key(desk)
    desk.post(ADD, form(key))

    response = desk.post(ADD, form(key, room="room_B"), follow=True)

    assert collection("bookings").count_documents({}) == 1
    assert "nothing new was booked" in sent_messages(response)[-1]


def test_books_once_when_clicked_twice_at_once(desk: Client, staff: User) -> None:
    key = shown_key(desk)
    clicks = [Client(), Client()]
    for click in clicks:
        click.force_login(staff)
    both_are_in = threading.Barrier(2, timeout=10)
    first_claimed = threading.Event()

    def wait(name: str) -> None:
        if name == "after_claim":
            first_claimed.set()
            both_are_in.wait()

    responses: list[Any] = []
    points.install(wait)
    try:
        slow = threading.Thread(target=lambda: responses.append(clicks[0].post(ADD, form(key))))
        slow.start()
        assert first_claimed.wait(10)
        busy = clicks[1].post(ADD, form(key))
        both_are_in.wait()
        slow.join(10)
    finally:
        points.install(None)

    assert "still being processed" in busy.content.decode()
    assert busy.context["form"]["key"].value() == key
    assert responses[0].status_code == 302
    assert collection("bookings").count_documents({}) == 1


def test_keeps_what_was_typed_and_changes_the_key_after_a_definite_refusal(
    desk: Client, guest: User
) -> None:
    book(guest)
    key = shown_key(desk)

    refused = desk.post(ADD, form(key))
    page = refused.content.decode()
    new_key = refused.context["form"]["key"].value()
    desk.post(ADD, form(new_key, room="room_B"))

    assert "This room is already booked for these dates" in page
    assert 'value="Ada Guest"' in page
    assert "Late arrival." in page
    assert new_key != key
    assert f'value="{new_key}"' in page
    assert collection("bookings").count_documents({"rooms.room": "room_B"}) == 1


def test_does_not_show_an_old_refusal_as_one_of_other_details(desk: Client, guest: User) -> None:
    book(guest)
    key = shown_key(desk)
    desk.post(ADD, form(key))

    again = desk.post(ADD, form(key, room="room_B"))

    assert "was refused before" in again.content.decode()
    assert again.context["form"]["key"].value() != key


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"room": "nowhere"}, "room"),
        ({"room": "{$ne: 1}"}, "room"),
        ({"check_in": "2031-02-29"}, "check_in"),
        ({"check_in": "2001-01-01", "check_out": "2001-01-02"}, "check_in"),
        ({"check_out": night(30)}, "check_out"),
        ({"check_out": night(900)}, "check_out"),
        ({"guests": "0"}, "guests"),
        ({"guests": "9"}, "guests"),
        ({"guest_email": "nobody"}, "guest_email"),
        ({"guest_name": "x" * 201}, "guest_name"),
        ({"guest_name": "bell\x07"}, "guest_name"),
        ({"guest_phone": "abc"}, "guest_phone"),
        ({"notes": "x" * 2001}, "notes"),
        ({"owner": "nobody"}, "owner"),
    ],
)
def test_shows_a_fault_beside_its_field_and_keeps_the_key(
    desk: Client, changes: dict[str, str], field: str
) -> None:
    key = shown_key(desk)

    response = desk.post(ADD, form(key, **changes))

    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert response.context["form"]["key"].value() == key
    assert collection("bookings").count_documents({}) == 0


@pytest.mark.parametrize("key", ["", "auto:abc", 'a"b', "x" * 65])
def test_refuses_a_key_it_did_not_make(desk: Client, key: str) -> None:
    response = desk.post(ADD, form(key))

    assert response.context["form"].errors
    assert collection("bookings").count_documents({}) == 0


def test_offers_a_new_key_where_another_payload_is_refused(desk: Client, settings: Any) -> None:
    settings.IDEMPOTENCY_ON_MISMATCH = "reject"
    key = shown_key(desk)
    desk.post(ADD, form(key))

    response = desk.post(ADD, form(key, room="room_B"))

    assert "was sent before with other details" in response.content.decode()
    assert response.context["form"]["key"].value() != key


# --- Confirming and cancelling ------------------------------------------------------------------


def select(action: str, *bookings: dict[str, Any], **more: str) -> dict[str, Any]:
    chosen = [booking["id"] for booking in bookings]
    return {"action": action, "_selected_action": chosen, **more}


def test_confirms_several_and_says_what_came_of_each(desk: Client, guest: User) -> None:
    live, late, dead = (book(guest, room, hold=True) for room in ("room_A", "room_B", "room_C"))
    end_hold(late, ago=timedelta(minutes=9))
    end_hold(dead, ago=timedelta(minutes=11))

    response = desk.post(LIST, select("confirm_selected", live, late, dead), follow=True)

    assert [status_of(booking) for booking in (live, late)] == ["confirmed", "confirmed"]
    assert status_of(dead) == "pending"
    assert sorted(sent_messages(response)) == sorted(
        [
            f"{live['reference']}: The room is booked.",
            f"{late['reference']}: The room is booked.",
            f"{dead['reference']}: This hold has run out; make a new booking.",
        ]
    )


def move(booking: dict[str, Any], room: str) -> None:
    moved = lifecycle.move_booking(
        actor=Caller("user", "colleague"),
        booking_id=booking["id"],
        key_header=f"move-{room}",
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=date.fromisoformat(booking["checkIn"]),
        check_out=date.fromisoformat(booking["checkOut"]),
    )
    assert moved.code is None


def test_confirms_nothing_that_an_old_page_does_not_show(desk: Client, guest: User) -> None:
    hold = book(guest, hold=True)
    path = f"{LIST}{hold['id']}/confirm/"
    old = Page(desk.get(page_of(hold)).content.decode()).form_to(path)
    move(hold, "room_B")

    response = desk.post(path, old.fields, follow=True)
    after = status_of(hold)
    new = Page(response.content.decode()).form_to(path)
    desk.post(path, new.fields)

    assert sent_messages(response) == [
        f"{hold['reference']}: It was moved since this page was opened: Room B from "
        f"{day_text(hold['checkIn'])} to {day_text(hold['checkOut'])} for EUR\xa0120.00. "
        "Check it, and confirm again."
    ]
    assert (after, status_of(hold)) == ("pending", "confirmed")


def test_confirms_of_a_list_what_its_rows_show(desk: Client, guest: User) -> None:
    moved, other = (book(guest, f"room_{letter}", hold=True) for letter in "AB")
    forms = Page(desk.get(LIST).content.decode()).forms
    (rows,) = [form.fields for form in forms if "action" in form.fields]
    seen = {name: rows[name] for name in rows if name.startswith("seen-")}
    move(moved, "room_C")

    desk.post(LIST, select("confirm_selected", moved, other, **seen))

    assert sorted(seen) == sorted(f"seen-{booking['id']}" for booking in (moved, other))
    assert (status_of(moved), status_of(other)) == ("pending", "confirmed")


def test_says_that_a_damaged_form_confirms_nothing(desk: Client, guest: User) -> None:
    hold = book(guest, hold=True)

    response = desk.post(f"{LIST}{hold['id']}/confirm/", {"seen": "["}, follow=True)

    assert "not a JSON object" in sent_messages(response)[0]
    assert status_of(hold) == "pending"


def test_does_not_revive_a_hold_whose_night_was_sold(desk: Client, guest: User) -> None:
    hold = book(guest, hold=True)
    end_hold(hold, ago=timedelta(minutes=1))
    other = User.objects.create_user("other")
    book(other)

    response = desk.post(f"{LIST}{hold['id']}/confirm/", follow=True)

    assert "This hold has run out" in sent_messages(response)[0]
    assert status_of(hold) == "expired"


def test_asks_before_it_cancels(desk: Client, guest: User) -> None:
    first, second = book(guest), book(guest, "room_B")

    asked = desk.post(LIST, select("cancel_selected", first, second))
    before = [status_of(first), status_of(second)]
    response = desk.post(LIST, select("cancel_selected", first, second, reason="Ill"), follow=True)

    assert first["reference"] in asked.content.decode()
    assert before == ["confirmed", "confirmed"]
    assert [status_of(first), status_of(second)] == ["cancelled", "cancelled"]
    assert len(sent_messages(response)) == 2


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("", "Say why."),
        ("  ", "Say why."),
        ("x" * 201, "This has at most 200 characters"),
        ("bell\x07", "Write this on one line"),
        ("nul\x00", "Null characters are not allowed."),
    ],
)
def test_shows_what_is_wrong_with_a_reason_beside_it_and_cancels_none(
    desk: Client, guest: User, reason: str, sentence: str
) -> None:
    first, second = book(guest), book(guest, "room_B")

    one = desk.post(f"{LIST}{first['id']}/cancel/", {"reason": reason})
    both = desk.post(LIST, select("cancel_selected", first, second, reason=reason))

    for asked in (one, both):
        assert sentence in asked.context["form"].errors["reason"][0]
        assert asked.context["form"]["reason"].value() == reason
        assert sentence in asked.content.decode()
    assert second["reference"] in both.content.decode()
    assert [status_of(first), status_of(second)] == ["confirmed", "confirmed"]


def test_writes_the_reason_down_in_the_booking_alone(
    desk: Client, guest: User, caplog: pytest.LogCaptureFixture
) -> None:
    booking = book(guest)

    desk.post(f"{LIST}{booking['id']}/cancel/", {"reason": "Has the measles"})

    stored = collection("bookings").find_one({"reference": booking["reference"]})
    assert stored is not None
    assert stored["history"][-1]["reason"] == "Has the measles"
    logged = [vars(record) for record in caplog.records]
    assert logged
    assert "measles" not in str(logged)
    assert "measles" not in str(list(LogEntry.objects.values_list("change_message", flat=True)))


def test_cancels_from_the_page_of_a_booking(desk: Client, guest: User) -> None:
    booking = book(guest)

    asked = desk.get(f"{LIST}{booking['id']}/cancel/")
    before = status_of(booking)
    response = desk.post(f"{LIST}{booking['id']}/cancel/", {"reason": "Ill"}, follow=True)

    assert booking["reference"] in asked.content.decode()
    assert before == "confirmed"
    assert status_of(booking) == "cancelled"
    assert response.redirect_chain[-1][0] == page_of(booking)


def test_cancels_where_the_guest_no_longer_may(desk: Client, guest: User) -> None:
    Hotel.objects.filter(pk="demo").update(cancel_hours=24 * 60)
    try:
        booking = book(guest)

        desk.post(f"{LIST}{booking['id']}/cancel/", {"reason": "Ill"})
    finally:
        Hotel.objects.filter(pk="demo").update(cancel_hours=0)

    assert status_of(booking) == "cancelled"


def test_does_not_call_a_cancelled_booking_confirmed(desk: Client, guest: User) -> None:
    hold = book(guest, hold=True)
    desk.post(f"{LIST}{hold['id']}/confirm/")
    desk.post(f"{LIST}{hold['id']}/cancel/", {"reason": "Ill"})

    response = desk.post(f"{LIST}{hold['id']}/confirm/", follow=True)

    assert "now cancelled" in sent_messages(response)[-1]
    assert status_of(hold) == "cancelled"


def test_does_not_confirm_by_a_link(desk: Client, guest: User) -> None:
    hold = book(guest, hold=True)

    response = desk.get(f"{LIST}{hold['id']}/confirm/")

    assert response.status_code == 405
    assert status_of(hold) == "pending"


def test_refuses_a_change_without_a_csrf_token(staff: User, guest: User) -> None:
    hold = book(guest, hold=True)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(staff)

    for action in ("confirm", "cancel"):
        assert strict.post(f"{LIST}{hold['id']}/{action}/").status_code == 403
    assert strict.post(ADD, form("k")).status_code == 403
    assert status_of(hold) == "pending"


def test_changes_no_more_than_a_request_has_time_for(
    desk: Client, guest: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookings.admin.records.MAX_AT_ONCE", 1)
    first, second = book(guest), book(guest, "room_B")

    response = desk.post(LIST, select("cancel_selected", first, second, reason="Ill"), follow=True)

    assert sent_messages(response) == ["Select at most 1 bookings at a time; nothing was changed."]
    assert [status_of(first), status_of(second)] == ["confirmed", "confirmed"]


def test_offers_only_what_a_booking_can_still_become(desk: Client, guest: User) -> None:
    hold, booked, gone = book(guest, hold=True), book(guest, "room_B"), book(guest, "room_C")
    desk.post(f"{LIST}{gone['id']}/cancel/", {"reason": "Ill"})

    offers = [
        tuple(action in context["can"] for action in ("confirm", "move", "cancel"))
        for context in (desk.get(page_of(booking)).context for booking in (hold, booked, gone))
    ]

    assert offers == [(True, True, True), (False, True, True), (False, False, False)]


def test_writes_down_who_did_what(desk: Client, staff: User) -> None:
    desk.post(ADD, form(shown_key(desk), hold="on"))
    (document,) = collection("bookings").find()
    desk.post(f"{LIST}{document['_id']}/confirm/")
    desk.post(f"{LIST}{document['_id']}/cancel/", {"reason": "Ill"})

    entries = LogEntry.objects.filter(user_id=staff.pk, object_id=str(document["_id"]))
    history = desk.get(f"{LIST}{document['_id']}/history/")
    log = desk.get("/admin/admin/logentry/")

    assert entries.count() == 3
    assert "The booking is cancelled." in history.content.decode()
    assert document["reference"] in log.content.decode()


# --- Permissions --------------------------------------------------------------------------------


def test_sends_customers_to_the_login(client: Client, guest: User) -> None:
    booking = book(guest)
    client.force_login(guest)

    for address in (LIST, ADD, page_of(booking), f"{LIST}{booking['id']}/cancel/"):
        assert client.get(address).url.startswith("/admin/login/")
    assert client.post(f"{LIST}{booking['id']}/cancel/").url.startswith("/admin/login/")
    assert status_of(booking) == "confirmed"


def test_lets_viewers_only_view(allowed: Any, guest: User) -> None:
    hold = book(guest, hold=True)
    viewer = allowed("view")

    page = viewer.get(page_of(hold))
    refused = [
        viewer.get(ADD),
        viewer.post(ADD, form("k", room="room_B")),
        viewer.post(f"{LIST}{hold['id']}/confirm/"),
        viewer.get(f"{LIST}{hold['id']}/cancel/"),
        viewer.post(f"{LIST}{hold['id']}/cancel/", {"reason": "Ill"}),
    ]
    viewer.post(LIST, select("confirm_selected", hold))
    viewer.post(LIST, select("cancel_selected", hold, reason="Ill"))

    assert page.status_code == 200
    assert page.context["can"] == ("print",)
    assert "confirm_selected" not in viewer.get(LIST).content.decode()
    assert {response.status_code for response in refused} == {403}
    assert status_of(hold) == "pending"
    assert collection("bookings").count_documents({}) == 1


def test_lets_the_permission_to_change_confirm_and_cancel(allowed: Any, guest: User) -> None:
    hold = book(guest, hold=True)
    page = allowed("change")

    page.post(LIST, select("confirm_selected", hold))
    after_confirm = status_of(hold)
    page.post(f"{LIST}{hold['id']}/cancel/", {"reason": "Ill"})

    assert (after_confirm, status_of(hold)) == ("confirmed", "cancelled")
    assert page.get(ADD).status_code == 403


def test_lets_the_permission_to_add_add_and_nothing_else(allowed: Any, guest: User) -> None:
    booking = book(guest, "room_B")
    page = allowed("add")

    response = page.post(ADD, form(shown_key(page)), follow=True)

    assert response.redirect_chain[-1][0] == "/admin/"
    assert collection("bookings").count_documents({}) == 2
    assert page.get(page_of(booking)).status_code == 403
    assert page.post(f"{LIST}{booking['id']}/cancel/", {"reason": "Ill"}).status_code == 403
