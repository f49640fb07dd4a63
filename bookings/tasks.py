"""What the worker does. Every task is safe to run twice, late, or beside itself."""

from celery import shared_task
from django.contrib.sessions.models import Session

from bookings.catalogue import night_jobs
from bookings.infrastructure import clock
from bookings.news import guest_mails, relay
from bookings.news.webhooks import notes, sending
from bookings.operations import sweep, worker_clocks
from bookings.operations.sweep_tally import StartedBy
from bookings.people import account_letters


@shared_task(name="bookings.expire_holds")
def expire_holds(started_by: StartedBy = "command") -> int:
    """Tidies holds that ran out; returns how many it expired. Beat says that it is beat."""
    done = sweep.expire_holds(started_by=started_by)
    worker_clocks.report()
    return done.expired


@shared_task(name="bookings.generate_nights")
def generate_nights() -> int:
    """Does the jobs for nights that staff added; returns how many ended."""
    return night_jobs.work_on_jobs()


@shared_task(name="bookings.send_letters")
def send_letters() -> int:
    """Sends the letters that are due; returns how many."""
    return account_letters.send_letters()


@shared_task(name="bookings.pass_on_news")
def pass_on_news() -> int:
    """Empties the bookings' outboxes; returns how many deliveries came of it."""
    return relay.pass_on_news()


@shared_task(name="bookings.send_notifications")
def send_notifications() -> int:
    """Sends the mails to guests that are due; returns how many."""
    return guest_mails.send_notifications()


@shared_task(name="bookings.send_webhooks")
def send_webhooks() -> int:
    """Sends partners what is due; returns how many events they took."""
    return sending.send_webhooks()


@shared_task(name="bookings.note_disabled_webhooks")
def note_disabled_webhooks() -> int:
    """Tells staff of endpoints that were disabled; returns how many notes were sent."""
    return notes.send_notes()


@shared_task(name="bookings.clear_sessions")
def clear_sessions() -> int:
    """Removes sessions that are over, which can no longer be used; returns how many. By
    MongoDB's clock: this machine's may be ahead of those that the sessions go by."""
    removed, _ = Session.objects.filter(expire_date__lt=clock.now()).delete()
    return removed
