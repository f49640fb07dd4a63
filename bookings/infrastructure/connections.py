"""The MongoDB client and the Redis clients of this process, made on first use.

So they are made after gunicorn's fork, which the threads of a driver do not survive.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from bson.codec_options import CodecOptions
from django.conf import settings
from django.db import connection
from pymongo import ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from locks import GuardedRedis, Locks, RedisLocks, Redlock, connect

# Promise 4: an acknowledged write is in the journals of a majority of members.
DURABLE = WriteConcern("majority", j=True)

_AWARE_UTC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


# The database into which the doctor looks instead of the site's own; None most of the time.
_other_name: ContextVar[str | None] = ContextVar("other_name", default=None)


def database() -> Database:
    """Django's own database, with pymongo's interface."""
    own: Database = connection.database  # type: ignore[attr-defined]
    name = _other_name.get()
    return own if name is None else own.client[name]


@contextmanager
def looking_into(name: str) -> Iterator[None]:
    """Makes `database` and `collection` use the database of this name. The ORM keeps its own."""
    token = _other_name.set(name)
    try:
        yield
    finally:
        _other_name.reset(token)


def collection(name: str) -> Collection:
    """A collection for the booking flow: aware times, durable writes, majority reads.

    Reads decide about rooms, so they ask the primary and see only what cannot be rolled back.
    """
    own = database()
    key = (id(own.client), own.name, name)
    if (made := _made.get(key)) is None:
        made = _made[key] = own.get_collection(
            name,
            codec_options=_AWARE_UTC,
            write_concern=DURABLE,
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
    return made


# Making a collection takes longer than some uses of it. Each of these keeps its client alive, so
# no other client can get the same id.
_made: dict[tuple[int, str, str], Collection] = {}


@cache
def redis() -> GuardedRedis:
    """The Redis of claims and locks."""
    return connect(settings.REDIS_URL)


@cache
def locks() -> Locks:
    """The slot locks: on a quorum if LOCK_REDIS_URLS names servers, else in the claims' Redis."""
    if settings.LOCK_REDIS_URLS:
        return Redlock([RedisLocks(connect(url)) for url in settings.LOCK_REDIS_URLS])
    return RedisLocks(redis())
