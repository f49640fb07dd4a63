"""Judging the body of `POST /api/bookings`: shapes, types and bounds, all without other data."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import ValidationError as InvalidText

from bookings.domain.email_addresses import normalise_address
from bookings.infrastructure.texts import (
    BadText,
    is_plain_line,
    on_one_line,
    read_line,
    read_lines,
)
from bookings.refusals import Fault, MalformedJson, ValidationFailed

MAX_NIGHTS = 90
MAX_GUESTS = 100
MAX_ROOMS = 10
# Each slot is an entry of the unique index, and a booking writes all its slots at once.
MAX_SLOTS = 300
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

# Every JSON reader keeps integers exact up to here. No stay costs as much in any currency.
MAX_TOTAL = 2**53 - 1

FIELDS = (
    "userId",
    "resourceId",
    "categoryId",
    "rooms",
    "date",
    "checkIn",
    "checkOut",
    "guests",
    "hold",
    "guest",
    "notes",
    "quotedTotal",
)
# A price that staff agreed with the guest; in no body that partners or guests send.
AGREED_FIELD = "agreedPrice"
AGREED_FIELDS = ("total", "currency", "reason")
CHANGE_FIELDS = ("checkIn", "checkOut", "categoryId", "quotedTotal")
SEEN_FIELDS = ("checkIn", "checkOut", "quotedTotal", "resourceIds")
ROOM_FIELDS = ("categoryId", "guests")
GUEST_FIELDS = {"name": 200, "email": 254, "phone": 40}
MAX_NOTES = 2000
MAX_USER_ID = 128
# The reason that staff give for a price or for cancelling.
MAX_REASON = 200


@dataclass(frozen=True)
class Guest:
    """The details of the person to expect at the desk. Only the booking keeps them."""

    name: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True)
class RoomWish:
    """One room of a stay: a certain room, or any room of a category.

    `field` is its place in the body, for faults that are found later.
    """

    field: str
    guests: int
    room: str | None = None
    category: str | None = None


@dataclass(frozen=True)
class AgreedPrice:
    """The total in minor units for which staff sell a stay, whatever the calendar says, and why."""

    total: int
    currency: str
    reason: str


@dataclass(frozen=True)
class StayRequest:
    """A request for rooms for the nights in [check_in, check_out)."""

    rooms: tuple[RoomWish, ...]
    check_in: date
    check_out: date
    user_id: str | None = None
    hold: bool = False
    guest: Guest = Guest()
    notes: str = ""
    quoted_total: int | None = None
    agreed: AgreedPrice | None = None

    @property
    def asked_total(self) -> int | None:
        """The only total at which the stay is wanted; None means any."""
        return self.agreed.total if self.agreed else self.quoted_total

    @property
    def guests(self) -> int:
        """The number of guests in all rooms together."""
        return sum(wish.guests for wish in self.rooms)

    @property
    def booked(self) -> dict[str, Any]:
        """The parts from which a server-made key is derived.

        A `date` gives the same as its stay of one night, and the order of the rooms does not
        matter. A hold and a booking are different wishes: a request to book must not be answered
        with a hold.
        """
        first = self.rooms[0]
        what: dict[str, Any]
        if first.room is not None:
            what = {"resourceId": first.room}
        elif len(self.rooms) == 1:
            what = {"categoryId": first.category}
        else:
            what = {"rooms": sorted(wish.category or "" for wish in self.rooms)}
        return {
            **what,
            "checkIn": self.check_in.isoformat(),
            "checkOut": self.check_out.isoformat(),
            "hold": self.hold,
        }


@dataclass(frozen=True)
class ChangeWish:
    """The nights in [check_in, check_out) that a booking should have instead, all its rooms in this
    category or, with None, each in its own; and the total that the client showed for that."""

    check_in: date
    check_out: date
    category: str | None
    quoted_total: int


@dataclass(frozen=True)
class SeenStay:
    """The stay as the confirming caller has seen it; None for what the confirmation leaves out."""

    check_in: date | None = None
    check_out: date | None = None
    total: int | None = None
    rooms: tuple[str, ...] | None = None


def judge_payload(payload: Any, *, may_reprice: bool = False) -> StayRequest:
    """Reads the received JSON. Raises MalformedJson if it is no object, and ValidationFailed with
    all faults. The field AGREED_FIELD exists only for callers who may sell at another price."""
    if not isinstance(payload, dict):
        raise MalformedJson
    reader = _Reader(payload, (*FIELDS, AGREED_FIELD) if may_reprice else FIELDS)
    check_in, check_out = _read_dates(reader)
    guest = reader.object("guest", tuple(GUEST_FIELDS))
    request = StayRequest(
        rooms=_read_rooms(reader),
        check_in=check_in,
        check_out=check_out,
        user_id=reader.label("userId", MAX_USER_ID) or None,
        hold=reader.boolean("hold"),
        guest=Guest(**{name: guest.line(name, length) for name, length in GUEST_FIELDS.items()}),
        notes=reader.lines("notes", MAX_NOTES),
        quoted_total=reader.integer("quotedTotal", 0, MAX_TOTAL),
        agreed=_read_agreed(reader) if reader.has(AGREED_FIELD) else None,
    )
    if request.guest.email:
        try:
            address = normalise_address(request.guest.email)
        except InvalidText:
            reader.fault("guest.email", "This must be an e-mail address.")
        else:
            request = replace(request, guest=replace(request.guest, email=address))
    # A single room reaches the limit on nights before this one.
    if len(request.rooms) > 1 and len(request.rooms) * (check_out - check_in).days > MAX_SLOTS:
        reader.fault("rooms", f"A booking can have at most {MAX_SLOTS} nights in all its rooms.")
    if reader.faults:
        raise ValidationFailed(reader.faults)
    return request


def judge_change(payload: Any) -> ChangeWish:
    """Reads the JSON received with a change of a stay. Raises MalformedJson if it is no object, and
    ValidationFailed with all faults."""
    if not isinstance(payload, dict):
        raise MalformedJson
    reader = _Reader(payload, CHANGE_FIELDS)
    check_in, check_out = reader.date("checkIn"), reader.date("checkOut")
    category = reader.id("categoryId") if reader.has("categoryId") else None
    total = reader.integer("quotedTotal", 0, MAX_TOTAL)
    if not reader.has("quotedTotal"):
        reader.fault("quotedTotal", "This is required.")
    if check_in and check_out:
        reader.faults += judge_length(check_in, check_out)
    if reader.faults:
        raise ValidationFailed(reader.faults)
    assert check_in, "what is missing is a fault"
    assert check_out, "what is missing is a fault"
    assert total is not None, "what is missing is a fault"
    return ChangeWish(check_in, check_out, category, total)


def judge_seen(payload: Any) -> SeenStay:
    """Reads the JSON received with a confirmation. Raises MalformedJson if it is no object, and
    ValidationFailed with all faults."""
    if not isinstance(payload, dict):
        raise MalformedJson
    reader = _Reader(payload, SEEN_FIELDS)
    seen = SeenStay(
        check_in=reader.date("checkIn") if reader.has("checkIn") else None,
        check_out=reader.date("checkOut") if reader.has("checkOut") else None,
        total=reader.integer("quotedTotal", 0, MAX_TOTAL),
        rooms=reader.ids("resourceIds", MAX_ROOMS) if reader.has("resourceIds") else None,
    )
    if reader.faults:
        raise ValidationFailed(reader.faults)
    return seen


def read_seen_field(text: str) -> Any:
    """Parses the stay that a form sends back as its page showed it. Raises MalformedJson."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJson from error


def judge_guest(guest: Guest, notes: str) -> tuple[Guest, str]:
    """The guest's details and notes from a page or from staff, as they are stored.

    Raises ValidationFailed.
    """
    reader = _Reader({**asdict(guest), "notes": notes}, (*GUEST_FIELDS, "notes"))
    judged = Guest(**{name: reader.line(name, length) for name, length in GUEST_FIELDS.items()})
    kept = reader.lines("notes", MAX_NOTES)
    if reader.faults:
        raise ValidationFailed(reader.faults)
    return judged, kept


def _read_agreed(reader: "_Reader") -> AgreedPrice | None:
    """The agreed price; None if it is wrong."""
    agreed = reader.object(AGREED_FIELD, AGREED_FIELDS)
    before = len(reader.faults)
    if not agreed.has("total"):
        agreed.fault("total", "This is required.")
    if reader.has("quotedTotal"):
        agreed.fault("total", "Send either this or quotedTotal.")
    total = agreed.integer("total", 0, MAX_TOTAL)
    currency = agreed.line("currency", 3)
    reason = agreed.line("reason", MAX_REASON).strip()
    if not reason and len(reader.faults) == before:
        agreed.fault("reason", "Say why the price is another one.")
    if total is None or len(reader.faults) > before:
        return None
    return AgreedPrice(total, currency, reason)


def _read_rooms(reader: "_Reader") -> tuple[RoomWish, ...]:
    """`resourceId` is a certain room, `categoryId` any room of a category, `rooms` several."""
    named = [name for name in ("resourceId", "categoryId", "rooms") if reader.has(name)]
    if len(named) != 1:
        field = named[0] if named else "resourceId"
        reader.fault(field, "Send exactly one of resourceId, categoryId and rooms.")
        return ()
    if named == ["rooms"]:
        if reader.has("guests"):
            reader.fault("guests", "Send the number of guests with each entry of rooms instead.")
        entries = reader.objects("rooms", ROOM_FIELDS, MAX_ROOMS)
        return tuple(
            RoomWish(
                field=f"rooms[{number}].categoryId",
                category=entry.id("categoryId"),
                guests=entry.integer("guests", 1, MAX_GUESTS, default=1) or 1,
            )
            for number, entry in enumerate(entries)
        )
    guests = reader.integer("guests", 1, MAX_GUESTS, default=1) or 1
    if named == ["resourceId"]:
        return (RoomWish(field="resourceId", room=reader.id("resourceId"), guests=guests),)
    return (RoomWish(field="categoryId", category=reader.id("categoryId"), guests=guests),)


def _read_dates(reader: "_Reader") -> tuple[date, date]:
    """`date` is a stay of one night. Without it both ends are required."""
    never = date.min
    if reader.has("date"):
        if reader.has("checkIn") or reader.has("checkOut"):
            reader.fault("date", "Send either date, or checkIn and checkOut.")
        night = reader.date("date")
        return (night, night + timedelta(days=1)) if night else (never, never)
    if not reader.has("checkIn") and not reader.has("checkOut"):
        reader.fault("date", "Send date, or checkIn and checkOut.")
        return never, never
    check_in, check_out = reader.date("checkIn"), reader.date("checkOut")
    if not check_in or not check_out:
        return never, never
    reader.faults += judge_length(check_in, check_out)
    return check_in, check_out


def judge_length(check_in: date, check_out: date) -> list[Fault]:
    """The faults in the order or number of these days."""
    if check_out <= check_in:
        return [Fault("checkOut", "Check-out must be after check-in.")]
    if (check_out - check_in).days > MAX_NIGHTS:
        return [Fault("checkOut", f"A stay can have at most {MAX_NIGHTS} nights.")]
    return []


def parse_date(text: str) -> date | None:
    """The calendar day in a text of the form YYYY-MM-DD, or None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # The last day of the calendar has no next day for a check-out.
    return day if day < date.max else None


class _Reader:
    """Takes typed values out of one JSON object and collects its faults."""

    def __init__(
        self,
        values: dict[str, Any],
        known: tuple[str, ...],
        prefix: str = "",
        faults: list[Fault] | None = None,
    ) -> None:
        self._values = values
        self._prefix = prefix
        self.faults: list[Fault] = [] if faults is None else faults
        for name in values:
            if name not in known:
                shown = on_one_line(name[:64]) or "?"
                self.fault(shown, "There is no such field.")

    def has(self, name: str) -> bool:
        """Whether the object has this field, even with the value null."""
        return name in self._values

    def fault(self, name: str, message: str) -> None:
        """Adds a fault. The field's name is completed to its path in the body."""
        self.faults.append(Fault(self._prefix + name, message))

    def line(self, name: str, max_length: int) -> str:
        return self._text(name, max_length, read_line)

    def lines(self, name: str, max_length: int) -> str:
        return self._text(name, max_length, read_lines)

    def label(self, name: str, max_length: int) -> str:
        """A partner's own id, kept as it came or refused; "" if there is none."""
        text = self._text(name, max_length, str)
        if self.has(name) and self._values[name] == "":
            self.fault(name, "This must not be empty.")
        elif not is_plain_line(text):
            self.fault(name, "This must be one line without control or invisible characters.")
            return ""
        return text

    def _text(self, name: str, max_length: int, read: Callable[[str], str]) -> str:
        if not self.has(name):
            return ""
        value = self._values[name]
        if not isinstance(value, str):
            self.fault(name, "This must be text.")
        elif len(value) > max_length:
            self.fault(name, f"This must have at most {max_length} characters.")
        else:
            try:
                return read(value)
            except BadText as bad:
                self.fault(name, str(bad))
        return ""

    def id(self, name: str) -> str:
        """A required id; "" if it is missing or wrong."""
        if not self.has(name):
            self.fault(name, "This is required.")
            return ""
        value = self._values[name]
        if not isinstance(value, str) or not ID.fullmatch(value):
            self.fault(name, "This must be 1 to 64 letters, digits, _ or -.")
            return ""
        return value

    def ids(self, name: str, most: int) -> tuple[str, ...]:
        """A list of 1 to `most` ids."""
        values = self._values[name]
        is_list = isinstance(values, list) and 1 <= len(values) <= most
        if not is_list or not all(isinstance(each, str) and ID.fullmatch(each) for each in values):
            self.fault(name, f"This must be a list of 1 to {most} ids.")
            return ()
        return tuple(values)

    def date(self, name: str) -> date | None:
        """A required date; None if it is missing or wrong."""
        if not self.has(name):
            self.fault(name, "This is required.")
            return None
        value = self._values[name]
        day = parse_date(value) if isinstance(value, str) else None
        if day is None:
            self.fault(name, "This must be a date that exists, written YYYY-MM-DD.")
        return day

    def integer(
        self, name: str, least: int, most: int, *, default: int | None = None
    ) -> int | None:
        if not self.has(name):
            return default
        value = self._values[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fault(name, f"This must be a whole number from {least} to {most}.")
            return default
        return value

    def boolean(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            self.fault(name, "This must be true or false.")
            return False
        return value

    def object(self, name: str, known: tuple[str, ...]) -> "_Reader":
        """A reader for an optional object, which adds its faults to this reader's."""
        value = self._values.get(name, {})
        if not isinstance(value, dict):
            self.fault(name, "This must be an object.")
            value = {}
        return _Reader(value, known, f"{self._prefix}{name}.", self.faults)

    def objects(self, name: str, known: tuple[str, ...], most: int) -> list["_Reader"]:
        """Readers for a list of 1 to `most` objects, which add their faults to this reader's."""
        values = self._values[name]
        if not isinstance(values, list) or not 1 <= len(values) <= most:
            self.fault(name, f"This must be a list of 1 to {most} objects.")
            return []
        readers = []
        for number, value in enumerate(values):
            prefix = f"{self._prefix}{name}[{number}]"
            if not isinstance(value, dict):
                self.faults.append(Fault(prefix, "This must be an object."))
                value = {}
            readers.append(_Reader(value, known, f"{prefix}.", self.faults))
        return readers
