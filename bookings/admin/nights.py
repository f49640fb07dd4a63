"""The sellable calendar: single nights, and jobs with which a worker makes many."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from bookings.admin.changing import ChangesWhatWasSeen
from bookings.admin.forms import DayField
from bookings.admin.manager.jobs import JobKeyField, new_job_key
from bookings.admin.manager.pages import note
from bookings.admin.money import ASKED_PRICE, AsksAboutPrices, MoneyField
from bookings.admin.own_hotels import OfHotels, name_hotels, own_categories
from bookings.catalogue import inventory, night_jobs
from bookings.catalogue.nights import (
    ALLOW_FREE,
    WEEKDAYS,
    NightsPlan,
    night_id,
    plan_nights,
    tell_free,
)
from bookings.domain.money import format_money
from bookings.infrastructure import clock
from bookings.models import Night, NightsJob, RoomCategory
from bookings.presentation.days import day_text, stay_text, with_days_in_words
from bookings.refusals import ValidationFailed

# --- Filters, by ids and dates, which the index covers ------------------------------------------


class NightHotelFilter(admin.SimpleListFilter):
    title = "hotel"
    parameter_name = "hotel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return name_hotels(request)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Night]) -> QuerySet[Night]:
        if not self.value():
            return queryset
        of_hotel = own_categories(request).filter(hotel=self.value())
        return queryset.filter(category__in=_ids_of(of_hotel))


class CategoryFilter(admin.SimpleListFilter):
    """Offers the categories of the chosen hotel, or all."""

    title = "category"
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        categories = own_categories(request).order_by("hotel_id", "name")
        if hotel := request.GET.get("hotel"):
            categories = categories.filter(hotel=hotel)
        return [(category.pk, f"{category.name} ({category.pk})") for category in categories]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Night]) -> QuerySet[Night]:
        return queryset.filter(category=self.value()) if self.value() else queryset


class DatesForm(forms.Form):
    first = DayField(label="From", required=False)
    last = DayField(label="To", required=False)


class DatesFilter(admin.ListFilter):
    """Filters from one date to another, both included; either may be empty."""

    title = "date"
    template = "admin/bookings/night/dates_filter.html"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in DatesForm.base_fields:
            if values := params.pop(name, None):
                self.used_parameters[name] = values[-1]
        self.form = DatesForm(self.used_parameters, auto_id="dates_%s")
        # Other filters stay chosen, but a page number might point beyond the shorter list.
        dropped = ("p", *DatesForm.base_fields)
        self.kept = [(name, value) for name, value in request.GET.items() if name not in dropped]

    def expected_parameters(self) -> list[str | None]:
        return [*DatesForm.base_fields]

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: Any) -> Any:
        return ()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Night]) -> QuerySet[Night]:
        if not self.form.is_valid():
            raise IncorrectLookupParameters
        first, last = self.form.cleaned_data["first"], self.form.cleaned_data["last"]
        if not first and not last:
            return queryset
        if first:
            queryset = queryset.filter(date__gte=first.isoformat())
        if last:
            queryset = queryset.filter(date__lte=last.isoformat())
        # The index begins with the category: naming all of them lets it serve dates alone too.
        return queryset.filter(category__in=_ids_of(own_categories(request)))


def _ids_of(categories: QuerySet[RoomCategory]) -> list[str]:
    return list(categories.order_by().values_list("pk", flat=True))


# --- Nights -------------------------------------------------------------------------------------


class NightForm(AsksAboutPrices):
    price_field = "price"
    priced_by = "category"
    date = DayField()
    price = MoneyField()

    def clean_date(self) -> str:
        return self.cleaned_data["date"].isoformat()

    def clean(self) -> None:
        category, day = self.cleaned_data.get("category"), self.cleaned_data.get("date")
        if category and day:
            self.instance.pk = night_id(category.pk, day)
            if Night.objects.filter(pk=self.instance.pk).exists():
                raise ValidationError("This night is already in the calendar; change it there.")
        whole = category or getattr(self.instance, "category", None)
        if whole is not None:
            self.ask_about_unusual([whole.default_price])
        if self.cleaned_data.get("price") == 0:
            opened = () if self.cleaned_data.get("closed") else ("closed",)
            if self.is_free_unasked("price", *opened):
                self.ask_about_free()


@admin.register(Night)
class NightAdmin(OfHotels, ChangesWhatWasSeen):
    form = NightForm
    whose = "category"
    whole = "category"
    fields = (
        "category",
        "date",
        "price",
        "closed",
        "min_stay",
        "closed_to_arrival",
        "closed_to_departure",
        ALLOW_FREE,
        ASKED_PRICE,
    )
    autocomplete_fields = ("category",)
    list_display = (
        "day",
        "category_name",
        "hotel_name",
        "night_price",
        "closed",
        "min_stay",
        "closed_to_arrival",
        "closed_to_departure",
    )
    # The list is in the order of category and date: no index serves another one.
    sortable_by = ()
    list_filter = (NightHotelFilter, CategoryFilter, DatesFilter)
    show_full_result_count = False
    actions = ("close_selected", "open_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Night]:
        """Fetches categories and hotels by the ids on a page; a join would read every night."""
        return super().get_queryset(request).prefetch_related("category__hotel")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Category and date make the id, so they never change."""
        # The date is named so that the form leaves its field out.
        return ("category", "date", "day") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Shows the price in its currency to those who may only look."""
        if obj is None:
            return self.fields
        fields = ["day" if name == "date" else name for name in self.fields]
        if self.has_change_permission(request, obj):
            return fields
        hidden = (ALLOW_FREE, ASKED_PRICE)
        shown = [name for name in fields if name not in hidden]
        return ["night_price" if name == "price" else name for name in shown]

    @admin.display(description="date")
    def day(self, night: Night) -> str:
        return day_text(night.date)

    @admin.display(description="category")
    def category_name(self, night: Night) -> str:
        return night.category.name

    @admin.display(description="hotel")
    def hotel_name(self, night: Night) -> str:
        return night.category.hotel.name

    @admin.display(description="price")
    def night_price(self, night: Night) -> str:
        return format_money(night.price, night.category.hotel.currency)

    @admin.action(description="Close selected nights", permissions=["change"])
    def close_selected(self, request: HttpRequest, queryset: QuerySet[Night]) -> None:
        self._set_closed(request, queryset, True, "Nights closed: {}.")

    @admin.action(description="Open selected nights", permissions=["change"])
    def open_selected(self, request: HttpRequest, queryset: QuerySet[Night]) -> None:
        free = queryset.filter(closed=True, price=0).count()
        self._set_closed(request, queryset.exclude(price=0), False, "Nights opened: {}.")
        if free:
            text = f"{tell_free(free)} They stay closed; open them one by one if you want that."
            self.message_user(request, text, messages.WARNING)

    def _set_closed(
        self, request: HttpRequest, queryset: QuerySet[Night], closed: bool, text: str
    ) -> None:
        """Sets all of them and writes one line to the log, which says how many."""
        named = queryset.first()
        if named is None:
            return
        text = text.format(queryset.update(closed=closed))
        note(request, text, about=named)
        self.message_user(request, text, messages.SUCCESS)


# --- Jobs that make many nights -----------------------------------------------------------------


class NightsJobForm(AsksAboutPrices):
    price_field = "price"
    priced_by = "hotel"
    price = MoneyField(required=False)
    key = JobKeyField(initial=new_job_key)
    start = DayField(help_text="The first night.")
    end = DayField(help_text="The last night, included.")
    weekdays = forms.MultipleChoiceField(
        choices=[(day, day.capitalize()) for day in WEEKDAYS],
        initial=WEEKDAYS,
        widget=forms.CheckboxSelectMultiple,
    )
    plan: NightsPlan

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "price" in self.fields:
            self.fields["price"].help_text += " If left empty, each category’s own price."

    class Meta:
        help_texts = {
            "exclude_end": "Stop the night before the end.",
            "overwrite": "Also set the price of nights that exist already. Their closures, minimum "
            "stays and other restrictions stay.",
        }

    def clean_weekdays(self) -> str:
        return ",".join(self.cleaned_data["weekdays"])

    def clean(self) -> None:
        """Judges the wish like the command `generate_nights`."""
        if self.errors:
            return
        wish = self.cleaned_data
        try:
            self.plan = plan_nights(
                hotel_id=wish["hotel"].pk,
                start=wish["start"],
                end=wish["end"],
                exclude_end=wish["exclude_end"],
                price=wish["price"],
                weekdays=wish["weekdays"].split(","),
                allow_free=wish[ALLOW_FREE],
            )
        except ValidationFailed as refusal:
            for fault in refusal.faults:
                if fault.field == ALLOW_FREE:
                    self.ask_about_free(with_days_in_words(fault.message))
                else:
                    self.add_error(fault.field, with_days_in_words(fault.message))
        if self.errors:
            return
        categories = inventory.list_categories(wish["hotel"].pk)
        self.ask_about_unusual([category.default_price for category in categories])


@admin.register(NightsJob)
class NightsJobAdmin(OfHotels):
    """Staff add jobs and watch them, but never edit them. Deleting a job stops it."""

    form = NightsJobForm
    whose = "hotel"
    wish = ("hotel", "start", "end", "exclude_end", "price", "weekdays", "overwrite")
    shown_wish = ("hotel", "first", "last", "exclude_end", "night_price", "weekdays", "overwrite")
    rows_wish = ("kind", "hotel", "first", "last", "summary")
    course = ("state", "progress", "why_failed", "created_at", "started_at", "finished_at")
    readonly_fields = ("kind", "first", "last", "summary", "requested_by", "night_price", *course)
    autocomplete_fields = ("hotel",)
    list_display = (
        "nights",
        "kind",
        "state",
        "progress",
        "requested_by",
        "created_at",
        "finished_at",
    )
    list_select_related = ("hotel", "requested_by")
    list_filter = ("state",)
    sortable_by = ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": (*self.wish, "key", ALLOW_FREE, ASKED_PRICE)})]
        wish = self.shown_wish if obj.kind == NightsJob.Kind.GENERATE else self.rows_wish
        return [
            (None, {"fields": (*wish, "requested_by")}),
            ("Progress", {"fields": self.course}),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[NightsJob]:
        """Leaves out the rows, which no page shows."""
        return super().get_queryset(request).defer("rows")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            text = "This form has already added its job; nothing was added again."
            self.message_user(request, text, messages.WARNING)
            return HttpResponseRedirect(reverse("admin:bookings_nightsjob_changelist"))

    def save_model(self, request: HttpRequest, obj: NightsJob, form: Any, change: bool) -> None:
        # If a form is sent twice, the second insert finds the id taken.
        obj.pk = form.cleaned_data["key"]
        obj.created_at = clock.now()
        obj.total = form.plan.total
        obj.save(force_insert=True)
        night_jobs.sign_job(obj.pk, request.user.pk)

    @admin.display(description="nights")
    def nights(self, job: NightsJob) -> str:
        return f"{job.hotel.name}, {stay_text(job.start, job.end)}"

    @admin.display(description="start")
    def first(self, job: NightsJob) -> str:
        return day_text(job.start)

    @admin.display(description="end")
    def last(self, job: NightsJob) -> str:
        return day_text(job.end)

    @admin.display(description="price")
    def night_price(self, job: NightsJob) -> str:
        if job.price is None:
            return "Each category’s own price"
        return format_money(job.price, job.hotel.currency)

    @admin.display(description="error")
    def why_failed(self, job: NightsJob) -> str:
        return with_days_in_words(job.error) or "-"

    @admin.display(description="nights written")
    def progress(self, job: NightsJob) -> str:
        return f"{job.done:,} of {job.total:,}"
