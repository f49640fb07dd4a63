"""The lists to choose from: time zones by region, and currencies."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bookings.catalogue.time_zones import zones_by_region
from bookings.domain import currencies, money
from bookings.models import valid_currency


def test_lists_every_zone_once_by_region_and_country() -> None:
    regions = zones_by_region()
    zones = [zone for each in regions.values() for zone, _ in each]

    assert len(zones) == len(set(zones)) > 400
    for zone in zones:
        ZoneInfo(zone)
    assert ("Europe/Berlin", "Berlin, Germany") in regions["Europe"]
    assert ("America/Argentina/Salta", "Salta, Argentina") in regions["America"]
    assert ("Asia/Singapore", "Singapore") in regions["Asia"]
    assert regions["Europe"] == sorted(regions["Europe"], key=lambda zone: zone[1])
    assert regions["Other"] == [("UTC", "UTC")]


def test_names_currencies_that_a_hotel_can_have() -> None:
    for code, name in currencies.NAMES.items():
        valid_currency(code)
        assert name
    special = f"{money.WITHOUT_DIGITS} {money.WITH_THREE_DIGITS}".split()
    # The unit of account UYI is no money.
    assert set(special) - {"UYI"} <= currencies.NAMES.keys()
