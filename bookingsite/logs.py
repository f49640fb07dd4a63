"""Structured logs: one JSON object a line, with the id of its request or task."""

import json
import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

# Fields that must never reach a log line, wherever they come from: secrets and personal data.
PRIVATE = frozenset(
    {"token", "authorization", "password", "cookie", "name", "email", "phone", "ip"}
)


# While Redis refuses commands, beat and worker report it several times a second, each time with a
# traceback: about a gigabyte a day, on a disk that may be full already.
REPEATED_AFTER_S = 60.0
_OF_THE_BROKER = ("celery.beat", "celery.worker", "kombu")


class OnceAMinute(logging.Filter):
    """Lets a complaint of Celery's about its broker through once a minute, as one line."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or not record.name.startswith(_OF_THE_BROKER):
            return True
        said, now_s = (record.name, str(record.msg)), time.monotonic()
        if now_s - self._said_at_s.get(said, -REPEATED_AFTER_S) < REPEATED_AFTER_S:
            return False
        self._said_at_s[said] = now_s
        record.msg, record.args = record.getMessage().partition("\n")[0], ()
        if record.exc_info and record.exc_info[0]:
            record.reason = record.exc_info[0].__name__
        record.exc_info = record.exc_text = None
        return True


# Celery's routine lines about each task: three, several times a second, which makes some 95 MB a
# day on an idle site. Lines about failures, retries and refusals begin differently.
_ROUTINE = {
    "celery.beat": "Scheduler: Sending due task",
    "celery.worker.strategy": "Task %(name)s[%(id)s] received",
    "celery.app.trace": "Task %(name)s[%(id)s] succeeded",
}


class RoutineAtDebug(logging.Filter):
    """Lowers Celery's routine lines about tasks to DEBUG, and leaves its other lines alone."""

    def filter(self, record: logging.LogRecord) -> bool:
        opening = _ROUTINE.get(record.name)
        if opening is None or not str(record.msg).startswith(opening):
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


# What every record has. Anything else in it was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

# The fields of every line of a request or task, such as its id.
_bound: ContextVar[Mapping[str, str]] = ContextVar("bound", default=MappingProxyType({}))


def bind(**fields: str) -> None:
    """Puts these fields on every line of this thread from now on, in place of earlier ones."""
    _bound.set(fields)


class JsonFormatter(logging.Formatter):
    """Formats every record as one line of JSON, also those of libraries.

    Each request writes a line. docs/decisions/0044-log-lines.md says why no library does this.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            **_bound.get(),
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line[name] = value
        for name in PRIVATE & line.keys():
            del line[name]
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        at = datetime.fromtimestamp(record.created, UTC)
        line["timestamp"] = f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
        return json.dumps(line, default=repr)
