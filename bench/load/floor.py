"""The floor: a WSGI function that does for a request what no such site could leave out.

It checks nothing and remembers no one. `/create` is a trip to Redis, an insert in a transaction and
another trip to Redis. `/replay` is one trip to Redis. `/constant` is nothing but HTTP. So a
scenario's distance from its floor is the price of everything that the site does beyond that, with
the same server, driver and language.
"""

import json
import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pymongo
import redis
from bson import ObjectId
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

# As large as the site's answers.
ANSWER = json.dumps({"success": True, "booking": {"notes": "x" * 900}}).encode()

_CLAIM = "return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', 30000)"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    path = environ["PATH_INFO"]
    if path == "/replay":
        _redis().get("floor:answer")
    elif path == "/create":
        _create(environ.get("HTTP_IDEMPOTENCY_KEY", ""), body)
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))]
    )
    return [ANSWER]


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(os.environ["REDIS_URL"])


@cache
def _bookings() -> pymongo.collection.Collection[dict[str, Any]]:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(os.environ["MONGODB_URI"])
    return client["floor"]["bookings"]


def _create(key: str, body: bytes) -> None:
    _redis().eval(_CLAIM, 1, f"floor:{key}", key)
    bookings = _bookings()
    booking = {"_id": ObjectId(), "key": key, **json.loads(body)}

    def insert(session: ClientSession) -> None:
        bookings.insert_one(booking, session=session)

    with bookings.database.client.start_session() as session:
        session.with_transaction(
            insert,
            read_concern=ReadConcern("snapshot"),
            write_concern=WriteConcern("majority", j=True),
        )
    _redis().set(f"floor:{key}", ANSWER, px=86_400_000)
