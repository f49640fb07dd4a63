"""The cells of a list with the names of their columns."""

from __future__ import annotations

from django.utils.safestring import mark_safe

from bookings.templatetags.cards import labelled

BOX = mark_safe('<td class="action-checkbox"><input type="checkbox"></td>')
CHOICE = {"text": mark_safe("<input>"), "class_attrib": ' class="action-checkbox-column"'}


def test_names_each_cell_and_wraps_the_box_in_a_label() -> None:
    cells = [BOX, mark_safe('<th class="field-name"><a>Ada</a></th>'), mark_safe("<td>2</td>")]

    assert list(labelled(cells, [CHOICE, {"text": "name"}, {"text": "guests"}])) == [
        '<td class="action-checkbox"><label><input type="checkbox"></label></td>',
        '<th data-label="Name" class="field-name"><a>Ada</a></th>',
        '<td data-label="Guests">2</td>',
    ]


def test_escapes_the_name_of_a_column() -> None:
    assert list(labelled([mark_safe("<td></td>")], [{"text": 'a "b" <c>'}])) == [
        '<td data-label="A &quot;b&quot; &lt;c&gt;"></td>'
    ]
