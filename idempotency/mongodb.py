"""A store of answers in MongoDB, for effects that are written in its transactions."""

from contextlib import suppress
from typing import Any

from pymongo import ReadPreference, WriteConcern, timeout
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from idempotency.answers import Answer, Effect, Kept

# Less than the lease, so that no owner loses its claim to a transaction that still tries.
TIMEOUT_S = 20.0

DURABLE = WriteConcern("majority", j=True)

# An answer has expired once the primary's clock says so; clocks of processes decide nothing.
_IS_KEPT: list[dict[str, Any]] = [{"until": None}, {"$expr": {"$gt": ["$until", "$$NOW"]}}]


class MongoAnswers:
    """Answers in a collection of their own, each written in one transaction with its effect.

    The effect gets the transaction's session, and passes it on with each of its writes. MongoDB may
    run it again after a write conflict, so it must do nothing outside the transaction. Transactions
    need a replica set. Methods raise PyMongoError; then it is unknown whether the effect happened,
    and the same key tells.
    """

    is_durable = True

    def __init__(self, answers: Collection[dict[str, Any]]) -> None:
        """`answers` is the collection, such as `client.shop.answers`. Call `make_indexes` once."""
        self._answers = answers.with_options(
            write_concern=DURABLE,
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )

    def make_indexes(self) -> None:
        """Makes the index by which MongoDB deletes answers that have expired."""
        self._answers.create_index("until", expireAfterSeconds=0)

    def find(self, digest: str) -> Answer | None:
        kept = self._answers.find_one({"_id": digest, "$or": _IS_KEPT})
        return _read(kept) if kept else None

    def write(self, digest: str, effect: Effect, *, keep_ms: int | None) -> Kept:
        def run(session: ClientSession) -> Answer:
            answer = effect(session)
            self._keep(digest, answer, keep_ms, session)
            return answer

        def try_once() -> Kept:
            try:
                with self._answers.database.client.start_session() as session:
                    answer = session.with_transaction(
                        run, read_concern=ReadConcern("snapshot"), write_concern=DURABLE
                    )
            except DuplicateKeyError:
                # The abort had the transaction's write concern, so the twin's answer has by now
                # reached the majority, and is found.
                written = self.find(digest)
                if written is None:
                    raise
                return Kept(written, is_twin=True)
            return Kept(answer)

        with timeout(TIMEOUT_S):
            with suppress(DuplicateKeyError):
                return try_once()
            # The twin's answer expired before it was found, and makes room now. Or the effect's own
            # index complains, and does so again.
            return try_once()

    def _keep(
        self, digest: str, answer: Answer, keep_ms: int | None, session: ClientSession
    ) -> None:
        """Writes the answer in place of one that has expired, if any. Raises DuplicateKeyError."""
        kept = {
            "status": answer.status,
            "body": answer.body,
            "content_type": answer.content_type,
            "fingerprint": answer.fingerprint,
            "headers": [list(header) for header in answer.headers],
        }
        until: Any = None if keep_ms is None else {"$add": ["$$NOW", keep_ms]}
        self._answers.delete_one({"_id": digest, "$nor": _IS_KEPT}, session=session)
        # Only a pipeline knows the primary's clock. The filter finds no answer, so it inserts.
        self._answers.update_one(
            {"_id": digest, "status": {"$exists": False}},
            [{"$replaceWith": {"_id": digest, "until": until, **_as_literals(kept)}}],
            upsert=True,
            session=session,
        )


def _as_literals(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields for a pipeline, which must not read a `$` in them."""
    return {name: {"$literal": value} for name, value in fields.items()}


def _read(kept: dict[str, Any]) -> Answer:
    return Answer(
        status=kept["status"],
        body=bytes(kept["body"]),
        content_type=kept["content_type"],
        fingerprint=kept["fingerprint"],
        headers=tuple((name, value) for name, value in kept["headers"]),
    )
