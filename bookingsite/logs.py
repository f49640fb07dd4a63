"""Structured logs: one JSON object a line, with the id of its request or task."""

import logging
import time

import structlog

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


def json_formatter() -> logging.Formatter:
    """The formatter of every handler; plain `logging` calls come out the same way."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_private,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )


def _drop_private(
    logger: object, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    for field in PRIVATE & event.keys():
        del event[field]
    return event
