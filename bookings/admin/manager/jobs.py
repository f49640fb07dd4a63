"""Shared parts of the forms that add nights jobs: a key, and the messages about a job."""

from collections.abc import Callable
from typing import Any

from bson import ObjectId
from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION
from pymongo.client_session import ClientSession

from bookings.admin.manager.pages import note
from bookings.admin.staff_requests import StaffRequest
from bookings.catalogue import night_jobs
from bookings.catalogue.nights import NightRow
from bookings.infrastructure import deadlines
from bookings.models import NightsJob


class JobKeyField(forms.CharField):
    """The id of the job that the form adds, so that one form adds only one job."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.HiddenInput, max_length=24, **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not ObjectId.is_valid(text):
            raise forms.ValidationError("Open this form again; its key is not valid.")
        return ObjectId(text)


def new_job_key() -> str:
    """A new id for the job that a form adds."""
    return str(ObjectId())


def count_nights(count: int) -> str:
    """The number of nights in words, such as “1,200 nights”."""
    return f"{count:,} night{'' if count == 1 else 's'}"


def add_job(
    request: StaffRequest,
    job_id: ObjectId,
    *,
    kind: str,
    hotel_id: str,
    rows: list[NightRow],
    summary: str,
    allow_free: bool,
    also: Callable[[ClientSession], object] | None = None,
) -> bool:
    """Adds a job that sets these nights, logs it, and shows a message with its state.

    `also` writes in the transaction that adds the job. False if the form was sent before: then the
    caller shows a message instead. Raises TryAgain if the request has used up its time; MongoDB
    gets a time budget of its own, from which judging the nights takes nothing. Raises
    ValidationFailed if nights would become free of charge without `allow_free`.
    """
    request.deadline.check()
    return deadlines.with_new_budget(
        lambda: _add_job(
            request,
            job_id,
            kind,
            hotel_id=hotel_id,
            rows=rows,
            summary=summary,
            allow_free=allow_free,
            also=also,
        )
    )


def _add_job(
    request: StaffRequest,
    job_id: ObjectId,
    kind: str,
    *,
    hotel_id: str,
    rows: list[NightRow],
    summary: str,
    allow_free: bool,
    also: Callable[[ClientSession], object] | None = None,
) -> bool:
    is_new = night_jobs.add_job(
        job_id=job_id,
        kind=kind,
        hotel_id=hotel_id,
        rows=rows,
        summary=summary,
        user_id=request.user.pk,
        allow_free=allow_free,
        also=also,
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
        text = "Added as a job; a worker does it after the earlier ones. See Nights jobs."
        if kind == night_jobs.CHANGE:
            text += " If one of the nights changes before then, it changes none and says so there."
        messages.success(request, f"{text} {summary}")
    return True
