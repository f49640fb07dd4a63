"""What stands in the logs while Redis refuses."""

from __future__ import annotations

import logging
import sys

import pytest

from bookingsite import logs


def record(name: str, message: str, *arguments: object) -> logging.LogRecord:
    try:
        raise ConnectionError("OOM command not allowed")
    except ConnectionError:
        return logging.LogRecord(name, logging.ERROR, "", 1, message, arguments, sys.exc_info())


def test_says_what_beat_could_not_send_once_a_minute_and_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1_000.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now_s)
    quiet = logs.OnceAMinute()
    first, again, later = (
        record("celery.beat", "Message Error: %s\n%s", f"task {n}", ["a stack"]) for n in range(3)
    )

    assert quiet.filter(first)
    assert not quiet.filter(again)
    now_s += logs.REPEATED_AFTER_S
    assert quiet.filter(later)
    assert first.getMessage() == "Message Error: task 0"
    assert first.exc_info is None
    assert first.reason == "ConnectionError"


@pytest.mark.parametrize("name", ["bookings.letters", "celery.app.trace", "bookingsite"])
def test_keeps_every_error_of_the_site_and_of_its_tasks(name: str) -> None:
    quiet = logs.OnceAMinute()

    for _ in range(2):
        one = record(name, "failed")
        assert quiet.filter(one)
        assert one.exc_info is not None
