"""The chart of occupancy and revenue, as numbers for an SVG.

The table under it has all of its information, so no one needs to see the chart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from bookings.domain.money import format_money
from bookings.front_desk.figures import RoomCount
from bookings.presentation.days import day_text

# In units of the drawing, which the page scales to its width.
WIDTH, LEFT, RIGHT = 1000, 100, 8
HEIGHT, TOP, BOTTOM = 170, 12, 24

# With more labels, the days would run into each other.
MAX_LABELS = 10

# The part of a night's width that its bar takes.
BAR = 0.8


@dataclass(frozen=True)
class Bar:
    """A night's bar, in units of the drawing; `title` names its day and value."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Tick:
    """A label and its position along its axis, in units of the drawing."""

    at: float
    text: str


@dataclass(frozen=True)
class Panel:
    """One of the two drawings: a bar for each night over lines with labelled values."""

    title: str
    kind: str
    bars: tuple[Bar, ...]
    lines: tuple[Tick, ...]
    days: tuple[Tick, ...]


def draw(by_day: Sequence[tuple[date, RoomCount]], currency: str) -> list[Panel]:
    """A panel with the occupancy in percent, and one with the revenue."""
    occupancy = [(day, count.occupancy or Decimal(0)) for day, count in by_day]
    revenue = [(day, Decimal(count.revenue)) for day, count in by_day]
    highest = max((amount for _, amount in revenue), default=Decimal(0))
    return [
        _panel("Occupancy", "occupancy", occupancy, Decimal(100), lambda value: f"{value:.0f} %"),
        _panel(
            "Revenue",
            "revenue",
            revenue,
            max(highest, Decimal(1)),
            lambda value: format_money(int(value), currency),
        ),
    ]


def _panel(
    title: str,
    kind: str,
    values: Sequence[tuple[date, Decimal]],
    top: Decimal,
    show: Callable[[Decimal], str],
) -> Panel:
    step = (WIDTH - LEFT - RIGHT) / len(values)
    bars = []
    for number, (day, value) in enumerate(values):
        height = round(float(min(value / top, Decimal(1))) * (HEIGHT - TOP - BOTTOM), 1)
        if height:
            bars.append(
                Bar(
                    x=round(LEFT + step * (number + (1 - BAR) / 2), 2),
                    y=round(HEIGHT - BOTTOM - height, 1),
                    width=round(step * BAR, 2),
                    height=height,
                    title=f"{day_text(day)}: {show(value)}",
                )
            )
    lines = [
        Tick(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM) / 2, show(top * part / 2))
        for part in range(3)
    ]
    every = -(-len(values) // MAX_LABELS)
    days = [
        Tick(round(LEFT + step * (number + 0.5), 2), f"{day:%d %b}")
        for number, (day, _) in enumerate(values)
        if number % every == 0
    ]
    return Panel(title, kind, tuple(bars), tuple(lines), tuple(days))
