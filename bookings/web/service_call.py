"""Calls a service for a page, which needs only the booking's id or the refusal."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import Http404

from bookings.refusals import NotFound, Refusal
from bookings.stays.outcomes import Outcome


@dataclass(frozen=True)
class Said:
    """The service's answer: a booking, or a refusal's code and how long to wait.

    With `is_replay` it repeats an earlier answer, perhaps to another person at this browser.
    """

    code: str | None
    booking_id: str | None = None
    is_replay: bool = False
    status: int = 200
    retry_after_s: int | None = None


def ask(call: Callable[[], Outcome]) -> Said:
    """Makes the call. Raises Http404 for NotFound, and lets every error but a refusal pass."""
    try:
        outcome = call()
    except NotFound as error:
        raise Http404 from error
    except Refusal as refusal:
        return Said(refusal.code, status=refusal.status, retry_after_s=refusal.retry_after_s)
    answer = outcome.content
    if outcome.code:
        return Said(outcome.code, status=outcome.answer.status, retry_after_s=outcome.retry_after_s)
    return Said(None, answer["booking"]["id"], is_replay=outcome.replayed)
