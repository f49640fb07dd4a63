"""Ending all sessions of one person at once. Writes `session_stamps`.

Django puts a digest of the password into each session and compares it with every request, so that a
new password ends the sessions from before. Here the digest covers a stamp of the account as well:
another stamp ends them without a new password. Who has no stamp has the digest that Django makes.
"""

import secrets
from typing import Any

from django.contrib.auth.models import User
from django.utils.crypto import salted_hmac
from pymongo.errors import DuplicateKeyError

from bookings.infrastructure.connections import collection

_of_password = User._get_session_auth_hash  # type: ignore[attr-defined]


def end_sessions(user_id: Any) -> None:
    """Ends every session of the account, in all processes, from their next request on.

    A login that is under way ends too, unless it reads the account after this.
    """
    stamp = secrets.token_hex(16)
    collection("session_stamps").update_one(
        {"_id": user_id}, {"$set": {"stamp": stamp}}, upsert=True
    )


def end_seen_sessions(user_id: Any, *, seen: str) -> bool:
    """As `end_sessions`, but only if the stamp is still the one that was seen. False if the
    sessions were ended meanwhile; those that began since then go on."""
    stamp = secrets.token_hex(16)
    if seen:
        ended = collection("session_stamps").update_one(
            {"_id": user_id, "stamp": seen}, {"$set": {"stamp": stamp}}
        )
        return ended.matched_count == 1
    try:
        collection("session_stamps").insert_one({"_id": user_id, "stamp": stamp})
    except DuplicateKeyError:
        return False
    return True


def read_stamp(user_id: Any) -> str:
    """The account's stamp, "" if its sessions were never ended."""
    document = collection("session_stamps").find_one({"_id": user_id})
    return document["stamp"] if document else ""


def _stamp_of(user: Any) -> str:
    """Read once for a user object: a request that began before its sessions were ended must not
    store a digest with the new stamp, as it would after a change of its own password."""
    found: str | None = getattr(user, "_stamp", None)
    if found is None:
        found = user._stamp = read_stamp(user.pk)
    return found


def _get_session_auth_hash(self: Any, secret: str | bytes | None = None) -> str:
    digest: str = _of_password(self, secret=secret)
    stamp = _stamp_of(self)
    if not stamp:
        return digest
    return salted_hmac(
        "bookings.people.sessions", f"{digest}:{stamp}", secret=secret, algorithm="sha256"
    ).hexdigest()


User.add_to_class("_get_session_auth_hash", _get_session_auth_hash)
