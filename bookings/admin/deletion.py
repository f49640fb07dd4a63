"""Deleting what bookings refer to. MongoDB has no foreign keys, so the admin must look first."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.db.models import Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change


class _Refused(Exception):
    """Some objects were not deleted. The sentences say which, and why."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences
        super().__init__(" ".join(sentences))


class RefusesDeletion(admin.ModelAdmin):
    """Asks `refuse_deletion` before deleting objects, and shows its sentences."""

    delete_confirmation_template = "admin/bookings/delete_confirmation.html"
    delete_selected_confirmation_template = "admin/bookings/delete_selected_confirmation.html"

    def refuse_deletion(self, objects: list[Any]) -> list[str]:
        """One sentence for each object that must stay."""
        raise NotImplementedError

    def delete_one(self, obj: Any) -> bool:
        """Deletes an object that `refuse_deletion` allowed; False if that is no longer possible."""
        obj.delete()
        return True

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[Any, ...]:
        """Puts the sentences in place of protected objects, which both of Django's pages show."""
        to_delete, model_count, perms_needed, protected = super().get_deleted_objects(objs, request)
        return to_delete, model_count, perms_needed, self.refuse_deletion(list(objs)) or protected

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[LogEntry]:
        """Logs nothing yet: Django calls this before it deletes. `_delete` logs afterwards."""
        return []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self._delete(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Deletes one by one, since MongoDB cannot delete through the joins of a list or filter."""
        self._delete(request, list(queryset))

    def _delete(self, request: HttpRequest, objects: list[Any]) -> None:
        kept = []
        for obj in objects:
            if refusals := self.refuse_deletion([obj]):
                kept += refusals
                continue
            key, named = obj.pk, str(obj)
            if self.delete_one(obj):
                obj.pk = key
                super().log_deletions(request, cast(Any, [obj]))
            else:
                kept.append(
                    f"{named} has just been changed, so it was not deleted; check it again."
                )
        if kept:
            raise _Refused(kept)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except _Refused as refused:
            return self._tell(request, refused)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().changelist_view(request, extra_context)
        except _Refused as refused:
            return self._tell(request, refused)

    def _tell(self, request: HttpRequest, refused: _Refused) -> HttpResponse:
        for sentence in refused.sentences:
            self.message_user(request, sentence, messages.ERROR)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        return HttpResponseRedirect(reverse(name))


class KeepsWhatHasParts(RefusesDeletion):
    """For objects with parts, since someone else may add a part at the same moment.

    Their content has the same id, and goes with them.
    """

    content: type[Model]

    def delete_one(self, obj: Any) -> bool:
        """Looks for parts after deleting, as adding a part looks for its whole afterwards: one of
        the two sees the other. An object that has got a part is restored as it was."""
        name, key = self.opts.db_table, obj.pk
        contents = collection(self.content._meta.db_table)
        document, content = collection(name).find_one({"_id": key}), contents.find_one({"_id": key})
        try:
            obj.delete()
        except ProtectedError:
            return False
        obj.pk = key
        if document is None or not self.refuse_deletion([obj]):
            # Content that was added since then was added before the object was gone.
            contents.delete_one({"_id": key})
            announce_change()
            return True
        if content is not None:
            contents.replace_one({"_id": key}, content, upsert=True)
        collection(name).insert_one(document)
        announce_change()
        return False
