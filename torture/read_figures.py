"""Prints the manager's figures as JSON: by hotel and night, rooms sold and blocked, and revenue.

Runs as a program of the site.
"""

import json
from datetime import date

import django


def main() -> None:
    django.setup()
    from bookings.front_desk.figures import read_figures
    from torture import world

    first, last = (date.fromisoformat(world.night(n)) for n in (0, world.NIGHTS - 1))
    said = {}
    for hotel in world.HOTELS:
        figures = read_figures(hotel, first, last)
        for day in figures.days():
            count = figures.of_day(day)
            said[f"{hotel} {day}"] = [count.sold, count.blocked, count.revenue]
    print(json.dumps(said))  # noqa: T201


if __name__ == "__main__":
    main()
