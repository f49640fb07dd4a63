"""`make bench` asks the site, its floor and a baseline, and writes what it measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.load.driving import Sample
from bench.load.report import Result, read, to_text
from tests.site import ROOT

pytestmark = pytest.mark.mongo

SCENARIOS = ("create", "replay", "one_slot", "one_key", "hold_confirm", "find_rare", "grid")


def sample(rate: int, cpu_ms: float, status: int = 201) -> Sample:
    return Sample(rate, 1.0, 1.0, 2.0, {status: rate}, {"web": cpu_ms})


@pytest.mark.slow
def test_measures_a_booking_and_its_replay_beside_another_version(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        env={
            **os.environ,
            "SCENARIOS": ",".join(SCENARIOS),
            "ROUNDS": "1",
            "SECONDS": "1",
            "BASELINE": str(ROOT),
            "BOOKINGS": "4000",
            "BASELINE_BOOKINGS": "3000",
            "BENCH_FOLDER": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob("*.json")
    scenarios = json.loads(path.read_text())["scenarios"]
    for name in SCENARIOS:
        assert set(scenarios[name]["ratios"]) == {"baseline", "floor"}
        assert set(scenarios[name]["ratios"]["baseline"]) == {"rate", "p50", "cpu"}
        assert scenarios[name]["medians"]["site"]["cpu_ms"] > 0
    assert set(read(path)) == set(scenarios)
    assert path.with_suffix(".svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_sells_each_room_of_a_hot_night_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        env={
            **os.environ,
            "SCENARIOS": "hot_night,hot_rooms",
            "ROUNDS": "1",
            "SECONDS": "1",
            "BENCH_FOLDER": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    # A slow machine may be late, which is no fault of the site.
    assert "WRONG" not in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("the last definite answer after") == 2


def test_pairs_the_rounds_for_a_ratio() -> None:
    result = Result(
        "create",
        "create",
        frozenset({201}),
        {
            "site": [sample(10, 4.0), sample(30, 4.0), sample(5, 6.0)],
            "peer": [sample(20, 2.0), sample(60, 1.0), sample(10, 3.0)],
        },
    )

    assert result.ratio("peer", lambda each: each.rate) == 0.5
    assert result.ratio("peer", lambda each: each.cpu_ms["web"]) == 2.0


def test_says_which_answers_were_wrong() -> None:
    result = Result("create", "create", frozenset({201}), {"site": [sample(3, 1.0, status=503)]})

    assert "WRONG" in to_text([result], {})
    assert result.odd == {503: 3}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SCENARIOS", "create,creat"),
        ("ROUNDS", "0"),
        ("COMPARE", "no.json"),
        ("BASELINE_BOOKINGS", "many"),
        ("BOOKINGS", "5000001"),
        ("CONNECTIONS", "0"),
    ],
)
def test_refuses_a_variable_that_makes_no_sense(variable: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert variable in done.stderr
    assert "Traceback" not in done.stderr
