"""Whether this process is alive and its servers answer. Needs no login and is never throttled."""

from typing import Any

import pymongo
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings.infrastructure import connections
from bookings.operations.backups import restoring

# A probe that waited as long as a request may would only queue behind the requests.
PROBE_TIMEOUT_S = 1.0

_STATUS = inline_serializer("Health", {"status": serializers.ChoiceField(["ok", "down"])})
_SAID = {200: "ok", 503: "down"}


def _describe(operation_id: str, summary: str, description: str, *statuses: int) -> Any:
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=f"{description} Needs no login and is never throttled.",
        tags=["health"],
        auth=[],
        responses={
            status: OpenApiResponse(
                _STATUS,
                description=_SAID[status],
                examples=[OpenApiExample(_SAID[status], value={"status": _SAID[status]})],
            )
            for status in statuses
        },
    )


class _Probe(APIView):
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class Live(_Probe):
    @_describe("health", "Check that this process answers", "For liveness probes.", 200)
    def get(self, request: Request) -> Response:
        """Always 200: restarting this process would not bring a server back."""
        return _answer(True)


class RedisHealth(_Probe):
    @_describe(
        "health_redis",
        "Check that Redis answers",
        "Bookings continue without Redis, only slower.",
        200,
        503,
    )
    def get(self, request: Request) -> Response:
        try:
            connections.redis().ping()
        except RedisError:
            return _answer(False)
        return _answer(True)


class MongoHealth(_Probe):
    @_describe(
        "health_mongo",
        "Check that MongoDB answers",
        "It may answer even when no booking can be written; see `ready`.",
        200,
        503,
    )
    def get(self, request: Request) -> Response:
        try:
            with pymongo.timeout(PROBE_TIMEOUT_S):
                connections.database().command("ping")
        except PyMongoError:
            return _answer(False)
        return _answer(True)


class Ready(_Probe):
    @_describe(
        "ready",
        "Check that a booking could be written",
        "For readiness probes: MongoDB has a primary, and no restore is half done.",
        200,
        503,
    )
    def get(self, request: Request) -> Response:
        """Asks for a primary, and for a database in which no restore is half done.

        Redis may be down: bookings are then slower, not wrong.
        """
        try:
            with pymongo.timeout(PROBE_TIMEOUT_S):
                database = connections.database()
                hello = database.client.admin.command("hello")
                is_whole = hello["isWritablePrimary"] and not restoring.is_unfinished(database)
        except PyMongoError:
            return _answer(False)
        return _answer(is_whole)


def _answer(ok: bool) -> Response:
    return Response({"status": "ok" if ok else "down"}, status=200 if ok else 503)
