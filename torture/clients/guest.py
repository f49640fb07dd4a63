"""A guest: searches, holds, confirms, corrects, changes and cancels on the site's own pages.

Some have an account, others are known to the site by a cookie. Most send forms as the pages' script
does, some as a browser without scripts.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.utils.crypto import salted_hmac

from idempotency import keys
from torture import world
from torture.clients.pages import (
    SESSION,
    Browser,
    Form,
    Page,
    code_of_outage,
    follow,
    json_of,
    page_of,
)
from torture.clients.sending import Reply, Sending
from torture.history import Attempt, History, Operation
from torture.judging.invariants import NO_ERRORS, OTHERS
from torture.judging.violations import Violation

MOST_BOOKINGS = 5
MOST_STASHED = 20

BOOKING = re.compile(r"/bookings/([0-9a-f]{24})")

COOKIE, MESSAGES = "guest", "messages"


@dataclass
class Sent:
    """What an operation sends, again and again."""

    path: str
    fields: list[tuple[str, str]]
    is_scripted: bool = False


@dataclass
class Guest:
    """A visitor of the site's pages, on a thread of its own.

    `log_in` gives a session of their account, if they have one. `caller` is who the site takes them
    for; that of a visitor without an account is known once the site has given them a cookie.
    `secrets` are the site's keys, from which it makes those of corrections.
    """

    name: str
    log_in: Callable[[], str] | None
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
        jar, log_in = self._browser.jar, self.log_in
        if log_in is not None:
            jar.come_back = lambda: jar.cookies.update({SESSION: log_in()})
            jar.come_back()
        self.sending = Sending(
            self._browser,
            dice=self.dice,
            another=self._browser.another_tab,
            attempt=self._attempt,
            learn=self._learn,
            forget=self._forget,
        )
        self._sent: dict[int, Sent] = {}
        self._bookings: list[str] = []
        # Forms of results that were opened before, as on pages behind Back.
        self._stashed: list[Form] = []
        # The wishes of which a request was lost, and may act at any time.
        self._lost: set[tuple[str, ...]] = set()

    # --- What they do ---------------------------------------------------------------------------

    def act(self) -> None:
        """Begins something new."""
        if self.dice.random() < 0.1:
            self._look()
            return
        free = [each for each in self._bookings if not self.sending.is_in_doubt(each)]
        if free and (len(self._bookings) >= MOST_BOOKINGS or self.dice.random() < 0.65):
            self._go_on_with(self.dice.choice(free))
        elif self._stashed and self.dice.random() < 0.3:
            self._hold(self.dice.choice(self._stashed), with_details=self.dice.random() < 0.5)
        else:
            self._search()

    def _search(self) -> None:
        """Looks what is free, and holds it."""
        hotel = self.dice.choice(world.HOTELS)
        first = self.dice.randrange(world.NIGHTS)
        nights = min(self.dice.choice((1, 1, 1, 2, 3)), world.NIGHTS - first)
        query = {
            "hotel": hotel,
            "arrival": world.night(first),
            "departure": str(date.fromisoformat(world.night(first)) + timedelta(days=nights)),
            "guests": self.dice.choice((1, 2)),
            "rooms": self.dice.choice((1, 1, 1, 1, 2)),
        }
        page = self._open(f"/stays?{urlencode(query)}")
        if page is None:
            return
        if not self.caller:
            guest_id = self._browser.jar.cookies.get(COOKIE, "").partition(":")[0]
            self.caller = f"guest:{guest_id}" if guest_id else ""
        forms = [form for form in page.forms if form.action == "/hold"]
        if not forms or not self.caller:
            return
        self._stashed += forms
        del self._stashed[:-MOST_STASHED]
        self._hold(self.dice.choice(forms))

    def _hold(self, form: Form, *, with_details: bool = False) -> None:
        """Holds what a form offers, perhaps again, and perhaps with details typed before."""
        guest = self._details()
        fields = form.fill(**guest) if with_details else form.fields
        wish = {"guest": guest} if with_details else {}
        self._perform("hold", "", "/hold", fields, wish=wish, key=form.value("key"))

    def _go_on_with(self, booking: str) -> None:
        """Opens the page of a booking, and presses one of its buttons."""
        path = f"/bookings/{booking}"
        page = self._open(path)
        if page is None:
            return
        form = page.form_to(f"{path}/confirm")
        can_cancel = page.form_to(f"{path}/cancel")
        if form is not None:
            may = {
                "confirm": 5.0,
                "extend": 2.5 * (f"{path}/extend" in form.targets),
                "cancel": 1.0 * bool(can_cancel),
                "change": 1.5 * (f"{path}/change" in page.links),
                "again": (0.3 if can_cancel else 4.0) * ("/hold" in form.targets),
            }
        elif can_cancel is not None:
            may = {
                "details": 3.0 * (f"{path}/details" in page.links),
                "change": 2.0 * (f"{path}/change" in page.links),
                "cancel": 2.0,
            }
        else:
            self._bookings.remove(booking)
            return
        what = self.dice.choices(list(may), list(may.values()))[0]
        if what == "cancel":
            assert can_cancel is not None
            key = keys.make_key(self.caller, "cancel", booking)
            self._perform(what, booking, f"{path}/cancel", can_cancel.fields, key=key)
        elif what == "change":
            self._change(booking)
        elif what == "details":
            self._correct(booking)
        elif form is not None:
            self._press(what, booking, form)

    def _press(self, what: str, booking: str, form: Form) -> None:
        """A button of the form that a hold's page has."""
        path = f"/bookings/{booking}"
        if what == "extend":
            # As the page makes it, so that two clicks count as one.
            key = f"page:extend:{form.value('shown_end')}"
            self._perform(what, booking, f"{path}/extend", form.fields, key=key)
            return
        wish, fields = self._fill_in(what, form)
        path = "/hold" if what == "again" else f"{path}/confirm"
        kind, target = ("hold", "") if what == "again" else (what, booking)
        self._perform(kind, target, path, fields, wish=wish, key=form.value("key"))

    def _fill_in(self, what: str, form: Form) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The wish and the fields of a hold's form: with other details, or with those it has."""
        held, began = json.loads(form.value("shown"))
        if not (held == began and held[0] and held[1]) or self.dice.random() < 0.8:
            guest = self._details()
            return {"guest": guest}, form.fill(**guest)
        if what == "again":
            return {"guest": {"name": form.value("name")}}, form.fields
        # A form that is sent as it was asks for no other guest than the present one.
        return {}, form.fields

    def _change(self, booking: str) -> None:
        """Asks what other dates would cost, and takes them."""
        path = f"/bookings/{booking}/change"
        first = self.dice.randrange(world.NIGHTS - 1)
        last = min(first + self.dice.choice((1, 1, 2)), world.NIGHTS)
        stay = {"arrival": world.night(first), "departure": world.night(last)}
        form_page = self._open(path)
        asking = form_page.form_to(path) if form_page else None
        if asking is None:
            return
        categories = asking.choices.get("category", [])
        if categories:
            stay["category"] = self.dice.choice([asking.value("category"), *categories])
        page = self._open(f"{path}?{urlencode(stay)}")
        form = next((each for each in page.forms if each.value("total")), None) if page else None
        if form is not None:
            wish = {"checkIn": stay["arrival"], "checkOut": stay["departure"]}
            self._perform("change", booking, path, form.fields, wish=wish, key=form.value("key"))

    def _correct(self, booking: str) -> None:
        """Corrects the details on a booking."""
        path = f"/bookings/{booking}/details"
        page = self._open(path)
        form = page.form_to(path) if page else None
        if form is None:
            return
        guest = self._details()
        seen_name = json.loads(form.value("seen"))[0]
        self._perform(
            "details",
            booking,
            path,
            form.fill(**guest),
            wish={"guest": guest, "seen": seen_name},
            key=form.value("key"),
        )

    def _look(self) -> None:
        """Looks at their list, or at what must be hidden from them."""
        if self.others and self.dice.random() < 0.5:
            path = f"/bookings/{self.dice.choice(self.others)}"
            status, _ = self._browser.open(path)
            if status not in (0, 404, 503):
                self.found.append(Violation(OTHERS, f"{self.name} saw another's: {path}: {status}"))
            return
        page = self._open("/bookings")
        if page is not None and self.caller:
            listed = {found[1] for link in page.links if (found := BOOKING.fullmatch(link))}
            self.seen_lists.append((time.time(), sorted(listed)))

    # --- Sending --------------------------------------------------------------------------------

    def _open(self, path: str) -> Page | None:
        """The page at a path, if it can be had. Errors are faults of the site."""
        status, page = self._browser.open(path)
        if status >= 500 and status != 503:
            self.found.append(Violation(NO_ERRORS, f"{self.name}: GET {path} answered {status}"))
        return page if status == 200 else None

    def _perform(
        self,
        kind: str,
        target: str,
        path: str,
        fields: list[tuple[str, str]],
        *,
        key: str,
        wish: dict[str, Any] | None = None,
    ) -> None:
        operation = self.history.begin(
            client=self.name,
            caller=self.caller,
            kind=kind,
            key=key,
            target=target,
            wish=wish or {},
        )
        self._sent[operation.number] = Sent(path, fields, self.dice.random() < 0.6)
        # What an earlier form was told is no answer to this one.
        self._browser.jar.drop(MESSAGES)
        self.sending.perform(operation)

    def _attempt(self, operation: Operation, tab: Browser, patience_s: float) -> Attempt:
        sent = self._sent[operation.number]
        if operation.kind == "details":
            note_keys(operation, sent.fields, self.secrets())
        attempt = Attempt(began_s=time.time())
        operation.attempts.append(attempt)
        reply = tab.send(
            sent.path, sent.fields, is_scripted=sent.is_scripted, patience_s=patience_s
        )
        if reply is not None:
            self._read(operation, attempt, tab, reply)
        attempt.ended_s = attempt.ended_s or time.time()
        if not attempt.status and operation.kind == "hold":
            self._lost.add(_intent_of(sent.fields))
        return attempt

    def _read(self, operation: Operation, attempt: Attempt, tab: Browser, reply: Reply) -> None:
        """Writes down what a form was answered."""
        ended_s, path = time.time(), self._sent[operation.number].path
        told, page = json_of(reply), page_of(reply, path)
        if reply.status >= 500 and code_of_outage(reply):
            attempt.status, attempt.code = reply.status, "TRY_AGAIN"
        elif told is not None and "location" in told:
            self._arrive(operation, attempt, tab, follow_to(told["location"]), ended_s)
            return
        elif told is not None and "code" in told:
            attempt.status, attempt.code = reply.status, told["code"]
        elif told is not None:
            # A hold that was extended says until when.
            self._succeed(operation, attempt, reply.status, operation.target, told)
        elif reply.status in (302, 303):
            self._arrive(operation, attempt, tab, follow(path, reply), ended_s)
            return
        elif reply.status == 429:
            attempt.status, attempt.code = 429, "THROTTLED"
        elif operation.kind == "extend" and reply.status == 200 and page:
            self._succeed(operation, attempt, 200, operation.target, _hold_on(page))
        else:
            attempt.status = reply.status
            attempt.code = _code_on(page) if page and reply.status < 500 else ""
            attempt.problem = " ".join(page.sentences("error") or [page.title]) if page else ""
        attempt.ended_s = ended_s

    def _arrive(
        self, operation: Operation, attempt: Attempt, tab: Browser, path: str, ended_s: float
    ) -> None:
        """Reads the page to which an answer leads. If that cannot be had, nothing is known."""
        status, page = tab.open(path)
        if status >= 500 and status != 503:
            self.found.append(Violation(NO_ERRORS, f"{self.name}: GET {path} answered {status}"))
        if page is None or status not in (200, 400):
            return
        attempt.ended_s = ended_s
        found = BOOKING.fullmatch(page.path)
        if found is None:
            attempt.status, attempt.code = 302, _code_on(page)
            attempt.problem = " ".join(page.sentences("error"))
        elif operation.kind != "hold":
            self._succeed(operation, attempt, 302, found[1], {"id": found[1]})
        else:
            self._be_held(operation, attempt, page, found[1])

    def _be_held(self, operation: Operation, attempt: Attempt, page: Page, booking: str) -> None:
        """Notes a hold under the key that its page has, which may be another than the form's.

        If what a form's key made has ended, the site takes the form as a new wish, and its answer
        belongs to the next key.
        """
        form = page.form_to(f"/bookings/{booking}/confirm")
        key = form.value("key") if form else ""
        if booking not in self._bookings:
            self._bookings.append(booking)
        if key != operation.key:
            operation.attempts.remove(attempt)
            operation.given_up = True
            if not key:
                return
            # A lost request may have made this hold, with what was typed then.
            is_unclear = _intent_of(self._sent[operation.number].fields) in self._lost
            operation = self.history.begin(
                client=self.name,
                caller=operation.caller,
                kind="hold",
                key=key,
                target="",
                wish={"is_unclear": True} if is_unclear else operation.wish,
            )
            operation.attempts.append(attempt)
        self._succeed(operation, attempt, 302, booking, _hold_on(page))

    def _succeed(
        self,
        operation: Operation,
        attempt: Attempt,
        status: int,
        booking: str,
        told: dict[str, Any],
    ) -> None:
        attempt.status, attempt.is_success = status, True
        if operation.answer is None:
            operation.answer = {**told, "id": booking}

    # --- What they know -------------------------------------------------------------------------

    def _forget(self, operation: Operation) -> None:
        """Drops the form of an operation that is not sent again."""
        self._sent.pop(operation.number, None)

    def _learn(self, operation: Operation) -> None:
        """Forgets what was cancelled; the rest shows when the page is opened."""
        if operation.kind == "cancel" and operation.answer and operation.target in self._bookings:
            self._bookings.remove(operation.target)

    def _details(self) -> dict[str, str]:
        number = self.dice.getrandbits(32)
        return {"name": f"Guest {number:08x}", "email": f"g{number:08x}@example.org"}


def _intent_of(fields: list[tuple[str, str]]) -> tuple[str, ...]:
    """What is held, whatever the guest's details: forms of one intent have one key at a time."""
    form = dict(fields)
    names = ("hotel", "category", "arrival", "departure", "guests", "rooms")
    return tuple(form.get(name, "") for name in names)


def note_keys(operation: Operation, fields: list[tuple[str, str]], secrets: list[str]) -> None:
    """Gives a correction the keys that the site makes of its form, by each of its secrets."""
    form = dict(fields)
    typed: list[object] = [form.get(name, "") for name in ("name", "email", "phone", "notes")]
    if "language" in form:
        typed += [form["language"], "tell" in form]
    for secret in secrets:
        key = key_of_correction(form["key"], typed, secret)
        if key not in operation.more_keys:
            operation.more_keys.append(key)


def key_of_correction(key: str, typed: list[object], secret: str) -> str:
    """As bookings/stays/corrections.py makes it, with this secret."""
    salt, said = "bookings.corrections", keys.canonical(typed)
    digest = salted_hmac(salt, said, secret=secret, algorithm="sha256").hexdigest()
    return f"{key}:{digest[:32]}"


def follow_to(location: str) -> str:
    """The path to which the pages' script is sent."""
    return follow("/", Reply(302, {"location": location}, b""))


def _hold_on(page: Page) -> dict[str, Any]:
    """What a hold's page says about its end."""
    ends = next((form.value("shown_end") for form in page.forms if form.value("shown_end")), "")
    return {"expiresAt": ends} if ends else {}


def _code_on(page: Page) -> str:
    """The code of the refusal that a page says in words."""
    codes = codes_by_sentence()
    found = [codes[said] for said in page.sentences("error") if said in codes]
    return found[-1] if found else "REFUSED"


@cache
def codes_by_sentence() -> dict[str, str]:
    """The codes of the guests' sentences, in English."""
    if not settings.configured:
        settings.configure(USE_I18N=False)
    from bookings.web import messages

    tables = [
        table
        for name, table in vars(messages).items()
        if name.endswith("SENTENCES") and isinstance(table, dict)
    ]
    return {str(sentence): code for table in tables for code, sentence in table.items()}
