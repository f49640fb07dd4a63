"""The line that each request leaves in the log: not for probes that found nothing."""

from __future__ import annotations

import logging

import pytest
from django.test import Client

from bookingsite.probes import PROBES

pytestmark = pytest.mark.mongo


def levels_of(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    return [
        (record.levelname, record.status)  # type: ignore[attr-defined]
        for record in caplog.records
        if record.name == "bookingsite.middleware"
    ]


@pytest.mark.parametrize("path", PROBES)
def test_is_for_debugging_when_a_probe_found_nothing(
    database: None, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Anyone may send them as often as they like, and a full log loses its beginning."""
    with caplog.at_level(logging.DEBUG, logger="bookingsite.middleware"):
        Client().get(path)

    assert levels_of(caplog) == [("DEBUG", 200)]


@pytest.mark.parametrize(
    ("method", "path", "level", "status"),
    [
        ("POST", "/metrics", "INFO", 405),
        ("GET", "/api/health/", "INFO", 404),
        ("GET", "/", "INFO", 200),
    ],
)
def test_is_kept_of_refused_probes_and_all_else(
    database: None,
    method: str,
    path: str,
    level: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, logger="bookingsite.middleware"):
        Client().generic(method, path)

    assert levels_of(caplog) == [(level, status)]
