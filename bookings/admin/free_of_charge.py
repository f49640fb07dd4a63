"""Forms with prices make nights free of charge only after a confirmation."""

from typing import Any

from django import forms
from django.utils.functional import cached_property

from bookings.catalogue.nights import ALLOW_FREE, tell_free


def show_free_box(form: forms.BaseForm, text: str) -> None:
    """Refuses the form, and shows its box that allows what is free."""
    form.fields[ALLOW_FREE].widget = forms.CheckboxInput()
    form.add_error(ALLOW_FREE, f"{text} Tick this box if you want that.")


class AsksBeforeFree(forms.ModelForm):
    """Refuses nights at a price of 0 until staff tick a box, which is shown with the refusal."""

    allow_free = forms.BooleanField(
        label="Free of charge", required=False, widget=forms.HiddenInput
    )

    def ask_about_free(self, text: str = "") -> None:
        """Refuses the form and shows the box."""
        show_free_box(self, text or tell_free())

    def is_free_unasked(self, *fields: str) -> bool:
        """Whether one of these fields was changed and the box was not ticked."""
        changed = set(fields).intersection(self.changed_data)
        return bool(changed) and not self.cleaned_data.get(ALLOW_FREE)

    @cached_property
    def changed_data(self) -> Any:
        """The object's changed fields; the box is not one of them."""
        return [name for name in super().changed_data if name != ALLOW_FREE]
