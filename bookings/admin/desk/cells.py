"""The grid's table as HTML. For a month of sixty rooms a template takes three times as long, and
the desk looks at this page all day.

There are up to two thousand cells, so each says little: its link is relative to the page and leads
on from there, and its name is that of its row and column.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import count

from django.utils.dates import MONTHS_3, WEEKDAYS_ABBR
from django.utils.safestring import SafeString, mark_safe

from bookings.admin.desk.grid import LOOKS, MOVABLE_LOOKS, GridCell, GridRow, Section
from bookings.availability.occupancy import Occupant
from bookings.catalogue.inventory import CategoryFacts
from bookings.domain.booking import BLOCK

SATURDAY = 5

# The id of the text that the names of free nights begin with.
VERB_ID = "b"

_UNSOLD = '<td class="unsold"><span class="visually-hidden">Not for sale</span></td>'


@dataclass(frozen=True)
class MayDo:
    """What the user may do from the grid."""

    open_blocks: bool
    move: bool
    book: bool
    block: bool

    @property
    def use_free_nights(self) -> bool:
        """Whether free nights lead anywhere."""
        return self.book or self.block


def render_nights(nights: Sequence[date], today: date) -> SafeString:
    """The headings of the columns."""
    headings = [
        _night(number, night, is_today=night == today) for number, night in enumerate(nights)
    ]
    return mark_safe("".join(headings))


def _night(number: int, night: date, *, is_today: bool) -> str:
    looks = ("today" if is_today else "") + (" weekend" if night.weekday() >= SATURDAY else "")
    unseen = '<span class="visually-hidden">, today</span>' if is_today else ""
    day, month = WEEKDAYS_ABBR[night.weekday()], str(MONTHS_3[night.month]).title()
    # The blanks are for those who hear this as the name of a cell.
    text = f"{day} <br><b>{night.day}</b> <br>{month}{unseen}"
    return f'\n      <th scope="col" id="d{number}" class="{looks}">{text}</th>'


def render_sections(
    sections: Iterable[Section], may: MayDo
) -> list[tuple[CategoryFacts, SafeString]]:
    """The rows of each section, without its heading."""
    numbers = count()
    return [
        (
            section.category,
            mark_safe("".join(_row(next(numbers), row, may) for row in section.rows)),
        )
        for section in sections
    ]


def _row(number: int, row: GridRow, may: MayDo) -> str:
    off_sale = "" if row.room.is_sold else "<small> not for sale</small>"
    heading = f'<th scope="row" id="r{number}">{escape(row.room.name)}{off_sale}</th>'
    room = escape(row.room.id)
    return f'\n    <tr data-room="{room}">{heading}{_cells(number, row, may)}</tr>'


def _cells(number: int, row: GridRow, may: MayDo) -> str:
    free_from = f'<td class="free"><a href="{escape(row.room.id)}/'
    free_named = f'/" aria-labelledby="{VERB_ID} r{number} d'
    can_be_used = may.use_free_nights
    cells = []
    column = 0
    for cell in row.cells:
        if cell.occupant:
            cells.append(_bar(cell, cell.occupant, may))
        elif not row.room.is_sold:
            cells.append(_UNSOLD)
        elif cell.is_past or not can_be_used:
            cells.append("<td></td>")
        else:
            cells.append(f'{free_from}{cell.day}{free_named}{column}"></a></td>')
        column += cell.span
    return "".join(cells)


def _bar(cell: GridCell, who: Occupant, may: MayDo) -> str:
    looks = f"bar {cell.look}"
    if cell.begins_before:
        looks += " cut-start"
    if cell.ends_after:
        looks += " cut-end"
    text = escape(cell.text)
    if cell.look != "booked":
        text = f"<i>{LOOKS[cell.look]}: </i>{text}"
    if who.kind == BLOCK and not may.open_blocks:
        inside = f"<span>{text}</span>"
    elif may.move and cell.look in MOVABLE_LOOKS:
        # With the version, so that a bar shown before the latest change moves nothing.
        inside = f'<a href="{who.id}/" data-v="{who.version}">{text}</a>'
    else:
        inside = f'<a href="{who.id}/">{text}</a>'
    wide = f' colspan="{cell.span}"' if cell.span > 1 else ""
    return f'<td{wide} class="{looks}">{inside}</td>'
