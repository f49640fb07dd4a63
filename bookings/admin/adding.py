"""Adding an object that someone else may add at the same moment."""

from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse


class AddsOnce(admin.ModelAdmin):
    """Reports an id that someone else added between the check of the form and the insert."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Inserts, since a plain save would overwrite an object that got the same id meanwhile."""
        obj.save(force_insert=not change)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            try:
                return super().changeform_view(request, object_id, form_url, extra_context)
            except IntegrityError:
                # Judged once more, the form finds the other one, and keeps what was typed.
                return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            text = "Someone else has just added this; look for it in the list."
            self.message_user(request, text, messages.ERROR)
            meta = self.opts
            return HttpResponseRedirect(
                reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
            )
