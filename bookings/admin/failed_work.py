"""Work that failed. Staff read the list and delete a line once they have dealt with it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from bookings.infrastructure.queues.failed_work import QUEUES
from bookings.models import FailedWork
from bookings.presentation.moments import zoned_text


class QueueFilter(admin.SimpleListFilter):
    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(queue, queue.replace("_", " ")) for queue in QUEUES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(queue=self.value()) if self.value() else queryset


@admin.register(FailedWork)
class FailedWorkAdmin(admin.ModelAdmin):
    """Lines are read-only. Deleting one makes workers try its news or hold again."""

    list_display = ("label", "queue", "error", "place", "tries", "state", "failed_at")
    list_display_links = None
    list_filter = (QueueFilter,)
    sortable_by = ()
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="state")
    def state(self, line: FailedWork) -> str:
        """Whether a worker tries it again, and when."""
        if line.is_over:
            return "given up"
        if line.next_try_at:
            return f"next try {zoned_text(line.next_try_at)}"
        return "tried again"
