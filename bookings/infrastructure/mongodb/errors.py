"""Which errors of MongoDB may be over at the next try, and what to say of the others.

The driver's classes and labels tell it of most. An error without a label still has a code, and
MongoDB's own table puts codes into categories: those of mongodb_errors.yml are taken whole, so that
no code is chosen here by hand. docs/decisions/0024-errors-that-pass.md says why these.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import DatabaseError
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

# MongoDB's codes: a user that may not do this, and a login that it does not know.
FORBIDDEN = 13
AUTHENTICATION_FAILED = 18

UNKNOWN_LOGIN = (
    "MongoDB does not know this user by this password; correct the login in MONGODB_URI."
)

# What the server and the driver write on errors after which the same may be tried again.
PASSING_LABELS = frozenset(
    {
        "RetryableWriteError",
        "TransientTransactionError",
        "UnknownTransactionCommitResult",
        "RetryableError",
        "SystemOverloadedError",
    }
)

CATEGORIES: dict[str, dict[int, str]] = yaml.safe_load(
    Path(__file__).with_suffix(".yml").read_text(encoding="utf-8")
)
PASSING_CODES = frozenset(code for codes in CATEGORIES.values() for code in codes)

# What Django makes of a driver's error: the ORM, and two layers of sessions above it.
_WRAPPERS = (DatabaseError, UpdateError, SessionInterrupted)


def driver_error(error: BaseException | None) -> PyMongoError | None:
    """The driver's error that this is, or that Django has wrapped; None if it is no such error."""
    while isinstance(error, _WRAPPERS):
        error = error.__cause__ or error.__context__
    return error if isinstance(error, PyMongoError) else None


def is_passing(error: PyMongoError) -> bool:
    """Whether the same may succeed at the next try, as after a time-out or an election.

    Of a bulk write every error has to be one that passes.
    """
    codes = _codes_of(error)
    return (
        error.timeout
        or isinstance(error, ConnectionFailure)
        or any(error.has_error_label(label) for label in PASSING_LABELS)
        or (bool(codes) and PASSING_CODES.issuperset(codes))
    )


def is_unknown_login(error: PyMongoError) -> bool:
    return isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED


def describe(error: BaseException) -> dict[str, Any]:
    """What a line of the log says of a driver's error; nothing of any other error."""
    found = driver_error(error)
    if found is None:
        return {}
    labels = {label for label in PASSING_LABELS if found.has_error_label(label)}
    return {
        "error_class": type(found).__name__,
        "error_codes": sorted(_codes_of(found)),
        "error_labels": sorted(labels.union(_details_of(found).get("errorLabels", ()))),
    }


def _codes_of(error: PyMongoError) -> set[int]:
    details = _details_of(error)
    if isinstance(error, BulkWriteError):
        parts = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
    else:
        parts = [{"code": getattr(error, "code", None) or details.get("code")}]
    return {part["code"] for part in parts if part.get("code")}


def _details_of(error: PyMongoError) -> Mapping[str, Any]:
    details = getattr(error, "details", None)
    return details if isinstance(details, Mapping) else {}
