"""Faults at points, as a run arms them and takes them back."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

from tests.faults import Faults


def test_ends_a_pause_after_as_long_as_it_was_told(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    faults.arm("after_lock", "pause 0.3")
    began_s = time.monotonic()
    faults("after_lock")

    assert 0.3 <= time.monotonic() - began_s < 5


def test_has_the_next_thread_wait_again(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    faults.go()
    faults.stay()
    faults.arm("after_lock", "pause 30")
    thread = Thread(target=faults, args=("after_lock",))
    thread.start()
    faults.wait_for("paused")
    thread.join(0.3)

    assert thread.is_alive()
    faults.go()
    thread.join(5)
    assert not thread.is_alive()


def test_takes_a_point_back_that_no_thread_met(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    faults.arm("after_lock", "kill")

    assert faults.disarm("after_lock")
    faults("after_lock")


def test_says_that_a_thread_met_the_point(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    faults.arm("after_lock", "sleep 0")
    faults("after_lock")

    assert not faults.disarm("after_lock")
