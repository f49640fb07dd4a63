"""What the worker does. Every task is safe to run twice, late, or beside itself."""

from celery import shared_task

from bookings import services
from bookings.clock import request_limits


@shared_task(name="bookings.expire_holds")
def expire_holds() -> int:
    """Tidies holds that ran out; returns how many it expired."""
    # Bounded like a request: a worker must not hang on a MongoDB that does.
    with request_limits():
        _, expired = services.expire_holds()
    return expired
