"""Whether worker and beat are alive, dead holds are tidied, and everything is sent on time.

The doctor asks workers directly, through the broker. It cannot ask beat, whose sign of life is a
sweep that beat asked for and a worker ran. So beat without a worker looks like no beat.
"""

from celery import current_app
from django.conf import settings

from bookings.content.photos import conversion
from bookings.infrastructure.quantities import quantity
from bookings.news import deliveries, relay
from bookings.news.deliveries import MAIL
from bookings.news.webhooks import sending
from bookings.operations import sweep, sweep_tally
from bookings.operations.doctor.findings import Finding, fail, ok, warn
from bookings.people import account_letters
from bookings.stays import due_work
from locks.connection import OPERATION_TIMEOUT_S

# A live worker answers within milliseconds, even while its tasks run.
WORKER_TIMEOUT_S = 1.0

# Beat asks for most work every few seconds, for the rest every minute; a run may take twenty.
LATE_AFTER_S = 120.0


def worker() -> Finding:
    """Asks every worker which queues it takes tasks from, and waits for the answers."""
    with current_app.connection_for_write(
        settings.CELERY_BROKER_URL,
        connect_timeout=WORKER_TIMEOUT_S,
        transport_options={
            "socket_timeout": OPERATION_TIMEOUT_S,
            "socket_connect_timeout": OPERATION_TIMEOUT_S,
            "max_retries": 0,
        },
    ) as connection:
        asked = current_app.control.inspect(timeout=WORKER_TIMEOUT_S, connection=connection)
        queues_by_name = asked.active_queues() or {}
    if not queues_by_name:
        return fail("No worker answers; start one: celery -A bookingsite worker.")
    wanted = settings.CELERY_TASK_DEFAULT_QUEUE
    names = sorted(
        name
        for name, queues in queues_by_name.items()
        if wanted in [queue["name"] for queue in queues]
    )
    if not names:
        return fail(
            f"No worker takes beat's tasks from the queue {wanted}; "
            f"{', '.join(sorted(queues_by_name))} answer for other queues; start one: celery "
            "-A bookingsite worker."
        )
    return ok(f"Alive: {', '.join(names)}.")


def beat() -> Finding:
    """Judges beat by the age of the last sweep that it asked for."""
    ages_s = sweep_tally.read().last_run_age_s
    late_after_s = sweep.late_after_s()
    if "beat" not in ages_s:
        since = "No sweep that beat asked for has ever run"
    else:
        since = f"The last sweep that beat asked for ended {ages_s['beat']:.0f} s ago"
        if ages_s["beat"] <= late_after_s:
            return ok(f"{since}.")
    if ages_s.get("command", late_after_s + 1) <= late_after_s:
        return warn(
            f"{since}, but a command swept {ages_s['command']:.0f} s ago; unless cron is meant to "
            "sweep alone, start beat: celery -A bookingsite beat."
        )
    return fail(
        f"{since}; start beat: celery -A bookingsite beat. While no worker answers, beat may be "
        "alive and unheard; after a first start, wait for one interval "
        f"({settings.EXPIRY_INTERVAL_S} s)."
    )


def stale_holds() -> Finding:
    """Dead holds block no one, but many of them are a sign that no one tidies."""
    count, oldest_age_s = due_work.count_dead_holds()
    if oldest_age_s > sweep.late_after_s():
        return warn(
            f"{quantity(count, 'hold')} ran out without being tidied, the oldest "
            f"{oldest_age_s:.0f} s ago; this blocks no one. Fix worker and beat, or run manage.py "
            "expire_bookings."
        )
    return ok(f"Waiting for the next sweep: {quantity(count, 'hold')}.")


def late_work() -> Finding:
    """Work that is due and not taken, in any queue, shows that workers do not do their work."""
    due_s = {
        "a letter": account_letters.read_figures().oldest_due_age_s,
        "news of a booking": relay.oldest_due_age_s(),
        "a mail to a guest": deliveries.read_figures(MAIL).oldest_due_age_s,
        "a webhook": sending.oldest_due_age_s(),
        "a photo": conversion.read_figures().oldest_age_s,
    }
    late = [f"{what} for {age_s:.0f} s" for what, age_s in due_s.items() if age_s > LATE_AFTER_S]
    if late:
        said = f"Due, and no worker takes it: {', '.join(late)}"
        return warn(f"{said}; check worker and beat. Nothing is lost.")
    return ok("Nothing that should be sent or converted is late.")
