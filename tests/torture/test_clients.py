"""The people of the fault regime: how they read pages, and how what they did is judged."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import pytest
from bson import ObjectId
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils import translation

from bookings.admin.forms import MESSAGES
from bookings.refusals import IdempotencyInProgress, ResourceLocked, TryAgain
from bookings.stays import corrections
from bookings.web.messages import CONFIRM_SENTENCES, SENTENCES
from idempotency import keys
from tests.browsing import stays_path, stored
from tests.conftest import night
from torture.clients.desk import PASSING_SENTENCES, RECORD, Desk, _refusal_on
from torture.clients.guest import Guest, codes_by_sentence, key_of_correction, note_keys
from torture.clients.pages import Form, Jar, Page, follow
from torture.clients.partner import Held, Partner
from torture.clients.sending import Connection, Reply
from torture.history import Attempt, History, Operation
from torture.judging import free_slots, invariants
from torture.judging.answers import judge_answers
from torture.judging.ledger import digests_of, judge_ledger, judge_refused_holds
from torture.run import count_people

BOOKING = ObjectId("6b0dd0beef7f7abf624381f7")
DAY = datetime(2027, 1, 1, tzinfo=UTC)

FORM = """
<h1>A room</h1><ul class="messagelist"><li class="error">It <b>was</b> cancelled.</li></ul>
<form method="post" action="/hold"><input type="hidden" name="key" value="k1"></form>
<form method="post">
  <ul class="errorlist nonfield"><li>Someone else was quicker.</li></ul>
  <input name="name" value="Ada"><input type="checkbox" name="hold">
  <input type="submit" name="show">
  <label><input type="checkbox" name="rooms" value="a" checked> A</label>
  <label><input type="checkbox" name="rooms" value="b"> B <small>not free</small></label>
  <select name="language"><option value="en">E</option><option value="de" selected>D</option>
  </select>
  <select name="to"><option value="x">X</option><option value="y">Y</option></select>
  <textarea name="notes">
one
two</textarea>
  <button name="mark" value="undo">Undo</button><button formaction="/more">More</button>
</form><a href="/elsewhere">Elsewhere</a>
"""


# --- Pages --------------------------------------------------------------------------------------


def test_sends_of_a_form_what_a_browser_would() -> None:
    form = Page(FORM).keyed

    assert form is not None
    assert form.fields == [
        ("name", "Ada"),
        ("rooms", "a"),
        ("language", "de"),
        ("to", "x"),
        ("notes", "one\ntwo"),
    ]


def test_knows_what_could_be_chosen_and_pressed() -> None:
    form = Page(FORM).keyed

    assert form is not None
    assert form.choices["rooms"] == ["a", "b"]
    assert form.taken == ["b"]
    assert form.buttons == [("show", ""), ("mark", "undo")]
    assert form.targets == ["/more"]


def test_fills_in_some_fields_and_keeps_the_others() -> None:
    form = Page(FORM).keyed

    assert form is not None
    filled = form.fill(rooms=["b", "c"], to=[], hold="on")
    assert sorted(filled) == [
        ("hold", "on"),
        ("language", "de"),
        ("name", "Ada"),
        ("notes", "one\ntwo"),
        ("rooms", "b"),
        ("rooms", "c"),
    ]


def test_reads_what_a_page_says() -> None:
    page = Page(FORM)

    assert page.said == [("error", "It was cancelled."), ("error", "Someone else was quicker.")]
    assert page.title == "A room"
    assert page.links == ["/elsewhere"]


def test_finds_the_form_that_has_a_button_elsewhere() -> None:
    page = Page(FORM)

    assert page.form_to("/more") is page.forms[1]
    assert page.form_to("/nowhere") is None


def test_keeps_cookies_until_the_site_deletes_them() -> None:
    jar = Jar()

    jar.take(["guest=a:b:c; Path=/; HttpOnly", "messages=x; Path=/"])
    jar.take(['messages=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/'])

    assert jar.header() == "guest=a:b:c"


def test_follows_a_redirect_without_the_name_of_the_site() -> None:
    assert follow("/hold", Reply(302, {"location": "/stays?a=b"}, b"")) == "/stays?a=b"
    there = Reply(302, {"location": "https://127.0.0.1/bookings/1"}, b"")
    assert follow("/hold", there) == "/bookings/1"


@pytest.mark.mongo
def test_knows_under_which_keys_the_site_stores_what_a_guest_does(client: Client) -> None:
    page = _open(client, stays_path())
    caller = f"guest:{client.cookies['guest'].value.partition(':')[0]}"
    form = next(form for form in page.forms if form.action == "/hold")
    done = [_operation("hold", caller=caller, key=form.value("key"))]
    path = client.post("/hold", dict(form.fields)).headers["Location"]
    booking = path.rpartition("/")[2]

    def act(kind: str, key: str, at: str, fields: list[tuple[str, str]]) -> None:
        operation = _operation(kind, caller=caller, key=key, target=booking)
        if kind == "details":
            note_keys(operation, fields, [settings.SECRET_KEY])
        done.append(operation)
        assert client.post(at, dict(fields)).status_code in (200, 302)

    form = _form(client, path, f"{path}/confirm")
    act("extend", f"page:extend:{form.value('shown_end')}", f"{path}/extend", form.fields)
    form = _form(client, path, f"{path}/confirm")
    act("confirm", form.value("key"), f"{path}/confirm", form.fill(name="Ada", email="a@b.org"))
    form = _form(client, f"{path}/details", f"{path}/details")
    act("details", form.value("key"), f"{path}/details", form.fill(name="Bob", phone=""))
    form = _form(client, path, f"{path}/cancel")
    key = keys.make_key(caller, "cancel", booking)
    act("cancel", key, f"{path}/cancel", form.fields)

    (document,) = stored()
    assert document["caller"] == caller
    assert [line["event"] for line in document["history"]] == [
        *("created", "extended", "confirmed", "corrected", "cancelled")
    ]
    for line, operation in zip(document["history"], done, strict=True):
        assert line["key"] in digests_of(operation)


@pytest.mark.mongo
def test_knows_under_which_keys_the_site_stores_what_the_desk_does(client: Client) -> None:
    staff = User.objects.create_superuser("staff")
    client.force_login(staff)
    records, caller = "/admin/bookings/bookingrecord/", f"user:{staff.pk}"
    done: list[Operation] = []

    def act(kind: str, at: str, target: str = "", **typed: Any) -> str:
        form = _open(client, at).keyed
        assert form is not None
        key = form.value("key") or keys.make_key(caller, "cancel", target)
        operation = _operation(kind, caller=caller, key=key, target=target)
        fields = form.fill(**typed)
        if kind == "edit":
            note_keys(operation, fields, [settings.SECRET_KEY])
        done.append(operation)
        at = at.partition("?")[0]
        answer = client.post(at, urlencode(fields), _URLENCODED)
        assert answer.status_code == 302, answer.content.decode()
        found = RECORD.match(answer.headers["Location"])
        assert found is not None
        return found[1]

    stay = {"check_in": night(), "check_out": night(32)}
    booking = act("book", f"{records}add/?{urlencode({**stay, 'room': 'room_A'})}")
    act("edit", f"{records}{booking}/edit/", booking, name="Ada")
    act("move", f"{records}{booking}/move/", booking)
    act("cancel", f"{records}{booking}/cancel/", booking, reason="No one comes.")
    blocked = {"first": night(), "end": night(32), "rooms": "room_A"}
    at = f"/admin/bookings/roomblock/add/?{urlencode(blocked)}"
    block = act("block", at, reason="Repair")
    act("unblock", f"/admin/bookings/roomblock/{block}/cancel/", block, reason="Done.")

    lines = [line for document in stored() for line in document["history"]]
    assert len(lines) == len(done)
    for line, operation in zip(lines, done, strict=True):
        assert line["key"] in digests_of(operation), operation.kind


_URLENCODED = "application/x-www-form-urlencoded"


def _open(browser: Client, path: str) -> Page:
    return Page(browser.get(path).content.decode(), path)


def _form(browser: Client, path: str, action: str) -> Form:
    form = _open(browser, path).form_to(action)
    assert form is not None
    return form


# --- Words and keys of the site -----------------------------------------------------------------


def test_knows_the_code_of_each_sentence_that_guests_read() -> None:
    codes = codes_by_sentence()

    with translation.override("en"):
        for table in (SENTENCES, CONFIRM_SENTENCES):
            for code, sentence in table.items():
                # Some codes share a sentence.
                assert table.get(codes[str(sentence)], SENTENCES[code]) == sentence


@pytest.mark.parametrize("refusal", [IdempotencyInProgress, TryAgain, ResourceLocked])
def test_knows_which_refusals_of_the_admin_pass(refusal: Any) -> None:
    shown = MESSAGES.get(refusal.code, refusal().detail)

    assert _refusal_on([shown])[0] == refusal.code
    assert _refusal_on([refusal().detail])[0] == refusal.code
    assert refusal.code in PASSING_SENTENCES.values()


def test_makes_the_keys_of_corrections_as_the_site_does() -> None:
    typed = ["Ada", "ada@example.org", "", "", "en", False]

    made = key_of_correction("k1", list(typed), settings.SECRET_KEY)

    assert made == corrections.key_for("k1", typed)


def test_knows_a_correction_by_each_secret_of_the_site() -> None:
    operation = _operation("details", target=str(BOOKING))

    note_keys(operation, [("key", "k1"), ("name", "Ada")], ["one", "two"])
    note_keys(operation, [("key", "k1"), ("name", "Ada")], ["two", "three"])

    assert len(set(operation.more_keys)) == 3
    with override_settings(SECRET_KEY="two"):
        assert corrections.key_for("k1", ["Ada", "", "", ""]) in operation.more_keys


@pytest.mark.parametrize(("clients", "people"), [(1, (0, 0)), (4, (1, 1)), (20, (5, 3))])
def test_has_people_in_proportion(clients: int, people: tuple[int, int]) -> None:
    assert count_people(clients) == people


# --- Judging ------------------------------------------------------------------------------------

_numbers: Iterator[int] = iter(range(1, 10_000))


def _operation(
    kind: str,
    *,
    caller: str = "user:1",
    name: str | None = None,
    seen: str | None = None,
    target: str = "",
    at_s: tuple[float, float] = (0.0, 1.0),
    key: str | None = None,
    status: int = 302,
    code: str = "",
) -> Operation:
    """One that was sent once and answered by a page."""
    number = next(_numbers)
    is_success = status == 302 and not code
    wish: dict[str, Any] = {}
    if name is not None:
        wish["guest"] = {"name": name}
    if seen is not None:
        wish["seen"] = seen
    return Operation(
        number=number,
        client="desk 0",
        caller=caller,
        kind=kind,
        key=key or f"key-{number}",
        target=target,
        wish=wish,
        attempts=[Attempt(*at_s, status=status, code=code, is_success=is_success)],
        answer={"id": str(BOOKING)} if is_success else None,
    )


def _stored(
    *, made: list[Operation], lines: list[tuple[str, Operation]], name: str
) -> dict[str, dict[str, Any]]:
    """A hold that adopted the keys, with lines of changes."""
    history = [{"event": "created", "at": DAY, "key": digests_of(made[0])[0]}]
    history += [{"event": event, "at": DAY, "key": digests_of(of)[0]} for event, of in lines]
    document = {
        "_id": BOOKING,
        "kind": "stay",
        "caller": "user:1",
        "status": "pending",
        "guest": {"name": name},
        "keys": [{"digest": digests_of(each)[0]} for each in made],
        "history": history,
    }
    return {str(BOOKING): document}


def _judge_names(held: Operation, again: Operation, edit: Operation, name: str) -> list[str]:
    """What is said of a hold that was held again and corrected, and is for this guest now."""
    bookings = _stored(made=[held, again], lines=[("edited", edit)], name=name)
    # The fold of stay and status needs stored answers, which these have not.
    found = judge_ledger([held, again, edit], _with_answer(bookings), {})
    return [each.story.partition("\n")[0] for each in found]


def _with_answer(bookings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for document in bookings.values():
        document["keys"][0]["body"] = (
            b'{"booking": {"status": "pending", "checkIn": "a", "checkOut": "b", "rooms": [],'
            b' "expiresAt": "2027-01-01T00:00:00Z"}}'
        )
        document |= {"check_in": "a", "check_out": "b", "rooms": [], "expires_at": DAY}
    return bookings


def test_finds_that_a_correction_undid_what_was_held_again_meanwhile() -> None:
    held = _operation("hold", name="first")
    again = _operation("hold_again", name="second", at_s=(2.0, 3.0))
    edit = _operation("edit", name="third", seen="first", target=str(BOOKING), at_s=(2.1, 3.1))

    (said,) = _judge_names(held, again, edit, "third")

    assert "is for 'third'. By what was told it could be for second." in said


@pytest.mark.parametrize(("seen", "name"), [("first", "second"), ("second", "third")])
def test_accepts_both_orders_of_a_correction_and_a_hold(seen: str, name: str) -> None:
    held = _operation("hold", name="first")
    again = _operation("hold_again", name="second", at_s=(2.0, 3.0))
    edit = _operation("edit", name="third", seen=seen, target=str(BOOKING), at_s=(2.1, 3.1))

    assert _judge_names(held, again, edit, name) == []


def test_finds_that_an_earlier_name_came_back() -> None:
    held = _operation("hold", name="first")
    again = _operation("hold_again", name="second", at_s=(2.0, 3.0))
    later = _operation("confirm", name="third", target=str(BOOKING), at_s=(4.0, 5.0))
    bookings = _stored(made=[held, again], lines=[("confirmed", later)], name="second")
    bookings[str(BOOKING)]["status"] = "confirmed"

    (violation,) = judge_ledger([held, again, later], _with_answer(bookings), {})

    assert "it could be for third" in violation.story


def test_finds_two_corrections_of_the_same_guest() -> None:
    held = _operation("hold", name="first")
    edits = [
        _operation("edit", name=name, seen="first", target=str(BOOKING), at_s=(2.0, 3.0))
        for name in ("second", "third")
    ]
    bookings = _stored(made=[held], lines=[("edited", each) for each in edits], name="third")

    (violation,) = judge_ledger([held, *edits], _with_answer(bookings), {})

    assert "for none" in violation.story


def test_takes_the_orders_of_two_colleagues_to_cancel_for_one() -> None:
    refused, done = (
        _operation("cancel", target=str(BOOKING), key="auto:1", **how)
        for how in ({"code": "REFUSED"}, {"at_s": (2.0, 3.0)})
    )
    held = _operation("hold", name="first")
    bookings = _with_answer(_stored(made=[held], lines=[("cancelled", done)], name="first"))
    bookings[str(BOOKING)]["status"] = "cancelled"

    assert judge_ledger([held, refused, done], bookings, {}) == []


def test_asks_nothing_of_a_name_where_one_key_had_two_wishes() -> None:
    first, second = (
        _operation("hold", name=name, key="k1", status=status)
        for name, status in (("first", 0), ("second", 302))
    )

    for name in ("first", "second"):
        bookings = _with_answer(_stored(made=[first], lines=[], name=name))
        assert judge_ledger([first, second], bookings, {}) == []


def test_asks_nothing_of_a_name_that_a_lost_request_may_have_brought() -> None:
    named, unclear = (_operation("hold", name=name, key="k1") for name in ("first", None))
    unclear.wish = {"is_unclear": True}

    bookings = _with_answer(_stored(made=[unclear], lines=[], name="lost"))

    assert judge_ledger([unclear, named], bookings, {}) == []
    assert len(judge_ledger([named], bookings, {})) == 1


def test_may_refuse_the_confirm_of_a_hold_that_the_desk_cancelled() -> None:
    held = _operation("hold", name="first")
    assert held.answer
    held.answer["expiresAt"] = "2027-01-01T00:00:20Z"
    at_s = (DAY.timestamp() + 5, DAY.timestamp() + 6)
    confirm = _operation("confirm", target=str(BOOKING), at_s=at_s, code="HOLD_EXPIRED")
    cancel = _operation("cancel", target=str(BOOKING))

    alive = _stored(made=[held], lines=[], name="first")
    cancelled = _stored(made=[held], lines=[("cancelled", cancel)], name="first")

    assert len(judge_refused_holds([held, confirm], alive)) == 1
    assert judge_refused_holds([held, confirm], cancelled) == []


@pytest.mark.parametrize(("event", "refusals"), [("extended", 1), ("cancelled", 0)])
def test_lets_a_form_be_refused_once_its_booking_has_ended(event: str, refusals: int) -> None:
    held = _operation("hold", name="first")
    later = _operation("cancel", target=str(BOOKING))
    bookings = _with_answer(_stored(made=[held], lines=[(event, later)], name="first"))
    document = bookings[str(BOOKING)]
    document["status"] = {"extended": "pending", "cancelled": "cancelled"}[event]
    document["expires_at"] = DAY + timedelta(seconds=20)
    document["keys"][0]["body"] = document["keys"][0]["body"].replace(b"00:00:00Z", b"00:00:20Z")
    now_s = DAY.timestamp()
    held.attempts += [Attempt(now_s + 5, now_s + 6, status=302, code="SOLD_OUT")]

    found = judge_ledger([held], bookings, {str(BOOKING): now_s + 1})

    assert len(found) == refusals


def test_compares_no_bytes_of_pages_but_minds_their_errors() -> None:
    page = _operation("confirm", target=str(BOOKING))
    page.attempts += [Attempt(2.0, 3.0, status=409, code="HOLD_EXPIRED")]
    broken = _operation("confirm", target=str(BOOKING), status=500)

    never = {"may_have_forgotten": lambda *_: False, "may_be_silent": lambda _: False}

    assert judge_answers([page], **never) == []
    assert len(judge_answers([broken], **never)) == 1


# --- A site that fails ----------------------------------------------------------------------------


class _FailsAfterRedirect(BaseHTTPRequestHandler):
    """Every form leads to a page that fails."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(302, location=f"/bookings/{BOOKING}")

    def do_GET(self) -> None:
        self._answer(500)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "text/html", "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def _served(site: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port of a site while it answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def failing_port() -> Iterator[int]:
    with _served(_FailsAfterRedirect) as port:
        yield port


@pytest.mark.parametrize("kind", ["guest", "desk"])
def test_notices_a_page_that_fails_after_a_form_was_taken(kind: str, failing_port: int) -> None:
    named: dict[str, Any] = {
        "name": kind,
        "caller": "user:1",
        "ports": (failing_port,),
        "history": History(),
        "dice": random.Random(1),
        "secrets": list,
    }
    client = (
        Guest(log_in=None, **named) if kind == "guest" else Desk(log_in=lambda: "session", **named)
    )

    client._perform("cancel", str(BOOKING), "/cancel", [], key="k1")

    assert f"{kind}: GET /bookings/{BOOKING} answered 500" in [each.story for each in client.found]


class _HasNothing(BaseHTTPRequestHandler):
    """Knows no booking, and has sold every category, though not every room."""

    def do_POST(self) -> None:
        wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "categoryId" in wish:
            self._answer(409, {"code": "SOLD_OUT"})
        else:
            self._answer(201, {"booking": {"id": str(BOOKING)}})

    def do_GET(self) -> None:
        self._answer(404, {"code": "NOT_FOUND"})

    def _answer(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def empty_port() -> Iterator[int]:
    with _served(_HasNothing) as port:
        yield port


def test_misses_a_booking_of_its_own_that_the_site_has_lost(empty_port: int) -> None:
    partner = Partner(
        name="partner",
        caller="client:one",
        token="token",
        hotel="east",
        ports=(empty_port,),
        history=History(),
        dice=random.Random(1),
    )
    held = Held(str(BOOKING), "key", (), "", "", is_hold=True, user="", wish={}, guest={})
    partner.bookings.append(held)

    for _ in range(30):
        partner.look()

    lost = [each for each in partner.found if each.invariant == invariants.PRESENT]
    assert lost
    assert lost[0].story == f"partner lost bookings/{BOOKING}: 404"


def test_takes_no_category_for_sold_out_that_has_a_free_room(
    empty_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_slots, "WITHIN_S", 0.1)
    dice = random.Random(1)
    connection = Connection((empty_port,), dice)
    walker = free_slots.Walker(connection, "token", "client:walker", History(), dice)

    found, _ = walker.judge([])

    assert 0 < len(found) < free_slots.TRIED
    assert {each.invariant for each in found} == {invariants.BOOKABLE}
    assert all("SOLD_OUT" in each.story for each in found)


@pytest.mark.mongo
def test_logs_guests_in_again_whom_the_site_no_longer_knows(client: Client) -> None:
    client.cookies["sessionid"] = "lost"
    told = [each.OutputString() for each in client.get("/bookings").cookies.values()]
    sessions = ["second", "lost"]
    with _site(told) as port:
        guest = Guest(
            name="guest",
            log_in=sessions.pop,
            caller="user:1",
            ports=(port,),
            history=History(),
            dice=random.Random(1),
            secrets=list,
        )

        assert guest._browser.open("/bookings") == (0, None)

    assert sessions == []
    assert guest._browser.jar.cookies["sessionid"] == "second"


@contextlib.contextmanager
def _site(cookies: list[str]) -> Iterator[int]:
    """A site that sets these cookies with every page."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for cookie in cookies:
                self.send_header("Set-Cookie", cookie)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with _served(Site) as port:
        yield port
