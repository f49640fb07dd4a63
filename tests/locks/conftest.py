"""A client of the run's Redis, with nothing in it."""

import os
from collections.abc import Iterator

import pytest

from locks.connection import GuardedRedis, connect


@pytest.fixture
def client() -> Iterator[GuardedRedis]:
    """The client the site uses, on this worker's own database, emptied."""
    client = connect(os.environ["REDIS_URL"])
    client.flushdb()
    yield client
    client.flushdb()
    client.close()
