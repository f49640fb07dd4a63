"""The time zones to choose from, by region and country."""

from functools import cache
from importlib.resources import files

from bookings.catalogue.countries import country_of


@cache
def zones_by_region() -> dict[str, list[tuple[str, str]]]:
    """Each region with its zones as (name, label), such as `Europe/Berlin` and `Berlin, Germany`.

    The zones are those that the IANA database names for a place, in the order of their labels.
    """
    tables = files("tzdata") / "zoneinfo"
    countries = dict(_rows((tables / "iso3166.tab").read_text()))
    zones = [row[2] for row in _rows((tables / "zone.tab").read_text())]
    regions: dict[str, list[tuple[str, str]]] = {}
    for zone in zones:
        region, _, place = zone.partition("/")
        # America/Argentina/Salta: the last part is the city.
        city = place.rpartition("/")[2].replace("_", " ")
        country = countries.get(country_of(zone), "")
        label = f"{city}, {country}" if country and country != city else city
        regions.setdefault(region, []).append((zone, label))
    found = {name: sorted(regions[name], key=lambda zone: zone[1]) for name in sorted(regions)}
    return {**found, "Other": [("UTC", "UTC")]}


def _rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
