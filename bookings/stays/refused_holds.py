"""How many holds a hotel's limits refused in the last day, for the admin's first page.

Counted in Redis by the hour, and lost with it: the count decides nothing.
"""

from datetime import timedelta

from bookings.infrastructure import clock, throttles

HOURS = 24

_KEPT_S = (HOURS + 1) * 3600


def note(hotel_id: str) -> None:
    """Counts a hold that a limit has just refused."""
    throttles.count_in_all(_names(hotel_id)[0], kept_s=_KEPT_S)


def count(hotel_id: str) -> int:
    """The number of the last HOURS hours, the present one included; 0 while Redis is down."""
    return throttles.total_of(_names(hotel_id))


def _names(hotel_id: str) -> list[str]:
    """The names of the hotel's counts, the present hour's first."""
    now = clock.now()
    return [
        f"refused-holds:{hotel_id}:{now - timedelta(hours=ago):%Y%m%d%H}" for ago in range(HOURS)
    ]
