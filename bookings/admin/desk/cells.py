"""The grid's table as HTML. For a month of sixty rooms a template takes three times as long, and
the desk looks at this page all day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from urllib.parse import quote_plus

from django.utils.dates import MONTHS_3, WEEKDAYS_ABBR
from django.utils.safestring import SafeString, mark_safe

from bookings.admin.desk.grid import LOOKS, GridCell, GridRow
from bookings.availability.occupancy import Occupant
from bookings.domain.booking import BLOCK

SATURDAY = 5

_UNSOLD = '<td class="unsold"><span class="visually-hidden">Not for sale</span></td>'


@dataclass(frozen=True)
class DeskUrls:
    """The pages that cells link to: the lists of bookings and blocks, and the form that books. A
    URL is empty if the user may not open its page."""

    bookings: str
    blocks: str
    add: str


def render_nights(nights: Sequence[date], today: date) -> SafeString:
    """The headings of the columns."""
    return mark_safe("".join(_night(night, is_today=night == today) for night in nights))


def _night(night: date, *, is_today: bool) -> str:
    looks = ("today" if is_today else "") + (" weekend" if night.weekday() >= SATURDAY else "")
    unseen = '<span class="visually-hidden">, today</span>' if is_today else ""
    day, month = WEEKDAYS_ABBR[night.weekday()], str(MONTHS_3[night.month]).title()
    text = f"{day}<br><b>{night.day}</b><br>{month}{unseen}"
    return f'\n      <th scope="col" class="{looks}">{text}</th>'


def render_rows(rows: Iterable[GridRow], urls: DeskUrls) -> SafeString:
    """The rows of a section, without its heading."""
    return mark_safe("".join(_row(row, urls) for row in rows))


def _row(row: GridRow, urls: DeskUrls) -> str:
    off_sale = "" if row.room.is_sold else "<small> not for sale</small>"
    heading = f'<th scope="row">{escape(row.room.name)}{off_sale}</th>'
    return f"\n    <tr>{heading}{_cells(row, urls)}</tr>"


def _cells(row: GridRow, urls: DeskUrls) -> str:
    if urls.add:
        link = escape(f"{urls.add}?room={quote_plus(row.room.id)}&check_in=")
        free_until = f'<td class="free"><a href="{link}'
        free_from = f'" aria-label="Book {escape(row.room.name)} from '
    cells = []
    for cell in row.cells:
        if cell.occupant:
            cells.append(_bar(cell, cell.occupant, urls))
        elif not row.room.is_sold:
            cells.append(_UNSOLD)
        elif cell.is_past or not urls.add:
            cells.append("<td></td>")
        else:
            cells.append(f'{free_until}{cell.day}{free_from}{cell.day}"></a></td>')
    return "".join(cells)


def _bar(cell: GridCell, who: Occupant, urls: DeskUrls) -> str:
    looks = f"bar {cell.look}"
    if cell.begins_before:
        looks += " cut-start"
    if cell.ends_after:
        looks += " cut-end"
    text = escape(cell.text)
    if cell.look != "booked":
        text = f'<span class="visually-hidden">{LOOKS[cell.look]}: </span>{text}'
    title = f"{who.reference}, {who.check_in.isoformat()} to {who.check_out.isoformat()}"
    if who.kind != BLOCK:
        title += f", {who.guests} guest{'' if who.guests == 1 else 's'}"
    list_url = urls.blocks if who.kind == BLOCK else urls.bookings
    if list_url:
        inside = f'<a href="{list_url}{who.id}/change/" title="{escape(title)}">{text}</a>'
    else:
        inside = f'<span title="{escape(title)}">{text}</span>'
    return f'<td colspan="{cell.span}" class="{looks}">{inside}</td>'
