"""The forms of the team's pages."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import Group

from bookings.admin.setup.forms import AddressField
from bookings.infrastructure.texts import LineField
from bookings.people.colleagues import ROLES
from bookings.people.staff_hotels import Hotels
from bookings.people.team import TeamMember

ALL, SOME = "all", "some"


class WorksAt(forms.Form):
    """All hotels, or some of them."""

    where = forms.ChoiceField(
        label="Works at",
        choices=[(ALL, "All hotels, with those to come"), (SOME, "Some hotels")],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose all hotels, or some of them."},
    )
    hotels = forms.MultipleChoiceField(
        label="Only these hotels",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self, *args: Any, names_of_hotels: Iterable[tuple[str, str]], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        chooser = self.fields["hotels"]
        assert isinstance(chooser, forms.MultipleChoiceField)
        chooser.choices = list(names_of_hotels)

    def clean(self) -> None:
        chosen = self.cleaned_data.get("hotels")
        if self.cleaned_data.get("where") == SOME and not chosen and "hotels" not in self.errors:
            self.add_error("hotels", "Choose at least one hotel.")
        if self.cleaned_data.get("where") == ALL and chosen:
            self.add_error("hotels", "Choose “Some hotels” to limit the person to these.")

    @property
    def asked_hotels(self) -> Hotels:
        """The hotels that the valid form asks for."""
        data = self.cleaned_data
        return None if data["where"] == ALL else frozenset(data["hotels"])


class PersonForm(WorksAt):
    """A person's roles and hotels."""

    roles = forms.MultipleChoiceField(
        required=False,
        choices=lambda: [
            (name, name.capitalize())
            for name in Group.objects.order_by("name").values_list("name", flat=True)
        ],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "There is no role %(value)s any more."},
    )
    field_order = ("roles", "where", "hotels")

    def __init__(self, member: TeamMember, data: Any = None, **options: Any) -> None:
        initial = {
            "roles": list(member.roles),
            "where": ALL if member.hotels is None else SOME,
            "hotels": sorted(member.hotels or ()),
        }
        super().__init__(data, initial=initial, **options)

    def asks_for(self, member: TeamMember) -> bool:
        """Whether the valid form asks for what the person has already."""
        is_same = set(self.cleaned_data["roles"]) == set(member.roles)
        return is_same and self.asked_hotels == member.hotels


class InviteForm(WorksAt):
    """A colleague to invite."""

    name = LineField(
        required=False, max_length=150, widget=forms.TextInput(attrs={"class": "vTextField"})
    )
    address = AddressField(
        label="E-mail",
        error_messages={"required": "Write the e-mail address of your colleague."},
    )
    role = forms.ChoiceField(choices=[(role, role.capitalize()) for role in ROLES])
    field_order = ("name", "address", "role", "where", "hotels")
