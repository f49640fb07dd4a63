"""What the worker does. Every task is safe to run twice, late, or beside itself."""

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from bookings import letters, night_jobs, notifications, relay, sweep
from bookings.sweep_tally import StartedBy


@shared_task(name="bookings.expire_holds")
def expire_holds(started_by: StartedBy = "command") -> int:
    """Tidies holds that ran out; returns how many it expired. Beat says that it is beat."""
    return sweep.expire_holds(started_by=started_by).expired


@shared_task(name="bookings.generate_nights")
def generate_nights() -> int:
    """Does the jobs for nights that staff added; returns how many ended."""
    return night_jobs.work_on_jobs()


@shared_task(name="bookings.send_letters")
def send_letters() -> int:
    """Sends the letters that are due; returns how many."""
    return letters.send_letters()


@shared_task(name="bookings.pass_on_news")
def pass_on_news() -> int:
    """Empties the bookings' outboxes; returns how many deliveries came of it."""
    return relay.pass_on_news()


@shared_task(name="bookings.send_notifications")
def send_notifications() -> int:
    """Sends the mails to guests that are due; returns how many."""
    return notifications.send_notifications()


@shared_task(name="bookings.clear_sessions")
def clear_sessions() -> int:
    """Removes sessions that are over, which nobody can use any more; returns how many."""
    removed, _ = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    return removed
