"""Idempotency keys: a request that is sent again gets its first answer, and has one effect.

    keyed = Idempotency(Claims(redis), MongoAnswers(client.shop.answers))

    @idempotent(keyed, "issue_voucher")          # from idempotency.django.decorator
    def issue_voucher(request):
        ...

`idempotency.mongodb` keeps answers in MongoDB, `idempotency.django` fits Django and its REST
framework, and `idempotency.conformance` tests an AnswerStore of your own.
"""

from idempotency.answers import Answer, AnswerStore, Kept, OwnAnswers, RedisAnswers
from idempotency.claims import Claim, Claims, Record, Settled
from idempotency.errors import (
    IdempotencyError,
    InProgress,
    InvalidKey,
    MissingKey,
    NoCaller,
    NotKnown,
    PayloadMismatch,
)
from idempotency.keys import digest_of, fingerprint_of, make_key, read_key, write_key
from idempotency.outcomes import Idempotency, KeyedOutcome, KeyedRequest, Refused, replay
from idempotency.policy import KeyPolicy

__all__ = [
    # A request under a key, and what its clients may rely on
    "Idempotency", "KeyPolicy", "KeyedRequest", "KeyedOutcome", "Refused", "replay",
    # Where the answer lives
    "Answer", "AnswerStore", "OwnAnswers", "RedisAnswers", "Kept",
    # Keys and digests
    "digest_of", "fingerprint_of", "make_key", "read_key", "write_key",
    # Claims, for flows that settle them themselves
    "Claim", "Claims", "Record", "Settled",
    # Errors
    "IdempotencyError", "InProgress", "InvalidKey", "PayloadMismatch", "MissingKey",
    "NoCaller", "NotKnown",
]  # fmt: skip
