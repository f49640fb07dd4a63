"""Changing what another person may change, or delete, in the same moment."""

from typing import Any

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from bookings.admin.adding import AddsOnce


class Overtaken(Exception):
    """Another person changed this while it was saved; look at it, and change it again."""


class PartOfNothing(Exception):
    """What this belongs to is no longer there, so nothing was saved."""


class ChangesWhatWasSeen(AddsOnce):
    """Writes the fields that were changed, and nothing unless all others still are as they were
    when the form was judged: a plain save writes every field, and asks nothing."""

    # The field with what an object is a part of, where that can be deleted in the same moment.
    whole = ""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        before = {name: form.initial.get(name) for name in form.fields if _is_field(obj, name)}
        if not change:
            super().save_model(request, obj, form, change)
            self._look_for_whole(obj, undo=obj.delete)
            return
        this = self.model._default_manager.filter(pk=obj.pk)
        values = {name: form.cleaned_data[name] for name in form.changed_data if name in before}
        values |= self.values_beside(obj, values)
        condition = {**before, **self.condition_beside(obj)}
        if values and not this.filter(**condition).update(**values):
            raise Overtaken
        if self.whole in values:
            self._look_for_whole(obj, undo=lambda: this.update(**{self.whole: before[self.whole]}))

    def values_beside(self, obj: Any, values: dict[str, Any]) -> dict[str, Any]:
        """What else is written with these values."""
        return {}

    def condition_beside(self, obj: Any) -> dict[str, Any]:
        """What else must still be as it was."""
        return {}

    def _look_for_whole(self, obj: Any, undo: Any) -> None:
        """Looks after writing, as the one that deletes looks after deleting: one of the two sees
        the other."""
        if not self.whole:
            return
        wholes: Any = self.opts.get_field(self.whole).related_model
        if not wholes._default_manager.filter(pk=getattr(obj, f"{self.whole}_id")).exists():
            undo()
            raise PartOfNothing

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (Overtaken, PartOfNothing) as refusal:
            self.message_user(request, str(refusal.__doc__), messages.ERROR)
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
            if object_id is None:
                return HttpResponseRedirect(reverse(f"{name}_changelist"))
            return HttpResponseRedirect(reverse(f"{name}_change", args=[object_id]))


def _is_field(obj: Model, name: str) -> bool:
    return name in {field.name for field in obj._meta.concrete_fields}
