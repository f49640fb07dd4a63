"""The tests of claims share the Redis client of the locks' tests."""

from tests.locks.conftest import client

__all__ = ["client"]
