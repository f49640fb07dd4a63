"""Lists of bookings that never read all of them, however many there are.

The newest come first, by the id, which begins with the moment of creation. The ORM sorts behind a
stage that keeps MongoDB from sorting by an index, and so reads whatever its filter leaves. What it
may look at is bounded here, by an id that is found by the index alone.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from bson import ObjectId
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from bookings.admin.nights import DatesFilter

# Whoever looks for an older one searches, or narrows the list down.
MAX_LISTED = 1_000

# Among so many a filter looks; to read them takes about a tenth of a second.
LOOKED_THROUGH = 10_000


class CreatedFilter(DatesFilter):
    """By the day of creation, in UTC, from one to another, both included."""

    title = "day of creation"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.form.is_valid():
            raise IncorrectLookupParameters
        if first := self.form.cleaned_data["first"]:
            queryset = queryset.filter(pk__gte=_first_id_of(first))
        if end := self.end:
            queryset = queryset.filter(pk__lt=end)
        return queryset

    @property
    def end(self) -> ObjectId | None:
        """Where the last of the days ends, if one is chosen."""
        last = self.form.cleaned_data["last"] if self.form.is_valid() else None
        return _first_id_of(last + timedelta(days=1)) if last else None


class BoundedPaginator(Paginator):
    """Counts to MAX_LISTED at most; what is beyond has no page."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return len(self.object_list.values_list("pk")[:MAX_LISTED])


def _first_id_of(day: date) -> ObjectId:
    """Not above any id that was made on this day."""
    return ObjectId.from_datetime(datetime.combine(day, time(), tzinfo=UTC))
