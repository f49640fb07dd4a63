"""An account is deleted while its requests are under way: afterwards nothing names its person."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from types import ModuleType
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from django.test import Client

from bookings import points
from bookings.catalogue import night_jobs
from bookings.catalogue.nights import NightRow
from bookings.domain import account_deletion
from bookings.domain.callers import Caller, caller_of_guest, caller_of_user
from bookings.front_desk import blocks, marks
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import VerifiedAddress
from bookings.people import accounts, adoption, erasure, second_factor
from bookings.refusals import NotAuthenticated
from bookings.stays import create, lifecycle
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import changes, new_bookings, ownership
from tests.browsing import hold as hold_on_pages
from tests.calls import book, cancel, confirm, extend, stored
from tests.conftest import night

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

GUEST = caller_of_guest("0123456789abcdef")
ADDRESS = "ada@example.org"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", ADDRESS)


@pytest.fixture
def desk() -> User:
    return User.objects.create_user("desk", is_staff=True)


def caller(user: User) -> Caller:
    return caller_of_user(user.pk)


def delete(user: User) -> None:
    """Deletes as another process does, which read the account by itself."""
    User.objects.get(pk=user.pk).delete()


def named_in_bookings() -> set[str]:
    """Everyone named in a booking; the bytes of answers stay as they were."""
    return {
        person
        for booking in stored()
        for person in (
            booking["caller"],
            booking["owner"],
            *(change["actor"] for change in booking["history"]),
        )
    }


def at_point(wanted: str, act: Callable[[], None]) -> None:
    """Has this happen once, when the flow reaches the point."""

    def handler(point: str) -> None:
        if point == wanted:
            points.install(None)
            act()

    points.install(handler)


def before_write(patch: Patch, module: ModuleType, name: str, act: Callable[[], None]) -> None:
    """Has this happen once, between what a change read and the write."""
    original = getattr(module, name)
    waiting = [act]

    def write(*arguments: Any, **options: Any) -> Any:
        if waiting:
            waiting.pop()()
        return original(*arguments, **options)

    patch.setattr(module, name, write)


@pytest.fixture(autouse=True)
def _uninstall() -> Any:
    yield
    points.install(None)


# --- Writes of the account's requests ------------------------------------------------------


@pytest.mark.parametrize("point", ["after_claim", "after_lock"])
@pytest.mark.parametrize("is_hold", [False, True], ids=["booked", "held"])
def test_makes_no_booking_for_an_account_that_was_deleted_meanwhile(
    ada: User, point: str, is_hold: bool
) -> None:
    at_point(point, lambda: delete(ada))

    outcome = book(caller=caller(ada), hold=is_hold)

    assert (outcome.code, outcome.answer.status) == ("NOT_AUTHENTICATED", 401)
    assert stored() == []
    # No rival waits for its locks.
    assert book("rival").answer.status == 201


def test_makes_no_booking_over_a_dead_hold_either(ada: User) -> None:
    book("dead", hold=True)
    connections.collection("bookings").update_one({}, {"$set": {"expires_at": clock.now()}})
    at_point("after_lock", lambda: delete(ada))

    assert book(caller=caller(ada)).code == "NOT_AUTHENTICATED"
    assert [booking["status"] for booking in stored()] == ["pending"]


def test_gives_no_hold_another_key_for_an_account_that_was_deleted_meanwhile(ada: User) -> None:
    book("one", caller=caller(ada), hold=True)
    at_point("after_lock", lambda: delete(ada))

    again = book("two", caller=caller(ada), hold=True)

    (booking,) = stored()
    assert again.code in ("ALREADY_BOOKED", "NOT_AUTHENTICATED")
    assert len(booking["keys"]) == 1
    assert named_in_bookings() == {booking["owner"]}


@pytest.mark.parametrize("gone", ["owner", "staff"])
def test_books_for_nobody_and_by_nobody_who_is_gone(ada: User, desk: User, gone: str) -> None:
    at_point("after_lock", lambda: delete(ada if gone == "owner" else desk))

    outcome = create.create_booking(
        caller=caller(desk),
        owner=caller(ada),
        key_header="key",
        read_payload=lambda: {"resourceId": "room_A", "date": night()},
        deadline=Deadline.after(10),
        as_staff=True,
    )

    assert outcome.code == "NOT_AUTHENTICATED"
    assert stored() == []


def test_blocks_no_room_by_staff_who_were_deleted_meanwhile(desk: User, monkeypatch: Patch) -> None:
    before_write(monkeypatch, new_bookings, "write_booking", lambda: delete(desk))

    outcome = blocks.block_rooms(
        actor=caller(desk),
        room_ids=("room_A",),
        first=date.fromisoformat(night()),
        end=date.fromisoformat(night(32)),
        reason="New carpet",
        key_header="key",
        deadline=Deadline.after(10),
    )

    assert outcome.code == "NOT_AUTHENTICATED"
    assert stored() == []


@pytest.mark.parametrize("change", [confirm, extend, cancel])
def test_changes_nothing_for_an_account_that_was_deleted_meanwhile(
    ada: User, monkeypatch: Patch, change: Callable[..., Outcome]
) -> None:
    held = book("key", caller=caller(ada), hold=True)
    before_write(monkeypatch, changes, "change_booking", lambda: delete(ada))

    outcome = change(held, "key", actor=caller(ada))

    assert outcome.code == "NOT_AUTHENTICATED"
    (booking,) = stored()
    assert booking["status"] == "pending"
    assert booking["owner"].startswith("gone:")
    assert named_in_bookings() == {booking["owner"]}


def move(made: Outcome, desk: User, room: str = "room_B") -> Outcome:
    return lifecycle.move_booking(
        actor=caller(desk),
        booking_id=made.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=date.fromisoformat(night()),
        check_out=date.fromisoformat(night(31)),
    )


def move_onto_dead_hold(made: Outcome, desk: User) -> Outcome:
    book("dead", resourceId="room_B", hold=True)
    connections.collection("bookings").update_one(
        {"status": "pending"}, {"$set": {"expires_at": clock.now()}}
    )
    return move(made, desk)


def check_in(made: Outcome, desk: User) -> Outcome:
    today = clock.today("UTC").isoformat()
    connections.collection("bookings").update_one({}, {"$set": {"check_in": today}})
    return marks.mark_stay(
        actor=caller(desk),
        booking_id=made.content["booking"]["id"],
        mark="checked_in",
        key_header="mark",
        deadline=Deadline.after(10),
    )


def cancel_as_staff(made: Outcome, desk: User) -> Outcome:
    return lifecycle.cancel_booking(
        actor=caller(desk),
        booking_id=made.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(10),
        staff_reason="Overbooked by hand.",
    )


@pytest.mark.parametrize("change", [move, move_onto_dead_hold, check_in, cancel_as_staff])
def test_writes_no_line_of_staff_who_were_deleted_meanwhile(
    desk: User, monkeypatch: Patch, change: Callable[..., Outcome]
) -> None:
    made = book()
    before_write(monkeypatch, changes, "change_booking", lambda: delete(desk))

    outcome = change(made, desk)

    assert outcome.code == "NOT_AUTHENTICATED"
    assert named_in_bookings() == {"client:partner"}
    assert (stored()[0]["status"], stored()[0]["rooms"][0]["room"]) == ("confirmed", "room_A")


def test_adopts_nothing_for_an_account_that_was_deleted_meanwhile(ada: User) -> None:
    book(caller=GUEST, guest={"name": "Ada", "email": ADDRESS})
    accounts.verify_address(user=ada, address=ADDRESS)
    stale = User.objects.get(pk=ada.pk)
    delete(ada)

    with pytest.raises(NotAuthenticated):
        adoption.adopt_guest(guest=GUEST, user=stale)
    with pytest.raises(NotAuthenticated):
        ownership.adopt_bookings_for(ADDRESS, caller(stale))

    assert named_in_bookings() == {str(GUEST)}


@pytest.mark.slow
def test_keeps_no_address_of_an_account_that_was_deleted_meanwhile(
    ada: User, monkeypatch: Patch
) -> None:
    right = clock.now

    def delete_and_look() -> Any:
        monkeypatch.setattr(clock, "now", right)
        delete(ada)
        return right()

    monkeypatch.setattr(clock, "now", delete_and_look)

    assert accounts.verify_address(user=ada, address=ADDRESS) is False
    assert not VerifiedAddress.objects.exists()


def test_keeps_no_device_of_an_account_that_was_deleted_meanwhile(desk: User) -> None:
    sealed = second_factor.new_secret()
    secret = base64.b32decode(second_factor.open_secret(sealed))
    code = second_factor._totp(base64.b32encode(secret).decode()).generate(
        int(clock.now().timestamp())
    )
    pk = desk.pk
    delete(desk)

    assert second_factor.confirm_set_up(pk, sealed, code.decode()) is None
    assert second_factor.find_factor(pk) is None


def test_leaves_a_job_of_staff_who_were_deleted_meanwhile_without_a_name(desk: User) -> None:
    pk, job_id = desk.pk, ObjectId()
    delete(desk)

    night_jobs.add_job(
        job_id=job_id,
        kind=night_jobs.CHANGE,
        hotel_id="demo",
        rows=[NightRow("demo_double", night(), values={"price": 100}, base_price=200)],
        summary="Cheaper.",
        user_id=pk,
    )

    job = connections.collection("nights_jobs").find_one({"_id": job_id})
    assert job is not None
    assert job["requested_by_id"] is None


@pytest.mark.parametrize("what", ["create", "move"])
def test_looks_again_before_its_second_transaction(
    ada: User, desk: User, monkeypatch: Patch, what: str
) -> None:
    """The first one met a dead hold, and the deletion comes between the two."""
    made = book("made", resourceId="room_B")
    book("dead", hold=True)
    connections.collection("bookings").update_one(
        {"status": "pending"}, {"$set": {"expires_at": clock.now()}}
    )
    let_write = account_deletion.let_write
    transactions: list[Any] = []

    def delete_before_the_second(*arguments: Any) -> None:
        transactions.append(arguments)
        if len(transactions) == 2:
            delete(ada if what == "create" else desk)
        let_write(*arguments)

    monkeypatch.setattr(account_deletion, "let_write", delete_before_the_second)

    outcome = book("new", caller=caller(ada)) if what == "create" else move(made, desk, "room_A")

    assert (outcome.code, len(transactions)) == ("NOT_AUTHENTICATED", 2)
    assert named_in_bookings() == {"client:partner"}


# --- Earlier writes ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["create", "confirm"])
def test_waits_for_a_write_that_has_begun_and_finds_it(
    ada: User, monkeypatch: Patch, what: str
) -> None:
    """The deletion comes when the transaction has written, but not yet committed."""
    held = book("held", caller=caller(ada), hold=True, resourceId="room_B")
    is_open, is_marking, is_marked = threading.Event(), threading.Event(), threading.Event()
    begin = account_deletion.begin_deletion

    def begin_and_tell(person: str) -> str:
        is_marking.set()
        pseudonym = begin(person)
        is_marked.set()
        return pseudonym

    def stay_open() -> None:
        if not is_open.is_set():
            is_open.set()
            assert is_marking.wait(10)
            # It must wait for us, at least for as long as we watch it.
            assert not is_marked.wait(0.3)

    let_write = account_deletion.let_write

    def let_write_and_stay_open(*arguments: Any) -> None:
        let_write(*arguments)
        stay_open()

    monkeypatch.setattr(account_deletion, "begin_deletion", begin_and_tell)
    monkeypatch.setattr(account_deletion, "let_write", let_write_and_stay_open)

    def write() -> Outcome:
        if what == "create":
            return book("made", caller=caller(ada))
        return confirm(held, "held", actor=caller(ada))

    with ThreadPoolExecutor(2) as pool:
        written = pool.submit(write)
        assert is_open.wait(10)
        pool.submit(delete, ada).result()
        outcome = written.result()

    assert outcome.code is None
    owners = {booking["owner"] for booking in stored()}
    assert len(owners) == 1
    assert named_in_bookings() == owners
    assert owners.pop().startswith("gone:")
    assert "confirmed" in {booking["status"] for booking in stored()}


def test_goes_on_with_the_same_pseudonym_after_it_was_cut_short(
    ada: User, monkeypatch: Patch
) -> None:
    book("one", caller=caller(ada))
    with monkeypatch.context() as patch:

        def fail(*_: Any) -> int:
            raise ConnectionError("MongoDB is away")

        patch.setattr(ownership, "replace_person", fail)
        with pytest.raises(ConnectionError):
            delete(ada)
    begun = account_deletion.begin_deletion(str(caller(ada)))

    assert User.objects.filter(pk=ada.pk).exists()
    assert book("two", caller=caller(ada), resourceId="room_B").code == "NOT_AUTHENTICATED"
    delete(ada)

    assert named_in_bookings() == {begun}
    assert not User.objects.filter(pk=ada.pk).exists()


def test_touches_nothing_for_partners_and_guests() -> None:
    confirm(book("held", hold=True), "held")
    book("guest", caller=GUEST, resourceId="room_B")

    assert connections.collection(account_deletion.COLLECTION).count_documents({}) == 0


def test_erases_what_a_request_of_the_account_would_have_written_again(ada: User) -> None:
    """Between the bookings and the account, which goes last: a name in a pseudonym's booking."""
    guest = {"name": "Ada Lovelace", "email": ADDRESS}
    written: list[Outcome] = []
    forget = erasure._forget_keys

    def book_meanwhile(*arguments: Any) -> bool:
        written.append(book(caller=caller(ada), guest=guest))
        return forget(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasure, "_forget_keys", book_meanwhile)
        erasure.erase_guest(ADDRESS)

    assert written[0].code == "NOT_AUTHENTICATED"
    assert stored() == []


@pytest.fixture
def booked_when_closed(ada: User, monkeypatch: Patch) -> User:
    """A request of the account ends just before an erasure closes it."""
    close = accounts.close_account

    def book_and_close(*arguments: Any, **options: Any) -> None:
        guest = {"name": "Ada Lovelace", "email": ADDRESS}
        assert book("key", caller=caller(ada), guest=guest).answer.status == 201
        close(*arguments, **options)

    monkeypatch.setattr(accounts, "close_account", book_and_close)
    return ada


def test_erases_nothing_where_a_stay_was_booked_since_it_was_judged(
    booked_when_closed: User,
) -> None:
    with pytest.raises(erasure.ErasureRefused, match=r"Stays that have not ended: "):
        erasure.erase_guest(ADDRESS)

    (booking,) = stored()
    assert booking["owner"] == str(caller(booked_when_closed))
    assert booking["guest"]["name"] == "Ada Lovelace"
    # Nothing was changed: the account writes as before.
    again = book("other", caller=caller(booked_when_closed), resourceId="room_B")
    assert again.answer.status == 201


def test_forgets_the_keys_of_what_was_booked_since_it_was_judged(
    booked_when_closed: User,
) -> None:
    erasure.erase_guest(ADDRESS, including_upcoming=True)

    (booking,) = stored()
    assert booking["guest"]["email"] == ""
    assert list(connections.redis().scan_iter("idempotency:*")) == []


# --- Messages --------------------------------------------------------------------------------


def test_names_to_staff_the_account_that_they_cannot_book_for(ada: User) -> None:
    account_deletion.begin_deletion(str(caller_of_user(ada.pk)))

    refused = create.create_booking(
        caller=Caller("user", "staff"),
        owner=caller_of_user(ada.pk),
        key_header="key",
        read_payload=lambda: {"resourceId": "room_A", "date": night()},
        deadline=Deadline.after(10),
        as_staff=True,
    )

    assert refused.code == "NOT_AUTHENTICATED"
    assert f"user:{ada.pk}" in refused.content["error"]


def test_says_at_the_login_that_another_account_is_needed(ada: User) -> None:
    """The deletion was cut short, so the password is still good."""
    ada.set_password("correct horse")
    ada.save()
    browser = Client()
    hold_on_pages(browser)
    account_deletion.begin_deletion(str(caller_of_user(ada.pk)))

    answer = browser.post("/login", {"username": ada.username, "password": "correct horse"})

    assert answer.status_code == 403
    assert "Log in with an account that is." in answer.content.decode()
    assert "_auth_user_id" not in browser.session
