"""Moments by the clock of a hotel or of the reader, in the reader's language."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _


def at_hotel(moment: datetime, time_zone: str) -> datetime:
    """The moment as the hotel's clock shows it: without a zone, so that a template converts it
    to no other one."""
    return moment.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)


def time_text(moment: datetime, time_zone: str) -> str:
    """`14:35`, by the hotel's clock."""
    return date_format(at_hotel(moment, time_zone), _("H:i"))


def moment_text(moment: datetime, time_zone: str) -> str:
    """`Mon 30 Nov 2026, 14:35`, by the hotel's clock."""
    day = date_format(at_hotel(moment, time_zone), "DATE_FORMAT")
    return f"{day}, {time_text(moment, time_zone)}"


def zoned_text(moment: datetime) -> str:
    """`Mon 30 Nov 2026, 14:35 CET`, by the clock that the reader's pages show."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
