"""Structured logs: one JSON object a line, with the id of the request or task it belongs to."""

import logging

import structlog

# Fields that must never reach a line, whoever adds them: secrets, and who somebody is.
PRIVATE = frozenset(
    {"token", "authorization", "password", "cookie", "name", "email", "phone", "ip"}
)


def json_formatter() -> logging.Formatter:
    """The formatter for every handler; plain `logging` calls come out the same way."""
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
