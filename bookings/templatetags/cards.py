"""Tables that are cards on a telephone: `{% for cell in row|labelled:headers %}`."""

from collections.abc import Iterable, Iterator
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

register = template.Library()

_LABEL = "data_label"
_BOX, _END = '<td class="action-checkbox">', "</td>"


@register.filter
def labelled(
    cells: Iterable[SafeString], headers: Iterable[dict[str, Any]]
) -> Iterator[SafeString]:
    """The cells of a row of a list, each with the name of its column for static/admin.css.

    Django writes a cell whole, so its opening `<td` or `<th` gets the attribute. The box that
    chooses a row gets no name of a column but a label around it, which a finger can hit. A list has
    a thousand cells, so the attribute is made once for each column, and kept with its header.
    """
    for cell, header in zip(cells, headers, strict=False):
        if cell.startswith(_BOX):
            box = cell.removeprefix(_BOX).removesuffix(_END)
            yield mark_safe(f"{_BOX}<label>{box}</label>{_END}")
        else:
            if _LABEL not in header:
                header[_LABEL] = format_html(' data-label="{}"', capfirst(header["text"]))
            yield mark_safe(f"{cell[:3]}{header[_LABEL]}{cell[3:]}")
