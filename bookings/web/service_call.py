"""What a service said, as a page needs it: which booking, or which refusal."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import Http404

from bookings.refusals import NotFound, Refusal
from bookings.stays.outcomes import Outcome


@dataclass(frozen=True)
class Said:
    """What the service said: the booking, or a refusal's code and how long to wait. `is_replay`
    says that it was done before, perhaps by another person at this browser."""

    code: str | None
    booking_id: str | None = None
    is_replay: bool = False
    status: int = 200
    retry_after_s: int | None = None


def ask(call: Callable[[], Outcome]) -> Said:
    """Makes the call. What is not a refusal, such as MongoDB being away, is raised on."""
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
