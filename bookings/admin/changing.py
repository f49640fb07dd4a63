"""Changing an object that someone else may change or delete at the same moment."""

from typing import Any

from django.contrib import messages
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from bookings.admin.adding import AddsOnce


class Overtaken(Exception):
    """Someone else changed this while you were saving; look at it and make your change again."""


class PartOfNothing(Exception):
    """The object that this belongs to has been deleted, so nothing was saved."""


class ChangesWhatWasSeen(AddsOnce):
    """Writes only the changed fields, and only if the object still has all the values that the form
    was judged with. A plain save writes every field and compares none."""

    # The foreign key to the object that this one is part of, if that one can be deleted meanwhile.
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
        unchanged = [_is(name, value) for name, value in condition.items()]
        if values and not this.filter(*unchanged).update(**values):
            raise Overtaken
        if self.whole in values:
            self._look_for_whole(obj, undo=lambda: this.update(**{self.whole: before[self.whole]}))

    def values_beside(self, obj: Any, values: dict[str, Any]) -> dict[str, Any]:
        """Further values to write together with these."""
        return {}

    def condition_beside(self, obj: Any) -> dict[str, Any]:
        """Further values that must be unchanged for the write."""
        return {}

    def _look_for_whole(self, obj: Any, undo: Any) -> None:
        """Checks after the write that the whole still exists; if not, undoes the write and raises
        PartOfNothing.

        A deletion of the whole looks for parts after it has deleted, so at least one of the two
        sees the other.
        """
        if not self.whole:
            return
        wholes: Any = self.opts.get_field(self.whole).related_model
        if not wholes._default_manager.filter(pk=getattr(obj, f"{self.whole}_id")).exists():
            undo()
            raise PartOfNothing

    def read_again(self, request: HttpRequest) -> None:
        """Lets the request read its objects again (bookingsite/admin_site.py)."""

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
            is_second = request.__dict__.setdefault("_overtaken_by", refusal) is not refusal
            if isinstance(refusal, Overtaken) and not is_second:
                # From the start: the form is compared with what is there now, and shown again.
                self.read_again(request)
                return self.changeform_view(request, object_id, form_url, extra_context)
            self.message_user(request, str(refusal.__doc__), messages.ERROR)
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
            if object_id is None:
                return HttpResponseRedirect(reverse(f"{name}_changelist"))
            return HttpResponseRedirect(reverse(f"{name}_change", args=[object_id]))


def _is(name: str, value: Any) -> Q:
    """The condition that a field has this value. A row of a release before may lack a field that
    holds a document, and is then shown as an empty one."""
    condition = Q(**{name: value})
    return condition | Q(**{f"{name}__isnull": True}) if value == {} else condition


def _is_field(obj: Model, name: str) -> bool:
    return name in {field.name for field in obj._meta.concrete_fields}
