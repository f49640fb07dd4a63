"""Django system checks: limits and settings that depend on each other."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from bookings.content.photos import files
from bookings.infrastructure import deadlines
from bookings.stays import outcomes, slot_locks
from locks.connection import OPERATION_TIMEOUT_S

# gunicorn kills a worker whose loop stalls for this long: all command lines have `--timeout 20`.
GUNICORN_TIMEOUT_S = 20

SHORTEST_HOLD_S = 5 * 60


@register()
def check_deadlines(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Each limit must be shorter than the next one, or it would outlast what protects it."""
    limits = [
        ("a Redis operation", OPERATION_TIMEOUT_S),
        ("MongoDB's share of a request", deadlines.MONGODB_TIMEOUT_S),
        ("a request", deadlines.REQUEST_TIMEOUT_S),
        ("a slot lock", slot_locks.LOCK_TTL_MS / 1000),
        ("a claim's lease", outcomes.CLAIM_LEASE_MS / 1000),
        ("gunicorn's time-out", GUNICORN_TIMEOUT_S),
        ("a server-made key", outcomes.POLICY.derived_ms / 1000),
        ("the shortest hold", SHORTEST_HOLD_S),
    ]
    return [
        Error(f"{shorter} ({short_s} s) must end before {longer} ({long_s} s).", id="bookings.E001")
        for (shorter, short_s), (longer, long_s) in zip(limits, limits[1:], strict=False)
        if short_s >= long_s
    ]


@register(Tags.security, deploy=True)
def check_proxies(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """A proxy that is trusted for the protocol must be trusted for IP addresses, too.

    Otherwise all clients have the proxy's IP address and share its limits.
    """
    if not settings.SECURE_PROXY_SSL_HEADER or settings.REST_FRAMEWORK["NUM_PROXIES"]:
        return []
    return [
        Error(
            "Set TRUSTED_PROXIES to the number of proxies in front of the site, or "
            "TRUST_FORWARDED_PROTO to no: otherwise all clients share one limit.",
            id="bookings.E002",
        )
    ]


@register(Tags.files, deploy=True)
def check_photos(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Photos need a folder or bucket that this process can write; without one they are off."""
    if not files.are_on() or files.can_be_used():
        return []
    if settings.PHOTOS_BUCKET:
        sentence = (
            f"Photos cannot be written into the bucket {settings.PHOTOS_BUCKET}; make the bucket, "
            "or fix PHOTOS_BUCKET and the settings that begin with PHOTOS_S3."
        )
    else:
        sentence = (
            f"Photos cannot be written into {settings.PHOTOS_FOLDER}; let the site's user write "
            "there, mount the volume, or set PHOTOS_FOLDER to nothing."
        )
    return [Error(sentence, id="bookings.E003")]
