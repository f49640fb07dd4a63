"""The clock by which the admin shows moments: that of the user's hotels, if they share a time zone,
otherwise UTC. Whatever shows a moment names the zone."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from django.http import HttpRequest

from bookings.admin.own_hotels import list_recent_own


def zone_of(request: HttpRequest) -> tzinfo:
    """The time zone of the user's hotels."""
    zones = {hotel.time_zone for hotel in list_recent_own(request)}
    return ZoneInfo(zones.pop()) if len(zones) == 1 else UTC
