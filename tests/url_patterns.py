"""The patterns of the site's URLs, for tests that forget none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import URLResolver, get_resolver


def patterns_of_site() -> list[str]:
    """Returns every pattern once, such as `bookings/<str:booking_id>/confirm`."""
    return list(dict.fromkeys(_walk(get_resolver().url_patterns, "")))


def _walk(items: Any, before: str) -> Iterator[str]:
    for item in items:
        pattern = before + str(item.pattern)
        if isinstance(item, URLResolver):
            yield from _walk(item.url_patterns, pattern)
        else:
            yield pattern
