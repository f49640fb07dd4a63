"""The contents of the logs: no routine of tasks, and little while Redis refuses."""

from __future__ import annotations

import inspect
import json
import logging
import sys
from datetime import date
from typing import Any

import pytest
from celery import beat
from celery.app import trace
from celery.worker import strategy
from django.conf import settings

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


@pytest.mark.parametrize(
    "name", ["bookings.people.account_letters", "celery.app.trace", "bookingsite"]
)
def test_keeps_every_error_of_the_site_and_of_its_tasks(name: str) -> None:
    quiet = logs.OnceAMinute()

    for _ in range(2):
        one = record(name, "failed")
        assert quiet.filter(one)
        assert one.exc_info is not None


SENDING = "Scheduler: Sending due task %s (%s)"
ROUTINE = [
    (beat.__name__, SENDING),
    (strategy.__name__, trace.LOG_RECEIVED),
    (trace.__name__, trace.LOG_SUCCESS),
]
ELSE = [
    (trace.__name__, logging.ERROR, trace.LOG_FAILURE),
    (trace.__name__, logging.INFO, trace.LOG_RETRY),
    (trace.__name__, logging.INFO, trace.LOG_IGNORED),
    (trace.__name__, logging.WARNING, trace.LOG_REJECTED),
    (strategy.__name__, logging.ERROR, "Couldn't convert ETA %r to timestamp"),
    (beat.__name__, logging.INFO, "beat: Starting..."),
    ("bookings.operations.sweep", logging.INFO, "holds_expired"),
]


def emit(name: str, level: int, message: str, *, wanted: int) -> list[logging.LogRecord]:
    """Logs a line and returns what our handler lets through, for lines from `wanted` on."""
    kept: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    handler = Kept()
    for one in settings.LOGGING["handlers"]["stderr"]["filters"]:
        handler.addFilter(made(settings.LOGGING["filters"][one]))
    logger = logging.getLogger(name)
    configured = settings.LOGGING["loggers"].get(name, {}).get("level")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(configured or wanted)
    try:
        logger.log(level, message)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    return kept


def made(filter_settings: dict[str, Any]) -> logging.Filter:
    return getattr(logs, filter_settings["()"].rpartition(".")[2])()


@pytest.mark.parametrize(("name", "message"), ROUTINE)
def test_tells_of_every_task_only_where_lines_for_debugging_are_wanted(
    name: str, message: str
) -> None:
    assert SENDING in inspect.getsource(beat.Scheduler.apply_entry)

    assert emit(name, logging.INFO, message, wanted=logging.INFO) == []
    (line,) = emit(name, logging.INFO, message, wanted=logging.DEBUG)
    assert line.levelname == "DEBUG"


@pytest.mark.parametrize(("name", "level", "message"), ELSE)
def test_keeps_what_else_celery_says(name: str, level: int, message: str) -> None:
    (line,) = emit(name, level, message, wanted=logging.INFO)

    assert line.levelno == level


def test_writes_a_record_as_one_line_of_json_with_what_was_bound() -> None:
    one = record("bookings.stays", "took %s\nlines", "two")
    one.created, one.levelname, one.night = 1_800_000_000.0, "WARNING", date(2027, 2, 15)
    logs.bind(request_id="r-1")
    try:
        line = logs.JsonFormatter().format(one)
    finally:
        logs.bind()

    assert "\n" not in line
    written = json.loads(line)
    assert written.pop("exception").endswith("ConnectionError: OOM command not allowed")
    assert written == {
        "request_id": "r-1",
        "event": "took two\nlines",
        "level": "warning",
        "logger": "bookings.stays",
        "night": "datetime.date(2027, 2, 15)",
        "timestamp": "2027-01-15T08:00:00.000000Z",
    }
    assert "request_id" not in json.loads(logs.JsonFormatter().format(one))


@pytest.mark.parametrize("field", sorted(logs.PRIVATE - {"name"}))
def test_never_writes_what_is_private(field: str) -> None:
    one = logging.makeLogRecord({"msg": "seen", field: "s3cret"})
    logs.bind(**{field: "s3cret"})
    try:
        assert "s3cret" not in logs.JsonFormatter().format(one)
    finally:
        logs.bind()
