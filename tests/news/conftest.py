"""A partner and its receiver, for the tests of webhooks."""

from tests.news.partners import inside, partner, receiver

__all__ = ["inside", "partner", "receiver"]
