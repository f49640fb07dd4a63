"""The admin's site: what URLs of its lists may ask, and forms that two people have open."""

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.crypto import constant_time_compare, salted_hmac

# What the filters of a list link to. Django takes any lookup of a field from the URL as well:
# `?name__regex=(a+)+$` keeps MongoDB busy, and with `__startswith` or `__gt` a field that is not
# shown can be guessed piece by piece.
FILTER_LOOKUPS = frozenset({"exact", "isnull"})


class AsksByFilters(admin.ModelAdmin):
    """A list whose URL asks what its filters ask, and no more; anything else is a 400."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        _field, *rest = lookup.split("__")
        is_of_a_filter = not rest or rest[-1] in FILTER_LOOKUPS
        return is_of_a_filter and super().lookup_allowed(lookup, value, request)


# The hidden field in which a form says of what state of its object it was made.
SHOWN = "shown"

CHANGED_SINCE = (
    "This was changed since you opened it, and nothing of yours is saved. Below is what it is now; "
    "make your change again."
)


class RefusesStaleForms(admin.ModelAdmin):
    """A form writes every field that it shows. So it is refused if the object is by now another
    than the one that it was made of, or the later of two people undoes what the earlier did."""

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Model | None:
        """Read once for each request: what is compared is what the form is made of."""
        read = request.__dict__.setdefault("_objects_of_forms", {})
        asked = (self.opts.label, object_id, from_field)
        if asked not in read:
            read[asked] = super().get_object(request, object_id, from_field)
        return read[asked]

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
        sent = request.POST.get(SHOWN, present)
        if request.method == "POST" and not constant_time_compare(sent, present):
            self.message_user(request, CHANGED_SINCE, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return super().changeform_view(
            request, object_id, form_url, {SHOWN: present, **(extra_context or {})}
        )

    def _digest_of(self, request: HttpRequest, obj: Model) -> str:
        """Of all that the form may write. It is keyed, since the page may be read by many."""
        form = self.get_form(request, obj, change=True)
        names = [name for name, field in form.base_fields.items() if not field.disabled]
        values = model_to_dict(obj, fields=names)
        told = {
            name: sorted(str(each.pk) for each in value) if isinstance(value, list) else str(value)
            for name, value in values.items()
        }
        message = json.dumps([self.opts.label, str(obj.pk), told], sort_keys=True)
        return salted_hmac("bookingsite.admin_site", message, algorithm="sha256").hexdigest()


class Site(admin.AdminSite):
    """Every model that is registered, Django's own and those of libraries too, asks by filters and
    refuses stale forms."""

    def register(
        self,
        model_or_iterable: Any,
        admin_class: type[admin.ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        admin_class = admin_class or admin.ModelAdmin
        bases = (AsksByFilters, RefusesStaleForms, admin_class)
        bounded = type(admin_class.__name__, bases, {})
        super().register(model_or_iterable, bounded, **options)
