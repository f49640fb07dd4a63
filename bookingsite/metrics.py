"""Figures for Prometheus at `GET /metrics`: no login, no throttle, nothing about guests.

Any of several processes answers, so whatever is counted elsewhere is kept in MongoDB and read
here when it is asked for. A further source is a collector of its own in REGISTRY.
"""

from collections.abc import Iterator

import pymongo
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from pymongo.errors import PyMongoError

from bookings import sweep

# Whoever scrapes gives up after some seconds, and asks again anyway.
SCRAPE_TIMEOUT_S = 1.0


class ExpiryCollector(Collector):
    """What sweeps did, whoever ran them, and what waits for the next one."""

    def collect(self) -> Iterator[Metric]:
        figures = sweep.read_figures()
        tally = figures.tally
        for name, total, what in (
            ("found", tally.found, "Dead holds that sweeps found."),
            ("expired", tally.expired, "Dead holds that sweeps expired."),
            ("races_lost", tally.races_lost, "Dead holds changed before a sweep could do it."),
        ):
            yield CounterMetricFamily(f"bookingsite_expiry_{name}", what, value=total)
        yield GaugeMetricFamily(
            "bookingsite_expiry_last_run_oldest_seconds",
            "How long the oldest hold of the last sweep had been dead; 0 if there was none.",
            value=tally.last_oldest_age_s,
        )
        ages = GaugeMetricFamily(
            "bookingsite_expiry_last_run_age_seconds",
            "Time since the last sweep ended, by who had asked for it: beat or a command.",
            labels=["started_by"],
        )
        for started_by, age_s in sorted(tally.last_run_age_s.items()):
            ages.add_metric([started_by], age_s)
        yield ages
        yield GaugeMetricFamily(
            "bookingsite_dead_holds",
            "Holds that ran out and are not tidied yet, counted up to 10000; they block nobody.",
            value=figures.dead_holds,
        )
        yield GaugeMetricFamily(
            "bookingsite_dead_holds_oldest_seconds",
            "How long the oldest of them has been dead; 0 if there is none.",
            value=figures.oldest_dead_hold_age_s,
        )


REGISTRY = CollectorRegistry()
REGISTRY.register(ExpiryCollector())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    try:
        with pymongo.timeout(SCRAPE_TIMEOUT_S):
            body = generate_latest(REGISTRY)
    except (PyMongoError, DatabaseError):
        return HttpResponse(
            "MongoDB does not answer, so there are no figures now.\n",
            status=503,
            content_type="text/plain; charset=utf-8",
        )
    return HttpResponse(body, content_type=CONTENT_TYPE_PLAIN_0_0_4)
