"""The admin site: it limits lookups in URLs of lists, refuses stale forms, and titles its pages."""

import json
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.text import capfirst

# The lookups that a list's filters link to. Django would accept any lookup from the URL:
# `?name__regex=(a+)+$` keeps MongoDB busy, and with `__startswith` or `__gt` people could guess a
# hidden field piece by piece.
FILTER_LOOKUPS = frozenset({"exact", "isnull"})

# More sets of permissions than the staff of a site have.
MAX_APP_LISTS = 100


class AsksByFilters(admin.ModelAdmin):
    """A list whose URL allows only the lookups of its filters; anything else is a 400."""

    # Numbers beside filters would count every booking, however many there are.
    show_facets = admin.ShowFacets.NEVER

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        _field, *rest = lookup.split("__")
        is_of_a_filter = not rest or rest[-1] in FILTER_LOOKUPS
        return is_of_a_filter and super().lookup_allowed(lookup, value, request)


# The hidden field with the digest of the object's values when the form was made.
SHOWN = "shown"

CHANGED_SINCE = (
    "Someone else has changed this while you were editing, and nothing was saved yet. What you "
    "typed is below; save once more to replace theirs. These differ: {}."
)


class _IsStale:
    """A form that refuses what differs from the object. A form that asks for what is there by now,
    since it was sent twice, may go on."""

    def full_clean(self: Any) -> None:
        super().full_clean()  # type: ignore[misc]
        if self.is_bound and self.has_changed():
            shown = [
                str(field.label)
                for field in self.visible_fields()
                if field.name in self.changed_data
            ]
            self.add_error(None, CHANGED_SINCE.format(", ".join(shown)))


class RefusesStaleForms(admin.ModelAdmin):
    """Shows a form again if its object has changed since the form was made. A form writes every
    field that it shows, so the later of two people would undo what the earlier one did."""

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Model | None:
        """Reads the object once for each request, so that the form is made of what is compared."""
        read = request.__dict__.setdefault("_objects_of_forms", {})
        asked = (self.opts.label, object_id, from_field)
        if asked not in read:
            read[asked] = super().get_object(request, object_id, from_field)
        return read[asked]

    def read_again(self, request: HttpRequest) -> None:
        """Lets the request read its objects again: one was changed while its form was judged."""
        request.__dict__.pop("_objects_of_forms", None)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **options)
        is_stale = request.__dict__.get("_is_stale", False)
        return type(form.__name__, (_IsStale, form), {}) if is_stale else form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        if obj is None or not self.has_change_permission(request, obj):
            return super().changeform_view(request, object_id, form_url, extra_context)
        present = self._digest_of(request, obj)
        # A program's form says nothing of what it saw: that is what the request read first.
        first = request.__dict__.setdefault("_read_first", present)
        sent = request.POST.get(SHOWN, first)
        if request.method == "POST" and not constant_time_compare(sent, present):
            request.__dict__["_is_stale"] = True
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), SHOWN: present}
        )

    def _digest_of(self, request: HttpRequest, obj: Model) -> str:
        """A digest of all that the form may write. It is keyed, since many may read the page."""
        form = self.get_form(request, obj, change=True)
        names = [name for name, field in form.base_fields.items() if not field.disabled]
        shown = form(instance=obj).initial
        values = {name: shown[name] for name in names if name in shown}
        # A list has objects, or codes.
        told = {
            name: sorted(str(getattr(each, "pk", each)) for each in value)
            if isinstance(value, list)
            else str(value)
            for name, value in values.items()
        }
        message = json.dumps([self.opts.label, str(obj.pk), told], sort_keys=True)
        return salted_hmac("bookingsite.admin_site", message, algorithm="sha256").hexdigest()


class NamesItsList(admin.ModelAdmin):
    """A list whose title is what it lists; Django's would be *Select booking to view*. Pages that
    ask before they delete say what they delete; Django's say *Delete multiple objects*."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = capfirst(self.opts.verbose_name_plural)
        context = {"title": title, **(extra_context or {})}
        return _name_deleted(super().changelist_view(request, context), "objects_name")

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return _name_deleted(super().delete_view(request, object_id, extra_context), "object_name")


def _name_deleted(response: HttpResponse, named_by: str) -> HttpResponse:
    """Titles the page with what it asks to delete, unless it says that this cannot be deleted."""
    context: dict[str, Any] = getattr(response, "context_data", None) or {}
    asks = named_by in context and not context["perms_lacking"] and not context["protected"]
    if asks:
        context["title"] = f"Delete {context[named_by]}"
    return response


class Site(admin.AdminSite):
    """Makes every registered model, also Django's own and those of libraries, ask by filters,
    refuse stale forms, name its list and have its buttons at the top as well."""

    # bookings/templatetags/navigation.py is in its place.
    enable_nav_sidebar = False

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self._app_lists: dict[tuple[Any, ...], list[dict[str, Any]]] = {}

    def register(
        self,
        model_or_iterable: Any,
        admin_class: type[admin.ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        admin_class = admin_class or admin.ModelAdmin
        bases = (AsksByFilters, RefusesStaleForms, NamesItsList, admin_class)
        # Forms are long, and people look for their buttons where they begin to read.
        bounded = type(admin_class.__name__, bases, {"save_on_top": True})
        super().register(model_or_iterable, bounded, **options)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Makes each list once for all users with the same permissions, since every page shows it,
        and its forty URLs take as long as everything that a page reads. Do not change the list."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        allowed = tuple(
            (admin.has_module_permission(request), *admin.get_model_perms(request).values())
            for admin in self._registry.values()
        )
        if (made := self._app_lists.get(allowed)) is None:
            if len(self._app_lists) >= MAX_APP_LISTS:
                self._app_lists.clear()
            made = self._app_lists[allowed] = super().get_app_list(request)
        return made

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Titles the page with the application's name, without *administration* after it."""
        title = apps.get_app_config(app_label).verbose_name
        return super().app_index(request, app_label, {"title": title, **(extra_context or {})})
