"""Finds the country of a time zone in the zone list of the IANA database.

The list gives each country zones of its own, even if its clocks agree with a neighbour's.
"""

from functools import cache
from importlib.resources import files

_ZONES = files("tzdata") / "zoneinfo"


@cache
def country_of(time_zone: str) -> str:
    """The country's code (ISO 3166); empty for a zone of no country, such as UTC."""
    countries = _countries()
    return countries.get(time_zone) or countries.get(_current_names().get(time_zone, ""), "")


@cache
def _countries() -> dict[str, str]:
    lines = (_ZONES / "zone.tab").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {row[2]: row[0] for row in rows}


@cache
def _current_names() -> dict[str, str]:
    """The current name of each zone by its earlier names: Asia/Calcutta is now Asia/Kolkata."""
    lines = (_ZONES / "tzdata.zi").read_text().splitlines()
    links = [line.split() for line in lines if line.startswith("L ")]
    return {earlier: current for _, current, earlier in links}
