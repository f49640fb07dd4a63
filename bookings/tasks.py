"""The worker's tasks. Each may run late, again, or in two workers at once."""

from celery import shared_task
from django.contrib.sessions.models import Session

from bookings.catalogue import night_jobs
from bookings.content.photos import conversion
from bookings.infrastructure import clock
from bookings.news import guest_mails, relay, reminders
from bookings.news.webhooks import notes, sending
from bookings.operations import sweep, worker_clocks
from bookings.operations.sweep_tally import StartedBy
from bookings.people import account_letters, retention


@shared_task(name="bookings.expire_holds")
def expire_holds(started_by: StartedBy = "command") -> int:
    """Marks dead holds as expired; returns how many. Beat passes `started_by="beat"`."""
    done = sweep.expire_holds(started_by=started_by)
    worker_clocks.report()
    return done.expired


@shared_task(name="bookings.generate_nights")
def generate_nights() -> int:
    """Works on the nights jobs that staff have added; returns how many ended."""
    return night_jobs.work_on_jobs()


@shared_task(name="bookings.convert_photos")
def convert_photos() -> int:
    """Converts the photos that staff have uploaded; returns how many."""
    return conversion.work_on_photos()


@shared_task(name="bookings.send_letters")
def send_letters() -> int:
    """Sends the due letters; returns how many."""
    return account_letters.send_letters()


@shared_task(name="bookings.pass_on_news")
def pass_on_news() -> int:
    """Turns the news in bookings' outboxes into deliveries; returns how many."""
    return relay.pass_on_news()


@shared_task(name="bookings.remind_of_arrivals")
def remind_of_arrivals() -> int:
    """Writes the reminders of stays that are due; returns how many were new."""
    return reminders.remind_of_arrivals()


@shared_task(name="bookings.send_notifications")
def send_notifications() -> int:
    """Sends the due mails about bookings to guests; returns how many."""
    return guest_mails.send_notifications()


@shared_task(name="bookings.send_webhooks")
def send_webhooks() -> int:
    """Sends the due webhooks to partners; returns how many events they accepted."""
    return sending.send_webhooks()


@shared_task(name="bookings.note_disabled_webhooks")
def note_disabled_webhooks() -> int:
    """Sends notes about disabled endpoints; returns how many."""
    return notes.send_notes()


@shared_task(name="bookings.keep_retention_rules")
def keep_retention_rules() -> int:
    """Erases guests' data that hotels keep no longer; returns in how many bookings."""
    return retention.keep_rules()


@shared_task(name="bookings.clear_sessions")
def clear_sessions() -> int:
    """Removes expired sessions; returns how many.

    It goes by MongoDB's clock, since this machine's clock may be ahead of the web processes' clocks
    and remove sessions that are still valid.
    """
    removed, _ = Session.objects.filter(expire_date__lt=clock.now()).delete()
    return removed
