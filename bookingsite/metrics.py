"""Figures for Prometheus at `GET /metrics`: no login, no throttle, nothing about guests.

With several processes, any one of them answers for all. The counts of requests are added up from
the files of gunicorn's workers. The figures of Celery workers and commands are kept in MongoDB and
read on each scrape. Without MongoDB the first half is still answered.
"""

from collections.abc import Iterator
from http import HTTPStatus

import pymongo
from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from pymongo.errors import PyMongoError

from bookings.catalogue import night_jobs
from bookings.content.photos import conversion
from bookings.infrastructure.connections import database
from bookings.infrastructure.metrics import REGISTRY
from bookings.infrastructure.mongodb import members
from bookings.infrastructure.queues import failed_work
from bookings.news import deliveries, relay
from bookings.news.deliveries import WEBHOOK
from bookings.news.webhooks import endpoints, sending
from bookings.operations import sweep, worker_clocks
from bookings.people import account_letters
from bookingsite import __version__, worker_files

# Prometheus gives up after some seconds, and scrapes again anyway.
SCRAPE_TIMEOUT_S = 1.0

# The methods that views here answer. All others count as one, since anyone may send any method to
# any route, and a series lasts as long as its process once it was counted.
METHODS = frozenset({"GET", "POST"})

# The top bucket is a request's deadline, 10 s; anything longer has missed it.
REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

requests = Counter(
    "bookingsite_http_requests",
    "Requests answered.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
request_duration = Histogram(
    "bookingsite_http_request_duration_seconds",
    "Time until the answer to a request was ready to be sent.",
    # Each label value adds a series for each bucket, so no label may hold a stranger's text.
    ["route"],
    buckets=REQUEST_BUCKETS_S,
    registry=REGISTRY,
)
Gauge(
    "bookingsite_processes",
    "Processes that answer requests here.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
).set(1)


def count_request(request: HttpRequest, route: str, status: int, duration_s: float) -> None:
    """Counts an answered request; `route` is a pattern, never a path."""
    is_for_view = request.method in METHODS and status != HTTPStatus.METHOD_NOT_ALLOWED
    method = request.method if is_for_view else "other"
    requests.labels(route, method, str(status)).inc()
    request_duration.labels(route).observe(duration_s)


class SiteCollector(Collector):
    """The figures that are the same in every process: the version, and those kept in MongoDB."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "bookingsite_build", "The release that runs here.", value={"version": __version__}
        )
        try:
            with pymongo.timeout(SCRAPE_TIMEOUT_S):
                figures = [
                    *_of_sweeps(),
                    *_of_worker_clocks(),
                    *_of_letters(),
                    *_of_deliveries(),
                    *_of_webhooks(),
                    *_of_nights_jobs(),
                    *_of_photos(),
                    *_of_failed_work(),
                    # Last, since by then the driver knows the primary.
                    *_of_mongodb(),
                ]
        except (PyMongoError, DatabaseError):
            figures = None
        yield GaugeMetricFamily(
            "bookingsite_mongodb_up",
            "Whether MongoDB answered this scrape; without it the figures it keeps are missing.",
            value=figures is not None,
        )
        yield from figures or ()


def _of_sweeps() -> Iterator[Metric]:
    """The results of all sweeps, and the holds that wait for the next one."""
    figures = sweep.read_figures()
    tally = figures.tally
    for name, total, what in (
        ("found", tally.found, "Dead holds that sweeps found."),
        ("expired", tally.expired, "Dead holds that sweeps expired."),
        ("races_lost", tally.races_lost, "Dead holds that changed before a sweep reached them."),
    ):
        yield CounterMetricFamily(f"bookingsite_expiry_{name}", what, value=total)
    yield GaugeMetricFamily(
        "bookingsite_expiry_last_run_oldest_seconds",
        "How long the oldest hold of the last sweep had been dead; 0 if there was none.",
        value=tally.last_oldest_age_s,
    )
    ages = GaugeMetricFamily(
        "bookingsite_expiry_last_run_age_seconds",
        "Time since the last sweep ended, by what started it: beat or a command.",
        labels=["started_by"],
    )
    for started_by, age_s in sorted(tally.last_run_age_s.items()):
        ages.add_metric([started_by], age_s)
    yield ages
    yield GaugeMetricFamily(
        "bookingsite_expiry_late_after_seconds",
        "How long after the last sweep the next one counts as missed.",
        value=sweep.late_after_s(),
    )
    yield GaugeMetricFamily(
        "bookingsite_dead_holds",
        "Holds that ran out and are not tidied yet, counted up to 10000; they block no one.",
        value=figures.dead_holds,
    )
    yield GaugeMetricFamily(
        "bookingsite_dead_holds_oldest_seconds",
        "How long the oldest dead hold has been dead; 0 if there is none.",
        value=figures.oldest_dead_hold_age_s,
    )


def _of_worker_clocks() -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "bookingsite_worker_clock_skew_seconds",
        "How far the worst worker's clock is from MongoDB's.",
        value=worker_clocks.furthest_skew_s(),
    )


def _of_letters() -> Iterator[Metric]:
    figures = account_letters.read_figures()
    results = CounterMetricFamily(
        "bookingsite_letters",
        "Tries to send a letter, by result.",
        labels=["result"],
    )
    for result, total in figures.results.items():
        results.add_metric([result], total)
    yield results
    yield GaugeMetricFamily(
        "bookingsite_letters_waiting",
        "Letters that are due or wait for their next try, counted up to 10000.",
        value=figures.waiting,
    )
    yield GaugeMetricFamily(
        "bookingsite_letters_oldest_waiting_seconds",
        "Time since someone asked for the oldest waiting letter; 0 if there is none.",
        value=figures.oldest_waiting_age_s,
    )
    yield GaugeMetricFamily(
        "bookingsite_letters_oldest_due_seconds",
        "How long the oldest due letter has waited for a worker; 0 if none is due.",
        value=figures.oldest_due_age_s,
    )


def _of_deliveries() -> Iterator[Metric]:
    """News of bookings, both not yet passed on and on its way through each channel."""
    yield GaugeMetricFamily(
        "bookingsite_outbox_oldest_due_seconds",
        "How long the oldest due news of a booking has waited to be passed on; 0 if none is due.",
        value=relay.oldest_due_age_s(),
    )
    results = CounterMetricFamily(
        "bookingsite_deliveries",
        "Tries to deliver news of a booking, by channel and result.",
        labels=["channel", "result"],
    )
    waiting = GaugeMetricFamily(
        "bookingsite_deliveries_waiting",
        "News that is due or waits for its next try, counted up to 10000.",
        labels=["channel"],
    )
    due = GaugeMetricFamily(
        "bookingsite_deliveries_oldest_due_seconds",
        "How long the oldest due news has waited for a worker; 0 if none is due.",
        labels=["channel"],
    )
    for channel in deliveries.CHANNELS:
        figures = deliveries.read_figures(channel)
        for result, total in figures.results.items():
            results.add_metric([channel, result], total)
        waiting.add_metric([channel], figures.waiting)
        # A due webhook may be waiting for its endpoint, which is not the worker's fault.
        due_age_s = figures.oldest_due_age_s
        due.add_metric([channel], sending.oldest_due_age_s() if channel == WEBHOOK else due_age_s)
    yield from (results, waiting, due)


def _of_nights_jobs() -> Iterator[Metric]:
    figures = night_jobs.read_figures()
    yield GaugeMetricFamily(
        "bookingsite_nights_jobs_open",
        "Nights jobs that are not done.",
        value=figures.open_jobs,
    )
    yield GaugeMetricFamily(
        "bookingsite_nights_jobs_oldest_seconds",
        "Time since the oldest open nights job was added; 0 if there is none.",
        value=figures.oldest_age_s,
    )


def _of_photos() -> Iterator[Metric]:
    figures = conversion.read_figures()
    yield GaugeMetricFamily(
        "bookingsite_photos_waiting",
        "Photos that wait to be converted.",
        value=figures.waiting,
    )
    yield GaugeMetricFamily(
        "bookingsite_photos_oldest_waiting_seconds",
        "Time since the oldest waiting photo was uploaded; 0 if there is none.",
        value=figures.oldest_age_s,
    )
    yield GaugeMetricFamily(
        "bookingsite_photos_failed",
        "Photos that could not be converted, until staff delete them.",
        value=figures.failed,
    )


def _of_failed_work() -> Iterator[Metric]:
    lines = GaugeMetricFamily(
        "bookingsite_failed_work",
        "Items that met an unexpected error, until they are done or staff delete them.",
        labels=["queue"],
    )
    for queue, number in failed_work.count().items():
        lines.add_metric([queue], number)
    yield lines


def _of_mongodb() -> Iterator[Metric]:
    """The members as this process sees them, so instances may differ, and the primary's disk."""
    states = GaugeMetricFamily(
        "bookingsite_mongodb_members",
        "Members of MongoDB's replica set that clients may use, by state as seen from here.",
        labels=["state"],
    )
    for state, number in members.count_by_state().items():
        states.add_metric([state], number)
    yield states
    room = members.read_room(database())
    if room is not None:
        yield GaugeMetricFamily(
            "bookingsite_mongodb_disk_free_bytes",
            "Free bytes on the disk that holds the data of MongoDB's primary.",
            value=room.free_bytes,
        )
        yield GaugeMetricFamily(
            "bookingsite_mongodb_disk_size_bytes",
            "Size of that disk.",
            value=room.size_bytes,
        )


def _of_webhooks() -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "bookingsite_webhook_endpoints_failing",
        "Partners' endpoints that took nothing the last time and are tried again.",
        value=endpoints.count_failing(),
    )
    yield GaugeMetricFamily(
        "bookingsite_webhook_endpoints_disabled",
        "Partners' endpoints that were disabled because they took nothing.",
        value=endpoints.count_disabled(),
    )


_site = CollectorRegistry()
_site.register(SiteCollector())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answers scrapes of this process only: a request through a proxy comes from the world."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        raise Http404
    return HttpResponse(
        _counted_by_requests() + generate_latest(_site), content_type=CONTENT_TYPE_PLAIN_0_0_4
    )


def _counted_by_requests() -> bytes:
    folder = settings.PROMETHEUS_MULTIPROC_DIR
    if not folder:
        return generate_latest(REGISTRY)
    every_process = CollectorRegistry()
    MultiProcessCollector(every_process, folder)
    with worker_files.reading(folder):
        return generate_latest(every_process)
