"""Occupancy and revenue for a range of nights, as totals, a chart, tables and CSV."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.contrib import admin
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from bookings.admin.forms import DayField
from bookings.admin.manager.chart import draw
from bookings.admin.manager.files import CSV
from bookings.admin.manager.pages import HotelChoiceForm, ManagerPage, hotel_to_note, note
from bookings.admin.staff_requests import StaffRequest
from bookings.domain.money import format_money, write_amount
from bookings.front_desk import figures as readings
from bookings.front_desk.figures import SEVERAL, RoomCount
from bookings.infrastructure import clock
from bookings.infrastructure.spreadsheets import write_csv
from bookings.models import Figures
from bookings.presentation.days import day_text, with_days_in_words
from bookings.refusals import ValidationFailed

SEVERAL_NAME = "Bookings of several categories"
OTHER_NAME = "Booked in another currency"

CSV_COLUMNS = (
    "date",
    "category",
    "currency",
    "for_sale",
    "sold",
    "held",
    "blocked",
    "occupancy_percent",
    "revenue",
    "adr",
    "revpar",
)


class RangeForm(HotelChoiceForm):
    first = DayField(label="First night", required=False)
    last = DayField(label="Last night", required=False)

    def clean(self) -> None:
        """Without dates, chooses the thirty nights that begin today."""
        data, hotel = self.cleaned_data, self.cleaned_data.get("hotel")
        if self.errors or hotel is None:
            return
        data["first"] = data["first"] or data["last"] or clock.today(hotel.time_zone)
        data["last"] = data["last"] or data["first"] + timedelta(days=29)

    def read(self) -> readings.HotelFigures | None:
        """The figures; None if there is no hotel or the form has faults, which it then shows."""
        if not self.is_valid() or self.cleaned_data["hotel"] is None:
            return None
        data = self.cleaned_data
        try:
            return readings.read_figures(data["hotel"].id, data["first"], data["last"])
        except ValidationFailed as refusal:
            for fault in refusal.faults:
                self.add_error(fault.field, with_days_in_words(fault.message))
            return None


@admin.register(Figures)
class FiguresPage(ManagerPage):
    needs = "bookings.view_figures"
    title = "Occupancy and revenue"
    template = "admin/manager/figures.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.page("csv/", self.download, "csv"), *super().get_urls()]

    @method_decorator(require_safe)
    def show(self, request: StaffRequest) -> HttpResponse:
        form = RangeForm(request, request.GET)
        found = form.read()
        if found is None:
            return self.render(request, form=form)
        currency = found.hotel.currency
        by_day = [(day, found.of_day(day)) for day in found.days()]
        chosen = {
            "hotel": found.hotel.id,
            "first": found.first.isoformat(),
            "last": found.last.isoformat(),
        }
        shown = RangeForm(request, initial={**chosen, "first": found.first, "last": found.last})
        several = found.of_category(SEVERAL)
        categories = [(one.name, found.of_category(one.id)) for one in found.categories]
        if several.priced:
            categories.append((SEVERAL_NAME, several))
        return self.render(
            request,
            form=shown,
            found=found,
            chart=draw(by_day, currency),
            total=_row("", found.total, currency),
            nights=[_row(day_text(day), count, currency) for day, count in by_day],
            categories=[_row(name, count, currency) for name, count in categories],
            other_currencies=[
                format_money(amount, other) for other, amount in found.other_currencies.items()
            ],
            csv_url=f"csv/?{urlencode(chosen)}",
        )

    def download(self, request: HttpRequest) -> Any:
        """Streams the figures as CSV and logs the download."""
        self.check_may(request, self.needs)
        if request.method != "GET":  # a HEAD request downloads nothing
            return HttpResponseNotAllowed(["GET"])
        form = RangeForm(request, request.GET)
        found = form.read()
        if found is None:
            return self.render(request, form=form)
        text = f"Downloaded occupancy and revenue from {found.first} to {found.last}."
        note(request, text, about=hotel_to_note(found.hotel))
        response = StreamingHttpResponse(write_csv(_csv_rows(found)), content_type=CSV)
        name = f"figures-{found.hotel.id}-{found.first}-{found.last}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _row(name: str, count: RoomCount, currency: str) -> dict[str, Any]:
    """The figures as text for the tables."""

    def money(amount: Decimal | None) -> str:
        return "–" if amount is None else format_money(_whole(amount), currency)

    return {
        "name": name,
        "for_sale": count.for_sale,
        "sold": count.sold,
        "held": count.held,
        "blocked": count.blocked,
        "occupancy": "–" if count.occupancy is None else f"{_tenths(count.occupancy)} %",
        "revenue": format_money(count.revenue, currency),
        "adr": money(count.adr),
        "revpar": money(count.revpar),
    }


def _csv_rows(found: readings.HotelFigures) -> Iterator[list[object]]:
    """The rows: each night of the whole hotel, with an empty category, and then of each category.
    The last rows, without a date, have the amounts booked in other currencies."""
    currency = found.hotel.currency
    yield list(CSV_COLUMNS)
    for day in found.days():
        yield _csv_row(day.isoformat(), "", found.of_day(day), currency)
    for category in found.categories:
        for day in found.days():
            count = found.cell(day, category.id)
            yield _csv_row(day.isoformat(), category.id, count, currency)
    for day in found.days():
        if (count := found.cell(day, SEVERAL)).priced:
            yield _csv_row(day.isoformat(), SEVERAL_NAME, count, currency)
    for other, amount in found.other_currencies.items():
        row = dict.fromkeys(CSV_COLUMNS, "")
        row |= {"category": OTHER_NAME, "currency": other, "revenue": write_amount(amount, other)}
        yield list(row.values())


def _csv_row(day: str, category: str, count: RoomCount, currency: str) -> list[object]:
    def money(amount: Decimal | None) -> str:
        return "" if amount is None else write_amount(_whole(amount), currency)

    return [
        day,
        category,
        currency,
        count.for_sale,
        count.sold,
        count.held,
        count.blocked,
        "" if count.occupancy is None else _tenths(count.occupancy),
        write_amount(count.revenue, currency),
        money(count.adr),
        money(count.revpar),
    ]


def _whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _tenths(percent: Decimal) -> Decimal:
    return percent.quantize(Decimal("0.1"), ROUND_HALF_UP)
