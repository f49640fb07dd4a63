"""Nights as CSV, for download and upload. This page judges a file, and a job writes it."""

import hashlib
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import URLPattern, reverse

from bookings.admin.forms import DayField
from bookings.admin.manager.jobs import JobKeyField, add_job, count_nights, new_job_key
from bookings.admin.manager.pages import HotelChoiceForm, ManagerPage, hotel_to_note, note
from bookings.admin.staff_requests import StaffRequest, may
from bookings.catalogue import night_files, night_jobs
from bookings.catalogue.night_files import FileRefused
from bookings.catalogue.usual_prices import count_unusual, tell_count
from bookings.models import NightsFile
from bookings.presentation.days import with_days_in_words
from bookings.refusals import ValidationFailed

CSV = "text/csv; charset=utf-8"

IMPORT_RIGHTS = ("bookings.add_night", "bookings.change_night", "bookings.add_nightsjob")


class ExportForm(HotelChoiceForm):
    first = DayField(label="First night", required=False, help_text="Today if left empty.")
    last = DayField(label="Last night", required=False, help_text="All nights if left empty.")

    def clean(self) -> None:
        hotel = self.cleaned_data.get("hotel")
        if self.errors or hotel is None:
            return
        earliest, latest = night_files.exportable_days(hotel)
        data = self.cleaned_data
        data["first"] = data["first"] or night_files.today_of(hotel)
        data["last"] = data["last"] or latest
        if data["last"] < data["first"]:
            self.add_error("last", "Choose a last night that is not before the first.")
        elif data["first"] < earliest or data["last"] > latest:
            self.add_error("first", f"Choose nights from {earliest} to {latest}.")


class ImportForm(HotelChoiceForm):
    key = JobKeyField()
    file = forms.FileField(
        label="CSV file",
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )

    # The digest of the file that may make nights free of charge: staff choose the file again, and
    # may choose another one.
    allow_free = forms.CharField(required=False, widget=forms.HiddenInput, max_length=64)

    # The digest of the file whose unusual prices staff have been told of.
    allow_unusual = forms.CharField(required=False, widget=forms.HiddenInput, max_length=64)

    field_order = ("hotel", "file", "key", "allow_free", "allow_unusual")


@admin.register(NightsFile)
class NightsFilePage(ManagerPage):
    needs = "bookings.view_night"
    changes = IMPORT_RIGHTS
    title = "Nights as CSV"
    template = "admin/manager/files.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.page("export/", self.export, "export"), *super().get_urls()]

    def show(self, request: StaffRequest) -> HttpResponse:
        """Shows the forms. A POST judges the file and adds the job that writes its nights."""
        if request.method != "POST":
            return self._page(request)
        self.check_may(request, *IMPORT_RIGHTS)
        form = ImportForm(request, request.POST, request.FILES)
        if not form.is_valid() or form.cleaned_data["hotel"] is None:
            return self._page(request, uploaded=form)
        hotel, file = form.cleaned_data["hotel"], form.cleaned_data["file"]
        # Read now: judging may take so long that this request has no time left for MongoDB.
        wanted = ExportForm(request)
        # One byte more than allowed shows that the file is too large.
        content = file.read(night_files.MAX_BYTES + 1)
        try:
            rows = night_files.judge_file(content, hotel)
        except FileRefused as refusal:
            return self._page(request, wanted=wanted, uploaded=form, refusal=refusal)
        job_id = form.cleaned_data["key"]
        name = "".join(sign for sign in file.name if sign.isprintable())[:100]
        digest = hashlib.sha256(content).hexdigest()
        # A row of a file is based on the price of its category.
        unusual = count_unusual(rows, {row.category: row.base_price for row in rows})
        if unusual and form.cleaned_data["allow_unusual"] != digest:
            told = tell_count(unusual)
            return self._page(request, wanted=wanted, uploaded=form, unusual=told, digest=digest)
        try:
            is_new = add_job(
                request,
                job_id,
                kind=night_jobs.IMPORT,
                hotel_id=hotel.id,
                rows=rows,
                summary=f"Import of {name}: {count_nights(len(rows))}.",
                allow_free=form.cleaned_data["allow_free"] == digest,
            )
        except ValidationFailed as refused:
            free = with_days_in_words(" ".join(each.message for each in refused.faults))
            return self._page(
                request,
                wanted=wanted,
                uploaded=form,
                free=free,
                # Who said yes to the prices is not asked about them again.
                unusual=tell_count(unusual) if unusual else "",
                said_yes=True,
                digest=digest,
            )
        if not is_new:
            text = "This form has already imported a file; nothing was imported again."
            messages.warning(request, text)
        if may(request, "bookings.view_nightsjob"):
            return HttpResponseRedirect(reverse("admin:bookings_nightsjob_change", args=[job_id]))
        return HttpResponseRedirect(request.get_full_path())

    def export(self, request: HttpRequest) -> Any:
        """Streams the file, since all of it would be too large for a process to hold."""
        self.check_may(request, self.needs)
        if request.method != "GET":  # a HEAD request exports nothing
            return HttpResponseNotAllowed(["GET"])
        form = ExportForm(request, request.GET)
        if not form.is_valid() or form.cleaned_data["hotel"] is None:
            return self._page(request, wanted=form)
        hotel = form.cleaned_data["hotel"]
        first, last = form.cleaned_data["first"], form.cleaned_data["last"]
        note(request, f"Exported the nights from {first} to {last}.", about=hotel_to_note(hotel))
        response = StreamingHttpResponse(
            night_files.export_nights(hotel, first, last), content_type=CSV
        )
        response["Content-Disposition"] = (
            f'attachment; filename="nights-{hotel.id}-{first}-{last}.csv"'
        )
        return response

    def _page(
        self,
        request: HttpRequest,
        *,
        wanted: ExportForm | None = None,
        uploaded: ImportForm | None = None,
        refusal: FileRefused | None = None,
        free: str = "",
        unusual: str = "",
        said_yes: bool = False,
        digest: str = "",
    ) -> HttpResponse:
        may_import = may(request, *IMPORT_RIGHTS)
        return self.render(
            request,
            export_form=wanted or ExportForm(request),
            import_form=(uploaded or ImportForm(request, initial={"key": new_job_key()}))
            if may_import
            else None,
            columns=night_files.COLUMNS,
            max_rows=night_files.MAX_ROWS,
            max_mb=night_files.MAX_BYTES // 1_000_000,
            refusal=refusal,
            free=free,
            unusual=unusual,
            said_yes=said_yes,
            digest=digest,
        )
