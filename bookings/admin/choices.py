"""Choices in staff forms: hotels, and free categories and rooms with their prices."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from bookings.availability.search import CategoryStay
from bookings.catalogue.inventory import HotelFacts, RoomFacts, find_rooms_named
from bookings.domain.booking import BookedRoom, Price
from bookings.domain.money import format_money
from bookings.front_desk.move_options import RoomOption

Option = tuple[str, str]
Group = tuple[str, list[Option]]

NOTHING: Option = ("", "---------")
NOT_FREE = "Not free for these dates"


class RoomsSelect(forms.Widget):
    """A select for each room of a booking, in order, all under one field name."""

    positions: Sequence[tuple[str, Sequence[Group]]] = ()
    # The hotel whose rooms can be chosen.
    hotel = ""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        chosen = read_ids(value or "")
        lists = []
        for number, (label, groups) in enumerate(self.positions):
            room = chosen[number] if number < len(chosen) else ""
            here = {**(attrs or {}), "aria-label": label}
            if number:
                here["id"] = f"{here.get('id', name)}_{number}"
            if room and all(room != key for _, options in groups for key, _ in options):
                here["aria-invalid"] = "true"
            select = forms.Select(attrs=here, choices=with_chosen(groups, room, names=self._names))
            lists.append(select.render(name, room, renderer=renderer))
        return mark_safe("".join(lists))

    def _names(self, room_ids: Iterable[str]) -> dict[str, str]:
        return room_names_at(self.hotel, room_ids)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        found = data.getlist(name) if hasattr(data, "getlist") else [data.get(name, "")]
        return "\n".join(found)


class RoomPicker(forms.Widget):
    """A checkbox for each room of a hotel, by category."""

    # The rooms of each category as (id, name, remark).
    groups: Sequence[tuple[str, Sequence[tuple[str, str, str]]]] = ()

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        chosen = set(read_ids(value or ""))
        identity = (attrs or {}).get("id", name)
        numbers = count()
        groups = [
            format_html(
                "<fieldset><legend>{}</legend>{}</fieldset>",
                category,
                format_html_join(
                    "",
                    '<label><input type="checkbox" name="{}" value="{}" id="{}_{}"{}> {}{}</label>',
                    (
                        (
                            *(name, room, identity, next(numbers)),
                            mark_safe(" checked") if room in chosen else "",
                            called,
                            format_html(" <small>{}</small>", remark) if remark else "",
                        )
                        for room, called, remark in rooms
                    ),
                ),
            )
            for category, rooms in self.groups
        ]
        return format_html(
            '<div id="{}" class="desk-picker" data-offer>{}</div>',
            identity,
            mark_safe("".join(groups)) or "This hotel has no rooms for sale.",
        )

    def id_for_label(self, id_: str) -> str:
        """No single checkbox has the field's label."""
        return ""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        found = data.getlist(name) if hasattr(data, "getlist") else [data.get(name, "")]
        return "\n".join(found)


def read_ids(text: str) -> list[str]:
    """Reads ids separated by commas, blanks or line breaks."""
    return re.findall(r"[^,\s]+", text)


def with_chosen(
    groups: Iterable[Group], chosen: str, *, names: Callable[[Iterable[str]], dict[str, str]]
) -> list[Group | Option]:
    """The choices, preceded by the chosen value if they lack it. `names` finds names by id."""
    listed = list(groups)
    if not chosen or any(chosen == key for _, options in listed for key, _ in options):
        return [*listed]
    return [(NOT_FREE, [(chosen, names([chosen]).get(chosen, chosen))]), *listed]


def room_names_at(hotel_id: str, room_ids: Iterable[str]) -> dict[str, str]:
    """The names of those of these rooms that are at the hotel, by their ids."""
    return {room.id: room.name for room in find_rooms_named(room_ids, [hotel_id])}


def hotel_options(hotels: Iterable[HotelFacts]) -> list[Option]:
    """The hotels as (id, name)."""
    return [(hotel.id, hotel.name) for hotel in hotels]


def category_options(stays: Iterable[CategoryStay]) -> list[Option]:
    """The categories with a room to book, each with the price of one room."""
    return [
        (stay.category.id, f"{_priced(stay)}, {stay.rooms_left} free")
        for stay in stays
        if not stay.obstacles
    ]


def room_groups(stays: Iterable[CategoryStay]) -> list[Group]:
    """The free rooms, grouped by category."""
    return [(_priced(stay), _rooms(stay.free)) for stay in stays if not stay.obstacles]


def move_groups(options: Iterable[RoomOption], booked: BookedRoom, now: Price) -> list[Group]:
    """The rooms by category, each category with the change in the booking's price."""
    groups: dict[str, Group] = {}
    for option in options:
        label = f"{option.category.name}: {_difference(option.total - now.total, now.currency)}"
        group = groups.setdefault(option.category.id, (label, []))
        group[1].append(
            (option.room.id, _name(option.room, is_its_own=option.room.id == booked.room))
        )
    return list(groups.values())


def _priced(stay: CategoryStay) -> str:
    assert stay.price is not None, "what can be booked has a price"
    return f"{stay.category.name}, {format_money(stay.price.total, stay.price.currency)}"


def _rooms(rooms: Iterable[RoomFacts]) -> list[Option]:
    return [(room.id, _name(room)) for room in rooms]


def _name(room: RoomFacts, *, is_its_own: bool = False) -> str:
    return room.name + (", current room" if is_its_own else "")


def compare_prices(now: Price, then: Price) -> str:
    """Both prices and the difference, as a sentence."""
    before, after = (format_money(each.total, each.currency) for each in (now, then))
    change = _difference(then.total - now.total, now.currency)
    return f"Price now {before}, then {after} ({change})."


def _difference(amount: int, currency: str) -> str:
    if amount == 0:
        return "same price"
    return f"{format_money(abs(amount), currency)} {'more' if amount > 0 else 'less'}"
