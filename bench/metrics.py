"""Measures what metrics cost a booking: `python -m bench.metrics [BOOKINGS]`.

Starts its own MongoDB and Redis, and books through the API in this process, measuring processor
time. Then it repeats the counting of one such request many times. The counts go to files, as they
do with several processes.
"""

import io
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta

from bench.own_servers import own_servers

COUNTED = 20_000


def main(bookings: int = 400) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client, RequestFactory

    from bookings.infrastructure import metrics as flow
    from bookings.models import ApiClient
    from bookings.people import tokens
    from bookingsite import metrics as site

    call_command("migrate", verbosity=0)
    call_command("seed_demo", rooms=bookings, stdout=io.StringIO())
    partner = ApiClient.objects.create(name="bench")
    token = tokens.issue_token(partner.pk)
    client = Client(SERVER_NAME="127.0.0.1", headers={"Authorization": f"Bearer {token}"})
    night = (date.today() + timedelta(days=30)).isoformat()  # noqa: DTZ011

    def book(number: int) -> None:
        wish = {"resourceId": f"bench_{number + 1:05}", "date": night}
        answer = client.post("/api/bookings", wish, content_type="application/json")
        assert answer.status_code == 201, answer.content

    request = RequestFactory().post("/api/bookings")

    def count(_: int) -> None:
        flow.claims.labels("create", "won").inc()
        flow.locks.labels("acquired").inc()
        flow.outcomes.labels("create", "success", "false").inc()
        for step in ("claim", "lock", "txn", "finish"):
            flow.step_duration.labels("create", step).observe(0.0015)
        site.count_request(request, "api/bookings", 201, 0.007)

    booked_us = processor_us(book, bookings)
    counted_us = processor_us(count, COUNTED)
    print(  # noqa: T201
        f"a booking's request {booked_us:6.0f} µs, counting in it {counted_us:5.1f} µs: "
        f"{counted_us / booked_us:.1%}"
    )


def processor_us(work: Callable[[int], None], times: int) -> float:
    """Processor microseconds of this process for each call, on average."""
    before_s = time.process_time()
    for number in range(times):
        work(number)
    return (time.process_time() - before_s) / times * 1e6


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
