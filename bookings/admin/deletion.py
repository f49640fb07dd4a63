"""Deleting what bookings refer to. MongoDB has no foreign keys, so somebody must look first."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest


class RefusesDeletion(admin.ModelAdmin):
    """Asks `refuse_deletion` before one or several objects are deleted, and shows what it says."""

    delete_confirmation_template = "admin/bookings/delete_confirmation.html"
    delete_selected_confirmation_template = "admin/bookings/delete_selected_confirmation.html"

    def refuse_deletion(self, objects: list[Any]) -> list[str]:
        """One sentence for each object that must stay."""
        raise NotImplementedError

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[Any, ...]:
        """Puts the sentences where Django keeps what forbids a deletion, on both of its ways."""
        to_delete, model_count, perms_needed, protected = super().get_deleted_objects(objs, request)
        return to_delete, model_count, perms_needed, self.refuse_deletion(list(objs)) or protected

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """By key, since MongoDB cannot delete through the joins that a list or filter makes."""
        ids = [obj.pk for obj in queryset]
        self.model._default_manager.filter(pk__in=ids).delete()
