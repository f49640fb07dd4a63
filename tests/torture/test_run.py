"""A short run of the whole regime, and what it does when a guard is off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from torture.judging import invariants
from torture.options import ROOT
from torture.report.figures import total

pytestmark = pytest.mark.slow


def torture(folder: Path, **variables: str) -> tuple[int, dict[str, Any], str]:
    """The status, the figures and the output of a run."""
    done = subprocess.run(
        [sys.executable, "-m", "torture"],
        cwd=ROOT,
        env={**os.environ, "OUT": str(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode in (0, 1), said[-3000:]
    return done.returncode, json.loads((folder / "figures.json").read_text()), said


def test_keeps_every_promise_for_two_minutes_of_mixed_faults(tmp_path: Path) -> None:
    _, figures, said = torture(tmp_path, SEED="1", MINUTES="2")

    # How long things take is measured on a quiet machine.
    broken = {each["invariant"] for each in figures["stories"]}
    assert broken <= {*invariants.TIMED}, said[-5000:]
    had = [name for name, fault in figures["faults"].items() if fault["count"]]
    assert len(had) >= 10, had
    assert total(figures["operations"]) >= 500
    # One that checks nothing finds nothing.
    assert figures["counts"]["looks of the watcher"] >= 30
    assert figures["counts"]["events received"] >= 50
    assert figures["counts"]["audits of caches"] >= 4


def test_finds_what_a_guard_prevents(tmp_path: Path) -> None:
    """`python -m torture.without` does so for all guards."""
    found = invariants.ONE_PER_SLOT

    status, figures, said = torture(
        tmp_path, SEED="1", MINUTES="0.5", FAULTS="none", WITHOUT="slot_index"
    )

    assert status == 1, said[-3000:]
    assert found in figures["violations"], said[-3000:]
    # The story is told by what clients did.
    story = next(each["story"] for each in figures["stories"] if each["invariant"] == found)
    assert "key" in story
    told = [(each["invariant"], each["story"]) for each in figures["stories"]]
    assert len(told) == len({*told})
    assert "belongs to" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("FAULTS", "redis.kiled", "No fault is called 'redis.kiled'; set FAULTS to all, none, or "),
        ("FAULTS", "none,redis", "Set FAULTS to none alone, or to all or "),
        ("FAULTS", ",", "Set FAULTS to none alone, or to all or "),
        ("WITHOUT", "slot_index,locks", "No guard is called 'locks'; choose among "),
        ("SEED", "1.5", "Set SEED to a whole number from 0 to 999,999,999, not '1.5'."),
        ("MINUTES", "nan", "Set MINUTES to a number from 0.5 to 999,999,999, not 'nan'."),
        ("OUT", __file__, "Set OUT to a folder that can be written, not "),
        ("OUT", "/proc/reports", "Set OUT to a folder that can be written, not "),
    ],
)
def test_says_what_is_wrong_with_a_variable(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torture"],
        cwd=ROOT,
        env={**os.environ, "OUT": str(tmp_path), name: text},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_tells_about_itself_and_starts_nothing() -> None:
    for word, status in (("--help", 0), ("quickly", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "torture", word],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == status
        assert "[MINUTES=10]" in done.stdout + done.stderr
        assert "starting" not in done.stdout
