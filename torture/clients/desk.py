"""The front desk: books, moves, corrects, blocks, cancels and marks with the admin's own forms.

All of it hits the bookings of others. The desk also does what once lost an update: it corrects the
guest of a hold while the hold's owner holds it again for another guest.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from idempotency import keys
from torture import world
from torture.clients.guest import MESSAGES, Sent, note_keys
from torture.clients.pages import SESSION, Browser, Form, Page, code_of_outage, follow, page_of
from torture.clients.sending import PATIENCE_S, Reply, Sending
from torture.history import Attempt, History, Operation
from torture.judging.invariants import NO_ERRORS
from torture.judging.violations import Violation

STAYS, BLOCKS = "/admin/bookings/bookingrecord/", "/admin/bookings/roomblock/"
RECORD = re.compile(r"/admin/bookings/(?:bookingrecord|roomblock)/([0-9a-f]{24})/change/")

# How the admin begins its sentences about refusals that pass.
PASSING_SENTENCES = {
    "This form is still being processed": "IDEMPOTENCY_IN_PROGRESS",
    "Your first request with this key is still being processed": "IDEMPOTENCY_IN_PROGRESS",
    "The booking system cannot answer right now": "TRY_AGAIN",
    "Someone else is booking this room right now": "RESOURCE_LOCKED",
}

# An error to the person, since the state is another by now, but what the key did stays done.
DONE_BEFORE = "This was done before"

# Forms of these are shown again when they are refused; all others lead to a page with a message.
SHOWN_AGAIN = ("book", "hold", "hold_again", "edit", "move", "block")

# A list of bookings is read again after so many steps.
LIST_LASTS = 5
MOST_BLOCKS, MOST_WALK_INS = 3, 4

# Older bookings have mostly been cancelled.
MOST_PICKED = 15
MOST_LOOKED_AT = 3

# How often a form is opened again before its hold is made, to hold the same again later.
TABS = 3

# Within this time a hold reads and writes what it finds, on a busy machine.
MEETING_S = 0.1


@dataclass
class HeldTwice:
    """A hold of the desk, and the same form in another tab, with a key of its own."""

    id: str
    form: Form
    path: str
    held_at_s: float


@dataclass
class Desk:
    """A person of the staff, on a thread of their own."""

    name: str
    log_in: Callable[[], str]
    caller: str
    ports: tuple[int, ...]
    history: History
    dice: random.Random
    secrets: Callable[[], list[str]]
    found: list[Violation] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    seen_lists: list[tuple[float, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._browser = Browser(self.ports, self.dice)
        jar = self._browser.jar
        jar.log_in = lambda: jar.cookies.update({SESSION: self.log_in()})
        jar.log_in()
        self.sending = Sending(
            self._browser,
            dice=self.dice,
            another=self._browser.another_tab,
            attempt=self._attempt,
            learn=self._learn,
            forget=self._forget,
        )
        self._sent: dict[int, Sent] = {}
        self._listed: dict[str, list[str]] = {"pending": [], "confirmed": []}
        self._steps = 0
        self._blocks: list[str] = []
        self._walk_ins: list[str] = []
        self._held: list[HeldTwice] = []

    # --- What they do ---------------------------------------------------------------------------

    def act(self) -> None:
        """Begins something new."""
        if self._steps % LIST_LASTS == 0:
            self._read_lists()
        self._steps += 1
        now_s = time.time()
        self._held = [each for each in self._held if now_s < each.held_at_s + world.HOLD_S - 2]
        if self._held and self.dice.random() < 0.5:
            self._edit_and_hold_again(self.dice.choice(self._held))
            return
        what = self.dice.choices(
            (self._book, self._hold_twice, self._move, self._edit, self._block, self._cancel),
            (2, 5, 4, 4, 2, 1),
        )[0]
        if self._walk_ins and self.dice.random() < 0.2:
            what = self._mark
        elif self._blocks and (len(self._blocks) >= MOST_BLOCKS or self.dice.random() < 0.1):
            what = self._unblock
        elif len(self._walk_ins) < MOST_WALK_INS and self.dice.random() < 0.1:
            what = self._welcome
        elif self.dice.random() < 0.08:
            what = self._confirm
        what()

    def _read_lists(self) -> None:
        """Which bookings there are, by what the list says of them."""
        for status in self._listed:
            page = self._open(f"{STAYS}?status={status}")
            if page is not None:
                found = (RECORD.match(link) for link in page.links)
                self._listed[status] = list(dict.fromkeys(each[1] for each in found if each))

    def _pick(self, action: str, *statuses: str) -> str | None:
        """One of the newest bookings with this status, whose page offers the action. Many have
        been cancelled since the list was read."""
        listed = [each for status in statuses for each in self._listed[status][:MOST_PICKED]]
        free = [each for each in listed if not self.sending.is_in_doubt(each)]
        for booking in self.dice.sample(free, min(len(free), MOST_LOOKED_AT)):
            page = self._open(f"{STAYS}{booking}/change/")
            path = f"{STAYS}{booking}/{action}/"
            if page and (path in page.links or page.form_to(path)):
                return booking
        return None

    def _book(self) -> None:
        found = self._open_new()
        if found is None:
            return
        path, form = found
        guest = self._details()
        fields = _for_guest(form, guest)
        self._perform("book", "", path, fields, key=form.value("key"), wish={"guest": guest})

    def _hold_twice(self) -> None:
        """Opens one form in several tabs, and holds with the first."""
        found = self._open_new()
        if found is None:
            return
        path, form = found
        pages = [self._browser.open(path)[1] for _ in range(TABS)]
        tabs = [page.keyed for page in pages if page and page.keyed]
        guest = self._details()
        operation = self._perform(
            "hold",
            "",
            path,
            _for_guest(form, guest, hold="on"),
            key=form.value("key"),
            wish={"guest": guest},
        )
        if operation.answer:
            self._held += [
                HeldTwice(operation.answer["id"], tab, path, time.time())
                for tab in tabs
                if tab.value("quoted")
            ]

    def _edit_and_hold_again(self, held: HeldTwice) -> None:
        """All at the same moment: the hold is held again for another guest, and its guest is
        corrected, perhaps by two people. At most one of those who saw the same guest succeeds."""
        self._held.remove(held)
        forms = [self._open_edit(held.id) for _ in range(self.dice.choice((1, 2)))]
        guest = self._details()
        both = [self._begin_edit(held.id, form) for form in forms if form]
        both.append(
            self._begin(
                "hold_again",
                "",
                held.path,
                _for_guest(held.form, guest, hold="on"),
                key=held.form.value("key"),
                wish={"guest": guest},
            )
        )
        threads = [
            threading.Thread(
                target=self._send_in_a_moment, args=(operation, self.dice.random()), daemon=True
            )
            for operation in both
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for operation in both:
            self.sending.insist(operation)

    def _send_in_a_moment(self, operation: Operation, part: float) -> None:
        """Sends from a tab of its own. A correction is quicker than a hold, so it waits a little
        to meet it."""
        if operation.kind == "edit":
            time.sleep(part * MEETING_S)
        tab = self._browser.another_tab()
        self._attempt(operation, tab, PATIENCE_S)
        tab.close()

    def _edit(self) -> None:
        booking = self._pick("edit", "pending", "confirmed")
        opened = self._open_edit(booking) if booking else None
        if booking and opened:
            self.sending.perform(self._begin_edit(booking, opened))

    def _open_edit(self, booking: str) -> Form | None:
        page = self._open(f"{STAYS}{booking}/edit/")
        return page.keyed if page else None

    def _begin_edit(self, booking: str, form: Form) -> Operation:
        guest = self._details()
        return self._begin(
            "edit",
            booking,
            f"{STAYS}{booking}/edit/",
            form.fill(**guest),
            key=form.value("key"),
            wish={"guest": guest, "seen": json.loads(form.value("seen"))["name"]},
        )

    def _move(self) -> None:
        """Moves to another room, or to the night before or after, where the form offers that."""
        booking = self._pick("move", "pending", "confirmed")
        if booking is None:
            return
        path = f"{STAYS}{booking}/move/"
        page = self._open(path)
        form = page.keyed if page else None
        if form is None:
            return
        rooms = [value for name, value in form.fields if name == "rooms"]
        others = [each for each in form.choices.get("rooms", []) if each not in rooms]
        # The same number of nights costs the same in every room of this world.
        if others and self.dice.random() < 0.85:
            rooms[self.dice.randrange(len(rooms))] = self.dice.choice(others)
        else:
            page = self._open(f"{path}?shift={self.dice.choice((-1, 1))}")
            form = page.keyed if page else None
        if form is not None and form.value("quoted"):
            wish = {"rooms": rooms, "checkIn": form.value("check_in")}
            fields = form.fill(rooms=rooms)
            self._perform("move", booking, path, fields, key=form.value("key"), wish=wish)

    def _block(self) -> None:
        """Blocks rooms that the form calls free."""
        category = self.dice.choice(world.CATEGORIES)
        first, nights = self.dice.randrange(world.NIGHTS), self.dice.choice((1, 1, 2))
        dates = {
            "first": world.night(first),
            "end": str(date.fromisoformat(world.night(first)) + timedelta(days=nights)),
        }
        room = self.dice.choice(category.rooms)
        page = self._open(f"{BLOCKS}add/?{urlencode({**dates, 'rooms': room})}")
        form = page.keyed if page else None
        if form is None:
            return
        # Some look what is free, some do not. Of two rooms both are blocked, or none.
        rooms = [each for each in form.choices.get("rooms", []) if each not in form.taken]
        if len(rooms) < 2 or self.dice.random() < 0.2:
            rooms = list(category.rooms)
        rooms = self.dice.sample(rooms, self.dice.choice((1, 1, 1, 2)))
        wish = {**dates, "rooms": rooms}
        fields = form.fill(rooms=rooms, reason="Repair")
        self._perform("block", "", f"{BLOCKS}add/", fields, key=form.value("key"), wish=wish)

    def _unblock(self) -> None:
        block = self.dice.choice(self._blocks)
        if not self.sending.is_in_doubt(block):
            self._cancel_record("unblock", BLOCKS, block)

    def _cancel(self) -> None:
        booking = self._pick("cancel", "pending", "confirmed")
        if booking:
            self._cancel_record("cancel", STAYS, booking)

    def _cancel_record(self, kind: str, records: str, record: str) -> None:
        path = f"{records}{record}/cancel/"
        page = self._open(path)
        form = page.keyed if page else None
        if form is not None:
            fields = form.fill(reason=f"Reason {self.dice.randrange(1000)}")
            key = keys.make_key(self.caller, "cancel", record)
            self._perform(kind, record, path, fields, key=key)

    def _confirm(self) -> None:
        """Confirms a hold as its page shows it."""
        booking = self._pick("confirm", "pending")
        page = self._open(f"{STAYS}{booking}/change/") if booking else None
        path = f"{STAYS}{booking}/confirm/"
        form = page.form_to(path) if page else None
        if booking and form is not None:
            key = keys.make_key(self.caller, "confirm", booking)
            self._perform("confirm", booking, path, form.fields, key=key)

    def _welcome(self) -> None:
        """Books for a guest who stands at the desk and stays tonight."""
        today = datetime.now(UTC).date()
        found = self._open_new(check_in=str(today), check_out=str(today + timedelta(days=1)))
        if found is None:
            return
        path, form = found
        guest = self._details()
        fields = _for_guest(form, guest)
        operation = self._perform(
            "book", "", path, fields, key=form.value("key"), wish={"guest": guest}
        )
        if operation.answer:
            self._walk_ins.append(operation.answer["id"])

    def _mark(self) -> None:
        """Sets a mark on a walk-in, or takes one back; cancels it where that is possible."""
        booking = self.dice.choice(self._walk_ins)
        if self.sending.is_in_doubt(booking):
            return
        page = self._open(f"{STAYS}{booking}/change/")
        path = f"/admin/desk/mark/{booking}/"
        form = page.form_to(path) if page else None
        if page is None:
            return
        if form is None or (self.dice.random() < 0.2 and f"{STAYS}{booking}/cancel/" in page.links):
            self._walk_ins.remove(booking)
            self._cancel_record("cancel", STAYS, booking)
            return
        mark = self.dice.choice([value for name, value in form.buttons if name == "mark"])
        fields = form.fill(mark=mark, release=[])
        key = f"{mark}-{form.value('key')}"
        self._perform("mark", booking, path, fields, key=key, wish={"mark": mark})

    def _open_new(self, **dates: str) -> tuple[str, Form] | None:
        """The form for a new booking, with a price, and its path."""
        category = self.dice.choice(world.CATEGORIES)
        if not dates:
            first = self.dice.randrange(world.NIGHTS)
            nights = self.dice.choice((1, 1, 2))
            arrival = date.fromisoformat(world.night(first))
            dates = {"check_in": str(arrival), "check_out": str(arrival + timedelta(days=nights))}
        what = {"room": self.dice.choice(category.rooms)}
        if self.dice.random() < 0.4:
            what = {"category": category.id}
        path = f"{STAYS}add/?{urlencode({**what, **dates, 'guests': self.dice.choice((1, 2))})}"
        page = self._open(path)
        form = page.keyed if page else None
        return (path, form) if form is not None and form.value("quoted") else None

    # --- Sending --------------------------------------------------------------------------------

    def _open(self, path: str) -> Page | None:
        """The page at a path, if it can be had. Errors are faults of the site."""
        status, page = self._browser.open(path)
        if status >= 500 and status != 503:
            self.found.append(Violation(NO_ERRORS, f"{self.name}: GET {path} answered {status}"))
        return page if status == 200 else None

    def _perform(self, kind: str, target: str, path: str, *given: Any, **more: Any) -> Operation:
        operation = self._begin(kind, target, path, *given, **more)
        self.sending.perform(operation)
        return operation

    def _begin(
        self,
        kind: str,
        target: str,
        path: str,
        fields: list[tuple[str, str]],
        *,
        key: str,
        wish: dict[str, Any] | None = None,
    ) -> Operation:
        operation = self.history.begin(
            client=self.name,
            caller=self.caller,
            kind=kind,
            key=key,
            target=target,
            wish=wish or {},
        )
        self._sent[operation.number] = Sent(path, fields)
        # What an earlier form was told is no answer to this one.
        self._browser.jar.drop(MESSAGES)
        return operation

    def _attempt(self, operation: Operation, tab: Browser, patience_s: float) -> Attempt:
        sent = self._sent[operation.number]
        if operation.kind == "edit":
            note_keys(operation, sent.fields, self.secrets())
        attempt = Attempt(began_s=time.time())
        operation.attempts.append(attempt)
        reply = tab.send(sent.path, sent.fields, patience_s=patience_s)
        if reply is not None:
            self._read(operation, attempt, tab, reply, sent.path)
        attempt.ended_s = attempt.ended_s or time.time()
        return attempt

    def _read(
        self, operation: Operation, attempt: Attempt, tab: Browser, reply: Reply, path: str
    ) -> None:
        """Writes down what a form was answered."""
        ended_s, page = time.time(), page_of(reply, path)
        if reply.status not in (302, 303):
            attempt.status, attempt.ended_s = reply.status, ended_s
            if reply.status >= 500:
                attempt.code = code_of_outage(reply)
            elif page is not None:
                attempt.code, attempt.problem = _refusal_on(page.sentences("error"))
            return
        path = follow(path, reply)
        if operation.kind in SHOWN_AGAIN:
            if found := RECORD.match(path):
                attempt.status, attempt.is_success, attempt.ended_s = reply.status, True, ended_s
                operation.answer = operation.answer or {"id": found[1]}
            return
        # The message says how it went. Without the next page, nothing is known.
        status, page = tab.open(path)
        if status >= 500 and status != 503:
            self.found.append(Violation(NO_ERRORS, f"{self.name}: GET {path} answered {status}"))
        said = [each for each in page.said if each[0] != "info"] if page else []
        if not said:
            return
        attempt.status, attempt.ended_s = reply.status, ended_s
        level, sentence = said[0]
        if level == "error" and DONE_BEFORE not in sentence:
            attempt.code, attempt.problem = _refusal_on([sentence])
            return
        attempt.is_success = True
        operation.answer = operation.answer or {"id": operation.target}

    def _forget(self, operation: Operation) -> None:
        """Drops the form of an operation that is not sent again."""
        self._sent.pop(operation.number, None)

    def _learn(self, operation: Operation) -> None:
        if operation.answer and operation.kind == "block":
            if operation.answer["id"] not in self._blocks:
                self._blocks.append(operation.answer["id"])
        elif operation.kind == "unblock" and operation.target in self._blocks:
            self._blocks.remove(operation.target)

    def _details(self) -> dict[str, str]:
        number = self.dice.getrandbits(32)
        return {"name": f"Guest {number:08x}", "email": f"g{number:08x}@example.org"}


def _for_guest(form: Form, guest: dict[str, str], **more: str) -> list[tuple[str, str]]:
    """The form of a new booking, filled in for a guest."""
    return form.fill(guest_name=guest["name"], guest_email=guest["email"], **more)


def _refusal_on(sentences: list[str]) -> tuple[str, str]:
    """The code of what the admin says in words, and the words."""
    said = " ".join(sentences)
    for sentence, code in PASSING_SENTENCES.items():
        if sentence in said:
            return code, said
    return "REFUSED", said
