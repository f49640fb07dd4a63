"""The grid's cells as HTML. For a month of sixty rooms a template takes three times as long, and
the desk looks at this page all day."""

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from django.utils.safestring import SafeString, mark_safe

from bookings.admin.desk.grid import LOOKS, GridCell, GridRow
from bookings.availability.occupancy import Occupant
from bookings.domain.booking import BLOCK

_UNSOLD = '<td class="unsold"><span class="visually-hidden">Not for sale</span></td>'


@dataclass(frozen=True)
class DeskUrls:
    """The pages that cells link to: the lists of bookings and blocks, and the form that books. A
    URL is empty if the user may not open its page."""

    bookings: str
    blocks: str
    add: str


def render_cells(row: GridRow, urls: DeskUrls) -> SafeString:
    """The cells of the row, without its heading."""
    if urls.add:
        link = escape(f"{urls.add}?{urlencode({'room': row.room.id})}&check_in=")
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
            night = cell.night.isoformat()
            cells.append(f'{free_until}{night}{free_from}{night}"></a></td>')
    return mark_safe("".join(cells))


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
