"""The admin's site, and what the addresses of its lists may ask."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

# What the filters of a list link to. Django takes any lookup of a field from the address as well:
# `?name__regex=(a+)+$` keeps MongoDB busy, and with `__startswith` or `__gt` a field that is not
# shown can be guessed piece by piece.
FILTER_LOOKUPS = frozenset({"exact", "isnull"})


class AsksByFilters(admin.ModelAdmin):
    """A list whose address asks what its filters ask, and no more; anything else is a 400."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        _field, *rest = lookup.split("__")
        is_of_a_filter = not rest or rest[-1] in FILTER_LOOKUPS
        return is_of_a_filter and super().lookup_allowed(lookup, value, request)


class Site(admin.AdminSite):
    """Every model that is registered, Django's own and those of libraries too, asks by filters."""

    def register(
        self,
        model_or_iterable: Any,
        admin_class: type[admin.ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        admin_class = admin_class or admin.ModelAdmin
        bounded = type(admin_class.__name__, (AsksByFilters, admin_class), {})
        super().register(model_or_iterable, bounded, **options)
