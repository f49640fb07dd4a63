"""What forms with prices have in common: nights become free of charge only if that is confirmed."""

from typing import Any

from django import forms
from django.utils.functional import cached_property

from bookings.catalogue.nights import ALLOW_FREE, tell_free


class AsksBeforeFree(forms.ModelForm):
    """A form that is refused once where nights would cost nothing; then a box to tick is shown."""

    allow_free = forms.BooleanField(
        label="Free of charge", required=False, widget=forms.HiddenInput
    )

    def ask_about_free(self, text: str = "") -> None:
        """Refuses the form and shows the box."""
        self.fields[ALLOW_FREE].widget = forms.CheckboxInput()
        self.add_error(ALLOW_FREE, f"{text or tell_free()} Tick this box if that is meant.")

    def is_free_unasked(self, *fields: str) -> bool:
        """Whether one of these fields was changed and the box was not ticked."""
        changed = set(fields).intersection(self.changed_data)
        return bool(changed) and not self.cleaned_data.get(ALLOW_FREE)

    @cached_property
    def changed_data(self) -> Any:
        """Of the object; the box is no field of it."""
        return [name for name in super().changed_data if name != ALLOW_FREE]
