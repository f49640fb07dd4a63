"""What forms that order nights have in common: a key, and what staff are told of the order."""

from typing import Any

from bson import ObjectId
from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION

from bookings.admin.manager.pages import note
from bookings.admin.staff_requests import StaffRequest
from bookings.catalogue import night_jobs
from bookings.catalogue.nights import NightRow
from bookings.infrastructure import clock
from bookings.models import NightsJob


class JobKeyField(forms.CharField):
    """The id of the job that the form orders, so that one form orders one job."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.HiddenInput, max_length=24, **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not ObjectId.is_valid(text):
            raise forms.ValidationError("Open this form anew; its key is not one of ours.")
        return ObjectId(text)


def new_job_key() -> str:
    return str(ObjectId())


def count_nights(count: int) -> str:
    return f"{count:,} night{'' if count == 1 else 's'}"


def order(
    request: StaffRequest,
    job_id: ObjectId,
    *,
    kind: str,
    hotel_id: str,
    rows: list[NightRow],
    summary: str,
    allow_free: bool,
) -> bool:
    """Orders these nights, logs it, and says what became of it so far.

    False if the form was sent before, and its order is another's to tell of. Raises TryAgain if
    the request has taken its time; what it judged so long does not count against MongoDB's. Raises
    ValidationFailed where nights would become free of charge and `allow_free` does not say so.
    """
    request.deadline.check()
    return clock.with_new_budget(
        lambda: _order(
            request,
            job_id,
            kind,
            hotel_id=hotel_id,
            rows=rows,
            summary=summary,
            allow_free=allow_free,
        )
    )


def _order(
    request: StaffRequest,
    job_id: ObjectId,
    kind: str,
    *,
    hotel_id: str,
    rows: list[NightRow],
    summary: str,
    allow_free: bool,
) -> bool:
    is_new = night_jobs.order_rows(
        job_id=job_id,
        kind=kind,
        hotel_id=hotel_id,
        rows=rows,
        summary=summary,
        user_id=request.user.pk,
        allow_free=allow_free,
    )
    if not is_new:
        return False
    job = NightsJob(pk=job_id, hotel_id=hotel_id, start=rows[0].day, end=rows[-1].day)
    note(request, summary, about=job, action=ADDITION)
    night_jobs.work_on_small(job_id)
    job = NightsJob.objects.defer("rows").get(pk=job_id)
    if job.state == NightsJob.State.DONE:
        messages.success(request, f"Done. {summary}")
    elif job.state == NightsJob.State.FAILED:
        messages.error(request, job.error)
    else:
        text = "Ordered; a worker does it after the orders before it, see Nights jobs."
        if kind == night_jobs.CHANGE:
            text += (
                " If one of the nights is changed until then, it changes none and says so there."
            )
        messages.success(request, f"{text} {summary}")
    return True
