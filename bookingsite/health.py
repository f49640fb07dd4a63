"""Whether this process lives and its servers answer. Needs no login and is never throttled."""

import pymongo
from django.http import HttpRequest, JsonResponse
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from bookings import connections

# A probe that waits as long as a request would only queue behind the requests.
PROBE_TIMEOUT_S = 1.0


def live(request: HttpRequest) -> JsonResponse:
    """Always 200: restarting this process would not bring a server back."""
    return JsonResponse({"status": "ok"})


def redis(request: HttpRequest) -> JsonResponse:
    """200 when Redis answers, 503 when it does not; bookings go on either way."""
    try:
        connections.redis().ping()
    except RedisError:
        return _answer(False)
    return _answer(True)


def mongo(request: HttpRequest) -> JsonResponse:
    """200 when MongoDB answers."""
    try:
        with pymongo.timeout(PROBE_TIMEOUT_S):
            connections.database().command("ping")
    except PyMongoError:
        return _answer(False)
    return _answer(True)


def ready(request: HttpRequest) -> JsonResponse:
    """200 when a booking could be written: there is a primary. Redis may be down."""
    try:
        with pymongo.timeout(PROBE_TIMEOUT_S):
            writable = connections.database().client.admin.command("hello")["isWritablePrimary"]
    except PyMongoError:
        writable = False
    return _answer(writable)


def _answer(ok: bool) -> JsonResponse:
    return JsonResponse({"status": "ok" if ok else "down"}, status=200 if ok else 503)
