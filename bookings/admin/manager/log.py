"""The admin's log of staff's actions, newest first, one page at a time.

A booking's own history says everything that happened to it, in the admin and elsewhere.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from bson import ObjectId
from django import forms
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from bookings.admin.forms import DayField
from bookings.admin.manager.pages import ManagerPage
from bookings.admin.own_hotels import name_hotels
from bookings.admin.staff_requests import StaffRequest
from bookings.infrastructure.connections import collection
from bookings.infrastructure.texts import LineField
from bookings.models import NightsJob
from bookings.presentation.days import with_days_in_words

ENTRIES_A_PAGE = 50

KINDS = {ADDITION: "Added", CHANGE: "Changed", DELETION: "Deleted"}


class LogForm(forms.Form):
    user = forms.ModelChoiceField(
        queryset=get_user_model()._default_manager.all(),
        to_field_name="username",
        required=False,
        widget=forms.TextInput,
        label="Person",
        help_text="A username.",
        error_messages={"invalid_choice": "There is no user with this name."},
    )
    booking = LineField(required=False, max_length=32, help_text="A reference.")
    kind = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None, choices=[("", "All"), *KINDS.items()]
    )
    first = DayField(label="From", required=False)
    last = DayField(label="To", required=False, help_text="Included.")
    # Where the previous page ended.
    before = forms.CharField(widget=forms.HiddenInput, required=False, max_length=80)

    def clean_before(self) -> tuple[datetime, ObjectId] | None:
        """The time and id of the previous page's last entry; None for the first page."""
        text = self.cleaned_data["before"]
        if not text:
            return None
        moment, _, last_id = text.partition("_")
        try:
            # A moment outside the years of UTC raises here, and not in MongoDB.
            return datetime.fromisoformat(moment).astimezone(UTC), ObjectId(last_id)
        except Exception:
            raise forms.ValidationError("Start again from the newest entry.") from None

    def clean_booking(self) -> str:
        """The id of the booking or block with the reference; "" if none was typed."""
        typed = self.cleaned_data["booking"].upper()
        if not typed:
            return ""
        found = collection("bookings").find_one({"reference": typed}, {"_id": 1})
        if found is None:
            raise forms.ValidationError("There is no booking with this reference.")
        return str(found["_id"])

    def find(self) -> list[dict[str, Any]]:
        """The documents that the valid form asks for, newest first, and one more than a page shows
        if there are more.

        An index serves every combination of fields. The ORM could not use it: it sorts by copies of
        fields.
        """
        data = self.cleaned_data
        condition: dict[str, Any] = {}
        moments: dict[str, datetime] = {}
        if data["user"]:
            condition["user_id"] = data["user"].pk
        if data["booking"]:
            condition["object_id"] = data["booking"]
        if data["kind"]:
            condition["action_flag"] = data["kind"]
        if data["first"]:
            moments["$gte"] = _midnight(data["first"])
        if data["last"]:
            moments["$lt"] = _midnight(data["last"] + timedelta(days=1))
        if data["before"]:
            moment, last_id = data["before"]
            moments["$lte"] = moment
            older = {"action_time": {"$lt": moment}}
            condition["$or"] = [older, {"action_time": moment, "_id": {"$lt": last_id}}]
        if moments:
            condition["action_time"] = moments
        newest_first = [("action_time", -1), ("_id", -1)]
        found = collection("django_admin_log").find(condition).sort(newest_first)
        return list(found.limit(ENTRIES_A_PAGE + 1))


@admin.register(LogEntry)
class LogPage(ManagerPage):
    needs = "admin.view_logentry"
    title = "Who did what"
    template = "admin/manager/log.html"

    @method_decorator(require_safe)
    def show(self, request: StaffRequest) -> HttpResponse:
        form = LogForm(request.GET)
        if not form.is_valid():
            return self.render(request, form=form)
        found = form.find()
        shown = found[:ENTRIES_A_PAGE]
        next_url = ""
        if len(found) > len(shown):
            last = shown[-1]
            before = f"{last['action_time'].isoformat()}_{last['_id']}"
            next_url = "?" + urlencode({**request.GET.dict(), "before": before})
        return self.render(request, form=form, entries=_describe(request, shown), next_url=next_url)


def _describe(request: HttpRequest, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    users = get_user_model()._default_manager.in_bulk({each["user_id"] for each in documents})
    hotels = dict(name_hotels(request))
    return [_describe_one(each, users.get(each["user_id"]), hotels) for each in documents]


def _describe_one(document: dict[str, Any], user: Any, hotels: dict[str, str]) -> dict[str, Any]:
    type_id = document["content_type_id"]
    entry = LogEntry(
        # The manager caches content types; an entry would fetch its own from the database.
        content_type=ContentType.objects.get_for_id(type_id) if type_id else None,
        object_id=document["object_id"],
        object_repr=document["object_repr"],
        action_flag=document["action_flag"],
        change_message=document["change_message"],
    )
    return {
        "at": document["action_time"],
        "user": user.get_username() if user else "",
        "kind": KINDS.get(entry.action_flag, ""),
        "type": entry.content_type.name if entry.content_type else "",
        "object": with_days_in_words(_name_of(entry, hotels)),
        "url": entry.get_admin_url() if entry.action_flag != DELETION else None,
        "message": with_days_in_words(entry.get_change_message()),
    }


def _name_of(entry: LogEntry, hotels: dict[str, str]) -> str:
    """The name of what was changed; that of a nights job from an earlier release begins with the
    id of its hotel."""
    name = entry.object_repr
    if entry.content_type and entry.content_type.model == NightsJob._meta.model_name:
        hotel_id, comma, rest = name.partition(",")
        return f"{hotels.get(hotel_id, hotel_id)}{comma}{rest}"
    return name


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
