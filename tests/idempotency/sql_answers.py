"""A store of answers as a user would write it: rows of SQL, in the transaction of the effect."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

from idempotency import Answer, Kept
from idempotency.answers import Effect

# The database's clock; clocks of processes decide nothing.
NOW_MS = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    digest TEXT PRIMARY KEY, until_ms INTEGER,
    status INTEGER, body BLOB, content_type TEXT, fingerprint TEXT, headers TEXT
)
"""


class SqlAnswers:
    """Answers in a table beside the effects. The effect gets the connection, and writes with it."""

    is_durable = True

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """`connect` opens a connection that begins no transactions by itself."""
        self._connect = connect
        with closing(connect()) as connection:
            connection.execute(TABLE)

    def find(self, digest: str) -> Answer | None:
        with closing(self._connect()) as connection:
            return self._find(connection, digest)

    def write(self, digest: str, effect: Effect, *, keep_ms: int | None) -> Kept:
        with closing(self._connect()) as connection:
            # The lock comes first, so that of two requests the second sees what the first wrote.
            connection.execute("BEGIN IMMEDIATE")
            try:
                if written := self._find(connection, digest):
                    connection.execute("ROLLBACK")
                    return Kept(written, is_twin=True)
                answer = effect(connection)
                connection.execute(
                    f"INSERT OR REPLACE INTO answers VALUES (?, {NOW_MS} + ?, ?, ?, ?, ?, ?)",
                    (
                        digest,
                        keep_ms,  # NULL makes the sum NULL, which means for ever
                        answer.status,
                        answer.body,
                        answer.content_type,
                        answer.fingerprint,
                        json.dumps(answer.headers),
                    ),
                )
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return Kept(answer)

    def _find(self, connection: sqlite3.Connection, digest: str) -> Answer | None:
        row = connection.execute(
            "SELECT status, body, content_type, fingerprint, headers FROM answers"
            f" WHERE digest = ? AND (until_ms IS NULL OR until_ms > {NOW_MS})",
            (digest,),
        ).fetchone()
        if row is None:
            return None
        *fields, headers = row
        return Answer(*fields, headers=tuple(map(tuple, json.loads(headers))))
