"""In which country a time zone is, by the list of zones of the IANA database.

Each country has zones of its own in it, also where its clocks go as a neighbour's do.
"""

from functools import cache
from importlib.resources import files

_ZONES = files("tzdata") / "zoneinfo"


@cache
def country_of(time_zone: str) -> str:
    """Its code (ISO 3166); empty for a zone that is no country's, such as UTC."""
    countries = _countries()
    return countries.get(time_zone) or countries.get(_current_names().get(time_zone, ""), "")


@cache
def _countries() -> dict[str, str]:
    lines = (_ZONES / "zone.tab").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {row[2]: row[0] for row in rows}


@cache
def _current_names() -> dict[str, str]:
    """The zones that earlier names stand for: Asia/Calcutta is Asia/Kolkata now."""
    lines = (_ZONES / "tzdata.zi").read_text().splitlines()
    links = [line.split() for line in lines if line.startswith("L ")]
    return {earlier: current for _, current, earlier in links}
