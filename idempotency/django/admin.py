"""The page that looks up a key, for staff with the permission to view idempotency keys."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse

from idempotency.django import lookup
from idempotency.django.models import IdempotencyKey
from idempotency.errors import InvalidKey, UnknownCaller


class LookUpForm(forms.Form):
    key = forms.CharField(label="Key or digest", max_length=600)
    caller = forms.CharField(required=False)
    operation = forms.CharField(required=False)
    target = forms.CharField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        caller = f"The owner of the key: {lookup.help_on('caller')}. Not needed for a digest."
        self.fields["caller"].help_text = caller
        self.fields["operation"].help_text = f"The operation: {lookup.help_on('operation')}."
        self.fields["target"].help_text = f"{lookup.help_on('target')}.".capitalize()

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if "key" in values:
            try:
                values["digest"] = lookup.read_digest(
                    values["key"],
                    caller=values.get("caller", ""),
                    operation=values.get("operation", ""),
                    target=values.get("target", ""),
                )
            except InvalidKey as error:
                self.add_error("key", str(error))
            except UnknownCaller as error:
                self.add_error("caller", str(error))
        return values


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(admin.ModelAdmin):
    """One page with a form, in place of Django's list."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name="idempotency_idempotencykey_changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = LookUpForm(request.GET or None, initial={"operation": lookup.default_operation()})
        finding, effect_url = None, ""
        if form.is_bound and form.is_valid():
            finding = lookup.look_up(
                form.cleaned_data["digest"], target=form.cleaned_data["target"]
            )
            effect_url = _admin_url(finding.effect)
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": "Look up an idempotency key",
            "opts": self.opts,
            "form": form,
            "finding": finding,
            "effect_url": effect_url,
        }
        return TemplateResponse(request, "admin/idempotency/look_up.html", context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _admin_url(effect: lookup.Effect | None) -> str:
    """The URL of the effect in the admin, or "" if its model is not registered there."""
    if effect is None:
        return ""
    try:
        return reverse(f"admin:{effect.model.replace('.', '_')}_change", args=[effect.pk])
    except NoReverseMatch:
        return ""
