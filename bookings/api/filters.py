"""The query parameters of the API, checked; each unknown or wrong one is a VALIDATION_ERROR."""

import re
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from bson import ObjectId
from bson.errors import InvalidId
from rest_framework.request import Request

from bookings.catalogue import inventory
from bookings.domain.callers import Caller
from bookings.domain.stay_request import ID, MAX_USER_ID, parse_date
from bookings.infrastructure.texts import is_plain_line
from bookings.refusals import Fault, ValidationFailed
from bookings.stays.own_bookings import ChangedCursor, read_changed_cursor

# A moment as RFC 3339 writes it.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Filters:
    """Checked query parameters; unknown ones are refused, not ignored."""

    def __init__(
        self, request: Request, *known: str, otherwise: str = "There is no such filter."
    ) -> None:
        self._values = request.query_params
        unknown = [name for name in self._values if name not in known]
        if unknown:
            raise ValidationFailed([Fault(name[:64], otherwise) for name in unknown])

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not 0 < len(value) <= MAX_USER_ID or not is_plain_line(value):
            text = f"This must be one line of 1 to {MAX_USER_ID} visible characters."
            raise ValidationFailed([Fault(name, text)])
        return value

    def id(self, name: str, *, required: bool = False) -> Any:
        value = self._values.get(name)
        if value is None and required:
            raise ValidationFailed([Fault(name, "This is required.")])
        if value is not None and not ID.fullmatch(value):
            raise ValidationFailed([Fault(name, "This must be 1 to 64 letters, digits, _ or -.")])
        return value

    def night(self, name: str, *, required: bool = False) -> Any:
        value = self._values.get(name)
        if value is None:
            if required:
                raise ValidationFailed([Fault(name, "This is required.")])
            return None
        day = parse_date(value)
        if day is None:
            raise ValidationFailed(
                [Fault(name, "This must be a date that exists, written YYYY-MM-DD.")]
            )
        return day

    def month(self, name: str) -> date:
        """The first day of a month written YYYY-MM."""
        first = parse_date(f"{self._values.get(name, '')}-01")
        # No month follows the December of the calendar's last year.
        if first is None or (first.year, first.month) == (date.max.year, 12):
            raise ValidationFailed([Fault(name, "This must be a month written YYYY-MM.")])
        return first

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self._values.get(name)
        if value is not None and value not in choices:
            raise ValidationFailed([Fault(name, f"This must be one of {', '.join(choices)}.")])
        return value

    def object_id(self, name: str) -> ObjectId | None:
        value = self._values.get(name)
        try:
            return None if value is None else ObjectId(value)
        except InvalidId:
            raise ValidationFailed(
                [Fault(name, "Send the cursor from `next` unchanged.")]
            ) from None

    def changed_cursor(self, name: str) -> ChangedCursor | None:
        value = self._values.get(name)
        cursor = None if value is None else read_changed_cursor(value)
        if value is not None and cursor is None:
            raise ValidationFailed([Fault(name, "Send the cursor from `next` unchanged.")])
        return cursor

    def moment(self, name: str) -> datetime:
        """A moment with its offset from UTC, as in RFC 3339."""
        text = self._values.get(name, "")
        try:
            moment = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
            # Outside these years there is no such moment in UTC.
            return moment.astimezone(UTC) if moment else self._no_moment(name)
        except (ValueError, OverflowError):
            return self._no_moment(name)

    def _no_moment(self, name: str) -> NoReturn:
        text = "This must be a moment such as 2027-02-15T09:30:00.000Z."
        raise ValidationFailed([Fault(name, text)])

    def number(self, name: str, least: int, most: int, *, default: int) -> int:
        value = self._values.get(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 10) or not (
            least <= int(value) <= most
        ):
            raise ValidationFailed([Fault(name, f"This must be a number from {least} to {most}.")])
        return int(value)


def hotel_for(caller: Caller, hotel_id: str | None) -> str:
    """The hotel that the caller names or means. Raises ValidationFailed if the caller may not know
    of it."""
    if hotel_id is None:
        hotel_id = inventory.find_default_hotel(among=caller.hotels)
    if not caller.may_know(hotel_id):
        raise ValidationFailed([Fault("hotelId", "There is no such hotel.")])
    return hotel_id
