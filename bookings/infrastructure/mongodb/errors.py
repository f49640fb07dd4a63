"""Which errors of MongoDB may pass until the next try, and what the log says about errors.

The driver's classes and labels decide most cases. An error without a label still has a code, and
MongoDB's own table sorts codes into categories. errors.yml has whole categories from that table, so
no code is chosen by hand. docs/decisions/0024-errors-that-pass.md gives the reasons.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import DatabaseError
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

# MongoDB's codes for a missing permission and for an unknown login.
FORBIDDEN = 13
AUTHENTICATION_FAILED = 18

UNKNOWN_LOGIN = "MongoDB does not accept this user and password; correct the login in MONGODB_URI."

# The labels that server and driver put on errors after which the same command may be retried.
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

# Django's wrappers of a driver's error: the ORM's, and those of two layers of sessions.
_WRAPPERS = (DatabaseError, UpdateError, SessionInterrupted)


def driver_error(error: BaseException | None) -> PyMongoError | None:
    """The driver's error, unwrapped if Django has wrapped it; None for other errors."""
    while isinstance(error, _WRAPPERS):
        error = error.__cause__ or error.__context__
    return error if isinstance(error, PyMongoError) else None


def is_passing(error: PyMongoError) -> bool:
    """Whether the same command may succeed at the next try, as after a time-out or an election.

    For a bulk write every single error must be a passing one.
    """
    codes = _codes_of(error)
    return (
        error.timeout
        or isinstance(error, ConnectionFailure)
        or any(error.has_error_label(label) for label in PASSING_LABELS)
        or (bool(codes) and PASSING_CODES.issuperset(codes))
    )


def is_unknown_login(error: PyMongoError) -> bool:
    """Whether MongoDB refused the user or the password."""
    return isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED


def describe(error: BaseException) -> dict[str, Any]:
    """The fields of a log line about a driver's error; empty for other errors."""
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
