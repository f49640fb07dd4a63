"""The tests of claims share the Redis client of the locks' tests; stores have a database."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.locks.conftest import client

__all__ = ["client"]

pytest.register_assert_rewrite("idempotency.conformance")


@pytest.fixture(scope="session")
def shop() -> Iterator[Database[Any]]:
    """A database of MongoDB beside the site's, for this worker alone."""
    with MongoClient[Any](os.environ["MONGODB_URI"]) as mongo:
        database = mongo[f"{os.environ['MONGODB_NAME']}_shop"]
        yield database
        mongo.drop_database(database.name)
