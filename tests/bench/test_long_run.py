"""`bench.long_run` sends all kinds of requests, and compares what the workers keep."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.load.driving import HttpAnswer
from bench.load.stack import Target
from bench.long_run import visit
from tests.site import ROOT

pytestmark = pytest.mark.mongo

TARGET = Target("site", "http://127.0.0.1:1", {}, headers={"Authorization": "Bearer token"})


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.long_run", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_measures_the_same_workers_before_and_after() -> None:
    done = run("1500")

    assert "by status" in done.stdout, done.stderr
    assert "Other processes" not in done.stderr
    assert "500" not in done.stdout.rpartition("by status")[2]


def test_a_visit_books_repeats_is_refused_reads_and_cancels() -> None:
    flow = visit(TARGET, 1)
    made = HttpAnswer(201, json.dumps({"booking": {"id": "abc"}}).encode(), 1.0)
    sent = [next(flow)]
    try:
        while True:
            sent.append(flow.send(made))
    except StopIteration:
        pass

    assert len(sent) == 10
    assert sent[0] == sent[1]
    assert b"rival-1" in sent[2]
    assert sent[-1].startswith(b"POST /api/bookings/abc/cancel")


@pytest.mark.parametrize("number", ["1000", "0"])
def test_refuses_too_few_requests(number: str) -> None:
    done = run(number)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
