"""Notifications to guests and partners, sent and waiting. Staff read them and send them again."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bookings.admin.actors import name_actors
from bookings.admin.newest import LOOKED_THROUGH, MAX_LISTED, BoundedPaginator
from bookings.admin.own_hotels import OfHotels, own_hotels
from bookings.admin.records import MAX_AT_ONCE
from bookings.catalogue import inventory
from bookings.models import BookingRecord, DeliveryRecord
from bookings.news import deliveries
from bookings.news.deliveries import CHANNELS, GIVEN_UP, MAIL, STATES, WAITING, WEBHOOK
from bookings.news.webhooks import backlog
from bookings.presentation.moments import moment_text
from bookings.stays.notices import FORMER

FAILING = "failing"


class DeliveryStateFilter(admin.SimpleListFilter):
    """Filters by state; *failing* is waiting after a failed try."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(FAILING, FAILING), *((state, state.replace("_", " ")) for state in STATES)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DeliveryRecord]
    ) -> QuerySet[DeliveryRecord]:
        state = self.value()
        if state is None:
            return queryset
        if state == FAILING:
            return queryset.filter(state=WAITING).exclude(last_error="")
        return queryset.filter(state=state)


class ChannelFilter(admin.SimpleListFilter):
    title = "channel"
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(channel, channel) for channel in CHANNELS]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DeliveryRecord]
    ) -> QuerySet[DeliveryRecord]:
        return queryset.filter(channel=self.value()) if self.value() else queryset


class NewestDeliveriesList(ChangeList):
    """Lists the newest deliveries, of the chosen state if there is one; bookings/admin/newest.py
    has the reason. A search lists everything it finds."""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[DeliveryRecord]:
        queryset = super().get_queryset(request, exclude_parameters)
        if self.query:
            return queryset
        state = self.params.get("state")
        oldest_at = deliveries.nth_newest_at(
            LOOKED_THROUGH if self.has_active_filters or own_hotels(request) else MAX_LISTED,
            state=WAITING if state == FAILING else state,
        )
        return queryset if oldest_at is None else queryset.filter(created_at__gte=oldest_at)


@admin.register(DeliveryRecord)
class NotificationAdmin(OfHotels):
    """Read-only: only bookings/news/deliveries.py writes deliveries."""

    whose = "payload__hotelId"
    list_display = (
        "event", "channel", "booking_link", "receiver", "state_now", "tries", "happened",
        "last_error",
    )  # fmt: skip
    list_display_links = None
    list_filter = (DeliveryStateFilter, ChannelFilter)
    search_fields = ("reference",)
    search_help_text = "The whole reference of a booking"
    fields = (
        "event", "channel", "booking_link", "receiver", "state_now", "tries", "happened",
        "made", "settled", "last_error",
    )  # fmt: skip
    # The newest come first: no index serves another order.
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    actions = ("send_again",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Sending again needs the permission to change notifications."""
        return super().has_change_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeliveryRecord]:
        """Leaves out the payload, which no page shows."""
        return super().get_queryset(request).defer("payload")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NewestDeliveriesList]:
        return NewestDeliveriesList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeliveryRecord], search_term: str
    ) -> tuple[QuerySet[DeliveryRecord], bool]:
        """Searches by way of the booking, which has an index on its reference."""
        reference = search_term.strip().upper()
        if reference:
            found = BookingRecord.objects.filter(reference=reference).values_list("pk", flat=True)
            queryset = queryset.filter(booking__in=list(found))
        return queryset, False

    @admin.display(description="booking")
    def booking_link(self, record: DeliveryRecord) -> SafeString:
        url = reverse("admin:bookings_bookingrecord_change", args=[record.booking])
        return format_html('<a href="{}">{}</a>', url, record.reference)

    @admin.display(description="to")
    def receiver(self, record: DeliveryRecord) -> str:
        """A partner's name. A guest's e-mail address is shown only in the booking."""
        if record.channel == MAIL:
            return "the guest’s former address" if record.to == FORMER else "the guest"
        label = f"client:{record.to}"
        return name_actors([label])[label]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Looks up the hotels of all bookings once for a whole page of the list."""
        changelist = super().get_changelist_instance(request)
        zones = _zones_of(changelist.result_list)
        for record in changelist.result_list:
            record.zones = zones
        return changelist

    @admin.display(description="happened at")
    def happened(self, record: DeliveryRecord) -> str:
        return _moment_at(record, record.at)

    @admin.display(description="added at")
    def made(self, record: DeliveryRecord) -> str:
        return _moment_at(record, record.created_at)

    @admin.display(description="settled at")
    def settled(self, record: DeliveryRecord) -> str:
        return _moment_at(record, record.settled_at) if record.settled_at else "-"

    @admin.display(description="state")
    def state_now(self, record: DeliveryRecord) -> str:
        """The state; of a delivery that failed, also when it is tried next."""
        if record.state == WAITING and record.next_try_at and record.last_error:
            return f"failing, next try {_moment_at(record, record.next_try_at)}"
        return record.state.replace("_", " ")

    @admin.action(description="Send selected notifications again now", permissions=["act"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[DeliveryRecord]) -> None:
        """Sends again only what is waiting or was given up and has no other copy, so that nothing
        is sent twice."""
        records = list(queryset[:MAX_AT_ONCE])
        due = [
            record
            for record in records
            if record.state in (WAITING, GIVEN_UP) and _send_again(record)
        ]
        for record in due:
            self.log_change(request, record, "Sent again.")
        if due:
            text = f"Due now: {len(due)}. A worker sends them within seconds."
            self.message_user(request, text, messages.SUCCESS)
        if len(due) < len(records):
            left = len(records) - len(due)
            why = "they were sent or are not needed, or another copy was sent or waits"
            text = f"Skipped, since {why}: {left}."
            self.message_user(request, text, messages.WARNING)


def _zones_of(records: Iterable[DeliveryRecord]) -> dict[Any, str]:
    """The time zones of the deliveries' hotels, by the ids of the bookings."""
    told = BookingRecord.objects.filter(pk__in=[record.booking for record in records])
    hotel_of = dict(told.values_list("pk", "hotel"))
    hotels = {each: inventory.find_hotel(each) for each in set(hotel_of.values())}
    return {pk: hotel.time_zone for pk, of in hotel_of.items() if (hotel := hotels[of])}


def _moment_at(record: DeliveryRecord, moment: datetime) -> str:
    """The moment by the clock of the booking's hotel."""
    zones: dict[Any, str] = getattr(record, "zones", None) or _zones_of([record])
    return moment_text(moment, zones.get(record.booking, "UTC"))


def _send_again(record: DeliveryRecord) -> bool:
    if record.channel == WEBHOOK:
        return backlog.send_again(record.to, record.pk)
    return deliveries.send_again(record.pk)
