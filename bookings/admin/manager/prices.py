"""The price calendar: one month of a hotel, and a form that changes many nights at once."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bson import ObjectId
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from bookings.admin.forms import DayField
from bookings.admin.manager.jobs import JobKeyField, add_job, count_nights, new_job_key
from bookings.admin.manager.pages import HotelChoiceForm, ManagerPage
from bookings.admin.money import MoneyField
from bookings.admin.staff_requests import StaffRequest, may
from bookings.catalogue import inventory, night_changes, night_jobs
from bookings.catalogue.calendars import Calendar, CalendarNight, read_calendars
from bookings.catalogue.inventory import HORIZON_DAYS, HotelFacts
from bookings.catalogue.night_changes import ChangePlan, NightChange, Wish
from bookings.catalogue.nights import WEEKDAYS, count_free, night_id
from bookings.catalogue.usual_prices import count_unusual, tell_count
from bookings.domain.money import format_money, write_amount
from bookings.infrastructure import clock
from bookings.models import NightsJob, PriceCalendar
from bookings.refusals import ValidationFailed

# The page only counts the others.
MAX_CHANGES_SHOWN = 50

_LEAVE = ("", "Leave as it is")
_SETTINGS = {"": None, "yes": True, "no": False}


class PriceMonthForm(HotelChoiceForm):
    month = forms.RegexField(
        r"\A[0-9]{4}-(0[1-9]|1[0-2])\Z",
        required=False,
        widget=forms.TextInput(attrs={"type": "month"}),
        error_messages={"invalid": "Write the month as YYYY-MM."},
    )


class ChangeForm(forms.Form):
    """Which nights to change, and what to set."""

    hotel = forms.CharField(widget=forms.HiddenInput, max_length=64)
    key = JobKeyField()
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)
    # The page shows this as a box beside the button *Apply*.
    allow_free = forms.BooleanField(widget=forms.HiddenInput, required=False)
    categories = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    first = DayField(label="First night")
    last = DayField(label="Last night", help_text="Included.")
    weekdays = forms.MultipleChoiceField(
        choices=[(day, day.capitalize()) for day in WEEKDAYS],
        initial=WEEKDAYS,
        widget=forms.CheckboxSelectMultiple,
    )
    price = MoneyField(required=False)
    percent = forms.DecimalField(
        label="Or change it by a percentage",
        required=False,
        max_digits=7,
        decimal_places=2,
        help_text="10 raises, -5 lowers. The result is rounded half up to the smallest coin.",
    )
    closed = forms.ChoiceField(
        label="Sale", required=False, choices=[_LEAVE, ("yes", "Close"), ("no", "Open")]
    )
    min_stay = forms.IntegerField(label="Minimum stay", required=False)
    closed_to_arrival = forms.ChoiceField(
        label="Arrival", required=False, choices=[_LEAVE, ("yes", "Closed"), ("no", "Open")]
    )
    closed_to_departure = forms.ChoiceField(
        label="Departure", required=False, choices=[_LEAVE, ("yes", "Closed"), ("no", "Open")]
    )

    def __init__(self, hotel: HotelFacts, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hotel_facts = hotel
        self.choices = [
            (category.id, category.name) for category in inventory.list_categories(hotel.id)
        ]
        chooser = self.fields["categories"]
        assert isinstance(chooser, forms.MultipleChoiceField)
        chooser.choices = self.choices
        price = self.fields["price"]
        assert isinstance(price, MoneyField)
        price.set_currency(hotel.currency)

    @property
    def wish(self) -> Wish:
        """The changes that the valid form asks for."""
        data = self.cleaned_data
        return Wish(
            price=data["price"],
            percent=data["percent"],
            is_closed=_SETTINGS[data["closed"]],
            min_stay=data["min_stay"],
            is_closed_to_arrival=_SETTINGS[data["closed_to_arrival"]],
            is_closed_to_departure=_SETTINGS[data["closed_to_departure"]],
        )

    def plan(self) -> ChangePlan | None:
        """What the form would change; None if it is wrong, with the faults beside their fields."""
        if not self.is_valid():
            return None
        data = self.cleaned_data
        try:
            return night_changes.plan_change(
                hotel_id=self.hotel_facts.id,
                category_ids=data["categories"],
                first=data["first"],
                last=data["last"],
                weekdays=data["weekdays"],
                wish=self.wish,
            )
        except ValidationFailed as refusal:
            for fault in refusal.faults:
                field = fault.field if fault.field in self.fields else None
                self.add_error(field, fault.message)
            return None

    def renew(self, **fields: str) -> None:
        """Sets hidden fields, which the browser sends next time."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        for name, value in fields.items():
            data[name] = value
        self.data = data

    def describe(self) -> str:
        """The valid form in words, for the log and the list of jobs."""
        data, wish, currency = self.cleaned_data, self.wish, self.hotel_facts.currency
        parts = []
        if wish.price is not None:
            parts.append(f"price {format_money(wish.price, currency)}")
        if wish.percent is not None:
            parts.append(f"price {wish.percent:+f} %")
        for text, value in (
            ("sale", wish.is_closed),
            ("arrival", wish.is_closed_to_arrival),
            ("departure", wish.is_closed_to_departure),
        ):
            if value is not None:
                parts.append(f"{text} {'closed' if value else 'open'}")
        if wish.min_stay is not None:
            parts.append(f"minimum stay {wish.min_stay}")
        days = "" if len(data["weekdays"]) == len(WEEKDAYS) else f" ({', '.join(data['weekdays'])})"
        is_all = len(data["categories"]) == len(self.choices)
        where = "all categories" if is_all else ", ".join(data["categories"])
        return f"Set {', '.join(parts)} from {data['first']} to {data['last']}{days} for {where}"


@dataclass(frozen=True)
class NightCell:
    """One night in the grid; `marks` are its restrictions as (sign, meaning)."""

    day: date
    amount: str
    kind: str
    marks: tuple[tuple[str, str], ...]
    url: str


@admin.register(PriceCalendar)
class PriceCalendarPage(ManagerPage):
    needs = "bookings.view_night"
    changes = ("bookings.add_night", "bookings.change_night")
    title = "Price calendar"
    template = "admin/manager/prices.html"

    def show(self, request: StaffRequest) -> HttpResponse:
        """Shows the month. A POST shows what the form would change, or applies it."""
        chosen = PriceMonthForm(request, request.GET)
        hotel = chosen.cleaned_data.get("hotel") if chosen.is_valid() else chosen.first_hotel
        if hotel is None:
            return self.render(request, chosen=chosen)
        today = clock.today(hotel.time_zone)
        month = _read_month(chosen, today)
        change, plan = None, None
        if may(request, "bookings.add_night", "bookings.change_night"):
            if request.method == "POST":
                change = ChangeForm(hotel, request.POST)
                answer, plan = self._send(request, hotel, change)
                if answer is not None:
                    return answer
            else:
                last = month + timedelta(days=_length(month) - 1)
                change = ChangeForm(
                    hotel,
                    initial={
                        "hotel": hotel.id,
                        "key": new_job_key(),
                        "first": max(today, month),
                        "last": max(today, last),
                    },
                )
        elif request.method == "POST":
            self.check_may(request, *self.changes)
        return self.render(
            request,
            chosen=PriceMonthForm(request, initial={"hotel": hotel.id, "month": f"{month:%Y-%m}"}),
            hotel=hotel,
            month=month,
            previous_url=_url(hotel, month - timedelta(days=1)),
            next_url=_url(hotel, month + timedelta(days=_length(month))),
            days=[month + timedelta(days=number) for number in range(_length(month))],
            grid=_draw(hotel, month),
            form=change,
            plan=plan,
            shown=[_describe(one, hotel.currency) for one in plan.changes[:MAX_CHANGES_SHOWN]]
            if plan
            else [],
            free=count_free(plan.rows) if plan else 0,
            unusual=_tell_unusual(plan) if plan else "",
            more=max(0, len(plan.changes) - MAX_CHANGES_SHOWN) if plan else 0,
        )

    def _send(
        self, request: StaffRequest, hotel: HotelFacts, form: ChangeForm
    ) -> tuple[HttpResponse | None, ChangePlan | None]:
        """Applies the plan that was shown and returns the response. Otherwise returns the plan to
        show, if the form is valid."""
        if form.data.get("hotel") != hotel.id:
            form.add_error(None, "The page now shows another hotel; look at it again.")
            return None, None
        key = form.data.get("key", "")
        if ObjectId.is_valid(key) and NightsJob.objects.filter(pk=key, hotel=hotel.id).exists():
            self._say_already(request, hotel, key)
            return HttpResponseRedirect(request.get_full_path()), None
        plan = form.plan()
        if plan is None:
            return None, None
        if "apply" not in form.data or form.cleaned_data["seen"] != plan.digest or not plan.changes:
            if "apply" in form.data:
                text = "The nights or the form have changed since; see below what would change now."
                messages.warning(request, text)
            form.renew(seen=plan.digest)
            return None, plan
        summary = f"{form.describe()}: {count_nights(len(plan.rows))}, {plan.new:,} of them new."
        try:
            is_new = add_job(
                request,
                form.cleaned_data["key"],
                kind=night_jobs.CHANGE,
                hotel_id=hotel.id,
                rows=plan.rows,
                summary=summary,
                allow_free=form.cleaned_data["allow_free"],
            )
        except ValidationFailed as refusal:
            text = " ".join(fault.message for fault in refusal.faults)
            form.add_error(None, f"{text} Tick the box beside Apply if you want that.")
            return None, plan
        if not is_new:
            self._say_already(request, hotel, key)
        return HttpResponseRedirect(request.get_full_path()), None

    def _say_already(self, request: HttpRequest, hotel: HotelFacts, key: str) -> None:
        """After a double click staff see only this, so it says what the first click did. The key of
        another hotel's job tells nothing of that job."""
        text = "This form has already changed nights; nothing was changed again."
        summaries = NightsJob.objects.filter(pk=key, hotel=hotel.id)
        for summary in summaries.values_list("summary", flat=True):
            text += f" The change was: {summary}"
        messages.warning(request, text)


def _tell_unusual(plan: ChangePlan) -> str:
    """The warning beside *Apply*, which applies the plan all the same; empty if all is usual."""
    count = count_unusual(
        plan.rows, {each.category.id: each.category.default_price for each in plan.changes}
    )
    return f"{tell_count(count)} Apply them only if that is right." if count else ""


def _read_month(chosen: PriceMonthForm, today: date) -> date:
    """The first day of the month asked for, kept within the range that calendars can show."""
    text = chosen.cleaned_data.get("month") if chosen.is_valid() else ""
    wanted = date(int(text[:4]) or 1, int(text[5:]), 1) if text else today.replace(day=1)
    earliest = (today - timedelta(days=366)).replace(day=1)
    latest = (today + timedelta(days=HORIZON_DAYS)).replace(day=1)
    return min(max(wanted, earliest), latest)


def _length(month: date) -> int:
    return calendar.monthrange(month.year, month.month)[1]


def _url(hotel: HotelFacts, day: date) -> str:
    return "?" + urlencode({"hotel": hotel.id, "month": f"{day:%Y-%m}"})


def _draw(hotel: HotelFacts, month: date) -> list[tuple[Any, list[NightCell]]]:
    """Each category, by name, with its cells."""
    categories = inventory.list_categories(hotel.id)
    last = month + timedelta(days=_length(month) - 1)
    calendars = read_calendars(categories, month, last)
    days = [month + timedelta(days=number) for number in range(_length(month))]
    return [
        (category, [_cell(calendars[category.id], day, hotel.currency) for day in days])
        for category in categories
    ]


def _cell(days: Calendar, day: date, currency: str) -> NightCell:
    stored = days.days.get(day)
    night = stored or CalendarNight(days.category.default_price)
    if stored:
        kind = "closed" if stored.is_closed else "stored"
    else:
        kind = "default" if days.category.sell_by_default else "none"
    url = ""
    if stored:
        # The admin quotes ids in URLs like this.
        pk = quote(night_id(days.category.id, day.isoformat()))
        url = reverse("admin:bookings_night_change", args=[pk])
    amount = "" if kind == "none" else write_amount(night.price, currency)
    return NightCell(day, amount, kind, tuple(_marks(night)), url)


def _marks(night: CalendarNight) -> list[tuple[str, str]]:
    marks = []
    if night.is_closed:
        marks.append(("×", "closed"))
    if night.min_stay > 1:
        marks.append((f"{night.min_stay}+", f"at least {night.min_stay} nights"))
    if night.is_closed_to_arrival:
        marks.append(("A", "no arrival"))
    if night.is_closed_to_departure:
        marks.append(("D", "no departure"))
    return marks


def _describe(change: NightChange, currency: str) -> dict[str, Any]:
    return {
        "category": change.category.name,
        "day": change.day,
        "is_new": change.is_new,
        "before": _in_words(change.before, currency),
        "after": _in_words(change.after, currency),
    }


def _in_words(night: CalendarNight, currency: str) -> str:
    return ", ".join([format_money(night.price, currency), *(word for _, word in _marks(night))])
