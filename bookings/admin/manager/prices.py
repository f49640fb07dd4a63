"""The price calendar: one month of a hotel, and a form that changes many nights at once."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bson import ObjectId
from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode

from bookings.admin.manager.jobs import add_job, count_nights, new_job_key
from bookings.admin.manager.pages import HotelChoiceForm, ManagerPage, hotel_to_note, note
from bookings.admin.manager.price_form import ChangeForm
from bookings.admin.manager.price_grid import days_of, draw_month, list_restrictions
from bookings.admin.staff_requests import StaffRequest, may
from bookings.catalogue import inventory, night_jobs
from bookings.catalogue.calendars import CalendarNight
from bookings.catalogue.inventory import HORIZON_DAYS, HotelFacts
from bookings.catalogue.night_changes import ChangePlan, NightChange
from bookings.catalogue.night_undo import Undone, find_last_change, remember_change, undo_change
from bookings.catalogue.nights import WEEKDAYS, count_free
from bookings.catalogue.usual_prices import count_unusual, tell_count
from bookings.domain.money import format_money
from bookings.infrastructure import clock, deadlines
from bookings.models import NightsJob, PriceCalendar
from bookings.presentation.days import day_text, with_days_in_words
from bookings.refusals import ValidationFailed

# The page only counts the others.
MAX_CHANGES_SHOWN = 50

# The editor in the grid sends this field, and the button that undoes a change the other.
IN_PLACE, UNDO = "in_place", "undo"

OTHER_HOTEL = "The page now shows another hotel; look at it again."
CHANGED_SINCE = "The nights or the form have changed since; see below what would change now."


class PriceMonthForm(HotelChoiceForm):
    month = forms.RegexField(
        r"\A[0-9]{4}-(0[1-9]|1[0-2])\Z",
        required=False,
        widget=forms.TextInput(attrs={"type": "month"}),
        error_messages={"invalid": "Write the month as YYYY-MM."},
    )


@dataclass(frozen=True)
class Sent:
    """What became of a form that was sent: the response, or else what the page shows of it.

    `notice` says why a change that was sent to be applied is shown once more.
    """

    answer: HttpResponse | None = None
    plan: ChangePlan | None = None
    notice: str = ""


@admin.register(PriceCalendar)
class PriceCalendarPage(ManagerPage):
    needs = "bookings.view_night"
    changes = ("bookings.add_night", "bookings.change_night")
    title = "Price calendar"
    template = "admin/manager/prices.html"

    def show(self, request: StaffRequest) -> HttpResponse:
        """Shows the month. A POST shows what the form would change, applies it, or undoes the last
        change. The editor in the grid asks for the effect alone, without the month."""
        asked = request.GET.copy()
        # A page that was opened without a hotel shows the one chosen last, which may be another by
        # the time its forms are sent. They are about the hotel that they showed.
        asked.setdefault("hotel", request.POST.get("hotel", ""))
        chosen = PriceMonthForm(request, asked)
        hotel = chosen.hotel_to_show()
        if hotel is None:
            return self.render(request, chosen=chosen)
        if request.method != "POST":
            chosen.tell_faults(request)
        sent, form = Sent(), None
        if request.method == "POST":
            self.check_may(request, *self.changes)
            if UNDO in request.POST:
                return self._undo(request, hotel)
            form = ChangeForm(hotel, request.POST)
            sent = self._send(request, hotel, form)
            if sent.answer is not None:
                return sent.answer
            if IN_PLACE in request.POST:
                shown = {"form": form, "notice": sent.notice, **_show_plan(sent.plan)}
                return TemplateResponse(request, "admin/manager/price_preview.html", shown)
            if sent.notice:
                messages.warning(request, sent.notice)
        return self._show_month(request, hotel, chosen, form, sent.plan)

    def _show_month(
        self,
        request: StaffRequest,
        hotel: HotelFacts,
        chosen: PriceMonthForm,
        form: ChangeForm | None,
        plan: ChangePlan | None,
    ) -> HttpResponse:
        """The whole page, with the form as it was sent or, to those who may change, a new one."""
        today = clock.today(hotel.time_zone)
        month = _read_month(chosen, today)
        days = days_of(month)
        editor, last_change = None, None
        if may(request, *self.changes):
            initial = {"hotel": hotel.id, "first": max(today, month), "last": max(today, days[-1])}
            form = form or ChangeForm(hotel, initial={**initial, "key": new_job_key()})
            editor = ChangeForm(
                hotel, auto_id="editor_%s", initial={"hotel": hotel.id, "key": new_job_key()}
            )
            last_change = find_last_change(hotel_id=hotel.id, user_id=request.user.pk)
        return self.render(
            request,
            chosen=PriceMonthForm(request, initial={"hotel": hotel.id, "month": f"{month:%Y-%m}"}),
            hotel=hotel,
            month=month,
            today=today,
            previous_url=_url(hotel, month - timedelta(days=1)),
            next_url=_url(hotel, days[-1] + timedelta(days=1)),
            days=days,
            grid=draw_month(hotel, month),
            form=form,
            editor=editor,
            weekdays=WEEKDAYS,
            last_change=None if last_change is None or last_change.is_undone else last_change,
            **_show_plan(plan),
        )

    def _send(self, request: StaffRequest, hotel: HotelFacts, form: ChangeForm) -> Sent:
        """Applies the plan that was shown. Otherwise says what to show, if the form is valid."""
        if form.data.get("hotel") != hotel.id:
            form.add_error(None, OTHER_HOTEL)
            return Sent()
        key = form.data.get("key", "")
        if ObjectId.is_valid(key) and NightsJob.objects.filter(pk=key, hotel=hotel.id).exists():
            self._say_already(request, hotel, key)
            return Sent(_back_to(request, hotel))
        plan = form.plan()
        if plan is None:
            return Sent()
        if "apply" not in form.data or form.cleaned_data["seen"] != plan.digest or not plan.changes:
            form.renew(seen=plan.digest)
            return Sent(plan=plan, notice=CHANGED_SINCE if "apply" in form.data else "")
        new = f", {plan.new:,} of them new" if plan.new else ""
        summary = f"{form.describe()}: {count_nights(len(plan.rows))}{new}."
        change_id, rows = form.cleaned_data["key"], plan.rows
        try:
            is_new = add_job(
                request,
                change_id,
                kind=night_jobs.CHANGE,
                hotel_id=hotel.id,
                rows=rows,
                summary=summary,
                allow_free=form.cleaned_data["allow_free"],
                also=lambda session: remember_change(
                    change_id=change_id,
                    hotel_id=hotel.id,
                    user_id=request.user.pk,
                    rows=rows,
                    summary=summary,
                    session=session,
                ),
            )
        except ValidationFailed as refusal:
            text = with_days_in_words(" ".join(each.message for each in refusal.faults))
            form.add_error(None, f"{text} Tick the box beside the button if you want that.")
            return Sent(plan=plan)
        if not is_new:
            self._say_already(request, hotel, key)
        return Sent(_back_to(request, hotel))

    def _undo(self, request: StaffRequest, hotel: HotelFacts) -> HttpResponse:
        """Undoes the person's change, says what became of it, and logs it once."""
        back = _back_to(request, hotel)
        if request.POST.get("hotel") != hotel.id:
            messages.error(request, OTHER_HOTEL)
            return back
        request.deadline.check()
        try:
            undone = deadlines.with_new_budget(
                lambda: undo_change(
                    change_id=request.POST[UNDO], hotel_id=hotel.id, user_id=request.user.pk
                )
            )
        except ValidationFailed as refusal:
            messages.error(
                request, with_days_in_words(" ".join(each.message for each in refusal.faults))
            )
            return back
        text = _tell_undone(undone, hotel)
        if undone.is_new:
            did = "Undid" if undone.restored else "Could undo nothing of"
            told = f"{did} a change of prices. {text} The change was: {undone.summary}"
            note(request, told, about=hotel_to_note(hotel))
            say = messages.warning if undone.kept else messages.success
            say(request, f"{'Undone' if undone.restored else 'Nothing was undone'}. {text}")
        else:
            messages.warning(request, f"This change is undone already. {text}")
        return back

    def _say_already(self, request: HttpRequest, hotel: HotelFacts, key: str) -> None:
        """After a double click staff see only this, so it says what the first click did. The key of
        another hotel's job tells nothing of that job."""
        text = "This form has already changed nights; nothing was changed again."
        summaries = NightsJob.objects.filter(pk=key, hotel=hotel.id)
        for summary in summaries.values_list("summary", flat=True):
            text += f" The change was: {summary}"
        messages.warning(request, text)


def _tell_undone(undone: Undone, hotel: HotelFacts) -> str:
    """Which nights are as before, and which are not."""
    are = "is" if undone.restored == 1 else "are"
    text = f"{count_nights(undone.restored)} {are} as before the change."
    if not undone.restored:
        text = "No night is as before the change."
    if not undone.kept:
        return text
    names = {category.id: category.name for category in inventory.list_categories(hotel.id)}
    named = [
        f"{names.get(category, 'a former category')} on {day_text(day)}"
        for category, day in undone.kept_nights
    ]
    if more := undone.kept - len(named):
        named.append(f"{more:,} more")
    was = "was changed since and stays" if undone.kept == 1 else "were changed since and stay"
    return f"{text} {count_nights(undone.kept)} {was}: {', '.join(named)}."


def _show_plan(plan: ChangePlan | None) -> dict[str, Any]:
    """What templates show of the plan."""
    if plan is None:
        return {"plan": None}
    changes = plan.changes[:MAX_CHANGES_SHOWN]
    return {
        "plan": plan,
        "shown": [_describe(change, plan.hotel.currency) for change in changes],
        "free": count_free(plan.rows),
        "unusual": _tell_unusual(plan),
        "more": len(plan.changes) - len(changes),
    }


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


def _url(hotel: HotelFacts, day: date) -> str:
    return "?" + urlencode({"hotel": hotel.id, "month": f"{day:%Y-%m}"})


def _back_to(request: HttpRequest, hotel: HotelFacts) -> HttpResponse:
    """The redirect to the month from which the form was sent."""
    query = request.GET.copy()
    query["hotel"] = hotel.id
    return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")


def _describe(change: NightChange, currency: str) -> dict[str, Any]:
    return {
        "category": change.category.name,
        "day": change.day,
        "is_new": change.is_new,
        "before": _in_words(change.before, currency),
        "after": _in_words(change.after, currency),
    }


def _in_words(night: CalendarNight, currency: str) -> str:
    return ", ".join([format_money(night.price, currency), *list_restrictions(night)])
