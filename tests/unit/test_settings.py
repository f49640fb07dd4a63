"""What the settings refuse when the site starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Reads the settings in a process of its own, as every process of the site does."""
    return subprocess.run(
        [sys.executable, "-c", "from bookingsite import settings; print(settings.LOCK_REDIS_URLS)"],
        env={**os.environ, "BOOKINGSITE_ENV": "development", "SECRET_KEY": "x", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("urls", ["", "redis://a,redis://b,redis://c"])
def test_takes_no_lock_servers_or_a_number_with_a_majority(urls: str) -> None:
    assert start(LOCK_REDIS_URLS=urls).stdout == f"{[url for url in urls.split(',') if url]}\n"


@pytest.mark.parametrize(
    "urls",
    [
        "redis://a",
        "redis://a,redis://b",
        "redis://a,redis://b,redis://c,redis://d",
        "redis://a,redis://b,redis://b",
    ],
)
def test_refuses_lock_servers_without_a_clear_majority(urls: str) -> None:
    said = start(LOCK_REDIS_URLS=urls).stderr

    assert "Set LOCK_REDIS_URLS to an odd number of at least 3 different servers" in said
