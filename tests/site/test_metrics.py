"""`GET /metrics` of a running site: right in every process, quick without MongoDB."""

from __future__ import annotations

import time

import pytest

from bookings import sweep
from local.servers import Server
from tests.mongo.conftest import book, let_hold_end
from tests.mongo.test_metrics import samples
from tests.site.conftest import Starter
from tests.site.site import Site


def test_is_the_same_whichever_process_answers(site: Site) -> None:
    for number in range(1, 4):
        book(f"k{number}", hold=True)
        let_hold_end()
        # Not by the site: in this process, as a worker or cron would do it.
        sweep.expire_holds()

        answers = [samples(site.get("/metrics", token="").text) for _ in range(8)]

        assert {answer["bookingsite_expiry_expired_total"] for answer in answers} == {number}


def test_needs_no_token_and_is_never_throttled(start: Starter) -> None:
    site = start(API_THROTTLE="on", API_RATE_PER_ADDRESS="1/minute", API_RATE_PER_CALLER="1/minute")

    statuses = [site.get("/metrics", token="").status_code for _ in range(5)]

    assert statuses == [200] * 5


@pytest.mark.slow
def test_says_at_once_that_mongodb_is_away(start: Starter, own_mongod: Server) -> None:
    site = start(MONGODB_URI=own_mongod.uri)
    before = site.get("/metrics", token="")
    own_mongod.freeze()
    # From here on the site knows, and answers pages without asking.
    assert site.get("/", token="").status_code == 503

    started_s = time.monotonic()
    during = site.get("/metrics", token="")
    took_s = time.monotonic() - started_s
    own_mongod.thaw()

    assert before.status_code == 200
    assert during.status_code == 503
    assert during.text == "MongoDB does not answer, so there are no figures now.\n"
    # Less than a request may wait for MongoDB, with room for a busy machine.
    assert took_s < 5
    deadline_s = time.monotonic() + 10
    while site.get("/metrics", token="").status_code != 200:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
