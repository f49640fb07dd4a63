"""What the worker does. Every task is safe to run twice, late, or beside itself."""

from celery import shared_task

from bookings import night_jobs, services
from bookings.clock import request_limits


@shared_task(name="bookings.expire_holds")
def expire_holds() -> int:
    """Tidies holds that ran out; returns how many it expired."""
    # Bounded like a request: a worker must not hang on a MongoDB that does.
    with request_limits():
        _, expired = services.expire_holds()
    return expired


@shared_task(name="bookings.generate_nights")
def generate_nights() -> int:
    """Does the jobs for nights that staff added; returns how many ended."""
    return night_jobs.work_on_jobs()
